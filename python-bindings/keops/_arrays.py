# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What ``keops.lazytensor`` asks of the arrays of a library. Each front, such as ``keops.numpy``, has one such object."""

from typing import Any, Hashable, Optional, Protocol, Sequence, Tuple, Type


class Arrays(Protocol):
    """Arrays of one library, and how to reduce formulas of them.

    Arrays have ``shape`` and ``ndim``, basic indexing that gives views, ``reshape``, ``sum`` and arithmetic.
    """

    name: str
    """For messages: "a NumPy array"."""

    Genred: Type
    KernelSolve: Type
    LazyTensor: Type
    ComplexLazyTensor: Type

    def as_array(self, value: Any) -> Optional[Any]:
        """``value`` as an array, without a copy; None if it is none. Raises TypeError, with a reason, for arrays that
        cannot be used."""

    def dtype(self, array: Any) -> str:
        """Such as "float32"."""

    def device(self, array: Any) -> Hashable:
        """Where the array is."""

    def vector(self, values: Sequence, dtype: str, like: Any) -> Any:
        """Python numbers as an array of shape ``(len(values),)``, on the device of the array ``like`` unless that is
        None."""

    def zeros(self, shape: Tuple[int, ...], dtype: str, like: Any) -> Any:
        """An array of zeros that nobody writes to, so that its strides may be 0."""
