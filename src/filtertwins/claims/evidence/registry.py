"""The registry of tests: a function's signature says which tables and which parameters it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, create_model

from filtertwins.architectures import Name
from filtertwins.claims.judging import Outcome
from filtertwins.errors import StudyError
from filtertwins.extensions import Registry
from filtertwins.mistakes import Section

Table = pd.DataFrame  # A test has a parameter of this type for each table that it reads, named like the table.
MaybeTable = pd.DataFrame | None  # And of this type, None by default, for each that it can do without.
Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]  # or a correlation
Counts = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Networks = Annotated[dict[Name, Counts], Field(min_length=1)]
"""The parts of a claim: for each architecture, numbers of filters."""

COMMON_NUMBERS = ("effect", "low", "high", "n", "part", "parts", "held", "each")
"""What the sentence of any claim may mention; ``each`` lists all parts, ``part`` is the one that decides.

Where a test asks for the smallest effects of interest, it may mention the ``margin``, that of the effect's unit.
"""


@dataclass(frozen=True)
class Test:
    """A test in the registry."""

    function: Callable[..., Outcome]
    tables: tuple[str, ...]  # that it reads
    optional: tuple[str, ...]  # of these tables, those that it can do without
    parameters: type[BaseModel]  # what a claim must or may give
    margins: bool  # whether it asks for the smallest effects of interest, which are the study's and not the claim's
    numbers: tuple[str, ...]  # what a claim's sentence may mention


TESTS: Registry[Test] = Registry("test")


class Parameters(Section):
    """The parameters of a test, whose defaults may be infinite: those are not checked."""

    model_config = ConfigDict(validate_default=False)


def test(*numbers: str) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Enter a function into the registry; its signature says which tables and which parameters it needs.

    Raises:
        StudyError: it reads no table, or there is a parameter of which it does not say what it may be.
    """

    def register(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        hints = get_type_hints(function, include_extras=True)
        signature = inspect.signature(function).parameters.values()
        options = {p.name: p for p in signature if p.kind is p.KEYWORD_ONLY}
        tables = tuple(p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD)
        if not tables or len(tables) + len(options) < len(signature) or not set(options) <= set(hints):
            form = "(table: Table, *, parameter: int)"
            raise StudyError(f"the test {function.__name__}: its parameters must be as in {form}, the tables by name")
        fields: dict[str, Any] = {
            name: (hints[name], ... if p.default is p.empty else p.default)
            for name, p in options.items()
            if name != "margins"
        }
        item = Test(
            function=function,
            tables=tables,
            optional=tuple(p.name for p in signature if p.kind is not p.KEYWORD_ONLY and p.default is None),
            parameters=create_model(function.__name__, __base__=Parameters, **fields),
            margins="margins" in options,
            numbers=(*COMMON_NUMBERS, *numbers, *(["margin"] if "margins" in options else [])),
        )
        TESTS.enter(function, item)
        return function

    return register
