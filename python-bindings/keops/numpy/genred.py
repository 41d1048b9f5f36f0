# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""``Genred``, and the ``generic_`` functions of older programs, for NumPy arrays."""

from typing import Any, Optional, Tuple

import numpy

from keops import _keops, _options
from keops._genred import GenericReductions, GenredBase

__all__ = ["Genred", "generic_argkmin", "generic_argmin", "generic_logsumexp", "generic_sum"]


class Genred(GenredBase):
    """A reduction of a formula over one index of all pairs (i, j), as a function of arrays.

    With F_ij the value of ``formula``, a vector of D components, G_ij that of ``formula2``, of E components, and L rows
    in the result (M for ``axis=1``, N for ``axis=0``), a call returns

    ===========================  ===================================================  =============================
    ``reduction_op``             result for each i, over all j (``axis=1``)           shape and dtype
    ===========================  ===================================================  =============================
    Sum                          sum_j F_ij                                           (L, D)
    LogSumExp                    log sum_j exp(F_ij), where D = 1                     (L, 1)
    LogSumExp with formula2      log sum_j exp(F_ij) G_ij; also LogSumExpWeight       (L, E)
    SumSoftMaxWeight, SoftMax    sum_j exp(F_ij) G_ij / sum_j exp(F_ij)               (L, E)
    Min, Max                     extremum of each component                           (L, D)
    ArgMin, ArgMax               smallest j where it is taken                         (L, D) int64
    Min_ArgMin, Max_ArgMax       both                                                 tuple of the two
    KMin                         the K smallest values of each component, ascending   (L, K) if D = 1, else (L, K, D)
    ArgKMin                      their j                                              the same, int64
    KMin_ArgKMin                 both                                                 tuple of the two
    ===========================  ===================================================  =============================

    Nothing to reduce (N = 0) gives 0 for Sum, -inf for LogSumExp and Max, +inf for Min, NaN for SumSoftMaxWeight, index
    0; so do the ranks of KMin beyond N. Min, Max and their kin skip NaN; the others propagate it. A formula without
    variables Vi (Vj) has M = 1 (N = 1).

    A formula may be a reduction itself, with derivatives of it around: ``"Grad(LogSumExp_Reduction((x|y),0),y,e)"`` is
    the gradient of sum_i e_i log sum_j exp(x_i|y_j), one row for each j, for one of ``e`` for each i. It then says all
    that ``reduction_op``, left at its default, and ``axis``, which has no effect, would say. A gradient in a variable
    has its rows; in a parameter its shape, for each batch.

    :param formula: F, for example ``"Exp(-SqDist(x,y)*g) * b"``, or a reduction.
    :param aliases: the arguments of the call in order, for example
        ``["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "g = Pm(1)"]``. ``Vi(pos, D)`` gives an explicit position. Arguments
        that the formula does not use are allowed; their rows count as M and N all the same.
    :param reduction_op: a name of the table.
    :param axis: the index that is reduced away: 0 for i (then the result has N rows), 1 for j.
    :param dtype: "complex64" or "complex128": results whose components are pairs (re, im) come as complex arrays.
        Other types are deprecated and without effect, as the dtype of the arrays decides; so is ``cuda_type``.
    :param opt_arg: K of the reductions that keep the K smallest values.
    :param formula2: G of the weighted reductions.
    :param dtype_acc: type of accumulators of reductions that add: "auto", the dtype of the arrays or a wider one.
        "auto", "float16" and "float32" accumulate terms of at most 32 bits in float32 within a tile of columns and in
        float64 across tiles; "float64" does so in float64 throughout.
    :param use_double_acc: the same as ``dtype_acc="float64"``.
    :param sum_scheme: "auto", "direct_sum" and "block_sum" add by blocks; "kahan_scheme" also collects rounding errors
        and takes them off at the end.
    :param enable_chunks: accepted and without effect on values, as are ``rec_multVar_highdim`` and ``use_fast_math``:
        the compiler decides.
    :param precision: "exact", or "fast", which lets a GPU compute the squared distances of exponentials, as in
        ``Exp(-SqDist(x,y)*g)``, by scalar products: fewer operations for each pair. It does so for calls whose arrays have
        norms that let no exponential lose more than 1e-4 of itself, in float64 2e-13; for others, and on the processor,
        results are those of "exact" to the last bit. Derivatives and ``ranges`` go along.
    :raises ValueError: an option makes no sense or, as ``keops.Error``, a formula or alias does not parse.
    :raises TypeError: ``aliases`` or ``opt_arg`` is of the wrong type.
    :raises NotImplementedError: an internal reduction.

    >>> import numpy as np
    >>> from keops.numpy import Genred
    >>> nearest = Genred("SqDist(x,y)", ["x = Vi(2)", "y = Vj(2)"], reduction_op="ArgMin", axis=1)
    >>> nearest(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([[4.0, 4.0], [1.0, 0.0]]))
    array([[1],
           [0]])
    """

    def _compile(self, arguments: Tuple[Any, ...], complex_type: Optional[str]) -> None:
        self._compiled = _keops.Callable(*(*arguments, complex_type))
        self._call = self._compiled.call

    def __call__(self, *args, backend="auto", device_id=-1, ranges=None, out=None, progress=False):
        """Computes the reduction for one array per alias, in order of position.

        The first call with a dtype compiles, or loads from the disk cache, which takes some tens of milliseconds. Calls
        from several threads run at the same time.

        :param args: arrays of shapes (..., M, D), (..., N, D) and (..., D) for arguments Vi, Vj and Pm, all of one
            dtype; complex arrays, with half as many columns, count as the dtype of their parts.
        :param backend: "auto" computes where the arrays lie: on the processor, or on the GPU of arrays that have
            ``__cuda_array_interface__`` (of CuPy, for example), whose results are of the same library. "CPU"; "GPU", or one of
            its kin such as "GPU_1D", which copies arrays of the host to a GPU and the results back; "sim" for the code of a
            GPU on a simulator, which is for small sizes and finds faults.
        :param device_id: number of the GPU for arrays of the host, by default the first; without effect on the processor.
        :param ranges: which pairs count: None for all, or six integer arrays (ranges_i, slices_i, redranges_j,
            ranges_j, slices_j, redranges_i), of which a reduction over j (``axis=1``) reads the first three. Rows
            ``ranges_i[k, 0]`` to ``ranges_i[k, 1] - 1`` are reduced over the intervals
            ``redranges_j[slices_i[k-1]:slices_i[k]]`` (from 0 for the first), each [begin, end). No row may be in two
            of ``ranges_i``; one in none is reduced over nothing. The last three say the same for a reduction over i.
            Ranges hold for each batch. Where a formula reduces the other index too, the pairs are those of the three that
            belong to its result.
        :param out: array that receives the result and is returned, of exactly its shape and dtype (see the table above;
            a tuple of arrays where the result is a tuple), or complex with half as many columns. It may be strided and
            may overlap the arguments.
        :param progress: True shows a bar of the package tqdm; results are the same. On the processor it follows the
            computation. On a GPU it shows the end, for which a call with arrays there waits; arrays of the host that do
            not fit into its memory go through it in pieces, and the bar follows these.
        :returns: a new array or a tuple of arrays, or ``out``.
        :raises ValueError: not one array per alias, a wrong shape, arrays of one index with different numbers of rows,
            batch dimensions that do not broadcast, a read-only ``out``, an unknown backend, a ``dtype_acc`` narrower
            than the arrays; as ``keops.Error``, ranges beyond the arrays or with rows in common, or a formula that
            cannot be compiled.
        :raises TypeError: an argument that is no array in the processor's memory, or on a GPU where argument 0 is, has
            another dtype, or not that of argument 0.
        :raises keops.Error: there is no GPU or no driver, or it refuses.
        """
        if progress:
            return self._call_with_bar(args, backend=backend, device_id=device_id, ranges=ranges, out=out)
        if ranges is not None:
            ranges = _check_ranges(ranges, self.axis)
        if backend != "auto":
            return self._call(args, out, ranges, _options.find_target(backend, device_id))
        return self._call(args, out, ranges)


def _check_ranges(ranges: Any, axis: int) -> Tuple[numpy.ndarray, ...]:
    """The three of the six arrays that a reduction over ``axis`` uses, as the compiled half takes them."""
    _options.check_ranges(ranges, "array", numpy.ndarray, "NumPy", lambda array: array.dtype.kind in "iu")
    used = ranges[:3] if axis == 1 else ranges[3:]
    return tuple(numpy.ascontiguousarray(array, dtype=numpy.int64) for array in used)


_generic = GenericReductions(Genred)
generic_sum, generic_logsumexp = _generic.generic_sum, _generic.generic_logsumexp
generic_argmin, generic_argkmin = _generic.generic_argmin, _generic.generic_argkmin
