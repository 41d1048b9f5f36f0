# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors of PyTorch tensors."""

from typing import Any, Hashable, Optional, Sequence, Tuple

import torch
from torch import Tensor

from keops.lazytensor import ComplexGenericLazyTensor, GenericLazyTensor
from keops.torch.genred import Genred
from keops.torch.solve import KernelSolve

__all__ = ["ComplexLazyTensor", "LazyTensor", "Pm", "Var", "Vi", "Vj"]


class _TorchArrays:
    """See ``keops._arrays.Arrays``."""

    name = "a PyTorch tensor"
    Genred = Genred
    KernelSolve = KernelSolve
    LazyTensor: Any
    ComplexLazyTensor: Any

    @staticmethod
    def as_array(value: Any) -> Optional[Tensor]:
        if not isinstance(value, Tensor):
            return None
        if value.layout != torch.strided:
            raise TypeError(f"expected a dense tensor, got one of layout {value.layout}")
        return value

    @staticmethod
    def dtype(array: Tensor) -> str:
        return _NAMES[array.dtype]

    @staticmethod
    def device(array: Tensor) -> Hashable:
        return array.device

    @staticmethod
    def vector(values: Sequence, dtype: str, like: Any) -> Tensor:
        return torch.tensor(values, dtype=getattr(torch, dtype), device=None if like is None else like.device)

    @staticmethod
    def zeros(shape: Tuple[int, ...], dtype: str, like: Any) -> Tensor:
        return torch.zeros(1, dtype=getattr(torch, dtype), device=None if like is None else like.device).expand(shape)


_NAMES = {value: str(value)[6:] for value in vars(torch).values() if isinstance(value, torch.dtype)}


class LazyTensor(GenericLazyTensor):
    __doc__ = GenericLazyTensor.__doc__
    __slots__ = ()
    _arrays = _TorchArrays


class ComplexLazyTensor(ComplexGenericLazyTensor, LazyTensor):
    """A LazyTensor of complex numbers: of a tensor of complex64 or complex128, a complex number, or a list of them. Real
    LazyTensors become such by ``real2complex``, ``imag2complex`` and ``exp1j``, and where they meet one."""

    __slots__ = ()


_TorchArrays.LazyTensor = LazyTensor
_TorchArrays.ComplexLazyTensor = ComplexLazyTensor


def Var(x_or_ind: Any, dim: Optional[int] = None, cat: Optional[int] = None) -> LazyTensor:
    """A LazyTensor of a tensor, ``Var(x, cat)``, or a symbolic variable, ``Var(index, dimension, category)``.

    :param x_or_ind: a tensor, or the place among the arguments of the call.
    :param dim: the number of components of a symbolic variable; for a tensor the category, if ``cat`` is None.
    :param cat: 0 for one row for each i, 1 for each j, 2 for a parameter.
    """
    if dim is None or cat is None:
        return LazyTensor(x_or_ind, axis=dim if cat is None else cat)
    return LazyTensor((x_or_ind, dim, cat))


def Vi(x_or_ind: Any, dim: Optional[int] = None) -> LazyTensor:
    """Vectors of i.

    :param x_or_ind: a tensor (M, D), or with ``dim`` the place among the arguments of the call.
    :param dim: the number of components of a symbolic variable.
    """
    return Var(x_or_ind, dim, 0)


def Vj(x_or_ind: Any, dim: Optional[int] = None) -> LazyTensor:
    """Vectors of j: a tensor (N, D), or an index and a dimension as for ``Vi``."""
    return Var(x_or_ind, dim, 1)


def Pm(x_or_ind: Any, dim: Optional[int] = None) -> LazyTensor:
    """A parameter: a vector (D,), a tensor (B, D) of one for each batch, a number or a list of numbers; or an index and a
    dimension as for ``Vi``."""
    return Var(x_or_ind, dim, 2)
