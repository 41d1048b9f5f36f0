# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors of PyTorch tensors."""

from typing import Any, Hashable, Optional, Sequence, Tuple

import torch
from torch import Tensor

from keops.lazytensor import ComplexGenericLazyTensor, GenericLazyTensor, Variables
from keops.torch._operators import dtype_name
from keops.torch._traced import make_reduction, make_solver, operate

__all__ = ["ComplexLazyTensor", "LazyTensor", "Pm", "Var", "Vi", "Vj"]


class _TorchArrays:
    """See ``keops._arrays.Arrays``."""

    name = "a PyTorch tensor"
    Genred = staticmethod(make_reduction)
    KernelSolve = staticmethod(make_solver)
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
        return dtype_name(array)

    @staticmethod
    def device(array: Tensor) -> Hashable:
        return array.device

    @staticmethod
    def vector(values: Sequence, dtype: str, like: Any) -> Tensor:
        return torch.tensor(values, dtype=getattr(torch, dtype), device=None if like is None else like.device)

    @staticmethod
    def zeros(shape: Tuple[int, ...], dtype: str, like: Any) -> Tensor:
        return torch.zeros(1, dtype=getattr(torch, dtype), device=None if like is None else like.device).expand(shape)


class LazyTensor(GenericLazyTensor):
    __doc__ = GenericLazyTensor.__doc__
    __slots__ = ()
    _arrays = _TorchArrays

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        return operate(function, arguments)


class ComplexLazyTensor(ComplexGenericLazyTensor, LazyTensor):
    """A LazyTensor of complex numbers: of a tensor of complex64 or complex128, a complex number, or a list of them. Real
    LazyTensors become such by ``real2complex``, ``imag2complex`` and ``exp1j``, and where they meet one."""

    __slots__ = ()


_TorchArrays.LazyTensor = LazyTensor
_TorchArrays.ComplexLazyTensor = ComplexLazyTensor


_variables = Variables(LazyTensor)
Var, Vi, Vj, Pm = _variables.Var, _variables.Vi, _variables.Vj, _variables.Pm
