# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every reduction over all pairs, over block-sparse ranges, for batches, and for both, against NumPy in float64."""

import itertools

import dense
import numpy as np
import pytest

from keops.numpy import Genred

COMPONENTWISE = ["Sum", "Min", "Max", "ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax"]
KEEP_K = ["KMin", "ArgKMin", "KMin_ArgKMin"]
EXPONENTIAL = ["LogSumExp", "LogSumExpWeight", "SumSoftMaxWeight"]
ALL = COMPONENTWISE + KEEP_K + EXPONENTIAL
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
M, N, D, K = 23, 31, 2, 3

# Rows 6 ... 10 and 22 are in no cluster, cluster 2 has no columns and cluster 3 no rows; the columns of cluster 1 come
# backwards.
RANGES_I = np.array([[0, 4], [11, 20], [4, 6], [20, 20], [20, 22]])
SLICES_I = np.array([2, 5, 5, 6, 7])
REDRANGES_J = np.array([[0, 3], [3, 9], [20, 31], [5, 5], [1, 4], [0, 31], [30, 31]])
TRIPLE_I = (RANGES_I, SLICES_I, REDRANGES_J)
# Of the result over i: columns are rows here, so the numbers are other ones.
TRIPLE_J = (np.array([[3, 12], [12, 13], [25, 31]]), np.array([1, 3, 3]), np.array([[2, 21], [22, 23], [0, 1]]))
RANGES = TRIPLE_I + TRIPLE_J


def mask_of(axis):
    """Which pairs count: (rows of the result, rows that are reduced)."""
    rows, slices, columns = RANGES[:3] if axis == 1 else RANGES[3:]
    mask = np.zeros((M, N) if axis == 1 else (N, M), bool)
    for k, (begin, end) in enumerate(rows):
        for first, last in columns[slices[k - 1] if k else 0:slices[k]]:
            mask[begin:end, first:last] = True
    return mask


def reduce_masked(name, F, axis, mask, k=None, G=None):
    """`dense.reduce` of the pairs that count alone, in which rows keep their numbers."""
    if axis == 0:
        F, G = F.swapaxes(0, 1), None if G is None else G.swapaxes(0, 1)
    parts = []
    for row, kept in enumerate(mask):
        columns = np.flatnonzero(kept)
        found = dense.reduce(name, F[row:row + 1, columns], 1, k, None if G is None else G[row:row + 1, columns])
        # Numbers of rows are those among all; what nothing was found for stays 0.
        renumber = np.append(columns, 0) if columns.size else np.zeros(1, np.int64)
        found = [renumber[part] if part.dtype == np.int64 else part
                 for part in (found if isinstance(found, tuple) else (found,))]
        if k is not None and columns.size < k:
            found = [np.where(np.arange(k).reshape((1, k) + (1,) * (part.ndim - 2)) < columns.size, part, 0)
                     if part.dtype == np.int64 else part for part in found]
        parts.append(found)
    whole = tuple(np.concatenate(part) for part in zip(*parts))
    return whole if len(whole) > 1 else whole[0]


def draw(seed, shape, dtype, batch=()):
    # Multiples of 1/8 are exact in both precisions, so that indices, ties included, must agree.
    numbers = np.random.default_rng(seed).integers(-20, 21, batch + shape) / 8
    return numbers.astype(dtype)


def check(found, expected, dtype):
    for part, reference in zip(found if isinstance(found, tuple) else (found,),
                               expected if isinstance(expected, tuple) else (expected,)):
        assert part.shape == reference.shape and part.flags.c_contiguous
        assert part.dtype == (np.int64 if reference.dtype == np.int64 else dtype)
        np.testing.assert_allclose(part, reference, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def stack(results, batch):
    """Results of all batches as one array, or tuple of arrays."""
    if isinstance(results[0], tuple):
        return tuple(stack(list(part), batch) for part in zip(*results))
    return np.stack(results).reshape(batch + results[0].shape)


def at(array, batch, index, ndim):
    """The array of one batch."""
    return np.broadcast_to(array, batch + array.shape[array.ndim - ndim:])[index]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("pairs", ["dense", "ranges"])
@pytest.mark.parametrize("batches", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("name", ALL)
def test_every_reduction(name, batches, pairs, axis, dtype):
    exponential, weighted = name in EXPONENTIAL, name in EXPONENTIAL[1:]
    k = K if name in KEEP_K else None
    dim = 1 if exponential else D
    reduction = Genred("x*y - p" if not exponential else "Sum(x*y) - p", ["x = Vi(2)", "y = Vj(2)", "p = Pm(1)",
                                                                           "b = Vj(2)"],
                       reduction_op=name, axis=axis, opt_arg=k, formula2="b" if weighted else None)
    # Along (2, 3): x has both, y the last, p the first alone, b none.
    x, y = draw(0, (M, 2), dtype, batches), draw(1, (N, 2), dtype, batches[-1:])
    p, b = draw(2, (1,), dtype, batches[:1] + (1,) * len(batches[1:])), np.abs(draw(3, (N, 2), dtype)) + dtype(0.125)
    mask = mask_of(axis) if pairs == "ranges" else np.ones((M, N) if axis == 1 else (N, M), bool)
    expected = []
    for index in itertools.product(*map(range, batches)):
        F = dense.pairs(at(x, batches, index, 2), "Vi") * dense.pairs(at(y, batches, index, 2), "Vj")
        F = (F.sum(-1, keepdims=True) if exponential else F) - dense.pairs(at(p, batches, index, 1), "Pm")
        G = np.broadcast_to(dense.pairs(b, "Vj"), (M, N, 2)) if weighted else None
        assert F.shape == (M, N, dim)
        expected.append(reduce_masked(name, F, axis, mask, k, G))
    found = reduction(x, y, p, b, ranges=RANGES if pairs == "ranges" else None)
    check(found, stack(expected, batches) if batches else expected[0], dtype)


@pytest.mark.parametrize("integers", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_ranges_of_any_integers(integers):
    x, y = draw(0, (M, 1), np.float64), draw(1, (N, 1), np.float64)
    reduction = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)
    expected = reduction(x, y, ranges=RANGES)
    np.testing.assert_array_equal(reduction(x, y, ranges=[part.astype(integers) for part in RANGES]), expected)
    strided = tuple(np.stack([part, part], axis=-1)[..., 0] for part in RANGES)
    np.testing.assert_array_equal(reduction(x, y, ranges=strided), expected)


def test_ranges_of_all_pairs():
    """They say nothing that a dense call does not."""
    x, y = draw(0, (M, 2), np.float32), draw(1, (N, 2), np.float32)
    rows, columns, one = np.array([[0, M]]), np.array([[0, N]]), np.array([1])
    for axis in (0, 1):
        reduction = Genred("Exp(-SqDist(x,y))", ["x = Vi(2)", "y = Vj(2)"], axis=axis)
        np.testing.assert_array_equal(reduction(x, y, ranges=(rows, one, columns, columns, one, rows)), reduction(x, y))


def test_ranges_without_clusters():
    none, no_slices = np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    reduction = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], reduction_op="Min_ArgMin", axis=1)
    values, indices = reduction(np.ones((4, 1)), np.ones((5, 1)), ranges=(none, no_slices, none) * 2)
    assert np.isposinf(values).all() and (indices == 0).all() and values.shape == (4, 1)


def test_out_of_batches_and_ranges():
    x, y = draw(0, (M, 2), np.float32, (3,)), draw(1, (N, 2), np.float32)
    reduction = Genred("x*y", ["x = Vi(2)", "y = Vj(2)"], reduction_op="KMin_ArgKMin", axis=1, opt_arg=K)
    expected = reduction(x, y, ranges=RANGES)
    out = tuple(np.full_like(part, 77) for part in expected)
    assert reduction(x, y, ranges=RANGES, out=out) is out
    # Strided memory, too.
    views = tuple(np.zeros(part.shape[::-1], part.dtype).T for part in expected)
    reduction(x, y, ranges=RANGES, out=views)
    for part in zip(out, views, expected):
        np.testing.assert_array_equal(part[0], part[2])
        np.testing.assert_array_equal(part[1], part[2])


def test_layouts_of_batches():
    """Nothing but the elements matters: batch axes anywhere in memory, backwards, shared, and unaligned."""
    x, y = draw(0, (M, 2), np.float64, (2, 3)), draw(1, (N, 2), np.float64, (2, 3))
    reduction = Genred("Exp(-SqDist(x,y))", ["x = Vi(2)", "y = Vj(2)"], axis=1)
    expected = reduction(x, y)
    records = np.zeros(x.shape, [("byte", "i1"), ("value", x.dtype)])
    records["value"] = x
    for layout in (np.asfortranarray(x), x[::-1, :, ::-1].copy()[::-1, :, ::-1], records["value"],
                   np.ascontiguousarray(x.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)):
        np.testing.assert_array_equal(reduction(layout, y), expected)
    shared = np.broadcast_to(y[:1, :1], y.shape)
    np.testing.assert_array_equal(reduction(x, shared), reduction(x, shared.copy()))


@pytest.mark.parametrize("batches", [(0,), (3, 0), (0, 1)])
def test_no_batches(batches):
    x, y = np.zeros(batches + (4, 2)), np.zeros((5, 2))
    assert Genred("x*y", ["x = Vi(2)", "y = Vj(2)"], axis=1)(x, y).shape == batches + (4, 2)
    reduction = Genred("Sum(x*y)", ["x = Vi(2)", "y = Vj(2)"], reduction_op="SoftMax", formula2="y", axis=1)
    assert reduction(x, y).shape == batches + (4, 2)


@pytest.mark.parametrize("columns", [3, 300])
def test_many_batches_of_few_rows(columns):
    x, y = draw(0, (2, 1), np.float32, (5000,)), draw(1, (columns, 1), np.float32, (5000,))
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1)(x, y)
    check(found, (x.astype(float) * y.astype(float).sum(axis=1, keepdims=True)), np.float32)
