# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""LazyTensors for any library of arrays: ``keops.numpy.LazyTensor`` and its like are made of these classes and of what
``keops._arrays.Arrays`` says about the library."""

from keops.lazytensor._complex import ComplexGenericLazyTensor
from keops.lazytensor._lazytensor import GenericLazyTensor
from keops.lazytensor._variables import Variables

__all__ = ["ComplexGenericLazyTensor", "GenericLazyTensor", "Variables"]
