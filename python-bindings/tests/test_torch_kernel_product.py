# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Products with kernels that have names, against formulas written out with whole matrices in float64."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

from keops.torch import Kernel, kernel_product
from keops.torch.kernels import Formula, kernel_formulas
from test_torch_reductions import draw

M, N, D, E = 5, 7, 2, 3


def points():
    return [tensor.requires_grad_() for tensor in (draw(0, M, D), draw(1, N, D), draw(2, N, E), draw(3, 1).abs() + 0.5)]


def squared(x, y, g=1.0):
    return ((x[:, None] - y)**2).sum(-1) * g


# k for the squared weighted distance q and the scalar product s.
ATOMS = {
    "linear": lambda q, s: s,
    "gaussian": lambda q, s: torch.exp(-q),
    "laplacian": lambda q, s: torch.exp(-q.sqrt()),
    "cauchy": lambda q, s: 1 / (1 + q),
    "inverse_multiquadric": lambda q, s: (1 + q)**-0.5,
    "distance": lambda q, s: q.sqrt(),
}


def check(found, expected, variables, tolerance=None):
    options = {} if tolerance is None else {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(found, expected, **options)
    cotangent = draw(9, *expected.shape)
    ours = torch.autograd.grad(found, variables, cotangent, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(expected, variables, cotangent, retain_graph=True, allow_unused=True)
    for a, b, variable in zip(ours, theirs, variables):
        zeros = torch.zeros_like(variable)
        torch.testing.assert_close(zeros if a is None else a, zeros if b is None else b, **options)


@pytest.mark.parametrize("backend", ["auto", "pytorch"])
@pytest.mark.parametrize("name", ATOMS)
def test_atoms(name, backend):
    x, y, b, g = points()
    expected = ATOMS[name](squared(x, y, g), x @ y.t())
    params = {"id": Kernel(f"{name}(x,y)"), "gamma": None if name == "linear" else g, "backend": backend}
    # Matrices keep roots away from 0 by 1e-8.
    tolerance = 1e-6 if backend == "pytorch" else None
    check(kernel_product(params, x, y, b), expected @ b, (x, y, b, g), tolerance)
    logarithm = 0.5 * torch.log(expected**2 + 1e-8) if name == "linear" else torch.log(expected)
    check(kernel_product(params, x, y, b[:, :1], mode="lse"), torch.logsumexp(logarithm + b[:, 0], 1, keepdim=True),
          (x, y, b, g), tolerance)


FORMS = {
    "a factor": (lambda: draw(5, 1).abs(), lambda d, g: (d**2).sum(-1) * g),
    "a diagonal": (lambda: draw(5, D).abs(), lambda d, g: (d**2 * g).sum(-1)),
    "a matrix": (lambda: torch.tensor([1.0, 0.3, 0.3, 2.0]).double(),
                 lambda d, g: torch.einsum("ijk,kl,ijl->ij", d, g.reshape(D, D), d)),
    "of j": (lambda: draw(5, N, 1).abs(), lambda d, g: (d**2).sum(-1) * g[:, 0]),
    "of j, said": (lambda: ("j", draw(5, N, D).abs()), lambda d, g: (d**2 * g).sum(-1)),
    "of i": (lambda: ("i", draw(5, M, D).abs()), lambda d, g: (d**2 * g[:, None]).sum(-1)),
    "a matrix of i": (lambda: ("i", draw(5, M, D * D)),
                      lambda d, g: torch.einsum("ijk,ikl,ijl->ij", d, g.reshape(M, D, D), d)),
}


@pytest.mark.parametrize("backend", ["auto", "pytorch"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_parameters(form, backend):
    make, weigh = FORMS[form]
    x, y, b, _ = points()
    gamma = make()
    tensor = gamma[1] if isinstance(gamma, tuple) else gamma
    tensor.requires_grad_()
    if form == "a matrix of i":
        # Only the symmetric part matters to the value; the gradient is that of each entry.
        gamma = ("i", tensor)
    expected = torch.exp(-weigh(x[:, None] - y, tensor)) @ b
    found = kernel_product({"id": Kernel("gaussian(x,y)"), "gamma": gamma}, x, y, b, backend=backend)
    check(found, expected, (x, y, b, tensor))


def test_combinations():
    x, y, b, g = points()
    u, v, h = draw(10, M, 3).requires_grad_(), draw(11, N, 3).requires_grad_(), draw(12, 3).abs().requires_grad_()
    kernel = Kernel("gaussian(x,y) * (1 + linear(u,v)**2) + 2 * cauchy(u,v)")
    assert kernel.variables == (("x", "y"), ("u", "v"))
    expected = torch.exp(-squared(x, y, g)) * (1 + (u @ v.t())**2) + 2 / (1 + ((u[:, None] - v)**2 * h).sum(-1))
    params = {"id": kernel, "gamma": (g, None, h)}
    for backend in ("auto", "pytorch"):
        check(kernel_product(params, (x, u), (y, v), b, backend=backend), expected @ b, (x, y, u, v, b, g, h))
        check(kernel_product(params, (x, u), (y, v), b[:, :1], mode="lse", backend=backend),
              torch.logsumexp(expected.log() + b[:, 0], 1, keepdim=True), (x, y, u, v, b, g, h), 1e-6)
    torch.testing.assert_close(kernel_product(params, (x, u), (y, v), b, backend="matrix"), expected)
    minus = {"id": Kernel("-gaussian(x,y)**3"), "gamma": g}
    check(kernel_product(minus, x, y, b), -torch.exp(-3 * squared(x, y, g)) @ b, (x, y, b, g))
    cube = {"id": Kernel("gaussian(x,y)**3"), "gamma": g}
    check(kernel_product(cube, x, y, b[:, :1], mode="lse"), torch.logsumexp(-3 * squared(x, y, g) + b[:, 0], 1)[:, None],
          (x, y, b, g))


def modes():
    one = lambda seed, rows: draw(seed, rows, 1).requires_grad_()
    b, b1, a, ab, b2 = draw(2, N, E).requires_grad_(), one(3, N), one(4, M), one(5, N), draw(6, M, E).requires_grad_()
    exp, lse = torch.exp, lambda value: torch.logsumexp(value, 1, keepdim=True)
    yield "sum", (b, ), lambda c: exp(c) @ b
    yield "lse", (b1, ), lambda c: lse(c + b1[:, 0])
    yield "log_scaled", (b, a, ab), lambda c: exp(c + a + ab[:, 0]) @ b
    yield "log_scaled_lse", (b1, a, ab), lambda c: lse(c + a + ab[:, 0] + b1[:, 0])
    yield ("log_scaled_barycenter", (b, a, ab, b2),
           lambda c: (exp(c + a + ab[:, 0])[..., None] * (b[None] - b2[:, None])).sum(1))
    yield "lse_mult_i", (b1, a), lambda c: lse(a * c + b1[:, 0])
    yield ("sinkhorn_primal", (a, b1, one(7, M), one(8, N)),
           lambda c: ((draw(7, M, 1) + draw(8, N, 1)[:, 0] - 1) * exp(c + a + b1[:, 0])).sum(1, keepdim=True))
    yield "sinkhorn_cost", (a, b1), lambda c: (-c * exp(c + a + b1[:, 0])).sum(1, keepdim=True)


@pytest.mark.parametrize("backend", ["auto", "pytorch"])
@pytest.mark.parametrize("case", list(modes()), ids=lambda case: case[0])
def test_modes(case, backend):
    mode, bs, dense = case
    x, y, _, g = points()
    found = kernel_product({"id": Kernel("gaussian(x,y)"), "gamma": g, "mode": mode}, x, y, *bs, backend=backend)
    check(found, dense(-squared(x, y, g)), (x, y, g, *bs[:2]))


def test_matrices():
    x, y, b, g = points()
    a_log, b_log = draw(4, M, 1), draw(5, N, 1)
    params = {"id": Kernel("gaussian(x,y)"), "gamma": g, "backend": "matrix"}
    c = -squared(x, y, g)
    torch.testing.assert_close(kernel_product(params, x, y, b), c.exp())
    torch.testing.assert_close(kernel_product(params, x, y, b, mode="lse"), c)
    torch.testing.assert_close(kernel_product(params, x, y, b, a_log, b_log, mode="log_scaled"), c + a_log + b_log[:, 0])


def test_kernels_of_the_user():
    x, y, b, g = points()
    own = Kernel(formula_sum="Inv(IntCst(2)+WeightedSqDist({G},{X},{Y}))", routine_sum=lambda gxmy2, **_: 1 / (2 + gxmy2))
    expected = 1 / (2 + squared(x, y, g))
    for backend in ("auto", "pytorch"):
        check(kernel_product({"id": own, "gamma": g, "backend": backend}, x, y, b), expected @ b, (x, y, b, g))
        check(kernel_product({"id": own, "gamma": g, "backend": backend}, x, y, b[:, :1], mode="lse"),
              torch.logsumexp(expected.log() + b[:, 0], 1, keepdim=True), (x, y, b, g))
    kernel_formulas["half"] = Formula(formula_sum="(IntInv(2)*({X}|{Y}))")
    try:
        found = kernel_product({"id": Kernel("half(x,y)"), "gamma": None}, x, y, b)
    finally:
        del kernel_formulas["half"]
    check(found, x @ y.t() @ b / 2, (x, y, b))


X, Y, B, G = [tensor.detach() for tensor in points()]
PARAMS = {"id": Kernel("gaussian(x,y)"), "gamma": G}


@pytest.mark.parametrize("call, kind, message", [
    (lambda: Kernel("gauss(x,y)"), ValueError, "name: expected kernels such as .*, got 'gauss"),
    (lambda: Kernel("gaussian(x,y"), ValueError, "name: expected kernels"),
    (lambda: Kernel("gaussian(x,y) / 2"), ValueError, "name: expected kernels"),
    (lambda: Kernel("__import__('os')"), ValueError, "name: expected kernels"),
    (lambda: Kernel(), ValueError, "either a name or formulas and routines, got neither"),
    (lambda: kernel_product({"gamma": G}, X, Y, B), TypeError, "expected a Kernel as 'id', got None"),
    (lambda: kernel_product(PARAMS, X, Y, B, mode="product"), ValueError, "mode: expected one of 'sum'.*got 'product'"),
    (lambda: kernel_product(PARAMS, X, Y, B, backend="cupy"), ValueError, "backend: expected one of"),
    (lambda: kernel_product(PARAMS, X, Y), ValueError, "bs: expected 1 tensors, with rows of j, .* got 0"),
    (lambda: kernel_product(PARAMS, X, Y, B[:3]), ValueError, r"bs\[0\]: expected a tensor of shape \(7, E\)"),
    (lambda: kernel_product(PARAMS, (X, X), Y, B), ValueError, r"x: expected 1 tensors.*\(x,y\).*got 2"),
    (lambda: kernel_product(PARAMS, X, Y[:, :1], B), ValueError, r"y\[0\]: expected 2 coordinates as in x\[0\], got 1"),
    (lambda: kernel_product({**PARAMS, "gamma": None}, X, Y, B), ValueError, r"gamma\[0\]: expected a tensor"),
    (lambda: kernel_product({**PARAMS, "gamma": (G, G)}, X, Y, B), ValueError, "gamma: expected 1 entries"),
    (lambda: kernel_product({**PARAMS, "gamma": draw(0, 3)}, X, Y, B), ValueError, r"expected 1, 2 or 4 components"),
    (lambda: kernel_product({**PARAMS, "gamma": 0.5}, X, Y, B), TypeError, r"gamma\[0\]: expected a PyTorch tensor"),
    (lambda: kernel_product({**PARAMS, "id": Kernel("-gaussian(x,y)")}, X, Y, B[:, :1], mode="lse"), ValueError,
     "mode: expected 'sum' for .*, which may be negative"),
])
def test_bad_products(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
