"""Mistakes in a YAML file, told to the person who wrote it: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A line for each mistake in a YAML file: its key, its value, what is allowed, and the nearest known name.

    Args:
        error: what pydantic found.
        model: what the whole file was checked against.
    """
    items = error.errors(include_url=False)
    inner = {item["loc"][:length] for item in items for length in range(len(item["loc"]))}
    # Pydantic does not count an item with a mistake, and then reports that its list is too short as well.
    shown = [item for item in items if item["type"] != "too_short" or item["loc"] not in inner]
    return [_explain(item, model) for item in shown]


def list_mistakes(subject: str, mistakes: Sequence[str]) -> str:
    """The message that lists them, such as "the configuration has 2 mistakes: ..."."""
    count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return f"{subject} has {count}:\n" + "\n".join(f"  - {mistake}" for mistake in mistakes)


def unknown_names(section: str, named: Any, noun: str, known: Iterable[str] | None) -> list[str]:
    """A mistake for each name in a section that is not among the known ones."""
    if known is None or not isinstance(named, Mapping | list | tuple):
        return []
    names = list(known)
    return [
        f"{section}.{name}: unknown {noun}; allowed: {', '.join(names)}{did_you_mean(str(name), names)}"
        for name in named
        if name not in names
    ]


def _explain(error: Mapping[str, Any], whole: type[BaseModel]) -> str:
    """One line for a person who wrote the YAML, from one of pydantic's errors."""
    location = list(error["loc"])
    if location[:1] == ["datasets"] and location[2:3] in (["idx"], ["embedded"]):
        del location[2]  # Pydantic adds a dataset's kind after its name. It is not a key.
    key = ".".join(str(part) for part in location)
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(whole, location[:-1])
        return f"{key}: unknown key; allowed: {', '.join(known)}{did_you_mean(str(location[-1]), known)}"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "literal_error":
        allowed = str(context["expected"])
        return f"{key} = {value!r}; allowed: {allowed}{did_you_mean(str(value), _quoted(allowed))}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"{key}.kind: must be 'idx' or 'embedded'"
    if kind in ("model_type", "dict_type"):
        return f"{key} = {value!r}; must be a section with keys of its own"
    if isinstance(value, dict | BaseModel):  # The whole section was checked, and the message names the keys.
        return f"{key}: {error['msg']}" if key else str(error["msg"])
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key} = {value}; must be a finite number"
    return f"{key} = {value!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _known_keys(whole: type[BaseModel], location: Iterable[Any]) -> list[str]:
    """The keys that the section at `location` of a file may have."""
    model: Any = whole
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[part].annotation
        elif not isinstance(model, type):  # The model is dict[Name, X], where any name leads to X.
            model = get_args(model)[1]
        model = _first_model(model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _first_model(annotation: Any) -> Any:
    """The first model among the members of a union; other annotations unchanged."""
    if isinstance(annotation, type) or getattr(annotation, "__origin__", None) is dict:
        return annotation
    members = [_first_model(member) for member in get_args(annotation)]
    return next((m for m in members if isinstance(m, type) and issubclass(m, BaseModel)), annotation)


def _quoted(text: str) -> list[str]:
    return [part for part in text.split("'") if part.isidentifier()]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a message; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
