"""Keras's own names, with the options of each and their defaults, so that a config can be checked without Keras.

A test compares these tables with the installed Keras.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from filtertwins.mistakes import allowed_names

Options = Mapping[str, Any]
Table = Mapping[str, Options]

ACTIVATIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh"),
    *("leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink"),
    *("softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink"),
)
"""Those that are functions of one number, without options."""

_SCALED = {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"}

INITIALIZERS: Table = {
    "Constant": {"value": 0.0},
    "GlorotNormal": {},
    "GlorotUniform": {},
    "HeNormal": {},
    "HeUniform": {},
    "LecunNormal": {},
    "LecunUniform": {},
    "Ones": {},
    "Orthogonal": {"gain": 1.0},
    "RandomNormal": {"mean": 0.0, "stddev": 0.05},
    "RandomUniform": {"minval": -0.05, "maxval": 0.05},
    "TruncatedNormal": {"mean": 0.0, "stddev": 0.05},
    "VarianceScaling": _SCALED,
    "Zeros": {},
}

CHOICES = (
    ("fan_in", "fan_out", "fan_avg"),
    ("truncated_normal", "untruncated_normal", "uniform"),
    ("rows", "columns"),
)
"""What options that are words may be."""

REGULARIZERS: Table = {
    "L1": {"l1": 0.01},
    "L1L2": {"l1": 0.0, "l2": 0.0},
    "L2": {"l2": 0.01},
    "OrthogonalRegularizer": {"factor": 0.01, "mode": "rows"},
}

_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
_DECAY = {"weight_decay": None}

OPTIMIZERS: Table = {
    "Adadelta": {"rho": 0.95, "epsilon": 1e-7, **_DECAY},
    "Adafactor": {
        **{"beta_2_decay": -0.8, "epsilon_1": 1e-30, "epsilon_2": 0.001, "clip_threshold": 1.0},
        **{"relative_step": True, **_DECAY},
    },
    "Adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7, **_DECAY},
    "Adam": {**_ADAM, "amsgrad": False, **_DECAY},
    "AdamW": {**_ADAM, "amsgrad": False, "weight_decay": 0.004},
    "Adamax": {**_ADAM, **_DECAY},
    "Ftrl": {
        **{"learning_rate_power": -0.5, "initial_accumulator_value": 0.1, "l1_regularization_strength": 0.0},
        **{"l2_regularization_strength": 0.0, "l2_shrinkage_regularization_strength": 0.0, "beta": 0.0, **_DECAY},
    },
    "Lamb": {**_ADAM, **_DECAY},
    "Lion": {"beta_1": 0.9, "beta_2": 0.99, **_DECAY},
    "Nadam": {**_ADAM, **_DECAY},
    "RMSprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False, **_DECAY},
    "SGD": {"momentum": 0.0, "nesterov": False, **_DECAY},
}
"""Optimisers that move each weight, or each weight array, by its own gradients."""


def canonical(given: Any, table: Table) -> dict[str, dict[str, Any]]:
    """A name, or a name with options, as a section of one name with its options.

    >>> canonical("he_normal", INITIALIZERS)
    {'HeNormal': {}}

    Args:
        given: a name as Keras spells it, in either way, or a section of one such name whose value has options.
        table: the names and options that there are.

    Raises:
        ValueError: the name or an option is not in the table, or an option is of another type than its default.
    """
    items = list(given.items()) if isinstance(given, Mapping) else [(given, {})]
    if len(items) != 1:
        raise ValueError("give one name, or one name with its options, such as {SGD: {momentum: 0.9}}")
    written, options = items[0]
    spelled = {_plain(name): name for name in table}
    if _plain(str(written)) not in spelled:
        near = [spelled[name] for name in difflib.get_close_matches(_plain(str(written)), spelled, n=1)]
        raise ValueError(f"{written} is not known; {allowed_names(near[0] if near else written, table)}")
    name = spelled[_plain(str(written))]
    if not isinstance(options or {}, Mapping):
        raise ValueError(f"{name} = {options!r}; its options are a section, such as {{SGD: {{momentum: 0.9}}}}")
    found: dict[str, Any] = {}
    for option, value in (options or {}).items():
        if option not in table[name]:
            raise ValueError(f"{name}.{option}: unknown option; {allowed_names(option, table[name]) or 'it has none'}")
        found[option] = _like(table[name][option], value, f"{name}.{option}")
    lopsided = found.get("minval", 0) + found.get("maxval", 0)
    if found.get("mean") or ("minval" in found) + ("maxval" in found) == 1 or lopsided:
        raise ValueError(f"{name}: its weights must be as likely positive as negative, as chance is drawn")
    return {name: found}


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _like(default: Any, value: Any, where: str) -> Any:
    """The value, if it is of the type of the default; a number may be written as text, as YAML reads ``1e-3``."""
    if isinstance(default, bool) or isinstance(value, bool):
        if not (isinstance(default, bool) and isinstance(value, bool)):
            raise ValueError(
                f"{where} = {value!r}; allowed: {'true or false' if isinstance(default, bool) else 'a number'}"
            )
        return value
    if isinstance(default, str):
        allowed = next(own for own in CHOICES if default in own)
        if str(value) not in allowed:
            raise ValueError(f"{where} = {value!r}; {allowed_names(value, allowed)}")
        return str(value)
    if value is None and default is None:
        return None
    try:
        if math.isfinite(number := float(value)):
            return number
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{where} = {value!r}; must be a finite number")


def _named(table: Table) -> Any:
    schema = {"anyOf": [{"enum": sorted(table)}, {"type": "string"}, {"type": "object"}]}
    return Annotated[Any, AfterValidator(lambda it: canonical(it, table)), WithJsonSchema(schema)]


Initializer = _named(INITIALIZERS)
Regularizer = _named(REGULARIZERS)
Optimizer = _named(OPTIMIZERS)
