# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernel ridge regression: paint what is missing in a photograph.

Known are values y_j at N places x_j; wanted is a smooth function through them. It is f(x) = Σ_j k(x, x_j) a_j, where
the weights a solve (K + α) a = y with the N×N matrix K of k(x_i, x_j). This f is also the mean of a Gaussian process
with covariance k, given values with noise of variance α; geologists call it kriging. A solver for matrices needs all
N² numbers and N³ operations. Conjugate gradients need only products with K, which are reductions over pairs.

One pixel in four of a photograph is known, and the regression gives the others. Draws ridge_regression.png: the known
pixels, what comes of them, and the photograph itself.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import NearestNDInterpolator
from sklearn.datasets import load_sample_image

from keops.numpy import Vi, Vj

SIZE, SCALE, ALPHA = 96, 12.0, 1e-2

# A square of the photograph with its three colours. Places are pixels, float64 for many steps of the solver.
photo = load_sample_image("china.jpg")[120:120 + SIZE, 200:200 + SIZE] / 255
places = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij"), axis=-1).reshape(-1, 2).astype(float)
colours = photo.reshape(-1, 3)
known = np.random.default_rng(0).random(SIZE**2) < 0.25
mean = colours[known].mean(axis=0)


def kernel(x, y):
    """exp(−‖x_i − y_j‖ / SCALE): rough enough for the edges in a photograph."""
    return (-Vi(x).sqdist(Vj(y)).sqrt() / SCALE).exp()


# `solve` finds a with (K + α) a = y by conjugate gradients. The three colours are three right-hand sides; each step of the
# solver goes through the pairs once for all of them.
K = kernel(places[known], places[known])
values = colours[known] - mean
weights = K.solve(values, alpha=ALPHA, eps=1e-6)

# The function at all places, known ones included: `@` reduces over j.
painted = (kernel(places, places[known]) @ weights + mean).clip(0, 1)


def psnr(image):
    """The signal-to-noise ratio of unknown pixels, in decibels: 10 more for errors √10 times as small."""
    return -10 * np.log10(((image - colours)[~known] ** 2).mean())


# What it must beat: each pixel takes the colour of the nearest known one.
nearest = NearestNDInterpolator(places[known], colours[known])(places)

figure, axes = plt.subplots(1, 4, figsize=(13, 3.5), layout="constrained")
shown = np.where(known[:, None], colours, 1)
for axis, image, title in zip(axes, (shown, nearest, painted, colours),
                              (f"{known.mean():.0%} of the pixels", f"nearest known pixel, {psnr(nearest):.1f} dB",
                               f"kernel ridge regression, {psnr(painted):.1f} dB", "the photograph")):
    axis.imshow(image.reshape(SIZE, SIZE, 3))
    axis.set_title(title)
    axis.set_axis_off()
figure.savefig("ridge_regression.png", dpi=120)

# The weights solve the equations, which are written here as matrices, and the regression beats the nearest pixel.
dense = np.exp(-np.sqrt(((places[known][:, None] - places[known]) ** 2).sum(-1)) / SCALE)
residual = np.linalg.norm(dense @ weights + ALPHA * weights - values) / np.linalg.norm(values)
if not residual < 1e-4:
    raise SystemExit(f"expected a relative residual below 1e-4, got {residual}")
if not psnr(painted) > psnr(nearest) + 1:
    raise SystemExit(f"expected 1 dB more than the nearest pixel's {psnr(nearest):.2f} dB, got {psnr(painted):.2f} dB")
print(f"residual {residual:.1e}, {psnr(painted):.2f} dB")
