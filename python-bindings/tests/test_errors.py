# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is refused, with which exception, and that the message names the culprit, what was expected and what came."""

import re

import numpy as np
import pytest

import keops
from keops.numpy import Genred, generic_argkmin, generic_sum

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "p = Pm(2)"]
X, Y, B, P = np.zeros((4, 3)), np.zeros((5, 3)), np.zeros((5, 1)), np.zeros(2)


def check(error, words, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    # Not a subclass of something else, such as UnicodeError for ValueError.
    assert type(caught.value) in (error, keops.Error)
    message = str(caught.value)
    for word in words:
        assert word in message, message


# --- Calls ------------------------------------------------------------------------------------------------------------

X_MASKED = np.ma.masked_array(X, X > 0)
CALLS = {
    "no arrays": (ValueError, ["4 arrays", "x = Vi(3), y = Vj(3), b = Vj(1), p = Pm(2)", "got 0"], ()),
    "too few": (ValueError, ["4 arrays", "got 3"], (X, Y, B)),
    "too many": (ValueError, ["4 arrays", "got 5"], (X, Y, B, P, P)),
    "a list": (TypeError, ["argument 0 (x = Vi(3))", "NumPy array", "got list"], (X.tolist(), Y, B, P)),
    "a number": (TypeError, ["argument 3 (p = Pm(2))", "NumPy array", "got float"], (X, Y, B, 1.0)),
    "None": (TypeError, ["argument 1 (y = Vj(3))", "got NoneType"], (X, None, B, P)),
    "bytes": (TypeError, ["argument 1", "got bytes"], (X, b"1234", B, P)),
    "a masked array": (TypeError, ["argument 0", "mask"], (X_MASKED, Y, B, P)),
    "a scalar of NumPy": (TypeError, ["argument 3", "got float64"], (X, Y, B, np.float64(1))),
    "mixed dtypes": (TypeError, ["argument 1 (y = Vj(3))", "float64", "argument 0 (x = Vi(3))", "got float32"],
                     (X, Y.astype("f"), B, P)),
    "integers": (TypeError, ["argument 0", "float32 or float64", "got int64"], (X.astype(np.int64), Y, B, P)),
    "small integers": (TypeError, ["argument 1", "float32 or float64", "got int32"], (X, Y.astype(np.int32), B, P)),
    "complex": (TypeError, ["argument 1", "expected real numbers", "not 3", "got complex128"],
                (X, Y.astype(complex), B, P)),
    "booleans": (TypeError, ["argument 1", "got bool"], (X, Y.astype(bool), B, P)),
    "objects": (TypeError, ["argument 1", "got object"], (X, Y.astype(object), B, P)),
    "dates": (TypeError, ["argument 1", "got datetime64"], (X, Y.astype("M8[s]"), B, P)),
    "long doubles": (TypeError, ["argument 0", np.dtype(np.longdouble).name], (X.astype(np.longdouble), Y, B, P)),
    "swapped bytes": (TypeError, ["argument 0", "native byte order", "got >f8"], (X.astype(">f8"), Y, B, P)),
    "half precision": (TypeError, ["argument 1 (y = Vj(3))", "float16 as in argument 0", "got float64"],
                       (X.astype(np.float16), Y, B, P)),
    "wrong columns": (ValueError, ["argument 1 (y = Vj(3))", "(N, 3)", "got shape (5, 4)"],
                      (X, np.zeros((5, 4)), B, P)),
    "wrong parameter": (ValueError, ["argument 3 (p = Pm(2))", "(2,)", "got shape (3,)"], (X, Y, B, np.zeros(3))),
    "a vector of numbers": (ValueError, ["argument 2 (b = Vj(1))", "(N, 1)", "got shape (5,)", "must be (5, 1)"],
                            (X, Y, B[:, 0], P)),
    "a vector of vectors": (ValueError, ["argument 0", "(M, 3)", "got shape (3,)"], (X[0], Y, B, P)),
    "no axes": (ValueError, ["argument 3", "(2,)", "got shape ()"], (X, Y, B, np.array(1.0))),
    "different columns": (ValueError, ["argument 2 (b = Vj(1))", "5 rows", "argument 1 (y = Vj(3))", "got 6"],
                          (X, Y, np.zeros((6, 1)), P)),
    "one row is not many": (ValueError, ["argument 2 (b = Vj(1))", "5 rows", "got 1"], (X, Y, B[:1], P)),
    "a batch of wrong columns": (ValueError, ["argument 0 (x = Vi(3))", "(M, 3) after batch dimensions",
                                              "got shape (2, 4, 5)"], (np.zeros((2, 4, 5)), Y, B, P)),
    "a batch of wrong rows": (ValueError, ["argument 2 (b = Vj(1))", "5 rows", "argument 1 (y = Vj(3))", "got 6"],
                              (X, Y, np.zeros((2, 6, 1)), P)),
    "a batch of wrong parameters": (ValueError, ["argument 3 (p = Pm(2))", "(2,) after", "got shape (4, 3)"],
                                    (X, Y, B, np.zeros((4, 3)))),
    "different batches": (ValueError, ["argument 1 (y = Vj(3))", "size 1 or 2", "batch dimension 0",
                                       "argument 0 (x = Vi(3))", "got shape (3, 5, 3)"],
                          (np.zeros((2, 4, 3)), np.zeros((3, 5, 3)), B, P)),
    "different batches of parameters": (ValueError, ["argument 3 (p = Pm(2))", "size 1 or 2", "batch dimension 1",
                                                     "argument 0 (x = Vi(3))", "got shape (4, 3, 2)"],
                                        (np.zeros((2, 4, 3)), Y, B, np.zeros((4, 3, 2)))),
}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", CALLS)
def test_arguments_that_do_not_fit(name, axis):
    error, words, arguments = CALLS[name]
    reduction = Genred("SqDist(x,y)*b*Sum(p)", ALIASES, axis=axis)
    for _ in range(2):
        check(error, words, reduction, *arguments)
    # A refused call leaves nothing behind.
    assert reduction(X, Y, B, P).shape == ((4, 1) if axis == 1 else (5, 1))


def test_rows_that_disagree():
    reduction = Genred("x*u-y", ["x = Vi(1)", "y = Vj(1)", "u = Vi(1)"], axis=1)
    check(ValueError, ["argument 2 (u = Vi(1))", "4 rows", "argument 0 (x = Vi(1))", "got 3"], reduction,
          np.zeros((4, 1)), np.zeros((5, 1)), np.zeros((3, 1)))


def test_arguments_without_alias():
    reduction = Genred("Var(0,3,0)-Var(1,3,1)", ["Vi(3)"], axis=1)
    check(ValueError, ["2 arrays: Vi(3), Var(1,3,1)", "got 1"], reduction, X)
    check(ValueError, ["argument 1 (Var(1,3,1))", "(N, 3)", "got shape (5, 1)"], reduction, X, B)


def test_no_arguments():
    check(ValueError, ["at least one argument"], Genred("IntCst(1)", []))


CALL_OPTIONS = {
    "an unknown backend": (ValueError, ["backend", "'CPU'", "got 'TPU'"], dict(backend="TPU")),
    "out is a list": (TypeError, ["out", "NumPy array", "list"], dict(out=[])),
    "out is too small": (ValueError, ["out", "(4, 1)", "got shape (3, 1)"], dict(out=np.zeros((3, 1)))),
    "out is a vector": (ValueError, ["out", "(4, 1)", "got shape (4,)"], dict(out=np.zeros(4))),
    "out in another precision": (TypeError, ["out", "float64", "got float32"], dict(out=np.zeros((4, 1), "f"))),
    "out of integers": (TypeError, ["out", "float64", "got int64"], dict(out=np.zeros((4, 1), np.int64))),
    "out is read-only": (ValueError, ["out", "read-only"], dict(out=np.broadcast_to(0.0, (4, 1)))),
}


@pytest.mark.parametrize("name", CALL_OPTIONS)
def test_options_of_calls(name):
    error, words, options = CALL_OPTIONS[name]
    check(error, words, Genred("SqDist(x,y)*b*Sum(p)", ALIASES, axis=1), X, Y, B, P, **options)


def test_unknown_options_of_calls():
    with pytest.raises(TypeError, match="backnd"):
        Genred("x", ["x = Vi(3)"])(X, backnd="CPU")


def test_out_of_several_results():
    reduction = Genred("x", ["x = Vi(3)"], reduction_op="Min_ArgMin", axis=1)
    values, indices = np.zeros((4, 3)), np.zeros((4, 3), np.int64)
    check(TypeError, ["out", "tuple of 2", "ndarray"], reduction, X, out=values)
    check(ValueError, ["out", "2 arrays", "got 1"], reduction, X, out=(values,))
    check(TypeError, ["out[1]", "int64", "got float64"], reduction, X, out=(values, values))
    check(ValueError, ["out[0]", "(4, 3)", "got shape (4, 1)"], reduction, X, out=(values[:, :1], indices))


# --- Construction -----------------------------------------------------------------------------------------------------

FORMULAS = {
    "an unknown operation": ("Foo(x)", ALIASES, ["Foo"]),
    "an unknown name": ("x*z", ALIASES, ["'z'"]),
    "unfinished": ("Exp(x", ALIASES, ["("]),
    "an empty formula": ("", ALIASES, [""]),
    "a malformed alias": ("x", ["x = Vk(3)"], ["Vk"]),
    "one name twice": ("x", ["x = Vi(3)", "x = Vj(3)"], ["'x'"]),
    "one position twice": ("x", ["x = Vi(0,3)", "y = Vj(0,3)"], ["position 0"]),
    "a dimension of 0": ("x", ["x = Vi(0)"], ["dimension"]),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_and_aliases(name):
    formula, aliases, words = FORMULAS[name]
    check(keops.Error, words, Genred, formula, aliases)


def test_errors_show_the_place():
    check(keops.Error, ["Exp(x) + Foo(y)\n", "\n           ^"], Genred, "Exp(x) + Foo(y)", ALIASES)


def test_dimensions_that_do_not_fit():
    """Found when the formula is compiled; the text points at the place as well."""
    check(keops.Error, ["dimensions", "3", "2"], Genred("x+p", ALIASES, axis=1), X, Y, B, P)
    check(keops.Error, ["LogSumExp", "dimension 3"], Genred("x", ["x = Vi(3)"], reduction_op="LogSumExp", axis=1), X)


OPTIONS = {
    "axis": (ValueError, ["axis", "got 2"], dict(axis=2)),
    "no axis": (ValueError, ["axis", "got None"], dict(axis=None)),
    "reduction_op": (ValueError, ["reduction_op", "got 'Sun'", "did you mean 'Sum'"], dict(reduction_op="Sun")),
    "reduction_op is no text": (ValueError, ["reduction_op", "got 3"], dict(reduction_op=3)),
    "an internal reduction": (NotImplementedError, ["reduction_op", "'Max_SumShiftExp'"],
                              dict(reduction_op="Max_SumShiftExp")),
    "no K": (TypeError, ["opt_arg", "ArgKMin", "got None"], dict(reduction_op="ArgKMin")),
    "K = 0": (ValueError, ["opt_arg", "ArgKMin", "got 0"], dict(reduction_op="ArgKMin", opt_arg=0)),
    "K = 1.5": (TypeError, ["opt_arg", "got 1.5"], dict(reduction_op="KMin", opt_arg=1.5)),
    "K for Sum": (ValueError, ["opt_arg", "Sum", "got 3"], dict(opt_arg=3)),
    "no weight": (ValueError, ["formula2", "SumSoftMaxWeight", "got None"], dict(reduction_op="SumSoftMaxWeight")),
    "no weight for LogSumExpWeight": (ValueError, ["formula2"], dict(reduction_op="LogSumExpWeight")),
    "a weight for Min": (ValueError, ["formula2", "Min", "got 'x'"], dict(reduction_op="Min", formula2="x")),
    "a weight that is no text": (TypeError, ["formula2", "got 2"], dict(reduction_op="LogSumExp", formula2=2)),
    "kahan_scheme of ArgKMin": (ValueError, ["sum_scheme", "ArgKMin", "'kahan_scheme'"],
                                dict(reduction_op="ArgKMin", opt_arg=2, sum_scheme="kahan_scheme")),
    "sum_scheme": (ValueError, ["sum_scheme", "got 'block_red'"], dict(sum_scheme="block_red")),
    "block_sum of Min": (ValueError, ["sum_scheme", "Min", "'block_sum'"],
                         dict(reduction_op="Min", sum_scheme="block_sum")),
    "dtype_acc": (ValueError, ["dtype_acc", "got 'double'"], dict(dtype_acc="double")),
    "dtype_acc of Min": (ValueError, ["dtype_acc", "Min", "'float64'"], dict(reduction_op="Min", dtype_acc="float64")),
    "use_double_acc of Min": (ValueError, ["use_double_acc", "Min", "True"],
                              dict(reduction_op="Min", use_double_acc=True)),
    "two accumulators": (ValueError, ["dtype_acc", "use_double_acc", "'float64'"],
                         dict(dtype_acc="float64", use_double_acc=True)),
    "no formula": (TypeError, ["formula", "got None"], dict(formula=None)),
    "aliases as one string": (TypeError, ["aliases", "'x = Vi(3)'"], dict(aliases="x = Vi(3)")),
    "aliases that are no text": (TypeError, ["aliases", "got 3"], dict(aliases=[3])),
    "no aliases": (TypeError, ["aliases", "got None"], dict(aliases=None)),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    error, words, options = OPTIONS[name]
    check(error, words, Genred, **{"formula": "x", "aliases": ["x = Vi(3)"], **options})


@pytest.mark.parametrize("array, accumulator", [(X, "float32"), (X, "float16"), (X.astype("f"), "float16")])
def test_accumulators_that_are_narrower(array, accumulator):
    check(ValueError, ["dtype_acc", array.dtype.name, repr(accumulator)],
          Genred("x", ["x = Vi(3)"], dtype_acc=accumulator), array)


# --- Ranges -----------------------------------------------------------------------------------------------------------

ROWS, SLICES, COLUMNS = np.array([[0, 2], [2, 4]]), np.array([1, 2]), np.array([[0, 5], [1, 3]])
RANGES = {
    "a list of lists": (TypeError, ["ranges_i", "NumPy array", "got list"], (ROWS.tolist(), SLICES, COLUMNS)),
    "an array": (TypeError, ["six arrays", "ranges_i, slices_i, redranges_j", "got ndarray"], ROWS),
    "four arrays": (ValueError, ["six arrays", "got 4 entries"], (ROWS, SLICES, COLUMNS, None)),
    "floats": (TypeError, ["redranges_j", "integers", "got float64"], (ROWS, SLICES, COLUMNS.astype(float))),
    "booleans": (TypeError, ["slices_i", "integers", "got bool"], (ROWS, SLICES > 1, COLUMNS)),
    "flat intervals": (ValueError, ["ranges_i", "(intervals, 2)", "got shape (4,)"], (ROWS.ravel(), SLICES, COLUMNS)),
    "three numbers": (ValueError, ["redranges_j", "(intervals, 2)", "(2, 3)"], (ROWS, SLICES, np.zeros((2, 3), int))),
    "slices as a matrix": (ValueError, ["slices_i", "(clusters,)", "got shape (2, 1)"],
                           (ROWS, SLICES[:, None], COLUMNS)),
    "too few slices": (ValueError, ["slices_i", "2 intervals of ranges_i", "got 1"], (ROWS, SLICES[:1], COLUMNS)),
    "too many rows": (keops.Error, ["ranges_i[1]", "≤ 4", "[2, 5)"], (ROWS + [[0, 0], [0, 1]], SLICES, COLUMNS)),
    "too many columns": (keops.Error, ["redranges_j[0]", "≤ 5", "[0, 6)"],
                         (ROWS, SLICES, COLUMNS + [[0, 1], [0, 0]])),
    "negative rows": (keops.Error, ["ranges_i[0]", "0 ≤ begin", "[-1, 2)"],
                      (ROWS - [[1, 0], [0, 0]], SLICES, COLUMNS)),
    "backwards": (keops.Error, ["redranges_j[0]", "begin ≤ end", "[5, 0)"], (ROWS, SLICES, COLUMNS[:, ::-1])),
    "too many slices": (keops.Error, ["slices_i[1]", "from 1 to 2", "redranges_j", "got 3"],
                        (ROWS, np.array([1, 3]), COLUMNS)),
    "slices that decrease": (keops.Error, ["slices_i[1]", "from 1 to 2", "got 0"], (ROWS, np.array([1, 0]), COLUMNS)),
    "shared rows": (keops.Error, ["ranges_i", "share no row", "[0, 3) at 0", "[2, 4) at 1"],
                    (ROWS + [[0, 1], [0, 0]], SLICES, COLUMNS)),
    "numbers beyond int64": (keops.Error, ["ranges_i[0]", "≤ 4"],
                             (np.array([[0, 2**64 - 1], [0, 0]], np.uint64), SLICES, COLUMNS)),
}
I_NAMES, J_NAMES = ("ranges_i", "slices_i", "redranges_j"), ("ranges_j", "slices_j", "redranges_i")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", RANGES)
def test_ranges(name, axis):
    """Those of the result over j are the last three, under names with i and j exchanged."""
    error, words, given = RANGES[name]
    good = (ROWS[:0], SLICES[:0], COLUMNS[:0])
    if isinstance(given, tuple) and len(given) == 3:
        given = tuple(given) + good if axis == 1 else good + tuple(given)
        if axis == 0:
            for ours, theirs in zip(I_NAMES, J_NAMES):
                words = [word.replace(ours, "\0" + theirs) for word in words]
            words = [word.replace("\0", "") for word in words]
    # Four rows of the result, over five.
    x, y = (X, Y) if axis == 1 else (Y, X)
    reduction = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=axis)
    check(error, words, reduction, x, y, ranges=given)
    assert reduction(x, y).shape == (4, 1)


@pytest.mark.parametrize("option", ["dtype", "cuda_type"])
def test_deprecated_options(option):
    with pytest.warns(UserWarning, match=f"{option}='float32'") as warned:
        reduction = Genred("x", ["x = Vi(3)"], axis=1, **{option: "float32"})
    assert warned[0].filename == __file__
    assert reduction(X).dtype == np.float64


@pytest.mark.parametrize("output", ["a = Pm(3)", "a", "a = Vi()", 3, "Var(0,3,2)"])
def test_outputs_of_generic_functions(output):
    with pytest.raises(ValueError, match=re.escape(repr(output))):
        generic_sum("x", output, "x = Vi(3)")


def test_an_output_of_no_neighbours():
    check(ValueError, ["opt_arg", "got 0"], generic_argkmin, "x", "a = Vi(0)", "x = Vi(3)")


def test_error_is_a_value_error():
    assert issubclass(keops.Error, ValueError) and keops.Error.__module__ == "keops"
