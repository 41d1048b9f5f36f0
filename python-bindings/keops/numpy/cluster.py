# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Clusters of points, and the ``ranges`` of reductions that skip pairs of clusters.

>>> import numpy as np
>>> from keops.numpy import Vi, Vj
>>> x = np.array([[0.1], [2.5], [0.3]])
>>> labels = grid_cluster(x, 1.0)
>>> labels
array([0, 1, 0])
>>> x, labels = sort_clusters(x, labels)
>>> ranges, centroids, sizes = cluster_ranges_centroids(x, labels)
>>> ranges
array([[0, 2],
       [2, 3]])
>>> near = np.abs(centroids - centroids.T) < 1
>>> (Vi(x) * Vj(x)).sum(axis=1, ranges=from_matrix(ranges, ranges, near)).round(2)
array([[0.04],
       [0.12],
       [6.25]])
"""

from typing import Any, List, Optional, Tuple, Union

import numpy

from keops import _cluster
from keops._cluster import Ranges, swap_axes

__all__ = ["cluster_centroids", "cluster_ranges", "cluster_ranges_centroids", "from_matrix", "grid_cluster",
           "sort_clusters", "swap_axes"]


def _labels(lab: Any) -> numpy.ndarray:
    lab = numpy.asarray(lab)
    if lab.ndim != 1 or lab.dtype.kind not in "iu":
        raise ValueError(f"lab: expected a vector of integers, got an array of {lab.dtype} and shape {lab.shape}")
    if lab.size and lab.min() < 0:
        raise ValueError(f"lab: expected labels of at least 0, got {lab.min()}")
    return lab


def grid_cluster(x: Any, size: Union[float, Any]) -> numpy.ndarray:
    """Labels of points by the cell of a grid that they are in: floor(x / size).

    :param x: an (M, D) array of points, D <= 3.
    :param size: the side of a cell, in the unit of x, or one for each axis.
    :returns: (M,) int array of labels 0 ... C-1, in order of the cells, the first axis slowest.
    :raises NotImplementedError: D > 3.
    """
    x = numpy.asarray(x)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2:
        raise ValueError(f"x: expected an array of shape (M, D), got shape {x.shape}")
    if x.shape[1] > 3:
        raise NotImplementedError(f"x: expected points of at most 3 coordinates, got {x.shape[1]}")
    if not (numpy.asarray(size) > 0).all():
        raise ValueError(f"size: expected a positive number, got {size!r}")
    cells = numpy.floor(x / size).astype(numpy.int64)
    # Rows of cells compare from their first entry on.
    _, labels = numpy.unique(cells, axis=0, return_inverse=True)
    return labels.reshape(-1)


def sort_clusters(x: Any, lab: Any) -> Tuple[Any, numpy.ndarray]:
    """Points and labels in order of the labels, points of one label as they were.

    :param x: an array (M, ...), or a tuple or list of such.
    :param lab: (M,) labels.
    :returns: the sorted points, in a tuple or list if x is one, and the sorted labels.
    """
    lab = _labels(lab)
    order = numpy.argsort(lab, kind="stable")
    arrays: List[Any] = [numpy.asarray(entry) for entry in (x if isinstance(x, (tuple, list)) else (x, ))]
    for array in arrays:
        _cluster.check_counts(array, lab)
    arrays = [array[order] for array in arrays]
    return tuple(arrays) if isinstance(x, tuple) else arrays if isinstance(x, list) else arrays[0], lab[order]


def cluster_ranges(lab: Any, Nlab: Optional[numpy.ndarray] = None) -> numpy.ndarray:
    """Where the points of each label are, once they are sorted.

    :param lab: (M,) labels, in any order.
    :param Nlab: the number of points of each label, if that is known already.
    :returns: (C, 2) int64 array of [begin, end).
    """
    counts = numpy.bincount(_labels(lab)) if Nlab is None else numpy.asarray(Nlab)
    ends = numpy.cumsum(counts, dtype=numpy.int64)
    return numpy.stack((ends - counts.astype(numpy.int64), ends), axis=1)


def cluster_centroids(x: Any, lab: Any, Nlab: Optional[numpy.ndarray] = None, weights: Optional[numpy.ndarray] = None,
                      weights_c: Optional[numpy.ndarray] = None) -> numpy.ndarray:
    """The mean of the points of each label, weighted if there are weights.

    :param x: (M, D) points.
    :param lab: (M,) labels.
    :param Nlab: the number of points of each label, if that is known already.
    :param weights: (M,) weights of points.
    :param weights_c: the sum of the weights of each label, if that is known already.
    :returns: (C, D) array of x's dtype; NaN for a label without points.
    """
    x, lab = numpy.asarray(x), _labels(lab)
    x = x[:, None] if x.ndim == 1 else x
    _cluster.check_counts(x, lab)
    if weights is None:
        totals = numpy.bincount(lab) if Nlab is None else numpy.asarray(Nlab)
        weighted = x
    else:
        weights = numpy.asarray(weights).reshape(-1)
        totals = numpy.bincount(lab, weights=weights) if weights_c is None else numpy.asarray(weights_c).reshape(-1)
        weighted = x * weights[:, None]
    sums = numpy.stack([numpy.bincount(lab, weights=column, minlength=len(totals)) for column in weighted.T], axis=1)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return (sums / totals[:, None]).astype(x.dtype)


def cluster_ranges_centroids(x: Any, lab: Any, weights: Optional[numpy.ndarray] = None
                             ) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """``cluster_ranges``, ``cluster_centroids`` and the sum of the weights of each label (its number of points without
    weights), of x's dtype."""
    x, lab = numpy.asarray(x), _labels(lab)
    counts = numpy.bincount(lab)
    if weights is None:
        return (cluster_ranges(lab, counts), cluster_centroids(x, lab, Nlab=counts), counts.astype(x.dtype))
    totals = numpy.bincount(lab, weights=numpy.asarray(weights).reshape(-1))
    return (cluster_ranges(lab, counts), cluster_centroids(x, lab, weights=weights, weights_c=totals),
            totals.astype(x.dtype))


def from_matrix(ranges_i: Any, ranges_j: Any, keep: Any) -> Ranges:
    """The ``ranges`` that keep some pairs of clusters.

    :param ranges_i: (Mc, 2) int array: the rows [begin, end) of each cluster of i.
    :param ranges_j: (Nc, 2) likewise of j.
    :param keep: (Mc, Nc) array of truth values: which pairs of clusters count.
    :returns: (ranges_i, slices_i, redranges_j, ranges_j, slices_j, redranges_i), as ``Genred`` takes them, int64.
    """
    ranges_i, ranges_j = (numpy.asarray(ranges).astype(numpy.int64) for ranges in (ranges_i, ranges_j))
    return _cluster.join_ranges("array", ranges_i, ranges_j, numpy.asarray(keep).astype(bool),
                                lambda mask: numpy.nonzero(mask)[1])
