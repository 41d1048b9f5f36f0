# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A LazyTensor as a matrix with rows i and columns j: products, the transposed, and linear systems."""

from typing import Any, Optional

from keops.lazytensor import _formula, _operands
from keops.lazytensor._operands import CATEGORIES, Variable
from keops.lazytensor._reductions import INIT_OPTIONS, Reduction, Reductions, aliases_of, arguments_of
from keops.lazytensor._reductions import split_options

SOLVE_OPTIONS = ("backend", "device_id", "alpha", "eps", "ranges", "progress")


class LinearOperator(Reductions):
    __slots__ = ()

    def __matmul__(self, v: Any, **kwargs: Any) -> Any:
        """sum_j K_ij v_j for a LazyTensor K of one component.

        :param v: an array (N,), which gives (M,), or (..., N, E), which gives (..., M, E); batch dimensions broadcast.
        :param kwargs: options of ``sum``; the sign ``@`` takes those that the LazyTensor has as attributes, ``backend``,
            ``ranges`` and ``precision``.
        :raises ValueError: K has several components, or v another number of rows.
        """
        components = self._formula.dim // (2 if self.is_complex else 1)
        if components != 1:
            raise ValueError(f"@: expected a LazyTensor of one component, got {components}")
        array = self._arrays.as_array(v)
        if array is None or isinstance(v, (int, float, complex)):
            raise TypeError(f"@: expected {self._arrays.name} on the right, got {type(v).__name__}")
        shape = array.shape
        if len(shape) == 0:
            raise ValueError("@: expected an array of shape (N,) or (..., N, E) on the right, got shape ()")
        columns = array[:, None] if len(shape) == 1 else array
        lazy = self._of_rows(columns, v, 1)
        product = self * lazy
        result = product.reduction("Sum", axis=len(product._operands.batch) + 1, **kwargs)
        return result[..., 0] if len(shape) == 1 and product._reduction is None and hasattr(result, "shape") and \
            not isinstance(result, LinearOperator) else result

    def _of_rows(self, array: Any, source: Any, cat: int) -> Any:
        """An array (..., rows, E) as a variable of i or j."""
        dtype = self._arrays.dtype(array)
        real = _operands.REAL_TYPE.get(dtype, dtype)
        if real not in _operands.TYPES:
            raise TypeError(f"expected an array of {', '.join(_operands.TYPES)}, complex64 or complex128, got {dtype}")
        is_complex = real != dtype
        variable = Variable(array.shape[-1] * (2 if is_complex else 1), cat, array, source)
        cls = self._arrays.ComplexLazyTensor if is_complex else self._arrays.LazyTensor
        return self._make(_formula.variable(variable.dim, cat),
                          _operands.of_variable(variable, real, self._arrays.device(array)), cls=cls)

    def t(self) -> Any:
        """The transposed: i and j exchanged, and so the directions of ``ranges``."""
        self._check_open()
        made = self._make(_formula.transpose(self._formula), _operands.transpose(self._operands))
        # What makes no sense as ranges is refused by the reduction, in words of its own.
        if isinstance(self.ranges, (tuple, list)) and len(self.ranges) == 6:
            made.ranges = tuple(self.ranges[3:]) + tuple(self.ranges[:3])
        return made

    @property
    def T(self) -> Any:
        """The transposed, ``t()``."""
        return self.t()

    def matvec(self, v: Any) -> Any:
        """``self @ v``, as ``scipy.sparse.linalg.aslinearoperator`` looks for it."""
        return self @ v

    def rmatvec(self, v: Any) -> Any:
        """``self.T @ v``; of a complex LazyTensor the conjugate of it."""
        return self.T @ v

    # --- Linear systems -----------------------------------------------------------------------------------------------

    def solve(self, other: Any, var: Optional[Any] = None, call: bool = True, **kwargs: Any) -> Any:
        """Solves (alpha + K) a = b, with K symmetric and positive definite, by conjugate gradients.

        :param other: b: an array (..., M, E), or a LazyTensor of i that is one variable.
        :param var: None if this is the kernel K itself, of one component; otherwise a symbolic variable of j in which
            this expression is linear, K a.
        :param call: False gives a LazyTensor that computes when it is called.
        :param kwargs: ``alpha`` = 1e-10 and ``eps`` = 1e-6, the residual's size for each number at which iterations end,
            ``backend``, ``device_id``, ``ranges``, ``progress``, and the options of ``Genred``.
        :returns: a, of the shape of b.
        :raises ValueError: K has several components and ``var`` is not given; ``var`` is no variable.
        """
        self._check_open()
        self._expect_real("solve")
        init, calling = split_options(self._with_precision(kwargs), INIT_OPTIONS, SOLVE_OPTIONS)
        if not isinstance(other, LinearOperator):
            array = self._arrays.as_array(other)
            if array is None or array.ndim < 2:
                what = type(other).__name__ if array is None else f"shape {tuple(array.shape)}"
                raise ValueError("other: expected an array of shape (..., M, E) or a LazyTensor of one variable, got "
                                 f"{what}")
            other = self._of_rows(array, other, 0)
        self._variable(other, "other")._expect_real("other")
        right = other._operands.variables[0]
        if right.cat == 2:
            raise ValueError("other: expected a variable of i or j, got a parameter")
        symbolic = self._operands.has_symbols and var is None
        if symbolic and right.index is None:
            raise ValueError("other: expected a symbolic variable, because the kernel has such, got an array")
        if var is None:
            if self.ndim != 1:
                raise ValueError(f"solve: expected a kernel of one component, or var, got {self.ndim} components")
            # The unknown has the rows of the reduced index, and takes the place of b.
            unknown = Variable(right.dim, 1 - right.cat, right.array, _Unknown(right), index=right.index)
            operands = _operands.of_variable(unknown, other.dtype, other._operands.device)
            product = self * self._make(_formula.variable(unknown.dim, unknown.cat), operands)
        else:
            unknown = self._variable(var, "var")._operands.variables[0]
            if unknown.index is None or unknown.key not in self._operands.positions:
                raise ValueError(f"var: expected a symbolic variable of the formula, got {unknown.describe()}")
            if (unknown.dim, unknown.cat) != (right.dim, 1 - right.cat):
                raise ValueError(f"var: expected {CATEGORIES[1 - right.cat]}({right.dim}), as other says, got "
                                 f"{unknown.describe()}")
            product = self
        operands = product._operands
        position = operands.positions[unknown.key]
        key = ("solve", self._arrays.KernelSolve, right.cat, position, init)
        function = product._formula.results.get(key)
        if function is None:
            aliases = aliases_of(operands.variables)
            function = self._arrays.KernelSolve(
                product._formula.text, aliases, f"Var({position},{unknown.dim},{unknown.cat})", 1 - right.cat,
                **dict(init))
            product._formula.remember(key, function)
        if var is not None and right.index is None:
            # b takes the place of the symbolic variable.
            fixed = Variable(unknown.dim, unknown.cat, right.array, _Unknown(right))
            variables = tuple(fixed if known.key == unknown.key else known for known in operands.variables)
            operands = _operands.Operands(
                variables, None, operands.ni, operands.nj,
                _operands.broadcast(operands.batch, other._operands.batch),
                _operands.common("dtype", operands.dtype, other.dtype), operands.device,
                any(known.index is not None for known in variables))
        source = product._make(product._formula, operands)
        if call and operands.dtype is not None and not operands.has_symbols:
            return source._run(function, arguments_of(self._arrays, operands), calling)
        source._reduction = Reduction(function, 1 - right.cat, "Solve", None, calling)
        return source


class _Unknown:
    """Makes the unknown of a system another variable than b and all else."""

    def __init__(self, right: Variable):
        self.right = right
