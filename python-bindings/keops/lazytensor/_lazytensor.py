# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The class of which each front has a LazyTensor for its arrays."""

from keops.lazytensor._display import Display


class GenericLazyTensor(Display):
    """A symbolic vector for each pair (i, j): a formula and the arrays that it is of. Nothing is computed before a
    reduction asks for it, and no array with a row for each pair is ever made.

    :param x: an array of shape (..., M, 1, D) for vectors of i, (..., 1, N, D) of j, (..., 1, 1, D) or (D,) for a
        parameter, (M, D), (N, D) with ``axis``; an integer, which becomes part of the formula; another number or a list
        of numbers, parameters that have no dtype; or a tuple (index, dimension, category), a symbolic variable, whose
        array comes with the call of the reduction. Dimensions before are batches. Arrays are held, not copied.
    :param axis: 0 for rows of i, 1 of j, of a matrix; 2 for a parameter.
    :param is_complex: True for a ComplexLazyTensor of what is not complex by itself.
    :raises TypeError: nothing of these, or an array of another dtype than float16, bfloat16, float32, float64,
        complex64, complex128.
    :raises ValueError: a shape or axis that leaves open which index rows have.

    ``ranges``, ``backend`` and ``precision`` are attributes, None at first: options of its reductions and of those of
    expressions with it, unless the reduction names others.

    Operations are those of the formula language: ``exp``, ``sqdist``, ... as methods, all of them by ``apply``.
    """

    __slots__ = ()
