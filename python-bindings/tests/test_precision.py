# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""precision="fast": distances by scalar products, on the simulator. Where they are expanded, results are others than exact
ones, within the promised error; where norms are too large, and on the processor, they are the same to the last bit."""

import copy
import pickle

import numpy as np
import pytest

from keops.numpy import Genred, KernelSolve, Vi, Vj

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"]
GAUSSIAN = "Exp(-SqDist(x,y)*g)*b"
FAST, EXACT = (Genred(GAUSSIAN, ALIASES, axis=1, precision=precision) for precision in ("fast", "exact"))
# What an exponential may lose; sums of float32 lose less.
ALLOWED = 1e-4


def draw(*shape, seed=0, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def arguments(low=-1.0, high=1.0, batch=()):
    """Weights are positive, so that a bound on each term is one on the sum."""
    return (draw(*batch, 70, 3, low=low, high=high), draw(130, 3, seed=1, low=low, high=high),
            draw(130, 1, seed=2, low=0.1), np.array([0.7], np.float32))


def dense(x, y, b, g):
    x, y = x.astype(float)[..., :, None, :], y.astype(float)[..., None, :, :]
    return np.exp(-g[0] * ((x - y)**2).sum(-1)), b.astype(float)


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=ALLOWED)


def test_another_sum_within_the_bound():
    args = arguments()
    fast, exact = FAST(*args, backend="sim"), EXACT(*args, backend="sim")
    assert (fast != exact).any()
    kernel, b = dense(*args)
    near(fast, kernel @ b)
    near(exact, kernel @ b)


def test_large_norms_are_exact_to_the_last_bit():
    args = arguments(-300, 300)
    np.testing.assert_array_equal(FAST(*args, backend="sim"), EXACT(*args, backend="sim"))


def test_an_infinite_norm_is_no_permission():
    args = arguments()
    args[0][3, 1] = np.inf
    np.testing.assert_array_equal(FAST(*args, backend="sim"), EXACT(*args, backend="sim"))


def test_a_row_that_is_no_number_spoils_no_other():
    args = arguments()
    args[0][3, 1] = np.nan
    fast, exact = FAST(*args, backend="sim"), EXACT(*args, backend="sim")
    assert np.isnan(fast[3]) and np.isnan(fast).sum() == 1
    near(fast, exact)


def test_processors_compute_the_same():
    args = arguments()
    np.testing.assert_array_equal(FAST(*args), EXACT(*args))
    np.testing.assert_array_equal(FAST(*args, backend="CPU"), EXACT(*args))


def test_batches_and_ranges():
    rows, slices, columns = np.array([[0, 30], [30, 70]]), np.array([1, 3]), np.array([[5, 60], [0, 10], [90, 130]])
    mask = np.zeros((70, 130))
    mask[:30, 5:60] = mask[30:, :10] = mask[30:, 90:] = 1
    ranges = (rows, slices, columns) * 2
    args = arguments(batch=(2, ))
    kernel, b = dense(*args)
    fast = FAST(*args, backend="sim", ranges=ranges)
    assert fast.shape == (2, 70, 1) and (fast != EXACT(*args, backend="sim", ranges=ranges)).any()
    near(fast, (kernel * mask) @ b)
    near(FAST(*args, backend="sim"), kernel @ b)
    # One batch of which forbids it.
    args[0][1] *= 300
    np.testing.assert_array_equal(FAST(*args, backend="sim", ranges=ranges)[1],
                                  EXACT(*args, backend="sim", ranges=ranges)[1])


def test_float64():
    args = tuple(array.astype(float) for array in arguments())
    kernel, b = dense(*args)
    fast = FAST(*args, backend="sim")
    assert (fast != EXACT(*args, backend="sim")).any()
    np.testing.assert_allclose(fast, kernel @ b, rtol=1e-12)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda reduction: pickle.loads(pickle.dumps(reduction))])
def test_copies_keep_it(again):
    args = arguments()
    np.testing.assert_array_equal(again(FAST)(*args, backend="sim"), FAST(*args, backend="sim"))


@pytest.mark.parametrize("made", [
    lambda precision: Genred(GAUSSIAN, ALIASES, axis=1, precision=precision),
    lambda precision: KernelSolve(GAUSSIAN, ALIASES, "b", axis=1, precision=precision),
    lambda precision: Vi(draw(5, 3)).sqdist(Vj(draw(6, 3))).sum(axis=1, precision=precision)])
@pytest.mark.parametrize("precision", ["half", "Fast", True, ["fast"], np.zeros(2)])
def test_unknown_values_are_refused(made, precision):
    with pytest.raises(ValueError, match="precision: expected .*, got "):
        made(precision)


# --- LazyTensors and systems ------------------------------------------------------------------------------------------


def lazy():
    x, y, b, g = arguments()
    kernel = (-Vi(x).sqdist(Vj(y)) * g).exp()
    kernel.backend = "sim"
    return kernel, b


def test_reductions_of_lazytensors():
    kernel, b = lazy()
    exact, fast = kernel @ b, kernel.__matmul__(b, precision="fast")
    assert (exact != fast).any()
    near(fast, exact)
    assert (kernel.sum(axis=1, precision="fast") != kernel.sum(axis=1)).any()
    kernel.precision = "fast"
    np.testing.assert_array_equal(kernel @ b, fast)
    np.testing.assert_array_equal((kernel * Vj(b)).sum(axis=1), fast)
    np.testing.assert_array_equal((Vj(b) * kernel).sum(axis=1, call=False)(), fast)
    np.testing.assert_array_equal(kernel.__matmul__(b, precision="exact"), exact)
    assert (kernel.T @ draw(70, 1) != lazy()[0].T @ draw(70, 1)).any()


def test_precisions_that_differ_are_refused():
    kernel, _ = lazy()
    other, _ = lazy()
    kernel.precision, other.precision = "fast", "exact"
    with pytest.raises(ValueError, match="attribute precision: 'fast' and 'exact'"):
        kernel + other


def test_systems():
    x, _, _, g = arguments()
    b = draw(70, 1, seed=3)
    matrix = np.exp(-g[0] * ((x[:, None].astype(float) - x[None])**2).sum(-1)) + np.eye(70)
    found = [KernelSolve(GAUSSIAN, ALIASES, "b", axis=1, precision=precision)(x, x, b, g, alpha=1, eps=1e-5, backend="sim")
             for precision in ("fast", "exact")]
    kernel = (-Vi(x).sqdist(Vj(x)) * g).exp()
    found.append(kernel.solve(b, alpha=1, eps=1e-5, backend="sim", precision="fast"))
    for solution in found:
        np.testing.assert_allclose(solution, np.linalg.solve(matrix, b), atol=1e-3)
    assert (found[0] != found[1]).any()


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def test_derivatives_take_it_along():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import Genred as TorchGenred
    made = {precision: TorchGenred(GAUSSIAN, ALIASES, axis=1, precision=precision) for precision in ("fast", "exact")}

    def derivatives(precision, wanted, low=-1, high=1):
        args = dict(zip("xybg", map(torch.from_numpy, arguments(low, high))))
        wanted = [args[name].requires_grad_() for name in wanted]
        value = made[precision](*args.values(), backend="sim")
        first = torch.autograd.grad(value.square().sum(), wanted, create_graph=True)
        return [tensor.detach() for tensor in (*first, *torch.autograd.grad(first[0].square().sum(), wanted))]

    # Gradients in weights are sums of exponentials again; those in points need their differences anyway.
    fast, exact = derivatives("fast", "b"), derivatives("exact", "b")
    assert not any(map(torch.equal, fast, exact))
    for one, other in zip(fast + derivatives("fast", "xg"), exact + derivatives("exact", "xg")):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * other.abs().max().item())
    assert all(map(torch.equal, derivatives("fast", "b", -300, 300), derivatives("exact", "b", -300, 300)))


def test_lazytensors_of_tensors():
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import LazyTensor
    x, y, b, g = map(torch.from_numpy, arguments())
    kernel = (-LazyTensor(x[:, None]).sqdist(LazyTensor(y[None])) * g).exp()
    exact = kernel.__matmul__(b, backend="sim")
    kernel.precision, kernel.backend = "fast", "sim"
    fast = kernel @ b
    assert not torch.equal(fast, exact)
    torch.testing.assert_close(fast, exact, rtol=ALLOWED, atol=0)
    solution = kernel.T.T.__matmul__(b, precision="exact")
    assert torch.equal(solution, exact)
