# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Short names for LazyTensors that are one variable."""

from typing import Any, Generic, Optional, Type, TypeVar

from keops.lazytensor._lazytensor import GenericLazyTensor

Lazy = TypeVar("Lazy", bound=GenericLazyTensor)


class Variables(Generic[Lazy]):
    """The functions ``Var``, ``Vi``, ``Vj`` and ``Pm`` for the LazyTensors of a front."""

    def __init__(self, lazytensor: Type[Lazy]):
        self._lazytensor = lazytensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._lazytensor.__module__}.{self._lazytensor.__name__})"

    def Var(self, x_or_ind: Any, dim: Optional[int] = None, cat: Optional[int] = None) -> Lazy:
        """A LazyTensor of an array, ``Var(x, cat)``, or a symbolic variable, ``Var(index, dimension, category)``.

        :param x_or_ind: an array, or the place among the arguments of the call.
        :param dim: the number of components of a symbolic variable; for an array the category, if ``cat`` is None.
        :param cat: 0 for one row for each i, 1 for each j, 2 for a parameter.
        :raises TypeError: as LazyTensor, for what is no array of a known dtype.
        :raises ValueError: as LazyTensor, for a shape or category that makes no sense.
        """
        if dim is None or cat is None:
            return self._lazytensor(x_or_ind, axis=dim if cat is None else cat)
        return self._lazytensor((x_or_ind, dim, cat))

    def Vi(self, x_or_ind: Any, dim: Optional[int] = None) -> Lazy:
        """Vectors of i.

        :param x_or_ind: an array (M, D), or with ``dim`` the place among the arguments of the call.
        :param dim: the number of components of a symbolic variable.
        """
        return self.Var(x_or_ind, dim, 0)

    def Vj(self, x_or_ind: Any, dim: Optional[int] = None) -> Lazy:
        """Vectors of j: an array (N, D), or an index and a dimension as for ``Vi``."""
        return self.Var(x_or_ind, dim, 1)

    def Pm(self, x_or_ind: Any, dim: Optional[int] = None) -> Lazy:
        """A parameter: a vector (D,), an array (B, D) of one for each batch, a number or a list of numbers; or an index
        and a dimension as for ``Vi``."""
        return self.Var(x_or_ind, dim, 2)
