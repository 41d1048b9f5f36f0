# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays of numbers of 16 bits, and of complex numbers: what goes in, what comes out, and what is refused."""

import copy
import pickle

import numpy as np
import pytest

from keops.numpy import Genred
from test_errors import check
from test_language import CASES, draw_case

try:
    from ml_dtypes import bfloat16
except ImportError:
    bfloat16 = None

HALVES = [np.float16, pytest.param(bfloat16, marks=pytest.mark.skipif(bfloat16 is None, reason="needs ml_dtypes"),
                                   id="bfloat16")]
# Half of the distance from 1 to the next number.
UNIT = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
# float32 arithmetic between.
SLACK = 2.0**-18


def draw(seed, shape, dtype, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def assert_rounded(found, exact, dtype, scale=None):
    """``found`` has the dtype and is ``exact`` but for float32 arithmetic and one rounding."""
    assert found.dtype == dtype
    found, exact = found.astype(np.float64), np.asarray(exact, np.float64)
    scale = np.abs(exact) if scale is None else scale
    error = np.abs(found - exact)
    allowed = np.abs(exact) * UNIT[np.dtype(dtype).name] + scale * SLACK + 2.0**-24
    assert (error <= allowed).all(), (error / allowed).max()


# --- Numbers of 16 bits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("M, N", [(33, 70), (1, 1), (2, 1500), (300, 3)])
def test_sums(dtype, axis, M, N):
    x, y, b, g = draw(0, (M, 3), dtype), draw(1, (N, 3), dtype), draw(2, (N, 2), dtype), draw(3, (1,), dtype, 1, 2)
    found = Genred("Exp(-SqDist(x,y)*g)*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)", "g = Pm(1)"], axis=axis)(x, y, b, g)
    wide = [array.astype(np.float64) for array in (x, y, b, g)]
    terms = np.exp(-((wide[0][:, None] - wide[1])**2).sum(-1) * wide[3])[:, :, None] * wide[2]
    assert_rounded(found, terms.sum(axis), dtype, np.abs(terms).sum(axis))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("op, k, formula2", [("LogSumExp", None, None), ("LogSumExp", None, "w"),
                                             ("SumSoftMaxWeight", None, "w"), ("Max", None, None),
                                             ("KMin", 3, None), ("ArgMin", None, None)])
def test_reductions(dtype, op, k, formula2):
    x, y, w = draw(0, (33, 2), dtype), draw(1, (70, 2), dtype), draw(2, (70, 1), dtype, 0.25, 1)
    found = Genred("SqDist(x,y)", ["x = Vi(2)", "y = Vj(2)", "w = Vj(1)"], reduction_op=op, opt_arg=k,
                   formula2=formula2, axis=1)(x, y, w)
    F = ((x.astype(float)[:, None] - y.astype(float))**2).sum(-1)
    weights = np.ones(70) if formula2 is None else w.astype(float)[:, 0]
    expected = {"LogSumExp": lambda: np.log((np.exp(F) * weights).sum(1))[:, None],
                "SumSoftMaxWeight": lambda: ((np.exp(F) * weights).sum(1) / np.exp(F).sum(1))[:, None],
                "Max": lambda: F.max(1)[:, None], "KMin": lambda: np.sort(F, 1)[:, :3],
                "ArgMin": lambda: F.argmin(1)[:, None]}[op]()
    if op == "ArgMin":
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)
    else:
        assert_rounded(found, expected, dtype, 1)


def check_operation(formula, dims, dtype):
    """With arrays of 16 bits an operation gives what it gives for the same numbers in float32, rounded."""
    aliases, arrays = draw_case(formula, dims, dtype)
    reduction = Genred(formula, aliases, axis=1)
    wide = reduction(*(array.astype(np.float32) for array in arrays.values()))
    with np.errstate(over="ignore"):
        expected = wide.astype(dtype)
    found = reduction(*arrays.values())
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("name, formula, dims, value", CASES, ids=[f"{case[1]} {case[2]}" for case in CASES])
def test_every_operation(name, formula, dims, value):
    check_operation(formula, dims, np.float16)


@pytest.mark.skipif(bfloat16 is None, reason="needs ml_dtypes")
@pytest.mark.parametrize("name, formula, dims, value", CASES[::4], ids=[f"{case[1]} {case[2]}" for case in CASES[::4]])
def test_operations_of_bfloat16(name, formula, dims, value):
    check_operation(formula, dims, bfloat16)


@pytest.mark.parametrize("dtype", HALVES)
def test_layouts(dtype):
    sum_ = Genred("Exp(-SqDist(x,y))*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], axis=1)
    x, y, b = draw(0, (2, 33, 3), dtype), draw(1, (70, 3), dtype), draw(2, (70, 1), dtype)
    expected = np.stack([sum_(x[0], y, b), sum_(x[1], y, b)])
    np.testing.assert_array_equal(sum_(x, y, b), expected)
    wide = np.zeros((2, 66, 6), dtype)
    wide[:, ::2, ::2] = x
    np.testing.assert_array_equal(sum_(wide[:, ::2, ::2], y, np.asfortranarray(b)), expected)
    np.testing.assert_array_equal(sum_(x, y[::-1][::-1], np.broadcast_to(b, b.shape)), expected)
    # Bytes where an element cannot lie are copied.
    memory = np.zeros(y.size * 2 + 1, np.uint8)
    odd = memory[1:].view(dtype).reshape(y.shape)
    odd[...] = y
    np.testing.assert_array_equal(sum_(x, odd, b), expected)
    out = np.zeros((2, 33, 1), dtype)
    assert sum_(x, y, b, out=out) is out
    np.testing.assert_array_equal(out, expected)
    strided = np.zeros((2, 66, 2), dtype)
    sum_(x, y, b, out=strided[:, ::2, :1])
    np.testing.assert_array_equal(strided[:, ::2, :1], expected)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("options", [{}, {"dtype_acc": "float32"}, {"dtype_acc": "float64"}, {"use_double_acc": True},
                                     {"sum_scheme": "kahan_scheme"}, {"sum_scheme": "block_sum"}])
def test_sums_do_not_stop_to_grow(dtype, options):
    y = np.full((8192, 1), 0.5, dtype)
    assert Genred("y", ["y = Vj(1)"], axis=1, **options)(y) == 4096


def test_accumulator_of_16_bits():
    y = np.full((8192, 1), 0.5, np.float16)
    assert Genred("y", ["y = Vj(1)"], axis=1, dtype_acc="float16")(y) == 4096
    if bfloat16 is not None:
        check(ValueError, ["dtype_acc", "bfloat16", "'float16'"], Genred("y", ["y = Vj(1)"], dtype_acc="float16"),
              y.astype(bfloat16))


@pytest.mark.parametrize("dtype", HALVES)
def test_values_at_the_ends(dtype):
    x = np.array([[np.inf], [-np.inf], [np.nan], [60000], [0], [-2.0**-24]], dtype)
    found = Genred("x", ["x = Vi(1)"], axis=1)(x)
    np.testing.assert_array_equal(found.astype(np.float64), x.astype(np.float64))
    square = Genred("x*x", ["x = Vi(1)"], axis=1)(x).astype(np.float64)
    assert square[0] == square[1] == np.inf and np.isnan(square[2]) and square[4] == 0
    assert (square[3] == np.inf) == (dtype == np.float16)


def test_mixed_with_others():
    x, y = draw(0, (4, 3), np.float16), draw(1, (5, 3), np.float16)
    sum_ = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)
    check(TypeError, ["argument 1 (y = Vj(3))", "float16 as in argument 0", "got float32"], sum_, x,
          y.astype(np.float32))
    check(TypeError, ["out", "float16", "got float32"], sum_, x, y, out=np.zeros((4, 1), np.float32))
    if bfloat16 is not None:
        check(TypeError, ["argument 1 (y = Vj(3))", "float16 as in argument 0", "got bfloat16"], sum_, x,
              y.astype(bfloat16))


# --- Complex numbers --------------------------------------------------------------------------------------------------

COMPLEX = [np.complex64, np.complex128]
REAL = {np.complex64: np.float32, np.complex128: np.float64}
TOLERANCE = {np.complex64: 2e-5, np.complex128: 1e-13}


def draw_complex(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    return (rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)).astype(dtype)


# Formulas of two complex vectors of dimension 2 (z over i, w over j), a complex number c and a real one s; what NumPy
# computes for all pairs; and whether that is complex.
ARITHMETIC = {
    "sum": ("ComplexAdd(z,w)", lambda z, w, c, s: z + w),
    "plain sum": ("z+w", lambda z, w, c, s: z + w),
    "difference": ("ComplexSubtract(z,w)", lambda z, w, c, s: z - w),
    "opposite": ("-z", lambda z, w, c, s: -z),
    "product": ("ComplexMult(z,w)", lambda z, w, c, s: z * w),
    "product with a number": ("ComplexScal(c,w)", lambda z, w, c, s: c * w),
    "product with a real number": ("s*z", lambda z, w, c, s: s * z),
    "quotient": ("ComplexDivide(z,w)", lambda z, w, c, s: z / w),
    "quotient by a real number": ("z/s", lambda z, w, c, s: z / s),
    "inverse": ("ComplexInv(w)", lambda z, w, c, s: 1 / w),
    "square": ("ComplexSquare(z)", lambda z, w, c, s: z**2),
    "power": ("ComplexPow(z,3)", lambda z, w, c, s: z**3),
    "negative power": ("ComplexPow(w,-2)", lambda z, w, c, s: w**-2.0),
    "real power": ("ComplexPow(z,s)", lambda z, w, c, s: z**s),
    "complex power": ("ComplexPow(z,w)", lambda z, w, c, s: z**w),
    "power of a number": ("ComplexPow(c,w)", lambda z, w, c, s: c**w),
    "exponential": ("ComplexExp(z)", lambda z, w, c, s: np.exp(z)),
    "logarithm": ("ComplexLog(w)", lambda z, w, c, s: np.log(w)),
    "root": ("ComplexSqrt(z)", lambda z, w, c, s: np.sqrt(z)),
    "conjugate": ("Conj(w)", lambda z, w, c, s: np.conj(w)),
    "real to complex": ("Real2Complex(ComplexReal(z))", lambda z, w, c, s: z.real + 0j),
    "imaginary to complex": ("Imag2Complex(ComplexImag(z))", lambda z, w, c, s: 1j * z.imag),
    "turn": ("ComplexExp1j(ComplexReal(z))", lambda z, w, c, s: np.exp(1j * z.real)),
    "total": ("ComplexSum(z)", lambda z, w, c, s: z.sum(-1, keepdims=True)),
    "modulus": ("ComplexAbs(w)", lambda z, w, c, s: np.abs(w)),
    "squared modulus": ("ComplexSquareAbs(w)", lambda z, w, c, s: np.abs(w)**2),
    "angle": ("ComplexAngle(z)", lambda z, w, c, s: np.angle(z)),
}
ALIASES = ["z = Vi(4)", "w = Vj(4)", "c = Pm(2)", "s = Pm(1)"]


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name, axis, dtype):
    formula, expected = ARITHMETIC[name]
    M, N = 9, 70
    z, w, c = draw_complex(0, (M, 2), dtype), draw_complex(1, (N, 2), dtype), draw_complex(2, (1,), dtype)
    s = np.array([0.75], REAL[dtype])
    wide = z.astype(complex)[:, None], w.astype(complex)[None], c.astype(complex), float(s[0])
    pairs = expected(*wide)
    pairs = np.broadcast_to(pairs, (M, N, pairs.shape[-1]))
    is_complex = np.iscomplexobj(pairs)
    dense, scale = pairs.sum(axis), np.abs(pairs).sum(axis).max()
    found = Genred(formula, ALIASES, axis=axis, dtype=dtype if is_complex else None)(z, w, c, s)
    assert found.dtype == (dtype if is_complex else REAL[dtype])
    np.testing.assert_allclose(found, dense, rtol=0, atol=TOLERANCE[dtype] * scale)
    # The same arrays as pairs of real numbers give the same bits, in pairs.
    pairs_in = [array.view(REAL[dtype]) for array in (z, w, c)]
    plain = Genred(formula, ALIASES, axis=axis)(*pairs_in, s)
    assert plain.dtype == REAL[dtype]
    np.testing.assert_array_equal(plain.view(found.dtype), found)
    np.testing.assert_array_equal(Genred(formula, ALIASES, axis=axis)(z, pairs_in[1], c, s), plain)


EDGES = np.array([0, 1, -1, 1j, -1j, 3 + 4j, -3 + 4j, -3 - 4j, 1e-150j, 1e10 - 1e10j])


@pytest.mark.parametrize("name, function", [("ComplexSqrt", np.sqrt), ("ComplexExp1j", None), ("ComplexLog", np.log),
                                            ("ComplexAngle", np.angle), ("ComplexAbs", np.abs), ("Conj", np.conj)])
def test_edges(name, function):
    if function is None:
        x = np.array([0, np.pi, -np.pi / 2, 1e5])
        found = Genred("ComplexExp1j(x)", ["x = Vi(1)"], axis=1, dtype="complex128")(x[:, None])
        return np.testing.assert_allclose(found[:, 0], np.exp(1j * x), atol=1e-15)
    z = EDGES[EDGES != 0] if name == "ComplexLog" else EDGES
    if name in ("ComplexAbs", "ComplexLog"):
        # The squares of its parts are lost.
        z = z[(z == 0) | (np.abs(z) > 1e-100)]
    is_complex = name not in ("ComplexAngle", "ComplexAbs")
    found = Genred(f"{name}(z)", ["z = Vi(2)"], axis=1, dtype="complex128" if is_complex else None)(z[:, None])[:, 0]
    # The sign of a zero is not kept: what lies on a cut belongs to the side above it.
    expected = function(np.where(z.imag == 0, z.real + 0j, z)) if name != "Conj" else np.conj(z)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-80)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_complex_layouts(dtype):
    product = Genred("ComplexMult(z,w)*s", ["z = Vi(4)", "w = Vj(4)", "s = Vj(1)"], axis=1, dtype=dtype)
    z, w = draw_complex(0, (2, 33, 2), dtype), draw_complex(1, (70, 2), dtype)
    s = np.random.default_rng(2).uniform(-1, 1, (70, 1)).astype(REAL[dtype])
    expected = np.stack([product(z[0], w, s), product(z[1], w, s)])
    assert expected.shape == (2, 33, 2)
    np.testing.assert_array_equal(product(z, w, s), expected)
    wide = np.full((4, 66, 4), np.nan, dtype)
    # Numbers of a row that do not lie next to each other are copied, all other strides are not.
    for view in (wide[::2, ::2, ::2], wide[::-2, 65:0:-2, 1:3], wide[:2, 33:, :2]):
        view[...] = z
        np.testing.assert_array_equal(product(view, w, s), expected)
    np.testing.assert_array_equal(product(np.asfortranarray(z), w, s), expected)
    records = np.zeros(w.shape, [("byte", "i1"), ("value", dtype)])
    records["value"] = w
    np.testing.assert_array_equal(product(z, records["value"], s), expected)
    out = np.zeros((2, 66, 2), dtype)
    assert product(z, w, s, out=out[:, ::2]).base is out
    np.testing.assert_array_equal(out[:, ::2], expected)
    # `out` alone asks for complex results, too.
    again = np.zeros((2, 33, 2), dtype)
    Genred("ComplexMult(z,w)*s", ["z = Vi(4)", "w = Vj(4)", "s = Vj(1)"], axis=1)(z, w, s, out=again)
    np.testing.assert_array_equal(again, expected)


def test_gradients_are_complex_too():
    """The cotangent of z in z·w is e·conj(w)."""
    z, w, e = (draw_complex(seed, (n, 1), complex) for seed, n in ((0, 5), (1, 7), (2, 5)))
    found = Genred("Grad(ComplexMult(z,w),z,e)", ["z = Vi(2)", "w = Vj(2)", "e = Vi(2)"], axis=1,
                   dtype="complex128")(z, w, e)
    np.testing.assert_allclose(found, e * np.conj(w).sum(), rtol=1e-13)


def test_the_result_type_is_kept():
    z = draw_complex(0, (4, 1), complex)
    double = Genred("2*z", ["z = Vi(2)"], axis=1, dtype=np.complex128)
    for other in (double, copy.copy(double), pickle.loads(pickle.dumps(double))):
        np.testing.assert_array_equal(other(z), 2 * z)


def test_complex_arrays_that_do_not_fit():
    z = np.zeros((4, 2), complex)
    scale = Genred("z*s", ["z = Vi(4)", "s = Vj(1)"], axis=1)
    check(TypeError, ["argument 1 (s = Vj(1))", "expected real numbers", "not 1", "got complex128"], scale, z,
          np.zeros((5, 1), complex))
    check(ValueError, ["argument 0 (z = Vi(4))", "(M, 2) of complex128", "got shape (4, 4)"], scale,
          np.zeros((4, 4), complex), np.zeros((5, 1)))
    check(TypeError, ["argument 1 (s = Vj(1))", "float64 as in argument 0", "whose parts are such", "got float32"],
          scale, z, np.zeros((5, 1), "f"))
    check(TypeError, ["argument 1 (s = Vj(1))", "float64 as in", "got complex64"], scale, z, np.zeros((5, 1), "F"))
    check(TypeError, ["dtype", "complex64 or float32", "got complex128 in argument 0"],
          Genred("z", ["z = Vi(4)"], axis=1, dtype="complex64"), z)
    check(ValueError, ["dtype", "even number of components", "complex128", "got 1"],
          Genred("ComplexSquareAbs(z)", ["z = Vi(2)"], axis=1, dtype="complex128"), z[:, :1])
    check(ValueError, ["dtype", "keeps no K values", "got KMin"],
          Genred("z", ["z = Vi(2)"], axis=1, dtype="complex128", reduction_op="KMin", opt_arg=2), z[:, :1])
    check(TypeError, ["out", "float64", "got complex64"], scale, z, np.zeros((5, 1)), out=np.zeros((4, 2), "F"))
    with pytest.warns(UserWarning, match="float32"):
        Genred("z", ["z = Vi(4)"], dtype="float32")
