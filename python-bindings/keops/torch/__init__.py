# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions over pairs of rows of PyTorch tensors, differentiable to any order.

Formulas, aliases, shapes and reductions are those of ``keops.numpy``; tensors have the dtype float16, bfloat16, float32
or float64, or are complex. What the compiler or the engine refuses is ``keops.Error``, a ``ValueError``.

Tensors of a GPU are computed with there, on PyTorch's current stream.

A reduction is one operator of PyTorch, ``keops::reduce``: ``torch.autograd``, ``torch.func`` (``grad``, ``vjp``,
``jvp``, ``jacrev``, ``jacfwd``, ``hessian``, ``vmap``) and ``torch.compile`` know it, one inside the other. PyTorch 2.4 or
newer is needed. LazyTensors of real tensors may be made in functions that ``torch.compile`` reads; ``Genred``,
``KernelSolve`` and LazyTensors of complex tensors are made before, and called there. What it refuses of every operator:
within functions that it compiles, ``torch.autograd.functional``, and ``torch.autograd.grad`` unless
``torch._dynamo.config.trace_autograd_ops`` is set (``torch.func`` does the same there); and second derivatives of functions
that are compiled already.
"""

from keops.torch import cluster
from keops.torch.genred import Genred, generic_argkmin, generic_argmin, generic_logsumexp, generic_sum
from keops.torch.kernels import Kernel, kernel_product
from keops.torch.lazytensor import ComplexLazyTensor, LazyTensor, Pm, Var, Vi, Vj
from keops.torch.solve import KernelSolve

__all__ = ["ComplexLazyTensor", "Genred", "Kernel", "KernelSolve", "LazyTensor", "Pm", "Var", "Vi", "Vj", "cluster",
           "generic_argkmin", "generic_argmin", "generic_logsumexp", "generic_sum", "kernel_product"]
