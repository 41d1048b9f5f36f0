# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Spectral embedding: find digits without labels.

Points that are alike shall be neighbours on a map. Let K_ij = exp(−‖x_i − x_j‖² / 2s²) say how alike two points are, and
d_i = Σ_j K_ij how many are like i. The first eigenvectors of D^−½ K D^−½ are the slowest oscillations that heat has if it
flows between like points; they are the coordinates of the map. Eigenvectors of large matrices are found by Lanczos'
algorithm, which only multiplies: SciPy's `eigsh` takes a LazyTensor as a linear operator, and no matrix is stored.

The points are the digits 0 to 4 among those that come with scikit-learn. Draws spectral_embedding.png: the map, with the
labels that it has not seen as colours.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import eigh
from scipy.sparse import diags
from scipy.sparse.linalg import aslinearoperator, eigsh
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from keops.numpy import Vi, Vj

CLASSES, WIDTH = 5, 0.5

digits, labels = load_digits(n_class=CLASSES, return_X_y=True)
digits = digits / 16
N = len(digits)

# How alike: a formula for N² pairs. A symmetric one, so that it is a symmetric operator.
K = (-Vi(digits).sqdist(Vj(digits)) / (2 * WIDTH**2)).exp()
degree = K.sum(axis=1)[:, 0]

# Operators of SciPy are multiplied like matrices: each product with `A` is one with K between two scalings.
scale = aslinearoperator(diags(degree**-0.5))
A = scale @ aslinearoperator(K) @ scale
# The start of Lanczos' algorithm is random otherwise.
values, vectors = eigsh(A, k=CLASSES, which="LM", v0=np.random.default_rng(0).standard_normal(N))
order = np.argsort(-values)
values, vectors = values[order], vectors[:, order]

# Each digit has a row of coordinates, one in each eigenvector. Only the row's direction is kept: its length says how many
# digits are alike, and not which. K-means finds groups of directions.
embedding = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
groups = KMeans(CLASSES, n_init=5, random_state=0).fit_predict(embedding)
agreement = adjusted_rand_score(labels, groups)

figure, axes = plt.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
for axis, (a, b) in zip(axes, ((1, 2), (3, 4))):
    for digit in range(CLASSES):
        axis.scatter(*embedding[labels == digit][:, [a, b]].T, s=8, color=plt.cm.tab10(digit), label=f"{digit}")
    axis.set(xlabel=f"eigenvector {a + 1}", ylabel=f"eigenvector {b + 1}")
axes[0].legend(title="digit", markerscale=2)
figure.suptitle(f"{N} digits, embedded without their labels")
figure.savefig("spectral_embedding.png", dpi=120)

# The whole matrix and all its eigenvalues, by the dense algorithm.
dense = np.exp(-((digits[:, None] - digits) ** 2).sum(-1) / (2 * WIDTH**2))
dense /= np.sqrt(np.outer(dense.sum(1), dense.sum(1)))
difference = np.abs(values - eigh(dense, eigvals_only=True, subset_by_index=(N - CLASSES, N - 1))[::-1]).max()
residual = np.linalg.norm(dense @ vectors - values * vectors)
if not (difference < 1e-9 and residual < 1e-7):
    raise SystemExit(f"expected the eigenvalues of the matrix within 1e-9 and eigenvectors within 1e-7, got differences of "
                     f"{difference} and {residual}")
if not agreement > 0.9:
    raise SystemExit(f"expected groups that agree with the labels to 0.9 (adjusted Rand index), got {agreement}")
print(f"agreement {agreement:.4f}, residual {residual:.1e}")
