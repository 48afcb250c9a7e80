"""Penalties on kernels, named and with the options that they have in Keras (``keras.regularizers``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from filtertwins.mistakes import Section, added


class L1Options(Section):
    """The options of Keras's ``L1``."""

    l1: PositiveFloat = Field(description="the penalty is this times the sum of all absolute weights")


class L2Options(Section):
    """The options of Keras's ``L2``."""

    l2: PositiveFloat = Field(description="the penalty is this times the sum of all squared weights")


class OrthogonalOptions(Section):
    """The options of Keras's ``OrthogonalRegularizer``."""

    factor: PositiveFloat = Field(description="the penalty is this times the mean absolute cosine of all pairs")
    mode: Literal["columns", "rows"] = Field(description="columns: pairs of filters; rows: of places in the kernel")


class KernelRegularizer(Section):
    """Penalties by their names in Keras; several add up. Each sees a network's kernels as a matrix (tap, filter)."""

    L1: L1Options | None = added("pulls all weights to 0 alike")
    L2: L2Options | None = added("pulls large weights to 0 the most")
    OrthogonalRegularizer: OrthogonalOptions | None = added("pulls filters apart")
