# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The nearest points in several metrics by Gudhi, which reduces LazyTensors of PyTorch tensors."""

import json

import numpy as np
from gudhi.point_cloud.knn import KNearestNeighbors

generator = np.random.default_rng(0)
points, queries = generator.random((500, 4)), generator.random((300, 4))
results = {}
for p in (1, 2, 3, np.inf):
    search = KNearestNeighbors(7, return_index=True, return_distance=True, metric="minkowski", p=p, implementation="keops")
    indices, distances = search.fit(points).transform(queries)
    results[f"p = {p}"] = [float(np.asarray(distances).sum()), *np.asarray(indices)[5].tolist(), int(np.asarray(indices).sum())]
print(json.dumps(results))
