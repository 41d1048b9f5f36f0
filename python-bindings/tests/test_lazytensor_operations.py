# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every operator and method of a LazyTensor that gives a vector for each pair, against NumPy in float64.

A row of the table is an expression of LazyTensors x_i, y_j, p, ... and the same of arrays with axes i, j, components."""

import math

import numpy as np
import pytest
import scipy.special

from keops.numpy import LazyTensor, Pm, Vi, Vj

M, N, D = 6, 5, 3
RNG = np.random.default_rng(7)
X, Y, P = RNG.uniform(0.2, 0.9, (M, D)), RNG.uniform(0.2, 0.9, (N, D)), RNG.uniform(0.2, 0.9, D)
S, A = RNG.uniform(0.2, 0.9, (M, 1)), RNG.uniform(-1, 1, (N, 2 * D))
B = RNG.uniform(-1, 1, (M, D * D))


def lazies():
    """The LazyTensors that expressions are made of."""
    return dict(x=LazyTensor(X[:, None, :]), y=LazyTensor(Y[None, :, :]), p=LazyTensor(P), s=LazyTensor(S[:, None, :]),
                a=LazyTensor(A[None, :, :]), b=LazyTensor(B[:, None, :]), LazyTensor=LazyTensor, Pm=Pm, np=np)


DENSE = dict(x=X[:, None, :], y=Y[None, :, :], p=P[None, None, :], s=S[:, None, :], a=A[None], b=B[:, None], np=np,
             math=math, special=scipy.special, P=P)


def values(lazy):
    """The vectors of all pairs. A sum over j gives a vector for each i, so one j at a time is counted."""
    M_, N_ = lazy._shape[-3:-1]
    columns = []
    for j in range(N_):
        chosen = np.zeros((N_, 1))
        chosen[j] = 1
        columns.append((lazy * Vj(chosen)).sum(axis=1))
    return np.stack(columns, axis=1)


TABLE = {
    # Operators, in both orders, with everything that may stand beside a LazyTensor.
    "x + y": "x + y",
    "x - y": "x - y",
    "x * y": "x * y",
    "x / y": "x / y",
    "x + s": "x + s",
    "s * y": "s * y",
    "x + 2": "x + 2",
    "2 + x": "x + 2",
    "x - 2": "x - 2",
    "2 - x": "2 - x",
    "2 * x": "2 * x",
    "x / 3": "x / 3",
    "3 / x": "3 / x",
    "1 / x": "1 / x",
    "x * 2.5": "x * 2.5",
    "2.5 - x": "2.5 - x",
    "x / 0.3": "x / 0.3",
    "x + 0": "x",
    "0 + x": "x",
    "x - 0": "x",
    "0 - x": "-x",
    "x * 1": "x",
    "x / 1": "x",
    "x * (-1)": "-x",
    "x * 0": "0 * x",
    "0 * x": "0 * x",
    "0 / x": "0 * x",
    "(x * 0).exp()": "np.exp(0 * x)",
    "x * np.float64(2.5)": "x * 2.5",
    "np.float64(2.5) * x": "x * 2.5",
    "x + np.float32(0.5)": "x + 0.5",
    "x + np.int64(3)": "x + 3",
    "np.int32(3) - x": "3 - x",
    "x * np.array(2.5)": "x * 2.5",
    "np.array(2.5) * x": "x * 2.5",
    "x + np.array([1., 2., 3.])": "x + np.array([1., 2., 3.])",
    "np.array([1., 2., 3.]) - x": "np.array([1., 2., 3.]) - x",
    "x * [1, 2, 3]": "x * np.array([1., 2., 3.])",
    "[1., 2., 3.] / x": "np.array([1., 2., 3.]) / x",
    "x - y - p": "x - y - p",
    "x - np.ones((1, 5, 3))": "x - np.ones((1, 5, 3))",
    "-x": "-x",
    "+x": "x",
    "abs(x - y)": "abs(x - y)",
    "x % 2": "x % 2",
    "x ** 2": "x ** 2",
    "x ** 3": "x ** 3",
    "x ** 0": "0 * x + 1",
    "x ** (-2)": "x ** -2.0",
    "x ** np.int64(2)": "x ** 2",
    "x ** 0.5": "np.sqrt(x)",
    "x ** -0.5": "1 / np.sqrt(x)",
    "x ** 1.7": "x ** 1.7",
    "x ** y": "x ** y",
    "x ** s": "x ** s",
    "2 ** x": "2 ** x",
    "2.5 ** x": "2.5 ** x",
    "x | y": "(x * y).sum(-1, keepdims=True)",
    "x | np.array([1., 2., 3.])": "(x * np.array([1., 2., 3.])).sum(-1, keepdims=True)",
    "np.array([1., 2., 3.]) | x": "(x * np.array([1., 2., 3.])).sum(-1, keepdims=True)",
    "x == y": "x == y",
    "x == x": "x == x",
    "x != y": "x != y",
    "x < y": "x < y",
    "x <= y": "x <= y",
    "x > y": "x > y",
    "x >= y": "x >= y",
    "x < 0.5": "x < 0.5",
    "1 > x": "1 > x",
    "0.5 <= x": "0.5 <= x",
    # Slices.
    "x[0]": "x[..., :1]",
    "x[-1]": "x[..., -1:]",
    "x[np.int64(1)]": "x[..., 1:2]",
    "x[1:3]": "x[..., 1:3]",
    "x[:-1]": "x[..., :-1]",
    "x[-2:]": "x[..., -2:]",
    "x[:]": "x",
    "x[...]": "x",
    "x[:, :, 1]": "x[..., 1:2]",
    "x[..., 1]": "x[..., 1:2]",
    "x[..., 1:]": "x[..., 1:]",
    "x[:, :, -2:]": "x[..., -2:]",
    "x[:, :]": "x",
    "x.elem(2)": "x[..., 2:]",
    "x.extract(1, 2)": "x[..., 1:3]",
    "(x - y)[1]": "(x - y)[..., 1:2]",
    # Functions of each component.
    "x.exp()": "np.exp(x)",
    "x.log()": "np.log(x)",
    "x.xlogx()": "x * np.log(x)",
    "x.cos()": "np.cos(x)",
    "x.sin()": "np.sin(x)",
    "x.sinxdivx()": "np.sin(x) / x",
    "x.sinc()": "np.sinc(x)",
    "x.asin()": "np.arcsin(x)",
    "x.acos()": "np.arccos(x)",
    "x.atan()": "np.arctan(x)",
    "(x - 0.5).atan2(y - 0.5)": "np.arctan2(x - 0.5, y - 0.5)",
    "x.sqrt()": "np.sqrt(x)",
    "x.rsqrt()": "1 / np.sqrt(x)",
    "x.square()": "x ** 2",
    "x.power(3)": "x ** 3",
    "x.power(y)": "x ** y",
    "(x - y).sign()": "np.sign(x - y)",
    "(x - y).step()": "x >= y",
    "(x - y).relu()": "np.maximum(x - y, 0)",
    "(x - y).abs()": "abs(x - y)",
    "(3 * x).round()": "np.floor(3 * x + 0.5)",
    "x.round(2)": "np.floor(100 * x + 0.5) / 100",
    "(4 * x).clamp(1, 2)": "np.clip(4 * x, 1, 2)",
    "x.clamp(0.4, 0.6)": "np.clip(x, 0.4, 0.6)",
    "x.clamp(0.3, y)": "np.where(x < 0.3, 0.3, np.where(x > y, y, x))",
    "(x - y).ifelse(x, 2)": "np.where(x >= y, x, 2)",
    "(x - y).ifelse(0.5, p)": "np.where(x >= y, 0.5, p)",
    "(5 * x).mod(2)": "(5 * x) % 2",
    "(5 * x).mod(2, 1)": "(5 * x - 1) % 2 + 1",
    "(5 * x).mod(0.7, 0.1)": "(5 * x - 0.1) % 0.7 + 0.1",
    "x.apply('Erf')": "special.erf(x)",
    "x.apply('Polygamma', options=[1])": "special.polygamma(1, x)",
    "x.unary('Exp')": "np.exp(x)",
    "x.unary('Pow', opt_arg=3)": "x ** 3",
    "x.unary('ClampInt', 3, 0, 1)": "np.clip(x, 0, 1)",
    "x.binary(y, 'Add')": "x + y",
    "x.binary(y, '-', is_operator=True)": "x - y",
    "x.binary(y, '-', is_operator=True, rversion=True)": "y - x",
    "x.binary(a, 'Concat', dimcheck=None, dimres=9)": "np.concatenate([x + 0 * y, a + 0 * x[..., :1]], -1)",
    "x.ternary(0.3, y, 'Clamp')": "np.where(x < 0.3, 0.3, np.where(x > y, y, x))",
    "x.addop(y)": "x + y",
    "x.subop(2)": "x - 2",
    "x.mulop(s)": "x * s",
    "x.divop(y)": "x / y",
    "x.lt_constructor([1., 2., 3.]) * x": "np.array([1., 2., 3.]) * x",
    # Sums, norms, distances.
    "(x - y).sum()": "(x - y).sum(-1, keepdims=True)",
    "(x - y).sum(-1)": "(x - y).sum(-1, keepdims=True)",
    "(x - y).sum(2)": "(x - y).sum(-1, keepdims=True)",
    "(x - y).sum(dim=2)": "(x - y).sum(-1, keepdims=True)",
    "(x * y).min()": "(x * y).min(-1, keepdims=True)",
    "(x * y).max(axis=-1)": "(x * y).max(-1, keepdims=True)",
    "(x * y).argmin(dim=-1)": "(x * y).argmin(-1)[..., None]",
    "(x * y).argmax(axis=2)": "(x * y).argmax(-1)[..., None]",
    "(x - y).sqnorm2()": "((x - y) ** 2).sum(-1, keepdims=True)",
    "(x - y).norm2()": "np.sqrt(((x - y) ** 2).sum(-1, keepdims=True))",
    "(x - y).norm(-1)": "np.sqrt(((x - y) ** 2).sum(-1, keepdims=True))",
    "(x - y).norm(dim=2)": "np.sqrt(((x - y) ** 2).sum(-1, keepdims=True))",
    "(x - y).normalize()": "(x - y) / np.sqrt(((x - y) ** 2).sum(-1, keepdims=True))",
    "x.sqdist(y)": "((x - y) ** 2).sum(-1, keepdims=True)",
    "(x - y).weightedsqnorm(s)": "(s * (x - y) ** 2).sum(-1, keepdims=True)",
    "(x - y).weightedsqnorm(p)": "(p * (x - y) ** 2).sum(-1, keepdims=True)",
    "(x - y).weightedsqnorm(b)": "np.einsum('mnkl,mnk,mnl->mn', (b + 0 * y[..., :1]).reshape(6, 5, 3, 3), x - y, x - y)[..., None]",
    "x.weightedsqdist(y, p)": "(p * (x - y) ** 2).sum(-1, keepdims=True)",
    "x.weightedsqdist(y, [1, 2, 3])": "(np.array([1, 2, 3]) * (x - y) ** 2).sum(-1, keepdims=True)",
    # Assembly, matrices, tensors.
    "x.concat(y)": "np.concatenate([x + 0 * y, y + 0 * x], -1)",
    "LazyTensor.concatenate((x, y, s))": "np.concatenate([x + 0 * y, y + 0 * x, s + 0 * y[..., :1]], -1)",
    "LazyTensor.cat((x, y), -1)": "np.concatenate([x + 0 * y, y + 0 * x], -1)",
    "LazyTensor.cat((x, y), dim=2)": "np.concatenate([x + 0 * y, y + 0 * x], -1)",
    "(x[0] * 3).one_hot(4)": "np.floor(3 * x[..., :1] + 0.5) == np.arange(4)",
    "LazyTensor([0., 0.3, 0.6, 1.]).bspline(x[0])": "(np.array([0, .3, .6]) <= x[..., :1]) & (x[..., :1] < np.array([.3, .6, 1.]))",
    "a.matvecmult(x)": "np.einsum('mnkl,mnl->mnk', (a + 0 * s).reshape(6, 5, 2, 3), x + 0 * y)",
    "x.vecmatmult(a)": "np.einsum('mnk,mnkl->mnl', x + 0 * y, (a + 0 * s).reshape(6, 5, 3, 2))",
    "x.tensorprod(y)": "np.einsum('mnk,mnl->mnkl', x + 0 * y, y + 0 * x).reshape(6, 5, 9)",
    "x.difference_matrix(y)": "((x + 0 * y)[..., :, None] - (y + 0 * x)[..., None, :]).reshape(6, 5, 9)",
    "a.keops_tensordot(b, (2, 3), (3, 3), (1,), (0,))":
        "np.einsum('mnkl,mnlp->mnkp', (a + 0 * s).reshape(6, 5, 2, 3), (b + 0 * a[..., :1]).reshape(6, 5, 3, 3)).reshape(6, 5, 6)",
    "a.keops_tensordot(b, [2, 3], [3, 3], [1], [0], [1, 0])":
        "np.einsum('mnkl,mnlp->mnpk', (a + 0 * s).reshape(6, 5, 2, 3), (b + 0 * a[..., :1]).reshape(6, 5, 3, 3)).reshape(6, 5, 6)",
    "x.keops_kron(y, [3], [3])": "np.einsum('mnk,mnl->mnkl', x + 0 * y, y + 0 * x).reshape(6, 5, 9)",
    # Derivatives.
    "(x * x * y).grad(x, y)": "2 * x * y * y",
    "(x * x * y).grad(y, x)": "x ** 3 + 0 * y",
    "x.sqdist(y).grad(x, 1)": "2 * (x - y)",
    "(p * x).grad(p, y)": "x * y",
    "(x * x * y).diff(x, y)": "2 * x * y * y",
    "x.sqdist(y).diff(x, p)": "(2 * (x - y) * p).sum(-1, keepdims=True)",
    "(x * x * y).grad_matrix(x)": "((2 * x * y)[..., None] * np.eye(3)).reshape(6, 5, 9)",
    "(x * x * y).divergence(x)": "(2 * x * y).sum(-1, keepdims=True)",
    "(-x.sqdist(y)).exp().laplacian(x)": "np.exp(-((x - y) ** 2).sum(-1, keepdims=True)) * (4 * ((x - y) ** 2).sum(-1, keepdims=True) - 6)",
    "(x * y).trace_operator(x)": "(y + 0 * x).sum(-1, keepdims=True)",
    "(x * y + x).factorize(x * y)": "x * y + x",
    "(x * y + x).auto_factorize()": "x * y + x",
}


@pytest.mark.parametrize("expression", TABLE)
def test_value(expression):
    lazy = eval(expression, lazies())
    with np.errstate(all="ignore"):
        expected = np.asarray(eval(TABLE[expression], DENSE), np.float64)
    rows, columns = lazy._shape[-3:-1]
    found = values(lazy)
    assert lazy._shape == (rows, columns, expected.shape[-1])
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-11, atol=1e-11)


def test_soft_alignment_of_single_numbers():
    x, y, gamma = Vi(X[:, :1].copy()), Vj(Y[:, :1].copy()), Pm(np.array([0.1]))
    np.testing.assert_allclose(x.softdtw_sqdist(y, gamma).sum(axis=1), ((X[:, None, :1] - Y[None, :, :1]) ** 2).sum(1))


def test_nan_times_zero_is_not_lost():
    nothing = np.full((M, 1, D), np.nan)
    assert np.isnan((LazyTensor(nothing) * 0).sum(axis=1)).all()


def test_long_sums_are_not_nested_too_deep():
    x = Vi(X)
    total = x
    for _ in range(3000):
        total = total + x
    np.testing.assert_allclose(total.sum(axis=1), 3001 * X, rtol=1e-12)


def test_the_same_array_is_one_variable():
    x, again, y = Vi(X), Vi(X), Vj(X)
    assert len((x + again).variables) == 1
    assert len((x - y).variables) == 2
    np.testing.assert_allclose((x * again).sum(axis=1), X**2)


def test_other_numbers_need_no_other_kernel():
    x = Vi(X)
    texts = {(x * number).formula for number in (0.25, 0.75, np.float64(3.5))}
    assert len(texts) == 1


def test_equal_expressions_share_their_formula():
    made = [((Vi(X + shift) - Vj(Y)) ** 2).sum(-1) for shift in (0, 1)]
    assert made[0]._formula is made[1]._formula
    made[0].sum(axis=1), made[1].sum(axis=1)
    reductions = [key for key in made[0]._formula.results if key[0] == "reduce"]
    assert len(reductions) == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(dtype):
    x, y = Vi(X.astype(dtype)), Vj(Y.astype(dtype))
    lazy = (x - 0.5 * y) ** 2
    result = lazy.sum(axis=1)
    assert lazy.dtype == dtype and result.dtype == dtype
    exact = ((X.astype(dtype).astype(float)[:, None] - 0.5 * Y.astype(dtype).astype(float)) ** 2).sum(1)
    np.testing.assert_allclose(result, exact, rtol={"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[dtype])
