# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors as linear operators, and the linear systems of LazyTensors and of ``KernelSolve``."""

import warnings

import numpy as np
import pytest
import scipy.sparse.linalg

from keops.numpy import KernelSolve, LazyTensor, Vi, Vj
from keops.numpy.cluster import from_matrix

M, N, D = 30, 20, 3
RNG = np.random.default_rng(13)
X, Y = RNG.uniform(0, 1, (M, D)), RNG.uniform(0, 1, (N, D))
V, W = RNG.uniform(-1, 1, (N, 2)), RNG.uniform(-1, 1, (M, 2))
DENSE = np.exp(-((X[:, None] - Y[None]) ** 2).sum(-1))


def kernel(x=X, y=Y):
    return (-((Vi(x) - Vj(y)) ** 2).sum(-1)).exp()


def close(found, expected, tolerance=1e-12):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# --- Products ---------------------------------------------------------------------------------------------------------


def test_products():
    close(kernel() @ V, DENSE @ V)
    close(kernel() @ V[:, 0], DENSE @ V[:, 0])
    close(kernel() @ V[:, :1], DENSE @ V[:, :1])
    close(kernel().matvec(V), DENSE @ V)
    close(kernel().__matmul__(V, backend="CPU", use_double_acc=False), DENSE @ V)


def test_the_transposed():
    assert kernel().T.shape == kernel().t().shape == (N, M)
    close(kernel().T @ W, DENSE.T @ W)
    close(kernel().rmatvec(W[:, 0]), DENSE.T @ W[:, 0])
    close(kernel().T.T @ V, DENSE @ V)
    close((kernel().T + kernel(Y, X)) @ W, 2 * DENSE.T @ W)
    close((Vi(X) - Vi(X).T).abs().sum().sum(axis=1), np.abs(X[:, None] - X).sum((1, 2))[:, None])


def test_batches():
    x, y = RNG.uniform(0, 1, (4, M, 1, D)), RNG.uniform(0, 1, (4, 1, N, D))
    lazy = (-((LazyTensor(x) - LazyTensor(y)) ** 2).sum(-1)).exp()
    dense = np.exp(-((x - y) ** 2).sum(-1))
    v = RNG.uniform(-1, 1, (4, N, 2))
    close(lazy @ v, dense @ v)
    close(lazy @ V, dense @ V)
    close(lazy @ V[:, 0], dense @ V[:, 0])
    close(kernel() @ v, DENSE @ v)
    w = RNG.uniform(-1, 1, (4, M, 2))
    close(lazy.T @ w, np.swapaxes(dense, 1, 2) @ w)


def test_ranges_are_transposed_too():
    keep = np.array([[True, False], [True, True]])
    lazy = kernel()
    lazy.ranges = from_matrix(np.array([[0, 12], [12, M]]), np.array([[0, 7], [7, N]]), keep)
    masked = DENSE * np.repeat(np.repeat(keep, [12, M - 12], 0), [7, N - 7], 1)
    close(lazy @ V, masked @ V)
    close(lazy.T @ W, masked.T @ W)


def test_complex_products():
    z = (Vi(X) | Vj(Y)).exp1j()
    dense = np.exp(1j * X @ Y.T)
    close(z @ V, dense @ V)
    close(z @ (V + 1j), dense @ (V + 1j))
    close(z @ (V[:, 0] * 1j), dense @ (V[:, 0] * 1j))
    close(kernel() @ (V + 2j), DENSE @ (V + 2j))
    close(z.rmatvec(W), dense.conj().T @ W)
    assert z.shape == (M, N) and z.dtype == "complex128"


def test_scipy_takes_it_as_an_operator():
    square = kernel(X, X)
    operator = scipy.sparse.linalg.aslinearoperator(square)
    dense = np.exp(-((X[:, None] - X[None]) ** 2).sum(-1))
    assert operator.shape == (M, M) and operator.dtype == np.float64
    close(operator @ W[:, 0], dense @ W[:, 0])
    close(operator.T @ W[:, 0], dense.T @ W[:, 0])
    found = scipy.sparse.linalg.eigsh(operator, k=3, return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(dense)[-3:], rtol=1e-9)
    rectangle = scipy.sparse.linalg.aslinearoperator(kernel())
    close(rectangle @ V, DENSE @ V)
    close(rectangle.H @ W[:, 0], DENSE.T @ W[:, 0])
    top = scipy.sparse.linalg.svds(rectangle, k=2, return_singular_vectors=False)
    np.testing.assert_allclose(np.sort(top), np.linalg.svd(DENSE)[1][:2][::-1], rtol=1e-9)


def test_late_products():
    x = Vi(0, D)
    late = (-((x - Vj(Y)) ** 2).sum(-1)).exp() @ V
    close(late(X), DENSE @ V)


# --- Linear systems ---------------------------------------------------------------------------------------------------

GRAM = np.exp(-((X[:, None] - X[None]) ** 2).sum(-1))
RIGHT = RNG.uniform(-1, 1, (M, 2))


def solution(alpha, b=RIGHT, gram=GRAM):
    return np.linalg.solve(gram + alpha * np.eye(gram.shape[-1]), b)


def test_solve():
    close(kernel(X, X).solve(RIGHT, alpha=0.1, eps=1e-10), solution(0.1), 1e-7)
    close(kernel(X, X).solve(Vi(RIGHT), alpha=0.1, eps=1e-10), solution(0.1), 1e-7)
    close(kernel(X, X).solve(RIGHT[:, :1], alpha=0.5, eps=1e-10), solution(0.5, RIGHT[:, :1]), 1e-7)
    assert np.abs(GRAM @ kernel(X, X).solve(RIGHT, alpha=0.1) + 0.1 * solution(0.1) - RIGHT).max() < 1e-4


def test_solve_over_i():
    close(kernel(X, X).solve(Vj(RIGHT), alpha=0.1, eps=1e-10), solution(0.1), 1e-7)


def test_solve_for_a_variable():
    a = Vj(0, 2)
    expression = kernel(X, X) * a
    close(expression.solve(Vi(RIGHT), var=a, alpha=0.1, eps=1e-10), solution(0.1), 1e-7)
    close(expression.solve(RIGHT, a, alpha=0.1, eps=1e-10), solution(0.1), 1e-7)
    late = expression.solve(Vi(0, 2), var=a, call=False)
    close(late(RIGHT, alpha=0.1, eps=1e-10), solution(0.1), 1e-7)


def test_solve_late():
    late = kernel(X, X).solve(RIGHT, call=False, alpha=0.1, eps=1e-10)
    close(late(), solution(0.1), 1e-7)
    close(late(alpha=1.0), solution(1.0), 1e-7)
    symbolic = (-((Vi(0, D) - Vj(1, D)) ** 2).sum(-1)).exp()
    close(symbolic.solve(Vi(2, 2))(X, X, RIGHT, alpha=0.1, eps=1e-10), solution(0.1), 1e-7)


def test_solve_in_batches():
    x = RNG.uniform(0, 1, (3, M, 1, D))
    b = RNG.uniform(-1, 1, (3, M, 2))
    lazy = (-((LazyTensor(x) - LazyTensor(np.swapaxes(x, 1, 2))) ** 2).sum(-1)).exp()
    gram = np.exp(-((x - np.swapaxes(x, 1, 2)) ** 2).sum(-1))
    close(lazy.solve(b, alpha=0.1, eps=1e-10), solution(0.1, b, gram), 1e-7)
    close(lazy.solve(RIGHT, alpha=0.1, eps=1e-10), solution(0.1, np.stack([RIGHT] * 3), gram), 1e-7)


def test_kernel_solve():
    aliases = ["x = Vi(3)", "y = Vj(3)", "a = Vj(2)", "g = Pm(1)"]
    formula = "Exp(-g*SqDist(x,y)) * a"
    ours = KernelSolve(formula, aliases, "a", axis=1)
    gamma = np.array([2.0])
    gram = np.exp(-2 * ((X[:, None] - X[None]) ** 2).sum(-1))
    close(ours(X, X, RIGHT, gamma, alpha=0.1, eps=1e-10), solution(0.1, gram=gram), 1e-7)
    described = KernelSolve(formula, aliases, "Var(2,2,1)", axis=1)
    close(described(X, X, RIGHT, gamma, alpha=0.1, eps=1e-10), solution(0.1, gram=gram), 1e-7)
    other = KernelSolve(formula, ["x = Vi(3)", "y = Vj(3)", "a = Vi(2)", "g = Pm(1)"], "a", axis=0)
    close(other(X, X, RIGHT, gamma, alpha=0.1, eps=1e-10), solution(0.1, gram=gram), 1e-7)
    close(ours(X, X, np.zeros_like(RIGHT), gamma), np.zeros_like(RIGHT))


def test_components_may_be_coupled():
    # A matrix for each pair: columns of b are one system, not two.
    mix = np.array([2.0, 1.0, 1.0, 3.0])
    solver = KernelSolve("Exp(-SqDist(x,y)) * MatVecMult(p, a)", ["x = Vi(3)", "y = Vj(3)", "a = Vj(2)", "p = Pm(4)"], "a",
                         axis=1)
    expected = np.linalg.solve(np.kron(GRAM, mix.reshape(2, 2)) + 0.1 * np.eye(2 * M), RIGHT.ravel()).reshape(M, 2)
    close(solver(X, X, RIGHT, mix, alpha=0.1, eps=1e-10), expected, 1e-7)


def test_single_precision():
    found = kernel(X.astype("float32"), X.astype("float32")).solve(RIGHT.astype("float32"), alpha=0.1)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, solution(0.1), rtol=2e-3, atol=2e-3)


def test_what_cannot_be_solved_ends_with_a_warning():
    negative = kernel(X, X) * -1
    with pytest.warns(UserWarning, match="not positive definite"):
        negative.solve(RIGHT)
    with pytest.warns(UserWarning, match="not finite"):
        kernel(X, X).solve(np.full((M, 1), np.nan))
    with pytest.warns(UserWarning, match="iterations"):
        kernel(X, X).solve(RIGHT, eps=0.0, alpha=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(X, X).solve(RIGHT, alpha=0.1)
