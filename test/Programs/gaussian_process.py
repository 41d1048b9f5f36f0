# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gaussian processes fitted by GPyTorch, whose kernels are LazyTensors: likelihoods while parameters are learnt, and what
is predicted."""

import json
import warnings

import gpytorch
import torch
from gpytorch.kernels.keops import MaternKernel, RBFKernel

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
x = torch.rand(300, 2)
y = torch.sin(6 * x[:, 0]) + x[:, 1] + 0.05 * torch.randn(300)
queries = torch.rand(20, 2)


class Model(gpytorch.models.ExactGP):
    def __init__(self, kernel, likelihood):
        super().__init__(x, y, likelihood)
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(kernel)

    def forward(self, points):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(points), self.covar_module(points))


results = {}
settings = gpytorch.settings
for name, kernel in {"gaussian": RBFKernel(), "matern": MaternKernel(nu=2.5)}.items():
    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    model = Model(kernel, likelihood)
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    torch.manual_seed(3)
    losses = []
    with settings.max_cholesky_size(0), settings.cg_tolerance(1e-8), settings.eval_cg_tolerance(1e-8), \
            settings.max_preconditioner_size(0), settings.deterministic_probes(True), settings.num_trace_samples(5):
        for _ in range(5):
            optimizer.zero_grad()
            loss = -objective(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        likelihood.eval()
        with torch.no_grad():
            mean = model(queries).mean
    results[name] = [*losses, mean.sum().item(), *mean[:3].tolist()]
print(json.dumps(results))
