# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How arrays come in and go out: strides, layouts, `out=`, and that arguments stay as they are."""

import copy
import pickle

import numpy as np
import pytest

from keops.numpy import Genred

ALIASES = ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "p = Pm(3)"]
FORMULA = "Exp(-WeightedSqDist(p,x,y)) * b"


def arrays(dtype, M=33, N=70):
    rng = np.random.default_rng(0)
    return [rng.random(shape).astype(dtype) for shape in ((M, 3), (N, 3), (N, 2), (3,))]


def every_second(array):
    wide = np.full(tuple(2 * size for size in array.shape), 99, array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_in_memory(array):
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


def in_records(array):
    """Elements 5 bytes further apart than they are wide: no multiple of an element, nor aligned."""
    records = np.zeros(array.shape, [("byte", "i1"), ("value", array.dtype), ("more", "i4")])
    records["value"] = array
    return records["value"]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = [np.asfortranarray, every_second, reversed_in_memory, in_records, read_only]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts(layout, axis, dtype):
    """Values depend on the elements alone, bit for bit."""
    reduction = Genred(FORMULA, ALIASES, axis=axis)
    given = arrays(dtype)
    expected = reduction(*given)
    np.testing.assert_array_equal(reduction(*map(layout, given)), expected)
    for position in range(len(given)):
        mixed = given[:position] + [layout(given[position])] + given[position + 1:]
        np.testing.assert_array_equal(reduction(*mixed), expected)


@pytest.mark.parametrize("M, N", [(1, 70), (33, 1), (1, 1)])
def test_layouts_of_one_row(M, N):
    """Strides along an axis of one element mean nothing."""
    reduction = Genred(FORMULA, ALIASES, axis=1)
    given = arrays(np.float32, M, N)
    expected = reduction(*given)
    for layout in LAYOUTS:
        np.testing.assert_array_equal(reduction(*map(layout, given)), expected)


def test_broadcast_arrays():
    """Rows and components that share their memory."""
    x, y, b, p = arrays(np.float64)
    reduction = Genred(FORMULA, ALIASES, axis=1)
    x1, y1 = np.broadcast_to(x[:1], x.shape), np.broadcast_to(y[:, :1], y.shape)
    p1 = np.broadcast_to(p[:1], p.shape)
    np.testing.assert_array_equal(reduction(x1, y1, b, p1), reduction(x1.copy(), y1.copy(), b, p1.copy()))


def test_the_same_array_twice():
    x = arrays(np.float64)[0]
    reduction = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)
    np.testing.assert_array_equal(reduction(x, x), reduction(x, x.copy()))


def test_subclasses_of_arrays(tmp_path):
    x, y, b, p = arrays(np.float32)
    on_disk = np.memmap(tmp_path / "x", dtype=x.dtype, mode="w+", shape=x.shape)
    on_disk[:] = x
    reduction = Genred(FORMULA, ALIASES, axis=1)
    found = reduction(on_disk, y, b, p)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, reduction(x, y, b, p))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arguments_are_not_changed(dtype):
    given = arrays(dtype)
    before = [array.copy() for array in given]
    for op, k in [("Sum", None), ("ArgKMin", 3), ("Min_ArgMin", None)]:
        Genred(FORMULA, ALIASES, reduction_op=op, axis=1, opt_arg=k)(*given)
    Genred("SqDist(x,y)", ALIASES, reduction_op="SoftMax", axis=1, formula2="b")(*given)
    for array, copied in zip(given, before):
        np.testing.assert_array_equal(array, copied)


def test_aliases_are_not_changed():
    aliases = list(ALIASES)
    Genred(FORMULA + " + Var(4,1,0)", aliases)
    assert aliases == ALIASES


# --- out --------------------------------------------------------------------------------------------------------------

RESULTS = [("Sum", None, None), ("LogSumExp", None, None), ("LogSumExp", None, "b"), ("SoftMax", None, "b"),
           ("Min", None, None), ("ArgMax", None, None), ("Max_ArgMax", None, None), ("KMin", 3, None),
           ("ArgKMin", 3, None), ("KMin_ArgKMin", 3, None)]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("op, k, formula2", RESULTS)
def test_out(op, k, formula2, dim, dtype):
    formula = "SqDist(x,y)" if dim == 1 or op in ("LogSumExp", "SoftMax") else FORMULA
    reduction = Genred(formula, ALIASES, reduction_op=op, axis=1, opt_arg=k, formula2=formula2)
    given = arrays(dtype)
    expected = reduction(*given)
    for layout in (np.array, np.asfortranarray, every_second, in_records):
        out = tuple(layout(np.full_like(part, 77)) for part in as_tuple(expected))
        out = out if isinstance(expected, tuple) else out[0]
        assert reduction(*given, out=out) is out
        for part, reference in zip(as_tuple(out), as_tuple(expected)):
            np.testing.assert_array_equal(part, reference)


def test_out_between_its_neighbours():
    """Nothing but the given array is written."""
    given = arrays(np.float32)
    wide = np.full((33, 6), 77, np.float32)
    expected = Genred(FORMULA, ALIASES, axis=1)(*given, out=wide[:, 2:4]).copy()
    np.testing.assert_array_equal(wide[:, 2:4], expected)
    assert (wide[:, :2] == 77).all() and (wide[:, 4:] == 77).all()


def test_out_over_an_argument():
    """As if the result were made first and copied then."""
    x = np.random.default_rng(0).random((5000, 3))
    reduction = Genred("x - y", ["x = Vi(3)", "y = Vj(3)"], axis=1)
    for shift in (0, 1, 1000):
        rows, columns = x[:3000], x[shift:]
        expected = reduction(rows, columns)
        memory = x.copy()
        out = memory[1500:4500]
        assert reduction(memory[:3000], memory[shift:], out=out) is out
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(memory[:1500], x[:1500])
        np.testing.assert_array_equal(memory[4500:], x[4500:])


def test_out_of_no_rows():
    out = np.empty((0, 3))
    assert Genred("x-y", ["x = Vi(3)", "y = Vj(3)"], axis=1)(np.empty((0, 3)), np.ones((4, 3)), out=out) is out


def test_copies_and_pickles():
    reduction = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], reduction_op="ArgKMin", axis=1, opt_arg=2)
    x, y = arrays(np.float64)[:2]
    for other in (copy.copy(reduction), copy.deepcopy(reduction), pickle.loads(pickle.dumps(reduction))):
        assert repr(other) == repr(reduction)
        np.testing.assert_array_equal(other(x, y), reduction(x, y))
