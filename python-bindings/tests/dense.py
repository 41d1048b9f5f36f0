# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What reductions mean, in float64 NumPy with the whole M x N array in memory: the reference of the tests."""

import numpy as np


def pairs(array, category):
    """The rows of `array` as float64 of shape (M, 1, D), (1, N, D) or (1, 1, D), to be combined by broadcasting."""
    array = np.asarray(array, dtype=np.float64)
    return {"Vi": array[:, None, :] if array.ndim == 2 else None,
            "Vj": array[None, :, :] if array.ndim == 2 else None,
            "Pm": array[None, None, :] if array.ndim == 1 else None}[category]


def sort_with_indices(F, k):
    """The k least values along axis 1 of F (L, N, D) and their indices; NaN are skipped, the first of equals comes
    first, and ranks that do not exist are (inf, 0)."""
    L, N, D = F.shape
    values = np.full((L, k, D), np.inf)
    indices = np.zeros((L, k, D), dtype=np.int64)
    for row in range(L):
        for d in range(D):
            # +inf is no smaller than what fills the ranks, so it never takes one.
            kept = [n for n in np.argsort(F[row, :, d], kind="stable") if F[row, n, d] < np.inf][:k]
            values[row, :len(kept), d] = F[row, kept, d]
            indices[row, :len(kept), d] = kept
    return values, indices


def log_sum_exp(F, G):
    """log sum exp(F) G along axis 1, with exact results at infinities."""
    top = F.max(axis=1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isinf(top), 0, top)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.log((np.exp(F - shift) * G).sum(axis=1)) + shift[:, 0]


def reduce(name, F, axis, k=None, G=None):
    """The result of reduction `name` of F (M, N, D), weighted with G (M, N, E), over i (axis 0) or j (axis 1)."""
    F = np.asarray(F, dtype=np.float64)
    if axis == 0:
        F = F.swapaxes(0, 1)
        G = None if G is None else G.swapaxes(0, 1)
    if name == "Sum":
        return F.sum(axis=1)
    if name == "LogSumExp":
        return log_sum_exp(F, 1.0)
    if name == "LogSumExpWeight":
        return log_sum_exp(F, G)
    if name == "SumSoftMaxWeight":
        with np.errstate(invalid="ignore"):
            shifted = np.exp(F - F.max(axis=1, keepdims=True, initial=-np.inf))
            return (shifted * G).sum(axis=1) / shifted.sum(axis=1)
    sign = -1 if "Max" in name else 1
    values, indices = sort_with_indices(sign * F, k or 1)
    values = sign * values
    # (L, K, D) becomes (L, D) without K, and (L, K) if D = 1.
    if k is None:
        values, indices = values[:, 0], indices[:, 0]
    elif F.shape[2] == 1:
        values, indices = values[..., 0], indices[..., 0]
    if "_" in name:
        return values, indices
    return indices if name.startswith("Arg") else values
