"""What the writer of a YAML file meant; and its mistakes: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Tag, ValidationError, ValidationInfo, field_validator

from filtertwins.errors import StudyError

NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
SHA256 = r"^[0-9a-f]{64}$"
PATTERNS = {
    NAME: "a name begins with a letter, and has letters, digits and underscores",
    SHA256: "must be 64 hexadecimal digits, with small letters",
}
KINDS = ("idx", "npz", "keras", "embedded")
"""The kinds of datasets."""

TRUTH = "to YAML, yes, no, on, off, true and false are truth values; write a number, or put a text in quotes"

# What `only: true` switches off where nobody names it: whole sections, and each name in some.
SECTIONS = ("experiments", "pruning", "weight_deletion", "claims")
GROUPS = ("architectures", "experiments", "networks")

NULLS = ("null", "Null", "NULL", "~", "", "None")
"""How null arrives as text: as YAML spells it, and as Snakemake hands it on to its jobs."""


class Section(BaseModel):
    """A section of a YAML file: frozen, without unknown keys, infinities and NaN."""

    # Defaults are validated too, because some checks compare a key with the ones above it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """What is clear is understood: one value for a list of one, and ``1e3``, which is text to YAML."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        types = list(_types_in(annotation))
        items = list(value) if isinstance(value, list | tuple) else [value]
        if bool not in types and any(isinstance(item, bool) for item in items):
            raise ValueError(TRUTH)
        if str not in types and (int in types or float in types):
            for place, item in enumerate(items):
                with suppress(ValueError):
                    items[place] = float(item) if isinstance(item, str) else item
        several = get_origin(annotation) is tuple
        if several and Ellipsis not in types and not isinstance(value, list | tuple):
            raise ValueError("give height and width, such as [3, 1]")
        return items if isinstance(value, list | tuple) or (several and value is not None) else items[0]


def _types_in(annotation: Any) -> Iterator[Any]:
    yield annotation
    for member in get_args(annotation):
        yield from _types_in(member)


def refuse(mistake: str, when: Callable[..., object]) -> Callable[[Any, ValidationInfo], Any]:
    """A validator that says what is wrong; unlike one of a whole section, it runs when other keys have mistakes too.

    Args:
        mistake: what is said; in braces, it may name the parameters of ``when``, and ``found``, which is its result.
        when: returns something true where there is a mistake. Its first parameter is the value, further ones are keys
            above it in the section. Where one of these has a mistake itself, nothing is checked.
    """
    others = list(inspect.signature(when).parameters)[1:]

    def validate(value: Any, info: ValidationInfo) -> Any:
        above = {other: info.data[other] for other in others if other in info.data}
        if len(above) == len(others) and (found := when(value, **above)):
            raise ValueError(mistake.format(found=found, **above))
        return value

    return validate


def check(key: str, mistake: str, when: Callable[..., object]) -> Any:
    """A check of one key of a section, as an attribute of its class; see :func:`refuse`."""
    return field_validator(key)(refuse(mistake, when))


def added(description: str, **limits: Any) -> Any:
    """A key that came after studies had run: its default, None, is left out of what their results depend on."""
    return Field(default=None, exclude_if=lambda it: it is None, description=description, **limits)


def among(names: str) -> AfterValidator:
    """A validator of a name: it must be among those under a key above it, or those in the validation's context."""

    def validate(name: str, info: ValidationInfo) -> str:
        known = info.data.get(names, (info.context or {}).get(names))
        if known is not None and name not in known:
            raise ValueError(f"not among the {names}; {allowed_names(name, known)}")
        return name

    return AfterValidator(validate)


def meant(config: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with null for each text that means it, and, if it says so, ``only`` with what is named.

    Args:
        config: the default study with everything that is laid over it. Snakemake reads values of ``--config`` as text.
        named: what is laid over it.
    """
    whole: dict[str, Any] = _with_nulls(config)
    return _only(whole, {"architectures": {}} | dict(named)) if whole.get("only") is True else whole


def _with_nulls(plain: Any) -> Any:
    if isinstance(plain, Mapping):
        return {key: _with_nulls(value) for key, value in plain.items()}
    return None if isinstance(plain, str) and plain in NULLS else plain


def _only(config: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """What is named of a section. What is named without its groups keeps these."""
    kept: dict[str, Any] = {}
    for key, value in config.items():
        own = named.get(key)
        kept[key] = None if key in SECTIONS and key not in named else value
        if isinstance(value, Mapping) and isinstance(own, Mapping):
            inner = _only(value, own)
            kept[key] = {name: inner[name] if name in own else None for name in value} if key in GROUPS else inner
    return kept


def duplicate_keys(path: Path) -> list[str]:
    """A line for each key that a section of a YAML file has twice. Without a word, YAML would drop its first value.

    A key may stand beside one of the same name in a merged section (``<<``). For a file that is no YAML there is no
    line: who reads it says what is wrong.
    """
    try:
        whole = yaml.compose(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError):
        return []
    found: list[tuple[int, str]] = []
    seen: set[int] = set()  # Aliases stand for a node that is somewhere else too.
    waiting = [("", whole)]
    for section, node in waiting:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(f"{section}{number}.", item) for number, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                waiting.append((f"{section}{key.value}.", value))
                line, name = key.start_mark.line + 1, (key.tag, str(key.value))
                if name in lines and key.tag != "tag:yaml.org,2002:merge":
                    found.append((line, f"{section}{key.value} stands in line {lines[name]} already; keep one of them"))
                lines.setdefault(name, line)
    return [f"{path}, line {line}: {mistake}" for line, mistake in sorted(found)]


def refuse_duplicate_keys(paths: Iterable[Path]) -> None:
    """Check that no section of some YAML files has a key twice.

    Raises:
        StudyError: names every such key, with both lines.
    """
    if mistakes := [mistake for path in dict.fromkeys(map(Path, paths)) for mistake in duplicate_keys(path)]:
        raise StudyError(list_mistakes("the configuration", mistakes))


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A line for each mistake that pydantic found in a YAML file, the whole of which is described by a model."""
    items = error.errors(include_url=False)
    inner = {item["loc"][:length] for item in items for length in range(len(item["loc"]))}
    # Pydantic does not count an item with a mistake, and then reports that its list is too short as well.
    shown = [item for item in items if item["type"] != "too_short" or item["loc"] not in inner]
    return [_explain(item, model) for item in shown]


def list_mistakes(subject: str, mistakes: Sequence[str]) -> str:
    """The message that lists them, such as "the configuration has 2 mistakes: ..."."""
    count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return f"{subject} has {count}:\n" + "\n".join(f"  - {mistake}" for mistake in mistakes)


def allowed_names(name: object, names: Iterable[str]) -> str:
    """The end of a message about a name that is not among the known ones: which there are, and the nearest."""
    return f"allowed: {', '.join(names)}{did_you_mean(str(name), names)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a message; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _explain(error: Mapping[str, Any], whole: type[BaseModel]) -> str:
    """One line for a person who wrote the YAML, from one of pydantic's errors."""
    *above, last = error["loc"] or ("",)
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    parts = [*above, last] if last != "[key]" else above  # Pydantic adds this where a key itself is wrong.
    parts = [part for part in parts if not str(part).startswith("#")]  # It also adds which form of a section was meant.
    if parts[:1] == ["datasets"] and parts[2:3] in [[kind] for kind in KINDS]:
        del parts[2]  # Pydantic adds a dataset's kind after its name.
    key = ".".join(map(str, parts))
    if last == "[key]" and isinstance(value, bool):
        return f"{'.'.join(map(str, parts[:-1]))}: {value} is no name; {TRUTH}"
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {allowed_names(last, _known_keys(whole, above))}"
    if kind == "missing":
        return f"{key}: missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{key}.kind: must be {', '.join(map(repr, KINDS[:-1]))} or {KINDS[-1]!r}"
    message = str(context.get("error", error["msg"]))  # Pydantic puts words before the message of a ValueError.
    if kind == "literal_error":
        names = re.findall(r"'(\w+)'", context["expected"])
        message = f"allowed: {context['expected']}{did_you_mean(str(value), names)}"
    elif kind == "string_pattern_mismatch":
        message = PATTERNS[context["pattern"]]
    elif kind in ("model_type", "dict_type"):
        message = "must be a section with keys of its own"
    elif kind == "tuple_type":
        message = "must be a list, such as [1, 2]"
    elif isinstance(value, float) and not math.isfinite(value):
        message = "must be a finite number"
    elif isinstance(value, dict | BaseModel) or last == "[key]":  # The message or the key tells all.
        return f"{key}: {message}".removeprefix(": ")
    return f"{key} = {value!r}; {message[0].lower()}{message[1:]}"


def _known_keys(model: Any, location: Sequence[Any]) -> list[str]:
    """The keys that the section at `location` of a file may have, if the whole file is of the type `model`."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = model.model_fields
        if not location:
            return list(fields)
        if location[0] in fields:
            return _known_keys(fields[location[0]].annotation, location[1:])
        is_kind = "kind" in fields and location[0] in get_args(fields["kind"].annotation)
        return _known_keys(model, location[1:]) if is_kind else []
    members = get_args(model)
    if tags := [member.tag for member in members if isinstance(member, Tag)]:
        own = location[1:] if location[:1] == tags else location
        return _known_keys(members[0], own) if own is not location or not str(*location[:1]).startswith("#") else []
    if get_origin(model) in (dict, tuple):  # A name or a number leads to a value. There are no sections in pairs.
        return _known_keys(members[get_origin(model) is dict], location[1:])
    return [key for member in members for key in _known_keys(member, location)]  # of a union
