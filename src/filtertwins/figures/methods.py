"""How pruning methods are named and drawn, the same in every figure that compares them."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from filtertwins.figures.style import REFERENCE_COLOR, LineStyle, Series, display_name

UNPRUNED = "none"
"""The method of networks from which nothing is removed, the reference of all others."""

CHANCE = "random"
"""The method that nobody would select."""

_NAMES = {
    "l1": "L1",
    "fpgm": "FPGM",
    "obd": "OBD",
    "taylor": "Taylor",
    UNPRUNED: "unpruned",
}
"""Of the others the name is the method's own, with spaces."""

_MEANINGS = {
    "l1": "sum of the kernel's absolute weights",
    "fpgm": "sum of the distances to all other filters",
    "nearest_cosine": "how unlike the nearest filter, as filters go one by one",
    "cosine_merge": "clusters of similar filters, each replaced by a single one",
    "obd": "Optimal Brain Damage, the saliencies of a filter's weights",
    "taylor": "first-order estimate of what the loss changes by without the filter",
    "oracle": "measured increase of the training loss without the filter",
}

# What every method is held against is without colour: chance, the measured best, the whole network. Paul Tol's
# high-contrast set goes to the two cosines and L1, the most compared; the others are of his vibrant and muted ones.
_LOOKS = {
    CHANCE: Series("0.6", "x", (0.0, (1.0, 1.2))),
    "l1": Series("#004488", "o", "solid"),
    "fpgm": Series("#33AADD", "s", (0.0, (5.0, 1.5))),
    "nearest_cosine": Series("#DDAA33", "^", (0.0, (5.0, 1.5, 1.0, 1.5))),
    "cosine_merge": Series("#BB5566", "D", "solid"),
    "obd": Series("#009988", "v", (0.0, (9.0, 2.0))),
    "taylor": Series("#882255", "P", (0.0, (3.0, 1.0, 1.0, 1.0, 1.0, 1.0))),
    "oracle": Series("black", "*", "solid"),
    UNPRUNED: Series(REFERENCE_COLOR, "", "solid"),
}

# For methods that a study adds. The lengths have no common divisor, so that all combinations come up.
_SPARE_COLORS = ("#EE7733", "#332288", "#117733", "#AA4499")
_SPARE_MARKERS = ("<", ">", "p", "X", "h")
_SPARE_LINESTYLES: tuple[LineStyle, ...] = ((0.0, (7.0, 1.0)), (0.0, (2.0, 1.0)), (0.0, (7.0, 1.0, 2.0, 1.0)))


def method_name(method: str) -> str:
    """The method's name as a reader of a paper expects it.

    >>> method_name("l1"), method_name("cosine_merge")
    ('L1', 'cosine merge')
    """
    return _NAMES.get(method, display_name(method))


def meanings(methods: Iterable[str]) -> str:
    """What those methods go by whose names do not say it, for captions; empty if there are none.

    >>> meanings(["random", "l1"])
    "L1, sum of the kernel's absolute weights"
    """
    return "; ".join(f"{method_name(method)}, {_MEANINGS[method]}" for method in methods if method in _MEANINGS)


def method_look(method: str) -> Series:
    """How a method is drawn; one that is not known here gets a look that its name alone decides.

    Looks of known methods differ without colour too. Two others may come to share theirs, one time in sixty.
    """
    number = crc32(method.encode())
    return _LOOKS.get(method) or Series(
        _SPARE_COLORS[number % len(_SPARE_COLORS)],
        _SPARE_MARKERS[number % len(_SPARE_MARKERS)],
        _SPARE_LINESTYLES[number % len(_SPARE_LINESTYLES)],
    )
