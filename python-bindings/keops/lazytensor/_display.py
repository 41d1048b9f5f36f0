# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How a LazyTensor shows itself, and what the compiler says about it."""

import html
import math
import re
from typing import Any, List, Optional

from keops import _keops
from keops.lazytensor._linear import LinearOperator
from keops.lazytensor._operands import CATEGORIES, Variable

_LETTERS = ("x", "y", "p")
_SUBSCRIPTS = ("_i", "_j", "")


class Display(LinearOperator):
    __slots__ = ()

    def _names(self) -> List[str]:
        """x0_i, y1_j, p2: a name for each variable, with the number of its kind if there are several."""
        totals = [sum(variable.cat == cat for variable in self._operands.variables) for cat in range(3)]
        seen = [0, 0, 0]
        names = []
        for variable in self._operands.variables:
            number = str(seen[variable.cat]) if totals[variable.cat] > 1 else ""
            seen[variable.cat] += 1
            names.append(f"{_LETTERS[variable.cat]}{number}{_SUBSCRIPTS[variable.cat]}")
        return names

    def _readable(self, text: Optional[str] = None) -> str:
        """The formula with operators and names."""
        aliases = [f"{name} = {CATEGORIES[variable.cat]}({position},{variable.dim})"
                   for position, (name, variable) in enumerate(zip(self._names(), self._operands.variables))]
        text = self._formula.text if text is None else text
        try:
            return _keops.format_formula(text, aliases)
        except _keops.Error:
            return text

    def _entries(self) -> List[str]:
        """A line for each variable."""
        lines = []
        for name, variable in zip(self._names(), self._operands.variables):
            lines.append(f"{name} = {_declare(variable)}")
        return lines

    def _headline(self) -> str:
        kind = "ComplexLazyTensor" if self.is_complex else "LazyTensor"
        formula = self._readable()
        if self._reduction is not None:
            formula = f"{self._reduction.name} over {'ij'[self._reduction.axis]} of {formula}"
            if self._reduction.weight_text is not None:
                formula += f" with weights {self._readable(self._reduction.weight_text)}"
        return f"{kind}({formula}, shape={self.shape}, dtype={self.dtype})"

    def __repr__(self) -> str:
        return self._headline()

    def __str__(self) -> str:
        """The formula, its variables, shape and dtype."""
        kind = "KeOps ComplexLazyTensor" if self.is_complex else "KeOps LazyTensor"
        lines = [kind, f"    formula: {self._readable()}", *(f"    {entry}" for entry in self._entries()),
                 f"    symbolic variables: {self.symbolic_variables}", f"    shape: {self.shape}",
                 f"    dtype: {self.dtype}"]
        if self._reduction is not None:
            lines.append(f"    reduction: {self._reduction.name} over {'ij'[self._reduction.axis]}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the formula as in mathematics, the kind, shape and dtype, and the variables."""
        formula, kind = _as_mathematics(self._readable()), "ComplexLazyTensor" if self.is_complex else "LazyTensor"
        if self._reduction is not None:
            weight = self._reduction.weight_text
            formula = (f"{self._reduction.name}<sub>{'ij'[self._reduction.axis]}</sub> {formula}" +
                       (f" with weights {_as_mathematics(self._readable(weight))}" if weight is not None else ""))
        rows = "".join(f"<li>{_as_mathematics(name)} = {html.escape(_declare(variable))}</li>"
                       for name, variable in zip(self._names(), self._operands.variables))
        return f"<div>{kind} {formula}, shape {self.shape}, dtype {self.dtype}<ul>{rows}</ul></div>"

    # --- What the compiler says ---------------------------------------------------------------------------------------

    def _describe_code(self, phase: str, axis: int, dtype: Optional[str]) -> str:
        reduced = self if self._reduction is not None else self.reduction("Sum", axis=self.nbatchdims + axis, call=False)
        function: Any = reduced._reduction.function
        name = dtype or self._operands.dtype
        if name is None:
            raise ValueError("dtype: expected 'float32' or another, because no array of the LazyTensor says it, got None")
        return function.describe_code(name, phase)

    def explain(self, axis: int = 1, dtype: Optional[str] = None) -> str:
        """The schedule of the compiled reduction, the operations for each pair and the time that they take at least.

        :param axis: 0 or 1, the index that is summed over; of a reduced LazyTensor its own reduction is explained.
        :param dtype: by default that of the arrays.
        """
        text = self._describe_code("explain", axis, dtype)
        rate = re.search(r"at most (\S+) pairs/s", text)
        sizes = self._operands
        if rate and not sizes.has_symbols:
            pairs = math.prod((*sizes.batch, sizes.ni or 1, sizes.nj or 1))
            text += f"{pairs} pairs: at least {pairs / float(rate[1]):.2g} s on one core\n"
        return text

    def mlir(self, phase: str = "formula", axis: int = 1, dtype: Optional[str] = None) -> str:
        """The program of the reduction after a phase of the compiler.

        :param phase: "formula", "expanded", "simplified", "factorized", "split", "scheduled", "tiled", "staged",
            "approximated", "llvm", or "llvmir" for what is handed to LLVM.
        :param axis: as ``dtype``, of ``explain``.
        """
        return self._describe_code(phase, axis, dtype)

    def asm(self, axis: int = 1, dtype: Optional[str] = None) -> str:
        """The machine code of the reduction as assembly. Parameters are those of ``explain``."""
        return self._describe_code("asm", axis, dtype)


def _declare(variable: Variable) -> str:
    kind = CATEGORIES[variable.cat]
    if variable.index is not None:
        return f"{kind}({variable.index}, {variable.dim}), an argument of the call"
    if variable.values is not None:
        return ", ".join(map(repr, variable.values))
    if variable.array is None:
        return f"{kind}({variable.dim}), not read"
    return f"{kind}({variable.dim}), array of shape {tuple(variable.array.shape)}"


_VARIABLE_NAME = re.compile(r"\b([xyp])(\d*)(?:_([ij]))?(?![\w(])")
_POWER = re.compile(r"\*\*(-?\d+)")
_FUNCTION_NAME = re.compile(r"\b([A-Z])([a-z]+)(?=\()")


def _as_mathematics(text: str) -> str:
    """Formula text as HTML: indices below, powers above, functions that are words in small letters, real signs."""
    def name(match: "re.Match[str]") -> str:
        index = match[2] + (match[3] or "")
        return f"<i>{match[1]}</i>" + (f"<sub>{index}</sub>" if index else "")

    text = _FUNCTION_NAME.sub(lambda match: match[1].lower() + match[2], html.escape(text))
    text = _POWER.sub(lambda match: f"<sup>{match[1]}</sup>", _VARIABLE_NAME.sub(name, text))
    return text.replace("*", "&middot;").replace("-", "&minus;")
