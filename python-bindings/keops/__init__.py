# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of symbolic formulas over pairs, a_i = sum_j F(p, x_i, y_j) and its like, compiled while the program runs
and never storing the M x N array.

``keops.numpy`` works on NumPy arrays, ``keops.torch`` on PyTorch tensors, with derivatives. In both, a ``LazyTensor`` builds
a formula from arrays by operators and methods, and a ``Genred`` takes it as text. The environment variable
``KEOPS_NUM_THREADS``, read at the first computation, sets the number of threads (0 or absent: one per core); results do not
depend on it.
"""

from keops._keops import Error, __version__

__all__ = ["Error", "__version__", "install_as_pykeops"]


def install_as_pykeops() -> None:
    """Lets ``import pykeops`` and the imports of its modules lead to this package, so that programs written for PyKeOps
    run unchanged; an installed PyKeOps is not used. ``python -m keops.as_pykeops script.py`` does so from outside.

    :raises ImportError: PyKeOps has been imported already.
    """
    from keops import as_pykeops
    as_pykeops.install()
