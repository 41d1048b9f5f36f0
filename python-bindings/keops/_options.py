# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the options of a reduction mean, whatever arrays it works on. Each function here turns what a user wrote into
what the compiled half takes, or raises an exception whose text names the option, what was expected and what came."""

import difflib
import math
import numbers
import operator
import re
import sys
import warnings
from typing import Any, Callable, Iterable, List, Optional, Tuple

from keops import _keops


GPU_BACKENDS = ("GPU", "GPU_1D", "GPU_1D_device", "GPU_1D_host", "GPU_2D", "GPU_2D_device", "GPU_2D_host")
BACKENDS = ("auto", "CPU", "sim") + GPU_BACKENDS


def refuse(option: str, expected: str, got: Any) -> ValueError:
    """The exception for an option that makes no sense."""
    return ValueError(f"{option}: expected {expected}, got {got!r}")


def warn(message: str) -> None:
    """A warning about the line of the program that called, whatever of this package and of PyTorch is in between."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("keops", "torch"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def unsupported(option: str, expected: str, got: Any) -> NotImplementedError:
    """The exception for an option that makes sense but cannot be had."""
    return NotImplementedError(f"{option}: expected {expected}, got {got!r}, which is not supported")


# --- Reductions -------------------------------------------------------------------------------------------------------


def find_reduction(reduction_op: str, opt_arg: Optional[int],
                   formula2: Optional[str]) -> Tuple[_keops.ReductionKind, int]:
    """The reduction, under any of the names that formula text has for it, and its K, 0 if it has none."""
    kind = _keops.find_reduction(reduction_op) if isinstance(reduction_op, str) else None
    if kind is None:
        names = [known.name for known in _keops.all_reductions()]
        near = difflib.get_close_matches(str(reduction_op), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"reduction_op: expected one of {', '.join(names)}, got {reduction_op!r}{hint}")
    if not kind.is_computed:
        raise unsupported("reduction_op", "a reduction of the public interface", reduction_op)
    if kind.weight == "required" and formula2 is None:
        raise refuse("formula2", f"a weight formula, which {reduction_op} needs", formula2)
    if kind.weight == "none" and formula2 is not None:
        raise refuse("formula2", f"None because {reduction_op} has no weights", formula2)
    if not kind.takes_k:
        if opt_arg:
            raise refuse("opt_arg", f"None because {reduction_op} takes no K", opt_arg)
        return kind, 0
    try:
        k = operator.index(opt_arg)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"opt_arg: expected the integer K of {reduction_op}, got {opt_arg!r}") from None
    if k < 1:
        raise refuse("opt_arg", f"K >= 1, the number of values that {reduction_op} keeps", opt_arg)
    return kind, k


def check_axis(axis: int) -> int:
    if axis not in (0, 1):
        raise refuse("axis", "0 (reduce over i) or 1 (reduce over j)", axis)
    return int(axis)


def find_accumulator(kind: _keops.ReductionKind, reduction_op: str, dtype_acc: str, use_double_acc: bool,
                     sum_scheme: str) -> Tuple[Optional[str], bool]:
    """The dtype that sums must be accumulated in, None if the caller does not mind, and whether sums must keep track
    of their rounding errors. Whether the dtype suits that of the arrays is known when they come."""
    if dtype_acc not in ("auto", "float16", "float32", "float64"):
        raise refuse("dtype_acc", "'auto', 'float16', 'float32' or 'float64'", dtype_acc)
    if use_double_acc and dtype_acc != "auto":
        raise refuse("dtype_acc", "'auto' because use_double_acc is set too", dtype_acc)
    if sum_scheme not in ("auto", "direct_sum", "block_sum", "kahan_scheme"):
        raise refuse("sum_scheme", "'auto', 'direct_sum', 'block_sum' or 'kahan_scheme'", sum_scheme)
    if not kind.is_sum:
        if use_double_acc or dtype_acc != "auto":
            option, got = ("use_double_acc", use_double_acc) if use_double_acc else ("dtype_acc", dtype_acc)
            raise refuse(option, f"the default because {reduction_op} does not add", got)
        if sum_scheme in ("block_sum", "kahan_scheme"):
            raise refuse("sum_scheme", f"'auto' or 'direct_sum' because {reduction_op} does not add", sum_scheme)
    if use_double_acc:
        dtype_acc = "float64"
    return None if dtype_acc == "auto" else dtype_acc, sum_scheme == "kahan_scheme"


def is_fast(precision: str) -> bool:
    """Whether ``precision`` allows GPUs to compute distances by scalar products."""
    if not isinstance(precision, str) or precision not in ("exact", "fast"):
        raise refuse("precision", "'exact' or 'fast'", precision)
    return precision == "fast"


def find_complex_type(dtype: Any) -> Optional[str]:
    """The type of complex results that ``dtype`` asks for, if it does."""
    name = getattr(dtype, "name", getattr(dtype, "__name__", dtype))
    return name if name in ("complex64", "complex128") else None


def warn_deprecated(**options: Any) -> None:
    """Warns about options that are accepted from older programs and have no effect."""
    for option, value in options.items():
        if value is not None:
            warn(f"{option}={value!r} is deprecated and has no effect: the dtype of the arrays decides")


def find_target(backend: str, device_id: int) -> str:
    """Where the compiled half is to compute: "" where the data lie, else a name of its targets."""
    if backend == "auto":
        return ""
    if backend == "CPU":
        return "host"
    if backend == "sim":
        return backend
    if backend not in GPU_BACKENDS:
        raise refuse("backend", f"one of {', '.join(map(repr, BACKENDS))}", backend)
    try:
        number = operator.index(device_id)
    except TypeError:
        raise TypeError(f"device_id: expected the number of a GPU, or -1 for the first, got {device_id!r}") from None
    return "cuda" if number < 0 else f"cuda:{number}"


# --- Ranges -----------------------------------------------------------------------------------------------------------

RANGES = ("ranges_i", "slices_i", "redranges_j", "ranges_j", "slices_j", "redranges_i")


def check_ranges(ranges: Any, noun: str, kind: Any, library: str, is_whole: Callable[[Any], bool]) -> None:
    """Whether these are six arrays of integers of fitting shapes; the compiled half checks what is in them.

    :param noun: what the library calls an array; ``kind`` is its type.
    :param is_whole: whether an array's numbers are integers.
    """
    expected = f"a tuple of the six {noun}s {', '.join(RANGES)}"
    if not isinstance(ranges, (tuple, list)):
        raise TypeError(f"ranges: expected {expected}, got {type(ranges).__name__}")
    if len(ranges) != len(RANGES):
        raise ValueError(f"ranges: expected {expected}, got {len(ranges)} entries")
    for name, array in zip(RANGES, ranges):
        if not isinstance(array, kind):
            raise TypeError(f"ranges: expected {name} to be a {library} {noun}, got {type(array).__name__}")
        if not is_whole(array):
            # PyTorch says torch.float32, NumPy float32.
            raise TypeError(f"ranges: expected {name} to be {'an' if noun[0] in 'aeiou' else 'a'} {noun} of integers, got "
                            f"{str(array.dtype).rpartition('.')[2]}")
        shape = tuple(array.shape)
        if name.startswith("slices"):
            if len(shape) != 1:
                raise ValueError(f"ranges: expected {name} of shape (clusters,), got shape {shape}")
        elif len(shape) != 2 or shape[1] != 2:
            raise ValueError(f"ranges: expected {name} of shape (intervals, 2), each [begin, end), got shape {shape}")
    for rows, slices in ((0, 1), (3, 4)):
        if len(ranges[rows]) != len(ranges[slices]):
            raise ValueError(f"ranges: expected {RANGES[slices]} to have one entry for each of the "
                             f"{len(ranges[rows])} intervals of {RANGES[rows]}, got {len(ranges[slices])}")


# --- Linear systems ---------------------------------------------------------------------------------------------------


def check_solver_numbers(**given: Any) -> None:
    """Whether the options of a solver, by name, are finite numbers of at least 0."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name}: expected a number, got {value!r}")
        if not (float(value) >= 0 and math.isfinite(value)):
            raise refuse(name, "a finite number of at least 0", value)


# --- Aliases ----------------------------------------------------------------------------------------------------------

_ALIAS = re.compile(r"\s*(?:\w+\s*=\s*)?(Vi|Vj|Vx|Vy|Pm|Var)\s*\(([\d\s,]*)\)\s*")
_INLINE_VARIABLE = re.compile(r"\b(Vi|Vj|Pm|Var)\s*\(\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")


def _position(alias: str, default: int) -> int:
    match = _ALIAS.fullmatch(alias)
    numbers = [int(number) for number in re.findall(r"\d+", match[2])] if match else []
    return numbers[0] if len(numbers) > 1 else default


def complete_aliases(aliases: Iterable[str], *formulas: Optional[str]) -> Tuple[List[str], List[str]]:
    """The aliases and one for each further variable that the formulas write as Var(position,dim,category) or its like;
    then the same in order of position, as messages show them."""
    if isinstance(aliases, str) or not isinstance(aliases, Iterable):
        raise TypeError(f"aliases: expected a list of strings such as ['x = Vi(3)', 'y = Vj(3)'], got {aliases!r}")
    complete = list(aliases)
    for alias in complete:
        if not isinstance(alias, str):
            raise TypeError(f"aliases: expected strings such as 'x = Vi(3)', got {alias!r}")
    positions = [_position(alias, default) for default, alias in enumerate(complete)]
    for formula in formulas:
        for variable in _INLINE_VARIABLE.finditer(formula or ""):
            position = int(variable[2])
            if position not in positions and (variable[1] == "Var") == (variable[4] is not None):
                complete.append(variable[0])
                positions.append(position)
    ordered = [alias for _, alias in sorted(zip(positions, complete), key=lambda pair: pair[0])]
    return complete, [" ".join(alias.split()) for alias in ordered]


def parse_output(output: str) -> Tuple[int, int]:
    """Axis and dimension of the output that the ``generic_`` functions declare, such as "a = Vi(3)"."""
    match = _ALIAS.fullmatch(output) if isinstance(output, str) else None
    numbers = [int(number) for number in re.findall(r"\d+", match[2])] if match else []
    if match and match[1] == "Var" and len(numbers) == 3:
        category = numbers[2]
    elif match and match[1] != "Var" and len(numbers) in (1, 2):
        category = {"Vi": 0, "Vx": 0, "Vj": 1, "Vy": 1}.get(match[1], 2)
    else:
        category = 2
    if category not in (0, 1):
        raise refuse("output", "a declaration such as 'a = Vi(3)' or 'a = Vj(3)'", output)
    return 1 - category, numbers[1] if len(numbers) > 1 else numbers[0]


def find_argument(aliases: List[str], name: str) -> int:
    """The position of the argument that an alias calls ``name``, or that ``name`` describes as Var(position,...)."""
    if not isinstance(name, str):
        raise TypeError(f"varinvalias: expected the name of an alias, got {name!r}")
    wanted = re.fullmatch(r"\s*(?:Var|Vi|Vj|Pm)\s*\(\s*(\d+)\s*,[\d\s,]*\)\s*", name)
    for default, alias in enumerate(aliases):
        position = _position(alias, default)
        if position == int(wanted[1]) if wanted else alias.split("=")[0].strip() == name.strip():
            return position
    raise refuse("varinvalias", f"one of the arguments {', '.join(aliases)}", name)
