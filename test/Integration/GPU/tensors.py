# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch tensors in the GPU suite: values, derivatives, layouts, streams and memory.

Each test is a function of a `Place`: a GPU, its double (test/CudaDouble/torch_double.py), or the simulator, which takes
tensors of the processor. What it computes is compared with the kernels for processors.
"""

import sys

import numpy as np
from arrays import Skip

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "p = Pm(1)"]
GAUSS = ("Exp(-SqDist(x,y)*p)*b", ALIASES)
REDUCTIONS = [("Sum", "Exp(-SqDist(x,y)*p)*b", None, None), ("LogSumExp", "(x|y)*p", None, None),
              ("LogSumExp", "(x|y)*p", None, "Square(b)+1"), ("SumSoftMaxWeight", "(x|y)*p", None, "b"),
              ("Min", "x*y*p+Sum(b)", None, None), ("KMin", "SqDist(x,y)*p", 3, None)]


class Place:
    """Where to compute: ``device`` is where tensors lie, ``options`` what calls are told, ``double`` the double if it is
    that."""

    def __init__(self, target):
        try:
            import torch
        except ImportError:
            raise Skip("PyTorch is not installed") from None
        double = sys.modules.get("torch_double")
        self.double = double.the_double() if double else None
        self.is_device = target.startswith("cuda")
        if self.is_device and not self.double and not torch.cuda.is_available():
            raise Skip("PyTorch sees no GPU")
        self.number = int(target.partition(":")[2] or 0)
        self.device = f"cuda:{self.number}" if self.is_device else "cpu"
        self.options = {} if self.is_device else {"backend": target}

    def needs_device(self):
        if not self.is_device:
            raise Skip("tensors of the processor")

    def needs_double(self):
        if not self.double:
            raise Skip("needs the accounts of the double")


def draw(*shape, seed=0, dtype="float64"):
    import torch
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(getattr(torch, dtype))


def arguments(m=20, n=33, dtype="float64"):
    return [draw(m, 3, dtype=dtype), draw(n, 3, seed=1, dtype=dtype), draw(n, 2, seed=2, dtype=dtype),
            draw(1, seed=3, dtype=dtype).abs() + 0.5]


def both(place, tensors):
    """The tensors where to compute and on the processor, each with gradients of its own."""
    return ([tensor.detach().to(place.device).requires_grad_() for tensor in tensors],
            [tensor.detach().clone().requires_grad_() for tensor in tensors])


def close(found, expected, place, rtol=1e-9, atol=1e-9):
    import torch
    for one, other in zip(*(value if isinstance(value, (tuple, list)) else (value, ) for value in (found, expected))):
        assert str(one.device) == place.device, one.device
        torch.testing.assert_close(one.detach().cpu(), other.detach(), rtol=rtol, atol=atol)


def check(place, function, tensors, rtol=1e-9, orders=1, **options):
    """Values, gradients, and with two orders the gradient of their squares."""
    import torch
    results = []
    for own, where in zip(both(place, tensors), (place.options, {})):
        value = function(*own, **where, **options)
        first = torch.autograd.grad(value.square().sum(), own, create_graph=True, allow_unused=True)
        parts = [part for part in first if part is not None]
        if orders > 1:
            second = torch.autograd.grad(sum(part.square().sum() for part in parts), own, allow_unused=True)
            parts += [part for part in second if part is not None]
        results.append([value, *parts])
    close(*results, place, rtol=rtol)


def make(name, formula, k, weight, axis=1):
    from keops.torch import Genred
    return Genred(formula, ALIASES, reduction_op=name, axis=axis, opt_arg=k, formula2=weight)


# --- Values and derivatives -------------------------------------------------------------------------------------------


def test_reductions(place):
    for number, case in enumerate(REDUCTIONS):
        check(place, make(*case), arguments(), orders=2 if number < 2 else 1)


def test_reductions_over_rows(place):
    for case in REDUCTIONS[:2] + REDUCTIONS[4:5]:
        check(place, make(*case, axis=0), arguments())


def test_numbers_of_rows(place):
    function = make("ArgKMin", "SqDist(x,y)*p", 4, None)
    own, plain = both(place, arguments())
    close(function(*own, **place.options), function(*plain), place)


def test_types(place):
    for dtype, rtol in (("float32", 1e-4), ("float16", 2e-2), ("bfloat16", 1e-1)):
        own, plain = both(place, arguments(dtype=dtype))
        function = make(*REDUCTIONS[0])
        close(function(*own, **place.options), function(*plain), place, rtol=rtol, atol=rtol)


def test_complex_numbers(place):
    import torch
    from keops.torch import Genred
    x, y = torch.view_as_complex(draw(9, 2)), torch.view_as_complex(draw(11, 2, seed=1))
    function = Genred("ComplexMult(x,y)", ["x = Vi(2)", "y = Vj(2)"], axis=1, dtype="complex128")
    check(place, lambda x, y, **options: torch.view_as_real(function(x[:, None], y[:, None], **options)), [x, y])


def test_forward_mode(place):
    import torch
    results = []
    for own, where in zip(both(place, arguments()), (place.options, {})):
        function = make(*REDUCTIONS[0])
        direction = draw(20, 3, seed=9).to(own[0].device)
        results.append(torch.func.jvp(lambda x: function(x, *own[1:], **where), (own[0].detach(), ), (direction, )))
    close(*results, place)


def test_transformations(place):
    import torch
    for transform in (torch.func.grad, torch.func.hessian):
        results = []
        for own, where in zip(both(place, arguments(4, 7)), (place.options, {})):
            function = make(*REDUCTIONS[0])
            x = own[0].detach()
            results.append(transform(lambda x: function(x, *own[1:], **where).square().sum())(x))
        close(*results, place)
    results = []
    for own, where in zip(both(place, [draw(5, 6, 3), *arguments(6, 7)[1:]]), (place.options, {})):
        function = make(*REDUCTIONS[1])
        results.append(torch.func.vmap(lambda x: function(x, *own[1:], **where))(own[0]))
    close(*results, place)


def test_compiled_graphs(place):
    import torch
    if place.double:
        raise Skip("this PyTorch compiles no code for GPUs")
    own, plain = both(place, arguments())
    function = make(*REDUCTIONS[0])
    compiled = torch.compile(lambda *args: function(*args, **place.options).sin().sum(), fullgraph=True,
                             backend="aot_eager")
    found, expected = compiled(*own), function(*plain).sin().sum()
    close(found, expected, place)
    close(torch.autograd.grad(found, own), torch.autograd.grad(expected, plain), place)


# --- Layouts ----------------------------------------------------------------------------------------------------------


def test_strides(place):
    x, y, b, p = draw(6, 40), draw(33, 9, seed=1), draw(1, 2, seed=2), arguments()[3]
    function = make(*REDUCTIONS[0])

    def strided(x, y, b, p, **options):
        return function(x.T[::2, :3], y[:, 1:9:3], b.expand(33, 2), p, **options)

    check(place, strided, [x, y, b, p])


def test_strided_arguments_are_not_copied(place):
    place.needs_double()
    x, y, b, p = (tensor.detach() for tensor in both(place, [draw(3, 400), draw(300, 9, seed=1), draw(1, 2, seed=2),
                                                             arguments()[3]])[0])
    function = make(*REDUCTIONS[0])
    views = x.T, y[:, ::3], b.expand(300, 2), p
    asked, taken = ("cuMemAlloc_v2", "cuMemAllocFromPoolAsync", "cuMemcpyHtoDAsync_v2"), []
    for given in (tuple(tensor.contiguous() for tensor in views), views):
        function(*given)
        before = [place.double.calls(name) for name in asked]
        function(*given)
        taken.append([place.double.calls(name) - count for name, count in zip(asked, before)])
    # What is asked of the driver is the same: memory for the result, and what the kernel works in.
    assert taken[0] == taken[1] and taken[0][0] == 1, taken


def test_batches(place):
    tensors = [draw(2, 1, 9, 3), draw(4, 7, 3, seed=1), draw(7, 2, seed=2), draw(2, 1, 1, seed=3).abs()]
    for case in REDUCTIONS[:2]:
        check(place, make(*case), tensors)


def test_ranges(place):
    import torch
    rows, slices = torch.tensor([[0, 10], [10, 20]]), torch.tensor([1, 3])
    columns, other = torch.tensor([[5, 30], [0, 3], [10, 33]]), torch.tensor([[0, 20]])
    ranges = (rows, slices, columns, torch.tensor([[0, 33]]), torch.tensor([1]), other)
    check(place, make(*REDUCTIONS[0]), arguments(), ranges=ranges)
    if place.is_device:
        own, plain = both(place, arguments())
        close(make(*REDUCTIONS[1])(*own, ranges=tuple(part.to(place.device) for part in ranges)),
              make(*REDUCTIONS[1])(*plain, ranges=ranges), place)


def test_results_in_given_tensors(place):
    place.needs_device()
    import torch
    own, plain = both(place, arguments())
    own = [tensor.detach() for tensor in own]
    wide = torch.zeros(20, 4, dtype=torch.float64).to(place.device)
    out = wide[:, ::2]
    assert make(*REDUCTIONS[0])(*own, out=out) is out
    close(out, make(*REDUCTIONS[0])(*plain), place)


# --- What is built on reductions --------------------------------------------------------------------------------------


def test_linear_systems(place):
    import torch
    from keops.torch import KernelSolve
    x, b = draw(15, 3), draw(15, 2, seed=1)
    solve = KernelSolve("Exp(-SqDist(x,y))*a", ["x = Vi(3)", "y = Vj(3)", "a = Vj(2)"], "a", axis=1)
    results = []
    for own, where in zip(both(place, [x, b]), (place.options, {})):
        value = solve(own[0], own[0], own[1], alpha=0.5, eps=1e-10, **where)
        results.append([value, *torch.autograd.grad(value.square().sum(), own)])
    close(*results, place, rtol=1e-6, atol=1e-6)


def test_lazy_tensors(place):
    import torch
    from keops.torch import LazyTensor
    results = []
    for own, where in zip(both(place, arguments()), (place.options, {})):
        x, y, b, p = own
        pairs = ((LazyTensor(x[:, None]) - LazyTensor(y[None]))**2).sum(-1)
        pairs.backend = where.get("backend")
        value = (-pairs * p).exp() @ b
        nearest = pairs.argKmin(3, axis=1)
        results.append([value, nearest, pairs.sqrt().logsumexp(axis=1), *torch.autograd.grad(value.sum(), own)])
    close(*results, place)


# --- The device -------------------------------------------------------------------------------------------------------


def refused(kind, words, call):
    try:
        call()
    except kind as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"expected a refusal: {words}")


def test_what_does_not_go_together(place):
    place.needs_device()
    own, plain = both(place, arguments())
    function, device = make(*REDUCTIONS[0]), place.device
    for tensors in (own, [tensor.detach() for tensor in own]):
        refused(ValueError, f"expected a tensor on the device {device} as argument 0" if tensors[0].requires_grad else
                f"argument 1 (y = Vj(3)): expected a tensor on the device {device} as argument 0 (x = Vi(3)), got one on cpu",
                lambda: function(tensors[0], plain[1].detach(), *tensors[2:]))
        refused(TypeError, "expected dtype float16", lambda: function(*tensors[:3], tensors[3].detach().long()))
        refused(ValueError, f"backend: expected 'auto' or 'GPU' for tensors on {device}, got 'CPU'",
                lambda: function(*tensors, backend="CPU"))
        refused(ValueError, f"device_id: expected -1 or {place.number}",
                lambda: function(*tensors, backend="GPU", device_id=place.number + 1))
    refused(ValueError, f"out: expected a tensor on the device {device}",
            lambda: function(*(tensor.detach() for tensor in own), out=draw(20, 2)))
    close(function(*own, backend="GPU"), function(*plain), place)


def test_tensors_of_two_devices(place):
    place.needs_device()
    import torch
    if not place.double and torch.cuda.device_count() < 2:
        raise Skip("there is one GPU")
    own = [tensor.detach() for tensor in both(place, arguments())[0]]
    other = f"cuda:{1 - place.number}"
    refused(ValueError, f"as argument 0 (x = Vi(3)), got one on {other}",
            lambda: make(*REDUCTIONS[0])(own[0], own[1].cpu().to(other), *own[2:]))
    moved = [tensor.cpu().to(other) for tensor in own]
    found = make(*REDUCTIONS[0])(*moved)
    assert str(found.device) == other
    torch.testing.assert_close(found.cpu(), make(*REDUCTIONS[0])(*own).cpu())


def test_tensors_of_the_host_on_a_gpu(place):
    place.needs_device()
    import torch
    _, plain = both(place, arguments())
    function = make(*REDUCTIONS[0])
    found, expected = function(*plain, backend="GPU", device_id=place.number), function(*plain)
    assert found.device.type == "cpu"
    for one, other in zip([found, *torch.autograd.grad(found.sum(), plain)],
                          [expected, *torch.autograd.grad(expected.sum(), plain)]):
        torch.testing.assert_close(one, other)


def test_work_is_queued_on_the_current_stream(place):
    place.needs_double()
    own, _ = both(place, arguments())
    function, double = make(*REDUCTIONS[0]), place.double
    value = function(*own)
    value.sum().backward()
    waits = [double.calls(name) for name in ("cuStreamSynchronize", "cuCtxSynchronize")]
    stream = double.make_stream()
    with double.on(stream):
        value = function(*own)
        assert double.last_stream() == stream
    assert not double.last_stream() == 0
    value.sum().backward()
    assert [double.calls(name) for name in ("cuStreamSynchronize", "cuCtxSynchronize")] == waits


def test_value_and_gradient_are_one_launch(place):
    place.needs_double()
    from keops.torch import Genred
    for op in ("Sum", "LogSumExp"):
        function = Genred("(x|y)", ["x = Vi(3)", "y = Vj(3)"], reduction_op=op, axis=1)
        x, y = both(place, arguments()[:2])[0]
        y = y.detach()
        def launches(call):
            call()
            before = place.double.launches()
            call()
            return place.double.launches() - before

        assert launches(lambda: function(x, y).sum().backward()) == launches(lambda: function(x.detach(), y)), op


def test_many_calls_take_constant_memory(place):
    place.needs_device()
    import torch
    own, _ = both(place, arguments(5, 6))
    function, count = make(*REDUCTIONS[0]), 300 if place.double else 10000

    def run(times):
        for _ in range(times):
            for tensor in own:
                tensor.grad = None
            function(*own).square().sum().backward()
        if place.double:
            return place.double.live_bytes()
        torch.cuda.synchronize(place.device)
        return torch.cuda.mem_get_info(place.device)[0]

    before = run(50)
    assert run(count) == before
