# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors of NumPy arrays."""

from typing import Any, Dict, Optional, Sequence, Tuple, Type

import numpy

from keops import _device
from keops.lazytensor import ComplexGenericLazyTensor, GenericLazyTensor, Variables
from keops.numpy.genred import Genred
from keops.numpy.solve import KernelSolve

__all__ = ["ComplexLazyTensor", "LazyTensor", "Pm", "Var", "Vi", "Vj"]


_NO_ARRAYS = (int, float, complex, tuple, list, str, bytes)
_NAMES: Dict[numpy.dtype, str] = {}


class _NumPyArrays:
    """See ``keops._arrays.Arrays``."""

    name = "a NumPy array"
    Genred: Type = Genred
    KernelSolve: Type = KernelSolve
    LazyTensor: Type
    ComplexLazyTensor: Type

    @staticmethod
    def as_array(value: Any) -> Any:
        kind = type(value)
        if kind is numpy.ndarray:
            return value
        if kind in _NO_ARRAYS or isinstance(value, (GenericLazyTensor, numpy.generic)):
            return None
        if isinstance(value, numpy.ma.MaskedArray):
            raise TypeError("expected a NumPy array, got a masked array, whose mask would have no effect; pass its .data "
                            "or .filled(value)")
        if isinstance(value, numpy.ndarray):
            return value
        view = _device.view(value)
        if view is not None:
            return view
        try:
            if hasattr(value, "__dlpack__"):
                return numpy.from_dlpack(value)
            memory = memoryview(value)
        except TypeError:
            return None
        except (BufferError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise TypeError(f"expected an array whose memory NumPy can share, got {kind.__name__}, which says: "
                            f"{reason}") from None
        return numpy.asarray(memory)

    @staticmethod
    def dtype(array: Any) -> str:
        dtype = array.dtype
        if isinstance(array, _device.View):
            return dtype
        # The name of a type is made anew each time, and takes long.
        name = _NAMES.get(dtype)
        if name is None:
            name = _NAMES[dtype] = dtype.name if dtype.isnative else str(dtype)
        return name

    @staticmethod
    def device(array: Any) -> str:
        return f"cuda:{_device.number(array)}" if isinstance(array, _device.View) else "cpu"

    @staticmethod
    def vector(values: Sequence, dtype: str, like: Any) -> Any:
        if isinstance(like, _device.View):
            return _device.vector(values, dtype, like)
        return numpy.array(values, like.dtype if dtype == "bfloat16" else dtype)

    @staticmethod
    def zeros(shape: Tuple[int, ...], dtype: str, like: Any) -> Any:
        if isinstance(like, _device.View):
            return _device.View(_device.vector([0], dtype, like), dtype, (1, ), (0, )).spread(shape)
        return numpy.broadcast_to(numpy.zeros(1, like.dtype if dtype == "bfloat16" else dtype), shape)


class LazyTensor(GenericLazyTensor):
    __doc__ = f"""{GenericLazyTensor.__doc__}
    >>> import numpy as np
    >>> from keops.numpy import LazyTensor
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0], [4.0]])
    >>> distance = ((LazyTensor(x[:, None, :]) - LazyTensor(y[None, :, :])) ** 2).sum(-1)
    >>> distance
    LazyTensor(Sum((x_i-y_j)**2), shape=(2, 3), dtype=float64)
    >>> distance.sum(axis=1)
    array([[20.],
           [11.]])
    >>> distance.argmin(axis=0)
    array([[0],
           [1],
           [1]])
    >>> distance @ np.array([1.0, 0.0, 0.0])
    array([0., 1.])
    """
    __slots__ = ()
    _arrays = _NumPyArrays()


class ComplexLazyTensor(ComplexGenericLazyTensor, LazyTensor):
    """A LazyTensor of complex numbers: of an array of complex64 or complex128, a complex number, or a list of them. Real
    LazyTensors become such by ``real2complex``, ``imag2complex`` and ``exp1j``, and where they meet one."""

    __slots__ = ()


LazyTensor._arrays.LazyTensor = LazyTensor
LazyTensor._arrays.ComplexLazyTensor = ComplexLazyTensor


_variables = Variables(LazyTensor)
Var, Vi, Vj, Pm = _variables.Var, _variables.Vi, _variables.Vj, _variables.Pm
