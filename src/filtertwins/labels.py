"""Words for architectures and for ways to prune, as figures and findings use them."""

from __future__ import annotations

from filtertwins.architectures import Architecture, LayeredArchitecture
from filtertwins.settings import Settings

ACTIVATION_WORDS = {"relu": "ReLU"}
_METHODS = {"l1": "L1 norm", "fpgm": "FPGM", "obd": "OBD", "taylor": "Taylor", "oracle": "measured loss"}
EXACT_READING = "exact_reading"  # Its networks are drawn among the study's own, and so have the next colours.


def labels(settings: Settings) -> dict[str, str]:
    """Words for each architecture, by the name that tables have; the study's own come first, then experiments'.

    An architecture without a label is called by its kernel and activation, or by its name where those words are
    another one's.
    """
    found: dict[str, str] = {}
    named = sorted(settings.experiments.items(), key=lambda own: own[0] != EXACT_READING)
    experiments = [item.studied for _, item in named if item]
    for architectures in (settings.studied, *experiments):
        for name, item in architectures.items():
            words = _words(item) or name.replace("_", " ")
            label = item.label or (name.replace("_", " ") if words in found.values() else words)
            found.setdefault(name, label)
    return found


def _words(item: Architecture | LayeredArchitecture) -> str:
    """The kernel and activation of a network of one convolution."""
    if isinstance(item, LayeredArchitecture):
        return ""
    height, width = item.kernel
    return f"{height}\N{MULTIPLICATION SIGN}{width}, {ACTIVATION_WORDS.get(item.activation, item.activation)}"


def method_name(method: str) -> str:
    """A way to prune as a reader of a paper expects it.

    >>> method_name("l1"), method_name("cosine_merge")
    ('L1 norm', 'cosine merge')
    """
    return _METHODS.get(method, method.replace("_", " "))
