# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sums of radial kernels and their gradients against NumPy, the gradients by differences."""

import numpy as np
import pytest

from keops.numpy import RadialKernelConv, RadialKernelGrad1conv

RNG = np.random.default_rng(29)
X, Y, BETA, A = (RNG.uniform(-1, 1, shape) for shape in ((7, 3), (5, 3), (5, 2), (7, 2)))
SIGMA = 0.8
KERNELS = {"gaussian": lambda r: np.exp(-r**2), "laplacian": lambda r: np.exp(-r), "cauchy": lambda r: 1 / (1 + r**2),
           "inverse_multiquadric": lambda r: 1 / np.sqrt(1 + r**2)}


def dense(kernel, x):
    return KERNELS[kernel](np.sqrt(((x[:, None] - Y) ** 2).sum(-1)) / SIGMA) @ BETA


@pytest.mark.parametrize("kernel", KERNELS)
def test_sums_and_gradients(kernel):
    np.testing.assert_allclose(RadialKernelConv("float64")(X, Y, BETA, SIGMA, kernel=kernel), dense(kernel, X), rtol=1e-12)
    found = RadialKernelGrad1conv("float64")(A, X, Y, BETA, SIGMA, kernel=kernel)
    step, expected = 1e-6, np.empty_like(X)
    for k in range(3):
        shift = step * np.eye(3)[k]
        expected[:, k] = (A * (dense(kernel, X + shift) - dense(kernel, X - shift))).sum(1) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


def test_the_default_is_gaussian():
    single = [array.astype("float32") for array in (X, Y, BETA)]
    found = RadialKernelConv("float32")(*single, SIGMA)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, dense("gaussian", X), rtol=1e-4, atol=1e-6)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="kernel: expected one of gaussian.* got 'gauss'"):
        RadialKernelConv("float64")(X, Y, BETA, SIGMA, kernel="gauss")
    with pytest.raises(TypeError, match="y: expected an array of float64, got float32"):
        RadialKernelConv("float64")(X, Y.astype("float32"), BETA, SIGMA)
    with pytest.raises(ValueError, match=r"beta: expected an array of shape \(rows, components\), got shape \(5,\)"):
        RadialKernelConv("float64")(X, Y, BETA[:, 0], SIGMA)
