# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each name of the formula language against NumPy in float64: values, special points, and what is refused."""

import math
import re

import dense
import numpy as np
import pytest

import keops
from keops.numpy import Genred

# The names of PyKeOps: mathematics, variables and constants, complex numbers, derivatives, sharing.
NAMES = """
    Var IntCst RatCst Zero
    Minus Abs Sign Step ReLU Floor Round Exp Log XLogX Sin Cos SinXDivX Asin Acos Atan Inv Square Pow Sqrt Rsqrt
    ClampInt DiffClampInt IntInv
    Add Subtract Mult Divide Powf Atan2 Equal NotEqual LessThan LessOrEqual Mod Clamp IfElse
    Sum SumT Scalprod SqNorm2 Norm2 Normalize SqDist SqNormIso SqNormDiag SymSqNorm WeightedSqNorm WeightedSqDist
    Min Max ArgMin ArgMax
    Elem ElemT Extract ExtractT Concat OneHot
    MatVecMult VecMatMult TensorProd TensorDot Kron
    Real2Complex Imag2Complex ComplexReal ComplexImag Conj ComplexAdd ComplexSubtract ComplexMult ComplexDivide
    ComplexRealScal ComplexSquareAbs ComplexAbs ComplexAngle ComplexExp ComplexExp1j ComplexSum ComplexSumT
    BSpline SoftDTW_SqDist
    GradMatrix Grad Diff Grad_WithSavedForward Diff_WithSavedForward Divergence Laplacian
    TraceOperator AdjointOperator SumLinOperator
    Factorize AutoFactorize
""".split()

# Names that only its documentation or its older versions know, and names of our own.
MORE_NAMES = """
    Ind Vi Vj Pm Vx Vy ComplexScal
    Scal ScalOrMult GaussKernel LaplaceKernel CauchyKernel InverseMultiquadricKernel SumGaussKernel
    DivFreeGaussKernel CurlFreeGaussKernel TRIGaussKernel
    Slice Index_i Index_j And Or Not
    Tanh Erf Lgamma Digamma Polygamma Sigmoid Softplus Exp2 Log2 Expm1 Log1p Sinh Cosh Tan
    ComplexInv ComplexSquare ComplexLog ComplexSqrt ComplexPow
""".split()

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


def complex_of(array):
    return array[..., 0::2] + 1j * array[..., 1::2]


def pairs_of(array):
    return np.stack([array.real, array.imag], -1).reshape(array.shape[:-1] + (-1,))


def on_complex(function):
    """The function on complex numbers as one on vectors (re, im, re, im, ...)."""
    return lambda *arrays: pairs_of(np.asarray(function(*map(complex_of, arrays)), complex))


def basis_splines(t, x, degree):
    """By the definition: a function of degree p is a combination of two of degree p - 1."""
    def basis(m, p):
        if p == 0:
            return ((t[..., m] <= x) & (x < t[..., m + 1])) * 1.0
        result = 0
        for start, sign in (m, 1), (m + 1, -1):
            width = t[..., start + p] - t[..., start]
            origin = t[..., start] if sign == 1 else t[..., start + p]
            with np.errstate(invalid="ignore", divide="ignore"):
                result = result + np.where(width == 0, 0, sign * (x - origin) / width) * basis(start, p - 1)
        return result
    x = x[..., 0]
    return np.stack([basis(m, degree) for m in range(t.shape[-1] - degree - 1)], -1)


def polygamma(order, x):
    """For x > 0 the integral of Gauss, by the trapezoidal rule in u with t = exp(sinh(u)); below, its reflection."""
    below, x = x, np.where(x > 0, x, 1 - x)[..., None]
    u = np.linspace(-5, 3, 1601)
    t = np.exp(np.sinh(u))
    weight = t * np.cosh(u) * (u[1] - u[0])
    kernel = np.exp(-x * t) / -np.expm1(-t)
    if order == 0:
        integral = ((np.exp(-t) / t - kernel) * weight).sum(-1)
        return np.where(below > 0, integral, integral - np.pi / np.tan(np.pi * below))
    integral = (-1)**(order + 1) * (t**order * kernel * weight).sum(-1)
    reflected = {1: np.pi**2 / np.sin(np.pi * below)**2, 2: -2 * np.pi**3 / (np.tan(np.pi * below) * np.sin(np.pi * below)**2)}
    return np.where(below > 0, integral, (-1)**order * integral + reflected[order])


def soft_dtw(x, y, gamma):
    """One cell after the other, for all pairs at once."""
    shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1], gamma.shape[:-1])
    costs = np.full((x.shape[-1] + 1, y.shape[-1] + 1) + shape, np.inf)
    costs[0, 0] = 0
    for i in range(x.shape[-1]):
        for j in range(y.shape[-1]):
            before = np.stack([costs[i, j], costs[i, j + 1], costs[i + 1, j]])
            least = before.min(0)
            total = np.exp((least - before) / gamma[..., 0]).sum(0)
            costs[i + 1, j + 1] = (x[..., i] - y[..., j])**2 + least - gamma[..., 0] * np.log(total)
    return costs[-1, -1][..., None]


def square(x, y):
    return total((x - y)**2)


def free_kernel(c, x, y, b, divergence):
    factor = ((x.shape[-1] - 1) / (2 * c) - square(x, y)) if divergence else 1 / (2 * c)
    along = total(b * (x - y)) * (x - y)
    return np.exp(-c * square(x, y)) * (factor * b + (1 if divergence else -1) * along)


def index(array, axis):
    shape = [1, 1, 1]
    shape[axis] = -1
    return np.arange(array.shape[axis]).reshape(shape)


# name: (formula, dimensions of its variables, value of these variables in order); a list
# where one entry is not enough. Numbers are drawn from [-1, 1], after "+" from [0.2, 2], after
# "<" from there too and sorted in each row.
TABLE = {
    "Var": ("Var(1,3,1)-Var(0,3,0)", "x3 y3", lambda x, y: y - x),
    "Vi": ("Vi(0,3)*y", "x3 y3", lambda x, y: x * y),
    "Vj": ("x*Vj(1,3)", "x3 y3", lambda x, y: x * y),
    "Pm": ("x*Pm(1,1)", "x3 p1", lambda x, p: x * p),
    "Vx": ("Vx(0,3)*y", "x3 y3", lambda x, y: x * y),
    "Vy": ("x*Vy(1,3)", "x3 y3", lambda x, y: x * y),
    "Ind": ("TensorDot(A,B,Ind(2,3),Ind(3,2),Ind(1),Ind(0))", "A6 B6",
            lambda A, B: flat(np.einsum("...ab,...bc->...ac", matrices(A, 2, 3), matrices(B, 3, 2)), 2)),
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
    # Complex numbers.
    "Real2Complex": ("Real2Complex(x*y)", "x3 y3", lambda x, y: pairs_of(x * y + 0j)),
    "Imag2Complex": ("Imag2Complex(x*y)", "x3 y3", lambda x, y: pairs_of(1j * (x * y))),
    "ComplexReal": ("ComplexReal(x*y)", "x6 y6", lambda x, y: (x * y)[..., 0::2]),
    "ComplexImag": ("ComplexImag(x*y)", "x6 y6", lambda x, y: (x * y)[..., 1::2]),
    "Conj": ("Conj(x*y)", "x6 y6", lambda x, y: pairs_of(np.conj(complex_of(x * y)))),
    "ComplexAdd": [("ComplexAdd(x,y)", "x6 y6", np.add), ("ComplexAdd(x,y)", "x2 y6", on_complex(np.add))],
    "ComplexSubtract": [("ComplexSubtract(x,y)", "x6 y6", np.subtract),
                        ("ComplexSubtract(x,y)", "x6 y2", on_complex(np.subtract))],
    "ComplexMult": [("ComplexMult(x,y)", "x6 y6", on_complex(np.multiply)),
                    ("ComplexMult(x,y)", "x2 y6", on_complex(np.multiply)),
                    ("ComplexMult(x,y)", "x40 y40", on_complex(np.multiply)),
                    ("ComplexMult(ComplexMult(x,y),Conj(p))", "x6 y6 p2",
                     on_complex(lambda x, y, p: x * y * np.conj(p)))],
    "ComplexDivide": [("ComplexDivide(x,y)", "+x6 y6", on_complex(np.divide)),
                      ("ComplexDivide(x,y)", "+x6 y2", on_complex(np.divide))],
    "ComplexScal": ("ComplexScal(x,y)", "x2 y6", on_complex(np.multiply)),
    "ComplexRealScal": [("ComplexRealScal(x,y)", "x1 y6", np.multiply), ("ComplexRealScal(x,y)", "x6 y1", np.multiply)],
    "ComplexSquareAbs": ("ComplexSquareAbs(x*y)", "x6 y6", lambda x, y: abs(complex_of(x * y))**2),
    "ComplexAbs": ("ComplexAbs(x-y)", "x6 y6", lambda x, y: abs(complex_of(x - y))),
    "ComplexAngle": ("ComplexAngle(x-y)", "x6 y6", lambda x, y: np.angle(complex_of(x - y))),
    "ComplexExp": ("ComplexExp(x-y)", "x6 y6", lambda x, y: pairs_of(np.exp(complex_of(x - y)))),
    "ComplexExp1j": ("ComplexExp1j(9*x*y)", "x3 y3", lambda x, y: pairs_of(np.exp(9j * x * y))),
    "ComplexSum": ("ComplexSum(x*y)", "x6 y6", lambda x, y: pairs_of(complex_of(x * y).sum(-1, keepdims=True))),
    "ComplexSumT": ("ComplexSumT(x*y,6)", "x2 y2", lambda x, y: np.tile(x * y, 3)),
    "ComplexInv": ("ComplexInv(x*y)", "+x6 y6", lambda x, y: pairs_of(1 / complex_of(x * y))),
    "ComplexSquare": ("ComplexSquare(x-y)", "x6 y6", lambda x, y: pairs_of(complex_of(x - y)**2)),
    "ComplexLog": ("ComplexLog(x-y)", "x6 y6", lambda x, y: pairs_of(np.log(complex_of(x - y)))),
    "ComplexSqrt": ("ComplexSqrt(x-y)", "x6 y6", lambda x, y: pairs_of(np.sqrt(complex_of(x - y)))),
    "ComplexPow": [("ComplexPow(x,y)", "+x6 y6", on_complex(np.power)),
                   ("ComplexPow(x-y,p)", "x6 y6 p1", lambda x, y, p: pairs_of(complex_of(x - y)**p)),
                   ("ComplexPow(x-y,1.5)", "x6 y6", lambda x, y: pairs_of(complex_of(x - y)**1.5)),
                   ("ComplexPow(x-y,5)", "x6 y6", lambda x, y: pairs_of(complex_of(x - y)**5)),
                   ("ComplexPow(x*y,-3)", "+x6 y6", lambda x, y: pairs_of(complex_of(x * y)**-3)),
                   ("ComplexPow(x,0)+y", "x6 y6", lambda x, y: y + [1, 0, 1, 0, 1, 0] + 0 * x)],
    # Logic and indices.
    "And": [("And(x<y,y<p)", "x3 y3 p1", lambda x, y, p: ((x < y) & (y < p)) * 1.0),
            ("And(Floor(x),Floor(y)+1)", "x3 y1", lambda x, y: ((np.floor(x) != 0) & (np.floor(y) != -1)) * 1.0)],
    "Or": [("Or(x<y,y<p)", "x3 y3 p1", lambda x, y, p: ((x < y) | (y < p)) * 1.0),
           ("Or(Floor(x),Floor(y))", "x3 y1", lambda x, y: ((np.floor(x) != 0) | (np.floor(y) != 0)) * 1.0)],
    "Not": [("Not(x<y)", "x3 y3", lambda x, y: (x >= y) * 1.0),
            ("Not(Floor(x-y))", "x3 y3", lambda x, y: (np.floor(x - y) == 0) * 1.0)],
    "Index_i": ("Index_i()*y+x", "x3 y3", lambda x, y: index(x, 0) * y + x),
    "Index_j": [("x*Index_j()-y", "x3 y3", lambda x, y: x * index(y, 1) - y),
                ("(Index_i()==Index_j())*(x-y)", "x3 y3", lambda x, y: (index(x, 0) == index(y, 1)) * (x - y))],
    # Further functions.
    "Tanh": ("Tanh(3*x*y)", "x3 y3", lambda x, y: np.tanh(3 * x * y)),
    "Erf": ("Erf(3*x*y)", "x3 y3", lambda x, y: np.vectorize(math.erf)(3 * x * y)),
    "Lgamma": [("Lgamma(9*x*y)", "+x3 y3", lambda x, y: np.vectorize(math.lgamma)(9 * x * y)),
               ("Lgamma(0.5*x*y-0.5)", "x3 y3", lambda x, y: np.vectorize(math.lgamma)(0.5 * x * y - 0.5))],
    "Digamma": [("Digamma(9*x*y)", "+x3 y3", lambda x, y: polygamma(0, 9 * x * y)),
                ("Digamma(0.4*x*y-0.5)", "x3 y3", lambda x, y: polygamma(0, 0.4 * x * y - 0.5))],
    "Polygamma": [("Polygamma(9*x*y,1)", "+x3 y3", lambda x, y: polygamma(1, 9 * x * y)),
                  ("Polygamma(0.4*x*y-0.5,2)", "x3 y3", lambda x, y: polygamma(2, 0.4 * x * y - 0.5))],
    "Sigmoid": ("Sigmoid(30*x*y)", "x3 y3", lambda x, y: 1 / (1 + np.exp(-30 * x * y))),
    "Softplus": ("Softplus(30*x*y)", "x3 y3", lambda x, y: np.log1p(np.exp(30 * x * y))),
    "Exp2": ("Exp2(9*x*y)", "x3 y3", lambda x, y: np.exp2(9 * x * y)),
    "Log2": ("Log2(x*y)", "+x3 y3", lambda x, y: np.log2(x * y)),
    "Expm1": ("Expm1(0.001*x*y)*1000", "x3 y3", lambda x, y: np.expm1(0.001 * x * y) * 1000),
    "Log1p": ("Log1p(0.001*x*y)*1000", "x3 y3", lambda x, y: np.log1p(0.001 * x * y) * 1000),
    "Sinh": ("Sinh(3*x*y)", "x3 y3", lambda x, y: np.sinh(3 * x * y)),
    "Cosh": ("Cosh(3*x*y)", "x3 y3", lambda x, y: np.cosh(3 * x * y)),
    "Tan": ("Tan(x*y)", "x3 y3", lambda x, y: np.tan(x * y)),
    "BSpline": [(f"BSpline(p,x*y,{degree})", f"<x1 y1 p{knots}",
                 lambda x, y, p, degree=degree: basis_splines(p, x * y, degree))
                for degree, knots in ((0, 5), (1, 3), (2, 8), (3, 9), (3, 40))]
               + [("TensorProd(BSpline(p,x,2),BSpline(p,y,2))", "<x1 y1 p8", lambda x, y, p: flat(
                   basis_splines(p, x, 2)[..., :, None] * basis_splines(p, y, 2)[..., None, :], 2))],
    "SoftDTW_SqDist": [("SoftDTW_SqDist(x,y,p)", "+x4 y3 p1", soft_dtw), ("SoftDTW_SqDist(x,y,p)", "+x1 y1 p1", soft_dtw),
                       ("SoftDTW_SqDist(x,y,p)", "+x1 y5 p1", soft_dtw),
                       ("SoftDTW_SqDist(x,y,p)", "+x7 y1 p1", soft_dtw),
                       ("SoftDTW_SqDist(x,y,p)", "+x9 y20 p1", soft_dtw),
                       ("SoftDTW_SqDist(x,p,y)", "+x6 y1 p5", lambda x, y, p: soft_dtw(x, p, y)),
                       ("SoftDTW_SqDist(x,2*x,IntCst(1))*y", "+x6 y1",
                        lambda x, y: soft_dtw(x, 2 * x, np.ones((1, 1, 1))) * y)],
    # Derivatives, further ones in test_derivatives.py; those of reductions are no functions of a pair.
    "Grad": ("Grad(Exp(x*y),x,A)", "x3 y3 A3", lambda x, y, A: y * np.exp(x * y) * A),
    "Diff": ("Diff(SqNorm2(x*y),x,A)", "x3 y3 A3", lambda x, y, A: total(2 * x * y**2 * A)),
    "Grad_WithSavedForward": ("Grad_WithSavedForward(Exp(x*y),x,A,Exp(x*y))", "x3 y3 A3",
                              lambda x, y, A: y * np.exp(x * y) * A),
    "Diff_WithSavedForward": ("Diff_WithSavedForward(Exp(x*y),x,A,Exp(x*y))", "x3 y3 A3",
                              lambda x, y, A: y * np.exp(x * y) * A),
    "GradMatrix": ("GradMatrix(x*x*y,x)", "x3 y3", lambda x, y: flat(np.eye(3) * (2 * x * y)[..., None], 2)),
    "Divergence": ("Divergence(x*SqNorm2(x)*y,x)", "x3 y1", lambda x, y: 5 * total(x**2) * y),
    "Laplacian": ("Laplacian(Exp(-SqNorm2(x))*y,x)", "x3 y1",
                  lambda x, y: (4 * total(x**2) - 6) * np.exp(-total(x**2)) * y),
    "AdjointOperator": ("AdjointOperator(MatVecMult(A,x),x,y)", "x3 y2 A6",
                        lambda x, y, A: np.einsum("...kl,...k->...l", matrices(A, 2, 3), y)),
    "TraceOperator": ("TraceOperator(MatVecMult(A,x),x)", "x3 A9",
                      lambda x, A: np.trace(matrices(A, 3, 3), axis1=-2, axis2=-1)[..., None] + 0 * total(x)),
    "SumLinOperator": ("SumLinOperator(MatVecMult(A,x),x,y)", "x3 y2 A6",
                       lambda x, y, A: total(np.einsum("...kl,...k->...l", matrices(A, 2, 3), y)) + 0 * total(x)),
    # Sharing, which is found anyway.
    "Factorize": ("Factorize(Exp(x-y)*Exp(x-y),Exp(x-y))", "x3 y3", lambda x, y: np.exp(x - y)**2),
    "AutoFactorize": ("AutoFactorize(Exp(x-y)+Exp(x-y))", "x3 y3", lambda x, y: 2 * np.exp(x - y)),
    # Names of older programs.
    "Scal": ("Scal(x,y)", "x1 y3", np.multiply),
    "ScalOrMult": [("ScalOrMult(x,y)", "x1 y3", np.multiply), ("ScalOrMult(x,y)", "x3 y3", np.multiply)],
    "GaussKernel": ("GaussKernel(p,x,y,A)", "x3 y3 p1 A2", lambda x, y, p, A: np.exp(-p * square(x, y)) * A),
    "LaplaceKernel": ("LaplaceKernel(p,x,y,A)", "x3 y3 p1 A2",
                      lambda x, y, p, A: np.exp(-p * np.sqrt(square(x, y))) * A),
    "CauchyKernel": ("CauchyKernel(p,x,y,A)", "+x3 y3 p1 A2", lambda x, y, p, A: A / (1 + p * square(x, y))),
    "InverseMultiquadricKernel": ("InverseMultiquadricKernel(p,x,y,A)", "+x3 y3 p1 A2",
                                  lambda x, y, p, A: A / np.sqrt(1 / p + square(x, y))),
    "SumGaussKernel": ("SumGaussKernel(p,2*p,x,y,A)", "x3 y3 p4 A2",
                       lambda x, y, p, A: total(2 * p * np.exp(-p * square(x, y))) * A),
    "DivFreeGaussKernel": ("DivFreeGaussKernel(p,x,y,A)", "+x3 y3 p1 A3",
                           lambda x, y, p, A: free_kernel(p, x, y, A, True)),
    "CurlFreeGaussKernel": ("CurlFreeGaussKernel(p,x,y,A)", "+x3 y3 p1 A3",
                            lambda x, y, p, A: free_kernel(p, x, y, A, False)),
    "TRIGaussKernel": ("TRIGaussKernel(RatCst(1,3),p,x,y,A)", "+x3 y3 p1 A3",
                       lambda x, y, p, A: (free_kernel(p, x, y, A, True) + 2 * free_kernel(p, x, y, A, False)) / 3),
    "Slice": [("Slice(x,1,-1)*y", "x5 y3", lambda x, y: x[..., 1:-1] * y),
              ("Slice(x,-2)*y", "x5 y2", lambda x, y: x[..., -2:] * y)],
}

CASES = [(name, *entry) for name, entries in TABLE.items()
         for entry in (entries if isinstance(entries, list) else [entries])]


def test_every_name_is_checked():
    assert set(TABLE) == set(NAMES + MORE_NAMES)
    # As many as PyKeOps has.
    assert len(NAMES) == len(set(NAMES)) == 99


def draw_case(formula, dims, dtype, M=19, N=5):
    """Aliases and arrays for a formula of ``TABLE``, by variable."""
    rng = np.random.default_rng(len(formula))
    aliases, arrays = [], {}
    for variable, dim in re.findall(r"([a-zA-Z])(\d+)", dims):
        shape = {"Vi": (M, int(dim)), "Vj": (N, int(dim)), "Pm": (int(dim),)}[VARIABLES[variable]]
        data = rng.uniform(0.2, 2, shape) if dims[0] in "+<" else rng.uniform(-1, 1, shape)
        if dims[0] == "<":
            data.sort(-1)
        aliases.append(f"{variable} = {VARIABLES[variable]}({dim})")
        arrays[variable] = data.astype(dtype)
    return aliases, arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, formula, dims, value", CASES, ids=[f"{case[1]} {case[2]}" for case in CASES])
def test_operation(name, formula, dims, value, dtype):
    M, N = 19, 5
    aliases, arrays = draw_case(formula, dims, dtype, M, N)
    found = Genred(formula, aliases, axis=1)(*arrays.values())
    F = value(*(dense.pairs(array, VARIABLES[variable]) for variable, array in arrays.items()))
    # A formula without a variable Vj is one column.
    has_columns = any(VARIABLES[variable] == "Vj" for variable in arrays)
    has_rows = any(VARIABLES[variable] == "Vi" for variable in arrays)
    expected = np.broadcast_to(F, (M if has_rows else 1, N if has_columns else 1, F.shape[-1])).sum(axis=1, dtype=float)
    assert found.shape == expected.shape and found.dtype == dtype
    tolerance = 3e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


inf, nan = np.inf, np.nan

SPECIAL = [
    ("Sign(x)", [0.0, -0.0, nan, -inf, inf], [0, 0, nan, -1, 1]),
    ("Step(x)", [0.0, -0.0, -1.0, nan, inf, -inf], [1, 1, 0, nan, 1, 0]),
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
    ("DiffClampInt(x,0,1)", [-1.0, 0.0, 1.0, 2.0, nan], [0, 1, 1, 0, nan]),
    ("IfElse(x,IntCst(2),IntCst(3))", [0.0, -1.0, nan, 1.0], [2, 3, nan, 2]),
    ("OneHot(x,1)", [0.0, 0.4, 0.6, -3.0, 1e9], [1, 1, 0, 0, 0]),
    ("Equal(x,x)", [nan, inf, 1.0], [0, 1, 1]),
    ("NotEqual(x,x)", [nan, inf, 1.0], [1, 0, 0]),
    ("x<IntCst(1)", [nan, 0.0, 1.0], [0, 1, 0]),
    ("Concat(IntCst(-4),x)[0]*x", [1.0, 2.0], [-4, -8]),
    ("x<=IntCst(1)", [nan, 0.0, 1.0], [0, 1, 1]),
    ("Floor(x)", [-0.5, 2.0, inf, nan], [-1, 2, inf, nan]),
    ("Round(x,1)", [0.25, -0.25, inf], [0.3, -0.3, inf]),
    ("Cos(x)", [inf, nan, 0.0], [nan, nan, 1]),
    ("Atan(x)", [inf, -inf, nan], [np.pi / 2, -np.pi / 2, nan]),
    ("Atan2(x,IntCst(-1))", [0.0, inf, nan], [np.pi, np.pi / 2, nan]),
    ("Atan2(x,x)", [0.0, -0.0, 1.0, nan], [0, 0, np.pi / 4, nan]),
    ("Atan2(IntCst(0),x)", [0.0, -0.0, 2.0, nan], [0, 0, 0, nan]),
    ("Elem(Atan2(OneHot(0.1,2),OneHot(0.1,2)),1)+x", [1.0], [1]),
    ("Powf(x,IntCst(3))", [-2.0, 0.0, inf, nan], [-8, 0, inf, nan]),
    ("Powf(x,0.5)", [-2.0, 0.0, 4.0], [nan, 0, 2]),
    ("Mod(x,IntCst(3),IntCst(1))", [0.0, 1.0, 3.0, 4.0, -2.0], [3, 1, 3, 1, 1]),
    ("Mod(x,IntCst(-3),IntCst(0))", [0.0, 1.0, 3.0, -4.0], [0, -2, 0, -1]),
    ("Clamp(x,IntCst(0),IntCst(1))", [-inf, 0.0, 0.5, 1.0, inf, nan], [0, 0, 0.5, 1, 1, nan]),
    ("ClampInt(x,2,1)", [0.0, 1.5, 3.0], [2, 2, 1]),
    ("Square(x)", [-inf, nan, -3.0], [inf, nan, 9]),
    ("Max(Concat(x,IntCst(1)))", [0.0, 2.0, inf, -inf, nan], [1, 2, inf, 1, 1]),
    ("Min(Concat(x,IntCst(1)))", [0.0, 2.0, inf, -inf, nan], [0, 1, 1, -inf, 1]),
    ("ArgMax(Concat(x,IntCst(1)))", [1.0, 0.0, 2.0], [0, 1, 0]),
    ("ArgMin(Concat(x,IntCst(1)))", [1.0, 0.0, 2.0], [0, 0, 1]),
    ("And(x,IntCst(1))", [0.0, -0.0, 0.5, nan, inf], [0, 0, 1, 1, 1]),
    ("Or(x,IntCst(0))", [0.0, -0.0, 0.5, nan, inf], [0, 0, 1, 1, 1]),
    ("Not(x)", [0.0, -0.0, 0.5, nan, inf], [1, 1, 0, 0, 0]),
    ("Tanh(x)", [0.0, inf, -inf, nan], [0, 1, -1, nan]),
    ("Erf(x)", [0.0, inf, -inf, nan], [0, 1, -1, nan]),
    ("Lgamma(x)", [1.0, 2.0, 3.0, 0.0, -2.0, inf, nan], [0, 0, np.log(2), inf, inf, inf, nan]),
    ("Digamma(x)", [1.0, 0.5, 1e6, 0.0, -2.0, inf, -inf, nan],
     [-0.57721566490153286, -1.9635100260214235, 13.815510057964191, nan, nan, inf, nan, nan]),
    ("Polygamma(x,1)", [1.0, -0.5, -1.0, inf, nan], [np.pi**2 / 6, np.pi**2 / 2 + 4, nan, 0, nan]),
    # 24! times the Riemann zeta function of 25.
    ("Polygamma(x,24)", [1.0], [-math.factorial(24) * (1 + 2.0**-25 + 3.0**-25)]),
    ("Sigmoid(x)", [0.0, inf, -inf, nan, 1e4, -1e4], [0.5, 1, 0, nan, 1, 0]),
    ("Softplus(x)", [0.0, inf, -inf, nan, 1e4, -1e4], [np.log(2), inf, 0, nan, 1e4, 0]),
    ("Exp2(x)", [0.0, 3.0, -inf, inf, nan], [1, 8, 0, inf, nan]),
    ("Log2(x)", [0.0, 8.0, -1.0, inf, nan], [-inf, 3, nan, inf, nan]),
    ("Expm1(x)", [0.0, -inf, inf, nan], [0, -1, inf, nan]),
    ("Log1p(x)", [0.0, -1.0, -2.0, inf, nan], [0, -inf, nan, inf, nan]),
    ("Sinh(x)", [0.0, inf, -inf, nan], [0, inf, -inf, nan]),
    ("Cosh(x)", [0.0, inf, -inf, nan], [1, inf, inf, nan]),
    ("Tan(x)", [0.0, inf, nan], [0, nan, nan]),
    ("ComplexAbs(Real2Complex(x))", [0.0, -2.0, inf, nan], [0, 2, inf, nan]),
    ("ComplexAngle(Real2Complex(x))", [0.0, 2.0, -2.0], [0, 0, np.pi]),
    ("ComplexReal(ComplexLog(Real2Complex(x)))", [0.0, -1.0, inf], [-inf, 0, inf]),
    ("ComplexImag(ComplexLog(Real2Complex(x)))", [-1.0, 1.0], [np.pi, 0]),
    ("ComplexReal(ComplexSqrt(Real2Complex(x)))", [0.0, 4.0, -4.0], [0, 2, 0]),
    ("ComplexImag(ComplexSqrt(Real2Complex(x)))", [0.0, 4.0, -4.0], [0, 0, 2]),
    ("ComplexImag(ComplexSqrt(Concat(IntCst(-4),x)))", [-1e-30, 1e-30], [-2, 2]),
    ("ComplexReal(ComplexPow(Real2Complex(x),0.5))", [0.0, 4.0], [0, 2]),
    ("ComplexReal(ComplexPow(Real2Complex(x),Real2Complex(IntCst(2))))", [0.0, 3.0], [0, 9]),
    ("BSpline(Concat(Concat(IntCst(0),IntCst(1)),IntCst(3)),x,0)[1]", [0.0, 1.0, 2.0, 3.0, inf, nan], [0, 1, 1, 0, 0, nan]),
    ("BSpline(Concat(Concat(IntCst(0),IntCst(1)),IntCst(1)),x,1)", [0.0, 0.5, 1.0, -inf, nan], [0, 0.5, 0, 0, nan]),
    ("SoftDTW_SqDist(x,IntCst(1),IntCst(1))", [3.0, inf, nan], [4, inf, nan]),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("formula, points, values", SPECIAL, ids=[case[0] for case in SPECIAL])
def test_special_points(formula, points, values, dtype):
    found = Genred(formula, ["x = Vi(1)"], axis=1)(np.array(points, dtype)[:, None])
    np.testing.assert_allclose(found[:, 0], values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("M, N", [(3, 2000), (2000, 3), (1500, 1300)])
def test_indices_are_those_of_the_call_in_every_tile(M, N, axis, dtype):
    """Few rows put columns on lanes; many rows and columns make several blocks and tiles of both."""
    x, y = np.zeros((M, 1), dtype), np.zeros((N, 1), dtype)
    i, j = np.arange(M)[:, None], np.arange(N)[None, :]
    found = Genred("ArgMax(Concat(Index_i()-Index_j(),x+y))+Index_j()-2*Index_i()", ["x = Vi(1)", "y = Vj(1)"],
                   axis=axis)(x, y)
    np.testing.assert_allclose(found[:, 0], ((i < j) + j - 2 * i).sum(axis), rtol=1e-6)
    # The pair's own position, found again: exact, since no number of it is rounded.
    here = Genred("-Square(Index_j()-Mod(7*Index_i(),p,IntCst(0)))+0*x*y", ["x = Vi(1)", "y = Vj(1)", "p = Pm(1)"],
                  reduction_op="ArgMax", axis=1)(x, y, np.array([N], dtype))
    np.testing.assert_array_equal(here[:, 0], 7 * np.arange(M) % N)


def test_indices_beyond_what_float32_holds_are_rounded():
    rows = 2**24 + 5
    found = Genred("Index_i()", ["x = Vi(1)"], axis=1)(np.zeros((rows, 1), np.float32))
    np.testing.assert_array_equal(found[-6:, 0], np.arange(rows - 6, rows).astype(np.float32))


@pytest.mark.parametrize("n, m", [(50, 60)])
def test_long_series(n, m):
    rng = np.random.default_rng(1)
    x, y, g = rng.normal(size=(17, n)), rng.normal(size=(3, m)), np.array([0.3])
    found = Genred("SoftDTW_SqDist(x,y,g)", [f"x = Vi({n})", f"y = Vj({m})", "g = Pm(1)"], axis=1)(x, y, g)
    np.testing.assert_allclose(found, soft_dtw(x[:, None], y[None], g[None, None]).sum(1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_sines_and_cosines_share_their_code(dtype):
    """Also where some arguments are so large that the C library computes them, beside others that are not."""
    large = 1e6 if dtype == np.float32 else 1e12
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.5, 1, (70, 1)).astype(dtype), rng.uniform(0.5, 1, (300, 1)).astype(dtype)
    y[::7] = large
    terms = [f"{name}(x+{n}*y)" for n in range(1, 41) for name in ("Sin", "Cos")]
    found = Genred(" + ".join(terms), ["x = Vi(1)", "y = Vj(1)"], axis=1)(x, y)
    arguments = x[:, None] + np.arange(1, 41, dtype=dtype) * y[:, 0][None, :, None]
    expected = np.sin(arguments.astype(float)) + np.cos(arguments.astype(float))
    np.testing.assert_allclose(found[:, 0], expected.sum((1, 2)), atol=2e-2 if dtype == np.float32 else 1e-9)


# What the rules for dimensions and arguments refuse, and the sentence that says so.
REFUSED = [
    *((f"{name}(x,y)", "x2 y3", "dimensions are not compatible: 2 and 3")
      for name in "Add Subtract Mult Divide Powf Atan2 Equal NotEqual LessThan LessOrEqual SqDist And Or".split()),
    *((f"{name}(x,y,p)", "x2 y3 p1", "dimensions are not compatible: 2 and 3") for name in ("Mod", "Clamp", "IfElse")),
    ("Clamp(p,x,y)", "x2 y3 p1", "dimensions are not compatible"),
    ("IfElse(p,x,y)", "x2 y3 p1", "dimensions are not compatible"),
    ("ScalOrMult(x,y)", "x2 y3", "dimensions are not compatible: 2 and 3"),
    ("Scal(x,y)", "x2 y3", "expects a first operand of dimension 1, got dimension 2"),
    ("Scalprod(x,y)", "x2 y3", "dimensions are not compatible: 2 and 3"),
    ("x|y", "x2 y3", "dimensions are not compatible: 2 and 3"),
    ("Divide(x,0)", "x2", "Divide divides by the constant 0"),
    ("RatCst(1,0)*x", "x2", "RatCst has the denominator 0"),
    ("IntInv(0)*x", "x2", "IntInv has the denominator 0"),
    ("Zero(0)", "x2", "Zero expects a dimension between 1 and 2147483647, got 0"),
    ("IntCst(x)", "x2", "argument 1 of IntCst is an integer, got 'x'"),
    ("RatCst(x,1)", "x2", "argument 1 of RatCst is an integer"),
    ("Round(x,y)", "x2 y2", "argument 2 of Round is an integer, got 'y'"),
    ("Round(x,99)", "x2", "Round rounds to between -30 and 30 decimals, got 99"),
    ("Pow(x,0.5)", "x2", "argument 2 of Pow is an integer, got '0.5'"),
    ("ClampInt(x,0.5,1)", "x2", "argument 2 of ClampInt is an integer"),
    ("DiffClampInt(x,0,y)", "x2 y2", "argument 3 of DiffClampInt is an integer"),
    ("SumT(x,3)", "x2", "expects an operand of dimension 1, got dimension 2"),
    ("SumT(x,0)", "x1", "SumT expects a dimension between 1 and 2147483647, got 0"),
    ("SqNormIso(p,x)", "x3 p2", "SqNormIso expects a weight of dimension 1, got dimension 2"),
    ("SqNormDiag(p,x)", "x3 p2", "SqNormDiag expects weights of dimension 3, got dimension 2"),
    ("SymSqNorm(p,x)", "x3 p8", "SymSqNorm expects a matrix of dimension 9, got dimension 8"),
    ("WeightedSqNorm(p,x)", "x3 p2", "WeightedSqNorm expects weights of dimension 1, 3 or 3x3 for a vector of "
                                     "dimension 3, got dimension 2"),
    ("WeightedSqDist(p,x,y)", "x3 y3 p2", "WeightedSqDist expects weights of dimension 1, 3 or 3x3"),
    ("WeightedSqDist(p,x,y)", "x3 y2 p3", "dimensions are not compatible: 3 and 2"),
    ("Elem(x,3)", "x3", "Elem takes component 3 of a vector of dimension 3"),
    ("Elem(x,-4)", "x3", "Elem takes component -4 of a vector of dimension 3"),
    ("ElemT(x,4,4)", "x1", "ElemT puts 1 components at component 4 of a vector of dimension 4"),
    ("ElemT(x,4,1)", "x2", "ElemT expects a formula of dimension 1, got dimension 2"),
    ("Extract(x,2,2)", "x3", "Extract takes 2 components from component 2 of a vector of dimension 3"),
    ("Extract(x,-1,2)", "x3", "Extract takes 2 components from component -1 of a vector of dimension 3"),
    ("ExtractT(x,2,4)", "x3", "ExtractT puts 3 components at component 2 of a vector of dimension 4"),
    ("Slice(x,2,9)", "x3", r"Slice takes components \[2:9\] of a vector of dimension 3"),
    ("Concat(x)", "x3", "Concat takes 2 arguments"),
    ("OneHot(x,3)", "x2", "expects an operand of dimension 1, got dimension 2"),
    ("OneHot(x,0)", "x1", "OneHot expects a dimension between 1 and 2147483647, got 0"),
    ("MatVecMult(p,x)", "x3 p8", "MatVecMult expects a matrix whose dimension is a multiple of the vector's, got "
                                 "dimensions 8 and 3"),
    ("VecMatMult(x,p)", "x3 p8", "VecMatMult expects a matrix whose dimension is a multiple of the vector's"),
    ("TensorDot(A,B,[2,3],[3,2],[0],[0])", "A6 B6", "contracts axes of different extents 2 and 3"),
    ("TensorDot(A,B,[2,2],[3,2],[1],[0])", "A6 B6", r"TensorDot expects a shape of 6 components, got \[2,2\]"),
    ("TensorDot(A,B,[2,3],[3,2],[1],[0],[0,0])", "A6 B6", "expects a permutation of 2 axes"),
    ("TensorDot(A,B,[2,3],[3,2],[1,0],[0])", "A6 B6", "as many contracted axes on both sides"),
    ("TensorDot(A,B,[2,3],[3,2],[2],[0])", "A6 B6", "distinct contracted axes of the left operand below 2"),
    ("Kron(A,B,[2,3],[6])", "A6 B6", "Kron expects shapes of equal length, got lengths 2 and 1"),
    ("Kron(A,B,[2,3],[2,2])", "A6 B6", r"Kron expects a shape of 6 components, got \[2,2\]"),
    *((f"{name}(x)", "x3", f"{name} expects a complex vector, whose dimension is even, got dimension 3")
      for name in ("ComplexReal ComplexImag Conj ComplexSquareAbs ComplexAbs ComplexAngle ComplexExp ComplexSum "
                   "ComplexInv ComplexSquare ComplexLog ComplexSqrt").split()),
    *((f"{name}(x,y)", "x4 y6", f"{name} expects complex vectors of equal dimensions, or one of dimension 2, got "
                                "dimensions 4 and 6")
      for name in "ComplexAdd ComplexSubtract ComplexMult ComplexDivide ComplexPow".split()),
    ("ComplexMult(x,y)", "x3 y2", "ComplexMult expects a complex vector, whose dimension is even, got dimension 3"),
    ("ComplexScal(x,y)", "x4 y4", "ComplexScal expects a complex scalar of dimension 2, got dimension 4"),
    ("ComplexRealScal(x,y)", "x2 y4", "ComplexRealScal expects one real number, of dimension 1, and a complex vector, "
                                      "got dimensions 2 and 4"),
    ("ComplexRealScal(x,y)", "x1 y3", "ComplexRealScal expects a complex vector, whose dimension is even"),
    ("ComplexSumT(x,6)", "x4", "ComplexSumT expects a complex scalar of dimension 2, got dimension 4"),
    ("ComplexSumT(x,5)", "x2", "ComplexSumT expects the even dimension of a complex vector, got 5"),
    ("Polygamma(x,25)", "x2", "Polygamma expects an order between 0 and 24, got 25"),
    ("Polygamma(x,0.5)", "x2", "argument 2 of Polygamma is an integer, got '0.5'"),
    ("Grad(Polygamma(x,24),x,x)", "x2", "which is of the highest order that is computed"),
    ("Grad(BSpline(p,x,2),p,x)", "x1 p4", "which has a derivative in its point, but none in its knots"),
    ("BSpline(p,x,2)", "x1 p3", "BSpline of degree 2 expects at least 4 knots, got 3"),
    ("BSpline(p,x,2)", "x2 p5", "BSpline expects a point of dimension 1, got dimension 2"),
    ("BSpline(p,x,-1)", "x1 p5", "BSpline expects a degree between 0 and 32, got -1"),
    ("SoftDTW_SqDist(x,y,p)", "x3 y3 p2", "SoftDTW_SqDist expects a smoothing of dimension 1, got dimension 2"),
    ("SoftDTW_SqDist(x,x,1)", "x65536", "SoftDTW_SqDist compares series of 65536 and 65536 numbers"),
    ("Index_i(x)", "x1", "Index_i takes 0 arguments, got 1"),
    ("Factorize(x)", "x3", "Factorize takes 2 arguments"),
    ("Factorize(x,[1])", "x3", "argument 2 of Factorize is a formula, got a list of integers"),
    ("AutoFactorize(x,x)", "x3", "AutoFactorize takes 1 argument"),
    *((f"{name}(p,x,y,A)", "x2 y3 p1 A1", f"{name}: dimensions are not compatible: 2 and 3")
      for name in "GaussKernel LaplaceKernel CauchyKernel InverseMultiquadricKernel".split()),
    *((f"{name}(p,x,y,A)", "x2 y2 p2 A2", f"{name} expects a scale of dimension 1, got dimension 2")
      for name in ("GaussKernel LaplaceKernel CauchyKernel InverseMultiquadricKernel DivFreeGaussKernel "
                   "CurlFreeGaussKernel").split()),
    *((f"{name}(p,x,y,A)", "x2 y2 p1 A1", f"{name} expects a last operand of dimension 2, got dimension 1")
      for name in "DivFreeGaussKernel CurlFreeGaussKernel".split()),
    ("SumGaussKernel(p,B,x,y,A)", "x2 y2 p2 B3 A1", "SumGaussKernel: dimensions are not compatible: 3 and 2"),
    ("TRIGaussKernel(p,1,x,y,A)", "x2 y2 p2 A2", "TRIGaussKernel expects a scale of dimension 1, got dimension 2"),
    ("TRIGaussKernel(1,p,x,y,A)", "x2 y2 p2 A2", "TRIGaussKernel expects a scale of dimension 1, got dimension 2"),
    ("TRIGaussKernel(1,p,x,y,A)", "x2 y2 p1 A1", "TRIGaussKernel expects a last operand of dimension 2, got dimension 1"),
    *((f"{name}(x*y,x,A{rest})", "x3 y3 A2", f"{name} expects a {what} of dimension 3, as its {whose} has, got dimension 2")
      for name, what, whose, rest in (("Grad", "cotangent", "formula", ""), ("Diff", "tangent", "variable", ""),
                                      ("AdjointOperator", "cotangent", "formula", ""),
                                      ("Grad_WithSavedForward", "cotangent", "formula", ",y"),
                                      ("Diff_WithSavedForward", "tangent", "variable", ",y"))),
    *((f"{name}(x,x*y)", "x3 y3", rf"argument 2 of {name} is a variable, got 'x\*y'")
      for name in "GradMatrix Divergence TraceOperator SumLinOperator".split()),
    ("Divergence(Sum(x),x)", "x3", "Divergence expects a formula of dimension 3, as its variable has, got dimension 1"),
    ("Laplacian(x*y,x)", "x3 y3", "Laplacian expects a formula of dimension 1, got dimension 3"),
    ("TraceOperator(SumT(Sum(x),4),x)", "x3", "TraceOperator expects a formula of dimension 3, as its variable has, got "
                                              "dimension 4"),
    ("TraceOperator(x,x,A)", "x3 A2", "TraceOperator expects weights of dimension 1 or 3, got dimension 2"),
    ("TraceOperator(x*Exp(x),x)", "x3", "linear in the variable, but 'keops.exp' is not linear"),
    ("SumLinOperator(x,x,A)", "x3 A2", "SumLinOperator expects weights of dimension 1 or 3, got dimension 2"),
    ("SumLinOperator(x,x,1,A)", "x3 A2", "SumLinOperator expects weights of dimension 1 or 3, got dimension 2"),
    ("Var(0,2,0)+x", "x3", r"argument 0 is used as Vi\(0,2\) but also as x = Vi\(0,3\)"),
    ("Nothing(x)", "x3", "there is no operation 'Nothing'"),
]


@pytest.mark.parametrize("formula, dims, message", REFUSED, ids=[f"{case[0]} {case[1]}" for case in REFUSED])
def test_what_is_refused(formula, dims, message):
    variables = [(variable, int(dim)) for variable, dim in re.findall(r"([a-zA-Z])(\d+)", dims)]
    arrays = [np.zeros((dim,) if variable == "p" else (1, dim)) for variable, dim in variables]
    with pytest.raises(keops.Error, match=message):
        Genred(formula, [f"{variable} = {VARIABLES[variable]}({dim})" for variable, dim in variables], axis=1)(*arrays)
