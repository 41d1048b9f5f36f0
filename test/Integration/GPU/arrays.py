# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The arrays that the GPU suite computes with in Python: layouts, batches, ranges, memory of the device, streams, graphs.

Each test is a function of a `Place`; what it computes is compared with the kernels for processors, in float64.
"""

import contextlib
import functools
import os
import signal
import sys
import time
import traceback

import numpy as np

from keops.numpy import Genred

GAUSS = ("Exp(-SqDist(x,y))*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"])


class Skip(Exception):
    """Why a test cannot run here."""


class Place:
    """Where to compute."""

    def __init__(self, target):
        self.is_device = target.startswith("cuda")
        self.number = int(target.partition(":")[2] or 0)
        self.options = {"backend": "GPU", "device_id": self.number} if self.is_device else {"backend": target}

    def torch(self):
        """PyTorch and the device's name in it."""
        try:
            import torch
        except ImportError:
            raise Skip("PyTorch is not installed") from None
        if not self.is_device or not torch.cuda.is_available():
            raise Skip("PyTorch sees no GPU")
        return torch, f"cuda:{self.number}"


def compare(function, arrays, place, tolerance=2e-5, **options):
    found = function(*arrays, **place.options, **options)
    wide = [array.astype(np.float64) for array in arrays]
    expected = function(*wide, backend="CPU", **options)
    for one, other in zip(*(value if isinstance(value, tuple) else (value,) for value in (found, expected))):
        scale = np.abs(other[np.isfinite(other)]).max(initial=1)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


def points(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# --- Arrays of the host -----------------------------------------------------------------------------------------------


def test_strided_and_reversed(place):
    x, y, b = points(40, 6)[::-1, ::2], points(3, 70, seed=1).T, np.broadcast_to(points(1, 1, seed=2), (70, 1))
    compare(Genred(*GAUSS, axis=1), (x, y, b), place)


def test_batches_that_broadcast(place):
    x, y, b = points(2, 1, 33, 3), points(4, 50, 3, seed=1), points(50, 1, seed=2)
    compare(Genred(*GAUSS, axis=1), (x, y, b), place)
    compare(Genred(*GAUSS, axis=0), (x, y, b), place)


def test_many_batches(place):
    count = 70000 if place.is_device else 70
    x, y, b = points(count, 2, 3), points(3, 3, seed=1), points(3, 1, seed=2)
    compare(Genred(*GAUSS, axis=1), (x, y, b), place)


def test_ranges(place):
    x, y, b = points(90, 3), points(80, 3, seed=1), points(80, 1, seed=2)
    rows, slices = np.array([[0, 10], [10, 64], [70, 90]]), np.array([1, 1, 4])
    columns = np.array([[5, 60], [60, 80], [0, 3], [10, 40]])
    ranges = (rows, slices, columns, columns[:3], np.array([2, 3, 4]), np.array([[0, 7], [20, 21], [40, 90], [3, 9]]))
    for reduction in ("Sum", "LogSumExp", "ArgMin"):
        compare(Genred("SqDist(x,y)", GAUSS[1], reduction_op=reduction, axis=1), (x, y, b), place, ranges=ranges)


def test_complex_numbers(place):
    x, y = points(30, 2).view(np.complex64), points(40, 2, seed=1).view(np.complex64)
    function = Genred("ComplexMult(x,y)", ["x = Vi(2)", "y = Vj(2)"], axis=1, dtype="complex64")
    found = function(x, y, **place.options)
    np.testing.assert_allclose(found, x * y.sum(), rtol=1e-4, atol=1e-4)


def test_half_precision(place):
    x, y, b = points(50, 3, dtype=np.float16), points(60, 3, seed=1, dtype=np.float16), points(60, 1, dtype=np.float16)
    compare(Genred(*GAUSS, axis=1), (x, y, b), place, tolerance=2e-3)


def test_programs_of_several_passes(place):
    x, y, e = points(40, 3), points(50, 3, seed=1), points(40, 1, seed=2)
    for text in ("Grad(LogSumExp_Reduction(-SqDist(x,y),0),y,e)", "Grad(Min_Reduction(SqDist(x,y),0),y,e)"):
        compare(Genred(text, ["x = Vi(3)", "y = Vj(3)", "e = Vi(1)"]), (x, y, e), place)


def test_nothing_to_reduce(place):
    function = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)
    assert (function(points(5, 3), points(0, 3), **place.options) == 0).all()
    assert function(points(0, 3), points(5, 3), **place.options).shape == (0, 1)


# --- Arrays of the device ---------------------------------------------------------------------------------------------


def tensors(torch, device):
    x, y, b = points(1000, 3), points(900, 3, seed=1), points(900, 1, seed=2)
    return (x, y, b), [torch.from_numpy(array).to(device) for array in (x, y, b)]


def test_tensors_of_the_device(place):
    torch, device = place.torch()
    arrays, moved = tensors(torch, device)
    found = Genred(*GAUSS, axis=1)(*moved)
    assert found.device == moved[0].device
    expected = Genred(*GAUSS, axis=1)(*(array.astype(np.float64) for array in arrays))
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=2e-5, atol=1e-4)


def test_streams(place):
    torch, device = place.torch()
    arrays, moved = tensors(torch, device)
    function = Genred(*GAUSS, axis=1)
    expected = function(*moved).clone()
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        doubled = function(moved[0], moved[1], 2 * moved[2])
    stream.synchronize()
    torch.testing.assert_close(doubled, 2 * expected)


def test_graphs(place):
    torch, device = place.torch()
    _, moved = tensors(torch, device)
    function = Genred(*GAUSS, axis=1)
    out = torch.empty(1000, 1, device=device)
    function(*moved, out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*moved, out=out)
    moved[2].mul_(3)
    graph.replay()
    torch.testing.assert_close(out, function(*moved))


def test_graphs_of_programs(place):
    torch, device = place.torch()
    _, (x, y, b) = tensors(torch, device)
    for text in ("Grad(LogSumExp_Reduction(-SqDist(x,y),0),x,b)", "Grad(Min_Reduction(SqDist(x,y),0),x,b)"):
        function = Genred(text, ["x = Vj(3)", "y = Vi(3)", "b = Vi(1)"])
        out = torch.empty(1000, 3, device=device)
        function(x, y, b, out=out)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function(x, y, b, out=out)
        b.mul_(3)
        graph.replay()
        torch.testing.assert_close(out, function(x, y, b))


def test_ten_thousand_calls_take_constant_memory(place):
    torch, device = place.torch()
    _, moved = tensors(torch, device)
    function = Genred(*GAUSS, axis=1)
    out = torch.empty(1000, 1, device=device)
    for _ in range(100):
        function(*moved, out=out)
    torch.cuda.synchronize(device)
    before = torch.cuda.mem_get_info(device)[0]
    for _ in range(10000):
        function(*moved, out=out)
    torch.cuda.synchronize(device)
    assert torch.cuda.mem_get_info(device)[0] == before


def test_out_of_memory_spoils_nothing(place):
    torch, device = place.torch()
    _, moved = tensors(torch, device)
    function = Genred(*GAUSS, axis=1)
    expected = function(*moved)
    # All but little of the memory is taken: arrays of the host then go through in pieces.
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.empty(max(free - (256 << 20), 0), dtype=torch.uint8, device=device)
    x = points(20_000_000, 3)
    y, b = (tensor.cpu().numpy() for tensor in moved[1:])
    found = function(x, y, b, **place.options)
    # Programs pass by pass: the sum over 20 million rows of the derivatives of as many minima.
    program = Genred("Grad(Min_Reduction(SqDist(x,y),0),y,b)", ["x = Vi(3)", "y = Vj(3)", "b = Vi(1)"])
    ones = np.ones((len(x), 1), np.float32)
    compare(program, (x, y[:10], ones), place)
    del held
    torch.cuda.empty_cache()
    rows = np.arange(0, len(x), len(x) // 50)
    np.testing.assert_allclose(found[rows], function(x[rows], y, b, backend="CPU"), rtol=2e-5, atol=1e-4)
    torch.testing.assert_close(function(*moved), expected)


def test_arrays_of_different_devices(place):
    torch, device = place.torch()
    _, moved = tensors(torch, device)
    if torch.cuda.device_count() < 2:
        raise Skip("there is one GPU")
    other = f"cuda:{1 - place.number}"
    try:
        Genred(*GAUSS, axis=1)(moved[0], moved[1].to(other), moved[2])
    except ValueError as error:
        assert "expected memory of device" in str(error)
    else:
        raise AssertionError("arrays of two devices were taken")


# --- Running tests ----------------------------------------------------------------------------------------------------

PASSED, FAILED, SKIPPED = range(3)


def outcome(name, test, make_place):
    """PASSED, FAILED or SKIPPED, and why, printed."""
    try:
        test(make_place())
        return PASSED
    except Skip as reason:
        print(f"skipped: {name}: {reason}", flush=True)
        return SKIPPED
    except Exception:  # one that fails is a result
        print(f"FAIL: {name}\n{traceback.format_exc()}", flush=True)
        return FAILED


def outcome_alone(name, attempt, limit):
    """The outcome in a process of its own, which must not have used a GPU before: a kernel that writes where it must not,
    or never ends, spoils one test and no other."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os._exit(attempt())
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if PASSED <= code <= SKIPPED:
                return code
            print(f"FAIL: {name}\n  ended by signal {-code}" if code < 0 else f"FAIL: {name}\n  status {code}", flush=True)
            return FAILED
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    print(f"FAIL: {name}\n  no answer within {limit:g} s", flush=True)
    return FAILED


def run(module, target, part="", limit=None):
    """Numbers of tests that passed, failed and were skipped, of the functions of a module; each in a process of its own if
    there is a limit on its seconds."""
    counts = [0, 0, 0]
    if limit is None:
        place = module.Place(target)
    else:
        with contextlib.suppress(ImportError):
            import torch  # noqa: F401, once and not for each test; it asks for no GPU yet
    for name, test in sorted(vars(module).items()):
        if not name.startswith("test_") or part not in name:
            continue
        if limit is None:
            counts[outcome(name, test, lambda: place)] += 1
        else:
            attempt = functools.partial(outcome, name, test, functools.partial(module.Place, target))
            counts[outcome_alone(name, attempt, limit)] += 1
    return counts
