# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How sums are added: types of accumulators and schemes, and how far their results are from exact ones."""

import numpy as np
import pytest

from keops.numpy import Genred

PRECISE = [dict(dtype_acc="float64"), dict(use_double_acc=True), dict(sum_scheme="kahan_scheme"),
           dict(sum_scheme="block_sum", dtype_acc="float64"), dict(sum_scheme="kahan_scheme", use_double_acc=True),
           dict(sum_scheme="direct_sum", dtype_acc="float64")]
# One row takes the kernel whose lanes are columns.
ROWS = [1, 40]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("options", PRECISE, ids=str)
def test_precise_sums_in_float32(options, rows):
    """A million equal terms: plain blocks lose some 5e-7, which is more than the rounding of the result, 6e-8."""
    y = np.full((1_000_000, 1), 0.1, np.float32)
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1, **options)(np.ones((rows, 1), np.float32), y)
    assert found.dtype == np.float32
    assert np.abs(found / (np.float64(y[0, 0]) * len(y)) - 1).max() <= 2.0**-24


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("options", PRECISE, ids=str)
@pytest.mark.parametrize("reduction_op", ["LogSumExp", "SumSoftMaxWeight"])
def test_precise_exponential_sums_in_float32(reduction_op, options, rows):
    """Terms exp(x) b with b = 1e-6 for y = 0, so that the sum is near 1 and its logarithm shows each lost part."""
    b = np.full((1_000_000, 1), 1e-6, np.float32)
    y = np.zeros((1_000_000, 1), np.float32)
    reduction = Genred("x*y", ["x = Vi(1)", "y = Vj(1)", "b = Vj(1)"], reduction_op=reduction_op, axis=1, formula2="b",
                       **options)
    found = reduction(np.ones((rows, 1), np.float32), y, b)
    exact = np.float64(b[0, 0]) * len(b)
    if reduction_op == "LogSumExp":
        assert np.abs(found - np.log(exact)).max() <= 1e-7
    else:
        assert np.abs(found * len(b) / exact - 1).max() <= 3e-7


@pytest.mark.parametrize("rows", ROWS)
def test_compensated_sums_in_float64(rows):
    y = np.full((1_000_000, 1), 0.1)
    exact = float(sum([int(0.1 * 2**60)] * 1_000_000)) / 2**60
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1, sum_scheme="kahan_scheme")(np.ones((rows, 1)), y)
    assert np.abs(found / exact - 1).max() <= 2.0**-52


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [0, 1, 5, 300, 5000])
@pytest.mark.parametrize("options", PRECISE[:3], ids=str)
@pytest.mark.parametrize("reduction_op", ["Sum", "LogSumExp"])
def test_values(reduction_op, options, columns, dtype):
    """Cancelling terms, and a maximum that rises late."""
    rng = np.random.default_rng(0)
    for rows in ROWS:
        x, y = rng.standard_normal((rows, 2)).astype(dtype), rng.standard_normal((columns, 2)).astype(dtype)
        y[columns * 9 // 10:] *= 20
        found = Genred("Sum(x*y)", ["x = Vi(2)", "y = Vj(2)"], reduction_op=reduction_op, axis=1, **options)(x, y)
        F = x.astype(float) @ y.astype(float).T
        top = F.max(axis=1, initial=-1e300)
        with np.errstate(divide="ignore"):
            expected = F.sum(axis=1) if reduction_op == "Sum" else np.log(np.exp(F - top[:, None]).sum(axis=1)) + top
        scale = 1 + np.abs(F).sum(axis=1) if reduction_op == "Sum" else 1 + np.abs(F).max(axis=1, initial=0)
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(found[~finite, 0], expected[~finite])
        error = np.abs(found[finite, 0] - expected[finite]) / scale[finite]
        assert (error <= (1e-6 if dtype is np.float32 else 1e-14)).all()


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("options", PRECISE[:3], ids=str)
def test_infinity_and_nan(options, rows):
    y = np.ones((5000, 4), np.float32)
    y[7, 0], y[7, 1], y[70, 1], y[7, 2] = np.inf, np.inf, -np.inf, np.nan
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(4)"], axis=1, **options)(np.ones((rows, 1), np.float32), y)
    np.testing.assert_array_equal(found, np.tile(np.float32([np.inf, np.nan, np.nan, 5000]), (rows, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_options_that_ask_for_what_is_done_anyway(dtype):
    x, y = np.random.default_rng(0).standard_normal((2, 300, 3)).astype(dtype)
    arguments = ("Exp(-SqDist(x,y))", ["x = Vi(3)", "y = Vj(3)"])
    expected = Genred(*arguments, axis=1)(x, y)
    for options in [dict(sum_scheme="direct_sum"), dict(sum_scheme="block_sum"), dict(dtype_acc=np.dtype(dtype).name)]:
        np.testing.assert_array_equal(Genred(*arguments, axis=1, **options)(x, y), expected)
