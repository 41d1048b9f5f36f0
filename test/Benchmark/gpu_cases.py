# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The computations that gpu.py times, and how each peer does them. All arrays are PyTorch tensors of float32."""

import math
from dataclasses import dataclass
from typing import Callable, List, Optional


class Missing(Exception):
    """A peer that is not here, or has no way to do this."""


@dataclass(frozen=True)
class Case:
    name: str
    formula: str
    aliases: List[str]
    reduction: str
    dim: int
    target: float  # times PyKeOps' speed that is expected of Keops
    sizes: Callable[[int], bool] = lambda n: True  # which numbers of points
    values: int = 1  # components of b
    k: Optional[int] = None
    gradient: bool = False  # value and gradient in x

    def arrays(self, torch, device, n):
        generator = torch.Generator(device=device).manual_seed(n)
        def draw(*shape):
            return torch.rand(*shape, generator=generator, device=device)
        # Distances of about one, so that exponentials are neither all 0 nor all 1.
        scale = 1 / math.sqrt(self.dim)
        arrays = [scale * draw(n, self.dim), scale * draw(n, self.dim)]
        if "b" in "".join(self.aliases):
            arrays.append(draw(n, self.values))
        if self.gradient:
            arrays.append(draw(n, self.values))
        return arrays

    def operations(self, n):
        """A rough count, to leave out what would take minutes."""
        return float(n) * n * (3 * self.dim + 2 * self.values + 8)


def gaussian(dim, values=1):
    return ("Exp(-SqDist(x,y))*b", [f"x = Vi({dim})", f"y = Vj({dim})", f"b = Vj({values})"])


CASES = [
    Case("Gaussian, D=3", *gaussian(3), "Sum", 3, 1.25, lambda n: n != 10**4),
    Case("Gaussian, D=3, few points", *gaussian(3), "Sum", 3, 2.5, lambda n: n == 10**4),
    Case("Gaussian and gradient in x, D=3", *gaussian(3), "Sum", 3, 2.4, gradient=True),
    Case("LogSumExp, D=3", "-SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], "LogSumExp", 3, 1.8),
    Case("Gaussian, D=100", *gaussian(100), "Sum", 100, 1.75),
    Case("Gaussian, D=3, 64 values", *gaussian(3, 64), "Sum", 3, 3.0, values=64),
    Case("nearest 10, D=10", "SqDist(x,y)", ["x = Vi(10)", "y = Vj(10)"], "ArgKMin", 10, 1.0, k=10),
]


# Each peer's function gives a call without arguments that computes the case, and returns its first result.


def keops(case, arrays, torch):
    from keops.numpy import Genred

    on_device = arrays[0].device.type == "cuda"
    if not on_device:
        arrays = [array.numpy() for array in arrays]
    function = Genred(case.formula, case.aliases, reduction_op=case.reduction, axis=1, opt_arg=case.k)
    if not case.gradient:
        return lambda: function(*arrays)
    # One kernel for both: the reduction itself, and its derivative in argument 0 along the last argument.
    places = [(0, case.dim), (1, case.dim), (1, case.values), (0, case.values)]
    both = function._compiled.derived(places, [[], [(False, 0, 3)]])
    return lambda: both.call(tuple(arrays), None, None)[0]


def pykeops(case, arrays, torch):
    try:
        from pykeops.torch import Genred
    except ImportError:
        raise Missing("not installed") from None
    options = {"backend": "GPU" if arrays[0].device.type == "cuda" else "CPU"}
    function = Genred(case.formula, case.aliases, reduction_op=case.reduction, axis=1, opt_arg=case.k)
    if not case.gradient:
        return lambda: function(*arrays, **options)
    x, y, b, e = arrays
    x = x.clone().requires_grad_()

    def call():
        value = function(x, y, b, **options)
        torch.autograd.grad(value, x, e)
        return value.detach()

    return call


def dense(case, arrays, torch):
    """PyTorch with the matrix of all pairs, where it fits."""
    x, y = arrays[:2]
    if len(x) > 40000:
        raise Missing("too large")

    def compute(x):
        distances = torch.cdist(x, y) ** 2
        if case.reduction == "LogSumExp":
            return torch.logsumexp(-distances, 1, keepdim=True)
        if case.reduction == "ArgKMin":
            return torch.topk(distances, case.k, dim=1, largest=False).indices
        return torch.exp(-distances) @ arrays[2]

    if not case.gradient:
        return lambda: compute(x)
    leaf = x.clone().requires_grad_()

    def call():
        value = compute(leaf)
        torch.autograd.grad(value, leaf, arrays[3])
        return value.detach()

    return call


PEERS = {"Keops": keops, "PyKeOps": pykeops, "PyTorch": dense}


def largest_error(case, arrays, found, torch):
    """On 32 rows, beside float64: relative to the largest value, and of neighbours their distances."""
    found = torch.as_tensor(found)
    rows = torch.linspace(0, len(found) - 1, 32).long()
    x, y = (array.double() for array in arrays[:2])
    worst = 0.0
    for row in rows.tolist():
        distances = ((x[row] - y) ** 2).sum(-1)
        if case.reduction == "ArgKMin":
            expected = distances.topk(case.k, largest=False).values
            value = distances[found[row].to(distances.device)]
        elif case.reduction == "LogSumExp":
            expected, value = torch.logsumexp(-distances, 0), found[row].double()
        else:
            expected, value = torch.exp(-distances) @ arrays[2].double(), found[row].double()
        error = (value.to(expected.device) - expected).abs().max() / expected.abs().max().clamp_min(1e-30)
        worst = max(worst, error.item())
    return worst
