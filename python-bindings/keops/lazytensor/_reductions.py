# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reductions of LazyTensors over i or j, computed at once or kept for later calls."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from keops import _options
from keops.lazytensor import _formula, _operands
from keops.lazytensor._base import Base
from keops.lazytensor._building import Building
from keops.lazytensor._operands import CATEGORIES, REAL_TYPE, TYPES, Operands, Variable

INIT_OPTIONS = ("dtype_acc", "use_double_acc", "sum_scheme", "enable_chunks", "use_fast_math", "rec_multVar_highdim",
                "precision")
CALL_OPTIONS = ("backend", "device_id", "ranges", "out", "progress")


class Reduction:
    """A reduction that waits for its call.

    :ivar function: what computes it for one array per variable.
    :ivar options: those of the call that were given early.
    """

    __slots__ = ("function", "axis", "name", "weight_text", "options")

    def __init__(self, function: Any, axis: int, name: str, weight_text: Optional[str], options: Dict[str, Any]):
        self.function = function
        self.axis = axis
        self.name = name
        self.weight_text = weight_text
        self.options = options


def split_options(given: Dict[str, Any], init: Sequence[str],
                  call: Sequence[str]) -> Tuple[Tuple[Tuple[str, Any], ...], Dict[str, Any]]:
    """The options of compiling and those of calling."""
    for name in given:
        if name not in init and name not in call:
            raise TypeError(f"unexpected option {name!r}: expected one of {', '.join((*init, *call))}")
        # Those of compiling name what was compiled.
        if name in init and getattr(type(given[name]), "__hash__", None) is None:
            raise _options.refuse(name, "a word, a number or a truth value", given[name])
    return (tuple((name, given[name]) for name in sorted(given) if name in init),
            {name: value for name, value in given.items() if name in call})


def aliases_of(variables: Sequence[Variable]) -> List[str]:
    return [f"{CATEGORIES[variable.cat]}({position},{variable.dim})" for position, variable in enumerate(variables)]


def arguments_of(arrays: Any, operands: Operands, symbols: Sequence[Any] = ()) -> List[Any]:
    """One array for each variable: its own, or that of ``symbols`` which belongs to it."""
    values = [variable.array for variable in operands.variables]
    missing = [position for position, value in enumerate(values) if value is None]
    if not missing:
        return values
    dtype, like = operands.dtype, next((value for value in values if value is not None), None)
    if symbols:
        places = sorted((variable.index, position) for position, variable in enumerate(operands.variables)
                        if variable.index is not None)
        for (index, position), symbol in zip(places, symbols):
            array = arrays.as_array(symbol)
            if array is None:
                raise TypeError(f"argument {index}: expected {arrays.name}, got {type(symbol).__name__}")
            if dtype is None:
                dtype = REAL_TYPE.get(arrays.dtype(array), arrays.dtype(array))
                if dtype not in TYPES:
                    raise TypeError(f"argument {index}: expected dtype {', '.join(TYPES)}, complex64 or complex128, got "
                                    f"{dtype}")
            values[position] = array
            like = array if like is None else like
    if dtype is None:
        raise ValueError(f"expected at least one argument that is {arrays.name}, whose dtype is that of the computation; "
                         "got none")
    for position in missing:
        variable = operands.variables[position]
        if values[position] is not None:
            continue
        if variable.values is not None:
            values[position] = variable.value(arrays, dtype, like)
            continue
        # A variable that is only differentiated by: the formula does not read its numbers.
        rows = next((values[other].shape[-2] for other, known in enumerate(operands.variables)
                     if known.cat == variable.cat and values[other] is not None), 1)
        shape = (variable.dim,) if variable.cat == 2 else (rows, variable.dim)
        values[position] = arrays.zeros(shape, dtype, like)
    return values


def _complex_type(dtype: str) -> str:
    """The type of complex numbers with parts of a type."""
    found = _operands.COMPLEX_TYPE.get(dtype)
    if found is None:
        raise TypeError(f"expected arrays of float32 or float64, whose complex numbers exist, got {dtype}")
    return found


class _ComplexSum:
    """A sum of complex numbers whose type the arguments of the call decide."""

    def __init__(self, arrays: Any, given: Tuple[Any, ...], options: Dict[str, Any]):
        self.arrays = arrays
        self.given = given
        self.options = options
        self.made: Dict[str, Any] = {}

    def _of(self, dtype: str) -> Any:
        found = self.made.get(dtype)
        if found is None:
            found = self.made[dtype] = self.arrays.Genred(*self.given, dtype=_complex_type(dtype), **self.options)
        return found

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        dtype = self.arrays.dtype(arguments[0])
        return self._of(REAL_TYPE.get(dtype, dtype))(*arguments, **options)

    def describe_code(self, dtype: str, phase: str = "explain") -> str:
        return self._of(dtype).describe_code(dtype, phase)


class Reductions(Building):
    __slots__ = ()

    # --- The general case ---------------------------------------------------------------------------------------------

    def reduction(self, reduction_op: str, other: Any = None, opt_arg: Optional[int] = None, axis: Optional[int] = None,
                  dim: Optional[int] = None, call: bool = True, is_complex: Optional[bool] = None, **kwargs: Any) -> Any:
        """A reduction over one index of all pairs.

        With B batch dimensions, axis B reduces i and B + 1 reduces j. Shapes are said for the latter, of a LazyTensor
        with D components; reductions of i have N in the place of M.

        :param reduction_op: a name that ``Genred`` knows, such as "Sum".
        :param other: weights, a LazyTensor or what can become one, for the reductions that have them.
        :param opt_arg: K, for the reductions that keep the K smallest values.
        :param axis: the axis to reduce; also called ``dim``.
        :param call: False gives a LazyTensor that computes when it is called, as symbolic variables always do:
            ``f(*arrays)`` with an array for each of those, in order of their indices.
        :param is_complex: whether results are complex; by default if the LazyTensor is.
        :param kwargs: ``dtype_acc``, ``use_double_acc``, ``sum_scheme``, ``enable_chunks``, ``use_fast_math``,
            ``precision``, ``backend``, ``device_id``, ``ranges``, ``out`` and ``progress`` as ``Genred`` and its call have
            them. ``ranges``, ``backend`` and ``precision`` are those of the LazyTensor by default.
        :returns: an array, a tuple of arrays, or a reduced LazyTensor.
        :raises ValueError: an axis, option or weight that makes no sense, or a LazyTensor that is reduced already.
        :raises TypeError: no axis, or an option that nobody knows.
        """
        if self._reduction is not None:
            self._check_open()
        axis = self._reduced_index(axis if dim is None else dim)
        operands, weight = self._operands, None
        mapping: Tuple[int, ...] = ()
        if other is not None:
            other = self._wrap(other, "weight")
            other._check_open()
            other._expect_real("weight")
            weight = other._formula
            operands, mapping = _operands.merge(operands, other._operands)
        source = self if other is None else self._make(self._formula, operands, other)
        kwargs = source._with_precision(kwargs)
        init, calling = split_options(kwargs, INIT_OPTIONS, CALL_OPTIONS) if kwargs else ((), {})
        is_complex = self.is_complex if is_complex is None else is_complex
        if is_complex and reduction_op != "Sum":
            raise ValueError(f"reduction_op: expected Sum, or a real LazyTensor, got {reduction_op!r} of a complex one")
        result_type = None
        if is_complex:
            result_type = "complex" if operands.dtype is None else _complex_type(operands.dtype)
        # Formulas are the same for all fronts, what computes them is not.
        key = ("reduce", self._arrays.Genred, reduction_op, axis, opt_arg, weight, mapping, result_type, init)
        function = self._formula.results.get(key)
        if function is None:
            options = dict(init, opt_arg=opt_arg, formula2=_formula.renumber(weight.text, mapping) if weight else None)
            given = (self._formula.text, aliases_of(operands.variables), reduction_op, axis)
            function = (_ComplexSum(self._arrays, given, options) if result_type == "complex" else
                        self._arrays.Genred(*given, dtype=result_type, **options))
            self._formula.remember(key, function)
        if call and operands.dtype is not None and not operands.has_symbols:
            return source._run(function, arguments_of(self._arrays, operands), calling)
        reduced = source._make(self._formula, operands)
        reduced._reduction = Reduction(function, axis, reduction_op,
                                       _formula.renumber(weight.text, mapping) if weight else None, calling)
        return reduced

    def _with_precision(self, options: Dict[str, Any]) -> Dict[str, Any]:
        """The options with the precision of the LazyTensor, unless they name one; None names none."""
        named = options.get("precision")
        if named is None:
            options = {name: value for name, value in options.items() if name != "precision"}
        return options if named is not None or self.precision is None else {**options, "precision": self.precision}

    def _run(self, function: Any, arguments: Sequence[Any], options: Dict[str, Any]) -> Any:
        ranges, backend = self.ranges, self.backend
        if not options and ranges is None and backend is None:
            return function(*arguments)
        if ranges is not None and options.get("ranges") is None:
            options = {**options, "ranges": ranges}
        if backend is not None and options.get("backend") is None:
            options = {**options, "backend": backend}
        return function(*arguments, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes a reduced LazyTensor (``call=False``, or with symbolic variables).

        :param args: an array for each symbolic variable, in order of their indices.
        :param kwargs: options of ``Genred``'s call, or of ``KernelSolve``'s for what ``solve`` gave; they hold for this
            call only.
        """
        reduction = self._reduction
        if reduction is None:
            raise ValueError("expected a reduced LazyTensor, such as K.sum(axis=1, call=False), got one of all pairs")
        symbols = self.symbolic_variables
        if len(args) != len(symbols):
            wanted = ", ".join(f"{CATEGORIES[cat]}({dim})" for _, dim, cat in symbols)
            raise ValueError(f"expected {len(symbols)} {'array' if len(symbols) == 1 else 'arrays'}"
                             f"{' for ' + wanted if symbols else ''}, got {len(args)}")
        arguments = arguments_of(self._arrays, self._operands, args)
        return self._run(reduction.function, arguments, {**reduction.options, **kwargs})

    def _reduced_index(self, axis: Optional[int]) -> int:
        batches = len(self._operands.batch)
        if axis == batches + 1:
            return 1
        if axis == batches:
            return 0
        if axis is None:
            raise TypeError(f"axis: expected {batches} (reduce i) or {batches + 1} (reduce j), got None")
        raise ValueError(f"axis: expected {batches} (reduce i) or {batches + 1} (reduce j), got {axis!r}")

    def _reduce_or_vector(self, name: str, vector_name: str, axis: Optional[int], dim: Optional[int],
                          options: Dict[str, Any]) -> Any:
        """A reduction over pairs, or for the axis of components the operation on each vector."""
        axis = axis if dim is None else dim
        if axis == -1 or axis == len(self._operands.batch) + 2:
            return self._function(vector_name)
        return self.reduction(name, axis=axis, **options)

    # --- Sums ---------------------------------------------------------------------------------------------------------

    def sum(self, axis: int = -1, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Sum over i or j, (..., M, D); over components, for axis -1, a LazyTensor. ``Sum``."""
        return self._reduce_or_vector("Sum", "Sum", axis, dim, kwargs)

    def sum_reduction(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Sum over i or j, (..., M, D)."""
        return self.reduction("Sum", axis=axis, dim=dim, **kwargs)

    def logsumexp(self, axis: Optional[int] = None, dim: Optional[int] = None, weight: Any = None,
                  **kwargs: Any) -> Any:
        """log sum_j exp(x_ij) of a LazyTensor of one component, (..., M, 1); with weights of E components log sum_j
        exp(x_ij) w_ij, (..., M, E). ``LogSumExp``."""
        other = kwargs.pop("other", None)
        return self.reduction("LogSumExp", weight if weight is not None else other, axis=axis, dim=dim, **kwargs)

    def logsumexp_reduction(self, **kwargs: Any) -> Any:
        """As ``logsumexp``."""
        return self.logsumexp(**kwargs)

    def sumsoftmaxweight(self, weight: Any, axis: Optional[int] = None, dim: Optional[int] = None,
                         **kwargs: Any) -> Any:
        """sum_j exp(x_ij) w_ij / sum_j exp(x_ij) of a LazyTensor of one component, (..., M, E) for weights of E
        components. ``SumSoftMaxWeight``."""
        return self.reduction("SumSoftMaxWeight", weight, axis=axis, dim=dim, **kwargs)

    def sumsoftmaxweight_reduction(self, **kwargs: Any) -> Any:
        """As ``sumsoftmaxweight``."""
        return self.sumsoftmaxweight(**kwargs)

    # --- Extrema ------------------------------------------------------------------------------------------------------

    def min(self, axis: int = -1, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Minimum of each component, (..., M, D); over components, for axis -1, a LazyTensor. ``Min``."""
        return self._reduce_or_vector("Min", "Min", axis, dim, kwargs)

    def min_reduction(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Minimum of each component over i or j, (..., M, D)."""
        return self.reduction("Min", axis=axis, dim=dim, **kwargs)

    def __min__(self, **kwargs: Any) -> Any:
        """As ``min``."""
        return self.min(**kwargs)

    def max(self, axis: int = -1, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Maximum of each component, (..., M, D); over components, for axis -1, a LazyTensor. ``Max``."""
        return self._reduce_or_vector("Max", "Max", axis, dim, kwargs)

    def max_reduction(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """Maximum of each component over i or j, (..., M, D)."""
        return self.reduction("Max", axis=axis, dim=dim, **kwargs)

    def __max__(self, **kwargs: Any) -> Any:
        """As ``max``."""
        return self.max(**kwargs)

    def argmin(self, axis: int = -1, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The first j of the minimum of each component, (..., M, D) int64; over components, for axis -1, a LazyTensor.
        ``ArgMin``."""
        return self._reduce_or_vector("ArgMin", "ArgMin", axis, dim, kwargs)

    def argmin_reduction(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The first place of the minimum of each component over i or j, (..., M, D) int64."""
        return self.reduction("ArgMin", axis=axis, dim=dim, **kwargs)

    def argmax(self, axis: int = -1, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The first j of the maximum of each component, (..., M, D) int64; over components, for axis -1, a LazyTensor.
        ``ArgMax``."""
        return self._reduce_or_vector("ArgMax", "ArgMax", axis, dim, kwargs)

    def argmax_reduction(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The first place of the maximum of each component over i or j, (..., M, D) int64."""
        return self.reduction("ArgMax", axis=axis, dim=dim, **kwargs)

    def min_argmin(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """``min`` and ``argmin``, a tuple, from one pass. ``Min_ArgMin``."""
        return self.reduction("Min_ArgMin", axis=axis, dim=dim, **kwargs)

    def min_argmin_reduction(self, **kwargs: Any) -> Any:
        """As ``min_argmin``."""
        return self.min_argmin(**kwargs)

    def max_argmax(self, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """``max`` and ``argmax``, a tuple, from one pass. ``Max_ArgMax``."""
        return self.reduction("Max_ArgMax", axis=axis, dim=dim, **kwargs)

    def max_argmax_reduction(self, **kwargs: Any) -> Any:
        """As ``max_argmax``."""
        return self.max_argmax(**kwargs)

    # --- The K smallest -----------------------------------------------------------------------------------------------

    def Kmin(self, K: int, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The K smallest values, ascending: (..., M, K) if D = 1, else (..., M, K, D); inf beyond N. ``KMin``."""
        return self.reduction("KMin", opt_arg=K, axis=axis, dim=dim, **kwargs)

    def Kmin_reduction(self, **kwargs: Any) -> Any:
        """As ``Kmin``."""
        return self.Kmin(**kwargs)

    def argKmin(self, K: int, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """The j of the K smallest values, ascending in those: int64 of the shape of ``Kmin``. ``ArgKMin``."""
        return self.reduction("ArgKMin", opt_arg=K, axis=axis, dim=dim, **kwargs)

    def argKmin_reduction(self, **kwargs: Any) -> Any:
        """As ``argKmin``."""
        return self.argKmin(**kwargs)

    def Kmin_argKmin(self, K: int, axis: Optional[int] = None, dim: Optional[int] = None, **kwargs: Any) -> Any:
        """``Kmin`` and ``argKmin``, a tuple, from one pass. ``KMin_ArgKMin``."""
        return self.reduction("KMin_ArgKMin", opt_arg=K, axis=axis, dim=dim, **kwargs)

    def Kmin_argKmin_reduction(self, **kwargs: Any) -> Any:
        """As ``Kmin_argKmin``."""
        return self.Kmin_argKmin(**kwargs)

    def _without(self, var: Base) -> Any:
        """The same expression, which does not read the numbers of a symbolic variable: no argument of the call is
        needed for it."""
        symbol = var._operands.variables[0]
        if symbol.index is None:
            return self
        variables = tuple(Variable(known.dim, known.cat) if known.key == symbol.key else known
                          for known in self._operands.variables)
        own = self._operands
        operands = Operands(variables, None, own.ni, own.nj, own.batch, own.dtype, own.device,
                            any(known.index is not None for known in variables))
        return self._make(self._formula, operands)
