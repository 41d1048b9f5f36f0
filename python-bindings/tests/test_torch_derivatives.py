# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Derivatives of reductions of PyTorch tensors: autograd in both modes and to any order, ``torch.func`` and
``torch.compile``, against differences and against PyTorch with all pairs in memory."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

from torch.autograd import gradcheck, gradgradcheck

from keops.torch import Genred, _calls, _reduce
from test_torch_reductions import GAUSSIAN, RANGES, draw, gaussian, mask_of_ranges

M, N, D = 4, 5, 2
ALIASES = [f"x = Vi({D})", f"y = Vj({D})", "b = Vj(3)", "p = Pm(1)"]
# Formulas that are smooth, of vectors where reductions take them, and far from ties.
CASES = {
    "Sum": ("Exp(-SqDist(x,y)*p)*b", None, None),
    "LogSumExp": ("(x|y)*p", None, None),
    "weighted LogSumExp": ("(x|y)*p", None, "Square(b)+1"),
    "SumSoftMaxWeight": ("(x|y)*p", None, "b"),
    "Min": ("x*y*p+Sum(b)", None, None),
    "Max": ("x*y*p+Sum(b)", None, None),
    "Min_ArgMin": ("x*y*p+Sum(b)", None, None),
    "Max_ArgMax": ("x*y*p+Sum(b)", None, None),
    "KMin": ("x*y*p+Sum(b)", 2, None),
    "KMin_ArgKMin": ("x*y*p+Sum(b)", 2, None),
}


def arguments(m=M, n=N):
    return [tensor.requires_grad_() for tensor in (draw(10, m, D), draw(11, n, D), draw(12, n, 3), draw(13, 1).abs() + 0.5)]


def make(name, axis=1):
    formula, k, weight = CASES[name]
    f = Genred(formula, ALIASES, reduction_op=name.split()[-1], axis=axis, opt_arg=k, formula2=weight)
    # Numbers of rows have no derivatives.
    return (lambda *args: f(*args)[0]) if "_" in name else f


@pytest.mark.parametrize("name, axis", [(name, 1) for name in CASES] + [("Sum", 0), ("LogSumExp", 0), ("Min", 0)])
def test_first_derivatives(name, axis):
    assert gradcheck(make(name, axis), arguments(), check_forward_ad=True, check_batched_grad=True,
                     check_batched_forward_grad=True)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    assert gradgradcheck(make(name), arguments(3, 4))


def make_dense(op):
    return lambda x, y, b, p: (x @ y.T * p).logsumexp(1) if op == "LogSumExp" else (x @ y.T * p).sum(1)


def test_third_derivatives():
    f = Genred("Sin((x|y))*b", ALIASES, axis=1)
    dense = lambda x, y, b, p: torch.sin(x @ y.T) @ b
    args = arguments()
    for function in (f, dense):
        derivative = function(*args).sum()
        for _ in range(3):
            parts = torch.autograd.grad(derivative, args[:2], create_graph=True)
            derivative = sum((part * draw(20, *part.shape)).sum() for part in parts)
        if function is f:
            found = derivative
    torch.testing.assert_close(found, derivative)


def test_indices_have_no_derivatives():
    values, indices = Genred("SqDist(x,y)", ALIASES, reduction_op="Min_ArgMin", axis=1)(*arguments())
    assert values.requires_grad and not indices.requires_grad
    assert not Genred("SqDist(x,y)", ALIASES, reduction_op="ArgMin", axis=1)(*arguments()).requires_grad


def test_arguments_that_do_not_matter():
    x, y, b, p = arguments()
    out = Genred("SqDist(x,y)", ALIASES, axis=1)(x, y, b, p)
    found = torch.autograd.grad(out.sum(), (b, p))
    assert [part.abs().sum().item() for part in found] == [0, 0]
    # What does not depend on i has a tangent for each i all the same.
    f = Genred("y", ALIASES, axis=1)
    assert gradcheck(lambda y: f(x, y, b, p), y, check_forward_ad=True)


def test_axes_and_batches_of_gradients():
    x, y, b, p = draw(0, 2, 1, M, D), draw(1, 3, N, D), draw(2, N, 3), draw(3, 2, 1, 1)
    args = [tensor.requires_grad_() for tensor in (x, y, b, p)]
    found = torch.autograd.grad(Genred(GAUSSIAN, ALIASES, axis=1)(*args).square().sum(), args)
    expected = torch.autograd.grad(gaussian(*args).square().sum(), args)
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs)


def test_ranges():
    x, y, b, p = [tensor.requires_grad_() for tensor in (draw(0, 13, D), draw(1, 17, D), draw(2, 17, 3), draw(3, 1))]
    f = Genred("Exp(-SqDist(x,y)*p)*b", ALIASES, axis=1)
    dense = lambda x, y, b, p: (torch.exp(-((x[:, None] - y)**2).sum(-1) * p) * mask_of_ranges()) @ b
    results = []
    for function in (lambda *args: f(*args, ranges=RANGES), dense):
        first = torch.autograd.grad(function(x, y, b, p).square().sum(), (x, y, b, p), create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), (x, y, b, p))
        results.append((*first, *second))
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes(dtype):
    low = [tensor.detach().to(dtype).requires_grad_() for tensor in arguments()]
    high = [tensor.detach().double().requires_grad_() for tensor in low]
    f = Genred("Exp(-SqDist(x,y))*b", ALIASES, axis=1)
    found = torch.autograd.grad(f(*low).sum(), low[:3])
    expected = torch.autograd.grad(f(*high).sum(), high[:3])
    for ours, theirs in zip(found, expected):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), theirs, rtol=8 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("options", [{"use_double_acc": True}, {"sum_scheme": "kahan_scheme"}])
def test_accumulators(options):
    """The options of a sum hold for its derivatives."""
    x = torch.ones(1, 1, requires_grad=True)
    y = torch.full((2**21, 1), 0.1)
    f = Genred("x*y", ["x = Vi(1)", "y = Vj(1)"], axis=1, **options)
    found, = torch.autograd.grad(f(x, y).sum(), x)
    assert abs(found.item() / (0.1 * 2**21) - 1) < 1e-7


def test_gradients_of_one_index_are_one_call():
    """x and its companion are both of i, so that their gradients come from one kernel."""
    f = Genred("Exp(-SqDist(x,y))*a", ALIASES + ["a = Vi(1)"], axis=1)
    call = _calls.find(f._key)
    groups = call.gradients("float64", (0, ), (0, 1, 2, 4))
    assert [positions for _, positions in groups] == [[0, 4], [1, 2]]


@pytest.mark.parametrize("op", ["Sum", "LogSumExp"])
def test_value_and_gradient_in_one_pass(op):
    """A number for each i and its gradients in arguments of i come from one kernel; other derivatives are those of the
    general way."""
    aliases = ALIASES + ["a = Vi(1)"]
    f = Genred("a*(x|y)*p", aliases, reduction_op=op, axis=1)
    call = _calls.find(f._key)
    fused, own = call.with_gradients("float64", (0, 4))
    assert fused.chains == ((), ((False, 0, 5), ), ((False, 4, 5), )) and own == (0, 4)
    # Of another index, they need a pass of their own.
    assert call.with_gradients("float64", (0, 1))[1] == (0, ) and call.with_gradients("float64", (1, )) is None
    assert call.with_gradients("float16", (0, )) is None
    x, a = draw(0, 3, 1, M, D).requires_grad_(), draw(1, M, 1).requires_grad_()
    y, b, p = draw(2, 2, N, D), draw(3, N, 3), draw(4, 1)
    reduced = f(x, y, b, p, a)
    assert type(reduced.grad_fn).__name__ == "ReduceWithGradientsBackward"
    dense = (a * (x @ y.transpose(-1, -2)) * p)
    dense = dense.sum(-1, keepdim=True) if op == "Sum" else dense.logsumexp(-1, keepdim=True)
    torch.testing.assert_close(reduced, dense)
    first = [torch.autograd.grad(value.square().sum(), (x, a), retain_graph=True) for value in (reduced, dense)]
    again = [torch.autograd.grad(value.square().sum(), (x, a), create_graph=True) for value in (reduced, dense)]
    second = [torch.autograd.grad(sum(part.square().sum() for part in parts), (x, a)) for parts in again]
    for ours, theirs in (first, again, second):
        for one, other in zip(ours, theirs):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("op", ["Sum", "LogSumExp"])
@pytest.mark.parametrize("wanted, passes", [((), 1), ((0, ), 1), ((1, ), 2), ((0, 1), 2), ((0, 1, 3), 3)])
def test_passes_of_a_training_step(op, wanted, passes, monkeypatch):
    """Kernels that run for a value and its gradients: the value's brings those of its own index along."""
    f = Genred("(x|y)*p", ALIASES, reduction_op=op, axis=1)
    args = arguments()
    expected = torch.autograd.grad(make_dense(op)(*args).sum(), args, allow_unused=True)
    args = [tensor.detach().requires_grad_(number in wanted) for number, tensor in enumerate(args)]
    names = []
    compute = _reduce._compute
    monkeypatch.setattr(_reduce, "_compute", lambda call, *rest: names.append(call.key) or compute(call, *rest))
    value = f(*args)
    if wanted:
        value.sum().backward()
    # Plain tensors go to the kernel at once.
    assert len(names) == (passes if wanted else 0)
    for number in wanted:
        torch.testing.assert_close(args[number].grad, expected[number])


# --- torch.func -------------------------------------------------------------------------------------------------------


def scalar_functions():
    x, y, b, p = [tensor.detach() for tensor in arguments()]
    reduction = Genred(GAUSSIAN, ALIASES, axis=1)
    logarithm = Genred("(x|y)*p", ALIASES, reduction_op="LogSumExp", axis=1)
    yield "sum", lambda x, y: reduction(x, y, b, p).square().sum(), lambda x, y: gaussian(x, y, b, p).square().sum()
    yield ("log-sum-exp", lambda x, y: logarithm(x, y, b, p).square().sum(),
           lambda x, y: torch.logsumexp(x @ y.T * p, 1).square().sum())


@pytest.mark.parametrize("argnums", [0, 1])
@pytest.mark.parametrize("transform", ["grad", "jacrev", "jacfwd", "hessian"])
@pytest.mark.parametrize("case", list(scalar_functions()), ids=lambda case: case[0])
def test_transforms(transform, case, argnums):
    _, f, dense = case
    x, y = [tensor.detach() for tensor in arguments()[:2]]
    transform = getattr(torch.func, transform)
    torch.testing.assert_close(transform(f, argnums)(x, y), transform(dense, argnums)(x, y))


@pytest.mark.parametrize("case", list(scalar_functions()), ids=lambda case: case[0])
def test_vjp_and_jvp(case):
    _, f, dense = case
    x, y = [tensor.detach() for tensor in arguments()[:2]]
    ours, theirs = torch.func.vjp(f, x, y)[1](torch.tensor(2.0).double()), torch.func.vjp(dense, x, y)[1](torch.tensor(2.0).double())
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)
    tangents = (draw(20, M, D), draw(21, N, D))
    torch.testing.assert_close(torch.func.jvp(f, (x, y), tangents), torch.func.jvp(dense, (x, y), tangents))


@pytest.mark.parametrize("in_dims", [(0, None, None, None), (2, None, None, None), (None, 1, None, 0), (1, 0, 2, None),
                                     (-1, 0, -1, 1)])
def test_vmap(in_dims):
    shapes = [(M, D), (N, D), (N, 3), (1, )]
    args = []
    for seed, (shape, dim) in enumerate(zip(shapes, in_dims)):
        batched = draw(seed, *([] if dim is None else [6]), *shape)
        args.append(batched if dim is None else batched.movedim(0, dim))
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    expected = torch.func.vmap(gaussian, in_dims)(*args)
    torch.testing.assert_close(torch.func.vmap(f, in_dims)(*args), expected)
    torch.testing.assert_close(torch.func.vmap(f, in_dims, out_dims=2)(*args), expected.movedim(0, 2))


def test_vmap_beside_batches_and_inside_itself():
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    x, y, b, p = draw(0, 5, M, D), draw(1, 3, N, D), draw(2, 5, 3, N, 3), draw(3, 1)
    # x is mapped and has no batch axis of its own; y has one and is not mapped.
    torch.testing.assert_close(torch.func.vmap(f, (0, None, 0, None))(x, y, b, p), gaussian(x[:, None], y, b, p))
    twice = torch.func.vmap(torch.func.vmap(f, (None, 0, 0, None)), (0, None, 0, None))
    torch.testing.assert_close(twice(x, y, b, p), gaussian(x[:, None], y, b, p))
    per_sample = torch.func.vmap(torch.func.grad(lambda x: f(x, y[0], b[0, 0], p).square().sum()))
    dense = torch.func.vmap(torch.func.grad(lambda x: gaussian(x, y[0], b[0, 0], p).square().sum()))
    torch.testing.assert_close(per_sample(x), dense(x))


# --- torch.compile and tensors without data ---------------------------------------------------------------------------


def test_the_operator_keeps_the_rules():
    x, y, b, p = arguments()
    key = Genred(GAUSSIAN, ALIASES, axis=1)._key
    torch.library.opcheck(torch.ops.keops.reduce, (key, [x, y, b, p], []))
    key = Genred("SqDist(x,y)", ALIASES, reduction_op="Min_ArgMin", axis=0)._key
    torch.library.opcheck(torch.ops.keops.reduce, (key, [x.detach(), y.detach(), b.detach(), p.detach()], []))


@pytest.mark.parametrize("dynamic", [False, True])
def test_compile_without_graph_break(dynamic):
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    compiled = torch.compile(lambda x, y, b, p: torch.sin(f(2 * x, y, b, p)).sum(), fullgraph=True, backend="aot_eager",
                             dynamic=dynamic)
    for m, n in ((M, N), (7, 9)):
        args = arguments(m, n)
        dense = torch.sin(gaussian(2 * args[0], *args[1:])).sum()
        ours = compiled(*args)
        torch.testing.assert_close(ours, dense)
        for a, b in zip(torch.autograd.grad(ours, args), torch.autograd.grad(dense, args)):
            torch.testing.assert_close(a, b)


def test_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    both = Genred("SqDist(x,y)", ALIASES, reduction_op="KMin_ArgKMin", axis=0, opt_arg=2)
    with FakeTensorMode():
        args = torch.empty(6, 1, M, D), torch.empty(7, N, D), torch.empty(N, 3), torch.empty(1)
        assert f(*args).shape == (6, 7, M, 3)
        values, indices = both(*args)
        assert values.shape == (6, 7, N, 2) and indices.dtype == torch.int64
        with pytest.raises(ValueError, match="argument 1: expected 2 components"):
            f(args[0], torch.empty(N, 5), *args[2:])
        with pytest.raises(ValueError, match="argument 2: expected 5 rows, got 4"):
            f(args[0], args[1], torch.empty(4, 3), args[3])
        with pytest.raises(TypeError, match="argument 3: expected dtype float32"):
            f(*args[:3], torch.empty(1, dtype=torch.float64))
