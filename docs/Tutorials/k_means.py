# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""K-means: paint a photograph with few colours.

K-means puts K centres among N points so that points are near their centres. Lloyd's algorithm repeats two steps: each
point takes the nearest centre, and each centre goes to the mean of its points. The first step is an argmin over N×K
distances, and takes nearly all the time; it is one line here, and the second is NumPy's.

The points are the colours of the pixels of a photograph that comes with scikit-learn, and the centres are the palette
that it is painted with. Draws k_means.png: the photograph, the painting, and the palette.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image

from keops.numpy import Vi, Vj

K, STEPS = 12, 25

# Every second pixel of every second row: 68 160 points of dimension 3. Colours go from 0 to 1.
photo = load_sample_image("flower.jpg")[::2, ::2].astype(np.float32) / 255
points = photo.reshape(-1, 3)

# Start at pixels drawn at random.
start = points[np.random.default_rng(1).choice(len(points), K, replace=False)]


def assign(centres):
    """The squared distance of each point to the nearest centre, and that centre's number."""
    # One reduction gives both. Formulas are compiled once: later steps, with other centres, only run.
    distance, centre = Vi(points).sqdist(Vj(centres)).min_argmin(axis=1)
    return distance[:, 0], centre[:, 0].astype(int)


centres = start.copy()
inertia = []
for _ in range(STEPS):
    distance, label = assign(centres)
    inertia.append(distance.sum(dtype=float))
    # The mean of each centre's points. `bincount` sums in float64; a centre without points stays where it is.
    counts = np.bincount(label, minlength=K)
    for component in range(3):
        sums = np.bincount(label, weights=points[:, component], minlength=K)
        centres[:, component] = np.where(counts > 0, sums / np.maximum(counts, 1), centres[:, component])
distance, label = assign(centres)
inertia.append(distance.sum(dtype=float))

# The picture. Bars of the palette are as long as their colour is frequent.
figure, axes = plt.subplots(2, 2, figsize=(9, 5.2), layout="constrained", height_ratios=[2, 1])
axes[0, 0].imshow(photo)
axes[0, 0].set_title("the photograph")
axes[0, 1].imshow(centres[label].reshape(photo.shape))
axes[0, 1].set_title(f"painted with {K} colours")
for axis in axes[0]:
    axis.set_axis_off()
axes[1, 0].plot(1e3 * np.array(inertia) / len(points), "o-", markersize=3)
axes[1, 0].set(title="mean squared distance to the nearest centre", xlabel="step", ylabel="thousandths", ylim=(0, None))
order = np.argsort(-np.bincount(label, minlength=K))
axes[1, 1].bar(np.arange(K), np.bincount(label, minlength=K)[order] / len(points), color=centres[order], edgecolor="gray")
axes[1, 1].set(title="how frequent each colour is", xlabel="colour", ylabel="part of the pixels", xticks=[])
figure.savefig("k_means.png", dpi=120)

# Lloyd's algorithm never gets worse, and scikit-learn's finds the same from the same start.
if not np.all(np.diff(inertia) <= 1e-6 * inertia[0]):
    raise SystemExit(f"expected sums of squared distances that never grow, got {inertia}")
theirs = KMeans(K, init=start, n_init=1, max_iter=STEPS, tol=0).fit(points).inertia_
ratio = inertia[-1] / theirs
if not abs(ratio - 1) < 1e-3:
    raise SystemExit(f"expected scikit-learn's sum of squared distances, {theirs}, within 0.1 %, got {inertia[-1]}")
print(f"sum of squared distances {inertia[-1]:.2f}, {ratio:.5f} of scikit-learn's")
