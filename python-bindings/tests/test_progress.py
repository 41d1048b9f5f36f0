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
from keops.numpy import Genred, KernelSolve, Vi, Vj

ALIASES = ["x = Vi(3)", "y = Vj(3)"]


class Bar:
    """What stands for tqdm's, and remembers when it moved."""

    made = []

    def __init__(self, total, desc, miniters, bar_format):
        self.total, self.desc, self.n, self.steps, self.closed, self.notes = total, desc, 0, [], False, []
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

    def set_postfix_str(self, text, refresh):
        self.notes.append(text)


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
    # That gradient came along with the value, in the pass that had the bar.
    gradient, = torch.autograd.grad(found.sum(), x)
    torch.testing.assert_close(gradient, torch.autograd.grad(plain.sum(), x)[0], rtol=0, atol=0)
    assert len(bars) == 1


def check_descriptions(bars, *expected):
    assert [bar.desc for bar in bars] == list(expected)
    assert all(bar.closed and bar.n == pytest.approx(100) for bar in bars)
    bars.clear()


def test_derivatives_have_bars_of_their_own(bars):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import Genred as TorchGenred
    x, y, p = torch.rand(7, 3, requires_grad=True), torch.rand(9, 3, requires_grad=True), torch.rand(3, requires_grad=True)
    reduction = TorchGenred("Exp(-SqDist(x,y))*p", [*ALIASES, "p = Pm(3)"], axis=1)

    def gradients(progress):
        value = reduction(x, y, p, progress=progress)
        first = torch.autograd.grad(value.square().sum(), (x, y, p), create_graph=True)
        return first, torch.autograd.grad(first[1].square().sum(), x)

    plain = gradients(False)
    assert not bars
    for one, other in zip(gradients(True), plain):
        assert all(map(torch.equal, one, other))
    names = [bar.desc for bar in bars]
    assert names[:4] == ["Sum", "Sum, gradient in argument 0", "Sum, gradient in argument 1", "Sum, gradient in argument 2"]
    assert "Sum, gradient in argument 1, gradient in argument 1" in names[4:]
    bars.clear()
    torch.func.jvp(lambda x: reduction(x, y, p, progress=True), (x, ), (x, ))
    assert [bar.desc for bar in bars] == ["Sum", "Sum, tangent in argument 0"]


# --- Systems ----------------------------------------------------------------------------------------------------------

SYSTEM = ("Exp(-SqDist(x,y))*a", [*ALIASES, "a = Vj(2)"], "a", 1)


def test_systems_show_the_residual(bars):
    x, b = draw(60), draw(60, 1)[:, :2].copy()
    solve = KernelSolve(*SYSTEM)
    found = solve(x, x, b, alpha=0.1, progress=True)
    np.testing.assert_array_equal(found, solve(x, x, b, alpha=0.1))
    np.testing.assert_array_equal((-Vi(x).sqdist(Vj(x))).exp().solve(b, alpha=0.1, progress=True), found)
    for bar in bars:
        parts = [part for _, part in bar.steps]
        assert bar.desc == "Solve" and bar.closed and bar.n == pytest.approx(100)
        assert parts == sorted(parts) and len([part for part in parts if 0 < part < 99]) > 3
        first, last = bar.notes[0], bar.notes[-1]
        size = np.sqrt((b.astype(float)**2).mean())
        assert first == f"0 iterations, residual {size:.2g}"
        assert int(last.split()[0]) == len(bar.notes) - 1 and float(last.rpartition(" ")[2]) <= 1e-6
    assert len(bars) == 2


def test_a_system_that_ends_early_does_not_show_the_end(bars):
    x, b = draw(60), draw(60, 1)[:, :2].copy()
    with pytest.warns(UserWarning, match="linear system: expected a residual below eps") as caught:
        KernelSolve(*SYSTEM)(x, x, b, alpha=0, eps=0, progress=True)
    assert bars[0].closed and bars[0].n < 100 and caught[0].filename == __file__


def test_systems_of_batches_show_the_farthest(bars):
    x, b = draw(60), np.stack([draw(60, 1)[:, :2], 1e-9 * draw(60, 2)[:, :2]])
    KernelSolve(*SYSTEM)(x, x, b, alpha=0.1, progress=True)
    assert bars[0].notes[0] == f"0 iterations, residual {np.sqrt((b[0].astype(float)**2).mean()):.2g}"
    assert bars[0].n == pytest.approx(100)


def test_derivatives_of_solutions(bars):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import KernelSolve as TorchSolve
    x, b = torch.from_numpy(draw(30)).requires_grad_(), torch.from_numpy(draw(30, 1)[:, :2].copy()).requires_grad_()
    solve = TorchSolve(*SYSTEM)
    y = x.detach().clone()
    plain = torch.autograd.grad(solve(x, y, b, alpha=0.1).sum(), (x, b))
    assert not bars
    found = solve(x, y, b, alpha=0.1, progress=True)
    assert all(map(torch.equal, torch.autograd.grad(found.sum(), (x, b)), plain))
    check_descriptions(bars, "Solve", "Solve, adjoint", "Solve, gradient in argument 0")


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
