# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Optimal transport: give one photograph the colours of another.

Transport moves N points x_i, each of weight 1/N, onto N points y_j. The cheapest way, with costs C_ij = ½‖x_i − y_j‖²,
is a linear program. Sinkhorn's algorithm blurs it: it adds ε times the entropy, and then the plan is

    P_ij = exp((f_i + g_j − C_ij) / ε) / N²

with f and g such that its rows and columns sum to 1/N. Each in turn is set right by a log-sum-exp over all pairs, and
after some dozens of turns both are. The plan, N² numbers, is never written down.

Points are colours of pixels of the two photographs that come with scikit-learn. Draws optimal_transport.png: both
photographs, and the first one with the colours of the second.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_sample_image

from keops.numpy import Vi, Vj

N, EPSILON, STEPS = 1000, 4e-3, 150

random = np.random.default_rng(0)
photo = load_sample_image("china.jpg")[::3, ::3] / 255
other = load_sample_image("flower.jpg")[::3, ::3] / 255
x = random.choice(photo.reshape(-1, 3), N, replace=False)
y = random.choice(other.reshape(-1, 3), N, replace=False)


def softmin(places, points, potential, epsilon):
    """−ε log Σ_j exp((potential_j − C_ij) / ε) / N for each place."""
    exponents = (Vj(potential) - 0.5 * Vi(places).sqdist(Vj(points))) / epsilon
    return -epsilon * (exponents.logsumexp(axis=1) - np.log(N))


f, g = np.zeros((N, 1)), np.zeros((N, 1))
errors = []
for step in range(STEPS):
    # A large ε needs few turns and a small one many, so it starts large and shrinks by a tenth each time.
    epsilon = max(EPSILON, 0.5 * 0.9**step)
    # Rows first. How much f had to change says how far the rows were from right: their sums were exp(change / ε) / N.
    before, f = f, softmin(x, y, g, epsilon)
    errors.append(np.abs(np.expm1((before - f) / epsilon)).mean())
    g = softmin(y, x, f, epsilon)

# Where a colour goes is the mean of all y_j with the weights of its row of the plan. The row needs g alone, so it is known
# for colours that were not among the x_i too: here for all pixels of the photograph. A softmax over j times y_j is one
# reduction.
pixels = photo.reshape(-1, 3)
moved = ((Vj(g) - 0.5 * Vi(pixels).sqdist(Vj(y))) / EPSILON).sumsoftmaxweight(Vj(y), axis=1)

figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
for axis, image, title in zip(axes.flat, (photo, other, moved.reshape(photo.shape)),
                              ("a photograph", "another", "the first with the colours of the second")):
    axis.imshow(image.clip(0, 1))
    axis.set_title(title)
    axis.set_axis_off()
axes[1, 1].semilogy(errors[1:])
axes[1, 1].axvline(np.log(2 * EPSILON) / np.log(0.9), color="gray", linestyle=":", label="from here on ε is constant")
axes[1, 1].set(title="mean relative error of the plan's rows", xlabel="step", ylabel="error")
axes[1, 1].legend()
figure.savefig("optimal_transport.png", dpi=120)

# What the plan costs: Σ_ij P_ij C_ij, again one reduction. The columns are right after the last step, the rows nearly. No
# plan is cheaper than the linear program's, and the blur makes it dearer by ε log N at most.
C = 0.5 * Vi(x).sqdist(Vj(y))
plan = ((Vi(f) + Vj(g) - C) / EPSILON).exp() / N**2
cost = (plan * C).sum(axis=1).sum()
rows, columns = plan.sum(axis=1) * N, plan.sum(axis=0) * N
if not (np.abs(rows - 1).mean() < 1e-2 and np.abs(columns - 1).max() < 1e-9):
    raise SystemExit(f"expected a plan whose rows and columns sum to 1/{N}, got sums from {rows.min()} to {rows.max()} and "
                     f"from {columns.min()} to {columns.max()} times that")
dense = 0.5 * ((x[:, None] - y) ** 2).sum(-1)
exact = dense[linear_sum_assignment(dense)].mean()
if not exact - 1e-4 < cost < exact + EPSILON * np.log(N):
    raise SystemExit(f"expected a cost from {exact} to {exact + EPSILON * np.log(N)}, got {cost}")
print(f"cost {cost:.5f}, {cost / exact:.4f} of the cheapest")
