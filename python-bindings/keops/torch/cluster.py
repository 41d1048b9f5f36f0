# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Clusters of points, and the ``ranges`` of reductions that skip pairs of clusters, for PyTorch tensors."""

from typing import Any, Optional, Tuple, Union

import torch
from torch import Tensor

from keops import _cluster
from keops._cluster import Ranges, swap_axes

__all__ = ["cluster_centroids", "cluster_ranges", "cluster_ranges_centroids", "from_matrix", "grid_cluster",
           "sort_clusters", "swap_axes"]


def _labels(lab: Tensor) -> Tensor:
    if not isinstance(lab, Tensor) or lab.ndim != 1 or lab.is_floating_point() or lab.is_complex():
        got = f"{str(lab.dtype)[6:]} of shape {tuple(lab.shape)}" if isinstance(lab, Tensor) else type(lab).__name__
        raise ValueError(f"lab: expected a vector of integers, got {got}")
    if lab.numel() and lab.min() < 0:
        raise ValueError(f"lab: expected labels of at least 0, got {int(lab.min())}")
    return lab.long()


def grid_cluster(x: Tensor, size: Union[float, Tensor]) -> Tensor:
    """Labels of points by the cell of a grid that they are in: floor((x - min x) / size).

    :param x: an (M, D) tensor of points, D <= 3.
    :param size: the side of a cell, in the unit of x, or one for each axis.
    :returns: (M,) int32 tensor of labels 0 ... C-1, in order of the cells, the first axis slowest.
    :raises NotImplementedError: D > 3.
    """
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2:
        raise ValueError(f"x: expected a tensor of shape (M, D), got shape {tuple(x.shape)}")
    if x.shape[1] > 3:
        raise NotImplementedError(f"x: expected points of at most 3 coordinates, got {x.shape[1]}")
    if not bool((torch.as_tensor(size) > 0).all()):
        raise ValueError(f"size: expected a positive number, got {size!r}")
    if len(x) == 0:
        return torch.zeros(0, dtype=torch.int32, device=x.device)
    with torch.no_grad():
        cells = ((x - x.amin(0)) / size).floor().long()
        # Rows of cells compare from their first entry on.
        return torch.unique(cells, dim=0, return_inverse=True)[1].int()


def sort_clusters(x: Any, lab: Tensor) -> Tuple[Any, Tensor]:
    """Points and labels in order of the labels, points of one label as they were.

    :param x: a tensor (M, ...), or a tuple or list of such.
    :param lab: (M,) labels.
    :returns: the sorted points, in a tuple or list if x is one, and the sorted labels.
    """
    order = torch.argsort(_labels(lab), stable=True)
    tensors = list(x) if isinstance(x, (tuple, list)) else [x]
    for tensor in tensors:
        _cluster.check_counts(tensor, lab)
    tensors = [tensor[order] for tensor in tensors]
    return tuple(tensors) if isinstance(x, tuple) else tensors if isinstance(x, list) else tensors[0], lab[order]


def cluster_ranges(lab: Tensor, Nlab: Optional[Tensor] = None) -> Tensor:
    """Where the points of each label are, once they are sorted.

    :param lab: (M,) labels, in any order.
    :param Nlab: the number of points of each label, if that is known already.
    :returns: (C, 2) int64 tensor of [begin, end).
    """
    counts = torch.bincount(_labels(lab)) if Nlab is None else Nlab.long()
    ends = counts.cumsum(0)
    return torch.stack((ends - counts, ends), dim=1)


def _sums(values: Tensor, lab: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, values.shape[1]).index_add(0, lab, values)


def cluster_centroids(x: Tensor, lab: Tensor, Nlab: Optional[Tensor] = None, weights: Optional[Tensor] = None,
                      weights_c: Optional[Tensor] = None) -> Tensor:
    """The mean of the points of each label, weighted if there are weights; differentiable.

    :param x: (M, D) points.
    :param lab: (M,) labels.
    :param Nlab: the number of points of each label, if that is known already.
    :param weights: (M,) weights of points.
    :param weights_c: the sum of the weights of each label, if that is known already.
    :returns: (C, D) tensor of x's dtype; NaN for a label without points.
    """
    lab = _labels(lab)
    x = x[:, None] if x.ndim == 1 else x
    _cluster.check_counts(x, lab)
    if weights is None:
        totals = (torch.bincount(lab) if Nlab is None else Nlab).to(x.dtype)
        return _sums(x, lab, len(totals)) / totals[:, None]
    weights = weights.reshape(-1, 1)
    if weights_c is None:
        weights_c = _sums(weights, lab, int(lab.max()) + 1 if len(lab) else 0)
    totals = weights_c.reshape(-1, 1)
    return _sums(x * weights, lab, len(totals)) / totals


def cluster_ranges_centroids(x: Tensor, lab: Tensor, weights: Optional[Tensor] = None,
                             min_weight: float = 1e-9) -> Tuple[Tensor, Tensor, Tensor]:
    """``cluster_ranges``, ``cluster_centroids`` and the sum of the weights of each label (its number of points without
    weights), of x's dtype.

    :param min_weight: weights below count as it, so that no label has none.
    """
    lab = _labels(lab)
    counts = torch.bincount(lab)
    if weights is None:
        return cluster_ranges(lab, counts), cluster_centroids(x, lab, Nlab=counts), counts.to(x.dtype)
    weights = weights.reshape(-1).clamp(min=min_weight)
    totals = _sums(weights[:, None], lab, len(counts))[:, 0]
    return cluster_ranges(lab, counts), cluster_centroids(x, lab, weights=weights, weights_c=totals), totals


def from_matrix(ranges_i: Tensor, ranges_j: Tensor, keep: Tensor) -> Ranges:
    """The ``ranges`` that keep some pairs of clusters.

    :param ranges_i: (Mc, 2) int tensor: the rows [begin, end) of each cluster of i.
    :param ranges_j: (Nc, 2) likewise of j.
    :param keep: (Mc, Nc) tensor of truth values: which pairs of clusters count.
    :returns: (ranges_i, slices_i, redranges_j, ranges_j, slices_j, redranges_i), as ``Genred`` takes them, int64.
    """
    return _cluster.join_ranges("tensor", ranges_i.long(), ranges_j.long(), keep.bool(), lambda mask: mask.nonzero()[:, 1])
