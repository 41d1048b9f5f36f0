# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of LazyTensors within functions that ``torch.compile`` reads.

It reads Python, and nothing of the compiled half, whose answers it can take as constants if they are numbers or texts. So
a reduction is known there by its name (``keops.torch._calls``), which the operators of the graph want anyway.
"""

from typing import Any, Callable, Optional, Sequence, Tuple

import torch

from keops._options import find_argument
from keops.lazytensor import _formula
from keops.torch.genred import Genred
from keops.torch.solve import KernelSolve


def _is_constant(function: Callable) -> Callable:
    """``function`` of constants, as a constant; ``torch.compiler.assume_constant_result``, whose import takes a second."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


for _function in (*_formula.ENGINE, find_argument):
    _is_constant(_function)
_formula.is_read = torch.compiler.is_compiling


@_is_constant
def _name(formula: str, aliases: Sequence[str], reduction_op: str, axis: int, dtype: Optional[str],
          options: Sequence[Tuple[str, Any]]) -> str:
    return Genred(formula, aliases, reduction_op, axis, dtype=dtype, **dict(options))._key


def _named(formula: str, aliases: Sequence[str], reduction_op: str, axis: int, dtype: Optional[str],
           options: Sequence[Tuple[str, Any]]) -> Genred:
    """A reduction of which there is what its call in a graph needs."""
    made = object.__new__(Genred)
    made._key = _name(formula, tuple(aliases), reduction_op, axis, dtype, tuple(options))
    made._dtype = dtype
    made.axis = axis
    return made


def make_reduction(formula: str, aliases: Sequence[str], reduction_op: str, axis: int, dtype: Optional[str] = None,
                   **options: Any) -> Genred:
    """``Genred``, also where ``torch.compile`` reads."""
    if torch.compiler.is_compiling():
        return _named(formula, aliases, reduction_op, axis, dtype, tuple(options.items()))
    return Genred(formula, aliases, reduction_op, axis, dtype=dtype, **options)


def make_solver(formula: str, aliases: Sequence[str], varinvalias: str, axis: int, **options: Any) -> KernelSolve:
    """``KernelSolve``, also where ``torch.compile`` reads."""
    if not torch.compiler.is_compiling():
        return KernelSolve(formula, aliases, varinvalias, axis, **options)
    made = object.__new__(KernelSolve)
    made._sum = _named(formula, aliases, "Sum", axis, None, tuple(options.items()))
    made.aliases = list(aliases)
    made.axis = axis
    made.position = find_argument(aliases, varinvalias)
    return made


# What a LazyTensor does with a tensor, for the functions that torch.compile calls in the place of an operator between the
# two: of the tensor, with the LazyTensor second. Those with an r are those of operators with the tensor on the right.
_OPERATORS = {"add": "__radd__", "sub": "__rsub__", "__rsub__": "__sub__", "mul": "__rmul__", "div": "__rtruediv__",
              "__rdiv__": "__truediv__", "pow": "__rpow__", "__rpow__": "__pow__", "__rmod__": "__mod__",
              "matmul": "__matmul__", "__or__": "__ror__", "bitwise_or": "__or__", "__eq__": "__eq__", "ne": "__ne__",
              "lt": "__gt__", "gt": "__lt__", "le": "__ge__", "ge": "__le__"}


def operate(function: Callable, arguments: Sequence[Any]) -> Any:
    """The operator between a tensor and a LazyTensor that ``torch.compile`` has read as ``function``; elsewhere Python
    itself asks the LazyTensor."""
    name = _OPERATORS.get(function.__name__) if torch.compiler.is_compiling() else None
    if name is None or len(arguments) != 2:
        return NotImplemented
    tensor, lazy = arguments
    return getattr(lazy, name)(tensor)
