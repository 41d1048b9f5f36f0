# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions over pairs of rows of NumPy arrays.

Formulas are text such as ``"Exp(-SqDist(x,y)) * b"``. Each name in them is an argument of the call, declared by an
alias:

=============  ===================================  ============  ================
alias          meaning                              array         index of its rows
=============  ===================================  ============  ================
``x = Vi(D)``  a vector of D components for each i  ``(M, D)``    i = 0 ... M-1
``y = Vj(D)``  a vector of D components for each j  ``(N, D)``    j = 0 ... N-1
``p = Pm(D)``  a vector of D components for all     ``(D,)``      none
=============  ===================================  ============  ================

Any argument may have batch dimensions before those; they broadcast as in NumPy, the last ones first, and the result has
them all: a call computes the reduction for each batch on its own.

All arrays of a call have the same dtype, float16, bfloat16, float32 or float64, which is that of the result, too. With
float16 and bfloat16, float32 is computed and results are rounded once. NumPy has no bfloat16; arrays of the package
ml_dtypes are known by the name of their dtype. Arrays may be strided and are neither copied nor changed.

A vector of D complex numbers is a vector of 2 D components (re, im, re, im, ...) to formulas. So an argument
``z = Vi(2*D)`` takes an (M, D) array of complex64 as well as an (M, 2 D) array of float32, beside others of either
kind. Results are real, in pairs, unless ``dtype`` or ``out`` asks for complex ones.

Instead of text, a ``LazyTensor`` builds the formula from arrays by operators and methods as NumPy has them. Arrays of
other libraries are taken where their memory can be shared, by DLPack or the buffer protocol; those of a GPU are computed
there. What the compiler or the
engine refuses, for example a formula that does not parse, is ``keops.Error``, a ``ValueError``.
"""

from keops.numpy import cluster
from keops.numpy.genred import Genred, generic_argkmin, generic_argmin, generic_logsumexp, generic_sum
from keops.numpy.kernels import RadialKernelConv, RadialKernelGrad1conv
from keops.numpy.lazytensor import ComplexLazyTensor, LazyTensor, Pm, Var, Vi, Vj
from keops.numpy.solve import KernelSolve

# What every front has; the radial kernels are for NumPy only.
__all__ = ["ComplexLazyTensor", "Genred", "KernelSolve", "LazyTensor", "Pm", "Var", "Vi", "Vj", "cluster",
           "generic_argkmin", "generic_argmin", "generic_logsumexp", "generic_sum"]
