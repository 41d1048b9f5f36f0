# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of LazyTensors over i and over j: shapes, dtypes and values against NumPy in float64, with batches, ranges,
options, symbolic variables and late calls."""

import numpy as np
import pytest

import dense
from keops.numpy import LazyTensor, Pm, Vi, Vj
from keops.numpy.cluster import from_matrix

M, N, D = 6, 5, 3
RNG = np.random.default_rng(11)
X, Y, W = RNG.uniform(-1, 1, (M, D)), RNG.uniform(-1, 1, (N, D)), RNG.uniform(0.1, 1, (N, 2))
F = X[:, None] * Y[None]
SCALAR = F.sum(-1, keepdims=True)


def pairs():
    """x_i y_j, D components."""
    return Vi(X) * Vj(Y)


def scalars():
    """<x_i, y_j>, one component."""
    return Vi(X) | Vj(Y)


# A method, the reduction that it is, and its K.
METHODS = [("sum", "Sum", None), ("sum_reduction", "Sum", None), ("min", "Min", None), ("min_reduction", "Min", None),
           ("max", "Max", None), ("max_reduction", "Max", None), ("__min__", "Min", None), ("__max__", "Max", None),
           ("argmin", "ArgMin", None), ("argmin_reduction", "ArgMin", None), ("argmax", "ArgMax", None),
           ("argmax_reduction", "ArgMax", None), ("min_argmin", "Min_ArgMin", None),
           ("min_argmin_reduction", "Min_ArgMin", None), ("max_argmax", "Max_ArgMax", None),
           ("max_argmax_reduction", "Max_ArgMax", None), ("Kmin", "KMin", 2), ("Kmin_reduction", "KMin", 2),
           ("argKmin", "ArgKMin", 2), ("argKmin_reduction", "ArgKMin", 2), ("Kmin_argKmin", "KMin_ArgKMin", 3),
           ("Kmin_argKmin_reduction", "KMin_ArgKMin", 3)]


def check(found, expected):
    if isinstance(expected, tuple):
        assert isinstance(found, tuple) and len(found) == len(expected)
        for one, other in zip(found, expected):
            check(one, other)
        return
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("keyword", ["axis", "dim"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("method, name, k", METHODS)
def test_reductions(method, name, k, axis, keyword):
    options = {keyword: axis, **({} if k is None else {"K": k})}
    check(getattr(pairs(), method)(**options), dense.reduce(name, F, axis, k))
    check(getattr(scalars(), method)(**options), dense.reduce(name, SCALAR, axis, k))


@pytest.mark.parametrize("axis", [0, 1])
def test_log_sum_exp(axis):
    check(scalars().logsumexp(axis=axis), dense.reduce("LogSumExp", SCALAR, axis))
    check(scalars().logsumexp(dim=axis), dense.reduce("LogSumExp", SCALAR, axis))
    check(scalars().logsumexp_reduction(axis=axis), dense.reduce("LogSumExp", SCALAR, axis))
    weights = np.broadcast_to(W[None], (M, N, 2))
    for given in (dict(weight=Vj(W)), dict(weight=W[None]), dict(other=Vj(W))):
        check(scalars().logsumexp(axis=axis, **given), dense.reduce("LogSumExpWeight", SCALAR, axis, G=weights))


@pytest.mark.parametrize("axis", [0, 1])
def test_soft_max(axis):
    weights = np.broadcast_to(W[None], (M, N, 2))
    expected = dense.reduce("SumSoftMaxWeight", SCALAR, axis, G=weights)
    check(scalars().sumsoftmaxweight(Vj(W), axis=axis), expected)
    check(scalars().sumsoftmaxweight(Vj(W), dim=axis), expected)
    check(scalars().sumsoftmaxweight_reduction(weight=W[None], axis=axis), expected)


def test_the_general_case():
    check(pairs().reduction("Sum", axis=1), F.sum(1))
    check(pairs().reduction("sum", dim=0), F.sum(0))
    check(pairs().reduction("ArgKMin", opt_arg=2, axis=1), dense.reduce("ArgKMin", F, 1, 2))
    check(scalars().reduction("LogSumExp", other=Vj(W), axis=1),
          dense.reduce("LogSumExpWeight", SCALAR, 1, G=np.broadcast_to(W[None], (M, N, 2))))


@pytest.mark.parametrize("options", [dict(dtype_acc="float64"), dict(use_double_acc=True), dict(sum_scheme="kahan_scheme"),
                                     dict(enable_chunks=False), dict(use_fast_math=False), dict(backend="CPU"),
                                     dict(device_id=-1), dict(sum_scheme="direct_sum", backend="auto")])
def test_options(options):
    x, y = X.astype("float32"), Y.astype("float32")
    np.testing.assert_allclose((Vi(x) * Vj(y)).sum(axis=1, **options), F.sum(1), rtol=1e-5, atol=1e-6)


def test_out():
    out = np.empty((M, D))
    assert pairs().sum(axis=1, out=out) is out
    check(out, F.sum(1))


def test_without_i_or_j():
    check(Vi(X).sum(axis=1), X)
    check(Vi(X).sum(axis=0), X.sum(0, keepdims=True))
    check((Vj(Y) * 2).sum(axis=0), 2 * Y)
    check(Pm(X[0]).sum(axis=1), X[:1])


# --- Batches ----------------------------------------------------------------------------------------------------------


def test_batches_broadcast():
    x, y = RNG.uniform(-1, 1, (4, 1, M, 1, D)), RNG.uniform(-1, 1, (2, 1, N, D))
    p = RNG.uniform(-1, 1, (4, 2, 1, 1, D))
    lazy = LazyTensor(x) * LazyTensor(y) - LazyTensor(p)
    assert lazy.batchdims == (4, 2) and lazy.nbatchdims == 2 and lazy.dim() == 5
    assert lazy._shape == (4, 2, M, N, D) == lazy.shape
    expected = x * y - p
    check(lazy.sum(axis=3), expected.sum(3))
    check(lazy.sum(axis=2), expected.sum(2))
    check(lazy.argmin(dim=3), expected.argmin(3))
    check(lazy.Kmin(2, axis=3), np.sort(expected, axis=3)[:, :, :, :2])
    assert lazy.sum(axis=4).shape == lazy.sum(-1).shape == (4, 2, M, N)


def test_batches_beside_none():
    x = RNG.uniform(-1, 1, (4, M, 1, D))
    check((LazyTensor(x) * Vj(Y)).sum(axis=2), (x * Y[None, None]).sum(2))


def test_parameters_of_batches():
    p = RNG.uniform(-1, 1, (4, D))
    lazy = Pm(p)
    assert lazy._shape == (4, 1, 1, D)
    check((lazy * Vi(X)).sum(axis=2), p[:, None] * X)


# --- Ranges -----------------------------------------------------------------------------------------------------------


def test_ranges_belong_to_the_expression():
    keep = np.array([[True, False], [True, True]])
    ranges = from_matrix(np.array([[0, 2], [2, M]]), np.array([[0, 3], [3, N]]), keep)
    mask = np.repeat(np.repeat(keep, [2, M - 2], 0), [3, N - 3], 1)[..., None]
    lazy = pairs()
    lazy.ranges = ranges
    check(lazy.sum(axis=1), (F * mask).sum(1))
    check((lazy * 2).sum(axis=0), 2 * (F * mask).sum(0))
    check((lazy.t() + 0).sum(axis=0), (F * mask).sum(1))
    check(pairs().sum(axis=1, ranges=ranges), (F * mask).sum(1))
    other = pairs()
    other.ranges = tuple(np.copy(part) for part in ranges)
    check((lazy + other).sum(axis=1), 2 * (F * mask).sum(1))


# --- Late calls and symbolic variables --------------------------------------------------------------------------------


def test_a_late_call():
    late = pairs().sum(axis=1, call=False)
    assert isinstance(late, LazyTensor) and late.axis == 1
    check(late(), F.sum(1))
    check(late(backend="CPU"), F.sum(1))
    out = np.empty((M, D))
    assert late(out=out) is out
    assert late() is not out


def test_symbolic_variables():
    x, y = Vi(1, D), Vj(0, D)
    lazy = x * y
    assert lazy.symbolic_variables == ((0, D, 1), (1, D, 0)) and lazy.variables == () and lazy.dtype is None
    late = lazy.sum(axis=1)
    check(late(Y, X), F.sum(1))
    single = late(Y.astype("float32"), X.astype("float32"))
    assert single.dtype == "float32"
    np.testing.assert_allclose(single, F.sum(1), rtol=1e-4, atol=1e-6)
    check((Vi(0, D) * Y[None]).sum(axis=1)(X), F.sum(1))
    check((LazyTensor((0, D, 0)) * Vj(Y)).sum(axis=0)(X), F.sum(0))
    check((Vi(0, D) * Vj(1, D) * 0.5 + [1.0, 2.0, 3.0]).sum(axis=1)(X, Y), (0.5 * F + [1.0, 2.0, 3.0]).sum(1))


def test_repeated_symbolic_variables_are_one_argument():
    x = Vi(0, D)
    late = (x.sqdist(Vj(1, D)) - (Vi(0, D) | x)).logsumexp(axis=1)
    distances = ((X[:, None] - Y[None]) ** 2).sum(-1, keepdims=True) - (X[:, None] ** 2).sum(-1, keepdims=True)
    check(late(X, Y), dense.reduce("LogSumExp", distances, 1))


def test_symbolic_variables_of_batches():
    x, y = RNG.uniform(-1, 1, (4, M, D)), RNG.uniform(-1, 1, (4, N, D))
    check((Vi(0, D) * Vj(1, D)).sum(axis=1)(x, y), (x[:, :, None] * y[:, None]).sum(2))


def test_kmin_of_symbolic_variables():
    late = (Vi(0, D) | Vj(1, D)).Kmin_argKmin(2, axis=1)
    check(late(X, Y), dense.reduce("KMin_ArgKMin", SCALAR, 1, 2))


def test_wide_symbolic_factor():
    wide = RNG.uniform(-1, 1, (N, 150))
    late = (scalars() * Vj(0, 150)).sum(axis=1)
    np.testing.assert_allclose(late(wide), SCALAR[..., 0] @ wide, rtol=1e-12, atol=1e-12)


def test_numbers_alone_wait_for_a_dtype():
    late = (LazyTensor([1.0, 2.0]) * 0.5).sum(axis=1)
    assert isinstance(late, LazyTensor) and late.dtype is None
    with pytest.raises(ValueError, match="dtype"):
        late()


def test_the_trace_needs_no_argument_for_its_variable():
    v = Vj(0, D)
    late = (Vi(X) * v).trace_operator(v).sum(axis=1)
    check(late() if isinstance(late, LazyTensor) else late, X.sum(-1, keepdims=True))


def test_gradients_of_expressions_reduce():
    x, y, e = Vi(X), Vj(Y), Vi(X**2)
    kernel = (-x.sqdist(y)).exp()
    gradient = (kernel * 1).grad(x, 1) * e
    difference = X[:, None] - Y[None]
    expected = -2 * difference * np.exp(-(difference**2).sum(-1, keepdims=True))
    np.testing.assert_allclose(gradient.sum(axis=1), (expected * (X**2)[:, None]).sum(1), rtol=1e-11)
