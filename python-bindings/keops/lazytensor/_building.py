# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations by their names in the formula language, under the names that programs which extend LazyTensors use."""

import operator
from typing import Any, Optional, Tuple

from keops.lazytensor._functions import Functions

# Python's own operators, which LazyTensors have.
_SYMBOLS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "|": operator.or_,
            "**": operator.pow, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
            "==": operator.eq, "!=": operator.ne}


class Building(Functions):
    __slots__ = ()

    def unary(self, operation: str, dimres: Optional[int] = None, opt_arg: Any = None, opt_arg2: Any = None,
              is_complex: Optional[bool] = None) -> Any:
        """``operation(self, opt_arg, opt_arg2)``.

        :param operation: a name of docs/Language.md, such as "Exp".
        :param dimres: the number of components that the result must have; by default what the operation gives.
        :param opt_arg: an integer or a list of integers after the vector; ``opt_arg2`` is one more.
        :param is_complex: whether the result is a ComplexLazyTensor; by default if this is one.
        :raises ValueError: no such operation, an operand that does not fit, or another number of components.
        """
        return self._named(operation, (), (opt_arg, opt_arg2), dimres, is_complex)

    def binary(self, other: Any, operation: str, is_operator: bool = False, dimres: Optional[int] = None,
               dimcheck: Optional[str] = "sameor1", opt_arg: Any = None, opt_pos: str = "last", rversion: bool = False,
               is_complex: Optional[bool] = None) -> Any:
        """``operation(self, other, opt_arg)``, or with ``is_operator`` the operator of Python, such as "+".

        :param dimcheck: "same" wants equal numbers of components, "sameor1" or one of 1; None leaves it to the operation.
        :param opt_pos: "last", the place of ``opt_arg``.
        :param rversion: True exchanges the operands.

        The other parameters and errors are those of ``unary``.
        """
        if opt_pos != "last":
            raise ValueError(f"opt_pos: expected 'last', got {opt_pos!r}")
        other = self._wrap(other)
        _check_dims(operation, (self, other), dimcheck)
        first, second = (other, self) if rversion else (self, other)
        if not is_operator:
            return first._named(operation, (second,), (opt_arg,), dimres, is_complex)
        if operation not in _SYMBOLS:
            raise ValueError(f"operation: expected an operator, one of {' '.join(_SYMBOLS)}, got {operation!r}")
        return _SYMBOLS[operation](first, second)

    def ternary(self, other1: Any, other2: Any, operation: str, dimres: Optional[int] = None,
                dimcheck: Optional[str] = "sameor1", opt_arg: Any = None) -> Any:
        """``operation(self, other1, other2, opt_arg)``. Parameters and errors are those of ``binary``."""
        others = (self._wrap(other1, "other1"), self._wrap(other2, "other2"))
        _check_dims(operation, (self, *others), dimcheck)
        return self._named(operation, others, (opt_arg,), dimres, None)

    def addop(self, other: Any, **kwargs: Any) -> Any:
        """``self + other``."""
        return self.binary(other, "+", is_operator=True, dimcheck=None, **kwargs)

    def subop(self, other: Any, **kwargs: Any) -> Any:
        """``self - other``."""
        return self.binary(other, "-", is_operator=True, dimcheck=None, **kwargs)

    def mulop(self, other: Any, **kwargs: Any) -> Any:
        """``self * other``."""
        return self.binary(other, "*", is_operator=True, dimcheck=None, **kwargs)

    def divop(self, other: Any, **kwargs: Any) -> Any:
        """``self / other``."""
        return self.binary(other, "/", is_operator=True, dimcheck=None, **kwargs)

    def lt_constructor(self, x: Any = None, axis: Optional[int] = None, is_complex: bool = False) -> Any:
        """A LazyTensor of the same library of arrays."""
        return self._arrays.LazyTensor(x, axis, is_complex)

    def _named(self, operation: str, others: Tuple[Any, ...], options: Tuple[Any, ...], dimres: Optional[int],
               is_complex: Optional[bool]) -> Any:
        result = self.apply(operation, *others, options=[option for option in options if option is not None])
        if dimres is not None and result.ndim != dimres:
            raise ValueError(f"dimres: expected {result.ndim}, the number of components of {operation} here, got "
                             f"{dimres}")
        if is_complex is None or is_complex == result.is_complex:
            return result
        cls = self._arrays.ComplexLazyTensor if is_complex else self._arrays.LazyTensor
        return result._make(result._formula, result._operands, cls=cls)


def _check_dims(operation: str, operands: Tuple[Any, ...], rule: Optional[str]) -> None:
    dims = [operand.ndim for operand in operands]
    if rule not in ("same", "sameor1", None):
        raise ValueError(f"dimcheck: expected 'same', 'sameor1' or None, got {rule!r}")
    if rule is None or len({dim for dim in dims if rule == "same" or dim != 1}) <= 1:
        return
    raise ValueError(f"{operation}: expected vectors of one dimension{' or 1' if rule == 'sameor1' else ''}, got "
                     f"{' and '.join(map(str, dims))}")
