# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernel density: which colours does a photograph have?

A kernel density estimate puts a small Gaussian on each of N points, and their mean is a density: where points are many,
it is high. Its value at M places takes M×N Gaussians. Its one choice is their width s. A good width makes points likely
that the estimate has not seen; so each point is asked for its log-likelihood under the Gaussians of all *others*, and
the width with the highest mean wins. That is a log-sum-exp over N² pairs for each width that is tried.

The points are colours of pixels, without their brightness. Draws kernel_density.png: the photograph, the density of its
colours, and the log-likelihoods of the widths.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.neighbors import KernelDensity

from keops.numpy import Vi, Vj

# Two axes of colour, as television has them: from green-blue to red, and from yellow to blue. Every 41st pixel.
photo = load_sample_image("china.jpg")
red, green, blue = (photo.reshape(-1, 3)[::41].T / 255).astype(np.float32)
brightness = 0.3 * red + 0.59 * green + 0.11 * blue
points = np.stack([red - brightness, blue - brightness], axis=1)
# Pixels are whole numbers, so colours coincide. A little noise spreads them over the width of a step.
points += np.random.default_rng(0).uniform(-0.5, 0.5, points.shape).astype(np.float32) / 255
N = len(points)


def log_density(places, width):
    """The logarithm of the density at each place."""
    # A number in a formula is a parameter of the call: other widths need no other code.
    exponents = -Vi(places).sqdist(Vj(points)) / (2 * width**2)
    return exponents.logsumexp(axis=1)[:, 0] - np.log(N * 2 * np.pi * width**2)


def log_likelihood(width):
    """The mean log-likelihood of points under the Gaussians of all others."""
    # A point's own Gaussian is 1/(2πs²) there, and is taken out of the sum. Nothing may be left: a floor of 10⁻⁴ then
    # stands for the logarithm of 0, which no other width could make up for.
    density = np.exp(log_density(points, width).astype(float))
    others = (N * density - 1 / (2 * np.pi * width**2)) / (N - 1)
    return np.log(np.maximum(others, 1e-4)).mean()


widths = np.geomspace(0.001, 0.1, 15)
likelihoods = np.array([log_likelihood(width) for width in widths])
best = widths[likelihoods.argmax()]

# The density on a grid: 300×300 places, closer to each other than the Gaussians are wide.
axis_u, axis_v = np.linspace(-0.25, 0.45, 300), np.linspace(-0.45, 0.25, 300)
places = np.stack(np.meshgrid(axis_u, axis_v), axis=-1).reshape(-1, 2).astype(np.float32)
density = np.exp(log_density(places, best)).reshape(300, 300)

figure, axes = plt.subplots(1, 3, figsize=(14, 3.8), layout="constrained", width_ratios=[1.4, 1.2, 1])
axes[0].imshow(photo)
axes[0].set_axis_off()
axes[0].set_title("the photograph")
image = axes[1].pcolormesh(axis_u, axis_v, np.log10(np.maximum(density, 1e-2)), cmap="magma")
figure.colorbar(image, ax=axes[1], label="density, as a power of ten", extend="min")
axes[1].set(title=f"colours, with Gaussians of width {best:.4f}", xlabel="red − brightness", ylabel="blue − brightness")
axes[2].semilogx(widths, likelihoods, "o-")
axes[2].axvline(best, color="gray", linestyle=":")
axes[2].set(title="log-likelihood of an unseen colour", xlabel="width of the Gaussians", ylabel="mean, in nats")
figure.savefig("kernel_density.png", dpi=120)

# A density integrates to 1; the best width is neither the least nor the greatest; scikit-learn's trees agree.
mass = density.sum(dtype=float) * (axis_u[1] - axis_u[0]) * (axis_v[1] - axis_v[0])
if not abs(mass - 1) < 5e-3:
    raise SystemExit(f"expected a density with integral 1, got {mass}")
if not widths[0] < best < widths[-1]:
    raise SystemExit(f"expected a width between {widths[0]} and {widths[-1]}, got {best}")
theirs = KernelDensity(bandwidth=best, rtol=1e-6).fit(points).score_samples(points[:300])
difference = np.abs(log_density(points[:300], best) - theirs).max()
if not difference < 1e-3:
    raise SystemExit(f"expected scikit-learn's log-densities within 1e-3, got a difference of {difference}")
print(f"integral {mass:.4f}, log-likelihood {likelihoods.max():.4f}")
