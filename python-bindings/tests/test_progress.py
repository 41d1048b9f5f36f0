# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bars of long calls: they advance while the call runs, and the result is the same to the bit."""

import sys
import threading
import time
import types

import numpy as np
import pytest

from keops import _keops
from keops.numpy import Genred, Vi, Vj

ALIASES = ["x = Vi(3)", "y = Vj(3)"]


class Bar:
    """What stands for tqdm's, and remembers when it moved."""

    made = []

    def __init__(self, total, desc, bar_format):
        self.total, self.desc, self.n, self.steps, self.closed = total, desc, 0, [], False
        self.thread = threading.get_ident()
        Bar.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def update(self, step):
        assert threading.get_ident() == self.thread and step >= 0
        self.n += step
        self.steps.append((time.perf_counter(), self.n))


@pytest.fixture
def bars(monkeypatch):
    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


def draw(rows, seed=0):
    return np.random.default_rng(seed).random((rows, 3), dtype=np.float32)


def test_the_bar_advances_while_the_call_runs(bars):
    reduction = Genred("Sin(Exp(-SqDist(x,y)))", ALIASES, axis=1)
    rows, start, end = 4000, 0.0, 0.0
    while end - start < 1:
        rows *= 2
        bars.clear()
        x, y = draw(rows), draw(rows + 1, 1)
        start = time.perf_counter()
        found = reduction(x, y, progress=True)
        end = time.perf_counter()
    np.testing.assert_array_equal(found, reduction(x, y))
    bar, = bars
    assert bar.total == 100 and bar.desc == "Sum" and bar.closed and bar.n == pytest.approx(100)
    # Between the ends of the call, and in order.
    inside = [part for when, part in bar.steps if start < when < end and 0 < part < 99.9]
    assert len(inside) >= 2 and inside == sorted(inside)


GRADIENT = "Genred('Grad(LogSumExp_Reduction((x|y),0),p,e)', [*ALIASES, 'p = Vj(3)', 'e = Vi(1)'], axis=0)"


@pytest.mark.parametrize("expression", [
    "(x*y).sum(axis=1, progress=True)", "(x|y).logsumexp(axis=0, progress=True)",
    "(x-y).Kmin_argKmin(3, axis=1, progress=True)", "(x*1j*y).sum(axis=1, progress=True)",
    "(x|y).__matmul__(W, progress=True)", "(x|y).sum(axis=1, call=False)(progress=True)",
    "(x|y).sum(axis=1, progress=True, ranges=RANGES)", f"{GRADIENT}(X, W, W, X[:, :1].copy(), progress=True)"])
def test_results_are_those_without_a_bar(bars, expression):
    X, W = draw(301), draw(4011, 1)
    begin = np.array([[0, 100], [150, 301]])
    ranges = (begin, np.array([1, 2]), begin * 10, begin * 10, np.array([1, 2]), begin)
    names = dict(globals(), x=Vi(X), y=Vj(W), X=X, W=W, RANGES=ranges)
    found, plain = eval(expression, names), eval(expression.replace("progress=True", "progress=False"), names)
    for one, other in zip(*((result if isinstance(result, tuple) else (result,)) for result in (found, plain))):
        np.testing.assert_array_equal(one, other)
    assert len(bars) == 1 and bars[0].n == pytest.approx(100)


def test_tensors(bars):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import Genred as TorchGenred
    x, y = torch.rand(301, 3, requires_grad=True), torch.rand(4011, 3)
    reduction = TorchGenred("Exp(-SqDist(x,y))", ALIASES, axis=1)
    plain, found = reduction(x, y), reduction(x, y, progress=True)
    assert torch.equal(plain, found) and len(bars) == 1 and bars[0].n == pytest.approx(100)
    gradient, = torch.autograd.grad(found.sum(), x)
    torch.testing.assert_close(gradient, torch.autograd.grad(plain.sum(), x)[0], rtol=0, atol=0)


def test_without_tqdm_a_warning_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    x = draw(7)
    with pytest.warns(UserWarning, match="expected the package tqdm.*pip install tqdm") as caught:
        found = Genred("x*y", ALIASES, axis=1)(x, x, progress=True)
    np.testing.assert_array_equal(found, Genred("x*y", ALIASES, axis=1)(x, x))
    assert caught[0].filename == __file__


def test_the_real_tqdm(capsys):
    pytest.importorskip("tqdm", reason="needs tqdm: pip install tqdm")
    x = draw(7)
    (Vi(x) * Vj(x)).sum(axis=1, progress=True)
    assert "Sum: 100%" in capsys.readouterr().err


def test_what_a_watcher_raises_comes_after_the_call():
    x = draw(20000)
    reduction = Genred("Sin(Exp(-SqDist(x,y)))", ALIASES, axis=1)

    def refuse(part):
        raise KeyError(part)

    with pytest.raises(KeyError):
        _keops.watch(refuse, lambda: [reduction(x, x) for _ in range(3)])
    # And nobody watches any more.
    reduction(x[:500], x)


def test_what_the_call_raises(bars):
    with pytest.raises(ValueError, match="got 1"):
        Genred("x*y", ALIASES, axis=1)(draw(3), progress=True)
    assert bars[0].closed
