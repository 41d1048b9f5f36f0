# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear systems by conjugate gradients, on arrays of any library."""

import math
from typing import Any, Callable, Optional

from keops import _options, _progress


class SolverBase:
    """What a ``KernelSolve`` is for any library of arrays: the sum, compiled, and the place of the unknown in it."""

    _sum: Any

    def _set_sum(self, formula: str, varinvalias: str, compiled: Any) -> None:
        """Sets the attributes, from the ``Genred`` of the formula."""
        self._sum = compiled
        self.formula = formula
        self.aliases = compiled.aliases
        self.varinvalias = varinvalias
        self.axis = compiled.axis
        self.position = _options.find_argument(self.aliases, varinvalias)

    def describe_code(self, dtype: str, phase: str = "explain") -> str:
        """What the compiler makes of the sum, as ``Genred.describe_code``."""
        return self._sum.describe_code(dtype, phase)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.formula!r}, {self.aliases!r}, {self.varinvalias!r}, axis={self.axis})"


def conjugate_gradient(apply: Callable[[Any], Any], b: Any, eps: float, batches: int = 0,
                       most: Optional[int] = None) -> Any:
    """The solution a of A a = b for a symmetric, positive definite A.

    Each batch is a system of its own, with its own steps, so that it takes as many as it would alone. Iterations end when
    the residual of each has a root mean square below ``eps``.

    :param apply: A, from arrays of b's shape to such.
    :param b: an array, whose first ``batches`` axes number systems.
    :param eps: the bound on the residual's size, in the unit of b.
    :param most: the number of iterations at which a warning is given instead; by default ten for each unknown, at least
        100 and at most 10000.
    """
    axes = tuple(range(batches, b.ndim))
    unknowns = math.prod(b.shape[batches:])
    if most is None:
        most = max(100, min(10 * unknowns, 10000))
    if math.prod(b.shape) == 0:
        return b * 0
    target = unknowns * eps * eps

    def dot(x: Any, y: Any) -> Any:
        return (x * y).sum(axis=axes, keepdims=True)

    a = b * 0
    residual = b
    size = dot(residual, residual)
    direction = residual
    residuals = _progress.Residuals(eps)
    for iteration in range(most):
        if residuals:
            residuals.add(iteration, _reached(size, unknowns))
        # Of a system that has its solution, the step is 0.
        todo = ~(size <= target)
        if not bool(todo.any()):
            break
        image = apply(direction)
        curvature = dot(direction, image)
        if not bool(((curvature > 0) | (size <= target)).all()):
            _warn(size, unknowns, "the operator is not positive definite, or not finite; is alpha too small?")
            return a
        safe = curvature * todo + ~todo
        step = size * todo / safe
        a = a + step * direction
        residual = residual - step * image
        before, size = size, dot(residual, residual)
        direction = residual + (size / (before + (before == 0))) * direction
    else:
        if residuals:
            residuals.add(most, _reached(size, unknowns))
        if not bool((size <= target).all()):
            _warn(size, unknowns, f"not there after {most} iterations; a larger alpha or eps would help")
    return a


def _reached(size: Any, unknowns: int) -> float:
    """The root mean square of the residual of the system that is farthest."""
    return math.sqrt(float(size.max()) / unknowns)


def _warn(size: Any, unknowns: int, why: str) -> None:
    _options.warn(f"linear system: expected a residual below eps, got {_reached(size, unknowns):.3g}: {why}")
