"""How pruning methods are drawn, the same in every figure that compares them."""

from __future__ import annotations

from filtertwins.figures.style import COLORS
from filtertwins.names import COSINE_MERGE, RANDOM

ORACLE = "oracle"
"""The criterion that the others estimate: the loss increase that is measured when a filter is removed."""

_COLORS = {RANDOM: "0.35", COSINE_MERGE: COLORS[5], "obd": COLORS[6], "magnitude": COLORS[7]}
_MARKERS = {RANDOM: "X", COSINE_MERGE: "D", "obd": "v", "magnitude": "o"}


def method_color(method: str) -> str:
    """The method's colour; a method that no figure points out is grey."""
    return _COLORS.get(method, "0.7")


def method_marker(method: str) -> str:
    """The method's marker."""
    return _MARKERS.get(method, ".")
