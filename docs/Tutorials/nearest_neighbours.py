# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Nearest neighbours: read handwritten digits.

A digit that nobody has labelled gets the label that most of its K nearest neighbours have among labelled ones. With M
new digits and N labelled ones, that takes the K smallest of N distances for each of M digits. Written with NumPy the
M×N distances lie in memory before they are sorted; here they are a formula, and only the K best of a row are ever kept.

The data are the 1797 digits of 8×8 pixels that come with scikit-learn. Draws nearest_neighbours.png: digits that the
vote got wrong, and the neighbours that misled it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from keops.numpy import Vi, Vj

K = 5

# A digit is a vector of 64 numbers from 0 to 1. A third of the digits are kept aside as new ones.
digits, labels = load_digits(return_X_y=True)
digits = (digits / 16).astype(np.float32)
old, new, old_labels, new_labels = train_test_split(digits, labels, test_size=1 / 3, random_state=0, stratify=labels)

# `Vi` says that an array has a row for each i, `Vj` for each j; what is made of both has a value for each pair (i, j).
# Nothing is computed yet: `distances` is a formula for 599×1198 pairs, and printing it shows that formula.
distances = Vi(new).sqdist(Vj(old))
print(distances)

# A reduction computes. `axis=1` reduces over j and leaves a row for each i: here the numbers of its K nearest
# neighbours, the nearest first. They come in the type of the data, as all results do, and index arrays after a cast.
neighbours = distances.argKmin(K, axis=1).astype(int)

# The vote: of the K labels of each row, the most frequent one.
votes = np.zeros((len(new), 10), int)
np.add.at(votes, (np.arange(len(new))[:, None], old_labels[neighbours]), 1)
guesses = votes.argmax(axis=1)
accuracy = (guesses == new_labels).mean()

# The picture: each row is a digit that was misread, and its neighbours.
wrong = np.flatnonzero(guesses != new_labels)[:6]
figure, axes = plt.subplots(len(wrong), K + 1, figsize=(6, 1.25 * len(wrong)), squeeze=False, layout="constrained")
for row, i in zip(axes, wrong):
    row[0].imshow(new[i].reshape(8, 8), cmap="magma")
    row[0].set_title(f"{new_labels[i]}, read as {guesses[i]}", fontsize=8)
    for axis, j in zip(row[1:], neighbours[i]):
        axis.imshow(old[j].reshape(8, 8), cmap="gray_r")
        axis.set_title(f"{old_labels[j]}", fontsize=8)
for axis in axes.flat:
    axis.set_axis_off()
figure.suptitle(f"{accuracy:.1%} of {len(new)} digits are read right; some that are not, and their neighbours", fontsize=9)
figure.savefig("nearest_neighbours.png", dpi=120)

# All pairs in memory, in float64, say whether these are the nearest ones. Two neighbours may be equally far, so
# distances are compared and not numbers of rows.
dense = ((new[:, None].astype(float) - old) ** 2).sum(-1)
nearest = np.sort(dense, axis=1)[:, :K]
difference = np.abs(np.take_along_axis(dense, neighbours, axis=1) - nearest).max()
if not difference < 1e-5:
    raise SystemExit(f"expected the distances of the {K} nearest digits within 1e-5, got a difference of {difference}")
if not accuracy > 0.97:
    raise SystemExit(f"expected more than 97 % of the digits to be read right, got {accuracy:.1%}")
print(f"accuracy {accuracy:.4f}")
