# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators of PyTorch whose derivatives and batches a function knows.

An operator is what ``torch.compile`` and tensors without data see. Its derivatives are those of a
``torch.autograd.Function``: the operator hands over to that where autograd or a transformation of ``torch.func`` looks at
it, and the function comes back to the operator when nobody looks any more. So there is one rule for each, wherever a call
comes from.
"""

import contextlib
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from keops.torch._calls import Call

_library = torch.library.Library("keops", "DEF")

# Who looks at an operator before it is computed: autograd, the transformations, and those of older kind, of which
# ``torch.autograd.grad(is_grads_batched=True)`` makes use.
_WATCHERS = ("Autograd", "FuncTorchDynamicLayerFrontMode", "Batched")


def register(schema: str, compute: Callable, fake: Callable, watched: Callable) -> None:
    """Makes an operator ``keops::name``.

    :param schema: its name and types.
    :param compute: the operator for tensors with memory.
    :param fake: its results for tensors without, of which only shapes count.
    :param watched: the operator with its derivatives, for tensors of any kind.
    """
    name = schema[:schema.index("(")]
    _library.define(schema, tags=(torch.Tag.pt2_compliant_tag, ))
    for key in ("CPU", "CUDA"):
        _library.impl(name, compute, key)
    torch.library.register_fake(f"keops::{name}", fake, lib=_library)
    for key in _WATCHERS:
        _library.impl(name, watched, key)


def register_check(schema: str, check: Callable) -> None:
    """Makes an operator ``keops::name`` that reads no numbers, and so does the same for tensors of any kind."""
    _library.define(schema)
    _library.impl(schema[:schema.index("(")], check, "CompositeImplicitAutograd")


# Names of types are made anew each time, which takes long.
_NAMES = {value: str(value)[6:] for value in vars(torch).values() if isinstance(value, torch.dtype)}


def dtype_name(tensor: Tensor) -> str:
    return _NAMES[tensor.dtype]


def core_axes(place: int) -> int:
    """Axes of an argument after those of batches."""
    return 1 if place == 2 else 2


@contextlib.contextmanager
def tangents_of(tensors: Sequence[Tensor]) -> Iterator[List[Tensor]]:
    """The tensors for a rule of forward mode, without the tangents that it is about. PyTorch switches forward mode off
    before it asks for the rule; then what an outer level differentiates would have no tangents either."""
    with forward_ad._set_fwd_grad_enabled(True):
        yield [forward_ad.unpack_dual(tensor, level=0).primal for tensor in tensors]


# --- Batches ----------------------------------------------------------------------------------------------------------


def with_batch(call: Call, in_dims: Sequence[Optional[int]], tensors: Sequence[Tensor]) -> List[Tensor]:
    """The tensors with the axis that is mapped over as the first batch axis."""
    arguments = call.signature(dtype_name(tensors[0]))[0]
    # Batch axes meet from the last one on, so that the new one must stand at the same place of all.
    inner = max(tensor.ndim - (dim is not None) - core_axes(place)
                for tensor, dim, (place, _) in zip(tensors, in_dims, arguments))
    moved = []
    for tensor, dim, (place, _) in zip(tensors, in_dims, arguments):
        if dim is not None:
            tensor = tensor.movedim(dim, 0)
            missing = inner - (tensor.ndim - 1 - core_axes(place))
            tensor = tensor[(slice(None), ) + (None, ) * missing] if missing else tensor
        moved.append(tensor)
    return moved


#: Whether a tensor stands for many, as the older kind of ``vmap`` has them: it looks like a plain tensor.
is_batched = torch._C._functorch.is_legacy_batchedtensor


def map_batches(call: Call, tensors: Sequence[Tensor],
                apply: Callable[[Sequence[Tensor]], Tuple[Tensor, ...]]) -> Tuple[Tensor, ...]:
    """``apply`` of the tensors, where those that stand for many have one more batch axis; so do the results."""
    dims = [0 if is_batched(tensor) else None for tensor in tensors]
    if not any(dim == 0 for dim in dims):
        return apply(tensors)
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    # What stands for many at an outer level only gets an axis of size 1.
    moved = [tensor if dim is None else torch._remove_batch_dim(tensor, level, 1, 0)
             for tensor, dim in zip(tensors, dims)]
    return tuple(torch._add_batch_dim(result, 0, level) for result in apply(with_batch(call, dims, moved)))
