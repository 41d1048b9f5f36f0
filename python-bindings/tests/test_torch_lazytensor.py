# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors, linear systems and clusters of PyTorch tensors, with their derivatives, against PyTorch in float64 with all
pairs in memory. What LazyTensors mean is tested for NumPy; here is what the tensors add."""

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

import keops.numpy
import keops.torch
from keops.torch import ComplexLazyTensor, KernelSolve, LazyTensor, Pm, Vi, Vj, cluster
from test_torch_reductions import draw

M, N, D = 6, 5, 3


def tensors():
    return [tensor.requires_grad_() for tensor in (draw(0, M, D).abs() + 0.1, draw(1, N, D).abs() + 0.1, draw(2, D).abs())]


# What to do with x (M, 1, D), y (1, N, D) and p (D,), as LazyTensors and as tensors; components are the last axis.
EXPRESSIONS = {
    "gaussian": lambda x, y, p: (-((x - y)**2).sum(-1)).exp(),
    "laplacian": lambda x, y, p: (-(((x - y)**2).sum(-1) + 0.1).sqrt()).exp(),
    "cauchy": lambda x, y, p: 1 / (1 + ((x - y)**2 * p).sum(-1)),
    "quotients": lambda x, y, p: x / y - 2 / x + y / 3,
    "powers": lambda x, y, p: x**2 + y**3 + x**0.5 + y**-1,
    "a power": lambda x, y, p: x**y,
    "functions": lambda x, y, p: (x * y).sin() + (x - y).cos() + (x + y).log() * (x * p).exp() + (x - y).abs(),
    "inverse functions": lambda x, y, p: (x * y).atan() + (x * 0.1).asin() + (y * 0.1).acos() + x.rsqrt(),
    "relu": lambda x, y, p: (x - y).relu() + (y - x).sign() * x,
    "slices": lambda x, y, p: x[..., 1:3] * y[..., 0:1],
    "numbers": lambda x, y, p: 2 * x + y * 3.5 - 1 + (x - 0.25) * 0.5,
    "a list of numbers": lambda x, y, p: x * ([1.0, 2.0, 3.0] if isinstance(x, LazyTensor) else
                                              torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)) + y,
    "a parameter": lambda x, y, p: (x * p - y)**2,
    "a comparison": lambda x, y, p: (x < y) * x + (y <= x) * y if isinstance(x, LazyTensor) else torch.minimum(x, y),
}


def both(name):
    x, y, p = tensors()
    expression = EXPRESSIONS[name]
    lazy = expression(LazyTensor(x[:, None]), LazyTensor(y[None]), Pm(p) if name in ("functions", ) else p)
    dense = expression(x[:, None], y[None], p)
    if dense.ndim == 2:
        dense = dense[..., None]
    return (x, y, p), lazy, dense


def check(found, expected, variables):
    torch.testing.assert_close(found, expected)
    cotangent = draw(9, *expected.shape)
    ours = torch.autograd.grad(found, variables, cotangent, allow_unused=True, retain_graph=True)
    theirs = torch.autograd.grad(expected, variables, cotangent, allow_unused=True, retain_graph=True)
    for a, b, variable in zip(ours, theirs, variables):
        zeros = torch.zeros_like(variable)
        torch.testing.assert_close(zeros if a is None else a, zeros if b is None else b)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name):
    for axis in (0, 1):
        variables, lazy, dense = both(name)
        assert lazy.dtype == "float64" and lazy.dim() == 3 and lazy.ndim == dense.shape[-1]
        check(lazy.sum(axis=axis), dense.sum(axis), variables)


@pytest.mark.parametrize("axis", [0, 1])
def test_reductions(axis):
    variables, lazy, dense = both("gaussian")
    check(lazy.logsumexp(axis=axis), dense.logsumexp(axis), variables)
    check(lazy.max(axis=axis), dense.amax(axis), variables)
    check(lazy.min(dim=axis), dense.amin(axis), variables)
    rows = dense[..., 0] if axis == 1 else dense[..., 0].t()
    check(lazy.Kmin(2, axis=axis), rows.sort(1)[0][:, :2], variables)
    assert torch.equal(lazy.argmin(axis=axis), dense.argmin(axis))
    assert torch.equal(lazy.argKmin(3, axis=axis), rows.argsort(1)[:, :3])
    values, indices = lazy.max_argmax(axis=axis)
    assert torch.equal(indices, dense.argmax(axis)) and not indices.requires_grad
    weights = draw(5, 1, N, 2)
    check(lazy.sumsoftmaxweight(weights, axis=axis), (dense.softmax(axis) * weights).sum(axis), variables)


def test_products():
    variables, lazy, dense = both("gaussian")
    kernel = dense[..., 0]
    for shape in ((N, ), (N, 2)):
        b = draw(3, *shape).requires_grad_()
        check(lazy @ b, kernel @ b, (*variables, b))
    a = draw(4, M, 2)
    check(lazy.T @ a, kernel.t() @ a, variables)
    assert lazy.t().shape == (N, M)


def test_second_derivatives():
    variables, lazy, dense = both("cauchy")
    results = []
    for value in ((lazy.sum(1)**2).sum(), (dense.sum(1)**2).sum()):
        first = torch.autograd.grad(value, variables, create_graph=True)
        results.append(torch.autograd.grad(sum((part**2).sum() for part in first), variables))
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


def test_batches():
    x, y = draw(0, 4, 1, M, 1, D).requires_grad_(), draw(1, 2, 1, N, D).requires_grad_()
    lazy, dense = LazyTensor(x) - LazyTensor(y), x - y
    lazy, dense = (-(lazy**2).sum(-1)).exp(), torch.exp(-(dense**2).sum(-1))
    assert lazy.batchdims == (4, 2) and lazy.shape == (4, 2, M, N)
    b = draw(2, 2, N, 3).requires_grad_()
    check(lazy @ b, dense @ b, (x, y, b))


def test_late_calls_take_tensors():
    x, y, _ = tensors()
    f = (-((Vi(0, D) - Vj(1, D))**2).sum(-1)).exp().sum(axis=1)
    check(f(x, y), torch.exp(-torch.cdist(x, y)**2).sum(1, keepdim=True), (x, y))


def test_code_is_shown():
    x, y, _ = [tensor.detach() for tensor in tensors()]
    lazy = (Vi(x) - Vj(y)).sum(-1)
    assert "columns" in lazy.explain() and "keops" in lazy.mlir() and "ret" in lazy.asm()


def test_in_place_changes_are_seen():
    """A LazyTensor refers to tensors; it holds no values."""
    x, y = draw(0, M, D), draw(1, N, D)
    lazy = (Vi(x) * Vj(y)).sum(-1)
    before = lazy.sum(1)
    x.mul_(2)
    torch.testing.assert_close(lazy.sum(1), 2 * before)


def test_parameters_of_modules():
    weight = torch.nn.Parameter(draw(0, M, D))
    lazy = (Vi(weight) * Vj(draw(1, N, D))).sum(-1)
    lazy.sum(1).sum().backward()
    assert weight.grad.shape == (M, D)


def test_complex_numbers():
    z = torch.complex(draw(0, M, 2), draw(1, M, 2)).requires_grad_()
    w = torch.complex(draw(2, N, 2), draw(3, N, 2)).requires_grad_()
    lazy, dense = Vi(z) * Vj(w) + 1j * Vi(z), z[:, None] * w + 1j * z[:, None]
    assert isinstance(lazy, ComplexLazyTensor) and lazy.dtype == "complex128"
    for found, expected in ((lazy.sum(axis=1), dense.sum(1)), (lazy.conj().sum(axis=0), dense.conj().sum(0)),
                            (lazy.abs().sum(axis=1), dense.abs().sum(1)), (lazy.exp().sum(axis=1), dense.exp().sum(1))):
        torch.testing.assert_close(found, expected)
        ours = torch.autograd.grad(found.abs().square().sum(), (z, w), retain_graph=True)
        theirs = torch.autograd.grad(expected.abs().square().sum(), (z, w), retain_graph=True)
        for a, b in zip(ours, theirs):
            torch.testing.assert_close(a, b)


def test_transforms_see_through_lazy_tensors():
    x, y, _ = [tensor.detach() for tensor in tensors()]
    lazy = lambda x: (-((Vi(x) - Vj(y))**2).sum(-1)).exp().sum(1).square().sum()
    dense = lambda x: torch.exp(-((x[:, None] - y)**2).sum(-1)).sum(1).square().sum()
    torch.testing.assert_close(torch.func.grad(lazy)(x), torch.func.grad(dense)(x))
    torch.testing.assert_close(torch.func.jacfwd(lazy)(x), torch.func.jacfwd(dense)(x))
    batch = torch.stack([x, 2 * x, -x])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(lazy))(batch), torch.func.vmap(torch.func.grad(dense))(batch))


@pytest.mark.parametrize("build, kind, message", [
    (lambda: LazyTensor(np.zeros((2, 1, 3))), TypeError, "expected a PyTorch tensor"),
    (lambda: LazyTensor(torch.zeros(2, 3)), ValueError, "axis: expected 0"),
    (lambda: LazyTensor(torch.zeros(2, 3, dtype=torch.int64), axis=0), TypeError, "got int64"),
    (lambda: LazyTensor(torch.zeros(2, 3).to_sparse(), axis=0), TypeError, "dense tensor"),
    (lambda: Vi(torch.zeros(2, 3)) + Vi(torch.zeros(3, 3)), ValueError, "attribute ni: 2 and 3"),
    (lambda: Vi(torch.zeros(2, 3)) + Vj(torch.zeros(3, 3).double()), ValueError, "attribute dtype"),
    (lambda: Vi(torch.zeros(2, 3)) + keops.numpy.Vj(np.zeros((3, 3))), TypeError, "expected a LazyTensor of a PyTorch tensor"),
    (lambda: Vi(torch.zeros(2, 1)) @ np.zeros((2, 1)), TypeError, "expected a PyTorch tensor on the right"),
    (lambda: Vi(torch.zeros(2, 3)) + Vj(torch.zeros(3, 3, device="meta")), ValueError, "attribute device"),
])
def test_bad_operands(build, kind, message):
    with pytest.raises(kind, match=message):
        build()


@pytest.mark.parametrize("name", ["Genred", "LazyTensor", "ComplexLazyTensor", "Vi", "Vj", "Pm", "Var", "generic_sum",
                                  "generic_logsumexp", "generic_argmin", "generic_argkmin"])
def test_names_are_those_of_numpy(name):
    ours, theirs = getattr(keops.torch, name), getattr(keops.numpy, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    if isinstance(ours, type):
        public = lambda kind: {member for member in dir(kind) if not member.startswith("_")}
        assert public(theirs) == public(ours)
    assert inspect.getdoc(ours)
    assert set(keops.torch.__all__) == {*keops.numpy.__all__, "Kernel", "kernel_product"}


# --- Linear systems ---------------------------------------------------------------------------------------------------

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "p = Pm(1)"]
SYSTEM = KernelSolve("Exp(-SqDist(x,y)*p)*b", ALIASES, "b", axis=1)
ALPHA = 0.3


def system(x, b, p):
    return SYSTEM(x, x, b, p, alpha=ALPHA, eps=1e-13)


def dense_system(x, b, p):
    kernel = torch.exp(-((x[..., :, None, :] - x[..., None, :, :])**2).sum(-1) * p[..., None])
    return torch.linalg.solve(kernel + ALPHA * torch.eye(x.shape[-2], dtype=x.dtype), b)


def unknowns(*batch, rows=4):
    return [draw(0, *batch, rows, 3).requires_grad_(), draw(1, *batch, rows, 2).requires_grad_(),
            (draw(2, *batch, 1).abs() + 0.5).requires_grad_()]


def test_solutions_and_their_derivatives():
    args = unknowns()
    torch.testing.assert_close(system(*args), dense_system(*args))
    assert torch.autograd.gradcheck(system, args, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(system, args)


def test_systems_in_batches():
    x, b, p = unknowns(3)
    check(system(x, b, p), dense_system(x, b, p), (x, b, p))
    # All batches share the matrix.
    check(system(x[0], b, p[0]), dense_system(x[0], b, p[0]), (b, ))


def test_transforms_of_systems():
    x, b, p = [tensor.detach() for tensor in unknowns()]
    loss = lambda solve: lambda x, b: solve(x, b, p).square().sum()
    torch.testing.assert_close(torch.func.grad(loss(system), (0, 1))(x, b), torch.func.grad(loss(dense_system), (0, 1))(x, b))
    torch.testing.assert_close(torch.func.hessian(loss(system), 1)(x, b), torch.func.hessian(loss(dense_system), 1)(x, b))
    several = torch.stack([b, 2 * b, -b], 1)
    torch.testing.assert_close(torch.func.vmap(lambda b: system(x, b, p), 1)(several),
                               torch.func.vmap(lambda b: dense_system(x, b, p), 1)(several))


def test_systems_are_compiled_without_graph_break():
    x, b, p = unknowns()
    compiled = torch.compile(lambda x, b, p: system(x, b, p).sin(), fullgraph=True, backend="aot_eager")
    check(compiled(x, b, p), dense_system(x, b, p).sin(), (x, b, p))


def test_lazy_tensors_are_solved():
    x, b, _ = unknowns(rows=7)
    kernel = (-((Vi(x) - Vj(x))**2).sum(-1)).exp()
    check(kernel.solve(b, alpha=ALPHA, eps=1e-13), dense_system(x, b, torch.ones(1).double()), (x, b))


@pytest.mark.parametrize("arguments, options, kind, message", [
    (lambda x, b, p: (x, x, b[:2], p), {}, ValueError, r"argument 2 \(b\): expected a tensor of shape \(4, 2\).* \(2, 2\)"),
    (lambda x, b, p: (x, x, b), {}, ValueError, "expected 4 arrays"),
    (lambda x, b, p: (x, x, b.detach().numpy(), p), {}, TypeError, "argument 2: expected a PyTorch tensor, got ndarray"),
    (lambda x, b, p: (x, x, b, p), {"alpha": -1}, ValueError, "alpha: expected a finite number of at least 0, got -1"),
    (lambda x, b, p: (x, x, b, p), {"eps": "small"}, TypeError, "eps: expected a number, got 'small'"),
    (lambda x, b, p: (x, x, b, p), {"backend": "abacus"}, ValueError, "backend: expected one of"),
])
def test_bad_systems(arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        SYSTEM(*arguments(*unknowns()), **options)


def test_what_has_no_solution_ends_with_a_warning():
    f = KernelSolve("(x|y)*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], "b", axis=1)
    with pytest.warns(UserWarning, match="expected a residual below eps"):
        f(-draw(0, 5, 3), draw(0, 5, 3), draw(1, 5, 1), alpha=0.0)


# --- Clusters ---------------------------------------------------------------------------------------------------------


def test_clusters_are_those_of_numpy():
    x, w = draw(0, 200, 2), draw(1, 200).abs()
    labels = cluster.grid_cluster(x, 0.7)
    expected = keops.numpy.cluster.grid_cluster((x - x.amin(0)).numpy(), 0.7)
    assert labels.dtype == torch.int32
    np.testing.assert_array_equal(labels.numpy(), expected)
    for ours, theirs in zip(cluster.cluster_ranges_centroids(x, labels, w),
                            keops.numpy.cluster.cluster_ranges_centroids(x.numpy(), expected, w.numpy())):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)
    for ours, theirs in zip(cluster.sort_clusters((x, w), labels)[0],
                            keops.numpy.cluster.sort_clusters((x.numpy(), w.numpy()), expected)[0]):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_ranges_of_clusters():
    x, y = draw(0, 100, 2), draw(1, 80, 2)
    sides = []
    for points in (x, y):
        labels = cluster.grid_cluster(points, 1.0)
        ranges, centroids, _ = cluster.cluster_ranges_centroids(points, labels)
        sides.append((cluster.sort_clusters(points, labels)[0], ranges, centroids))
    (x, ranges_x, cx), (y, ranges_y, cy) = sides
    keep = torch.cdist(cx, cy) < 1.5
    lazy = (-((Vi(x) - Vj(y))**2).sum(-1)).exp()
    lazy.ranges = cluster.from_matrix(ranges_x, ranges_y, keep)
    mask = torch.zeros(100, 80, dtype=torch.float64)
    for k, l in keep.nonzero().tolist():
        mask[ranges_x[k, 0]:ranges_x[k, 1], ranges_y[l, 0]:ranges_y[l, 1]] = 1
    dense = torch.exp(-torch.cdist(x, y)**2) * mask
    torch.testing.assert_close(lazy.sum(1), dense.sum(1, keepdim=True))
    torch.testing.assert_close(lazy.T.sum(1), dense.sum(0)[:, None])
    assert all(torch.equal(a, b) for a, b in zip(cluster.swap_axes(lazy.ranges), lazy.T.ranges))


def test_centroids_have_gradients():
    x, w = draw(0, 20, 2).requires_grad_(), (draw(1, 20).abs() + 0.1).requires_grad_()
    labels = torch.arange(20) % 3
    assert torch.autograd.gradcheck(lambda x, w: cluster.cluster_centroids(x, labels, weights=w), (x, w))


@pytest.mark.parametrize("call, kind, message", [
    (lambda: cluster.grid_cluster(torch.zeros(3, 4), 1.0), NotImplementedError, "at most 3 coordinates, got 4"),
    (lambda: cluster.grid_cluster(torch.zeros(3, 2), 0.0), ValueError, "size: expected a positive number"),
    (lambda: cluster.cluster_ranges(torch.zeros(3)), ValueError, "lab: expected a vector of integers, got float32"),
    (lambda: cluster.cluster_ranges(torch.tensor([-1])), ValueError, "labels of at least 0, got -1"),
    (lambda: cluster.cluster_centroids(torch.zeros(3, 2), torch.tensor([0])), ValueError, "lab: expected 3 labels"),
    (lambda: cluster.from_matrix(torch.zeros(2, 2), torch.zeros(3, 2), torch.ones(3, 2)), ValueError, r"keep: .*\(2, 3\)"),
])
def test_bad_clusters(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
