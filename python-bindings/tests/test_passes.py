# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formulas that take several passes over the pairs, against float64 NumPy with the whole M x N array in memory."""

import itertools

import numpy as np
import pytest

from keops.numpy import Genred

M, N, D, K = 23, 31, 3, 3
ALIASES = [f"x = Vi({D})", f"y = Vj({D})", "b = Vj(1)", "e = Vi(1)", "s = Pm(1)", f"u = Vi({D})", f"r = Vi({K})"]

# Clusters of i with the intervals of j, and of j with those of i: two masks, of results with a row for each i and each j.
TRIPLE_I = (np.array([[0, 4], [11, 20], [4, 6], [20, 22]]), np.array([2, 5, 5, 6]),
            np.array([[0, 3], [3, 9], [20, 31], [5, 5], [1, 4], [0, 31]]))
TRIPLE_J = (np.array([[3, 12], [12, 13], [25, 31]]), np.array([1, 3, 3]), np.array([[2, 21], [22, 23], [0, 1]]))
# A log-sum-exp of nothing is -inf, and its derivative NaN: here each row has a column.
COVERING = (np.array([[0, 4], [4, 20], [20, 23]]), np.array([2, 3, 4]), np.array([[0, 3], [3, 9], [20, 31], [2, 30]]))


def mask_of(triple, shape):
    mask = np.zeros(shape)
    rows, slices, columns = triple
    for k, (begin, end) in enumerate(rows):
        for first, last in columns[slices[k - 1] if k else 0:slices[k]]:
            mask[begin:end, first:last] = 1
    return mask


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


class Dense:
    """Reference values for one batch; `mask` says which pairs there are."""

    def __init__(self, x, y, b, e, s, u, r, mask):
        self.x, self.y, self.b, self.e, self.s, self.u, self.r, self.mask = x, y, b, e, s, u, r, mask
        self.d = x[:, None] - y[None]
        self.squared = (self.d**2).sum(-1)
        self.kernel = np.exp(-self.squared * s) * mask
        exponent = np.where(mask > 0, x @ y.T * s, -np.inf)
        top = exponent.max(1, keepdims=True, initial=-1e300)
        weights = np.exp(exponent - top)
        total = weights.sum(1, keepdims=True)
        self.softmax = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        self.order = np.argsort(np.where(mask > 0, self.squared, np.inf), axis=1, kind="stable")[:, :K]
        self.found = np.take_along_axis(mask, self.order, 1)  # (M, K), 1 where there is a neighbour of that rank

    def parameter(self):
        """Of sum_i e_i sum_j exp(-s |x-y|^2) b_j in s."""
        return np.array([-(self.e * self.squared * self.kernel * self.b.T).sum()])

    def log_sum_exp_in_y(self):
        return self.softmax.T @ (self.x * self.e) * self.s

    def log_sum_exp_in_parameter(self):
        return np.array([(self.e * self.softmax * (self.x @ self.y.T)).sum()])

    def softmax_in_y(self):
        """Of sum_i <u_i, sum_j w_ij y_j>, w the softmax of s (x|y)."""
        mean = self.softmax @ self.y
        along = self.u @ self.y.T - (self.u * mean).sum(1, keepdims=True)
        return self.softmax.T @ self.u + (self.softmax * along).T @ self.x * self.s

    def second(self):
        """Of <u, g> in y, where g is the gradient of sum_i e_i sum_j exp(-s |x-y|^2) b_j in x."""
        weight = (self.kernel * self.e * self.b.T)[..., None]
        along = (self.d * self.u[:, None]).sum(-1, keepdims=True)
        return (weight * (2 * self.s * self.u[:, None] - 4 * self.s**2 * along * self.d)).sum(0)

    def nearest(self):
        """Rows of y, cotangents and slopes of the K smallest |x-y|^2: (M, K, D)."""
        return 2 * (self.r * self.found)[..., None] * (self.x[:, None] - self.y[self.order])

    def k_min_in_x(self):
        return self.nearest().sum(1)

    def k_min_in_y(self):
        gradient = np.zeros_like(self.y)
        np.add.at(gradient, self.order.ravel(), -self.nearest().reshape(-1, D))
        return gradient

    def min_in_y(self):
        gradient = np.zeros_like(self.y)
        np.add.at(gradient, self.order[:, 0], -2 * self.s * (self.e * self.found[:, :1]) * (self.x - self.y[self.order[:, 0]]))
        return gradient

    def min_in_parameter(self):
        return np.array([(self.e[:, 0] * self.found[:, 0] * np.take_along_axis(self.squared, self.order, 1)[:, 0]).sum()])

    def least_in_y(self):
        """Of sum_i <u_i, min_j x_i * y_j>, the minimum of each component."""
        products = np.where(self.mask[..., None] > 0, self.x[:, None] * self.y[None], np.inf)
        gradient = np.zeros_like(self.y)
        for d in range(D):
            where, place = products[..., d].min(1) < np.inf, products[..., d].argmin(1)
            np.add.at(gradient[:, d], place[where], (self.u * self.x)[where, d])
        return gradient

    def balanced(self):
        """Of a kernel whose rows are divided by their sums, what arrives at each y_j."""
        sums = self.kernel.sum(1, keepdims=True)
        return np.divide(self.kernel, sums, out=np.zeros_like(self.kernel), where=sums > 0).T @ self.e

    def deviation(self):
        """Of x_i * y_j over j, with the mean over all N: what is left of the squares is around it."""
        products = self.x[:, None] * self.y[None]
        mean = (products * self.mask[..., None]).sum(1, keepdims=True) / N
        return ((products - mean)**2 * self.mask[..., None]).sum(1)

    def inside(self):
        return 1 + self.kernel @ self.b**2

    def around(self):
        return self.e * np.log(self.inside())

    def around_in_y(self):
        weight = self.kernel * self.b.T**2 * self.e / self.inside()
        return 2 * self.s * (weight[..., None] * self.d).sum(0)

    def in_both(self):
        along = (self.d * (self.u[:, None] - self.y[None])).sum(-1)
        return -2 * self.s * (along * self.kernel) @ self.b


SUM = "Sum_Reduction(Exp(-SqDist(x,y)*s)*b,0)"
LSE = "LogSumExp_Reduction((x|y)*s,0)"
CASES = {
    "parameter": f"Grad({SUM},s,e)",
    "log_sum_exp_in_y": f"Grad({LSE},y,e)",
    "log_sum_exp_in_parameter": f"Grad({LSE},s,e)",
    "softmax_in_y": "Grad(SumSoftMaxWeight_Reduction((x|y)*s,0,y),y,u)",
    "second": f"Grad(Grad({SUM},x,e),y,u)",
    "k_min_in_x": f"Grad(KMin_Reduction(SqDist(x,y),{K},0),x,r)",
    "k_min_in_y": f"Grad(KMin_Reduction(SqDist(x,y),{K},0),y,r)",
    "min_in_y": "Grad(Min_Reduction(SqDist(x,y)*s,0),y,e)",
    "min_in_parameter": "Grad(Min_Reduction(SqDist(x,y)*s,0),s,e)",
    "least_in_y": "Grad(Min_Reduction(x*y,0),y,u)",
    "balanced": "Sum_Reduction(Exp(-SqDist(x,y)*s)/Sum_Reduction(Exp(-SqDist(x,y)*s),0)*e,1)",
    "deviation": f"Sum_Reduction(Square(x*y-Sum_Reduction(x*y,0)/{N}),0)",
    "around": "e*Log(1+Sum_Reduction(Exp(-SqDist(x,y)*s)*b*b,0))",
    "around_in_y": "Grad(Log(1+Sum_Reduction(Exp(-SqDist(x,y)*s)*b*b,0)),y,e)",
    "in_both": f"Diff({SUM},(x,y),(u,y))",
}
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


def arrays(batches=()):
    """Along (2, 3): x has both axes, y the last, s the first alone, the others none."""
    return [draw(0, *batches, M, D), draw(1, *batches[-1:], N, D), draw(2, N, 1), draw(3, M, 1),
            np.abs(draw(4, *(batches[:1] + (1,) * len(batches[1:])), 1)) + 0.3, draw(5, M, D), draw(6, M, K)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pairs", ["dense", "ranges"])
@pytest.mark.parametrize("batches", [(), (2, 3)], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_gradients(name, batches, pairs, dtype):
    reduction = Genred(CASES[name], ALIASES)
    given = [array.astype(dtype) for array in arrays(batches)]
    mask, ranges = np.ones((M, N)), None
    if pairs == "ranges":
        of_rows = COVERING if name == "log_sum_exp_in_parameter" else TRIPLE_I
        ranges = of_rows + TRIPLE_J
        mask = mask_of(of_rows, (M, N)) if reduction.axis == 1 else mask_of(TRIPLE_J, (N, M)).T
    expected = []
    for index in itertools.product(*map(range, batches)):
        own = [np.broadcast_to(array, batches + array.shape[-ndim:])[index].astype(np.float64)
               for array, ndim in zip(given, (2, 2, 2, 2, 1, 2, 2))]
        expected.append(getattr(Dense(*own, mask), name)())
    expected = np.stack(expected).reshape(batches + expected[0].shape)
    found = reduction(*given, ranges=ranges)
    assert found.dtype == dtype and found.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
    out = np.full_like(found, np.nan)
    assert reduction(*given, ranges=ranges, out=out) is out
    np.testing.assert_array_equal(out, found)


def test_tangent_and_adjoint():
    """<J v, r> = <v, J^T r> for the K smallest."""
    x, y, b, e, s, u, r = arrays()
    v = draw(7, N, D)
    values = f"KMin_Reduction(SqDist(x,y),{K},0)"
    tangent = Genred(f"Diff({values},y,v)", ALIASES + [f"v = Vj({D})"])(x, y, b, e, s, u, r, v)
    assert tangent.shape == (M, K)
    gradient = Genred(f"Grad({values},y,r)", ALIASES)(x, y, b, e, s, u, r)
    np.testing.assert_allclose((tangent * r).sum(), (v * gradient).sum(), rtol=1e-12)


def test_second_derivative_of_an_extremum():
    """The gradient of min_j |x-y|^2 in x is 2 (x - y*), whose transposed derivative in y is -2."""
    x, y, b, e, s, u, r = arrays()
    found = Genred("Grad(Grad(Min_Reduction(SqDist(x,y),0),x,e),y,u)", ALIASES)(x, y, b, e, s, u, r)
    expected = np.zeros_like(y)
    np.add.at(expected, ((x[:, None] - y[None])**2).sum(-1).argmin(1), -2 * e * u)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_formula_of_pairs_with_a_reduction_in_it():
    """What is left of both indices is reduced as the program says."""
    x, y, b, e, s, u, r = arrays()
    shares = Genred("(x|y)/Sum_Reduction(SqNorm2(x-y),0)", ALIASES, reduction_op="Max", axis=0)(x, y, b, e, s, u, r)
    squared = ((x[:, None] - y[None])**2).sum(-1)
    np.testing.assert_allclose(shares, (x @ y.T / squared.sum(1, keepdims=True)).max(0)[:, None], rtol=1e-12)


def test_ties_and_what_is_not_found():
    x = np.zeros((2, 1))
    y = np.array([[1.0], [-1.0], [1.0], [np.nan]])
    e = np.array([[1.0], [10.0]])
    aliases = ["x = Vi(1)", "y = Vj(1)", "e = Vi(1)"]
    gradient = Genred("Grad(Max_Reduction(y+x,0),y,e)", aliases)
    np.testing.assert_array_equal(gradient(x, y, e), [[11.0], [0], [0], [0]])
    np.testing.assert_array_equal(gradient(x, np.full((2, 1), np.nan), e), np.zeros((2, 1)))
    assert gradient(x, np.zeros((0, 1)), e).shape == (0, 1)
    np.testing.assert_array_equal(Genred("Grad(Max_Reduction(y+x,0),x,e)", aliases)(x, np.zeros((0, 1)), e), x)
    # Ranks beyond the last column have no part in it.
    ranks = Genred("Grad(KMin_Reduction(y+x,3,0),y,e)", ["x = Vi(1)", "y = Vj(1)", "e = Vi(3)"])
    np.testing.assert_array_equal(ranks(x, y[:2], np.array([[1.0, 2, 4], [8, 16, 32]])), [[18.0], [9]])


@pytest.mark.parametrize("rows, columns", [(1, 20000), (20000, 1), (3, 5000)])
def test_few_rows(rows, columns):
    """Sizes that want columns, or rows, on lanes in some passes."""
    x, y, e = draw(0, rows, 2), draw(1, columns, 2), draw(2, rows, 1)
    aliases = ["x = Vi(2)", "y = Vj(2)", "e = Vi(1)", "s = Pm(1)"]
    s = np.array([0.7])
    exponent = x @ y.T * s
    weights = np.exp(exponent - exponent.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    found = Genred("Grad(LogSumExp_Reduction((x|y)*s,0),y,e)", aliases)(x, y, e, s)
    np.testing.assert_allclose(found, weights.T @ (x * e) * s, rtol=1e-10, atol=1e-13)
    found = Genred("Grad(LogSumExp_Reduction((x|y)*s,0),s,e)", aliases)(x, y, e, s)
    np.testing.assert_allclose(found, [(weights * (x @ y.T) * e).sum()], rtol=1e-10)


def test_a_formula_that_is_a_reduction():
    x, y = draw(0, 4, 2), draw(1, 5, 2)
    aliases = ["x = Vi(2)", "y = Vj(2)"]
    values, places = Genred("KMin_ArgKMin_Reduction(SqDist(x,y),2,0)", aliases)(x, y)
    expected = Genred("SqDist(x,y)", aliases, reduction_op="KMin_ArgKMin", axis=1, opt_arg=2)(x, y)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(places, expected[1])
    assert Genred("Sum_Reduction(x*y,1)", aliases).axis == 0
    with pytest.raises(ValueError, match="reduction_op: expected none, as the formula is a reduction itself, got 'Min'"):
        Genred("Sum_Reduction(x*y,0)", aliases, reduction_op="Min")


def test_a_cotangent_that_is_left_out():
    x, y, b, e, s, u, r = arrays()
    found = Genred(f"Grad({LSE},y)", ALIASES)(x, y, b, e, s, u, r, e)
    np.testing.assert_array_equal(found, Genred(f"Grad({LSE},y,e)", ALIASES)(x, y, b, e, s, u, r))


def test_an_argument_that_lies_anywhere():
    """Strided and broadcast arguments, that temporaries stand beside."""
    given = arrays()
    expected = Genred(CASES["k_min_in_y"], ALIASES)(*given)
    strided = [np.asfortranarray(array) if array.ndim == 2 else array for array in given]
    np.testing.assert_array_equal(Genred(CASES["k_min_in_y"], ALIASES)(*strided), expected)
