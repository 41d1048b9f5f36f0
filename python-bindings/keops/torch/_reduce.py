# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions as PyTorch sees them: one operator, ``keops::reduce``, which is its own derivative.

The derivative of a call (``keops.torch._calls``) is another call, so that one function with rules for both modes and for
batches, ``Reduce``, serves all orders.

Plain tensors go to the compiled half at once. Everything else (autograd, ``torch.func``, ``torch.compile``, tensors
without data) meets the operator, or the function that adds derivatives to it.
"""

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from keops import _progress
from keops.torch import _operators
from keops.torch._calls import Call, Place, find

# --- Computing --------------------------------------------------------------------------------------------------------


_PLAIN = (Tensor, torch.nn.Parameter)


def is_watched() -> bool:
    """Whether something sees all operators: a transformation of ``torch.func``, or a mode."""
    return torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack() > 0


def is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether these are numbers in memory that nobody watches. What is no tensor is refused where it is read."""
    if is_watched():
        return False
    for tensor in tensors:
        if type(tensor) not in _PLAIN:
            return not isinstance(tensor, Tensor)
    return True


def choose(axis: int, ranges: Sequence[Tensor]) -> Optional[Tuple[Tensor, ...]]:
    """The three of the six tensors that a reduction over ``axis`` reads."""
    if not ranges:
        return None
    return tuple(ranges[:3]) if axis == 1 else tuple(ranges[3:])


def _compute(call: Call, ranges: Sequence[Tensor], tensors: Sequence[Tensor]) -> Tuple[Tensor, ...]:
    found = call.run(tuple(tensors), None, choose(call.compiled.axis, ranges))
    return found if isinstance(found, tuple) else (found, )


def _has_memory(tensors: Sequence[Tensor]) -> bool:
    # Directions of derivatives may be zeros without memory, or stand for many at once.
    return all(not _operators.is_batched(tensor) and (tensor.data_ptr() or tensor.numel() == 0) for tensor in tensors)


def _forward(key: str, ranges: Tuple[Tensor, ...], tensors: Sequence[Tensor]) -> Tuple[Tensor, ...]:
    """The results of a call without their derivatives."""
    if is_plain(tensors) and _has_memory(tensors):
        return _compute(find(key), ranges, tensors)
    with torch._C._AutoDispatchBelowAutograd():
        return tuple(torch.ops.keops.reduce(key, list(tensors), list(ranges)))


def _fake(key, tensors, ranges):
    call = find(key)
    if not tensors:
        raise ValueError("expected at least one argument, whose dtype is that of the computation; got none")
    for tensor in tensors:
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise TypeError(f"expected dtype float16, bfloat16, float32 or float64, got {_operators.dtype_name(tensor)}")
    arguments, results = call.signature(_operators.dtype_name(tensors[0]))
    if len(arguments) != len(tensors):
        raise ValueError(f"expected {len(arguments)} tensors, got {len(tensors)}")
    rows: List[Any] = [1, 1]
    batches = []
    for number, ((place, dim), tensor) in reversed(list(enumerate(zip(arguments, tensors)))):
        axes = _operators.core_axes(place)
        if tensor.dtype != tensors[0].dtype:
            raise TypeError(f"argument {number}: expected dtype {_operators.dtype_name(tensors[0])} as in argument 0, got "
                            f"{_operators.dtype_name(tensor)}")
        if tensor.ndim < axes or tensor.shape[-1] != dim:
            raise ValueError(f"argument {number}: expected {dim} components along the last of at least {axes} axes, got "
                             f"shape {tuple(tensor.shape)}")
        if place != 2:
            rows[place] = tensor.shape[-2]
        batches.append(tensor.shape[:tensor.ndim - axes])
    for number, ((place, dim), tensor) in enumerate(zip(arguments, tensors)):
        if place != 2 and tensor.shape[-2] != rows[place]:
            raise ValueError(f"argument {number}: expected {rows[place]} rows, got {tensor.shape[-2]}")
    batch = torch.broadcast_shapes(*batches)
    return [tensors[0].new_empty((*batch, *([] if place == 2 else [rows[place]]), *shape),
                                 dtype=torch.int64 if is_index else None) for place, shape, is_index in results]


# --- Derivatives ------------------------------------------------------------------------------------------------------


def _rows(arguments: Sequence[Place], tensors: Sequence[Tensor], place: int) -> int:
    """The number of rows of an index, 1 if no tensor has it."""
    return next((tensor.shape[-2] for (own, _), tensor in zip(arguments, tensors) if own == place), 1)


def _gradients(key: str, ranges, tensors: Sequence[Tensor], cotangents: Sequence[Optional[Tensor]],
               wanted: Sequence[int], what: Optional[str] = None) -> Dict[int, Tensor]:
    """The gradients in the arguments ``wanted`` of what the results of a call are used for. ``what`` stood before the bar of
    the call, if it had one."""
    call = find(key)
    dtype = _operators.dtype_name(tensors[0])
    arguments, described = call.signature(dtype)
    given = tuple(number for number, cotangent in enumerate(cotangents)
                  if cotangent is not None and not described[number][2])
    if not given or not wanted:
        return {}
    chains = call.chains
    directions = []
    for number in given:
        place, shape, _ = described[number]
        cotangent = cotangents[number]
        if len(shape) > 1:
            cotangent = cotangent.reshape(*cotangent.shape[:-len(shape)], math.prod(shape))
        # What is constant along the index that it belongs to has no axis for it: of equal rows, the first one counts.
        own = call.place(chains[number if len(chains) > 1 else 0], arguments)
        if place == 2 and own != 2:
            cotangent = torch.nn.functional.pad(cotangent.unsqueeze(-2), (0, 0, 0, _rows(arguments, tensors, own) - 1))
        directions.append(cotangent)
    sums: Dict[int, Tensor] = {}
    for derived, positions in call.gradients(dtype, given, tuple(wanted)):
        parts = _progress.of_derivative(what, "gradient", positions,
                                        lambda: _reduce_here(derived.key, ranges, (*tensors, *directions)))
        for position, part in zip(positions, parts):
            sums[position] = sums[position] + part if position in sums else part
    # Batches that share an argument all add to its gradient.
    return {position: total.sum_to_size(tensors[position].shape) for position, total in sums.items()}


def _tangents(key: str, ranges, tensors: Sequence[Tensor], directions: Dict[int, Tensor],
              what: Optional[str] = None):
    """The tangents of the results of a call, None for numbers of rows."""
    call = find(key)
    dtype = _operators.dtype_name(tensors[0])
    described = call.signature(dtype)[1]
    sums: List[Optional[Tensor]] = [None] * len(described)
    for derived, numbers in call.tangents(dtype, tuple(directions)):
        parts = _progress.of_derivative(what, "tangent", tuple(directions),
                                        lambda: _reduce_here(derived.key, ranges, (*tensors, *directions.values())))
        ends = derived.signature(dtype)[1]
        for number, part, (end, _, _) in zip(numbers, parts, ends):
            place, shape, _ = described[number]
            if end == 2 and place != 2:
                rows = _rows(call.signature(dtype)[0], tensors, place)
                part = part.unsqueeze(-2).expand(*part.shape[:-1], rows, part.shape[-1])
            if len(shape) > 1:
                part = part.reshape(*part.shape[:-1], *shape)
            sums[number] = part if sums[number] is None else sums[number] + part
    return tuple(sums)


def _check_ranges_dims(in_dims) -> None:
    if any(dim is not None for dim in in_dims):
        raise ValueError("ranges: expected the same ranges for all batches, got ranges with an axis that is mapped over")


class Reduce(torch.autograd.Function):
    """A call with all its derivatives: ``Reduce.apply(key, ranges, *tensors)`` is a tuple of results."""

    @staticmethod
    def forward(key, ranges, *tensors):
        return _forward(key, ranges, tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        key, ranges, *tensors = inputs
        ctx.key, ctx.ranges, ctx.what = key, ranges, _progress.shown()
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(result for result in output if not result.is_floating_point()))

    @staticmethod
    def backward(ctx, *cotangents):
        tensors = ctx.saved_tensors
        wanted = [number for number, needed in enumerate(ctx.needs_input_grad[2:]) if needed]
        found = _gradients(ctx.key, ctx.ranges, tensors, cotangents, wanted, ctx.what)
        return (None, None, *(found.get(number) for number in range(len(tensors))))

    @staticmethod
    def jvp(ctx, _key, _ranges, *tangents):
        directions = {number: tangent for number, tangent in enumerate(tangents) if tangent is not None}
        with _operators.tangents_of(ctx.saved_tensors) as tensors:
            return _tangents(ctx.key, ctx.ranges, tensors, directions, ctx.what)

    @staticmethod
    def vmap(info, in_dims, key, ranges, *tensors):
        if ranges and in_dims[1] is not None:
            _check_ranges_dims(in_dims[1])
        moved = _operators.with_batch(find(key), in_dims[2:], tensors)
        results = Reduce.apply(key, ranges, *moved)
        return results, (0, ) * len(results)


class ReduceWithGradients(torch.autograd.Function):
    """A call for plain tensors that computes gradients along with the result, in one pass over the pairs."""

    @staticmethod
    def forward(ctx, key, fused, own, ranges, *tensors):
        ctx.key, ctx.ranges, ctx.own, ctx.what = key, ranges, own, _progress.shown()
        # A number that all rows share.
        ones = tensors[0].new_ones(1, 1)
        place = fused.extra[0][0]
        rows = _rows(fused.signature(_operators.dtype_name(ones))[0], tensors, place)
        value, *gradients = _compute(fused, ranges, (*tensors, ones.expand(rows, 1)))
        ctx.save_for_backward(*tensors, *gradients)
        return value

    @staticmethod
    def backward(ctx, cotangent):
        count = len(ctx.saved_tensors) - len(ctx.own)
        tensors, gradients = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        wanted = [number for number, needed in enumerate(ctx.needs_input_grad[4:]) if needed]
        found = {}
        # With these at hand, the others are left; unless somebody may ask for derivatives of the gradients.
        if not torch.is_grad_enabled():
            found = {number: (cotangent * gradient).sum_to_size(tensors[number].shape)
                     for number, gradient in zip(ctx.own, gradients) if number in wanted}
        others = [number for number in wanted if number not in found]
        found.update(_gradients(ctx.key, ctx.ranges, tensors, (cotangent, ), others, ctx.what))
        return (None, None, None, None, *(found.get(number) for number in range(count)))


def apply(call: Call, ranges: Tuple[Tensor, ...], tensors: Sequence[Tensor]) -> Tuple[Tensor, ...]:
    """The results of a call, with derivatives."""
    if is_plain(tensors) and forward_ad._current_level < 0 and torch.is_grad_enabled():
        wanted = tuple(number for number, tensor in enumerate(tensors) if tensor.requires_grad)
        if wanted and tensors[0].is_floating_point() and _has_memory(tensors):
            dtype = _operators.dtype_name(tensors[0])
            # What is wrong with the arguments is said where they are read.
            fused = call.with_gradients(dtype, wanted) if len(tensors) == len(call.signature(dtype)[0]) else None
            if fused is not None:
                return (ReduceWithGradients.apply(call.key, *fused, ranges, *tensors), )
    return _reduce_here(call.key, ranges, tensors)


def _reduce_here(key, ranges, tensors):
    """The results of a call, with derivatives, of tensors of any kind."""
    return _operators.map_batches(find(key), tensors, lambda moved: Reduce.apply(key, ranges, *moved))


def _reduce(key: str, arguments: List[Tensor], ranges: List[Tensor]) -> List[Tensor]:
    """The results of a call, one tensor each; ``ranges`` are the six arrays, or none."""
    return list(_compute(find(key), ranges, arguments))


_operators.register("reduce(str call, Tensor[] arguments, Tensor[] ranges) -> Tensor[]", _reduce, _fake,
                    lambda key, tensors, ranges: list(_reduce_here(key, tuple(ranges), tensors)))
