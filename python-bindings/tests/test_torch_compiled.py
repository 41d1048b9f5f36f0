# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors that are made within functions which ``torch.compile`` reads: one graph without a break, with the values and
derivatives that the functions have as they are."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

from keops.torch import LazyTensor, Pm, Vi, Vj
from test_torch_reductions import draw

M, N, D = 6, 5, 3
X, Y, WEIGHTS, SCALE = draw(0, M, D), draw(1, N, D), draw(2, N, 2), draw(3, 1).abs() + 0.5
RANGES = tuple(map(torch.tensor, ([[0, 2], [2, M]], [1, 2], [[0, 3], [3, N]], [[0, 3], [3, N]], [1, 2], [[0, 2], [2, M]])))


def distances(x, y):
    return ((LazyTensor(x[:, None, :]) - LazyTensor(y[None, :, :]))**2).sum(-1)


PROGRAMS = {
    "product": lambda x, y, b, s: (-distances(x, y)).exp() @ b,
    "transposed product": lambda x, y, b, s: (-distances(x, y)).exp().T @ x,
    "tensors beside": lambda x, y, b, s: (s * distances(x, y) - (s - distances(x, y)) * (s / (1 + distances(x, y)))).sum(1),
    "powers": lambda x, y, b, s: (distances(x, y)**s + s**(-distances(x, y)) + 2.0**(-distances(x, y) / s)).sum(0),
    "comparisons": lambda x, y, b, s: ((distances(x, y) < s) + (s < distances(x, y)) * Vi(x) + (Vi(x) | Vj(y))).sum(1),
    "variables": lambda x, y, b, s: (-Vi(x).weightedsqdist(Vj(y), Pm(s))).exp().sum(1),
    "extrema": lambda x, y, b, s: (distances(x, y).min(1), *distances(x, y).Kmin_argKmin(2, dim=1)),
    "weights": lambda x, y, b, s: distances(x, y).sumsoftmaxweight(LazyTensor(b[None]), axis=1),
    "derivatives": lambda x, y, b, s: (lambda x_i: (-x_i.sqdist(Vj(y))).exp().grad(x_i, Vj(b[:, :1])).sum(1))(Vi(x)),
    "parts": lambda x, y, b, s: (Vi(x)[0] * Vj(y)[..., 1:] + LazyTensor.cat((Vi(x)[1], Vj(y)[-1]), 2)).sum(1),
    "blocks": lambda x, y, b, s: distances(x, y).sum(1, ranges=RANGES),
    "a system": lambda x, y, b, s: (-distances(y, y) * s).exp().solve(b, alpha=0.5, eps=1e-13),
    "batches": lambda x, y, b, s: (LazyTensor(x[:, None, None, :]) - LazyTensor(y[None, None]) * s).sqnorm2().sum(2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_graph(name):
    program = PROGRAMS[name]
    torch._dynamo.reset()

    def run(f):
        leaves = [tensor.clone().requires_grad_() for tensor in (X, Y, WEIGHTS, SCALE)]
        results = f(*leaves)
        results = results if isinstance(results, tuple) else (results, )
        loss = sum(result.square().sum() for result in results if result.requires_grad)
        return *results, *torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)

    torch.testing.assert_close(run(torch.compile(program, fullgraph=True, backend="aot_eager")), run(program))


def test_other_tensors_need_no_other_graph():
    torch._dynamo.reset()
    made = []

    def count(graph, inputs):
        made.append(graph)
        return graph

    compiled = torch.compile(PROGRAMS["product"], fullgraph=True, backend=count)
    for seed in range(3):
        points = draw(seed, M, D)
        # LazyTensors elsewhere are remembered; graphs do not depend on that.
        expected = PROGRAMS["product"](points, Y, WEIGHTS, SCALE)
        torch.testing.assert_close(compiled(points, Y, WEIGHTS, SCALE), expected)
    assert len(made) == 1


def test_lazy_tensors_of_elsewhere():
    torch._dynamo.reset()
    kernel = (-distances(X, Y)).exp()
    compiled = torch.compile(lambda b: kernel @ b, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(WEIGHTS), kernel @ WEIGHTS)
