"""P-values of several tests, adjusted for their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from filtertwins.measures.redundancy import Floats


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted to bound the chance of any false rejection (Holm 1979, Scand. J. Stat. 6(2)), at most 1.

    Args:
        p_values: ``(test,)``; missing ones stay missing and do not count as tests.
    """

    def adjust(p: Floats) -> Floats:
        order = np.argsort(p)
        adjusted = np.empty_like(p)
        adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
        return adjusted

    return _adjusted(p_values, adjust)


def false_discovery_rate(p_values: ArrayLike) -> Floats:
    """P-values adjusted to bound the share of false rejections, as over a curve of τ.

    Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57(1); valid for positively dependent tests too, as
    neighbouring thresholds are (Benjamini & Yekutieli 2001, Ann. Stat. 29(4)).

    Args:
        p_values: ``(test,)``; missing ones stay missing and do not count as tests.
    """
    from scipy.stats import false_discovery_control  # It takes a second to import, which `inspect` does without.

    return _adjusted(p_values, false_discovery_control)


def _adjusted(p_values: ArrayLike, adjust: Callable[[Floats], Any]) -> Floats:
    adjusted = np.array(p_values, dtype=np.float64)
    present = ~np.isnan(adjusted)
    if present.any():
        adjusted[present] = adjust(adjusted[present])
    return adjusted
