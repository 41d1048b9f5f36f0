# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of PyTorch tensors: values, memory, options and messages, against PyTorch in float64 with all pairs in
memory, or against the same call on NumPy arrays, which other tests hold against NumPy."""

import copy
import gc
import inspect
import multiprocessing
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

import keops.numpy
from keops.torch import Genred, generic_argkmin, generic_argmin, generic_logsumexp, generic_sum

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "p = Pm(1)"]
M, N = 13, 17
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def draw(seed, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def arguments(dtype=torch.float64):
    return draw(0, M, 3, dtype=dtype), draw(1, N, 3, dtype=dtype), draw(2, N, 2, dtype=dtype), draw(3, 1, dtype=dtype)


def gaussian(x, y, b, p):
    return torch.exp(-((x[..., :, None, :] - y[..., None, :, :])**2).sum(-1) * p[..., None]**2) @ b


GAUSSIAN = "Exp(-SqDist(x,y)*Square(p))*b"

REDUCTIONS = [("Sum", None, None), ("LogSumExp", None, None), ("LogSumExp", None, "Square(b)"),
              ("SumSoftMaxWeight", None, "b"), ("Min", None, None), ("Max", None, None), ("ArgMin", None, None),
              ("ArgMax", None, None), ("Min_ArgMin", None, None), ("Max_ArgMax", None, None), ("KMin", 3, None),
              ("ArgKMin", 3, None), ("KMin_ArgKMin", 3, None)]


@pytest.mark.parametrize("op, k, weight", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reductions_are_those_of_numpy(op, k, weight, axis, dtype):
    """The same kernels, so that results are the same to the last bit."""
    options = {"reduction_op": op, "axis": axis, "opt_arg": k, "formula2": weight}
    found = Genred("SqDist(x,y)*p", ALIASES, **options)(*arguments(dtype))
    expected = keops.numpy.Genred("SqDist(x,y)*p", ALIASES, **options)(*[t.numpy() for t in arguments(dtype)])
    found, expected = [value if isinstance(value, tuple) else (value, ) for value in (found, expected)]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert ours.shape == theirs.shape and ours.dtype == torch.from_numpy(theirs).dtype
        np.testing.assert_array_equal(ours.numpy(), theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    args = arguments(dtype)
    found = Genred(GAUSSIAN, ALIASES, axis=1)(*args)
    assert found.dtype == dtype
    exact = gaussian(*[tensor.double() for tensor in args])
    torch.testing.assert_close(found.double(), exact, rtol=4 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)


def test_complex_numbers_are_pairs():
    z, w = torch.complex(draw(0, M, 2), draw(1, M, 2)), torch.complex(draw(2, N, 2), draw(3, N, 2))
    f = Genred("ComplexMult(z,w)", ["z = Vi(4)", "w = Vj(4)"], axis=1, dtype="complex128")
    expected = z * w.sum(0)
    torch.testing.assert_close(f(z, w), expected)
    torch.testing.assert_close(f(z.conj(), w), z.conj() * w.sum(0))
    torch.testing.assert_close(Genred("z*w", ["z = Vi(2)", "w = Vj(2)"], axis=1)(z.conj().imag, w.real),
                               -z.imag * w.real.sum(0))
    torch.autograd.gradcheck(f, (z.requires_grad_(), w.requires_grad_()))


def strided():
    x, y, b, p = arguments()
    yield "transposed", x.t().contiguous().t(), y, b, p
    yield "stepped", draw(0, 2 * M, 5)[::2, 1:4], y, b, p
    yield "expanded", x, y[:1].expand(N, 3), b[:, :1].expand(N, 2), p
    yield "negative sign", torch.complex(draw(0, M, 3), draw(1, M, 3)).conj().imag, y, b, p


@pytest.mark.parametrize("case", list(strided()), ids=lambda case: case[0])
def test_strides(case):
    args = case[1:]
    before = [tensor.clone() for tensor in args]
    torch.testing.assert_close(Genred(GAUSSIAN, ALIASES, axis=1)(*args), gaussian(*args))
    assert all(torch.equal(tensor, old) for tensor, old in zip(args, before))


def test_expanded_tensors_are_not_copied():
    """2^16 batches of 2^20 rows would not fit into memory."""
    x = torch.ones(1, 1, 1).expand(2**16, 2**20, 1)
    assert Genred("x", ["x = Vi(1)"], axis=1)(x[:, :4]).shape == (2**16, 4, 1)
    x = torch.ones(1, 1).expand(2**26, 2**20)[:, :1]
    assert Genred("x", ["x = Vj(1)"], axis=1)(x).item() == 2**26


def test_batches():
    x, y, b, p = draw(0, 2, 1, M, 3), draw(1, 4, N, 3), draw(2, N, 2), draw(3, 2, 1, 1)
    found = Genred(GAUSSIAN, ALIASES, axis=1)(x, y, b, p)
    torch.testing.assert_close(found, gaussian(x, y, b, p))


@pytest.mark.parametrize("op, k, shape", [("Sum", None, (0, M, 2)), ("ArgKMin", 3, (0, M, 3, 2))])
def test_no_batches(op, k, shape):
    x, y, b, p = (tensor.requires_grad_() for tensor in (draw(0, 0, M, 3), draw(1, N, 3), draw(2, 1, N, 2), draw(3, 1)))
    found = Genred(GAUSSIAN, ALIASES, op, axis=1, opt_arg=k)(x, y, b, p)
    assert found.shape == shape
    if found.requires_grad:
        for gradient, tensor in zip(torch.autograd.grad(found.sum(), (x, y, b, p)), (x, y, b, p)):
            torch.testing.assert_close(gradient, torch.zeros_like(tensor))


RANGES = tuple(torch.tensor(array) for array in
               ([[0, 4], [4, 13]], [1, 3], [[0, 9], [2, 5], [9, 17]], [[0, 2], [2, 5], [5, 9], [9, 17]], [1, 3, 4, 5],
                [[0, 4], [0, 4], [4, 13], [0, 4], [4, 13]]))


def mask_of_ranges():
    mask = torch.zeros(M, N, dtype=torch.float64)
    mask[0:4, 0:9] = mask[4:13, 2:5] = mask[4:13, 9:17] = 1
    return mask


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_ranges(kind):
    x, y, b, p = arguments()
    ranges = tuple(array.to(kind) for array in RANGES)
    kernel = torch.exp(-((x[:, None] - y[None])**2).sum(-1)) * mask_of_ranges()
    torch.testing.assert_close(Genred("Exp(-SqDist(x,y))*b", ALIASES, axis=1)(x, y, b, p, ranges=ranges), kernel @ b)
    a = draw(5, M, 2)
    torch.testing.assert_close(
        Genred("Exp(-SqDist(x,y))*a", ALIASES + ["a = Vi(2)"], axis=0)(x, y, b, p, a, ranges=ranges), kernel.T @ a)


def test_out():
    args = arguments()
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    out = torch.empty(M, 2, dtype=torch.float64)
    assert f(*args, out=out) is out
    assert torch.equal(out, f(*args))
    apart = torch.zeros(M, 4, dtype=torch.float64)
    f(*args, out=apart[:, ::2])
    assert torch.equal(apart[:, ::2], out) and apart[:, 1::2].eq(0).all()
    both = Genred("SqDist(x,y)", ALIASES, reduction_op="Min_ArgMin", axis=1)
    pair = (torch.empty(M, 1, dtype=torch.float64), torch.empty(M, 1, dtype=torch.int64))
    assert both(*args, out=pair) is pair
    assert torch.equal(pair[1], both(*args)[1])
    x = args[0].clone().requires_grad_()
    out = torch.empty(M, 2, dtype=torch.float64)
    assert f(x, *args[1:], out=out) is out
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], torch.autograd.grad(f(x, *args[1:]).sum(), x)[0])


def test_generic_functions():
    x, y, b, p = arguments()
    torch.testing.assert_close(generic_sum(GAUSSIAN, "a = Vi(2)", *ALIASES)(x, y, b, p), gaussian(x, y, b, p))
    squared = ((x[:, None] - y[None])**2).sum(-1)
    torch.testing.assert_close(generic_logsumexp("-SqDist(x,y)", "a = Vj(1)", *ALIASES)(x, y, b, p),
                               torch.logsumexp(-squared, 0)[:, None])
    assert torch.equal(generic_argmin("SqDist(x,y)", "a = Vi(1)", *ALIASES)(x, y, b, p), squared.argmin(1)[:, None])
    assert torch.equal(generic_argkmin("SqDist(x,y)", "a = Vi(4)", *ALIASES)(x, y, b, p), squared.argsort(1)[:, :4])


def test_signatures_are_those_of_numpy():
    for name in keops.torch.__all__:
        theirs = getattr(keops.numpy, name, None)
        if name in ("Genred", "generic_sum", "generic_logsumexp", "generic_argmin", "generic_argkmin"):
            ours = getattr(keops.torch, name)
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert str(inspect.signature(Genred.__call__)) == str(inspect.signature(keops.numpy.Genred.__call__))
    defaults = lambda f: [p.default for p in inspect.signature(f.__init__).parameters.values()]
    assert defaults(Genred) == defaults(keops.numpy.Genred)


@pytest.mark.parametrize("options", [{"dtype_acc": "float64"}, {"use_double_acc": True},
                                     {"sum_scheme": "kahan_scheme"}])
def test_accumulators(options):
    x = torch.full((2**21, 1), 0.1)
    found = Genred("x", ["x = Vj(1)"], axis=1, **options)(x).item()
    assert abs(found / (0.1 * 2**21) - 1) < 1e-7


def test_copies_and_pickles():
    f = Genred("SqDist(x,y)", ALIASES, reduction_op="ArgKMin", axis=1, opt_arg=2)
    for other in (copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert repr(other) == repr(f) and torch.equal(other(*arguments()), f(*arguments()))


def test_numpy_does_not_need_torch():
    code = "import sys, keops, keops.numpy; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- What is refused --------------------------------------------------------------------------------------------------

X, Y, B, P = arguments()
BAD = [
    ((X.numpy(), Y, B, P), {}, TypeError, r"argument 0 \(x = Vi\(3\)\): expected a PyTorch tensor, got ndarray"),
    ((X, Y, B), {}, ValueError, "expected 4 arrays: x = Vi.*got 3"),
    ((X, Y.float(), B, P), {}, TypeError, "argument 1 .*: expected dtype float64 as in argument 0.*, got float32"),
    ((X, Y, B.long(), P), {}, TypeError, "argument 2 .*: expected dtype float16.*, got int64"),
    ((X, Y.bool(), B, P), {}, TypeError, "argument 1 .*: expected dtype float16.*, got bool"),
    ((X, Y[:, :2], B, P), {}, ValueError, r"argument 1 .*: expected an array of shape \(N, 3\), got shape \(17, 2\)"),
    ((X, Y, B[:5], P), {}, ValueError, r"argument 2 .*: expected 17 rows as in argument 1 .*, got 5"),
    ((X, Y, B, P.to("meta")), {}, ValueError, "argument 3.*: expected a tensor on the device cpu.*, got one on meta"),
    ((X.to_sparse(), Y, B, P), {}, TypeError,
     "argument 0.*: expected a dense tensor, got one of layout torch.sparse_coo"),
    ((X.expand(2, M, 3), Y.expand(3, N, 3), B, P), {}, ValueError, "size 1 or 2 along batch dimension 0"),
    ((X, Y, B, P), {"backend": "FPGA"}, ValueError, "backend: expected one of 'auto'.*, got 'FPGA'"),
    ((X, Y, B, P), {"ranges": 3}, TypeError, "ranges: expected a tuple of the six tensors .*, got int"),
    ((X, Y, B, P), {"ranges": RANGES[:5]}, ValueError, "ranges: expected a tuple of the six tensors .*, got 5 entries"),
    ((X, Y, B, P), {"ranges": (X, ) + RANGES[1:]}, TypeError, "ranges: expected ranges_i to be a tensor of integers"),
    ((X, Y, B, P), {"ranges": (RANGES[0].numpy(), ) + RANGES[1:]}, TypeError,
     "ranges: expected ranges_i to be a PyTorch"),
    ((X, Y, B, P), {"ranges": (RANGES[0][:1], ) + RANGES[1:]}, ValueError,
     "ranges: expected slices_i to have one entry"),
    ((X, Y, B, P), {"ranges": (RANGES[0] + 9, ) + RANGES[1:]}, ValueError, "ranges"),
    ((X, Y, B, P), {"out": torch.empty(M, 3, dtype=torch.float64)}, ValueError, r"out: expected .* shape \(13, 2\)"),
    ((X, Y, B, P), {"out": torch.empty(M, 2)}, TypeError, "out: expected dtype float64, got float32"),
    ((X, Y, B, P), {"out": np.empty((M, 2))}, TypeError, "out: expected a PyTorch tensor, got ndarray"),
]


@pytest.mark.parametrize("args, options, kind, message", BAD, ids=[case[3][:40] for case in BAD])
@pytest.mark.parametrize("derivatives", [False, True])
def test_bad_calls(args, options, kind, message, derivatives):
    if derivatives:
        args = tuple(t.detach().clone().requires_grad_() if isinstance(t, torch.Tensor) and t.is_floating_point() and
                     t.layout == torch.strided else t for t in args)
    with pytest.raises(kind, match=message):
        Genred(GAUSSIAN, ALIASES, axis=1)(*args, **options)


@pytest.mark.parametrize("out, kind, message", [
    (torch.empty(M, 2, dtype=torch.float64), TypeError, "out: expected a tuple of 2 tensors, got Tensor"),
    ((torch.empty(M, 2, dtype=torch.float64), ), ValueError, "out: expected 2 arrays, got 1"),
    ((torch.empty(M, 2, dtype=torch.float64), ) * 2, TypeError, r"out\[1\]: expected dtype int64, got float64"),
    ((torch.empty(M, 3, dtype=torch.float64), ) * 2, ValueError,
     r"out\[0\]: expected an array of shape \(13, 2\), got .*3"),
])
@pytest.mark.parametrize("derivatives", [False, True])
def test_bad_tuples(out, kind, message, derivatives):
    reduction = Genred(GAUSSIAN, ALIASES, reduction_op="Min_ArgMin", axis=1)
    with pytest.raises(kind, match=message):
        reduction(X.clone().requires_grad_(derivatives), Y, B, P, out=out)


def test_complex_out_of_derivatives():
    x = X.clone().requires_grad_()
    out = torch.empty(M, 1, dtype=torch.complex128)
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    assert f(x, Y, B, P, out=out) is out and out.requires_grad
    torch.testing.assert_close(torch.view_as_real(out.detach())[:, 0], f(X, Y, B, P))


@pytest.mark.parametrize("dynamic", [False, True])
def test_out_of_compiled_graphs(dynamic):
    f = Genred(GAUSSIAN, ALIASES, axis=1)
    compiled = torch.compile(lambda x, out: 2 * f(x, Y, B, P, out=out), fullgraph=True, backend="aot_eager", dynamic=dynamic)
    x = X.clone().requires_grad_()
    found = compiled(x, torch.zeros(M, 2, dtype=torch.float64))
    assert torch.equal(found, 2 * f(X, Y, B, P)) and found.requires_grad
    for out, message in ((torch.zeros(1, 2, dtype=torch.float64), r"out: expected an array of shape \(13, 2\)"),
                         (torch.zeros(M, 2), "out: expected dtype float64, got float32")):
        with pytest.raises(Exception, match=message):
            compiled(X, out)


@pytest.mark.parametrize("options, kind, message", [
    ({"axis": 2}, ValueError, "axis: expected 0"), ({"reduction_op": "Summ"}, ValueError, "did you mean 'Sum'"),
    ({"reduction_op": "KMin"}, TypeError, "opt_arg: expected the integer K"), ({"formula": 3}, TypeError, "formula"),
    ({"formula": "Exq(x)"}, ValueError, "Exq"), ({"aliases": "x = Vi(3)"}, TypeError, "aliases: expected a list"),
    ({"reduction_op": "Min", "sum_scheme": "kahan_scheme"}, ValueError, "sum_scheme"),
])
def test_bad_options(options, kind, message):
    with pytest.raises(kind, match=message):
        Genred(**{"formula": GAUSSIAN, "aliases": ALIASES, **options})


# --- Processes and threads --------------------------------------------------------------------------------------------


def _gradient_in_child(queue):
    x, y, b, p = arguments()
    x.requires_grad_()
    Genred(GAUSSIAN, ALIASES, axis=1)(x, y, b, p).sum().backward()
    queue.put(x.grad.numpy())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(method):
    x, y, b, p = arguments()
    x.requires_grad_()
    # The parent computes first, so that a fork inherits a warm engine. Autograd's own threads do not survive a fork: the
    # parent may not have started them.
    Genred(GAUSSIAN, ALIASES, axis=1)(x.detach(), y, b, p)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_gradient_in_child, args=(queue, ))
    child.start()
    found = queue.get(timeout=120)
    child.join()
    gaussian(x, y, b, p).sum().backward()
    np.testing.assert_allclose(found, x.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_threads():
    """Eight threads, each with a formula of its own, forward and backward."""
    errors = []

    def work(number):
        try:
            x, y, b, p = arguments()
            x.requires_grad_()
            f = Genred(f"Exp(-SqDist(x,y)*Square(p))*b*IntCst({number + 1})", ALIASES, axis=1)
            expected, = torch.autograd.grad(gaussian(x, y, b, p).sum() * (number + 1), x)
            for _ in range(20):
                found, = torch.autograd.grad(f(x, y, b, p).sum(), x)
                torch.testing.assert_close(found, expected)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number, )) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_memory_stays_constant():
    """Calls with gradients leave no object and no memory behind."""
    psutil = pytest.importorskip("psutil", reason="needs psutil: pip install psutil")
    x, y, b, p = [tensor.requires_grad_() for tensor in arguments(torch.float32)]
    f = Genred(GAUSSIAN, ALIASES, axis=1)

    def calls(count):
        for _ in range(count):
            torch.autograd.grad(f(x, y, b, p).sum(), (x, y, b, p))

    calls(500)
    gc.collect()
    before, objects = psutil.Process().memory_info().rss, len(gc.get_objects())
    calls(10000)
    gc.collect()
    assert len(gc.get_objects()) < objects + 100
    assert psutil.Process().memory_info().rss < before + 4 * 2**20
