"""How pruning methods are named and drawn, the same in every figure that compares them."""

from __future__ import annotations

from filtertwins.figures.style import COLORS, readable
from filtertwins.names import COSINE_MERGE, RANDOM

ORACLE = "oracle"
"""The criterion that the others estimate: the loss increase that is measured when a filter is removed."""

_NAMES = {"l1": "L1 norm", "fpgm": "FPGM", "obd": "OBD", "taylor": "Taylor", "oracle": "measured loss"}
_COLORS = {RANDOM: "0.35", COSINE_MERGE: COLORS[5], "obd": COLORS[6], "magnitude": COLORS[7]}
_MARKERS = {RANDOM: "X", COSINE_MERGE: "D", "obd": "v", "magnitude": "o"}


def method_name(method: str) -> str:
    """The method's name as a reader of a paper expects it.

    >>> method_name("l1"), method_name("cosine_merge")
    ('L1 norm', 'cosine merge')
    """
    return _NAMES.get(method, readable(method))


def method_color(method: str) -> str:
    """The method's colour; a method that no figure points out is grey."""
    return _COLORS.get(method, "0.7")


def method_marker(method: str) -> str:
    """The method's marker."""
    return _MARKERS.get(method, ".")
