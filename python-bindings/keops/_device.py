# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays on a GPU: views of them that any library's arrays have, and what libraries do each in its own way. Nothing here
imports one: an array is there, so its library is."""

import math
import sys
from typing import Any, Dict, Optional, Sequence, Tuple

from keops import _keops


class View:
    """Elements of an array of a GPU, as basic indexing names them, whatever the library of that can do.

    :ivar owner: the array; its memory is asked for when it is read, so that readers wait for what is written meanwhile.
    :ivar dtype: such as "float32".
    :ivar strides: in bytes.
    """

    __slots__ = ("owner", "dtype", "shape", "strides", "_offset", "_memory")

    def __init__(self, owner: Any, dtype: str, shape: Tuple[int, ...], strides: Tuple[int, ...], offset: int = 0):
        self.owner = owner
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self._offset = offset
        self._memory: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def __cuda_array_interface__(self) -> Dict[str, Any]:
        address, _, _, _, is_read_only, self._memory = _describe(self.owner)
        return {"shape": self.shape, "strides": self.strides, "typestr": _TYPES[self.dtype],
                "data": (address + self._offset, is_read_only), "version": 3}

    def __getitem__(self, index: Any) -> "View":
        index = index if isinstance(index, tuple) else (index, )
        if Ellipsis in index:
            place = index.index(Ellipsis)
            missing = self.ndim - sum(entry is not None and entry is not Ellipsis for entry in index)
            index = index[:place] + (slice(None), ) * missing + index[place + 1:]
        shape, strides, offset, axis = [], [], self._offset, 0
        for entry in index:
            if entry is None:
                shape.append(1)
                strides.append(0)
                continue
            if isinstance(entry, slice):
                begin, end, step = entry.indices(self.shape[axis])
                shape.append(len(range(begin, end, step)))
                strides.append(step * self.strides[axis])
                offset += begin * self.strides[axis] if shape[-1] else 0
            else:
                offset += range(self.shape[axis])[entry] * self.strides[axis]
            axis += 1
        return View(self.owner, self.dtype, (*shape, *self.shape[axis:]), (*strides, *self.strides[axis:]), offset)

    def spread(self, shape: Tuple[int, ...]) -> "View":
        """The one element, at all places of an array of this shape."""
        return View(self.owner, self.dtype, shape, (0, ) * len(shape), self._offset)

    def reshape(self, shape: Tuple[int, ...]) -> "View":
        """Of an array of one element.

        :raises ValueError: there are others.
        """
        if math.prod(self.shape) != 1:
            raise ValueError(f"x: expected one element to reshape an array of a GPU, got the shape {self.shape}")
        return self.spread(shape)

    def __repr__(self) -> str:
        return f"View({type(self.owner).__module__}.{type(self.owner).__name__}, shape={self.shape}, dtype={self.dtype})"


_TYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8", "int64": "<i8", "complex64": "<c8", "complex128": "<c16"}


def _describe(array: Any) -> Any:
    return _keops.describe_device_array(array, "x")


def view(array: Any) -> Optional[View]:
    """All elements of an array of a GPU; None of other objects.

    :raises TypeError: its memory is not handed over, or holds other numbers than kernels know.
    """
    if isinstance(array, View):
        return array
    found = _describe(array)
    if found is None:
        return None
    _, dtype, shape, strides, _, _ = found
    if dtype not in _TYPES:
        raise TypeError(f"x: expected an array of a GPU of {', '.join(_TYPES)}, got {dtype}")
    return View(array, dtype, shape, strides)


def _owner(array: Any) -> Any:
    return array.owner if isinstance(array, View) else array


def _library(like: Any) -> str:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(like, torch.Tensor):
        return "torch"
    return type(like).__module__.partition(".")[0]


def _make(function: str, what: Any, dtype: str, like: Any, expected: str) -> Any:
    """What ``function`` of the library of ``like`` makes on the device of it."""
    like = _owner(like)
    library = _library(like)
    if library == "torch":
        torch = sys.modules["torch"]
        return getattr(torch, function)(what, dtype=getattr(torch, dtype), device=like.device)
    if library == "cupy":
        with like.device:
            return getattr(sys.modules["cupy"], function)(what, dtype)
    raise TypeError(f"{expected}, because Keops does not know how {type(like).__name__} of {type(like).__module__} are made; "
                    "those of torch and cupy need none")


def empty(shape: Tuple[int, ...], dtype: str, like: Any) -> Any:
    """A new array on the device of ``like``, of the same library, not initialised.

    :raises TypeError: the library is not known.
    """
    return _make("empty", shape, dtype, like, "out: expected arrays for the results")


def vector(values: Sequence, dtype: str, like: Any) -> Any:
    """Python numbers as an array of shape ``(len(values),)``, on the device of ``like`` and of the same library.

    :raises TypeError: the library is not known.
    """
    numbers = ", ".join(map(repr, values))
    return _make("asarray", values, dtype, like, f"expected an array on the GPU in the place of the numbers {numbers}")


def stream(arrays: Sequence[Any]) -> int:
    """The address of the stream on which the library of the first array computes now; of other libraries, the one that
    they want readers to wait for, 0 if there is nothing to wait for.

    :raises ValueError: the arrays are computed on streams of their own.
    """
    arrays = [_owner(array) for array in arrays]
    like = arrays[0]
    library = _library(like)
    if library == "torch":
        return sys.modules["torch"].cuda.current_stream(like.device).cuda_stream
    if library == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream(like.device.id).ptr
    streams = {getattr(array, "__cuda_array_interface__", {}).get("stream") for array in arrays} - {None}
    if len(streams) > 1:
        raise ValueError("expected arrays of one stream, as __cuda_array_interface__ names it, got "
                         f"{' and '.join(map(str, sorted(streams)))}; wait for one of them first")
    return next(iter(streams), 0)


def number(like: Any) -> int:
    """The number of the device on which ``like`` lies."""
    like = _owner(like)
    library = _library(like)
    if library == "torch":
        return like.device.index
    if library == "cupy":
        return like.device.id
    if hasattr(like, "__dlpack_device__"):
        return like.__dlpack_device__()[1]
    return int(getattr(like, "device_id", 0))
