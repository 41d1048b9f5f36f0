# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every transformation that PyTorch has, of every kind of reduction, as it is and compiled, against PyTorch with all pairs
in memory."""

import itertools

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

from torch.autograd import functional
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from keops.torch import Genred, KernelSolve
from test_torch_reductions import draw

M, N, D, B = 4, 5, 2, 6
ALIASES = [f"x = Vi({D})", f"y = Vj({D})", "b = Vj(3)", "p = Pm(1)"]
Y, WEIGHTS, P = draw(1, N, D), draw(2, N, 3), draw(3, 1).abs() + 0.5


def pairs(x, y, b, p):
    return x[:, None] * y * p + b.sum(-1)[:, None]


# Formula, K, weights, and the same with all pairs in memory.
REDUCTIONS = {
    "Sum": ("Exp(-SqDist(x,y)*p)*b", None, None, lambda x, y, b, p: torch.exp(-((x[:, None] - y)**2).sum(-1) * p) @ b),
    "LogSumExp": ("(x|y)*p", None, None, lambda x, y, b, p: torch.logsumexp(x @ y.T * p, 1, keepdim=True)),
    "SumSoftMaxWeight": ("(x|y)*p", None, "b", lambda x, y, b, p: torch.softmax(x @ y.T * p, 1) @ b),
    "Min": ("x*y*p+Sum(b)", None, None, lambda x, y, b, p: pairs(x, y, b, p).amin(1)),
    "KMin": ("x*y*p+Sum(b)", 2, None, lambda x, y, b, p: pairs(x, y, b, p).sort(1)[0][:, :2]),
    "ArgKMin": ("x*y*p+Sum(b)", 2, None, lambda x, y, b, p: pairs(x, y, b, p).argsort(1)[:, :2]),
}


def both(name):
    formula, k, weight, dense = REDUCTIONS[name]
    return Genred(formula, ALIASES, reduction_op=name, axis=1, opt_arg=k, formula2=weight), dense


def batched_gradients(f, x, directions):
    x = x.clone().requires_grad_()
    value = f(x)
    return torch.autograd.grad(value, x, directions(value), is_grads_batched=True)[0]


def twice_backward(f, x):
    x = x.clone().requires_grad_()
    first, = torch.autograd.grad(f(x).square().sum(), x, create_graph=True)
    return first, torch.autograd.grad(first.square().sum(), x)[0]


X, TANGENT, OTHER_TANGENT = draw(0, M, D), draw(7, M, D), draw(11, N, 3)
MANY, MANY_WEIGHTS, OTHER_WEIGHTS = draw(9, B, M, D), draw(10, N, B, 3), draw(12, 2, N, 3)
# A direction of the shape of a value.
like = lambda value: torch.cos(value.detach())
square = lambda f: lambda x: f(x).square().sum()
# Of a function of x and of what else it takes.
VALUES = {
    "call": lambda f, g: f(X),
    "vmap": lambda f, g: vmap(f)(MANY),
    "vmap of two": lambda f, g: vmap(g, (0, 1))(MANY, MANY_WEIGHTS),
    "vmap in vmap": lambda f, g: vmap(vmap(g, (None, 0)), (0, None))(MANY, OTHER_WEIGHTS),
}
DERIVATIVES = {
    "grad": lambda f, g: grad(square(f))(X),
    "vjp": lambda f, g: vjp(f, X)[1](like(f(X)))[0],
    "jvp": lambda f, g: jvp(f, (X, ), (TANGENT, )),
    "jvp of two": lambda f, g: jvp(g, (X, WEIGHTS), (TANGENT, OTHER_TANGENT)),
    "jacrev": lambda f, g: jacrev(f)(X),
    "jacfwd": lambda f, g: jacfwd(f)(X),
    "hessian": lambda f, g: hessian(square(f))(X),
    "grad of grad": lambda f, g: grad(square(grad(square(f))))(X),
    "vmap of grad": lambda f, g: vmap(grad(square(f)))(MANY),
    "jacrev of jacrev": lambda f, g: jacrev(jacrev(square(f)))(X),
    "jvp of grad": lambda f, g: jvp(grad(square(f)), (X, ), (TANGENT, )),
    "jvp of jvp of grad": lambda f, g: jvp(lambda x: jvp(grad(square(f)), (x, ), (TANGENT, ))[1], (X, ), (TANGENT, )),
}
# What PyTorch has beside torch.func; torch.compile refuses it in whatever it stands.
OLDER = {
    "is_grads_batched": lambda f, g: batched_gradients(f, X, lambda value: draw(8, B, *value.shape)),
    "backward twice": lambda f, g: twice_backward(f, X),
    "jacobian": lambda f, g: functional.jacobian(f, X),
    "jacobian, vectorized": lambda f, g: functional.jacobian(f, X, vectorize=True),
    "jacobian, forward": lambda f, g: functional.jacobian(f, X, vectorize=True, strategy="forward-mode"),
    "hessian": lambda f, g: functional.hessian(square(f), X),
    "hessian, vectorized": lambda f, g: functional.hessian(square(f), X, vectorize=True),
    "hessian, forward": lambda f, g: functional.hessian(square(f), X, vectorize=True,
                                                        outer_jacobian_strategy="forward-mode"),
    "vjp": lambda f, g: functional.vjp(f, X, like(f(X))),
    "jvp": lambda f, g: functional.jvp(f, X, TANGENT),
    "hvp": lambda f, g: functional.hvp(square(f), X, TANGENT),
    "vhp": lambda f, g: functional.vhp(square(f), X, TANGENT),
}


def run(transform, function):
    return transform(lambda x: function(x, Y, WEIGHTS, P), lambda x, b: function(x, Y, b, P))


def check(transform, name, compiled=False):
    function, dense = both(name)
    found = (torch.compile(lambda: run(transform, function), fullgraph=True, backend="aot_eager")()
             if compiled else run(transform, function))
    torch.testing.assert_close(found, run(transform, dense))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("transform", VALUES)
def test_values(transform, name):
    check(VALUES[transform], name)


@pytest.mark.parametrize("name", [name for name in REDUCTIONS if name != "ArgKMin"])
@pytest.mark.parametrize("transform", DERIVATIVES)
def test_derivatives(transform, name):
    check(DERIVATIVES[transform], name)


@pytest.mark.parametrize("name", [name for name in REDUCTIONS if name != "ArgKMin"])
@pytest.mark.parametrize("transform", OLDER)
def test_older_ways(transform, name):
    check(OLDER[transform], name)


@pytest.mark.parametrize("orders", list(itertools.product((jacrev, jacfwd), repeat=3)))
def test_third_derivatives_of_what_is_linear(orders):
    """Some of them are constant, and have no rows of their own."""
    function, dense = both("Sum")

    def third(f):
        made = lambda b: f(X, Y, b, P).square().sum()
        for order in orders:
            made = order(made)
        return made(WEIGHTS)

    torch.testing.assert_close(third(function), third(dense))


# torch.compile refuses two jvps of a gradient, of any function.
COMPILED = {name: transform for name, transform in {**VALUES, **DERIVATIVES}.items() if name != "jvp of jvp of grad"}


@pytest.mark.parametrize("transform, name", [(transform, "Sum") for transform in COMPILED] +
                         [(transform, name) for transform in ("vmap", "grad", "jvp", "hessian")
                          for name in ("LogSumExp", "KMin")] + [("vmap", "ArgKMin"), ("call", "ArgKMin")])
def test_compiled(transform, name):
    """In one graph, without a break."""
    torch._dynamo.reset()
    check(COMPILED[transform], name, compiled=True)


def test_the_simulator_inside_a_graph():
    """Where a call is computed is part of its name in the graph; so it is of its derivatives."""
    function, dense = both("Sum")
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: function(x, Y, WEIGHTS, P, backend="sim").square().sum(), fullgraph=True,
                             backend="aot_eager")
    x = X.clone().requires_grad_()
    value = compiled(x)
    torch.testing.assert_close(value, dense(X, Y, WEIGHTS, P).square().sum())
    torch.testing.assert_close(torch.autograd.grad(value, x)[0], grad(square(lambda x: dense(x, Y, WEIGHTS, P)))(X))


@pytest.mark.parametrize("transform", ["grad", "jvp", "vmap", "hessian", "jvp of jvp of grad"])
def test_linear_systems(transform):
    solve = KernelSolve("Exp(-SqDist(x,y))*a", ["x = Vi(2)", "y = Vj(2)", "a = Vj(3)"], "a", axis=1)
    right = draw(5, M, 3)

    def ours(x, *_):
        return solve(x, x, right, alpha=0.5, eps=1e-12)

    def dense(x, *_):
        matrix = torch.exp(-((x[:, None] - x)**2).sum(-1)) + 0.5 * torch.eye(M, dtype=x.dtype)
        return torch.linalg.inv(matrix) @ right

    found, expected = ({**VALUES, **DERIVATIVES}[transform](f, None) for f in (ours, dense))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_gradients_of_linear_systems_for_many_directions():
    solve = KernelSolve("Exp(-SqDist(x,y))*a", ["x = Vi(2)", "y = Vj(2)", "a = Vj(3)"], "a", axis=1)
    right = draw(5, M, 3)
    f = lambda x: solve(x, x, right, alpha=0.5, eps=1e-12)
    directions = draw(8, B, M, 3)
    found = batched_gradients(f, X, lambda value: directions)
    expected = torch.stack([vjp(f, X)[1](direction)[0] for direction in directions])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
