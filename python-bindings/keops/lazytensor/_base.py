# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a LazyTensor is made of: a formula, its operands, and how operations make new ones of them."""

import math
import numbers
import operator
from typing import Any, ClassVar, Optional, Tuple, Type

from keops._arrays import Arrays
from keops.lazytensor import _formula, _operands
from keops.lazytensor._formula import Formula
from keops.lazytensor._operands import COMPLEX_TYPE, NOTHING, REAL_TYPE, TYPES, Operands, Variable


PLAIN = (int, float, complex)


def is_whole(value: Any) -> bool:
    """True for Python and NumPy integers, not for truth values."""
    # Asked of every operand; the abstract classes take longer than the rest of an operation.
    kind = type(value)
    return kind is int or (kind not in PLAIN and not isinstance(value, (Base, bool)) and
                           isinstance(value, numbers.Integral))


def is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, numbers.Complex) and not isinstance(value, bool)


class Base:
    """State and construction of a LazyTensor; the operations are in the classes beside this one."""

    __slots__ = {
        "_formula": "What is computed.", "_operands": "Of what.", "_reduction": "How it is reduced; None of all pairs.",
        "ranges": "Which pairs count, as Genred's call takes them; None for all.",
        "backend": "Where reductions compute, as Genred's call takes it; None for where the arrays lie.",
        "precision": "Of reductions, as Genred takes it; None for \"exact\"."}
    __array_ufunc__ = None  # so that `array + lazy` is left to us
    __array_priority__ = 100

    _arrays: ClassVar[Arrays]
    is_complex: ClassVar[bool] = False

    _formula: Formula
    _operands: Operands
    _reduction: Any
    ranges: Optional[Tuple[Any, ...]]
    backend: Optional[str]
    precision: Optional[str]

    # Of the classes beside this one, for those that come before.
    _function: Any
    abs: Any
    mod: Any

    # --- Construction -------------------------------------------------------------------------------------------------

    def __init__(self, x: Any = None, axis: Optional[int] = None, is_complex: bool = False):
        self._reduction = None
        self.ranges = None
        self.backend = None
        self.precision = None
        if is_complex and not self.is_complex:
            self.__class__ = self._arrays.ComplexLazyTensor
        if x is None:
            self._formula, self._operands = _formula.constant("IntCst(0)"), NOTHING
            return
        array = self._arrays.as_array(x)
        if array is not None:
            self._init_array(x, array, axis)
        elif isinstance(x, tuple):
            self._init_symbol(x, axis)
        else:
            self._init_numbers(x, axis)

    def _init_array(self, source: Any, array: Any, axis: Optional[int]) -> None:
        if array.ndim == 0:
            array, axis = array.reshape((1,)), 2 if axis is None else axis
        dtype = self._arrays.dtype(array)
        if dtype not in TYPES and dtype not in REAL_TYPE:
            raise TypeError(f"x: expected an array of {', '.join(TYPES)}, complex64 or complex128, got {dtype}")
        variable = Variable(0, *_place(array, axis), source=source)
        parts = 2 if dtype in REAL_TYPE else 1
        if parts == 2:
            self.__class__ = self._arrays.ComplexLazyTensor
        elif self.is_complex:
            # An array of pairs (re, im) would be another thing: real numbers are meant as such.
            raise TypeError(f"x: expected an array of complex numbers, got {dtype}; "
                            "LazyTensor(x).real2complex() makes real numbers complex")
        variable.dim = parts * variable.array.shape[-1]
        if variable.dim == 0:
            raise ValueError(f"x: expected at least one component along the last axis, got shape {tuple(array.shape)}")
        self._formula = _formula.variable(variable.dim, variable.cat)
        self._operands = _operands.of_variable(variable, REAL_TYPE.get(dtype, dtype), self._arrays.device(array))

    def _init_symbol(self, x: Tuple[Any, ...], axis: Optional[int]) -> None:
        if len(x) != 3 or not all(is_whole(entry) for entry in x):
            # Not the numbers of arrays.
            got = ", ".join(repr(entry) if is_number(entry) else type(entry).__name__ for entry in x)
            raise ValueError(f"x: expected (index, dimension, category) as three integers, got ({got})")
        index, dim, cat = map(int, x)
        if axis is not None:
            raise ValueError(f"axis: expected None, because the category {cat} of x says it, got {axis!r}")
        if cat not in (0, 1, 2):
            raise ValueError(f"x: expected category 0 (Vi), 1 (Vj) or 2 (Pm), got {cat}")
        if index < 0 or dim < 1:
            raise ValueError(f"x: expected an index of at least 0 and a dimension of at least 1, got {x!r}")
        dim = 2 * dim if self.is_complex else dim
        self._formula = _formula.variable(dim, cat)
        self._operands = _operands.of_variable(Variable(dim, cat, index=index))

    def _init_numbers(self, x: Any, axis: Optional[int]) -> None:
        values = x if isinstance(x, list) else [x]
        if not values or not all(is_number(value) for value in values):
            what = f"{type(x).__name__}" if not isinstance(x, list) else f"{x!r}"
            raise TypeError(f"x: expected {self._arrays.name}, a number, a list of numbers, or a tuple (index, "
                            f"dimension, category), got {what}")
        if axis not in (None, 2):
            raise ValueError(f"axis: expected None or 2 for numbers, which are parameters, got {axis!r}")
        if is_whole(x) and not self.is_complex:
            self._formula, self._operands = _formula.integer(int(x)), NOTHING
            return
        if not all(is_real(value) for value in values):
            self.__class__ = self._arrays.ComplexLazyTensor
        values = [complex(value) if self.is_complex else float(value) for value in values]
        variable = Variable(len(values) * (2 if self.is_complex else 1), 2, values=values)
        self._formula = _formula.variable(variable.dim, 2)
        self._operands = _operands.of_variable(variable)

    # --- Making new ones ----------------------------------------------------------------------------------------------

    def _make(self, formula: Formula, operands: Operands, other: Optional["Base"] = None,
              cls: Optional[Type] = None) -> Any:
        """A LazyTensor with the settings of this one and ``other``."""
        made = object.__new__(cls or type(self))
        made._formula = formula
        made._operands = operands
        made._reduction = None
        ranges, backend, precision = self.ranges, self.backend, self.precision
        if other is not None:
            if other.ranges is not ranges:
                ranges = _common_ranges(ranges, other.ranges)
            if other.backend is not backend:
                backend = _operands.common("backend", backend, other.backend)
            if other.precision is not precision:
                precision = _operands.common("precision", precision, other.precision)
        made.ranges = ranges
        made.backend = backend
        made.precision = precision
        return made

    def _wrap(self, value: Any, what: str = "other") -> Any:
        """An operand as a LazyTensor."""
        if isinstance(value, Base):
            if value._arrays is not self._arrays:
                raise TypeError(f"{what}: expected a LazyTensor of {self._arrays.name}, got one of {value._arrays.name}")
            return value
        if value is None:
            raise TypeError(f"{what}: expected a LazyTensor, {self._arrays.name} or a number, got None")
        try:
            return self._arrays.LazyTensor(value)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("x:", f"{what}:", 1)) from None

    def _check_open(self) -> None:
        if self._reduction is not None:
            raise ValueError("expected a LazyTensor of all pairs, got one that is reduced already (call=False): "
                             "call it, to compute it")

    def _expect_real(self, what: str) -> None:
        if self.is_complex:
            raise ValueError(f"{what}: expected a real LazyTensor, got a complex one")

    def _unary(self, name: str, *options: Any, cls: Optional[Type] = None) -> Any:
        """``name(self, options)``, where options are integers and tuples of integers."""
        if self._reduction is not None:
            self._check_open()
        key = (name, options) if options else name
        formula = self._formula.results.get(key)
        if formula is None:
            formula = self._formula.remember(key, _formula.derive(name, (self._formula,), (), options))
        return self._make(formula, self._operands, cls=cls)

    def _binary(self, other: "Base", name: str, *options: Any, cls: Optional[Type] = None) -> Any:
        """``name(self, other, options)``."""
        if self._reduction is not None or other._reduction is not None:
            self._check_open()
            other._check_open()
        operands, mapping = _operands.merge(self._operands, other._operands)
        key = (name, other._formula, mapping, options)
        formula = self._formula.results.get(key)
        if formula is None:
            pair = (self._formula, other._formula)
            formula = self._formula.remember(key, _formula.derive(name, pair, (mapping,), options))
        return self._make(formula, operands, other, cls)

    def _apply(self, name: str, *others: "Base", options: Tuple[Any, ...] = (), cls: Optional[Type] = None) -> Any:
        """``name(self, others, options)``."""
        self._check_open()
        operands, mappings, result = self._operands, [], self
        for other in others:
            other._check_open()
            operands, mapping = _operands.merge(operands, other._operands)
            mappings.append(mapping)
            result = result._make(result._formula, operands, other)
        formulas = tuple(other._formula for other in others)
        key = (name, formulas, tuple(mappings), options)
        formula = self._formula.results.get(key)
        if formula is None:
            formula = _formula.derive(name, (self._formula, *formulas), tuple(mappings), options)
            self._formula.remember(key, formula)
        return result._make(formula, operands, cls=cls or type(self))

    def _with_constant(self, name: str, value: int, reverse: bool = False) -> Any:
        """``name(self, value)`` for an integer of the formula itself, or ``name(value, self)``."""
        if self._reduction is not None:
            self._check_open()
        key = (name, value, reverse)
        formula = self._formula.results.get(key)
        if formula is None:
            number, own = _formula.integer(value), tuple(range(self._formula.count))
            pair = (number, self._formula) if reverse else (self._formula, number)
            formula = self._formula.remember(key, _formula.derive(name, pair, (own if reverse else (),)))
        return self._make(formula, self._operands)

    # --- What it is ---------------------------------------------------------------------------------------------------

    @property
    def variables(self) -> Tuple[Any, ...]:
        """The arrays that the expression holds, without copies, and parameters given as numbers, as lists."""
        return tuple(variable.array if variable.values is None else list(variable.values)
                     for variable in self._operands.variables if variable.index is None)

    @property
    def symbolic_variables(self) -> Tuple[Tuple[int, int, int], ...]:
        """(index, dimension, category) of each variable whose array comes with the call."""
        symbols = [(variable.index, variable.dim, variable.cat) for variable in self._operands.variables
                   if variable.index is not None]
        return tuple(sorted(symbols))

    @property
    def formula(self) -> str:
        """The formula as text, with variables as ``Var(position,dimension,category)``."""
        return self._formula.text

    @property
    def formula2(self) -> Optional[str]:
        """Of a reduced LazyTensor with weights: their formula."""
        return None if self._reduction is None else self._reduction.weight_text

    @property
    def axis(self) -> Optional[int]:
        """Of a reduced LazyTensor: 0 if i is reduced, 1 if j is. Of a variable alone: its category."""
        if self._reduction is not None:
            return self._reduction.axis
        return self._operands.variables[0].cat if self._formula.is_variable else None

    @property
    def ndim(self) -> int:
        """Number of real components of the vector for each pair; it is not the number of axes, which is ``dim()``."""
        return self._formula.dim

    @property
    def ni(self) -> Optional[int]:
        """M, the number of rows i, or None if the expression does not depend on i or its arrays come with the call."""
        return self._operands.ni

    @property
    def nj(self) -> Optional[int]:
        """N, the number of rows j, or None as for ``ni``."""
        return self._operands.nj

    @property
    def batchdims(self) -> Optional[Tuple[int, ...]]:
        """Sizes of the batch dimensions; None without any."""
        return self._operands.batch or None

    @property
    def nbatchdims(self) -> int:
        """Number of batch dimensions."""
        return len(self._operands.batch)

    @property
    def dtype(self) -> Optional[str]:
        """Such as "float32"; None while no array says it. Of a complex LazyTensor "complex64" or "complex128"."""
        return self._operands.dtype

    @property
    def _shape(self) -> Tuple[int, ...]:
        """Batch dimensions, M or 1, N or 1, and the number of components."""
        operands = self._operands
        rows = 1 if operands.ni is None else operands.ni
        columns = 1 if operands.nj is None else operands.nj
        return (*operands.batch, rows, columns, self._formula.dim)

    @property
    def shape(self) -> Tuple[int, ...]:
        """Batch dimensions, M or 1, N or 1, and the number of components unless that is 1."""
        shape = self._shape
        return shape[:-1] if shape[-1] == 1 else shape

    def dim(self) -> int:
        """Number of axes, the one of components always included."""
        return len(self._operands.batch) + 3

    def _dtype_name(self) -> Optional[str]:
        dtype = self._operands.dtype
        return COMPLEX_TYPE.get(dtype) if self.is_complex and dtype else dtype


def _place(array: Any, axis: Optional[int]) -> Tuple[int, Any]:
    """Category of an array, and the array without the axes of the other index."""
    shape = tuple(array.shape)
    if axis not in (None, 0, 1, 2):
        raise ValueError(f"axis: expected 0 (i), 1 (j), 2 (a parameter) or None, got {axis!r}")
    if len(shape) == 1:
        if axis in (0, 1):
            raise ValueError(f"x: expected an array of shape {'(M, D)' if axis == 0 else '(N, D)'} for axis={axis}, got "
                             f"shape {shape}; a vector of numbers must be ({shape[0]}, 1), as v[:, None] is")
        return 2, array
    if len(shape) == 2:
        if axis is None:
            raise ValueError(f"axis: expected 0 (rows are those of i), 1 (of j) or 2 (a parameter for each batch) for an "
                             f"array of shape {shape}, got None; x[:, None, :] has rows of i, x[None, :, :] of j")
        return axis, array
    if axis is not None:
        raise ValueError(f"axis: expected None for an array of shape {shape}, whose axes say which index its rows have, "
                         f"got {axis!r}")
    if shape[-2] == 1:
        return (2, array[..., 0, 0, :]) if shape[-3] == 1 else (0, array[..., 0, :])
    if shape[-3] == 1:
        return 1, array[..., 0, :, :]
    raise ValueError(f"x: expected an array of shape (..., M, 1, D) for rows of i, (..., 1, N, D) for rows of j, or "
                     f"(..., 1, 1, D) for a parameter, got shape {shape}")


def _common_ranges(a: Optional[Tuple], b: Optional[Tuple]) -> Optional[Tuple]:
    if a is None or b is None or a is b:
        return b if a is None else a
    if len(a) == len(b) and all(m is n or (m.shape == n.shape and bool((m == n).all())) for m, n in zip(a, b)):
        return a
    raise ValueError("Incompatible values for attribute ranges: expected the same arrays in both operands, got others")


def as_index(value: Any, what: str) -> int:
    """An integer argument, Python's or NumPy's."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: expected an integer, got {value!r}") from None


PI = _formula.constant(repr(math.pi))
