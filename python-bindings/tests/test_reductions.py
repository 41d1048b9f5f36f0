# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every reduction over either index, in either precision, against dense NumPy in float64."""

import dense
import numpy as np
import pytest

from keops.numpy import Genred, generic_argkmin, generic_argmin, generic_logsumexp, generic_sum

PLAIN = ["Sum", "Min", "Max", "ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax"]
KEEP_K = ["KMin", "ArgKMin", "KMin_ArgKMin"]
EXPONENTIAL = ["LogSumExp", "LogSumExpWeight", "SumSoftMaxWeight"]
SIZES = [(1, 1), (1, 37), (37, 1), (3, 5), (17, 16), (129, 65), (33, 1031)]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


def draw(seed, shape, dtype):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(found, expected, dtype):
    """Shapes and dtypes are exactly those of `expected`, values are near."""
    if isinstance(expected, tuple):
        assert isinstance(found, tuple) and len(found) == len(expected)
        for part, reference in zip(found, expected):
            check(part, reference, dtype)
        return
    assert type(found) is np.ndarray
    assert found.shape == expected.shape
    assert found.flags.c_contiguous and found.flags.writeable and found.flags.owndata
    if expected.dtype == np.int64:
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
        return
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", PLAIN + KEEP_K)
@pytest.mark.parametrize("dim", [1, 3])
def test_componentwise_reductions(name, dim, axis, dtype):
    k = 4 if name in KEEP_K else None
    # Multiples of 1/8 below 2^10 are exact in both precisions, so that indices, ties included, must agree.
    reduction = Genred("x*y - z", [f"x = Vi({dim})", f"y = Vj({dim})", f"z = Vj({dim})"], reduction_op=name, axis=axis,
                       opt_arg=k)
    for M, N in SIZES:
        x, y, z = (np.round(4 * draw(seed, (rows, dim), dtype)) / 4 for seed, rows in ((0, M), (1, N), (2, N)))
        F = dense.pairs(x, "Vi") * dense.pairs(y, "Vj") - dense.pairs(z, "Vj")
        check(reduction(x, y, z), dense.reduce(name, F, axis, k), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("dim", [1, 3])
def test_exponential_reductions(name, dim, axis, dtype):
    weighted = name != "LogSumExp"
    reduction = Genred("40*SqDist(x,y) - p", ["x = Vi(2)", "y = Vj(2)", "p = Pm(1)", f"b = Vj({dim})"],
                       reduction_op=name, axis=axis, formula2="b" if weighted else None)
    for M, N in SIZES:
        x, y, p = draw(0, (M, 2), dtype), draw(1, (N, 2), dtype), draw(2, (1,), dtype)
        b = np.abs(draw(3, (N, dim), dtype)) + dtype(0.1)
        F = 40 * ((dense.pairs(x, "Vi") - dense.pairs(y, "Vj"))**2).sum(-1, keepdims=True) - dense.pairs(p, "Pm")
        G = np.broadcast_to(dense.pairs(b, "Vj"), (M, N, dim))
        expected = dense.reduce(name, F, axis, G=G)
        found = reduction(x, y, p, b)
        assert found.shape == expected.shape and found.dtype == dtype
        # Rounding F, about 400, moves exp(F) relatively by 400 epsilon.
        np.testing.assert_allclose(found, expected, rtol=20 * TOLERANCE[dtype], atol=20 * TOLERANCE[dtype])


@pytest.mark.parametrize("axis", [0, 1])
def test_negative_weights(axis):
    """A quotient of sums has any sign; it must not be made from logarithms."""
    x, y, b = draw(0, (11, 1), np.float64), draw(1, (13, 1), np.float64), draw(2, (13, 2), np.float64)
    F = dense.pairs(x, "Vi") * dense.pairs(y, "Vj")
    G = np.broadcast_to(dense.pairs(b, "Vj"), (11, 13, 2))
    reduction = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], reduction_op="SoftMax", axis=axis, formula2="Var(2,2,1)")
    check(reduction(x, y, b), dense.reduce("SumSoftMaxWeight", F, axis, G=G), np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_spellings_without_underscore(dtype):
    x, y = draw(0, (5, 2), dtype), draw(1, (6, 2), dtype)
    for plain, spelled, k in [("MinArgMin", "Min_ArgMin", None), ("MaxArgMax", "Max_ArgMax", None),
                              ("KMinArgKMin", "KMin_ArgKMin", 2)]:
        arguments = dict(aliases=["x = Vi(2)", "y = Vj(2)"], axis=1, opt_arg=k)
        for a, b in zip(Genred("x*y", reduction_op=plain, **arguments)(x, y),
                        Genred("x*y", reduction_op=spelled, **arguments)(x, y)):
            np.testing.assert_array_equal(a, b)


def test_axis_is_0_by_default():
    x, y = draw(0, (5, 1), np.float64), draw(1, (7, 1), np.float64)
    found = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"])(x, y)
    check(found, (x @ y.T).sum(axis=0)[:, None], np.float64)


def test_a_missing_index_has_one_row():
    x = draw(0, (5, 3), np.float32)
    np.testing.assert_array_equal(Genred("x", ["x = Vi(3)"], axis=1)(x), x)
    check(Genred("x", ["x = Vi(3)"], axis=0)(x), x.sum(axis=0, keepdims=True, dtype=np.float64), np.float32)
    p = draw(1, (3,), np.float32)
    np.testing.assert_array_equal(Genred("p", ["p = Pm(3)"], axis=1)(p), p[None])


def test_arguments_that_the_formula_does_not_use_have_sizes():
    x, u = draw(0, (5, 1), np.float64), draw(1, (3, 5), np.float64)
    check(Genred("x", ["x = Vi(1)", "u = Vj(5)"], axis=1)(x, u), 3 * x, np.float64)


def test_positions_of_aliases():
    x, y = draw(0, (5, 1), np.float64), draw(1, (7, 1), np.float64)
    expected = (x - 2 * y.T).sum(axis=1)[:, None]
    check(Genred("x-2*y", ["y = Vj(1,1)", "x = Vi(0,1)"], axis=1)(x, y), expected, np.float64)
    check(Genred("Var(0,1,0)-2*Var(1,1,1)", ["Vi(1)"], axis=1)(x, y), expected, np.float64)
    check(Genred("Var(0,1,0)-2*Var(1,1,1)", ("Vi(1)", "Vj(1)"), axis=1)(x, y), expected, np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("M, N", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", PLAIN + KEEP_K)
def test_empty_arrays(name, axis, M, N, dtype):
    k = 2 if name in KEEP_K else None
    reduction = Genred("x-y", ["x = Vi(2)", "y = Vj(2)"], reduction_op=name, axis=axis, opt_arg=k)
    check(reduction(np.zeros((M, 2), dtype), np.zeros((N, 2), dtype)),
          dense.reduce(name, np.zeros((M, N, 2)), axis, k), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, value", [("LogSumExp", -np.inf), ("LogSumExpWeight", -np.inf),
                                         ("SumSoftMaxWeight", np.nan)])
def test_empty_exponential_reductions(name, value, dtype):
    reduction = Genred("x-y", ["x = Vi(1)", "y = Vj(1)"], reduction_op=name, axis=1,
                       formula2=None if name == "LogSumExp" else "y")
    found = reduction(np.zeros((3, 1), dtype), np.zeros((0, 1), dtype))
    np.testing.assert_array_equal(found, np.full((3, 1), value, dtype))
    assert reduction(np.zeros((0, 1), dtype), np.zeros((3, 1), dtype)).shape == (0, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 2])
def test_ranks_beyond_the_number_of_columns(dim, dtype):
    x, y = draw(0, (4, dim), dtype), draw(1, (3, dim), dtype)
    reduction = Genred("y-x", [f"x = Vi({dim})", f"y = Vj({dim})"], reduction_op="KMin_ArgKMin", axis=1, opt_arg=20)
    values, indices = reduction(x, y)
    assert np.isposinf(values[:, 3:]).all() and (indices[:, 3:] == 0).all()
    check((values, indices), dense.reduce("KMin_ArgKMin", dense.pairs(y, "Vj") - dense.pairs(x, "Vi"), 1, 20), dtype)


def test_equal_values_keep_their_order():
    x, y = np.zeros((2, 1)), np.array([3.0, 1, 2, 1, 3, 1])[:, None]
    arguments = ("x+y", ["x = Vi(1)", "y = Vj(1)"])
    assert Genred(*arguments, reduction_op="ArgMin", axis=1)(x, y).tolist() == [[1], [1]]
    assert Genred(*arguments, reduction_op="ArgMax", axis=1)(x, y).tolist() == [[0], [0]]
    assert Genred(*arguments, reduction_op="ArgKMin", axis=1, opt_arg=5)(x, y).tolist() == [[1, 3, 5, 2, 0]] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PLAIN + KEEP_K)
def test_nan_and_infinity(name, dtype):
    """Comparisons skip NaN, sums propagate it; infinities are numbers."""
    k = 3 if name in KEEP_K else None
    y = np.array([[np.nan, 1.0, np.nan], [2.0, np.inf, np.nan], [-1.0, -np.inf, np.nan], [np.nan, 0.0, np.nan]], dtype)
    x = np.zeros((3, 3), dtype)
    found = Genred("x+y", ["x = Vi(3)", "y = Vj(3)"], reduction_op=name, axis=1, opt_arg=k)(x, y)
    F = np.broadcast_to(dense.pairs(y, "Vj"), (3, 4, 3))
    if name != "Sum":
        check(found, dense.reduce(name, F, 1, k), dtype)
        return
    assert np.isnan(found).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_sum_exp_at_infinity(dtype):
    reduction = Genred("x+y", ["x = Vi(1)", "y = Vj(1)"], reduction_op="LogSumExp", axis=1)
    zero, inf = np.zeros((1, 1), dtype), np.inf
    for terms, expected in [([-inf, 0, 1], np.log1p(np.e)), ([-inf, -inf], -inf), ([inf, 0, inf], inf),
                            ([1e4, 1e4], 1e4 + np.log(2)), ([-1e4, -1e4], -1e4 + np.log(2)), ([0, np.nan], np.nan)]:
        found = reduction(zero, np.array(terms, dtype)[:, None])
        np.testing.assert_allclose(found, [[expected]], rtol=TOLERANCE[dtype])


def test_generic_functions():
    x, y, b = draw(0, (6, 3), np.float32), draw(1, (7, 3), np.float32), draw(2, (7, 2), np.float32)
    D = ((dense.pairs(x, "Vi") - dense.pairs(y, "Vj"))**2).sum(-1, keepdims=True)
    K = np.exp(-D) * dense.pairs(b, "Vj")
    aliases = ("x = Vi(3)", "y = Vj(3)")
    for output, axis in (("a = Vi(2)", 1), ("a = Vj(2)", 0)):
        check(generic_sum("Exp(-SqDist(x,y))*b", output, *aliases, "b = Vj(2)")(x, y, b), dense.reduce("Sum", K, axis),
              np.float32)
        check(generic_logsumexp("SqDist(x,y)", output, *aliases)(x, y), dense.reduce("LogSumExp", D, axis), np.float32)
        check(generic_argmin("SqDist(x,y)", output, *aliases)(x, y), dense.reduce("ArgMin", D, axis), np.float32)
        check(generic_argkmin("SqDist(x,y)", output, *aliases)(x, y), dense.reduce("ArgKMin", D, axis, 2), np.float32)


def test_options_without_effect_on_values():
    x, y = draw(0, (6, 3), np.float64), draw(1, (7, 3), np.float64)
    expected = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)(x, y)
    for options in [dict(dtype_acc="float64"), dict(use_double_acc=True), dict(sum_scheme="direct_sum"),
                    dict(sum_scheme="block_sum"), dict(enable_chunks=False), dict(rec_multVar_highdim=True),
                    dict(use_fast_math=False)]:
        found = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1, **options)(x, y, backend="CPU", device_id=0)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("term", [0.1, 0.7, 1e-3])
def test_sums_of_many_equal_terms_stay_accurate(rows, term):
    """Ten million equal terms make the same rounding error each time: the worst case for a plain running sum."""
    x = np.full((10_000_000, 1), term, np.float32)
    total = Genred("x*p", ["x = Vj(1)", "p = Vi(1)"], axis=1)(x, np.ones((rows, 1), np.float32))
    assert np.abs(total / x.sum(dtype=np.float64) - 1).max() <= 1e-6
