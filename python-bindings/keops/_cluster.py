# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What ranges of clusters are for any library of arrays."""

from typing import Any, Callable, Optional, Tuple

Ranges = Tuple[Any, Any, Any, Any, Any, Any]


def swap_axes(ranges: Optional[Ranges]) -> Optional[Ranges]:
    """The ranges of the transposed: those of j first. None stays None.

    :param ranges: six arrays, as ``Genred`` takes them.
    """
    return None if ranges is None else (*ranges[3:6], *ranges[0:3])


def check_counts(points: Any, labels: Any) -> None:
    """Whether there is a label for each point."""
    if len(points) != len(labels):
        raise ValueError(f"lab: expected {len(points)} labels, one for each point, got {len(labels)}")


def join_ranges(noun: str, ranges_i: Any, ranges_j: Any, keep: Any, columns_of: Callable[[Any], Any]) -> Ranges:
    """The ranges that keep some pairs of clusters.

    :param noun: what the library calls an array.
    :param ranges_i: (Mc, 2) int64 array, and ``ranges_j`` (Nc, 2) likewise.
    :param keep: (Mc, Nc) array of truth values.
    :param columns_of: the numbers of the columns of all true entries of a matrix, row by row.
    """
    for name, ranges in (("ranges_i", ranges_i), ("ranges_j", ranges_j)):
        if ranges.ndim != 2 or ranges.shape[1] != 2:
            raise ValueError(f"{name}: expected {'an' if noun[0] in 'aeiou' else 'a'} {noun} of shape (clusters, 2), got "
                             f"shape {tuple(ranges.shape)}")
    if tuple(keep.shape) != (len(ranges_i), len(ranges_j)):
        raise ValueError(f"keep: expected shape ({len(ranges_i)}, {len(ranges_j)}), got {tuple(keep.shape)}")
    # int64 is what sums of truth values have.
    slices_i, slices_j = keep.sum(1).cumsum(0), keep.sum(0).cumsum(0)
    return ranges_i, slices_i, ranges_j[columns_of(keep)], ranges_j, slices_j, ranges_i[columns_of(keep.T)]
