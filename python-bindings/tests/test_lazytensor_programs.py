# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors as programs use them: in loops, in several threads, on empty and strided arrays, on short-lived ones."""

import gc
import multiprocessing
import threading
import weakref

import numpy as np
import psutil
import pytest

from keops.lazytensor import _formula
from keops.numpy import LazyTensor, Vi, Vj

RNG = np.random.default_rng(31)
X, Y, B = RNG.uniform(-1, 1, (40, 3)), RNG.uniform(-1, 1, (30, 3)), RNG.uniform(-1, 1, (30, 2))


def dense(width):
    return np.exp(-((X[:, None] - Y) ** 2).sum(-1) / width) @ B


def lazy(width):
    return (-((Vi(X) - Vj(Y)) ** 2).sum(-1) / width).exp() @ B


def test_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 arrays are those of ml_dtypes, which is not installed")
    x, y = X.astype(ml_dtypes.bfloat16), Y.astype(ml_dtypes.bfloat16)
    found = (0.5 * Vi(x) * Vj(y)).sum(axis=1)
    assert found.dtype == ml_dtypes.bfloat16
    exact = 0.5 * (x.astype(float)[:, None] * y.astype(float)).sum(1)
    np.testing.assert_allclose(found.astype(float), exact, rtol=1e-2)


def test_fronts_share_formulas_and_nothing_else():
    torch = pytest.importorskip("torch", reason="the front for PyTorch needs torch, which is not installed")
    import keops.torch

    x = torch.tensor(X, requires_grad=True)
    expected = (X[:, None] * Y).sum(1)
    for _ in range(2):
        np.testing.assert_allclose((Vi(X) * Vj(Y)).sum(axis=1), expected, rtol=1e-12)
        found = (keops.torch.Vi(x) * keops.torch.Vj(torch.tensor(Y))).sum(axis=1)
        assert found.requires_grad
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)
        square = (Vi(X) | Vj(X))
        assert isinstance(square.solve(X, alpha=40.0), np.ndarray)
        assert isinstance((keops.torch.Vi(x) | keops.torch.Vj(x)).solve(torch.tensor(X), alpha=40.0), torch.Tensor)
    with pytest.raises(TypeError, match="other: expected a LazyTensor of a NumPy array, got one of a PyTorch tensor"):
        Vi(X) + keops.torch.Vj(x)


def test_threads():
    expressions = [lambda k=k: ((Vi(X) ** 2 - Vj(Y) * (k % 4)).abs().sum(-1) + 0.5 * k).sum(axis=k % 2) for k in range(8)]
    expected = []
    for k in range(8):
        values = np.abs(X[:, None] ** 2 - Y * (k % 4)).sum(-1, keepdims=True) + 0.5 * k
        expected.append(values.sum(k % 2))
    found, faults = [None] * 8, []

    def work(k):
        try:
            for _ in range(50):
                found[k] = expressions[k]()
                np.testing.assert_allclose(found[k], expected[k], rtol=1e-11)
        except Exception as error:  # what a thread raises is lost otherwise
            faults.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def reduce_there(expression):
    """What another process does with an expression that it is sent."""
    return expression.sum(axis=1)


def test_other_processes():
    expression = (Vi(X) - Vj(Y)) ** 2
    expected = ((X[:, None] - Y) ** 2).sum(1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_allclose(pool.apply(reduce_there, (expression,)), expected)
    reduce_there(expression)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_allclose(pool.apply(reduce_there, (expression + 0.5,)), expected + 0.5 * len(Y))


def test_a_loop_over_widths_makes_one_formula():
    lazy(0.5)
    before = _formula._made
    for width in (0.25, 0.5, 1.5, 2.5):
        np.testing.assert_allclose(lazy(width), dense(width), rtol=1e-11)
    assert _formula._made == before


def test_formulas_are_forgotten(monkeypatch):
    monkeypatch.setattr(_formula, "_MOST", 50)
    x = Vi(X)
    kept = x
    for number in range(400):
        kept = (x + 2 * number) * 1.0
    assert _formula._made <= 51
    # Those in use work as before.
    np.testing.assert_allclose((kept + x).sum(axis=1), 2 * X + 798)
    assert sum(type(thing) is _formula.Formula for thing in gc.get_objects()) < 5000


def test_arrays_are_let_go():
    class Array(np.ndarray):
        """An array that can be watched."""

    array = X.copy().view(Array)
    watched = weakref.ref(array)
    lazy_product = Vi(array) * Vj(Y)
    lazy_product.sum(axis=1)
    del array
    assert watched() is not None
    del lazy_product
    gc.collect()
    assert watched() is None


def test_new_arrays_in_the_place_of_old_ones():
    # An array that dies may leave its address to the next one, which is another variable all the same.
    for number in range(200):
        x = np.full((4, 2), float(number))
        np.testing.assert_array_equal((Vi(x) + Vj(np.full((3, 2), 1.0))).sum(axis=1), np.full((4, 2), 3.0 * (number + 1)))


def test_memory_stays():
    resource = psutil.Process()
    lazy(0.5)
    for _ in range(2000):
        lazy(0.5)
    gc.collect()
    before = resource.memory_info().rss
    for number in range(10000):
        lazy(0.5 + number)
    gc.collect()
    assert resource.memory_info().rss - before < 4 << 20


def test_long_vectors():
    x, y, b = RNG.uniform(-1, 1, (9, 1000)), RNG.uniform(-1, 1, (8, 1000)), RNG.uniform(-1, 1, (8, 300))
    kernel = (-((Vi(x) - Vj(y)) ** 2).sum(-1) / 600).exp()
    dense_kernel = np.exp(-((x[:, None] - y) ** 2).sum(-1) / 600)
    np.testing.assert_allclose(kernel @ b, dense_kernel @ b, rtol=1e-10)
    np.testing.assert_allclose((kernel * Vi(x)).sum(axis=1, use_double_acc=True), dense_kernel.sum(1)[:, None] * x,
                               rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal((Vi(x[:, :99]) | Vj(y[:, :99])).argmax(axis=1)[:, 0], (x[:, :99] @ y[:, :99].T).argmax(1))


def test_empty_arrays():
    none = np.zeros((0, 3))
    assert (Vi(none) * Vj(Y)).sum(axis=1).shape == (0, 3)
    assert ((Vi(X) * Vj(none)).sum(axis=1) == 0).all()
    assert ((Vi(X) | Vj(none)).logsumexp(axis=1) == -np.inf).all()
    assert ((Vi(X) | Vj(none)).min(axis=1) == np.inf).all()
    assert ((Vi(X) | Vj(none)) @ np.zeros((0, 2)) == 0).all()


def test_strided_and_readonly_arrays():
    wide = RNG.uniform(-1, 1, (80, 6))
    x, y = wide[::-2, ::2], np.asfortranarray(Y)
    y.flags.writeable = False
    np.testing.assert_allclose((Vi(x) * Vj(y)).sum(axis=1), (x[:, None] * Y).sum(1), rtol=1e-12)
    repeated = np.broadcast_to(Y[:1], (30, 3))
    np.testing.assert_allclose((Vi(x) * Vj(repeated)).sum(axis=1), 30 * x * Y[0], rtol=1e-12)
    np.testing.assert_allclose((LazyTensor(x[:, None]) - LazyTensor(y[None])).sum(axis=0), (x[:, None] - Y).sum(0), rtol=1e-10,
                               atol=1e-12)
