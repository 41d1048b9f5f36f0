# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arithmetic, comparisons, powers and slices of LazyTensors.

Integers are part of the formula, which is compiled for them. Other numbers are data, so that a formula which is used
with many of them is compiled once."""

from typing import Any

from keops.lazytensor._base import PLAIN, Base, as_index, is_number, is_real, is_whole


class Operators(Base):
    """Operators between LazyTensors, numbers, lists of numbers, and arrays, which count as parameters if they are vectors
    and as LazyTensors do otherwise. Dimensions of vectors are equal, or one is 1; M, N and dtypes are equal; batch
    dimensions broadcast as in NumPy."""

    __slots__ = ()

    def _operate(self, other: Any, name: str, reverse: bool = False) -> Any:
        """``self name other``, or the other way round."""
        if type(other) is not type(self):
            if is_whole(other) and not self.is_complex:
                return self._with_constant(name, int(other), reverse)
            try:
                other = self._wrap(other)
            except TypeError:
                if _is_operand(self, other):
                    raise
                return NotImplemented
            if other.is_complex or self.is_complex:
                a, b = (other, self) if reverse else (self, other)
                return self._arrays.ComplexLazyTensor._operate_complex(a, b, name)
        elif self.is_complex:
            a, b = (other, self) if reverse else (self, other)
            return self._arrays.ComplexLazyTensor._operate_complex(a, b, name)
        return other._binary(self, name) if reverse else self._binary(other, name)

    def __add__(self, other: Any) -> Any:
        """x + y; x + 0 is x."""
        if type(other) in PLAIN and other == 0:
            return self
        return self._operate(other, "Add")

    def __radd__(self, other: Any) -> Any:
        if type(other) in PLAIN and other == 0:
            return self
        return self._operate(other, "Add", True)

    def __sub__(self, other: Any) -> Any:
        """x - y; x - 0 is x."""
        if type(other) in PLAIN and other == 0:
            return self
        return self._operate(other, "Subtract")

    def __rsub__(self, other: Any) -> Any:
        if type(other) in PLAIN and other == 0:
            return -self
        return self._operate(other, "Subtract", True)

    def __mul__(self, other: Any) -> Any:
        """x * y for each component; a vector of one component multiplies all."""
        if type(other) in PLAIN and (other == 1 or other == -1):
            return self if other == 1 else -self
        return self._operate(other, "Mult")

    def __rmul__(self, other: Any) -> Any:
        if type(other) in PLAIN and (other == 1 or other == -1):
            return self if other == 1 else -self
        return self._operate(other, "Mult", True)

    def __truediv__(self, other: Any) -> Any:
        """x / y for each component."""
        if type(other) in PLAIN and other == 1:
            return self
        if is_whole(other) and other == 0:
            raise ZeroDivisionError("expected a divisor other than the number 0")
        return self._operate(other, "Divide")

    def __rtruediv__(self, other: Any) -> Any:
        if type(other) in PLAIN and other == 1:
            return self._function("Inv")
        return self._operate(other, "Divide", True)

    def __neg__(self) -> Any:
        """-x."""
        return self._unary("Minus")

    def __pos__(self) -> Any:
        """x itself."""
        return self

    def __abs__(self) -> Any:
        """abs(x), as ``x.abs()``."""
        return self.abs()

    def __mod__(self, other: Any) -> Any:
        """x % y, as ``x.mod(y)``."""
        return self.mod(other)

    def __or__(self, other: Any) -> Any:
        """x | y, the scalar product sum_k x_k y_k of vectors of one dimension: one component."""
        return self._scalar_product(other, False)

    def __ror__(self, other: Any) -> Any:
        return self._scalar_product(other, True)

    def _scalar_product(self, other: Any, reverse: bool) -> Any:
        self._expect_real("|")
        other = self._wrap(other)
        other._expect_real("|")
        if other.ndim != self.ndim:
            raise ValueError(f"|: expected vectors of one dimension, got {self.ndim} and {other.ndim}")
        return self._operate(other, "Scalprod", reverse)

    # --- Powers -------------------------------------------------------------------------------------------------------

    def __pow__(self, other: Any) -> Any:
        """x ** p. Integers give products; 0.5 and -0.5 roots, where ``rsqrt`` is 0 at 0; other numbers, and LazyTensors
        or vectors of x's dimension or 1, powers of C's ``pow``."""
        if is_whole(other):
            return self._whole_power(int(other))
        if is_real(other) and abs(other) == 0.5 and not self.is_complex:
            return self._unary("Sqrt" if other == 0.5 else "Rsqrt")
        if not is_number(other) and not _is_operand(self, other):
            raise ValueError(f"exponent: expected a number, a LazyTensor or a vector, got {other!r}")
        exponent = self._wrap(other, "exponent")
        if self.is_complex or exponent.is_complex:
            return self._arrays.ComplexLazyTensor._operate_complex(self, exponent, "Pow")
        if exponent.ndim not in (1, self.ndim):
            raise ValueError(f"exponent: expected a vector of dimension 1 or {self.ndim}, got {exponent.ndim}")
        return self._binary(exponent, "Powf")

    def _whole_power(self, exponent: int) -> Any:
        return self._unary("Square") if exponent == 2 else self._unary("Pow", exponent)

    def __rpow__(self, other: Any) -> Any:
        """2 ** x and its like."""
        base = self._wrap(other)
        if self.is_complex or base.is_complex:
            return self._arrays.ComplexLazyTensor._operate_complex(base, self, "Pow")
        return base._binary(self, "Powf")

    # --- Comparisons --------------------------------------------------------------------------------------------------

    def _compare(self, other: Any, name: str, reverse: bool = False) -> Any:
        self._expect_real("comparison")
        result = self._operate(other, name, reverse)
        if result is NotImplemented:
            raise TypeError(f"expected a LazyTensor, an array or a number to compare with, got {type(other).__name__}")
        return result

    def __eq__(self, other: Any) -> Any:  # type: ignore[override]
        """x == y: 1 where components are equal, else 0."""
        return self._compare(other, "Equal")

    def __ne__(self, other: Any) -> Any:  # type: ignore[override]
        """x != y: 1 where components differ, else 0."""
        return self._compare(other, "NotEqual")

    def __lt__(self, other: Any) -> Any:
        """x < y: 1 or 0 for each component."""
        return self._compare(other, "LessThan")

    def __le__(self, other: Any) -> Any:
        """x <= y: 1 or 0 for each component."""
        return self._compare(other, "LessOrEqual")

    def __gt__(self, other: Any) -> Any:
        """x > y: 1 or 0 for each component."""
        return self._compare(other, "LessThan", True)

    def __ge__(self, other: Any) -> Any:
        """x >= y: 1 or 0 for each component."""
        return self._compare(other, "LessOrEqual", True)

    __hash__ = None  # type: ignore[assignment]  # because == does not give a truth value

    # --- Slices -------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """Components of the vector: ``x[k]`` and ``x[a:b]`` with positions that may count from the end, also written with
        the axes before, ``x[:, :, k]`` or ``x[..., k]``, none of which can be cut."""
        parts = 2 if self.is_complex else 1
        size = self.ndim // parts
        key = self._last_key(key)
        if isinstance(key, slice):
            if key.step is not None and as_index(key.step, "step of the slice") != 1:
                raise ValueError(f"slice: expected step 1, got {key.step!r}")
            begin, end, _ = key.indices(size)
            if begin == 0 and end == size:
                return self
            if end <= begin:
                raise ValueError(f"slice: expected at least one of the {size} components, got {key.start}:{key.stop}")
            return self._unary("Extract", parts * begin, parts * (end - begin))
        position = as_index(key, "index")
        if not -size <= position < size:
            raise IndexError(f"index: expected {-size} to {size - 1} for a vector of {size} components, got {position}")
        position %= size
        return self._unary("Extract", 2 * position, 2) if self.is_complex else self._unary("Elem", position)

    def _last_key(self, key: Any) -> Any:
        if key is Ellipsis:
            return slice(None)
        if not isinstance(key, tuple):
            return key
        entries, axes = list(key), self.dim()
        dots = [place for place, entry in enumerate(entries) if entry is Ellipsis]
        if len(dots) > 1:
            raise IndexError("index: expected at most one '...', got several")
        missing = axes - (len(entries) - len(dots))
        if missing < 0:
            raise IndexError(f"index: expected at most {axes} axes, got {len(entries)}")
        place = dots[0] if dots else len(entries)
        entries[place:place + len(dots)] = [slice(None)] * missing
        for axis, entry in enumerate(entries[:-1]):
            if not isinstance(entry, slice) or entry != slice(None):
                raise ValueError(f"index: expected ':' for axis {axis}, because only components can be taken, got "
                                 f"{entry!r}")
        return entries[-1]


def _is_operand(lazy: Base, value: Any) -> bool:
    """True for what may be an operand, if its values suit."""
    return isinstance(value, (Base, list, tuple)) or is_number(value) or lazy._arrays.as_array(value) is not None


