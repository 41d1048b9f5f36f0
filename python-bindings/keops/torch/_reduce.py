# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions as PyTorch sees them: one operator, ``keops::reduce``, which is its own derivative.

A derivative of a reduction is a reduction again, with one more argument for its direction. The engine writes it out and
compiles it, so that nothing here knows what a formula means: a call is named by a text that says which reduction it is,
which derivatives of it, and which arguments were added, and the derivative of a call is another call.

Plain tensors go to the compiled half at once. Everything else (autograd, ``torch.func``, ``torch.compile``, tensors
without data) meets the operator, or the function that adds derivatives to it.
"""

import json
import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from keops import _keops

# Loaded here, where the import is the only one.
_keops.load_torch()

Place = Tuple[int, int]
Step = Tuple[bool, int, int]
Chain = Tuple[Step, ...]

# --- Calls ------------------------------------------------------------------------------------------------------------


class Call:
    """A reduction, or derivatives of one that have rows of the same index, as one kernel.

    :ivar key: text from which ``find`` makes the same call, in another process too: compiled graphs outlive this one.
    """

    def __init__(self, base: Tuple[Any, ...], extra: Tuple[Place, ...], chains: Tuple[Chain, ...],
                 compiled: _keops.Callable, root: _keops.Callable):
        self.base, self.extra, self.chains = base, extra, chains
        self.key = json.dumps([base, extra, chains])
        self.compiled = compiled
        self.run = compiled.call_tensors
        self._root = root
        self._derived: Dict[Any, Any] = {}

    def signature(self, dtype: str):
        """Places and dimensions of arguments, and of each result its place, shape of a row, and whether it is a number
        of a row. Arguments that were added are described by ``extra``: what is constant may not know its index."""
        known = self._derived.get(dtype)
        if known is None:
            arguments, results = self.compiled.signature(dtype)
            if self.extra:
                arguments = self._root.signature(dtype)[0] + self.extra
            known = self._derived[dtype] = (arguments, results)
        return known

    def place(self, chain: Chain, arguments: Sequence[Place]) -> int:
        """Where the derivative has rows: a gradient those of its variable, a tangent those of what it is one of."""
        place = 1 - self._root.axis
        for is_tangent, position, _ in chain:
            place = place if is_tangent else arguments[position][0]
        return place

    def gradients(self, dtype: str, results: Tuple[int, ...], wanted: Tuple[int, ...]):
        """Calls that give the gradients in the arguments ``wanted`` for cotangents of ``results``, which come as further
        arguments: one call for each index, with the arguments that its results belong to."""
        name = ("gradients", dtype, results, wanted)
        known = self._derived.get(name)
        if known is None:
            arguments, described = self.signature(dtype)
            several = len(self.chains) > 1
            chains = [self.chains[result if several else 0] for result in results]
            extra = self.extra + tuple((self.place(chain, arguments), math.prod(described[result][1]))
                                       for chain, result in zip(chains, results))
            groups: Dict[int, List[Tuple[int, Chain]]] = {}
            for position in wanted:
                for number, chain in enumerate(chains):
                    step = (False, position, len(arguments) + number)
                    groups.setdefault(arguments[position][0], []).append((position, chain + (step,)))
            known = self._derived[name] = self._make(extra, groups)
        return known

    def tangents(self, dtype: str, varied: Tuple[int, ...]):
        """Calls that give, for each result in turn, its tangents for those of the arguments ``varied``, which come as
        further arguments; with the numbers of the results that they add up to."""
        name = ("tangents", dtype, varied)
        known = self._derived.get(name)
        if known is None:
            arguments, described = self.signature(dtype)
            extra = self.extra + tuple(arguments[position] for position in varied)
            groups: Dict[int, List[Tuple[int, Chain]]] = {}
            several = len(self.chains) > 1
            for result, (_, _, is_index) in enumerate(described):
                if is_index:
                    continue
                chain = self.chains[result if several else 0]
                for number, position in enumerate(varied):
                    step = (True, position, len(arguments) + number)
                    groups.setdefault(self.place(chain, arguments), []).append((result, chain + (step,)))
            known = self._derived[name] = self._make(extra, groups)
        return known

    def with_gradients(self, dtype: str, wanted: Tuple[int, ...]) -> Optional["Call"]:
        """The call that gives the result and, for a cotangent of ones as a further argument, its gradients in the
        arguments ``wanted``; None where that would be no single pass.

        It is one if the result is a number for each row of the index that the arguments have: whatever the cotangent
        will be, it is a factor of each row."""
        name = ("with gradients", dtype, wanted)
        if name not in self._derived:
            arguments, described = self.signature(dtype)
            place, shape, is_index = described[0]
            fits = (not self.extra and len(described) == 1 and shape == (1, ) and not is_index and place != 2 and
                    dtype in ("float32", "float64") and all(arguments[number][0] == place for number in wanted))
            chains = [(), *(((False, number, len(arguments)), ) for number in wanted)]
            self._derived[name] = find(json.dumps([self.base, [(place, 1)], chains])) if fits else None
        return self._derived[name]

    def _make(self, extra, groups):
        return [(find(json.dumps([self.base, extra, [chain for _, chain in members]])), [number for number, _ in members])
                for members in groups.values()]


_calls: Dict[str, Call] = {}
_roots: Dict[str, _keops.Callable] = {}


def make(base: Tuple[Any, ...]) -> Call:
    """The call of a reduction itself, from the arguments of ``_keops.Callable``."""
    return find(json.dumps([base, [], [[]]]))


def find(key: str) -> Call:
    """The call of this name, made if it is new."""
    known = _calls.get(key)
    if known is None:
        base, extra, chains = json.loads(key)
        extra = tuple(map(tuple, extra))
        chains = tuple(tuple(map(tuple, chain)) for chain in chains)
        name = json.dumps(base)
        root = _roots.get(name)
        if root is None:
            root = _roots.setdefault(name, _keops.Callable(*base))
        compiled = root
        if extra or chains != ((), ):
            # Which index an argument belongs to does not depend on the type of its numbers.
            compiled = root.derived(list(root.signature("float32")[0] + extra), [list(chain) for chain in chains])
        known = _calls.setdefault(key, Call(tuple(base), extra, chains, compiled, root))
    return known


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
    return all(tensor.data_ptr() or tensor.numel() == 0 for tensor in tensors)


def _apply(key: str, ranges: Tuple[Tensor, ...], tensors: Sequence[Tensor]) -> Tuple[Tensor, ...]:
    if is_plain(tensors) and _has_memory(tensors):
        return _compute(find(key), ranges, tensors)
    return tuple(torch.ops.keops.reduce(key, list(tensors), list(ranges)))


@torch.library.custom_op("keops::reduce", mutates_args=(), device_types="cpu")
def reduce(call: str, arguments: List[Tensor], ranges: List[Tensor]) -> List[Tensor]:
    """The results of a call, one tensor each; ``ranges`` are the six arrays, or none."""
    return list(_compute(find(call), ranges, arguments))


# Names of types are made anew each time, which takes long.
_NAMES = {value: str(value)[6:] for value in vars(torch).values() if isinstance(value, torch.dtype)}


def _dtype_name(tensor: Tensor) -> str:
    return _NAMES[tensor.dtype]


def _core_axes(place: int) -> int:
    return 1 if place == 2 else 2


@reduce.register_fake
def _(key, tensors, ranges):
    call = find(key)
    if not tensors:
        raise ValueError("expected at least one argument, whose dtype is that of the computation; got none")
    for tensor in tensors:
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise TypeError(f"expected dtype float16, bfloat16, float32 or float64, got {_dtype_name(tensor)}")
    arguments, results = call.signature(_dtype_name(tensors[0]))
    if len(arguments) != len(tensors):
        raise ValueError(f"expected {len(arguments)} tensors, got {len(tensors)}")
    rows: List[Any] = [1, 1]
    batches = []
    for number, ((place, dim), tensor) in reversed(list(enumerate(zip(arguments, tensors)))):
        axes = _core_axes(place)
        if tensor.dtype != tensors[0].dtype:
            raise TypeError(f"argument {number}: expected dtype {_dtype_name(tensors[0])} as in argument 0, got "
                            f"{_dtype_name(tensor)}")
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


def _gradients(apply, key: str, ranges, tensors: Sequence[Tensor], cotangents: Sequence[Optional[Tensor]],
               wanted: Sequence[int]) -> Dict[int, Tensor]:
    """The gradients in the arguments ``wanted`` of what the results of a call are used for."""
    call = find(key)
    dtype = _dtype_name(tensors[0])
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
        # What is constant along the index that it belongs to has no axis for it.
        if place == 2 and call.place(chains[number if len(chains) > 1 else 0], arguments) != 2:
            cotangent = cotangent.unsqueeze(-2)
        directions.append(cotangent)
    sums: Dict[int, Tensor] = {}
    for derived, positions in call.gradients(dtype, given, tuple(wanted)):
        parts = apply(derived.key, ranges, (*tensors, *directions))
        for position, part in zip(positions, parts):
            sums[position] = sums[position] + part if position in sums else part
    # Batches that share an argument all add to its gradient.
    return {position: total.sum_to_size(tensors[position].shape) for position, total in sums.items()}


def _tangents(apply, key: str, ranges, tensors: Sequence[Tensor], directions: Dict[int, Tensor]):
    """The tangents of the results of a call, None for numbers of rows."""
    call = find(key)
    dtype = _dtype_name(tensors[0])
    described = call.signature(dtype)[1]
    sums: List[Optional[Tensor]] = [None] * len(described)
    for derived, numbers in call.tangents(dtype, tuple(directions)):
        parts = apply(derived.key, ranges, (*tensors, *directions.values()))
        ends = derived.signature(dtype)[1]
        for number, part, (end, _, _) in zip(numbers, parts, ends):
            place, shape, _ = described[number]
            if end == 2 and place != 2:
                rows = next((tensor.shape[-2] for (own, _), tensor in zip(call.signature(dtype)[0], tensors)
                             if own == place), 1)
                part = part.unsqueeze(-2).expand(*part.shape[:-1], rows, part.shape[-1])
            if len(shape) > 1:
                part = part.unflatten(-1, shape)
            sums[number] = part if sums[number] is None else sums[number] + part
    return tuple(sums)


def _with_batch(key: str, size: int, in_dims: Sequence[Optional[int]], tensors: Sequence[Tensor]) -> List[Tensor]:
    """The tensors with the axis that is mapped over as the first batch axis."""
    arguments = find(key).signature(_dtype_name(tensors[0]))[0]
    # Batch axes meet from the last one on, so that the new one must stand at the same place of all.
    inner = max(tensor.ndim - (dim is not None) - _core_axes(place)
                for tensor, dim, (place, _) in zip(tensors, in_dims, arguments))
    moved = []
    for tensor, dim, (place, _) in zip(tensors, in_dims, arguments):
        if dim is not None:
            tensor = tensor.movedim(dim, 0)
            missing = inner - (tensor.ndim - 1 - _core_axes(place))
            tensor = tensor[(slice(None), ) + (None, ) * missing] if missing else tensor
        moved.append(tensor)
    return moved


def _check_ranges_dims(in_dims) -> None:
    if any(dim is not None for dim in in_dims):
        raise ValueError("ranges: expected the same ranges for all batches, got ranges with an axis that is mapped over")


class Reduce(torch.autograd.Function):
    """A call with all its derivatives: ``Reduce.apply(key, ranges, *tensors)`` is a tuple of results."""

    @staticmethod
    def forward(key, ranges, *tensors):
        return _apply(key, ranges, tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        key, ranges, *tensors = inputs
        ctx.key, ctx.ranges = key, ranges
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*(result for result in output if not result.is_floating_point()))

    @staticmethod
    def backward(ctx, *cotangents):
        tensors = ctx.saved_tensors
        wanted = [number for number, needed in enumerate(ctx.needs_input_grad[2:]) if needed]
        found = _gradients(_reduce_here, ctx.key, ctx.ranges, tensors, cotangents, wanted)
        return (None, None, *(found.get(number) for number in range(len(tensors))))

    @staticmethod
    def jvp(ctx, _key, _ranges, *tangents):
        directions = {number: tangent for number, tangent in enumerate(tangents) if tangent is not None}
        return _tangents(_reduce_here, ctx.key, ctx.ranges, ctx.saved_tensors, directions)

    @staticmethod
    def vmap(info, in_dims, key, ranges, *tensors):
        if ranges and in_dims[1] is not None:
            _check_ranges_dims(in_dims[1])
        moved = _with_batch(key, info.batch_size, in_dims[2:], tensors)
        results = Reduce.apply(key, ranges, *moved)
        return results, (0, ) * len(results)


class ReduceWithGradients(torch.autograd.Function):
    """A call for plain tensors that computes gradients along with the result, in one pass over the pairs."""

    @staticmethod
    def forward(ctx, key, fused, wanted, ranges, *tensors):
        ctx.key, ctx.ranges, ctx.wanted = key, ranges, wanted
        # A number that all rows share.
        ones = tensors[0].new_ones(1, 1)
        place = fused.extra[0][0]
        rows = next((tensor.shape[-2] for (own, _), tensor in zip(fused.signature(_dtype_name(ones))[0], tensors)
                     if own == place), 1)
        value, *gradients = _compute(fused, ranges, (*tensors, ones.expand(rows, 1)))
        ctx.save_for_backward(*tensors, *gradients)
        return value

    @staticmethod
    def backward(ctx, cotangent):
        count = len(ctx.saved_tensors) - len(ctx.wanted)
        tensors, gradients = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if torch.is_grad_enabled():
            # Somebody may ask for derivatives of the gradients.
            found = _gradients(_reduce_here, ctx.key, ctx.ranges, tensors, (cotangent, ), ctx.wanted)
        else:
            found = {number: (cotangent * gradient).sum_to_size(tensors[number].shape)
                     for number, gradient in zip(ctx.wanted, gradients)}
        return (None, None, None, None, *(found.get(number) for number in range(count)))


def apply(call: Call, ranges: Tuple[Tensor, ...], tensors: Sequence[Tensor]) -> Tuple[Tensor, ...]:
    """The results of a call, with derivatives."""
    if is_plain(tensors) and forward_ad._current_level < 0 and torch.is_grad_enabled():
        wanted = tuple(number for number, tensor in enumerate(tensors) if tensor.requires_grad)
        # What is wrong with the arguments is said where they are read.
        fused = call.with_gradients(_dtype_name(tensors[0]), wanted) if wanted and tensors[0].is_floating_point() else None
        if fused is not None and _has_memory(tensors) and len(tensors) == len(call.signature(_dtype_name(tensors[0]))[0]):
            return (ReduceWithGradients.apply(call.key, fused, wanted, ranges, *tensors), )
    return Reduce.apply(call.key, ranges, *tensors)


def _reduce_here(key, ranges, tensors):
    return Reduce.apply(key, ranges, *tensors)


def _setup_context(ctx, inputs, output):
    key, tensors, ranges = inputs
    ctx.key, ctx.count = key, len(tensors)
    ctx.save_for_backward(*tensors, *ranges)
    ctx.set_materialize_grads(False)


def _reduce_again(key, ranges, tensors):
    return torch.ops.keops.reduce(key, list(tensors), list(ranges))


def _backward(ctx, cotangents):
    tensors, ranges = ctx.saved_tensors[:ctx.count], ctx.saved_tensors[ctx.count:]
    wanted = [number for number, needed in enumerate(ctx.needs_input_grad[1]) if needed]
    found = _gradients(_reduce_again, ctx.key, ranges, tensors, cotangents, wanted)
    return None, [found.get(number) for number in range(len(tensors))], [None] * len(ranges)


reduce.register_autograd(_backward, setup_context=_setup_context)


@reduce.register_vmap
def _(info, in_dims, key, tensors, ranges):
    if in_dims[2] is not None:
        _check_ranges_dims(in_dims[2])
    results = torch.ops.keops.reduce(key, _with_batch(key, info.batch_size, in_dims[1], tensors), ranges)
    return results, [0] * len(results)
