# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Clusters of points and the ranges that they give, against loops."""

import numpy as np
import pytest

from keops.numpy import Vi, Vj
from keops.numpy.cluster import (cluster_centroids, cluster_ranges, cluster_ranges_centroids, from_matrix, grid_cluster,
                                 sort_clusters, swap_axes)

RNG = np.random.default_rng(23)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_cells_of_a_grid(dim):
    x = RNG.uniform(-2, 2, (200, dim))
    labels = grid_cluster(x, 0.7)
    cells = np.floor(x / 0.7).astype(int)
    assert labels.shape == (200,) and labels.dtype.kind == "i"
    assert set(labels) == set(range(labels.max() + 1))
    for a in range(0, 200, 7):
        for b in range(200):
            assert (labels[a] == labels[b]) == (cells[a] == cells[b]).all()


def test_cells_far_apart_do_not_meet():
    x = np.array([[0.5, 0.5], [5000.5, 0.5], [0.5, 5000.5]])
    assert len(set(grid_cluster(x, 1.0))) == 3


def test_sorting():
    x, lab = RNG.uniform(size=(50, 2)), RNG.integers(0, 4, 50)
    points, labels = sort_clusters(x, lab)
    assert (labels == np.sort(lab)).all()
    np.testing.assert_array_equal(points, np.concatenate([x[lab == k] for k in range(4)]))
    (first, second), labels = sort_clusters((x, x[:, 0]), lab)
    np.testing.assert_array_equal(first, points)
    np.testing.assert_array_equal(second, points[:, 0])
    assert isinstance(sort_clusters([x], lab)[0], list)


def test_ranges_and_centroids():
    x, weights = RNG.uniform(size=(50, 2)).astype("float32"), RNG.uniform(0.5, 1, 50).astype("float32")
    lab = np.append(RNG.integers(0, 3, 49), 4)
    ranges = cluster_ranges(lab)
    assert ranges.dtype == np.int64
    assert [end - begin for begin, end in ranges] == [(lab == k).sum() for k in range(5)]
    assert ranges[0, 0] == 0 and (ranges[1:, 0] == ranges[:-1, 1]).all() and ranges[-1, 1] == 50
    np.testing.assert_array_equal(cluster_ranges(lab, np.bincount(lab)), ranges)
    for given in (None, weights):
        means = cluster_centroids(x, lab, weights=given)
        assert means.dtype == x.dtype and np.isnan(means[3]).all()
        for k in (0, 1, 2, 4):
            chosen = lab == k
            expected = np.average(x[chosen], 0, None if given is None else given[chosen])
            np.testing.assert_allclose(means[k], expected, rtol=1e-5)
        all_ranges, all_means, totals = cluster_ranges_centroids(x, lab, weights=given)
        np.testing.assert_array_equal(all_ranges, ranges)
        np.testing.assert_array_equal(all_means, means)
        expected = np.bincount(lab, given)
        assert totals.dtype == x.dtype
        np.testing.assert_allclose(totals, expected, rtol=1e-6)


def test_reductions_skip_pairs_of_clusters():
    x, y = RNG.uniform(size=(60, 2)), RNG.uniform(size=(40, 2))
    (x, x_labels), (y, y_labels) = (sort_clusters(points, grid_cluster(points, 0.5)) for points in (x, y))
    keep = RNG.uniform(size=(x_labels.max() + 1, y_labels.max() + 1)) < 0.5
    ranges = from_matrix(cluster_ranges(x_labels), cluster_ranges(y_labels).astype(np.int32), keep)
    assert all(part.dtype == np.int64 for part in ranges) and ranges[1].shape == (len(keep),)
    mask = keep[x_labels][:, y_labels][..., None]
    dense = (x[:, None] * y[None]) * mask
    lazy = Vi(x) * Vj(y)
    np.testing.assert_allclose(lazy.sum(axis=1, ranges=ranges), dense.sum(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(lazy.sum(axis=0, ranges=ranges), dense.sum(0), rtol=1e-12, atol=1e-12)
    swapped = Vi(y) * Vj(x)
    np.testing.assert_allclose(swapped.sum(axis=1, ranges=swap_axes(ranges)), dense.sum(0), rtol=1e-12, atol=1e-12)
    assert swap_axes(None) is None


@pytest.mark.parametrize("points", [np.zeros((3, 2)), (np.zeros((2, 2)), np.zeros(3)), [np.zeros(1)]])
def test_as_many_labels_as_points(points):
    labels = np.array([1, 0])
    with pytest.raises(ValueError, match="lab: expected [13] labels, one for each point, got 2"):
        sort_clusters(points, labels)
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    from keops.torch import cluster
    tensors = torch.from_numpy(points) if isinstance(points, np.ndarray) else type(points)(map(torch.from_numpy, points))
    with pytest.raises(ValueError, match="lab: expected [13] labels, one for each point, got 2"):
        cluster.sort_clusters(tensors, torch.from_numpy(labels))
