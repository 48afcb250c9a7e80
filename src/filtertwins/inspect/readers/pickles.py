"""Pickles are interpreted here, not run: what they ask for is looked up among the few things that tensors need.

``pickletools`` splits a pickle into its instructions without obeying any. Whatever else an instruction names, a
function of the system or a class of anybody's, is refused by its name.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import MOST_NAMES, Tensor, as_array, checked_size

STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "BF16", "BoolStorage": "?",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
}  # fmt: skip
T = TypeVar("T")
SAVE_THE_WEIGHTS = "save the weights alone, as in torch.save(model.state_dict(), ...) or numpy.savez"


@dataclass(frozen=True)
class Storage:
    """The elements that tensors are views of; ``key`` names them in the file."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor of torch: where its elements are in a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements


@dataclass
class Array:
    """An array of NumPy, which an instruction makes empty and a later one fills."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    columns_first: bool = False
    content: Any = b""  # bytes, or a list of objects


@dataclass
class _Dtype:
    text: str
    order: str = "<"


class Pickle:
    """The interpretation of one pickle, which is read to its end and no further."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}  # by their keys

    def result(self) -> Any:
        """What the pickle holds: plain values, :class:`View` and :class:`Array`.

        Raises:
            ModelError: it names what no tensor needs.
        """
        for opcode, argument, _ in pickletools.genops(self._stream):
            if opcode.name == "STOP":
                return self._stack.pop()
            self._obey(opcode, argument)
        raise ValueError("a pickle without an end")

    def _obey(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name, stack = opcode.name, self._stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            words = argument.split(" ", 1) if name == "GLOBAL" else [stack.pop(), stack.pop()][::-1]
            stack.append(_global(".".join(words)))
        elif name == "MARK":
            self._marks.append(stack)
            self._stack = []
        elif name in ("POP", "POP_MARK"):
            if name == "POP_MARK" or not stack:
                self._since_mark()
            else:
                stack.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("TUPLE", "LIST", "DICT"):
            items = self._since_mark()
            self._stack.append(tuple(items) if name == "TUPLE" else items if name == "LIST" else dict(_pairs(items)))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            _as(list, self._stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self._since_mark()
            _as(dict, self._stack[-1]).update(_pairs(items))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(_known(function)(*arguments))
        elif name == "BUILD":
            _fill(stack[-2], stack.pop())
        elif name == "BINPERSID":
            storage = _storage(stack.pop())
            self.storages[storage.key] = storage
            stack.append(storage)
        elif name in ("PROTO", "FRAME"):
            pass
        elif opcode.arg is not None and not opcode.stack_before and len(opcode.stack_after) == 1 and name[:3] != "EXT":
            stack.append(argument)
        else:
            raise ModelError(f"its pickle has the instruction {name}, which no tensor needs; {SAVE_THE_WEIGHTS}")

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}  # fmt: skip


def _rebuild_tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> View:
    return View(_as(Storage, storage), _as(int, offset), _integers(shape), _integers(strides))


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return dict(_pairs([value for pair in items for value in pair]))


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ModelError(f"its pickle has text in the encoding {encoding!r}; {SAVE_THE_WEIGHTS}")
    return text.encode("latin1")


_GLOBALS: dict[str, Any] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "_codecs.encode": _encode,
    "numpy.ndarray": lambda *_: Array(),
    "numpy.dtype": lambda text, *_: _Dtype(_as(str, text)),
} | {
    f"numpy.{core}.multiarray.{name}": function
    for core in ("core", "_core")
    for name, function in (("_reconstruct", lambda *_: Array()), ("scalar", lambda *_: None))
}


def _global(name: str) -> Any:
    module, _, last = name.rpartition(".")
    if module == "torch" and last in STORAGES:
        return STORAGES[last]
    if name not in _GLOBALS:
        raise ModelError(f"its pickle asks for {name!r}, which no tensor needs; nothing was run; {SAVE_THE_WEIGHTS}")
    return _GLOBALS[name]


def _known(function: Any) -> Callable[..., Any]:
    if not any(function is known for known in _GLOBALS.values()):
        raise ValueError("a call of something that is no function")
    return function  # type: ignore[no-any-return]


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    """Keys and values. A key that is a tuple of tuples of tuples ... could take for ever to be looked up."""
    if not all(key is None or isinstance(key, str | int | float | bytes) for key in items[::2]):
        raise ModelError(f"its pickle has a dictionary with keys that are neither text nor numbers; {SAVE_THE_WEIGHTS}")
    return list(zip(items[::2], items[1::2], strict=True))


def _as(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} where a {kind.__name__} is expected")
    return value


def _integers(values: Any) -> tuple[int, ...]:
    return tuple(_as(int, value) for value in values)


def _storage(identity: Any) -> Storage:
    kind, dtype, key, _, count, *_ = identity
    if kind != "storage" or dtype not in STORAGES.values():
        raise ValueError("a storage of an unknown type")
    return Storage(dtype, _as(str, key), _as(int, count))


def _fill(made: Any, state: Any) -> None:
    """Give an object its state; that of a dictionary is torch's record of versions, which nothing here needs."""
    if isinstance(made, Array):
        _, shape, dtype, made.columns_first, made.content = state
        made.shape, dtype = _integers(shape), _as(_Dtype, dtype)
        made.dtype = dtype.text if dtype.text[:1] in "bO" else dtype.order.replace("|", "<") + dtype.text
    elif isinstance(made, _Dtype):
        made.order = _as(str, state[1])
    elif not isinstance(made, dict):
        raise ModelError(f"its pickle changes a {type(made).__name__}; {SAVE_THE_WEIGHTS}")


def named_tensors(value: Any, elements_of: Callable[[Storage], NDArray[Any]] | None = None) -> list[Tensor]:
    """The tensors within nested dictionaries and lists; each is named by its keys, with dots.

    Args:
        value: what a pickle holds.
        elements_of: gives a storage's elements; where a file has no storages, there are no views of them either.
    """
    found: list[Tensor] = []
    waiting, seen = [("", value)], set()
    while waiting:
        name, inner = waiting.pop()
        if isinstance(inner, View) and elements_of:
            found.append(Tensor(name, tuple(inner.shape), partial(_view, name, inner, elements_of)))
        elif isinstance(inner, Array):
            if not re.fullmatch(r"[<>]?[fiu][1248]|b1", inner.dtype):
                raise ModelError(f"array {name!r} holds Python objects; {SAVE_THE_WEIGHTS}")
            found.append(Tensor(name, tuple(inner.shape), partial(_numbers, name, inner)))
        elif isinstance(inner, dict | list | tuple) and id(inner) not in seen:
            seen.add(id(inner))
            items = inner.items() if isinstance(inner, dict) else enumerate(inner)
            waiting += [(f"{name}.{key}" if name else f"{key}", item) for key, item in items][::-1]
        if len(found) > MOST_NAMES:
            raise ModelError(f"the file names more than {MOST_NAMES:,} arrays, more than are read")
    return found


def _numbers(name: str, array: Array) -> NDArray[Any]:
    content = array.content.encode("latin1") if isinstance(array.content, str) else array.content
    return as_array(name, content, array.dtype, array.shape, array.columns_first is True)


def _view(name: str, view: View, elements_of: Callable[[Storage], NDArray[Any]]) -> NDArray[Any]:
    elements = elements_of(view.storage)
    checked_size(name, view.shape, elements.itemsize, elements.nbytes)
    numbers = (view.offset, *view.strides)
    last = view.offset + sum((length - 1) * step for length, step in zip(view.shape, view.strides, strict=True))
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or (
        last >= elements.size and 0 not in view.shape
    ):
        raise ModelError(f"array {name!r} reaches beyond what is stored; get the file anew")
    strides = tuple(step * elements.itemsize for step in view.strides)
    return np.lib.stride_tricks.as_strided(elements[view.offset :], view.shape, strides, writeable=False)
