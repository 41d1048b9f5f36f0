# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formulas without their data. A program builds the same expressions again and again on other arrays, so each operation
on a formula is remembered with the formula: building an expression a second time is a few look-ups, and ends at the
reduction that was compiled the first time.

What operations there are, what they take and how many components they give, the engine says.

A compiler of Python, such as ``torch.compile``, reads along what a program does, and would have to look whether all that is
remembered is still the same. Within what it reads, formulas begin afresh, and the functions of ``ENGINE``, of texts and
numbers, are answered while it reads."""

import functools
import re
from typing import Any, Dict, List, Optional, Tuple

from keops import _keops

Mapping = Tuple[int, ...]
"""For each variable of a second operand, its position among the variables of the result."""

_POSITION = re.compile(r"\bVar\((-?\d+),(\d+),(\d)\)")
_BETWEEN = re.compile(r"\bIndex_([ij])\(\)")

_SIGNS = {"Add": "+", "Subtract": "-"}

# Formulas are dropped all at once when there are this many; those in use live on.
_MOST = 20000


class Formula:
    """A formula of variables at positions 0, 1, ...; one object for one text, as long as it is remembered.

    :ivar text: formula text, with variables as ``Var(position,dim,category)``.
    :ivar dim: number of components.
    :ivar count: number of variables, used in the text or not.
    :ivar is_variable: true of a variable alone.
    :ivar is_constant: true of a number.
    :ivar is_sum: true if the text is a sum written with operators, which text can have thousands of in a row, where
        calls inside calls would be nested too deep.
    :ivar results: what operations on it gave, by their names and other operands.
    """

    __slots__ = ("text", "dim", "count", "is_variable", "is_constant", "is_sum", "results")

    def __init__(self, text: str, dim: int, count: int, is_variable: bool = False, is_constant: bool = False,
                 is_sum: bool = False):
        self.text = text
        self.dim = dim
        self.count = count
        self.is_variable = is_variable
        self.is_constant = is_constant
        self.is_sum = is_sum
        self.results: Dict[Any, Any] = {}

    def remember(self, key: Any, made: Any) -> Any:
        """``made``, which ``results`` has from now on."""
        if not is_read():
            self.results[key] = made
        return made

    def __reduce__(self):
        return Formula, (self.text, self.dim, self.count, self.is_variable, self.is_constant, self.is_sum)


_variables: Dict[Tuple[int, int], Formula] = {}
_constants: Dict[str, Formula] = {}
_made = 0


def is_read() -> bool:
    """Whether a compiler of Python reads this. Who brings one along puts its own answer in the place of this function."""
    return False


def variable(dim: int, category: int) -> Formula:
    """The formula that is one variable, at position 0."""
    found = None if is_read() else _variables.get((dim, category))
    if found is None:
        found = Formula(f"Var(0,{dim},{category})", dim, 1, is_variable=True)
        if not is_read():
            _variables[dim, category] = found
    return found


def constant(text: str, dim: int = 1) -> Formula:
    """A formula without variables, such as "IntCst(3)"."""
    found = None if is_read() else _constants.get(text)
    if found is None:
        found = Formula(text, dim, 0, is_constant=True)
        if not is_read():
            _constants[text] = found
    return found


def integer(value: int) -> Formula:
    return constant(f"IntCst({value})")


def _count() -> None:
    """Keeps the number of remembered formulas bounded: all grow out of variables and constants."""
    global _made
    _made += 1
    if _made > _MOST:
        _made = 0
        for known in (*_variables.values(), *_constants.values()):
            known.results.clear()
        _constants.clear()


def renumber(text: str, mapping: Mapping) -> str:
    """``text`` with its variables at other positions."""
    return _POSITION.sub(lambda match: f"Var({mapping[int(match[1])]},{match[2]},{match[3]})", text)


def _option_text(option: Any) -> str:
    return f"[{','.join(map(str, option))}]" if isinstance(option, tuple) else str(option)


# --- What the engine knows --------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def _operations() -> Dict[str, List[str]]:
    """All operations of the formula language, with the kinds of their arguments."""
    known = {}
    for signature in _keops.all_operations():
        name, kinds = signature.rstrip(")").split("(", 1)
        known[name] = [kind for kind in kinds.split(", ") if kind]
    return known


def is_operation(name: str) -> bool:
    """Whether the formula language has an operation of this name."""
    return name in _operations()


@functools.lru_cache(maxsize=4096)
def _dimension(text: str) -> int:
    return _keops.dimension(text)


def dimension(name: str, operands: Tuple[Any, ...], text: str, options: Tuple[Any, ...]) -> int:
    """Components of an operation's result. They depend on the dimensions of its operands only, so a short formula is
    asked about, unless the operation looks into its operand for a variable.

    :param operands: of each its text if it is a number, else its dimension.
    :param text: the whole formula.
    """
    if not is_operation(name):
        raise ValueError(f"expected an operation of the formula language, got {name!r}")
    if not any(kind.startswith("variable") for kind in _operations()[name]):
        positions = iter(range(len(operands)))
        arguments = [operand if isinstance(operand, str) else f"Var({next(positions)},{operand},2)"
                     for operand in operands]
        text = f"{name}({','.join([*arguments, *map(_option_text, options)])})"
    try:
        return _dimension(text)
    except _keops.Error as error:
        reason = str(error).splitlines()[0]
        raise ValueError(reason if name in reason else f"{name}: {reason}") from None


ENGINE = (is_operation, dimension, renumber)


# --- Making formulas --------------------------------------------------------------------------------------------------


def derive(name: str, operands: Tuple[Formula, ...], mappings: Tuple[Optional[Mapping], ...],
           options: Tuple[Any, ...] = ()) -> Formula:
    """The formula ``name(operands, options)``; ``mappings`` are those of the operands after the first. The caller keeps
    it in the ``results`` of the first."""
    first = operands[0]
    texts, count = [first.text], first.count
    for operand, mapping in zip(operands[1:], mappings):
        texts.append(renumber(operand.text, mapping) if mapping else operand.text)
        count = max(count, max(mapping, default=-1) + 1) if mapping else count
    sign = _SIGNS.get(name)
    if sign:
        text = f"{texts[0]}{sign}({texts[1]})" if operands[1].is_sum else f"{texts[0]}{sign}{texts[1]}"
    else:
        text = f"{name}({','.join([*texts, *map(_option_text, options)])})"
    dims = tuple([operand.text if operand.is_constant else operand.dim for operand in operands])
    made = Formula(text, dimension(name, dims, text, options), count, is_sum=sign is not None)
    if not is_read():
        _count()
    return made


def transpose(formula: Formula) -> Formula:
    """The formula with i and j exchanged."""
    found = formula.results.get("transpose")
    if found is None:
        swapped = ("1", "0", "2")
        alone = _POSITION.fullmatch(formula.text)
        if alone:
            found = variable(formula.dim, int(swapped[int(alone[3])]))
        else:
            text = _POSITION.sub(lambda match: f"Var({match[1]},{match[2]},{swapped[int(match[3])]})", formula.text)
            text = _BETWEEN.sub(lambda match: f"Index_{'j' if match[1] == 'i' else 'i'}()", text)
            found = Formula(text, formula.dim, formula.count, is_constant=formula.is_constant, is_sum=formula.is_sum)
        formula.remember("transpose", found)
    return found
