# ===- overhead.py - What a call costs before it computes -----------------===#
#
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===----------------------------------------------------------------------===#
"""Microseconds of calls from Python on arrays so small that nothing else counts, for each package in a process of its
own. The best of many short turns counts, so that other work on the machine shows little."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import timeit

import numpy as np

NAMES = {
    "call": "a call of a Genred that exists, Gaussian",
    "product": "K @ b of a LazyTensor that exists",
    "expression": "exp(-((x - y)**2).sum(-1)) @ b from LazyTensors x and y",
    "from arrays": "the same from arrays",
    "tensors": "a call of a Genred of tensors, without gradients",
    "gradient": "the same, and the gradient in x by autograd",
}


def calls_of_tensors(package, *arrays):
    import torch
    front = __import__(f"{package}.torch", fromlist=["Genred"])
    x, y, b = map(torch.from_numpy, arrays)
    reduction = front.Genred("Exp(-SqDist(x,y)) * b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], axis=1)
    leaf, ones = x.clone().requires_grad_(), torch.ones(len(x), 1)

    def with_gradient():
        value = reduction(leaf, y, b)
        torch.autograd.grad(value, leaf, ones)
        return value.detach()

    return {"tensors": lambda: reduction(x, y, b), "gradient": with_gradient}


def measure(package, size, turns):
    """The best time of each, in seconds."""
    front = __import__(f"{package}.numpy", fromlist=["Genred", "LazyTensor"])
    x, y, b = (np.random.default_rng(0).random((size, dim), dtype=np.float32) for dim in (3, 3, 1))
    reduction = front.Genred("Exp(-SqDist(x,y)) * b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], axis=1)
    x_i, y_j = front.LazyTensor(x[:, None, :]), front.LazyTensor(y[None, :, :])
    kernel = (-((x_i - y_j) ** 2).sum(-1)).exp()

    def from_arrays():
        x_i, y_j = front.LazyTensor(x[:, None, :]), front.LazyTensor(y[None, :, :])
        return (-((x_i - y_j) ** 2).sum(-1)).exp() @ b

    calls = {
        "call": lambda: reduction(x, y, b),
        "product": lambda: kernel @ b,
        "expression": lambda: (-((x_i - y_j) ** 2).sum(-1)).exp() @ b,
        "from arrays": from_arrays,
    }
    if importlib.util.find_spec("torch"):
        calls.update(calls_of_tensors(package, x, y, b))
    dense = np.exp(-((x[:, None] - y) ** 2).sum(-1)) @ b
    for name, call in calls.items():
        if not np.allclose(call(), dense, rtol=1e-5):
            sys.exit(f"{package}: wrong result of {name}")
    return {name: min(timeit.repeat(call, number=20, repeat=turns)) / 20 for name, call in calls.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", nargs="+", default=["keops", "pykeops"], metavar="NAME",
                        help="those that are installed are timed (default: keops pykeops)")
    parser.add_argument("--size", type=int, default=10, help="rows and columns (default: 10)")
    parser.add_argument("--turns", type=int, default=500, help="turns of 20 calls (default: 500)")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.size, arguments.turns)))
        return
    for package in arguments.packages:
        command = [sys.executable, __file__, "--one", package, "--size", str(arguments.size), "--turns",
                   str(arguments.turns)]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(command, capture_output=True, text=True,
                                  env={**os.environ, "KEOPS_CACHE_FOLDER": folder, "OMP_NUM_THREADS": "1"})
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            print(f"{package}: {lines[-1] if lines else f'ended with status {done.returncode}'}")
            continue
        times = json.loads(done.stdout.strip().splitlines()[-1])
        for name, seconds in times.items():
            print(f"{package:8} {1e6 * seconds:8.1f} us  {NAMES[name]}")


if __name__ == "__main__":
    main()
