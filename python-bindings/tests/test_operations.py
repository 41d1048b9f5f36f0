# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each operation of the formula language, by name, against NumPy in float64."""

import re

import dense
import numpy as np
import pytest

import keops
from keops.numpy import Genred

# The names that a formula may call, but for complex numbers, derivatives and special functions.
NAMES = """
    IntCst RatCst IntInv Zero
    Minus Abs Sign Step ReLU Floor Round Exp Log XLogX Sin Cos SinXDivX Asin Acos Atan Inv Square Pow Sqrt Rsqrt
    ClampInt DiffClampInt
    Add Subtract Mult Divide Powf Atan2 Equal NotEqual LessThan LessOrEqual Mod Clamp IfElse
    Sum SumT Scalprod SqNorm2 Norm2 Normalize SqDist SqNormIso SqNormDiag SymSqNorm WeightedSqNorm WeightedSqDist
    Min Max ArgMin ArgMax
    Elem ElemT Extract ExtractT Concat OneHot GradMatrix
    MatVecMult VecMatMult TensorProd TensorDot Kron
""".split()

# Names that formula text may not call yet, with a call that is refused; one that works must move to the table.
UNKNOWN = {"GradMatrix": "GradMatrix(x*x,x)"}

VARIABLES = {"x": "Vi", "y": "Vj", "p": "Pm", "A": "Vj", "B": "Vi"}


def one_hot(index, n):
    return (np.floor(index + 0.5) == np.arange(n)).astype(float)


def matrices(array, *shape):
    return array.reshape(array.shape[:-1] + shape)


def flat(array, ndim):
    return array.reshape(array.shape[:array.ndim - ndim] + (-1,))


def total(array):
    return array.sum(-1, keepdims=True)


def round_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


# name: (formula, dimensions of its variables, value of these variables in order); a list
# where one entry is not enough. Numbers are drawn from [-1, 1], or after "+" from [0.2, 2].
TABLE = {
    "IntCst": ("IntCst(-7)*x", "x3", lambda x: -7 * x),
    "RatCst": ("RatCst(2,3)*x", "x3", lambda x: 2 / 3 * x),
    "IntInv": ("IntInv(3)*x", "x3", lambda x: x / 3),
    "Zero": ("Zero(3)+x", "x3", lambda x: x),
    "Minus": [("Minus(x)", "x3", lambda x: -x), ("-x**2", "x3", lambda x: -x**2)],
    "Abs": ("Abs(x-y)", "x3 y3", lambda x, y: abs(x - y)),
    "Sign": ("Sign(x-y)", "x3 y3", lambda x, y: np.sign(x - y)),
    "Step": ("Step(x-y)", "x3 y3", lambda x, y: (x >= y) * 1.0),
    "ReLU": ("ReLU(x-y)", "x3 y3", lambda x, y: np.maximum(x - y, 0)),
    "Floor": ("Floor(IntCst(3)*(x-y))", "x3 y3", lambda x, y: np.floor(3 * (x - y))),
    "Round": [("Round(3*(x-y),0)", "x3 y3", lambda x, y: round_away(3 * (x - y))),
              ("Round(x-y,2)", "x3 y3", lambda x, y: round_away(100 * (x - y)) / 100)],
    "Exp": ("Exp(x-y)", "x3 y3", lambda x, y: np.exp(x - y)),
    "Log": ("Log(x*y)", "+x3 y3", lambda x, y: np.log(x * y)),
    "XLogX": ("XLogX(x*y)", "+x3 y3", lambda x, y: x * y * np.log(x * y)),
    "Sin": ("Sin(9*x*y)", "x3 y3", lambda x, y: np.sin(9 * x * y)),
    "Cos": ("Cos(9*x*y)", "x3 y3", lambda x, y: np.cos(9 * x * y)),
    "SinXDivX": ("SinXDivX(9*x*y)", "x3 y3", lambda x, y: np.sin(9 * x * y) / (9 * x * y)),
    "Asin": ("Asin(x*y)", "x3 y3", lambda x, y: np.arcsin(x * y)),
    "Acos": ("Acos(x*y)", "x3 y3", lambda x, y: np.arccos(x * y)),
    "Atan": ("Atan(9*x*y)", "x3 y3", lambda x, y: np.arctan(9 * x * y)),
    "Inv": [("Inv(x*y)", "+x3 y3", lambda x, y: 1 / (x * y)), ("1/(x*y)", "+x3 y3", lambda x, y: 1 / (x * y))],
    "Square": [("Square(x-y)", "x3 y3", lambda x, y: (x - y)**2), ("(x-y)**2", "x3 y3", lambda x, y: (x - y)**2)],
    "Pow": [("Pow(x-y,5)", "x3 y3", lambda x, y: (x - y)**5), ("(x*y)**-3", "+x3 y3", lambda x, y: (x * y)**-3.0),
            ("Pow(x,0)+y", "x3 y3", lambda x, y: 1 + y + 0 * x)],
    "Sqrt": ("Sqrt(x*y)", "+x3 y3", lambda x, y: np.sqrt(x * y)),
    "Rsqrt": ("Rsqrt(x*y)", "+x3 y3", lambda x, y: 1 / np.sqrt(x * y)),
    "ClampInt": ("ClampInt(3*x*y,-1,2)", "x3 y3", lambda x, y: np.clip(3 * x * y, -1, 2)),
    "DiffClampInt": ("DiffClampInt(3*x*y,-1,2)", "x3 y3", lambda x, y: ((3 * x * y >= -1) & (3 * x * y <= 2)) * 1.0),
    "Add": [("Add(x,y)", "x3 y3", np.add), ("x+y", "x1 y3", np.add), ("x+1", "x3", lambda x: x + 1)],
    "Subtract": [("Subtract(x,y)", "x3 y3", np.subtract), ("x-y", "x3 y1", np.subtract)],
    "Mult": [("Mult(x,y)", "x3 y3", np.multiply), ("x*y", "x1 y3", np.multiply)],
    "Divide": [("Divide(x,y)", "+x3 y3", np.divide), ("x/y", "+x3 y1", np.divide), ("x/3", "x3", lambda x: x / 3)],
    "Powf": ("Powf(x,y)", "+x3 y3", np.power),
    "Atan2": ("Atan2(x,y)", "x3 y3", np.arctan2),
    "Equal": ("Equal(Floor(x),Floor(y))", "x3 y3", lambda x, y: np.floor(x) == np.floor(y)),
    "NotEqual": ("NotEqual(Floor(x),Floor(y))", "x3 y3", lambda x, y: np.floor(x) != np.floor(y)),
    "LessThan": [("LessThan(x,y)", "x3 y3", np.less), ("x<y", "x3 y1", np.less), ("x>y", "x3 y3", np.greater)],
    "LessOrEqual": [("LessOrEqual(x,y)", "x3 y3", np.less_equal), ("x<=y", "x3 y3", np.less_equal),
                    ("Floor(x)>=Floor(y)", "x3 y3", lambda x, y: np.floor(x) >= np.floor(y))],
    "Mod": [("Mod(x,y,p)", "x3 y3 p1", lambda x, y, p: x - y * np.floor((x - p) / y)),
            ("Mod(x,IntCst(2),IntCst(0))", "x3", lambda x: np.mod(x, 2))],
    "Clamp": ("Clamp(x,y,p)", "x3 y3 p1", lambda x, y, p: np.where(x < y, y, np.where(x > p, p, x))),
    "IfElse": ("IfElse(x-y,x,p)", "x3 y3 p1", lambda x, y, p: np.where(x - y >= 0, x, p)),
    "Sum": ("Sum(x*y)", "x5 y5", lambda x, y: total(x * y)),
    "SumT": ("SumT(x*y,4)", "x1 y1", lambda x, y: x * y * np.ones(4)),
    "Scalprod": [("Scalprod(x,y)", "x5 y5", lambda x, y: total(x * y)),
                 ("(x|y)*p", "x5 y1 p2", lambda x, y, p: total(x * y) * p)],
    "SqNorm2": ("SqNorm2(x-y)", "x5 y5", lambda x, y: total((x - y)**2)),
    "Norm2": ("Norm2(x-y)", "x5 y5", lambda x, y: np.sqrt(total((x - y)**2))),
    "Normalize": ("Normalize(x-y)", "x5 y5", lambda x, y: (x - y) / np.sqrt(total((x - y)**2))),
    "SqDist": [("SqDist(x,y)", "x5 y5", lambda x, y: total((x - y)**2)),
               ("SqDist(x,y)", "x40 y40", lambda x, y: total((x - y)**2)),
               ("SqDist(x,y)", "x3 y1", lambda x, y: total((x - y)**2))],
    "SqNormIso": ("SqNormIso(p,x-y)", "x3 y3 p1", lambda x, y, p: p * total((x - y)**2)),
    "SqNormDiag": ("SqNormDiag(p,x-y)", "x3 y3 p3", lambda x, y, p: total(p * (x - y)**2)),
    "SymSqNorm": ("SymSqNorm(p,x-y)", "x3 y3 p9",
                  lambda x, y, p: np.einsum("...k,...kl,...l", x - y, matrices(p, 3, 3), x - y)[..., None]),
    "WeightedSqNorm": [("WeightedSqNorm(p,x-y)", "x3 y3 p1", lambda x, y, p: p * total((x - y)**2)),
                       ("WeightedSqNorm(p,x-y)", "x3 y3 p3", lambda x, y, p: total(p * (x - y)**2)),
                       ("WeightedSqNorm(p,x-y)", "x3 y3 p9",
                        lambda x, y, p: np.einsum("...k,...kl,...l", x - y, matrices(p, 3, 3), x - y)[..., None])],
    "WeightedSqDist": ("WeightedSqDist(p,x,y)", "x3 y3 p3", lambda x, y, p: total(p * (x - y)**2)),
    "Min": ("Min(x*y)", "x5 y5", lambda x, y: (x * y).min(-1, keepdims=True)),
    "Max": ("Max(x*y)", "x5 y5", lambda x, y: (x * y).max(-1, keepdims=True)),
    "ArgMin": ("ArgMin(x*y)", "x5 y5", lambda x, y: (x * y).argmin(-1)[..., None]),
    "ArgMax": ("ArgMax(x*y)", "x5 y5", lambda x, y: (x * y).argmax(-1)[..., None]),
    "Elem": ("Elem(x,1)*Elem(y,4)", "x5 y5", lambda x, y: x[..., 1:2] * y[..., 4:]),
    "ElemT": ("ElemT(x*y,4,2)", "x1 y1", lambda x, y: x * y * np.eye(4)[2]),
    "Extract": ("Extract(x*y,1,3)", "x5 y5", lambda x, y: (x * y)[..., 1:4]),
    "ExtractT": ("ExtractT(x*y,1,5)", "x2 y2", lambda x, y: np.pad(x * y, [(0, 0), (0, 0), (1, 2)])),
    "Concat": ("Concat(x*p,y)", "x2 y3 p1",
               lambda x, y, p: np.concatenate([x * p + np.zeros(y.shape[1])[None, :, None], y + 0 * x[..., :1]], -1)),
    "OneHot": ("OneHot(3*x+y,4)", "x1 y1", lambda x, y: one_hot(3 * x + y, 4)),
    "MatVecMult": ("MatVecMult(A,x)", "x3 A6", lambda x, A: np.einsum("...kl,...l->...k", matrices(A, 2, 3), x)),
    "VecMatMult": ("VecMatMult(x,A)", "x2 A6", lambda x, A: np.einsum("...k,...kl->...l", x, matrices(A, 2, 3))),
    "TensorProd": ("TensorProd(x,y)", "x2 y3", lambda x, y: flat(np.einsum("...k,...l->...kl", x, y), 2)),
    "TensorDot": [("TensorDot(A,B,[2,3],[3,2],[1],[0])", "A6 B6",
                   lambda A, B: flat(np.einsum("...ab,...bc->...ac", matrices(A, 2, 3), matrices(B, 3, 2)), 2)),
                  ("TensorDot(A,B,[2,3],[4,3],[1],[1],[1,0])", "A6 B12",
                   lambda A, B: flat(np.einsum("...ab,...cb->...ca", matrices(A, 2, 3), matrices(B, 4, 3)), 2))],
    "Kron": ("Kron(A,B,[2,3],[2,2])", "A6 B4",
             lambda A, B: flat(np.einsum("...ab,...cd->...acbd", matrices(A, 2, 3), matrices(B, 2, 2)), 4)),
}

CASES = [(name, *entry) for name, entries in TABLE.items()
         for entry in (entries if isinstance(entries, list) else [entries])]


def test_every_name_is_checked():
    assert set(TABLE) | set(UNKNOWN) == set(NAMES) and not set(TABLE) & set(UNKNOWN)


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_that_are_refused(name):
    with pytest.raises(keops.Error, match=name):
        Genred(UNKNOWN[name], ["x = Vi(3)"], axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, formula, dims, value", CASES, ids=[f"{case[1]} {case[2]}" for case in CASES])
def test_operation(name, formula, dims, value, dtype):
    variables = [(variable, int(dim)) for variable, dim in re.findall(r"([a-zA-Z])(\d+)", dims)]
    rng = np.random.default_rng(len(formula))
    M, N = 19, 5
    arrays = {}
    for variable, dim in variables:
        shape = {"Vi": (M, dim), "Vj": (N, dim), "Pm": (dim,)}[VARIABLES[variable]]
        data = rng.uniform(0.2, 2, shape) if dims[0] == "+" else rng.uniform(-1, 1, shape)
        arrays[variable] = data.astype(dtype)
    reduction = Genred(formula, [f"{variable} = {VARIABLES[variable]}({dim})" for variable, dim in variables], axis=1)
    found = reduction(*arrays.values())
    F = value(*(dense.pairs(array, VARIABLES[variable]) for variable, array in arrays.items()))
    # A formula without a variable Vj is one column.
    has_columns = any(VARIABLES[variable] == "Vj" for variable, _ in variables)
    has_rows = any(VARIABLES[variable] == "Vi" for variable, _ in variables)
    expected = np.broadcast_to(F, (M if has_rows else 1, N if has_columns else 1, F.shape[-1])).sum(axis=1, dtype=float)
    assert found.shape == expected.shape and found.dtype == dtype
    tolerance = 3e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


inf, nan = np.inf, np.nan

SPECIAL = [
    ("Sign(x)", [0.0, -0.0, nan, -inf, inf], [0, 0, 0, -1, 1]),
    ("Step(x)", [0.0, -0.0, -1.0, nan], [1, 1, 0, 1]),
    ("ReLU(x)", [0.0, -1.0, inf, nan], [0, 0, inf, nan]),
    ("Abs(x)", [-inf, nan], [inf, nan]),
    ("Exp(x)", [-inf, inf, nan, 0.0, 1e4, -1e4], [0, inf, nan, 1, inf, 0]),
    ("Log(x)", [0.0, -1.0, inf, nan, 1.0], [-inf, nan, inf, nan, 0]),
    ("XLogX(x)", [0.0, 1.0, -1.0, inf], [0, 0, nan, inf]),
    ("SinXDivX(x)", [0.0], [1]),
    ("Sin(x)", [inf, nan, 0.0], [nan, nan, 0]),
    ("Asin(x)", [2.0, -2.0, 0.0], [nan, nan, 0]),
    ("Acos(x)", [2.0, -2.0, 1.0], [nan, nan, 0]),
    ("Inv(x)", [0.0, -0.0, inf], [inf, -inf, 0]),
    ("Pow(x,0)", [0.0, nan, inf], [1, 1, 1]),
    ("Sqrt(x)", [0.0, -1.0, inf], [0, nan, inf]),
    ("Rsqrt(x)", [0.0, inf, 4.0], [0, 0, 0.5]),
    ("Normalize(x)", [0.0, -3.0], [0, -1]),
    ("Norm2(x)", [0.0, -3.0], [0, 3]),
    ("Round(x,0)", [0.5, -0.5, 1.5, 2.5, -2.5], [1, -1, 2, 3, -3]),
    ("ClampInt(x,0,1)", [-1.0, 0.0, 0.5, 1.0, 2.0], [0, 0, 0.5, 1, 1]),
    ("DiffClampInt(x,0,1)", [-1.0, 0.0, 1.0, 2.0, nan], [0, 1, 1, 0, 1]),
    ("IfElse(x,IntCst(2),IntCst(3))", [0.0, -1.0, nan, 1.0], [2, 3, 3, 2]),
    ("OneHot(x,1)", [0.0, 0.4, 0.6, -3.0, 1e9], [1, 1, 0, 0, 0]),
    ("Equal(x,x)", [nan, inf, 1.0], [0, 1, 1]),
    ("NotEqual(x,x)", [nan, inf, 1.0], [1, 0, 0]),
    ("x<IntCst(1)", [nan, 0.0, 1.0], [0, 1, 0]),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("formula, points, values", SPECIAL, ids=[case[0] for case in SPECIAL])
def test_special_points(formula, points, values, dtype):
    found = Genred(formula, ["x = Vi(1)"], axis=1)(np.array(points, dtype)[:, None])
    np.testing.assert_allclose(found[:, 0], values, rtol=1e-6, atol=1e-7)
