# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear systems with the matrix of a formula, for NumPy arrays."""

from typing import Any, Iterable, Optional

import numpy

from keops import _device, _options, _progress
from keops._solver import SolverBase, conjugate_gradient
from keops.numpy.genred import Genred

__all__ = ["KernelSolve"]


class KernelSolve(SolverBase):
    """Solves (alpha Id + K) a = b, where (K a)_i = sum_j F(x_i, y_j, a_j) is linear in a, symmetric and positive
    definite, by conjugate gradients.

    :param formula: F, such as ``"Exp(-SqDist(x,y)*g) * a"``.
    :param aliases: the arguments of the call, as ``Genred`` has them.
    :param varinvalias: the name of the alias of a, or ``"Var(position,dimension,category)"``. The call takes b there.
    :param axis: 0 if the sum is over i, 1 over j.
    :param dtype_acc: as those after it, for the sum; see ``Genred``.
    :raises ValueError: no argument is called ``varinvalias``; what ``Genred`` refuses.

    >>> import numpy as np
    >>> from keops.numpy import KernelSolve
    >>> solve = KernelSolve("Exp(-1000*SqDist(x,y)) * a", ["x = Vi(1)", "y = Vj(1)", "a = Vj(1)"], "a", axis=1)
    >>> x, b = np.array([[0.0], [1.0]]), np.array([[3.0], [5.0]])
    >>> solve(x, x, b, alpha=1.0)
    array([[1.5],
           [2.5]])
    """

    def __init__(self, formula: str, aliases: Iterable[str], varinvalias: str, axis: int = 0, dtype: Optional[str] = None,
                 opt_arg: Optional[int] = None, dtype_acc: str = "auto", use_double_acc: bool = False,
                 sum_scheme: str = "auto", enable_chunks: bool = True, rec_multVar_highdim: Any = None,
                 use_fast_math: bool = True, precision: str = "exact"):
        _options.warn_deprecated(dtype=dtype)
        compiled = Genred(formula, aliases, "Sum", axis, opt_arg=opt_arg, dtype_acc=dtype_acc,
                          use_double_acc=use_double_acc, sum_scheme=sum_scheme, enable_chunks=enable_chunks,
                          rec_multVar_highdim=rec_multVar_highdim, use_fast_math=use_fast_math,
                          precision=precision)
        self._set_sum(formula, varinvalias, compiled)

    def __call__(self, *args: Any, backend: str = "auto", device_id: int = -1, alpha: float = 1e-10, eps: float = 1e-6,
                 ranges: Any = None, progress: bool = False) -> numpy.ndarray:
        """The solution a, an array of the shape of b.

        :param args: an array for each alias, as ``Genred``'s call takes them, and b in the place of a.
        :param alpha: the number on the diagonal, at least 0.
        :param eps: iterations end when the residual b - (alpha Id + K) a has a root mean square below it, for each
            batch. If that takes too many, or K turns out not to be positive definite, a warning says so and the result
            is what there is.
        :param backend: as ``device_id`` and ``ranges``, of ``Genred``'s call.
        :param progress: True shows a bar of the package tqdm: how far the residual is on its way to eps, its size, and the
            number of iterations.
        :raises ValueError: K is not square; what ``Genred`` refuses.
        :raises TypeError: alpha or eps is no number.
        """
        if progress:
            return _progress.with_bar("Solve", lambda: self(*args, backend=backend, device_id=device_id, alpha=alpha, eps=eps,
                                                            ranges=ranges), of_system=True)
        _options.check_solver_numbers(alpha=alpha, eps=eps)
        arguments = list(args)
        for position, argument in enumerate(arguments):
            if type(argument) is not numpy.ndarray and _device.view(argument) is not None:
                raise TypeError(f"argument {position}: expected an array in the processor's memory, got one on a GPU; "
                                "keops.torch.KernelSolve takes tensors there")
        first = self._sum(*arguments, backend=backend, device_id=device_id, ranges=ranges)
        b = numpy.asarray(arguments[self.position])
        if first.shape != b.shape and (first.shape[-2:] != b.shape[-2:]):
            raise ValueError(f"argument {self.position} ({self.varinvalias}): expected an array of the shape of the sum, "
                             f"{first.shape}, for a matrix that is square, got shape {b.shape}")
        b = numpy.broadcast_to(b, first.shape)

        def apply(a: numpy.ndarray) -> numpy.ndarray:
            arguments[self.position] = a
            result = self._sum(*arguments, backend=backend, device_id=device_id, ranges=ranges)
            return result + numpy.asarray(alpha, result.dtype) * a if alpha else result

        return conjugate_gradient(apply, b, eps, b.ndim - 2)
