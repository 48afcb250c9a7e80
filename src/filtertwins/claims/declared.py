"""The claims as ``config/claims.yaml`` declares them: validated, every mistake reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from filtertwins.architectures import Name
from filtertwins.claims.evidence import TESTS
from filtertwins.errors import StudyError
from filtertwins.mistakes import Section, allowed_names, list_mistakes, mistakes_of

Text = Annotated[str, Field(min_length=1)]
LATER = "The claim is of a further file, beside those that were fixed before the confirmatory run."


class ClaimsError(StudyError):
    """The file of claims is wrong; the message lists every mistake."""


class Answers(Section):
    """One sentence for each verdict, with the test's numbers in braces."""

    supported: Text
    refuted: Text
    inconclusive: Text = "Not clear: the networks do not tell."


class Seeds(Section):
    """A range of seeds."""

    first: NonNegativeInt
    last: NonNegativeInt


class Claim(Section):
    """One claim: who says it, what decides it, and what to say then."""

    said_by: Literal["question", "answer", "followup", "others", "ours"] = Field(
        description="question, answer, followup (the follow-up question), others, or ours: added by this study"
    )
    statement: Text = Field(description="in the words of who says it")
    headline: Text | None = Field(default=None, description="the plain question that it answers, if it is a headline")
    rung: Text = Field(description="what the number is compared with")
    by_construction: Text | None = Field(
        default=None, description="why it must come out so: an argument, so that the verdict is no evidence"
    )
    exploratory: Text | None = Field(
        default=None,
        description="why its verdict is exploratory on any seeds: what was done after the confirmatory run",
    )
    figure: Name | None = Field(default=None, description="that shows what decides it; null: none does")
    dataset: Name | None = Field(default=None, description="the only dataset that the claim is about")
    test: str = Field(description="a function of filtertwins.claims.evidence, or of an extension")
    parameters: dict[str, Any] = Field(default={}, description="of the test")
    answers: Answers


class Claims(Section):
    """All claims, and what counts for each of them."""

    fewest_seeds: PositiveInt = Field(description="with fewer there is no verdict")
    confirmatory_seeds: Seeds | None = Field(
        default=None, description="no trial run has seen them, so that a run on them confirms; null: there are none"
    )
    claims: dict[Name, Claim] = Field(min_length=1)


def read_claims(*paths: Path | str) -> Claims:
    """Read and validate files of claims, which have their claims together; other keys are those of the first file.

    No run was to confirm the claims of the other files: they are exploratory.

    Raises:
        ClaimsError: a file is missing, is no YAML, or has mistakes, or two have a claim of one name; the message lists
            all mistakes.
    """
    whole: dict[str, Any] = {}
    for path in paths:
        try:
            plain = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ClaimsError(f"{path}: {error}") from None
        if len(paths) == 1 or not isinstance(plain, Mapping) or not isinstance(plain.get("claims", {}), Mapping):
            return load_claims(plain, str(path))
        known, own = whole.get("claims", {}), plain.get("claims", {})
        if whole:
            own = {key: {"exploratory": LATER, **it} if isinstance(it, Mapping) else it for key, it in own.items()}
        if twice := sorted(set(known) & set(own)):
            raise ClaimsError(f"{path}: {', '.join(twice)}: another file has a claim of this name; choose another one")
        whole = {**plain, **whole, "claims": {**known, **own}}
    return load_claims(whole, " and ".join(map(str, paths)))


def load_claims(plain: Any, source: str = "the file of claims") -> Claims:
    """Validate a file of claims that was read as plain data.

    Raises:
        ClaimsError: lists every mistake in ``source``: key, value, what is allowed, and the nearest known name.
    """
    if not isinstance(plain, Mapping):
        raise ClaimsError(f"{source} holds {plain!r}; must have keys: {', '.join(Claims.model_fields)}")
    claims, mistakes = None, []
    try:
        claims = Claims.model_validate(plain)
    except ValidationError as error:
        mistakes = mistakes_of(error, Claims)
    declared = plain.get("claims")
    for name, claim in declared.items() if isinstance(declared, Mapping) else ():
        if isinstance(claim, Mapping):
            mistakes += [f"claims.{name}.{mistake}" for mistake in _mistakes_of_test(claim)]
    if mistakes or claims is None:
        raise ClaimsError(list_mistakes(source, mistakes))
    return claims


def _mistakes_of_test(claim: Mapping[str, Any]) -> Iterator[str]:
    """The mistakes that only the tests can tell: an unknown test, and parameters and numbers that it does not have."""
    test, parameters, answers = claim.get("test"), claim.get("parameters", {}), claim.get("answers")
    if not isinstance(test, str):
        return
    if test not in TESTS:
        yield f"test = {test!r}; {allowed_names(test, TESTS)}"
        return
    if isinstance(parameters, Mapping):
        try:
            TESTS[test].parameters.model_validate(parameters)
        except ValidationError as error:
            yield from (f"parameters.{mistake}" for mistake in mistakes_of(error, TESTS[test].parameters))
    for verdict, sentence in answers.items() if isinstance(answers, Mapping) else ():
        try:
            str(sentence).format_map(dict.fromkeys(TESTS[test].numbers, "0"))
        except KeyError as error:
            (number,) = error.args
            yield f"answers.{verdict}: unknown number {{{number}}}; {allowed_names(number, TESTS[test].numbers)}"
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            yield f"answers.{verdict}: braces that can't be filled ({error}); numbers come as words, with their unit"
