# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors of complex numbers. A vector of n of them is a vector (re, im, re, im, ...) of 2 n components to formulas,
so each operation either is one for complex numbers or is refused."""

from typing import Any, Optional, Tuple, Type

from keops.lazytensor import _formula
from keops.lazytensor._lazytensor import GenericLazyTensor


class ComplexGenericLazyTensor(GenericLazyTensor):
    """A symbolic vector of complex numbers for each pair. Real operands become complex where they meet it."""

    __slots__ = ()
    is_complex = True

    def __init__(self, x: Any = None, axis: Optional[int] = None, is_complex: bool = True):
        super().__init__(x, axis, is_complex)

    @classmethod
    def _operate_complex(cls, a: Any, b: Any, name: str) -> Any:
        """``a name b``, one of which is complex at least."""
        if name == "Mult" and (_is_scalar(a) or _is_scalar(b)):
            return a._binary(b, "ComplexRealScal", cls=cls)
        if name == "Divide" and _is_scalar(b):
            return a._binary(b._unary("Inv"), "ComplexRealScal", cls=cls)
        if name == "Pow" and _is_scalar(b):
            return a._binary(b, "ComplexPow", cls=cls)
        name = f"Complex{name}"
        if not _formula.is_operation(name):
            raise ValueError(f"{name[len('Complex'):]}: expected real LazyTensors, got a complex one")
        a, b = (operand if operand.is_complex else operand.real2complex() for operand in (a, b))
        return a._binary(b, name, cls=cls)

    def _whole_power(self, exponent: int) -> Any:
        return self._unary("ComplexSquare") if exponent == 2 else self._unary("ComplexPow", exponent)

    def _function(self, name: str, *options: Any, cls: Optional[Type] = None) -> Any:
        name = f"Complex{name}"
        if not _formula.is_operation(name):
            raise ValueError(f"{name[len('Complex'):]}: expected a real LazyTensor, got a complex one")
        return self._unary(name, *options, cls=cls)

    def _real(self, name: str) -> Any:
        """An operation with a real result."""
        return self._unary(name, cls=self._arrays.LazyTensor)

    # --- What it is ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> Optional[str]:
        """ "complex64" or "complex128", None while no array says it."""
        return self._dtype_name()

    @property
    def shape(self) -> Tuple[int, ...]:
        """Batch dimensions, M or 1, N or 1, and the number of complex components unless that is 1."""
        shape = self._shape
        return shape[:-1] if shape[-1] == 2 else (*shape[:-1], shape[-1] // 2)

    @property
    def real(self) -> Any:
        """The real parts, a LazyTensor. ``ComplexReal``."""
        return self._real("ComplexReal")

    @property
    def imag(self) -> Any:
        """The imaginary parts, a LazyTensor. ``ComplexImag``."""
        return self._real("ComplexImag")

    # --- Functions ----------------------------------------------------------------------------------------------------

    def angle(self) -> Any:
        """The angle of each number, in (-pi, pi], a LazyTensor. ``ComplexAngle``."""
        return self._real("ComplexAngle")

    def conj(self) -> Any:
        """The conjugates. ``Conj``."""
        return self._unary("Conj")

    def abs(self) -> Any:
        """The moduli, a LazyTensor. ``ComplexAbs``."""
        return self._real("ComplexAbs")

    def sqnorm2(self) -> Any:
        """The sum of the squared moduli, a LazyTensor of one component. ``SqNorm2`` of (re, im, ...)."""
        return self._real("SqNorm2")

    def norm2(self) -> Any:
        """The root of the sum of the squared moduli, a LazyTensor of one component. ``Norm2`` of (re, im, ...)."""
        return self._real("Norm2")

    def normalize(self) -> Any:
        """Each vector divided by its norm. ``Normalize`` of (re, im, ...)."""
        return self._unary("Normalize")

    def rsqrt(self) -> Any:
        """1 / sqrt(z)."""
        return self._function("Sqrt")._function("Inv")

    def concat(self, other: Any) -> Any:
        """The vector followed by another one, which becomes complex if it is real. ``Concat``."""
        other = self._wrap(other)
        return self._binary(other if other.is_complex else other.real2complex(), "Concat")

    def keops_tensordot(self, *args: Any, **kwargs: Any) -> Any:
        """Not for complex numbers: raises ValueError."""
        self._expect_real("keops_tensordot")

    def rmatvec(self, v: Any) -> Any:
        """The conjugate transposed times v."""
        return self.T.conj() @ v


def _is_scalar(lazy: Any) -> bool:
    """A real number, which multiplies complex vectors as it is."""
    return not lazy.is_complex and lazy.ndim == 1
