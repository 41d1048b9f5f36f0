# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sums of radial kernels and their gradients, under the names of older programs."""

import functools
from typing import Any

import numpy

from keops import _options
from keops.numpy.genred import Genred

__all__ = ["RadialKernelConv", "RadialKernelGrad1conv"]

# Functions of the squared distance q, in units of sigma.
KERNELS = {"gaussian": "Exp(-{q})", "laplacian": "Exp(-Sqrt({q}))", "cauchy": "Inv(1+{q})",
           "inverse_multiquadric": "Rsqrt(1+{q})"}


@functools.lru_cache(maxsize=None)
def _reduction(kernel: str, dim: int, components: int, gradient: bool) -> Genred:
    if kernel not in KERNELS:
        raise _options.refuse("kernel", f"one of {', '.join(KERNELS)}", kernel)
    formula = f"{KERNELS[kernel].format(q='(SqDist(x,y)/(s*s))')}*b"
    aliases = [f"x = Vi({dim})", f"y = Vj({dim})", f"b = Vj({components})", "s = Pm(1)"]
    if gradient:
        formula, aliases = f"Grad({formula},x,a)", aliases + [f"a = Vi({components})"]
    return Genred(formula, aliases, axis=1)


class _Radial:
    """What both have in common: arrays of one dtype, kernels by name."""

    def __init__(self, dtype: Any):
        """
        :param dtype: of the arrays of calls, such as "float32".
        """
        self.dtype = numpy.dtype(dtype)

    def _arrays(self, **arrays: Any) -> tuple:
        made = []
        for name, array in arrays.items():
            array = numpy.asarray(array)
            if array.dtype != self.dtype:
                raise TypeError(f"{name}: expected an array of {self.dtype}, got {array.dtype}")
            if array.ndim < 2:
                raise ValueError(f"{name}: expected an array of shape (rows, components), got shape {array.shape}")
            made.append(array)
        return tuple(made)


class RadialKernelConv(_Radial):
    """a_i = sum_j k(|x_i - y_j| / sigma) beta_j."""

    def __call__(self, x: Any, y: Any, beta: Any, sigma: float, kernel: str = "gaussian") -> numpy.ndarray:
        """
        :param x: (M, D) points.
        :param y: (N, D) points.
        :param beta: (N, E) vectors.
        :param sigma: the kernel's width, in the unit of the points.
        :param kernel: with r = |x_i - y_j| / sigma, "gaussian" exp(-r^2), "laplacian" exp(-r), "cauchy" 1 / (1 + r^2) or
            "inverse_multiquadric" 1 / sqrt(1 + r^2).
        :returns: (M, E).
        :raises ValueError: another kernel, or arrays that do not fit.
        :raises TypeError: arrays of another dtype.
        """
        x, y, beta = self._arrays(x=x, y=y, beta=beta)
        width = numpy.array([sigma], self.dtype)
        return _reduction(kernel, x.shape[-1], beta.shape[-1], False)(x, y, beta, width)


class RadialKernelGrad1conv(_Radial):
    """The gradient of sum_i <a_i, sum_j k(|x_i - y_j| / sigma) beta_j> with respect to x."""

    def __call__(self, a: Any, x: Any, y: Any, beta: Any, sigma: float, kernel: str = "gaussian") -> numpy.ndarray:
        """
        :param a: (M, E) vectors; the others as for ``RadialKernelConv``.
        :returns: (M, D).
        """
        a, x, y, beta = self._arrays(a=a, x=x, y=y, beta=beta)
        width = numpy.array([sigma], self.dtype)
        return _reduction(kernel, x.shape[-1], beta.shape[-1], True)(x, y, beta, width, a)
