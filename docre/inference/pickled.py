"""Follows a pickle, which is a program for a small stack machine, as data: it makes containers and descriptions of
tensors, and can call nothing."""

import pickletools
from io import BytesIO
from mmap import mmap
from typing import Any, NamedTuple

import torch

from docre.errors import DocreError

LIMIT = 4 << 20  # bytes of a pickle: the tensors of a state dict take about 150 each, and each object at most about 100
DTYPES = {"Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16}
DTYPES |= {"Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8}
DTYPES |= {"Byte": torch.uint8, "Bool": torch.bool}
STORAGES = {f"torch {name}Storage": dtype for name, dtype in DTYPES.items()}
DICT, PARAMETER = "collections OrderedDict", "torch._utils _rebuild_parameter"
TENSORS = ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2")


class Name(NamedTuple):
    """A class or a function that a pickle names: its module and its name."""

    name: str


class Storage(NamedTuple):
    """The numbers of one or several tensors: the key of the storage, and how many bytes it says that they take."""

    key: str
    size: int


class Part(NamedTuple):
    """A tensor, which is part of a storage."""

    storage: Storage


def follow(file: BytesIO | mmap, storages: dict[str, Storage] | None = None) -> Any:
    """What a pickle makes; the file is then at its end. The storages that it names are added to `storages`. Raises
    DocreError if it names anything that a state dict of dense tensors does not need, and ValueError, KeyError and the
    like if it is none that torch writes."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # what was on the stack at each mark
    memo: dict[Any, Any] = {}
    start = file.tell()
    for instruction, value, position in pickletools.genops(file):  # type: ignore[arg-type]  # a mmap has what it needs
        if (position or 0) - start > LIMIT:
            raise ValueError(f"a pickle of more than {LIMIT} bytes, which no state dict needs")
        match instruction.name:
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINSTRING":
                stack.append(value)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE" as name:
                stack.append(name == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "MARK":
                below.append(stack)
                stack = []
            case "TUPLE":
                items, stack = stack, below.pop()
                stack.append(tuple(items))
            case "APPENDS" | "SETITEMS":
                items, stack = stack, below.pop()
                add(stack[-1], items)
            case "APPEND" | "SETITEM" as name:
                count = 1 if name == "APPEND" else 2
                items = stack[-count:]
                del stack[-count:]
                add(stack[-1], items)
            case "GLOBAL":
                stack.append(Name(known(str(value))))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(described(stack.pop().name, arguments))
            case "BUILD":  # the attributes of an OrderedDict
                if not isinstance(stack.pop(), dict):
                    raise ValueError("attributes that are no mapping")
            case "BINPERSID":
                stack.append(storage(*stack.pop()))
                if storages is not None:
                    storages[stack[-1].key] = stack[-1]
            case "STOP":
                return stack.pop()
            case name if name != "PROTO":
                raise ValueError(f"the instruction {name}, which torch does not write")
    raise ValueError("it ends too early")


def add(container: Any, items: list[Any]) -> None:
    """Add the items to a list, or names and values in turn to a mapping. Raises ValueError for anything else."""
    if isinstance(container, list):
        container += items
        return
    names = items[::2]
    if not isinstance(container, dict) or not all(isinstance(name, str | int) for name in names):
        raise ValueError("expected lists, and mappings whose keys are names")
    container.update(zip(names, items[1::2], strict=True))


def known(name: str) -> str:
    """The name, if it belongs to what makes dense tensors. Raises DocreError for any other."""
    if name not in {*STORAGES, *TENSORS, DICT, PARAMETER}:
        raise DocreError(f"more than dense tensors: {name.replace(' ', '.')}, which could run code; nothing was read")
    return name


def described(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call with these arguments would make: an empty mapping or a tensor. Raises ValueError for others."""
    if name == DICT and arguments == ():
        return {}
    if name == PARAMETER and isinstance(arguments[0], Part):
        return arguments[0]
    if name in TENSORS:
        of, offset, shape, strides, *more = arguments
        numbers = all(type(number) is int for number in (offset, *shape, *strides))
        if isinstance(of, Storage) and numbers and not any(more[2:]):  # that it is conjugate, or negative
            return Part(of)
    raise ValueError(f"a call of {name.replace(' ', '.')} that torch does not write")


def storage(kind: str, dtype: Name, key: str, place: str, count: int, view: None = None) -> Storage:
    """The storage that a pickle refers to. Raises ValueError for one of another kind."""
    if kind != "storage" or view is not None or dtype.name not in STORAGES or not isinstance(key, str):
        raise ValueError("a storage of a kind that torch does not write")
    if type(count) is not int or count < 0:
        raise ValueError("a storage without a number of elements")
    return Storage(key, count * STORAGES[dtype.name].itemsize)
