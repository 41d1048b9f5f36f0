# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Distances between point clouds and their gradients by GeomLoss, which computes with LazyTensors and, on several scales,
with clusters."""

import json

import torch
from geomloss import SamplesLoss

LOSSES = {
    "sinkhorn": {"loss": "sinkhorn", "p": 2, "blur": 0.05, "backend": "online"},
    "sinkhorn on two scales": {"loss": "sinkhorn", "p": 2, "blur": 0.05, "backend": "multiscale"},
    "gaussian": {"loss": "gaussian", "blur": 0.1, "backend": "online"},
    "energy": {"loss": "energy", "backend": "online"},
}

results = {}
for name, options in LOSSES.items():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(400, 3, generator=generator, dtype=torch.float64).requires_grad_()
    y = torch.rand(500, 3, generator=generator, dtype=torch.float64)
    value = SamplesLoss(**options)(x, y)
    gradient, = torch.autograd.grad(value, x)
    results[name] = [value.item(), gradient.norm().item(), *gradient[7].tolist()]
print(json.dumps(results))
