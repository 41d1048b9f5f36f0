# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the vectors of a LazyTensor: of each component, of all of them, and of several vectors.

Each says which operation of the formula language it is; docs/Language.md has their values at 0, infinity and NaN."""

from typing import Any, Sequence, Tuple

from keops.lazytensor import _formula
from keops.lazytensor._base import PI, as_index, is_whole
from keops.lazytensor._operators import Operators


class Functions(Operators):
    __slots__ = ()

    def _function(self, name: str, *options: Any) -> Any:
        """An operation of one vector; of complex numbers the one that has "Complex" before its name."""
        return self._unary(name, *options)

    def _with(self, name: str, *others: Any, options: Tuple[Any, ...] = ()) -> Any:
        """An operation of this vector and others."""
        self._expect_real(name)
        wrapped = [self._wrap(other) for other in others]
        for other in wrapped:
            other._expect_real(name)
        if len(wrapped) == 1:
            return self._binary(wrapped[0], name, *options)
        return self._apply(name, *wrapped, options=options)

    def apply(self, name: str, *others: Any, options: Sequence[Any] = ()) -> Any:
        """Any operation of the formula language, by its name there: ``x.apply("Erf")``, ``x.apply("Polygamma",
        options=[1])``.

        :param name: as docs/Language.md lists it.
        :param others: further vectors, after this one.
        :param options: integers and lists of integers, after all vectors.
        :raises ValueError: no such operation, or operands that do not fit it.
        """
        self._check_open()
        if not _formula.is_operation(name):
            raise ValueError(f"name: expected an operation of the formula language, such as 'Erf', got {name!r}")
        return self._apply(name, *(self._wrap(other) for other in others), options=_as_options(options))

    # --- Of each component --------------------------------------------------------------------------------------------

    def exp(self) -> Any:
        """e to the power of each component; of complex numbers too. ``Exp``."""
        return self._function("Exp")

    def log(self) -> Any:
        """Natural logarithm, -inf at 0 and NaN below; of complex numbers too. ``Log``."""
        return self._function("Log")

    def xlogx(self) -> Any:
        """x log x, 0 at 0. ``XLogX``."""
        return self._function("XLogX")

    def cos(self) -> Any:
        """Cosine of radians. ``Cos``."""
        return self._function("Cos")

    def sin(self) -> Any:
        """Sine of radians. ``Sin``."""
        return self._function("Sin")

    def sinxdivx(self) -> Any:
        """sin(x) / x, 1 at 0. ``SinXDivX``."""
        return self._function("SinXDivX")

    def sinc(self) -> Any:
        """sin(pi x) / (pi x), 1 at 0, as ``numpy.sinc``. ``SinXDivX(pi*x)``."""
        self._expect_real("sinc")
        key = ("sinc",)
        formula = self._formula.results.get(key)
        if formula is None:
            scaled = _formula.derive("Mult", (self._formula, PI), ((),))
            formula = self._formula.remember(key, _formula.derive("SinXDivX", (scaled,), ()))
        self._check_open()
        return self._make(formula, self._operands)

    def asin(self) -> Any:
        """Inverse sine, in [-pi/2, pi/2]; NaN outside [-1, 1]. ``Asin``."""
        return self._function("Asin")

    def acos(self) -> Any:
        """Inverse cosine, in [0, pi]; NaN outside [-1, 1]. ``Acos``."""
        return self._function("Acos")

    def atan(self) -> Any:
        """Inverse tangent, in [-pi/2, pi/2]. ``Atan``."""
        return self._function("Atan")

    def atan2(self, other: Any) -> Any:
        """The angle of the point (other, self), in (-pi, pi]. ``Atan2``."""
        return self._with("Atan2", other)

    def sqrt(self) -> Any:
        """Square root, NaN below 0; of complex numbers the root with a real part >= 0. ``Sqrt``."""
        return self._function("Sqrt")

    def rsqrt(self) -> Any:
        """1 / sqrt(x), but 0 at 0. ``Rsqrt``."""
        return self._function("Rsqrt")

    def square(self) -> Any:
        """x * x. ``Square``."""
        return self._function("Square")

    def power(self, other: Any) -> Any:
        """``self ** other``."""
        return self**other

    def sign(self) -> Any:
        """-1, 0 or 1. ``Sign``."""
        return self._function("Sign")

    def step(self) -> Any:
        """0 below 0, else 1. ``Step``."""
        return self._function("Step")

    def relu(self) -> Any:
        """0 below 0, else x. ``ReLU``."""
        return self._function("ReLU")

    def abs(self) -> Any:
        """Absolute value; of complex numbers their modulus, a real LazyTensor. ``Abs``."""
        return self._function("Abs")

    def round(self, other: int = 0) -> Any:
        """Rounds to ``other`` decimals, halves away from zero. ``Round``."""
        return self._function("Round", as_index(other, "decimals"))

    def clamp(self, other1: Any, other2: Any) -> Any:
        """``other1`` below it, ``other2`` above that, else x. ``Clamp``, or ``ClampInt`` of two integers."""
        if is_whole(other1) and is_whole(other2):
            return self._function("ClampInt", int(other1), int(other2))
        return self._with("Clamp", other1, other2)

    def ifelse(self, other1: Any, other2: Any) -> Any:
        """``other1`` where x >= 0, else ``other2``. ``IfElse``."""
        return self._with("IfElse", other1, other2)

    def mod(self, modulus: Any, offset: Any = 0) -> Any:
        """x - modulus * floor((x - offset) / modulus), in [offset, offset + modulus). ``Mod``."""
        return self._with("Mod", modulus, offset)

    # --- Sums, norms, distances ---------------------------------------------------------------------------------------

    def sqnorm2(self) -> Any:
        """The squared Euclidean norm of each vector: one component. ``SqNorm2``."""
        return self._unary("SqNorm2")

    def norm2(self) -> Any:
        """The Euclidean norm of each vector: one component. ``Norm2``."""
        return self._unary("Norm2")

    def norm(self, dim: int) -> Any:
        """``norm2()``; ``dim`` must be the axis of components, -1 or ``self.dim() - 1``."""
        if as_index(dim, "dim") not in (-1, self.dim() - 1):
            raise ValueError(f"dim: expected -1 or {self.dim() - 1}, the axis of components, got {dim!r}")
        return self.norm2()

    def normalize(self) -> Any:
        """Each vector divided by its norm; the zero vector for the zero vector. ``Normalize``."""
        return self._unary("Normalize")

    def sqdist(self, other: Any) -> Any:
        """The squared Euclidean distance of two vectors: one component. ``SqDist``."""
        return self._with("SqDist", other)

    def weightedsqnorm(self, other: Any) -> Any:
        """sum_kl s_kl x_k x_l with weights s = ``other``: one number, D numbers (a diagonal), or D * D of a matrix, row
        by row. ``WeightedSqNorm``."""
        self._expect_real("weightedsqnorm")
        weights = self._wrap(other)
        dim = self.ndim
        if weights.ndim not in (1, dim, dim * dim):
            raise ValueError(f"other: expected weights of dimension 1, {dim} or {dim * dim} for vectors of dimension "
                             f"{dim}, got {weights.ndim}")
        return weights._with("WeightedSqNorm", self)

    def weightedsqdist(self, g: Any, s: Any) -> Any:
        """``(self - g).weightedsqnorm(s)``. ``WeightedSqDist``."""
        return (self - g).weightedsqnorm(s)

    # --- Slices and assembly ------------------------------------------------------------------------------------------

    def elem(self, i: int) -> Any:
        """Component i, from the end if negative: ``self[i]``."""
        return self[as_index(i, "i")]

    def extract(self, i: int, d: int) -> Any:
        """The d components from component i on. ``Extract``."""
        i, d, size = as_index(i, "i"), as_index(d, "d"), self.ndim // (2 if self.is_complex else 1)
        if i < 0 or d < 1 or i + d > size:
            raise ValueError(f"i, d: expected a part of the {size} components, got {d} components from {i} on")
        return self[i:i + d]

    def concat(self, other: Any) -> Any:
        """The vector followed by another one. ``Concat``."""
        return self._with("Concat", other)

    @staticmethod
    def concatenate(tuple_of_lt: Tuple[Any, ...], axis: int = -1) -> Any:
        """The vectors of several LazyTensors, one after the other.

        :param tuple_of_lt: a tuple of LazyTensors.
        :param axis: -1 or the number of the last axis.
        """
        if not isinstance(tuple_of_lt, tuple):
            raise ValueError(f"tuple_of_lt: expected a tuple of LazyTensors, got {type(tuple_of_lt).__name__}")
        if not tuple_of_lt or not isinstance(tuple_of_lt[0], Functions):
            raise ValueError("tuple_of_lt: expected at least one LazyTensor, got "
                             f"{type(tuple_of_lt[0]).__name__ if tuple_of_lt else 'none'}")
        axes = max(entry.dim() for entry in tuple_of_lt if isinstance(entry, Functions))
        if as_index(axis, "axis") not in (-1, axes - 1):
            raise ValueError(f"axis: expected -1 or {axes - 1}, because only vectors can be joined, got {axis!r}")
        result = tuple_of_lt[0]
        for other in tuple_of_lt[1:]:
            result = result.concat(other)
        return result

    @staticmethod
    def cat(tuple_of_lt: Tuple[Any, ...], dim: int) -> Any:
        """``concatenate`` under torch's name."""
        return Functions.concatenate(tuple_of_lt, dim)

    def one_hot(self, D: int) -> Any:
        """D components, 1 at the position that the one component of x says, 0 elsewhere. ``OneHot``."""
        self._expect_real("one_hot")
        if self.ndim != 1:
            raise ValueError(f"one_hot: expected a LazyTensor of one component, got {self.ndim}")
        return self._function("OneHot", as_index(D, "D"))

    def bspline(self, x: Any, k: int = 0) -> Any:
        """The B-spline basis functions of degree k at x, one component, for these knots, which do not decrease: as many
        components as there are knots, less k + 1. ``BSpline``."""
        return self._with("BSpline", x, options=(as_index(k, "k"),))

    # --- Matrices and tensors -----------------------------------------------------------------------------------------

    def matvecmult(self, other: Any) -> Any:
        """The matrix self, row by row, times the vector ``other``. ``MatVecMult``."""
        return self._with("MatVecMult", other)

    def vecmatmult(self, other: Any) -> Any:
        """The vector self times the matrix ``other``, row by row. ``VecMatMult``."""
        return self._with("VecMatMult", other)

    def tensorprod(self, other: Any) -> Any:
        """All products x_k y_l, row by row. ``TensorProd``."""
        return self._with("TensorProd", other)

    def difference_matrix(self, other: Any) -> Any:
        """All differences x_k - y_l, row by row: the matrix that ``tensorprod`` is of products."""
        other = self._wrap(other)
        self._expect_real("difference_matrix")
        other._expect_real("difference_matrix")
        ones = self._arrays.LazyTensor(1)
        rows, columns = ones._unary("SumT", other.ndim), ones._unary("SumT", self.ndim)
        return self.tensorprod(rows) - columns.tensorprod(other)

    def keops_tensordot(self, other: Any, dimfa: Sequence[int], dimfb: Sequence[int], contfa: Sequence[int],
                        contfb: Sequence[int], *args: Any) -> Any:
        """``numpy.tensordot`` of the two vectors as tensors of shapes ``dimfa`` and ``dimfb``, along their axes
        ``contfa`` and ``contfb``; then axis a moves to position ``args[0][a]``, if that is given. ``TensorDot``."""
        return self._with("TensorDot", other, options=_as_options((dimfa, dimfb, contfa, contfb, *args)))

    def keops_kron(self, other: Any, dimfself: Sequence[int], dimfother: Sequence[int]) -> Any:
        """``numpy.kron`` of the two vectors as tensors of shapes ``dimfself`` and ``dimfother``. ``Kron``."""
        return self._with("Kron", other, options=_as_options((dimfself, dimfother)))

    def softdtw_sqdist(self, other: Any, gamma: Any) -> Any:
        """Soft dynamic time warping of two series of numbers with squared differences, smoothed by ``gamma`` > 0: one
        component. ``SoftDTW_SqDist``."""
        return self._with("SoftDTW_SqDist", other, gamma)

    # --- Complex numbers ----------------------------------------------------------------------------------------------

    def real2complex(self) -> Any:
        """x + 0i, a ComplexLazyTensor. ``Real2Complex``."""
        self._expect_real("real2complex")
        return self._unary("Real2Complex", cls=self._arrays.ComplexLazyTensor)

    def imag2complex(self) -> Any:
        """0 + x i, a ComplexLazyTensor. ``Imag2Complex``."""
        self._expect_real("imag2complex")
        return self._unary("Imag2Complex", cls=self._arrays.ComplexLazyTensor)

    def exp1j(self) -> Any:
        """e^(i x) = cos x + i sin x, a ComplexLazyTensor. ``ComplexExp1j``."""
        self._expect_real("exp1j")
        return self._unary("ComplexExp1j", cls=self._arrays.ComplexLazyTensor)

    # --- Derivatives for each pair ------------------------------------------------------------------------------------

    def _variable(self, v: Any, what: str) -> Any:
        """``v`` if it is a variable alone."""
        if not isinstance(v, Operators) or not v._formula.is_variable:
            got = f"a formula {v.formula}" if isinstance(v, Operators) else type(v).__name__
            raise ValueError(f"{what}: expected a LazyTensor that is one variable, got {got}")
        return v

    def grad(self, other: Any, gradin: Any) -> Any:
        """The transposed derivative with respect to the variable ``other``, applied to the vector ``gradin`` of this
        one's dimension: other's dimension. ``Grad``."""
        variable, gradin = self._variable(other, "other"), self._wrap(gradin, "gradin")
        if gradin.ndim != self.ndim:
            raise ValueError(f"gradin: expected a vector of dimension {self.ndim}, as the formula's, got {gradin.ndim}")
        return self._apply("Grad", variable, gradin, cls=type(other))

    def diff(self, other: Any, diffin: Any) -> Any:
        """The derivative with respect to the variable ``other`` in the direction ``diffin``, a vector of its dimension.
        ``Diff``."""
        variable, diffin = self._variable(other, "other"), self._wrap(diffin, "diffin")
        if diffin.ndim != variable.ndim:
            raise ValueError(f"diffin: expected a vector of dimension {variable.ndim}, as the variable's, got "
                             f"{diffin.ndim}")
        return self._apply("Diff", variable, diffin)

    def grad_matrix(self, other: Any) -> Any:
        """The Jacobian with respect to the variable ``other``, row by row: entry a * V + b is the derivative of component
        a by component b of the V. ``GradMatrix``."""
        return self._apply("GradMatrix", self._variable(other, "other"))

    def divergence(self, var: Any) -> Any:
        """The sum of the derivatives of component k by component k of the variable: one component. ``Divergence``."""
        if self._variable(var, "var").ndim != self.ndim:
            raise ValueError(f"var: expected a variable of dimension {self.ndim}, as the formula's, got {var.ndim}")
        return self._apply("Divergence", var)

    def laplacian(self, var: Any) -> Any:
        """The sum of the second derivatives by each component of the variable, of a formula of one component.
        ``Laplacian``."""
        if self.ndim != 1:
            raise ValueError(f"laplacian: expected a formula of one component, got {self.ndim}")
        return self._apply("Laplacian", self._variable(var, "var"))

    def trace_operator(self, var: Any) -> Any:
        """The trace of the formula as a linear operator of the variable, of one dimension with it. The variable's values
        do not matter; a symbolic one is not among the arguments of the call any more. ``TraceOperator``."""
        if self._variable(var, "var").ndim != self.ndim:
            raise ValueError(f"var: expected a variable of dimension {self.ndim}, as the formula's, got {var.ndim}")
        return self._apply("TraceOperator", var)._without(var)

    def factorize(self, other: Any) -> Any:
        """The same formula: what occurs several times is computed once anyway. ``Factorize``."""
        return self._with("Factorize", other)

    def auto_factorize(self) -> Any:
        """The same formula, as ``factorize``. ``AutoFactorize``."""
        return self._unary("AutoFactorize")


def _as_options(options: Sequence[Any]) -> Tuple[Any, ...]:
    """Integers and sequences of integers, as formula text takes them."""
    if is_whole(options) or isinstance(options, str):
        raise TypeError(f"options: expected a sequence of integers and lists of integers, got {options!r}")
    return tuple(as_index(option, "options") if is_whole(option) else
                 tuple(as_index(entry, "options") for entry in option) for option in options)
