# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of symbolic formulas, as functions of PyTorch tensors."""

from typing import Any, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from keops import _options
from keops._genred import GenericReductions, GenredBase
from keops.torch import _calls, _operators, _reduce


def _is_whole(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def check_ranges(ranges: Any) -> Tuple[Tensor, ...]:
    """The six tensors as the compiled half takes them: it plans on the processor which pairs are whose."""
    _options.check_ranges(ranges, "tensor", Tensor, "PyTorch", _is_whole)
    return tuple(tensor.to("cpu", torch.int64).contiguous() for tensor in ranges)


def check_tensors(args: Sequence[Any]) -> None:
    """What PyTorch must be able to differentiate are dense tensors of one device."""
    for position, tensor in enumerate(args):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"argument {position}: expected a PyTorch tensor, got {type(tensor).__name__}")
        if tensor.layout != torch.strided:
            raise TypeError(f"argument {position}: expected a dense tensor, got one of layout {tensor.layout}")
        if tensor.device != args[0].device:
            raise ValueError(f"argument {position}: expected a tensor on the device {args[0].device} as argument 0, "
                             f"got one on {tensor.device}")


def find_target(backend: str, device_id: int, tensor: Any) -> str:
    """Where the compiled half is to compute with tensors that lie where ``tensor`` does, as it names the place; "" for the
    processor."""
    target = _options.find_target(backend, device_id)
    if not isinstance(tensor, Tensor) or not tensor.is_cuda:
        return "" if target == "host" else target
    own = f"cuda:{tensor.device.index}"
    if target in ("host", "sim"):
        raise _options.refuse("backend", f"'auto' or 'GPU' for tensors on {own}", backend)
    if target not in ("", "cuda", own):
        raise _options.refuse("device_id", f"-1 or {tensor.device.index}, as the tensors are on {own}", device_id)
    return own


def _is_simple(tensors: Sequence[Any]) -> bool:
    """Whether these are numbers in memory, and nobody watches them or may ask how results change with them. What is no
    tensor is refused where it is read."""
    if forward_ad._current_level >= 0 or _reduce.is_watched():
        return False
    may_ask = torch.is_grad_enabled()
    for tensor in tensors:
        kind = type(tensor)
        if kind is not Tensor and kind is not torch.nn.Parameter:
            return not isinstance(tensor, Tensor)
        if may_ask and tensor.requires_grad:
            return False
    return True


def _as_pairs(tensor: Any) -> Any:
    """A complex tensor as real numbers (re, im, re, im, ...) along the last axis; others as they are."""
    if not isinstance(tensor, Tensor) or not tensor.is_complex():
        return tensor
    return torch.view_as_real(tensor.resolve_conj()).flatten(-2)


def _check_out(key: str, out: Any, results: Sequence[Tensor]) -> None:
    """Whether the tensors of ``out`` can take these results of a call."""
    _calls.find(key).compiled.check_out(out, results)


# What torch.compile sees of it: it holds for sizes and types, so that nothing of it is left in a graph.
_operators.register_check("check_out(str call, Tensor[] out, Tensor[] results) -> ()",
                          lambda key, out, results: _check_out(key, out if len(results) > 1 else out[0], results))


class Genred(GenredBase):
    """A reduction of a formula over one index of all pairs (i, j), as a function of PyTorch tensors.

    The table of reductions, the shapes and the meaning of options are those of ``keops.numpy.Genred``; arguments and
    results are tensors. Results are differentiable, to any order and in both modes, with respect to every argument,
    except for results that are numbers of rows (int64). A derivative is one more reduction, which the engine writes out
    and compiles when it is first asked for. ``torch.func`` and ``torch.compile`` see a call as one operator.

    Tensors are taken where they are, on the processor or a GPU, with any strides, and are neither copied nor changed.
    Those that share an argument over batches may have size 1 there, or be expanded.

    :param formula: F, for example ``"Exp(-SqDist(x,y)*g) * b"``, or a reduction.
    :param aliases: the arguments of the call in order, for example
        ``["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"]``.
    :param reduction_op: "Sum", "LogSumExp", "SumSoftMaxWeight", "Min", "ArgKMin" and so on.
    :param axis: the index that is reduced away: 0 for i (then the result has N rows), 1 for j.
    :param dtype: "complex64" or "complex128": results whose components are pairs (re, im) come as complex tensors.
        Other types are deprecated and without effect, as the dtype of the tensors decides; so is ``cuda_type``.
    :param opt_arg: K of the reductions that keep the K smallest values.
    :param formula2: G of the weighted reductions.
    :param dtype_acc: type of accumulators of reductions that add: "auto", the dtype of the tensors or a wider one.
    :param use_double_acc: the same as ``dtype_acc="float64"``.
    :param sum_scheme: "auto", "direct_sum" and "block_sum" add by blocks; "kahan_scheme" also collects rounding errors.
    :param enable_chunks: accepted and without effect on values, as are ``rec_multVar_highdim`` and ``use_fast_math``.
    :param precision: "exact", or "fast", which lets a GPU compute distances in exponentials by scalar products where a call's
        arrays allow it, as ``keops.numpy.Genred`` says; derivatives do so, too.
    :raises ValueError: an option makes no sense or, as ``keops.Error``, a formula or alias does not parse.
    :raises TypeError: ``aliases`` or ``opt_arg`` is of the wrong type.

    >>> import torch
    >>> from keops.torch import Genred
    >>> energy = Genred("SqDist(x,y)", ["x = Vi(2)", "y = Vj(2)"], axis=1)
    >>> x = torch.tensor([[0.0, 0.0], [5.0, 5.0]], requires_grad=True)
    >>> energy(x, torch.tensor([[4.0, 4.0], [1.0, 0.0]])).sum().backward()
    >>> x.grad
    tensor([[-10.,  -8.],
            [ 10.,  12.]])
    """

    def _compile(self, arguments: Tuple[Any, ...], complex_type: Optional[str]) -> None:
        # Derivatives are those of real numbers.
        self._call = _calls.make((*arguments, None))
        self._run = _calls.make((*arguments, complex_type)).run if complex_type else self._call.run
        self._key = self._call.key
        self._compiled = self._call.compiled

    def _key_on(self, backend: str, device_id: int, args: Sequence[Any]) -> str:
        """The name of the reduction as it is computed for these arguments."""
        return _calls.key_on(self._key, find_target(backend, device_id, args[0] if args else None))

    def __call__(self, *args, backend="auto", device_id=-1, ranges=None, out=None, progress=False):
        """Computes the reduction for one tensor per alias, in order of position.

        :param args: tensors of shapes (..., M, D), (..., N, D) and (..., D) for arguments Vi, Vj and Pm, all of one
            dtype and one device, the processor or a GPU; complex tensors, with half as many columns, count as the dtype
            of their parts.
        :param backend: "auto" computes where the tensors lie: on a GPU by their addresses, on PyTorch's current stream and
            without waiting for it. "CPU"; "GPU", or one of its kin such as "GPU_1D", which copies tensors of the processor to
            a GPU and the results back; "sim" for the code of a GPU on a simulator, for small tensors of the processor.
            Derivatives are computed in the same place.
        :param device_id: number of the GPU for tensors of the processor, by default the first.
        :param ranges: which pairs count: None for all, or six tensors of integers, as in ``keops.numpy.Genred``.
            Gradients read those three that belong to the index of their rows. They are read on the processor: from a GPU
            they are copied, which waits.
        :param out: tensor that receives the result and is returned, of exactly its shape and dtype (a tuple of tensors
            where the result is a tuple). Derivatives go through it as through a copy.
        :param progress: True shows a bar of the package tqdm, as in ``keops.numpy.Genred``, and one for each reduction that
            derivatives of this result compute. On a GPU both wait for the end. Calls in compiled graphs show none.
        :returns: a new tensor or a tuple of tensors, or ``out``.
        :raises ValueError: not one tensor per alias, a wrong shape, tensors of one index with different numbers of rows,
            batch dimensions that do not broadcast, tensors of different devices, an unknown backend or one for other
            devices; as ``keops.Error``, ranges beyond the tensors, a formula that cannot be compiled, or no GPU or driver
            where one is asked for.
        :raises TypeError: an argument that is no tensor, has another dtype, or not that of argument 0.
        """
        if progress and not torch.compiler.is_compiling():
            return self._call_with_bar(args, backend=backend, device_id=device_id, ranges=ranges, out=out)
        if torch.compiler.is_compiling():
            return self._finish(torch.ops.keops.reduce(self._key_on(backend, device_id, args),
                                                       [_as_pairs(tensor) for tensor in args],
                                                       [] if ranges is None else list(check_ranges(ranges))), out)
        if backend == "auto" and _is_simple(args):
            return self._run(args, out, None if ranges is None else _reduce.choose(self.axis, check_ranges(ranges)))
        call = _calls.find(self._key_on(backend, device_id, args))
        check_tensors(args)
        tensors = [_as_pairs(tensor) for tensor in args]
        return self._finish(_reduce.apply(call, () if ranges is None else check_ranges(ranges), tensors), out)

    def _finish(self, results: Sequence[Tensor], out: Any) -> Any:
        """The results as the caller expects them, or in the tensors that he gave."""
        if self._dtype:
            results = [result if result.dtype == torch.int64 else torch.view_as_complex(result.unflatten(-1, (-1, 2)))
                       for result in results]
        if out is None:
            return results[0] if len(results) == 1 else tuple(results)
        several = (out, ) if len(results) == 1 else out
        if torch.compiler.is_compiling():
            torch.ops.keops.check_out(self._key, list(several), list(results))
        else:
            _check_out(self._key, out, results)
        for given, result in zip(several, results):
            if given.is_complex() and not result.is_complex():
                result = torch.view_as_complex(result.unflatten(-1, (-1, 2)))
            given.copy_(result)
        return out


_generic = GenericReductions(Genred)
generic_sum, generic_logsumexp = _generic.generic_sum, _generic.generic_logsumexp
generic_argmin, generic_argkmin = _generic.generic_argmin, _generic.generic_argkmin
