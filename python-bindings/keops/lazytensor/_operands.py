# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The data of an expression: its variables, and what all of them agree on. When two expressions meet, their variables
are joined, and the same array under the same index is one variable."""

from typing import Any, Dict, Hashable, List, Optional, Sequence, Tuple

from keops.lazytensor._formula import Mapping

CATEGORIES = ("Vi", "Vj", "Pm")
REAL_TYPE = {"complex64": "float32", "complex128": "float64"}
COMPLEX_TYPE = {real: name for name, real in REAL_TYPE.items()}
TYPES = ("float16", "bfloat16", "float32", "float64")


class Variable:
    """An argument of a reduction.

    :ivar key: equal for equal variables. The array that the user gave is part of it by its identity, and held for as
        long as the variable lives.
    :ivar dim: number of real components.
    :ivar cat: 0 for one row for each i, 1 for each j, 2 for a parameter.
    :ivar array: (..., rows, components), or (..., components) of a parameter; None if it comes with the call, is
        made of ``values``, or does not matter.
    :ivar values: the numbers of a parameter without a dtype.
    :ivar index: of a symbolic variable, its place among those of the call.
    """

    __slots__ = ("key", "source", "dim", "cat", "array", "values", "index", "_made")

    def __init__(self, dim: int, cat: int, array: Any = None, source: Any = None,
                 values: Optional[Sequence] = None, index: Optional[int] = None):
        self.dim = dim
        self.cat = cat
        self.array = array
        self.source = source
        self.values = values
        self.index = index
        self._made: Tuple[Any, Any] = (None, None)
        if index is not None:
            self.key: Hashable = ("symbolic", index)
        elif source is not None:
            self.key = (id(source), cat)
        else:
            self.key = id(self)

    def __reduce__(self):
        # Keys are identities, which a copy has not.
        return Variable, (self.dim, self.cat, self.array, self.source, self.values, self.index)

    def swapped(self) -> "Variable":
        """The same with i and j exchanged."""
        if self.cat == 2:
            return self
        return Variable(self.dim, 1 - self.cat, self.array, self.source, index=self.index)

    def value(self, arrays: Any, dtype: str, like: Any) -> Any:
        """The array to call with, where it is not given by the caller and is not ``array``."""
        key = (dtype, None if like is None else arrays.device(like))
        if self._made[0] != key:
            values = self.values or ()
            is_complex = any(isinstance(value, complex) for value in values)
            name = COMPLEX_TYPE.get(dtype) if is_complex else dtype
            if name is None:
                raise TypeError(f"expected arrays of float32 or float64 beside complex numbers, got {dtype}")
            self._made = (key, arrays.vector(values, name, like))
        return self._made[1]

    def describe(self) -> str:
        text = f"{CATEGORIES[self.cat]}({self.dim})"
        if self.index is not None:
            return f"{CATEGORIES[self.cat]}({self.index},{self.dim})"
        return text if self.array is None else f"{text} of shape {tuple(self.array.shape)}"


class Operands:
    """The variables of an expression in the order of their positions, and their common sizes.

    :ivar ni: rows of variables of i, None without any that has data; ``nj`` likewise.
    :ivar batch: sizes of batch dimensions.
    :ivar dtype: of real numbers, or of the parts of complex ones; None while nobody says.
    """

    __slots__ = ("variables", "positions", "ni", "nj", "batch", "dtype", "device", "has_symbols")

    def __init__(self, variables: Tuple[Variable, ...], positions: Optional[Dict[Hashable, int]], ni: Optional[int],
                 nj: Optional[int], batch: Tuple[int, ...], dtype: Optional[str], device: Hashable, has_symbols: bool):
        self.variables = variables
        if positions is None:
            positions = {variable.key: position for position, variable in enumerate(variables)}
        self.positions = positions
        self.ni = ni
        self.nj = nj
        self.batch = batch
        self.dtype = dtype
        self.device = device
        self.has_symbols = has_symbols

    def __reduce__(self):
        return Operands, (self.variables, None, self.ni, self.nj, self.batch, self.dtype, self.device, self.has_symbols)


NOTHING = Operands((), {}, None, None, (), None, None, False)


def of_variable(variable: Variable, dtype: Optional[str] = None, device: Hashable = None) -> Operands:
    """The operands of an expression that is one variable."""
    rows: List[Optional[int]] = [None, None]
    batch: Tuple[int, ...] = ()
    if variable.array is not None:
        shape = variable.array.shape
        if variable.cat == 2:
            batch = tuple(shape[:-1])
        else:
            rows[variable.cat] = shape[-2]
            batch = tuple(shape[:-2])
    return Operands((variable,), {variable.key: 0}, rows[0], rows[1], batch, dtype, device, variable.index is not None)


# What arrays of an expression have in common.
_RULES = {"ni": "all arrays of i have as many rows", "nj": "all arrays of j have as many rows",
          "dtype": "all arrays have one dtype", "device": "all arrays lie in one memory"}


def common(what: str, a: Any, b: Any) -> Any:
    """What both say, or the one that says something."""
    if a is None or a is b:
        return b
    if b is None or a == b:
        return a
    raise ValueError(f"Incompatible values for attribute {what}: {a!r} and {b!r}; expected the same, as "
                     f"{_RULES.get(what, 'it is one of the whole expression')}")


def broadcast(a: Tuple[int, ...], b: Tuple[int, ...]) -> Tuple[int, ...]:
    """Batch dimensions meet as in NumPy: the last ones first, and those of size 1 go with any."""
    if a == b or not b:
        return a
    if not a:
        return b
    width = max(len(a), len(b))
    left, right = (1,) * (width - len(a)) + a, (1,) * (width - len(b)) + b
    for m, n in zip(left, right):
        if m != n and m != 1 and n != 1:
            raise ValueError(f"Incompatible batch dimensions: expected sizes that are equal or 1, got {a} and {b}")
    return tuple(n if m == 1 else m for m, n in zip(left, right))


_FIRST = tuple(tuple(range(count)) for count in range(64))


def merge(a: Operands, b: Operands) -> Tuple[Operands, Mapping]:
    """All variables of both, those of ``a`` first, and where those of ``b`` have come to stand."""
    if a is b:
        return a, _FIRST[len(a.variables)] if len(a.variables) < len(_FIRST) else tuple(range(len(a.variables)))
    known = a.positions
    fresh: List[Variable] = []
    mapping: List[int] = []
    count = len(a.variables)
    for variable in b.variables:
        position = known.get(variable.key)
        if position is None:
            mapping.append(count + len(fresh))
            fresh.append(variable)
            continue
        mapping.append(position)
        if variable.index is not None:
            other = a.variables[position]
            if (other.dim, other.cat) != (variable.dim, variable.cat):
                raise ValueError(f"variable {variable.index}: expected {other.describe()} as elsewhere in the formula, "
                                 f"got {variable.describe()}")
    if not fresh:
        return a, tuple(mapping)
    positions = dict(known)
    for offset, variable in enumerate(fresh):
        positions[variable.key] = count + offset
    return Operands(a.variables + tuple(fresh), positions, common("ni", a.ni, b.ni), common("nj", a.nj, b.nj),
                    broadcast(a.batch, b.batch), common("dtype", a.dtype, b.dtype),
                    common("device", a.device, b.device) if a.dtype and b.dtype else a.device or b.device,
                    a.has_symbols or b.has_symbols), tuple(mapping)


def transpose(operands: Operands) -> Operands:
    """The same with i and j exchanged."""
    variables = tuple(variable.swapped() for variable in operands.variables)
    return Operands(variables, None, operands.nj, operands.ni, operands.batch, operands.dtype, operands.device,
                    operands.has_symbols)
