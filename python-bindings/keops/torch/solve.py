# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear systems with the matrix of a formula, for PyTorch tensors, differentiable to any order."""

from typing import Any, Iterable, List, Optional, Sequence

import torch
from torch import Tensor

from keops import _options, _progress
from keops._solver import SolverBase, conjugate_gradient
from keops.torch import _calls, _operators, _reduce
from keops.torch.genred import Genred, check_ranges, check_tensors

__all__ = ["KernelSolve"]


def _solve(key: str, position: int, alpha: float, eps: float, ranges: Sequence[Tensor],
           tensors: Sequence[Tensor]) -> Tensor:
    """The solution a of (alpha Id + K) a = b, where ``tensors`` has b in the place of a. It has all batches of b."""
    arguments, call = list(tensors), _calls.find(key)

    def apply(a: Tensor) -> Tensor:
        arguments[position] = a
        image, = _reduce._compute(call, ranges, arguments)
        return image.add_(a, alpha=alpha) if alpha else image

    b = tensors[position]
    a = conjugate_gradient(apply, b, eps, b.ndim - 2).contiguous()
    # With alpha = 1 and K = 0 the solution may be b itself, which a function must not return.
    return a.clone() if a is b else a


def _fake(key, position, alpha, eps, ranges, tensors):
    b = _spread(_calls.find(key), position, tensors)[position]
    return torch.empty_like(b, memory_format=torch.contiguous_format)


def _solve_here(key, position, alpha, eps, ranges, tensors):
    """The solution, with derivatives, of tensors of any kind."""
    call = _calls.find(key)
    # The solution has the batches of all arguments.
    return _operators.map_batches(
        call, tensors, lambda moved: (Solve.apply(key, position, alpha, eps, ranges, *_spread(call, position, moved)), ))[0]


class Solve(torch.autograd.Function):
    """``solve`` with its derivatives: ``Solve.apply(key, position, alpha, eps, ranges, *tensors)``."""

    @staticmethod
    def forward(key, position, alpha, eps, ranges, *tensors):
        if _reduce.is_plain(tensors) and _reduce._has_memory(tensors):
            return _solve(key, position, alpha, eps, ranges, tensors)
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.keops.solve(key, position, alpha, eps, list(ranges), list(tensors))

    @staticmethod
    def setup_context(ctx, inputs, output):
        *settings, ranges = inputs[:5]
        ctx.settings, ctx.ranges, ctx.what = tuple(settings), ranges, _progress.shown()
        ctx.save_for_backward(*inputs[5:], output)
        ctx.save_for_forward(*inputs[5:], output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, cotangent):
        *tensors, a = ctx.saved_tensors
        if cotangent is None:
            return (None, ) * (5 + len(tensors))
        wanted = [number for number, needed in enumerate(ctx.needs_input_grad[5:]) if needed]
        key, position, _, _ = ctx.settings
        # With K symmetric, the gradient of b is the solution v for the cotangent, and those of others are those of K a
        # at a for the cotangent -v.
        arguments = list(tensors)
        arguments[position] = cotangent
        v = Solve._of_derivative(ctx, "adjoint", arguments)
        arguments[position] = a
        found = _reduce._gradients(key, ctx.ranges, arguments, [-v],
                                   [number for number in wanted if number != position], ctx.what)
        found[position] = v
        return (None, None, None, None, None, *(found.get(number) for number in range(len(tensors))))

    @staticmethod
    def jvp(ctx, *tangents):
        # (alpha Id + K) a' = b' - K' a.
        key, position, _, _ = ctx.settings
        directions = {number: tangent for number, tangent in enumerate(tangents[5:]) if tangent is not None}
        right = directions.pop(position, None)
        with _operators.tangents_of(ctx.saved_tensors) as (*arguments, a):
            arguments[position] = a
            if directions:
                image, = _reduce._tangents(key, ctx.ranges, arguments, directions, ctx.what)
                right = -image if right is None else right - image
            arguments[position] = right
            return Solve._of_derivative(ctx, "tangent", arguments)

    @staticmethod
    def _of_derivative(ctx, kind, arguments):
        """The system that a derivative solves, with a bar if the solution had one."""
        def solve():
            return _solve_here(*ctx.settings, ctx.ranges, arguments)

        return solve() if ctx.what is None else _progress.with_bar(f"{ctx.what}, {kind}", solve, of_system=True)

    @staticmethod
    def vmap(info, in_dims, key, position, alpha, eps, ranges, *tensors):
        if ranges and in_dims[4] is not None:
            _reduce._check_ranges_dims(in_dims[4])
        moved = _operators.with_batch(_calls.find(key), in_dims[5:], tensors)
        return _solve_here(key, position, alpha, eps, ranges, moved), 0


_operators.register("solve(str call, int position, float alpha, float eps, Tensor[] ranges, Tensor[] arguments) -> Tensor",
                    _solve, _fake,
                    lambda key, position, alpha, eps, ranges, tensors: _solve_here(key, position, alpha, eps,
                                                                                   tuple(ranges), tensors))


def _spread(call: _calls.Call, position: int, tensors: Sequence[Tensor]) -> List[Tensor]:
    """The tensors, and among them b with the batches that the solution has: those of all."""
    arguments, _ = call.signature(_operators.dtype_name(tensors[0]))
    batch = torch.broadcast_shapes(*(tensor.shape[:tensor.ndim - _operators.core_axes(place)]
                                     for (place, _), tensor in zip(arguments, tensors)))
    spread = list(tensors)
    spread[position] = spread[position].expand(*batch, *spread[position].shape[-2:])
    return spread


class KernelSolve(SolverBase):
    """Solves (alpha Id + K) a = b, where (K a)_i = sum_j F(x_i, y_j, a_j) is linear in a, symmetric and positive definite,
    by conjugate gradients.

    The solution is differentiable, to any order and in both modes, with respect to all tensors: each derivative is the
    solution of one more system with the same matrix.

    :param formula: F, such as ``"Exp(-SqDist(x,y)*g) * a"``.
    :param aliases: the arguments of the call, as ``Genred`` has them.
    :param varinvalias: the name of the alias of a, or ``"Var(position,dimension,category)"``. The call takes b there.
    :param axis: 0 if the sum is over i, 1 over j.
    :param dtype_acc: as those after it, for the sum; see ``Genred``.
    :raises ValueError: no argument is called ``varinvalias``; what ``Genred`` refuses.
    """

    def __init__(self, formula: str, aliases: Iterable[str], varinvalias: str, axis: int = 0, dtype_acc: str = "auto",
                 use_double_acc: bool = False, sum_scheme: str = "auto", enable_chunks: bool = True,
                 rec_multVar_highdim: Any = None, dtype: Optional[str] = None, cuda_type: Optional[str] = None,
                 use_fast_math: bool = True, precision: str = "exact"):
        _options.warn_deprecated(dtype=dtype, cuda_type=cuda_type)
        compiled = Genred(formula, aliases, "Sum", axis, dtype_acc=dtype_acc, use_double_acc=use_double_acc,
                          sum_scheme=sum_scheme, enable_chunks=enable_chunks, rec_multVar_highdim=rec_multVar_highdim,
                          use_fast_math=use_fast_math, precision=precision)
        self._set_sum(formula, varinvalias, compiled)

    def __call__(self, *args: Any, backend: str = "auto", device_id: int = -1, alpha: float = 1e-10, eps: float = 1e-6,
                 ranges: Any = None, progress: bool = False) -> Tensor:
        """The solution a, a tensor of the shape of b.

        :param args: a tensor for each alias, as ``Genred``'s call takes them, and b in the place of a.
        :param alpha: the number on the diagonal, at least 0.
        :param eps: iterations end when the residual b - (alpha Id + K) a has a root mean square below it, for each
            batch. If that takes too many, or K turns out not to be positive definite, a warning says so and the result
            is what there is. Derivatives are found to the same eps.
        :param backend: as ``device_id`` and ``ranges``, of ``Genred``'s call.
        :param progress: True shows a bar of the package tqdm: how far the residual is on its way to eps, its size, and the
            number of iterations; so do derivatives of this solution.
        :raises ValueError: K is not square; what ``Genred`` refuses.
        :raises TypeError: alpha or eps is no number.
        """
        if progress and not torch.compiler.is_compiling():
            return _progress.with_bar("Solve", lambda: self(*args, backend=backend, device_id=device_id, alpha=alpha, eps=eps,
                                                            ranges=ranges), of_system=True)
        _options.check_solver_numbers(alpha=alpha, eps=eps)
        if len(args) != len(self.aliases):
            # In the words of the sum.
            self._sum(*args)
        check_tensors(args)
        settings = self._sum._key_on(backend, device_id, args), self.position, float(alpha), float(eps)
        six = () if ranges is None else check_ranges(ranges)
        if torch.compiler.is_compiling():
            return torch.ops.keops.solve(*settings, list(six), list(args))
        arguments, _ = _calls.find(settings[0]).signature(_operators.dtype_name(args[0]))
        place, dim = arguments[self.position]
        kept = 1 - self.axis
        rows = next((tensor.shape[-2] for (own, _), tensor in zip(arguments, args) if own == kept and tensor.ndim > 1), 1)
        b = args[self.position]
        if place == 2 or b.ndim < 2 or b.shape[-2] != rows:
            raise ValueError(f"argument {self.position} ({self.varinvalias}): expected a tensor of shape ({rows}, {dim}), "
                             f"as the sum has, for a matrix that is square, got shape {tuple(b.shape)}")
        return _solve_here(*settings, six, args)
