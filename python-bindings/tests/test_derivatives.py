# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Derivatives in formula text, against derivatives written out in float64 NumPy and against central differences."""

import numpy as np
import pytest

from keops.numpy import Genred

M, N, D = 23, 31, 3
SUM = {"reduction_op": "Sum", "axis": 1}


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


X, Y, B, E, S = draw(0, M, D), draw(1, N, D), draw(2, N, 1), draw(3, M, 1), np.array([1.7])
ALIASES = [f"x = Vi({D})", f"y = Vj({D})", "b = Vj(1)", "e = Vi(1)", "s = Pm(1)"]
DIFFERENCES = X[:, None, :] - Y[None, :, :]
SQUARED = (DIFFERENCES**2).sum(-1, keepdims=True)


def near(found, expected, tolerance=1e-11):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def central(function, array, step=1e-6):
    """The gradient of a number in every component of `array`."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        above, below = array.copy(), array.copy()
        above[place] += step
        below[place] -= step
        gradient[place] = (function(above) - function(below)) / (2 * step)
    return gradient


KERNELS = {
    "Gaussian": ("Exp(-SqDist(x,y))*b", lambda: np.exp(-SQUARED), lambda k: -2 * DIFFERENCES * k),
    "Laplacian": ("Exp(-Norm2(x-y))*b", lambda: np.exp(-np.sqrt(SQUARED)), lambda k: -DIFFERENCES / np.sqrt(SQUARED) * k),
    "Cauchy": ("b/(1+SqDist(x,y))", lambda: 1 / (1 + SQUARED), lambda k: -2 * DIFFERENCES * k**2),
}


@pytest.mark.parametrize("name", KERNELS)
def test_sums_in_the_kept_variable(name):
    formula, kernel, slope = KERNELS[name]
    found = Genred(f"Grad({formula},x,e)", ALIASES, **SUM)(X, Y, B, E, S)
    near(found, (slope(kernel()) * B[None]).sum(1) * E)


@pytest.mark.parametrize("name", KERNELS)
def test_sums_in_the_reduced_variable(name):
    formula, kernel, slope = KERNELS[name]
    found = Genred(f"Grad({formula},y,e)", ALIASES, reduction_op="Sum", axis=0)(X, Y, B, E, S)
    near(found, -(slope(kernel()) * E[:, None]).sum(0) * B)
    found = Genred(f"Grad({formula},b,e)", ALIASES, reduction_op="Sum", axis=0)(X, Y, B, E, S)
    near(found, (kernel() * E[:, None]).sum(0))


def test_parameters_for_each_row():
    """A sum over j of what each pair has; the sum over i is the caller's."""
    found = Genred("Grad(Exp(-SqDist(x,y)*s)*b,s,e)", ALIASES, **SUM)(X, Y, B, E, S)
    near(found, (-SQUARED * np.exp(-SQUARED * S) * B[None]).sum(1) * E)


def test_log_sum_exp():
    exponent = X @ Y.T
    weights = np.exp(exponent - exponent.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    # The gradient of log-sum-exp is a softmax.
    near(Genred("(x|y)", ALIASES, reduction_op="SumSoftMaxWeight", axis=1, formula2="Grad((x|y),x,e)")(X, Y, B, E, S),
         weights @ Y * E)
    logarithm = Genred("(x|y)", ALIASES, reduction_op="LogSumExp", axis=1)(X, Y, B, E, S)
    found = Genred("Grad(Exp((x|y)-l),y,e)", ALIASES + ["l = Vi(1)"], reduction_op="Sum", axis=0)(X, Y, B, E, S, logarithm)
    near(found, weights.T @ (X * E))


def test_second_order():
    u = draw(4, M, D)
    aliases = ALIASES + [f"u = Vi({D})"]
    found = Genred("Grad(Grad(Exp(-SqDist(x,y))*b,x,e),x,u)", aliases, **SUM)(X, Y, B, E, S, u)
    gradient = Genred("Grad(Exp(-SqDist(x,y))*b,x,e)", ALIASES, **SUM)
    near(found, central(lambda x: (u * gradient(x, Y, B, E, S)).sum(), X), 1e-7)
    tangent = Genred("Diff(Grad(Exp(-SqDist(x,y))*b,x,e),x,u)", aliases, **SUM)(X, Y, B, E, S, u)
    near(tangent, found)


def test_traces_and_matrices():
    k = np.exp(-SQUARED)
    near(Genred("Laplacian(Exp(-SqDist(x,y)),x)", ALIASES, **SUM)(X, Y, B, E, S),
         ((4 * SQUARED - 2 * D) * k).sum(1))
    near(Genred("Divergence(x*Exp(-SqDist(x,y)),x)", ALIASES, **SUM)(X, Y, B, E, S),
         ((D - 2 * (X[:, None] * DIFFERENCES).sum(-1, keepdims=True)) * k).sum(1))
    matrix = 4 * DIFFERENCES[..., None] * DIFFERENCES[..., None, :] - 2 * np.eye(D)
    near(Genred("GradMatrix(Grad(Exp(-SqDist(x,y)),x,IntCst(1)),x)", ALIASES, **SUM)(X, Y, B, E, S),
         (matrix * k[..., None]).sum(1).reshape(M, D * D))
    near(Genred("TraceOperator(MatVecMult(TensorProd(x,y),v),v)", ALIASES + [f"v = Vi({D})"], **SUM)(X, Y, B, E, S, X),
         (X @ Y.T).sum(1, keepdims=True))


def test_traces_of_any_dimension():
    """Code does not grow with the dimension where components meet in sums: not with 1000, nor in a Laplacian of one."""
    n, c = 1000, 0.002
    x, y = draw(6, 5, n), draw(7, 6, n)
    aliases = [f"x = Vi({n})", f"y = Vj({n})", "c = Pm(1)"]
    r = ((x[:, None] - y[None])**2).sum(-1)
    kernel = np.exp(-c * r)
    expected = {
        "Laplacian(Exp(-c*SqDist(x,y)),x)": (4 * c**2 * r - 2 * c * n) * kernel,
        "Laplacian(Laplacian(Exp(-c*SqDist(x,y)),x),x)":
            (16 * c**4 * r**2 - 16 * c**3 * (n + 2) * r + 4 * c**2 * n * (n + 2)) * kernel,
        "Divergence((x-y)*Norm2(x-y),x)": (n + 1) * np.sqrt(r),
        "Divergence(Normalize(x-y),y)": -(n - 1) / np.sqrt(r),
        "TraceOperator(x*Exp(-c*SqNorm2(y))+y*Sum(x),x,y)":
            y.sum(1) * np.exp(-c * (y**2).sum(1)) + (y**2).sum(1) + 0 * r,
    }
    for formula, values in expected.items():
        near(Genred(formula, aliases, **SUM)(x, y, np.array([c])), values.sum(1, keepdims=True), 1e-9)


# Name, point, slope there.
KINKS = [
    ("Sqrt(x)", 0, 0), ("Rsqrt(x)", 0, 0), ("Abs(x)", 0, 0), ("ReLU(x)", 0, 1), ("ReLU(x)", -1, 0), ("Sign(x)", 0, 0),
    ("Step(x)", 0, 0), ("SinXDivX(x)", 0, 0), ("XLogX(x)", 0, -np.inf), ("Asin(x)", 1, 0), ("Acos(x)", 1, 0),
    ("ClampInt(x,0,2)", 0, 1), ("ClampInt(x,0,2)", 2, 1), ("ClampInt(x,0,2)", 3, 0), ("Norm2(Concat(x,x))", 0, 0),
    ("Elem(Normalize(Concat(x,x)),0)", 0, 0), ("Clamp(x,IntCst(1),IntCst(1))", 1, 1), ("Floor(x)", 1, 0),
    ("Round(x,0)", 0.5, 0), ("DiffClampInt(x,0,2)", 0, 0), ("Softplus(x)", 0, 0.5), ("Sigmoid(x)", -1000, 0),
    ("Max(Concat(x,2*x))", 0, 1), ("Min(Concat(x,2*x))", 0, 1), ("ArgMax(Concat(x,2*x))", 1, 0), ("IfElse(x,3*x,5*x)", 0, 3),
    ("Mod(x,IntCst(2),IntCst(0))", 2, 1), ("OneHot(x,1)", 0, 0), ("Pow(x,0)", 0, 0), ("Inv(x)", 2, -0.25),
    # Hat functions over knots 0, 1, 2 have a kink at 1, where the slope is that on the right.
    ("Sum(BSpline(Concat(IntCst(0),Concat(IntCst(1),IntCst(2))),x,1))", 1, -1),
    ("Sum(BSpline(Concat(IntCst(0),Concat(IntCst(1),IntCst(2))),x,1))", 0.5, 1),
    ("Sum(BSpline(Concat(IntCst(0),Concat(IntCst(1),IntCst(2))),x,0))", 1, 0),
]


@pytest.mark.parametrize("formula, at, slope", KINKS)
def test_kinks(formula, at, slope):
    x = np.array([[float(at)]])
    assert Genred(f"Grad({formula},x,IntCst(1))", ["x = Vi(1)"], **SUM)(x)[0, 0] == slope
    assert Genred(f"Diff({formula},x,IntCst(1))", ["x = Vi(1)"], **SUM)(x)[0, 0] == slope


@pytest.mark.parametrize("formula", ["Powf(v,x)", "Powf(x,v)", "Atan2(x,v)", "Atan2(v,x)", "IfElse(v,x,v)", "IfElse(x-v,v,x)",
                                     "Mod(x,v,x)", "Clamp(v,x,2*x)", "Clamp(x,v,2*v)", "v/x", "x/v", "x-v", "x*v"])
def test_operands_of_dimension_one(formula):
    """The gradient in an operand that serves all components is the sum over them."""
    x, v, e = np.abs(draw(5, 7, 1)) + 0.1, np.abs(draw(6, 7, D)) + 0.1, draw(7, 7, D)
    aliases = ["x = Vi(1)", f"v = Vi({D})", f"e = Vi({D})"]
    value = Genred(formula, aliases, **SUM)
    near(Genred(f"Grad({formula},x,e)", aliases, **SUM)(x, v, e), central(lambda x: (e * value(x, v, e)).sum(), x), 1e-6)
    near(Genred(f"Grad({formula},v,e)", aliases, **SUM)(x, v, e), central(lambda v: (e * value(x, v, e)).sum(), v), 1e-6)


KNOTS = "Concat(Concat(IntCst(-3),Concat(IntCst(-1),IntCst(-1))),Concat(Concat(IntCst(0),0.5),Concat(IntCst(2),IntCst(4))))"
# Formula, dimensions of x, y and the value.
ALGORITHMS = [
    ("Lgamma(x*x+y*y)", 2, 2, 2), ("Digamma(x*x+0.5)*y", 2, 2, 2), ("Polygamma(x*x+0.5,2)*y", 1, 3, 3),
    (f"BSpline({KNOTS},x*y,2)", 1, 1, 4), (f"BSpline({KNOTS},x-y,3)", 1, 1, 3),
    ("SoftDTW_SqDist(x,y,1+Square(Elem(x,0)))", 4, 3, 1), ("SoftDTW_SqDist(y,2*x,0.5)", 1, 5, 1),
]


@pytest.mark.parametrize("formula, n, m, dim", ALGORITHMS, ids=[case[0][:24] + f" {case[1]}" for case in ALGORITHMS])
def test_special_functions_splines_and_alignments(formula, n, m, dim):
    """The gradient, the tangent as its transpose, and the derivative of the gradient."""
    x, y, e, u = draw(9, 5, n), draw(10, 6, m), draw(11, 5, dim), draw(12, 5, n)
    aliases = [f"x = Vi({n})", f"y = Vj({m})", f"e = Vi({dim})", f"u = Vi({n})"]
    call = lambda text: Genred(text, aliases, **SUM)
    value, gradient = call(formula), call(f"Grad({formula},x,e)")
    found = gradient(x, y, e, u)
    near(found, central(lambda x: (e * value(x, y, e, u)).sum(), x), 1e-6)
    np.testing.assert_allclose((call(f"Diff({formula},x,u)")(x, y, e, u) * e).sum(), (found * u).sum(), rtol=1e-9)
    second = call(f"Grad(Grad({formula},x,e),x,u)")(x, y, e, u)
    near(second, central(lambda x: (u * gradient(x, y, e, u)).sum(), x), 1e-5)
    low = [array.astype(np.float32) for array in (x, y, e, u)]
    np.testing.assert_allclose(gradient(*low), found, rtol=2e-4, atol=2e-4)


def test_alignments_share_the_cotangent():
    """Along a series that does not vary all steps cost the same; the gradient is a count of soft alignments."""
    n, m = 40, 30
    x, y = draw(13, 3, n), draw(14, 4, m)
    gradient = Genred("Grad(SoftDTW_SqDist(x,y,IntCst(1)),x,IntCst(1))", [f"x = Vi({n})", f"y = Vj({m})"], **SUM)
    # Moving all of x is moving all of y backwards.
    other = Genred("Grad(SoftDTW_SqDist(x,y,IntCst(1)),y,IntCst(1))", [f"x = Vi({n})", f"y = Vj({m})"],
                   reduction_op="Sum", axis=0)
    np.testing.assert_allclose(gradient(x, y).sum(), -other(x, y).sum(), rtol=1e-10)


def test_cotangents_are_masked_before_they_are_summed():
    c, e = np.array([[1.0, -1, 2]]), np.array([[1.0, 10, 100]])
    found = Genred("Grad(IfElse(c,SumT(Sum(c),3),2*c),c,e)", ["c = Vi(3)", "e = Vi(3)"], **SUM)(c, e)
    near(found, np.array([[101.0, 121, 101]]))


def test_a_cotangent_that_is_left_out_is_the_last_argument():
    cotangent = draw(8, N, 1)
    found = Genred("Grad(Exp(-SqDist(x,y))*b,x)", ALIASES, **SUM)(X, Y, B, E, S, cotangent)
    near(found, (-2 * DIFFERENCES * np.exp(-SQUARED) * (B * cotangent)[None]).sum(1))
    with pytest.raises(ValueError, match=r"expected 6 arrays.*Vj\(5,1\)"):
        Genred("Grad(Exp(-SqDist(x,y))*b,x)", ALIASES, **SUM)(X, Y, B, E, S)


def test_errors_point_into_the_text():
    with pytest.raises(Exception, match="cotangent of dimension 1, as its formula has, got dimension 3"):
        Genred("Grad(SqNorm2(x),x,y)", ALIASES, **SUM)(X, Y, B, E, S)
    with pytest.raises(Exception, match="'keops.exp' is not linear(.|\n)*TraceOperator(.|\n)*\\^~"):
        Genred("TraceOperator(Exp(x),x)", ALIASES, **SUM)(X, Y, B, E, S)
