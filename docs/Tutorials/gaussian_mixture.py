# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gaussian mixture: fit a density with autograd.

A mixture of K Gaussians has the log-likelihood Σ_i log Σ_j exp(log w_j + log|A_j| − ½‖A_j (x_i − m_j)‖²) at N points, up
to a constant: a log-sum-exp over N×K pairs. Here it is a formula of tensors that require a gradient. PyTorch asks for
the gradient, and gets it from another reduction over the same pairs, which is derived and compiled from the formula; so
any optimizer of PyTorch fits weights w, means m and matrices A.

The points are two measurements of 178 wines of three growers, which come with scikit-learn. Draws gaussian_mixture.png:
the wines, the density, and its Gaussians.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture

from keops.torch import Vi, Vj

K = 3

# Flavanoids and the intensity of the colour, both scaled to mean 0 and deviation 1.
wine = load_wine()
points = wine.data[:, [wine.feature_names.index("flavanoids"), wine.feature_names.index("color_intensity")]]
points = (points - points.mean(0)) / points.std(0)
x = torch.tensor(points)


def log_density(places, logits, means, roots):
    """The logarithm of the mixture's density at each place. `roots` are K matrices A_j of 2×2, row by row."""
    # What is made per Gaussian is ordinary PyTorch: weights that sum to 1, and log|A|.
    a, b, c, d = roots.T
    heights = torch.log_softmax(logits, 0) + torch.log((a * d - b * c).abs()) - np.log(2 * np.pi)
    scaled = Vj(roots).matvecmult(Vi(places) - Vj(means))
    return (Vj(heights[:, None]) - 0.5 * scaled.sqnorm2()).logsumexp(axis=1)


# Start at the centres of K-means with round Gaussians, and minimize by L-BFGS, a method for smooth functions.
centres = KMeans(K, n_init=5, random_state=0).fit(points).cluster_centers_
logits = torch.zeros(K, dtype=torch.float64, requires_grad=True)
means = torch.tensor(centres, requires_grad=True)
roots = torch.tensor([[2.0, 0.0, 0.0, 2.0]] * K, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.LBFGS([logits, means, roots], max_iter=100, tolerance_grad=1e-8, line_search_fn="strong_wolfe")
losses = []


def closure():
    optimizer.zero_grad()
    loss = -log_density(x, logits, means, roots).mean()
    loss.backward()
    losses.append(loss.item())
    return loss


optimizer.step(closure)
likelihood = -closure().item()

# The picture: the density on a grid, and ellipses A_j (x − m_j) = 2 (cos t, sin t).
grid = np.stack(np.meshgrid(np.linspace(-2.2, 3.5, 150), np.linspace(-2.2, 3.8, 150)), -1)
with torch.no_grad():
    density = log_density(torch.tensor(grid.reshape(-1, 2)), logits, means, roots).exp().reshape(150, 150)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained", width_ratios=[1.4, 1])
left.contourf(grid[..., 0], grid[..., 1], density.numpy(), 15, cmap="Greys")
for grower in range(3):
    left.scatter(*points[wine.target == grower].T, s=18, color=plt.cm.Set1(grower), edgecolor="white", linewidth=0.5,
                 label=f"grower {grower + 1}")
angles = torch.linspace(0, 2 * torch.pi, 100, dtype=torch.float64)
for mean, root in zip(means.detach(), roots.detach()):
    ellipse = mean[:, None] + torch.linalg.solve(root.reshape(2, 2), 2 * torch.stack([angles.cos(), angles.sin()]))
    left.plot(*ellipse.numpy(), color="black", linewidth=1)
left.set(title="wines, and the mixture that fits them", xlabel="flavanoids, in standard deviations",
         ylabel="intensity of the colour, in standard deviations", xlim=(-2.2, 3.5), ylim=(-2.2, 3.8))
left.legend()
right.plot(losses)
right.set(title="negative log-likelihood per wine", xlabel="evaluation", ylabel="nats")
figure.savefig("gaussian_mixture.png", dpi=120)

# Scikit-learn fits the same, from the same start, by expectation-maximization. The gradient by differences must be that of
# autograd.
start = {"means_init": centres, "weights_init": [1 / K] * K, "precisions_init": [4 * np.eye(2)] * K}
theirs = GaussianMixture(K, **start, tol=1e-6, reg_covar=0, max_iter=1000).fit(points).score(points)
if not likelihood > theirs - 1e-3:
    raise SystemExit(f"expected at least scikit-learn's log-likelihood, {theirs}, got {likelihood}")
places = x[:5]
if not torch.autograd.gradcheck(lambda *parameters: log_density(places, *parameters), (logits, means, roots)):
    raise SystemExit("expected the gradient of differences")
print(f"log-likelihood {likelihood:.4f}, scikit-learn's {theirs:.4f}")
