# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes beyond 2^31, of arrays with strides of 0, which take no memory: numbers of rows and places are right, and what
would need more memory than there is ends with a sentence."""

import numpy as np
import pytest

from keops.numpy import Genred, Vi, Vj

MANY = 2**31 + 5
X = np.array([[2.0], [3.0]])


def many(rows=MANY, dtype=np.float64):
    return np.broadcast_to(np.ones(1, dtype), (rows, 1))


def ranges_of(rows, columns):
    """The six arrays for one cluster."""
    one = np.array([1])
    return (np.array([rows]), one, np.array([columns]), np.array([columns]), one, np.array([rows]))


def test_all_columns_count():
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)(X[:1], many())
    np.testing.assert_array_equal(found, X[:1] * MANY)


def test_places_beyond_all_integers_of_32_bits():
    ranges = ranges_of([0, 2], [MANY - 3, MANY])
    nearest = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], reduction_op="ArgKMin", opt_arg=2, axis=1)
    np.testing.assert_array_equal(nearest(X, many(), ranges=ranges), [[MANY - 3, MANY - 2]] * 2)
    least, place = (Vi(X) * Vj(many())).min_argmin(axis=1, ranges=ranges)
    assert (place == MANY - 3).all() and (least == X).all()


def test_batches_of_many_rows():
    """Columns whose bytes end just below 2^63, of which ranges name a few."""
    x = np.broadcast_to(X, (3, 2, 1))
    ranges = ranges_of([0, 2], [2**59 - 2, 2**59])
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)(x, many(2**59), ranges=ranges)
    np.testing.assert_array_equal(found, np.broadcast_to(2 * X, (3, 2, 1)))


def test_results_that_fit_in_no_memory():
    reduction = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)
    with pytest.raises(MemoryError):
        reduction(many(2**45), X)
    with pytest.raises(ValueError, match=r"out: expected an array of shape \(35184372088832, 1\), got shape \(2, 1\)"):
        reduction(many(2**45), X, out=np.empty((2, 1)))


def test_tensors():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import Genred as TorchGenred
    x, y = torch.from_numpy(X), torch.ones(1, dtype=torch.float64).expand(MANY, 1)
    ranges = tuple(map(torch.from_numpy, ranges_of([0, 2], [MANY - 3, MANY])))
    place = TorchGenred("x*y", ["x = Vi(1)", "y = Vj(1)"], reduction_op="ArgMin", axis=1)(x, y, ranges=ranges)
    assert (place == MANY - 3).all()
    with pytest.raises((RuntimeError, MemoryError), match="memory"):
        TorchGenred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)(torch.ones(1, dtype=torch.float64).expand(2**45, 1), x)
