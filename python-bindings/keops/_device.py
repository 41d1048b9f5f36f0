# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What libraries of arrays on a GPU do each in its own way. Nothing here imports one: an array is there, so its library
is."""

import sys
from typing import Any, Sequence, Tuple


def _library(like: Any) -> str:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(like, torch.Tensor):
        return "torch"
    return type(like).__module__.partition(".")[0]


def empty(shape: Tuple[int, ...], dtype: str, like: Any) -> Any:
    """A new array on the device of ``like``, of the same library, not initialised.

    :raises TypeError: the library is not known.
    """
    library = _library(like)
    if library == "torch":
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)
    if library == "cupy":
        with like.device:
            return sys.modules["cupy"].empty(shape, dtype)
    raise TypeError(f"out: expected arrays for the results, because Keops does not know how {type(like).__name__} of "
                    f"{type(like).__module__} are made; those of torch and cupy need none")


def stream(arrays: Sequence[Any]) -> int:
    """The address of the stream on which the library of the first array computes now; of other libraries, the one that
    they want readers to wait for, 0 if there is nothing to wait for.

    :raises ValueError: the arrays are computed on streams of their own.
    """
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
    library = _library(like)
    if library == "torch":
        return like.device.index
    if library == "cupy":
        return like.device.id
    if hasattr(like, "__dlpack_device__"):
        return like.__dlpack_device__()[1]
    return int(getattr(like, "device_id", 0))
