# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What LazyTensors, linear systems and clusters refuse: the exception, and that its sentence names the culprit, what was
expected and what came."""

import numpy as np
import pytest

import keops
from keops.numpy import ComplexLazyTensor, KernelSolve, LazyTensor, Pm, Vi, Vj, cluster

X, Y, B = np.ones((6, 3)), np.ones((5, 3)), np.ones((5, 2))
ROWS = np.array([[0, 3], [3, 6]])
COLUMNS = np.array([[0, 2], [2, 5]])
RANGES = cluster.from_matrix(ROWS, COLUMNS, np.eye(2))


def names():
    x, y = Vi(X), Vj(Y)
    return dict(globals(), x=x, y=y, xy=x | y, late=(x | y).sum(axis=1, call=False), s=Vi(0, 3), t=Vj(1, 3))


# What stands between ".*" must be in the message, in that order.
NONSENSE = {
    # Construction.
    "LazyTensor(X)": (ValueError, "axis: expected 0 .* (6, 3), got None"),
    "LazyTensor(X[0], axis=0)": (ValueError, "x: expected an array of shape (M, D) .* got shape (3,)"),
    "LazyTensor(X[:, None], axis=0)": (ValueError, "axis: expected None .* (6, 1, 3).* got 0"),
    "LazyTensor(X, axis=3)": (ValueError, "axis: expected 0 .* got 3"),
    "LazyTensor(np.ones((4, 5, 3)))": (ValueError, "x: expected an array of shape (..., M, 1, D) .* got shape (4, 5, 3)"),
    "LazyTensor(np.ones((4, 1, 0)))": (ValueError, "at least one component .* (4, 1, 0)"),
    "LazyTensor(X.astype(int), axis=0)": (TypeError, "x: expected an array of float16.* got int64"),
    "LazyTensor(X.astype('>f8'), axis=0)": (TypeError, "x: expected an array of float16.* got >f8"),
    "LazyTensor('x')": (TypeError, "x: expected a NumPy array, a number.* got str"),
    "LazyTensor(True)": (TypeError, "x: expected a NumPy array, a number.* got bool"),
    "LazyTensor([])": (TypeError, "x: expected a NumPy array, a number.* got []"),
    "LazyTensor([1, 'a'])": (TypeError, "x: expected a NumPy array, a number.* got [1, 'a']"),
    "LazyTensor([1.], axis=0)": (ValueError, "axis: expected None or 2 .* got 0"),
    "LazyTensor((0, 3))": (ValueError, "x: expected (index, dimension, category) .* got (0, 3)"),
    "LazyTensor((0, 3, 0), axis=0)": (ValueError, "axis: expected None.* got 0"),
    "LazyTensor((0, 3, 4))": (ValueError, "x: expected category 0 .* got 4"),
    "LazyTensor((-1, 3, 0))": (ValueError, "x: expected an index of at least 0 .* got (-1, 3, 0)"),
    "LazyTensor((0, 0, 0))": (ValueError, "x: expected .* dimension of at least 1, got (0, 0, 0)"),
    "ComplexLazyTensor(X, axis=0)": (TypeError, "x: expected an array of complex numbers, got float64.* real2complex"),
    "Vi(X[0])": (ValueError, "x: expected an array of shape (M, D) .* got shape (3,)"),
    "Vi(np.ma.masked_array(X, X > 0))": (TypeError, "masked array"),
    "Vi(X.tolist())": (TypeError, "x: expected a NumPy array, a number"),
    # Operands that do not fit.
    "Vi(X, 3)": (ValueError, "x: expected (index, dimension, category) as three integers, got (ndarray, 3, 0)"),
    "x + Vi(X[:4])": (ValueError, "Incompatible values for attribute ni: 6 and 4; expected .* all arrays of i have as many rows"),
    "y * Vj(Y[:4])": (ValueError, "Incompatible values for attribute nj: 5 and 4"),
    "x + y.sum() + Vj(Y.astype('float32'))": (ValueError, "Incompatible values for attribute dtype: 'float64' and 'float32'"),
    "x + Vj(Y[:, :2].copy())": (ValueError, "Add: dimensions are not compatible: 3 and 2"),
    "x + [1., 2.]": (ValueError, "Add: dimensions are not compatible: 3 and 2"),
    "LazyTensor(np.ones((2, 6, 1, 3))) * LazyTensor(np.ones((3, 1, 5, 3)))":
        (ValueError, "batch dimensions: expected sizes that are equal or 1, got (2,) and (3,)"),
    "x + X": (ValueError, "axis: expected 0 .* (6, 3)"),
    "x + 'a'": (TypeError, "unsupported operand"),
    "x + None": (TypeError, "unsupported operand"),
    "x * True": (TypeError, "unsupported operand"),
    "x == 'a'": (TypeError, "expected a LazyTensor, an array or a number to compare with, got str"),
    "x | x[:2]": (ValueError, "|: expected vectors of one dimension, got 3 and 2"),
    "x / 0": (ZeroDivisionError, "divisor other than the number 0"),
    "x ** 'a'": (ValueError, "exponent: expected a number, a LazyTensor or a vector, got 'a'"),
    "x ** [1., 2.]": (ValueError, "exponent: expected a vector of dimension 1 or 3, got 2"),
    "s + Vi(0, 2)": (ValueError, "variable 0: expected Vi(0,3) .* got Vi(0,2)"),
    "s + Vj(0, 3)": (ValueError, "variable 0: expected Vi(0,3) .* got Vj(0,3)"),
    # Methods.
    "x[3]": (IndexError, "index: expected -3 to 2 .* got 3"),
    "x[-4]": (IndexError, "index: expected -3 to 2 .* got -4"),
    "x[0:3:2]": (ValueError, "slice: expected step 1, got 2"),
    "x[2:2]": (ValueError, "slice: expected at least one of the 3 components, got 2:2"),
    "x[0, :, :]": (ValueError, "index: expected ':' for axis 0.* got 0"),
    "x[:, :, :, 0]": (IndexError, "index: expected at most 3 axes, got 4"),
    "x[..., ...]": (IndexError, "at most one '...'"),
    "x['a']": (TypeError, "index: expected an integer, got 'a'"),
    "x[True]": (TypeError, "index: expected an integer, got True"),
    "x.extract(2, 2)": (ValueError, "expected a part of the 3 components, got 2 components from 2 on"),
    "x.norm(0)": (ValueError, "dim: expected -1 or 2.* got 0"),
    "x.one_hot(3)": (ValueError, "one_hot: expected a LazyTensor of one component, got 3"),
    "x[0].one_hot(2.5)": (TypeError, "D: expected an integer, got 2.5"),
    "x.round(0.5)": (TypeError, "decimals: expected an integer, got 0.5"),
    "x.weightedsqnorm([1., 2.])": (ValueError, "other: expected weights of dimension 1, 3 or 9 .* got 2"),
    "x.matvecmult(x[:2])": (ValueError, "MatVecMult expects .* got dimensions 3 and 2"),
    "LazyTensor.cat([x, x], -1)": (ValueError, "tuple_of_lt: expected a tuple of LazyTensors, got list"),
    "LazyTensor.cat((x, x), 1)": (ValueError, "axis: expected -1 or 2.* got 1"),
    "LazyTensor.cat((), -1)": (ValueError, "tuple_of_lt: expected at least one LazyTensor, got none"),
    "x.apply('Exq')": (ValueError, "name: expected an operation of the formula language.* got 'Exq'"),
    "x.apply('Pow')": (ValueError, "Pow takes 2 arguments .* got 1"),
    "x.unary('Exp', dimres=2)": (ValueError, "dimres: expected 3, .* got 2"),
    "x.binary(xy, 'Add', dimcheck='same')": (ValueError, "Add: expected vectors of one dimension, got 3 and 1"),
    "x.binary(x, '@', is_operator=True)": (ValueError, "operation: expected an operator, .* got '@'"),
    "x.binary(x, 'Add', opt_pos='first')": (ValueError, "opt_pos: expected 'last', got 'first'"),
    "x.binary(x, 'Add', dimcheck='any')": (ValueError, "dimcheck: expected .* got 'any'"),
    "x.keops_tensordot(x, 3, (3,), (0,), (0,))": (ValueError, "argument 3 of TensorDot is a list of integers, got '3'"),
    "x.grad(x + 1, x)": (ValueError, "other: expected a LazyTensor that is one variable, got a formula"),
    "x.grad(X, x)": (ValueError, "other: expected a LazyTensor that is one variable, got ndarray"),
    "xy.grad(x, x)": (ValueError, "gradin: expected a vector of dimension 1.* got 3"),
    "xy.diff(x, xy)": (ValueError, "diffin: expected a vector of dimension 3.* got 1"),
    "xy.divergence(x)": (ValueError, "var: expected a variable of dimension 1.* got 3"),
    "x.laplacian(x)": (ValueError, "laplacian: expected a formula of one component, got 3"),
    "(x * x.exp()).trace_operator(x).sum(axis=0)": (ValueError, "linear"),
    "x @ B": (ValueError, "@: expected a LazyTensor of one component, got 3"),
    "xy @ 3": (TypeError, "@: expected a NumPy array on the right, got int"),
    "xy @ y": (TypeError, "@: expected a NumPy array on the right, got LazyTensor"),
    "xy @ B[:4]": (ValueError, "Incompatible values for attribute nj: 5 and 4"),
    "xy @ B.astype(int)": (TypeError, "expected an array of float16.* got int64"),
    "xy @ B.astype('float32')": (ValueError, "attribute dtype: 'float64' and 'float32'"),
    # Reductions.
    "xy.sum(axis=3)": (ValueError, "axis: expected 0 (reduce i) or 1 (reduce j), got 3"),
    "xy.logsumexp()": (TypeError, "axis: expected 0 (reduce i) or 1 (reduce j), got None"),
    "xy.reduction('Sun', axis=1)": (ValueError, "reduction_op: expected one of .* got 'Sun'"),
    "xy.reduction('KMin', axis=1)": (TypeError, "opt_arg: expected the integer K of KMin, got None"),
    "xy.Kmin(0, axis=1)": (ValueError, "opt_arg: expected K >= 1"),
    "xy.Kmin(2.5, axis=1)": (TypeError, "opt_arg: expected the integer K"),
    "x.logsumexp(axis=1)": (ValueError, "LogSumExp .* 1"),
    "xy.sumsoftmaxweight(None, axis=1)": (ValueError, "formula2: expected a weight formula"),
    "xy.sum(axis=1, bakend='CPU')": (TypeError, "unexpected option 'bakend': expected one of .*backend"),
    "xy.sum(axis=1, backend='GPU', device_id='0')": (TypeError, "device_id: expected the number of a GPU.*, got '0'"),
    "xy.sum(axis=1, precision='half')": (ValueError, "precision: expected 'exact' or 'fast', got 'half'"),
    "xy.sum(axis=1, dtype_acc=['float64'])": (ValueError, "dtype_acc: expected .* got ['float64']"),
    "xy.sum(axis=1, backend='CPUs')": (ValueError, "backend: expected one of .* got 'CPUs'"),
    "xy.sum(axis=1, dtype_acc='float32')": (ValueError, "dtype_acc: expected 'auto'.* float64.* got 'float32'"),
    "xy.min(axis=1, sum_scheme='kahan_scheme')": (ValueError, "sum_scheme: expected"),
    "xy.sum(axis=1, out=np.empty((6, 2)))": (ValueError, "out: expected an array of shape (6, 1), got shape (6, 2)"),
    "xy.sum(axis=1, out=np.empty((6, 1), 'float32'))": (TypeError, "out: expected dtype float64, got float32"),
    "xy.sum(axis=1, ranges=RANGES[:3])": (ValueError, "ranges: expected a tuple of the six arrays .* got 3 entries"),
    "xy.sum(axis=1, ranges=(ROWS + 1,) + RANGES[1:])": (ValueError, "ranges_i.* 6.* got [4, 7)"),
    "xy.sum(axis=1, ranges=RANGES[:1] + (np.array([2, 1]),) + RANGES[2:])": (ValueError, "slices_i"),
    "xy.min(axis=1, ranges=RANGES[:2] + (COLUMNS + 9,) + RANGES[3:])": (ValueError, "redranges_j[0]: expected .* got [9, 11)"),
    "late + 1": (ValueError, "reduced already"),
    "late.sum(axis=1)": (ValueError, "reduced already"),
    "x * late": (ValueError, "reduced already"),
    "late.exp()": (ValueError, "reduced already"),
    "late(X)": (ValueError, "expected 0 arrays, got 1"),
    "xy()": (ValueError, "expected a reduced LazyTensor"),
    "(s | t).sum(axis=1)(X)": (ValueError, "expected 2 arrays for Vi(3), Vj(3), got 1"),
    "(s | t).sum(axis=1)(X, Y[:, :2])": (ValueError, "argument 1 .* expected an array of shape (N, 3), got shape (5, 2)"),
    "(s | t).sum(axis=1)(X, Y.astype('float32'))": (TypeError, "argument 1 .* float64 .* got float32"),
    "(s | t).sum(axis=1)(X, Y.astype(int))": (TypeError, "argument 1 .* got int64"),
    "(s | t).sum(axis=1)(X, 'Y')": (TypeError, "argument 1: expected a NumPy array, got str"),
    "(s | y).sum(axis=1)(X[:, 0])": (ValueError, "argument 0"),
    "(x * np.ones((1, 5, 3), 'float32'))": (ValueError, "attribute dtype: 'float64' and 'float32'"),
    # Linear systems.
    "x.solve(X)": (ValueError, "solve: expected a kernel of one component, or var, got 3"),
    "xy.solve(X[:, 0])": (ValueError, "other: expected an array of shape (..., M, E) .* got shape (6,)"),
    "xy.solve('b')": (ValueError, "other: expected an array .* got str"),
    "xy.solve(x + 1)": (ValueError, "other: expected a LazyTensor that is one variable"),
    "xy.solve(Pm(X[0]))": (ValueError, "other: expected a variable of i or j, got a parameter"),
    "xy.solve(X)": (ValueError, "Incompatible values for attribute nj: 5 and 6"),
    "(s | t).solve(X)": (ValueError, "other: expected a symbolic variable"),
    "xy.solve(X, var=x)": (ValueError, "var: expected a symbolic variable of the formula"),
    "(xy * t).solve(X[:, :2].copy(), var=t)": (ValueError, "var: expected Vj(2), as other says, got Vj(1,3)"),
    "xy.solve(X, beta=2)": (TypeError, "unexpected option 'beta'"),
    "KernelSolve('(x|y)*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vj(1)'], 'b', axis=1)":
        (ValueError, "varinvalias: expected one of the arguments .* got 'b'"),
    "KernelSolve('(x|y)*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vj(1)'], 2, axis=1)":
        (TypeError, "varinvalias: expected the name of an alias, got 2"),
    "KernelSolve('(x|y)*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vj(1)'], 'a', axis=1)(X, Y, Y[:, :1])":
        (ValueError, "argument 2 (a): expected an array of the shape of the sum, (6, 1), .* got shape (5, 1)"),
    "KernelSolve('(x|y)*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vj(1)'], 'a', axis=1)(X, X, X[:, :1], alpha='a')":
        (TypeError, "alpha: expected a number, got 'a'"),
    "KernelSolve('(x|y)*a', ['x = Vi(3)', 'y = Vj(3)', 'a = Vj(1)'], 'a', axis=1)(X, X, X[:, :1], eps=-1)":
        (ValueError, "eps: expected a finite number of at least 0, got -1"),
    # Clusters.
    "cluster.grid_cluster(np.ones((3, 4)), 1.)": (NotImplementedError, "x: expected points of at most 3 coordinates, got 4"),
    "cluster.grid_cluster(np.ones((3, 2)), 0)": (ValueError, "size: expected a positive number, got 0"),
    "cluster.grid_cluster(np.ones((3, 2, 1)), 1)": (ValueError, "x: expected an array of shape (M, D), got shape (3, 2, 1)"),
    "cluster.cluster_ranges(np.array([0.5]))": (ValueError, "lab: expected a vector of integers, got .*float64"),
    "cluster.cluster_ranges(np.array([-1]))": (ValueError, "lab: expected labels of at least 0, got -1"),
    "cluster.cluster_centroids(X, np.zeros(5, int))": (ValueError, "lab: expected 6 labels.* got 5"),
    "cluster.from_matrix(ROWS, COLUMNS, np.ones((2, 3)))": (ValueError, "keep: expected shape (2, 2), got (2, 3)"),
    "cluster.from_matrix(ROWS[0], COLUMNS, np.ones((2, 2)))":
        (ValueError, "ranges_i: expected an array of shape (clusters, 2), got shape (2,)"),
}


@pytest.mark.parametrize("expression", NONSENSE)
def test_nonsense_is_refused(expression):
    error, sentence = NONSENSE[expression]
    with pytest.raises(error) as caught:
        eval(expression, names())
    assert type(caught.value) in (error, keops.Error)
    message = " ".join(str(caught.value).split())

    place = 0
    for part in sentence.split(".*"):
        place = message.find(part.strip(), place)
        assert place >= 0, message


def test_other_ranges_do_not_meet():
    x, y = Vi(X), Vi(X)
    x.ranges = RANGES
    y.ranges = (RANGES[0],) + tuple(np.copy(part) + 0 for part in RANGES[1:5]) + (RANGES[5] * 0,)
    with pytest.raises(ValueError, match="attribute ranges"):
        x + y
    x.backend, y.backend, y.ranges = "CPU", "GPU", None
    with pytest.raises(ValueError, match="attribute backend: 'CPU' and 'GPU'"):
        x + y


@pytest.mark.parametrize("ranges, error", [(5, TypeError), (RANGES[:3], ValueError)])
def test_wrong_ranges_of_an_expression(ranges, error):
    lazy = Vi(X) | Vj(Y)
    lazy.ranges = ranges
    for one in (lazy, lazy.T, lazy + 1):
        with pytest.raises(error, match="ranges: expected a tuple of the six arrays"):
            one.sum(axis=1)


def test_nothing_changes_when_refused():
    late = (Vi(0, 3) | Vj(1, 3)).sum(axis=1)
    with pytest.raises(TypeError):
        late(X, "Y")
    np.testing.assert_allclose(late(X, Y), np.full((6, 1), 15.0))
