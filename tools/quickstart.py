# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The main job on real data: nearest neighbours of handwritten digits, and a Gaussian kernel product over ten billion
pairs. Fails when an answer is not as good as it must be, so a build that computes nonsense is noticed here."""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from sklearn.datasets import load_digits

from keops.numpy import Genred


def classify_digits(neighbours=5):
    """Leave-one-out accuracy of the nearest-neighbour rule on all 1797 digits of scikit-learn."""
    digits = load_digits()
    x = np.ascontiguousarray(digits.data, dtype=np.float32)
    nearest = Genred("SqDist(x,y)", ["x = Vi(64)", "y = Vj(64)"], reduction_op="ArgKMin", axis=1,
                     opt_arg=neighbours + 1)
    start = time.perf_counter()
    found = np.asarray(nearest(x, x), dtype=np.int64)
    seconds = time.perf_counter() - start

    # Leave each digit itself out; where copies of it fill its row, leave out the last of them.
    others = found != np.arange(len(x))[:, None]
    others[others.all(axis=1), -1] = False
    votes = digits.target[found[others].reshape(len(x), neighbours)]
    predicted = np.array([np.bincount(row, minlength=10).argmax() for row in votes])
    accuracy = float(np.mean(predicted == digits.target))
    print(f"digits     {len(x)} x {len(x)} pairs in R^64, {neighbours} nearest neighbours: "
          f"{seconds:.3f} s with compilation, leave-one-out accuracy {accuracy:.4f}")
    return accuracy


def gaussian_product(points, peak, sampled=100, scale=0.2):
    """Largest relative error of a_i = sum_j exp(-|x_i - y_j|^2 / (2 scale^2)) b_j, after printing its speed."""
    rng = np.random.default_rng(0)
    x, y, b = (rng.random((points, dim), dtype=np.float32) for dim in (3, 3, 1))
    c = np.array([1 / (2 * scale**2)], dtype=np.float32)
    product = Genred("Exp(-SqDist(x,y)*c)*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "c = Pm(1)"], axis=1)
    product(x, y, b, c)  # compiles
    seconds = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        a = product(x, y, b, c)
        seconds = min(seconds, time.perf_counter() - start)

    pairs_per_s = points**2 / seconds
    print(f"gaussian   {points} x {points} pairs in R^3, float32: {seconds:.3f} s, {pairs_per_s:.3g} pairs/s")
    print(f"peak       {pairs_per_s / peak['pairs_per_s']:.0%} of the {peak['pairs_per_s']:.3g} pairs/s that "
          f"{peak['threads']} threads reach here on this arithmetic alone "
          f"({peak['operations_per_pair']} operations a pair, {peak['lanes']} lanes, nothing read from memory)")

    rows = rng.choice(points, size=sampled, replace=False)
    worst = 0.0
    for row in rows:
        squares = ((x[row].astype(np.float64) - y.astype(np.float64)) ** 2).sum(axis=1)
        expected = np.exp(-squares * np.float64(c[0])) @ b[:, 0].astype(np.float64)
        worst = max(worst, abs(float(a[row, 0]) - expected) / expected)
    print(f"check      largest relative error against float64 on {sampled} rows: {worst:.2e}")
    return worst


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--peak", required=True, help="program that prints this machine's peak as JSON")
    arguments.add_argument("--points", type=int, default=100_000, help="rows and columns of the Gaussian product")
    options = arguments.parse_args()

    accuracy = classify_digits()
    peak = json.loads(subprocess.run([options.peak], check=True, capture_output=True, text=True).stdout)
    error = gaussian_product(options.points, peak)
    if accuracy < 0.98:
        sys.exit(f"leave-one-out accuracy is {accuracy:.4f}; at least 0.98 was expected")
    if not error < 1e-5:
        sys.exit(f"the largest relative error is {error:.2e}; at most 1e-5 was expected")


if __name__ == "__main__":
    main()
