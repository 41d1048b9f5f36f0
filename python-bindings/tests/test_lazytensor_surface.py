# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the construction of LazyTensors gives, arrays of other libraries, and how LazyTensors show themselves."""

import copy
import pickle
import re

import numpy as np
import pytest

from keops.numpy import ComplexLazyTensor, Genred, LazyTensor, Pm, Var, Vi, Vj

M, N, D = 6, 5, 3
RNG = np.random.default_rng(19)
X, Y = RNG.uniform(-1, 1, (M, D)), RNG.uniform(-1, 1, (N, D))


def test_star_import_works():
    names = {}
    exec("from keops.numpy import *", names)
    assert {"Genred", "LazyTensor", "Vi", "Vj", "Pm", "KernelSolve"} <= set(names)
    from keops.numpy import RadialKernelConv, RadialKernelGrad1conv  # noqa: F401  # by name only


# --- Construction -----------------------------------------------------------------------------------------------------


def described(lazy):
    variable = lazy._operands.variables[0] if lazy._operands.variables else None
    return None if variable is None else variable.cat, lazy._shape, lazy.dtype, type(lazy)


F64, C128 = "float64", "complex128"
CONSTRUCTION = {
    "int": (lambda: LazyTensor(3), (None, (1, 1, 1), None, LazyTensor)),
    "NumPy integer": (lambda: LazyTensor(np.int64(3)), (None, (1, 1, 1), None, LazyTensor)),
    "float": (lambda: LazyTensor(3.5), (2, (1, 1, 1), None, LazyTensor)),
    "NumPy float": (lambda: LazyTensor(np.float32(3.5)), (2, (1, 1, 1), None, LazyTensor)),
    "complex": (lambda: LazyTensor(3j), (2, (1, 1, 2), None, ComplexLazyTensor)),
    "list": (lambda: LazyTensor([1, 2.5, 3]), (2, (1, 1, 3), None, LazyTensor)),
    "list, axis 2": (lambda: LazyTensor([1, 2, 3], axis=2), (2, (1, 1, 3), None, LazyTensor)),
    "complex list": (lambda: LazyTensor([1, 2j]), (2, (1, 1, 4), None, ComplexLazyTensor)),
    "0-D": (lambda: LazyTensor(np.array(2.0)), (2, (1, 1, 1), F64, LazyTensor)),
    "1-D": (lambda: LazyTensor(X[0]), (2, (1, 1, D), F64, LazyTensor)),
    "1-D, axis 2": (lambda: LazyTensor(X[0], axis=2), (2, (1, 1, D), F64, LazyTensor)),
    "2-D, axis 0": (lambda: LazyTensor(X, axis=0), (0, (M, 1, D), F64, LazyTensor)),
    "2-D, axis 1": (lambda: LazyTensor(Y, axis=1), (1, (1, N, D), F64, LazyTensor)),
    "2-D, axis 2": (lambda: LazyTensor(X, axis=2), (2, (M, 1, 1, D), F64, LazyTensor)),
    "i": (lambda: LazyTensor(X[:, None, :]), (0, (M, 1, D), F64, LazyTensor)),
    "j": (lambda: LazyTensor(Y[None, :, :]), (1, (1, N, D), F64, LazyTensor)),
    "parameter": (lambda: LazyTensor(X[:1, None, :]), (2, (1, 1, D), F64, LazyTensor)),
    "batch of i": (lambda: LazyTensor(np.ones((4, M, 1, D))), (0, (4, M, 1, D), F64, LazyTensor)),
    "batch of j": (lambda: LazyTensor(np.ones((2, 4, 1, N, D))), (1, (2, 4, 1, N, D), F64, LazyTensor)),
    "complex array": (lambda: LazyTensor(X[:, None, :] * 1j), (0, (M, 1, 2 * D), C128, ComplexLazyTensor)),
    "single": (lambda: LazyTensor(X[:, None, :].astype("float32")), (0, (M, 1, D), "float32", LazyTensor)),
    "half": (lambda: LazyTensor(X[:, None, :].astype("float16")), (0, (M, 1, D), "float16", LazyTensor)),
    "symbol": (lambda: LazyTensor((2, D, 1)), (1, (1, 1, D), None, LazyTensor)),
    "Vi": (lambda: Vi(X), (0, (M, 1, D), F64, LazyTensor)),
    "Vj": (lambda: Vj(Y), (1, (1, N, D), F64, LazyTensor)),
    "Pm": (lambda: Pm(X[0]), (2, (1, 1, D), F64, LazyTensor)),
    "Pm of a number": (lambda: Pm(2.0), (2, (1, 1, 1), None, LazyTensor)),
    "Vi symbol": (lambda: Vi(0, D), (0, (1, 1, D), None, LazyTensor)),
    "Vj symbol": (lambda: Vj(0, D), (1, (1, 1, D), None, LazyTensor)),
    "Pm symbol": (lambda: Pm(0, D), (2, (1, 1, D), None, LazyTensor)),
    "Var symbol": (lambda: Var(0, D, 1), (1, (1, 1, D), None, LazyTensor)),
    "Var array": (lambda: Var(X, 0), (0, (M, 1, D), F64, LazyTensor)),
    "memory": (lambda: LazyTensor(memoryview(X[0])), (2, (1, 1, D), F64, LazyTensor)),
}


@pytest.mark.parametrize("case", CONSTRUCTION)
def test_construction(case):
    make, expected = CONSTRUCTION[case]
    assert described(make()) == expected


def test_arrays_are_held_not_copied():
    x = X.copy()
    lazy = Vi(x) + 0.0
    x[0] = 5
    assert (lazy.sum(axis=1)[0] == 5).all()
    assert np.shares_memory(LazyTensor(x[:, None, :]).variables[0], x)


def test_attributes():
    lazy = Vi(X) - Vj(Y)
    assert (lazy.ni, lazy.nj, lazy.ndim, lazy.dim(), lazy.nbatchdims, lazy.batchdims) == (M, N, D, 3, 0, None)
    assert lazy.shape == lazy._shape == (M, N, D) and lazy.sum().shape == (M, N) and lazy.sum()._shape == (M, N, 1)
    assert lazy.ranges is None and lazy.backend is None and lazy.axis is None and Vj(Y).axis == 1
    assert Vi(X).nj is None and Vj(Y).ni is None
    with pytest.raises(TypeError):
        hash(lazy)
    with pytest.raises(TypeError):
        len(lazy)


# --- Other arrays -----------------------------------------------------------------------------------------------------


class Foreign:
    """An array of another library."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        if self.device != (1, 0):
            raise BufferError("the memory belongs to a device")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


def test_arrays_of_other_libraries():
    expected = (X[:, None] * Y[None]).sum(1)
    for wrap in (Foreign, memoryview):
        x, y = wrap(X), wrap(Y)
        np.testing.assert_allclose((Vi(x) * Vj(y)).sum(axis=1), expected, rtol=1e-13)
        np.testing.assert_allclose(Genred("x*y", ["x = Vi(3)", "y = Vj(3)"], axis=1)(x, y), expected, rtol=1e-13)


def test_other_numbers_of_other_libraries_are_refused():
    whole = Foreign(X.astype("int32"))
    with pytest.raises(TypeError, match="argument 0.*: expected dtype float16, .* got int32"):
        Genred("x", ["x = Vi(3)"], axis=1)(whole)
    with pytest.raises(TypeError, match="x: expected an array of float16, .* got int32"):
        Vi(whole)


def test_memory_elsewhere_is_refused():
    gpu = Foreign(X, device=(2, 0))
    with pytest.raises(TypeError, match="argument 0.*Foreign.*belongs to a device"):
        Genred("x", ["x = Vi(3)"], axis=1)(gpu)
    with pytest.raises(TypeError, match="Foreign.*belongs to a device"):
        Vi(gpu)


# --- Copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda lazy: pickle.loads(pickle.dumps(lazy))])
def test_copies(duplicate):
    x, y = Vi(X), Vj(Y)
    lazy = duplicate((x - y) ** 2 * 0.5)
    np.testing.assert_allclose(lazy.sum(axis=1), (0.5 * (X[:, None] - Y) ** 2).sum(1))
    np.testing.assert_allclose((lazy + duplicate(x)).sum(axis=0), (0.5 * (X[:, None] - Y) ** 2 + X[:, None]).sum(0))
    late = duplicate((x | Vj(0, D)).sum(axis=1))
    np.testing.assert_allclose(late(Y), (X @ Y.T).sum(1)[:, None])


# --- Display ----------------------------------------------------------------------------------------------------------


def test_display():
    kernel = (-((Vi(X) - Vj(Y)) ** 2).sum(-1) / 2.5).exp()
    assert repr(kernel) == "LazyTensor(Exp(-Sum((x_i-y_j)**2)/p), shape=(6, 5), dtype=float64)"
    text = str(kernel)
    for part in ("Exp(-Sum((x_i-y_j)**2)/p)", "Vi(3), array of shape (6, 3)", "p = 2.5", "shape: (6, 5)", "dtype: float64"):
        assert part in text
    late = (Vi(0, D) | Vj(Y)).logsumexp(axis=1, weight=Vj(1, D))
    assert "LogSumExp over j of x_i|y0_j with weights y1_j" in repr(late)
    assert "an argument of the call" in str(late)
    shown = kernel._repr_html_()
    assert "exp(&minus;sum((<i>x</i><sub>i</sub>&minus;<i>y</i><sub>j</sub>)<sup>2</sup>)/<i>p</i>), shape (6, 5), dtype float64" in shown
    assert "<i>x</i><sub>i</sub> = Vi(3), array of shape (6, 3)" in shown and "&lt;" in (Vi(X) < Vj(Y))._repr_html_()
    assert repr(Vi(X) * 1j).startswith("ComplexLazyTensor(")
    assert repr(Vi(X) + Vi(X + 1)) == "LazyTensor(x0_i+x1_i, shape=(6, 1, 3), dtype=float64)"


def test_what_the_compiler_says():
    kernel = (-((Vi(X.astype("float32")) - Vj(Y.astype("float32"))) ** 2).sum(-1)).exp()
    assert "pairs/s" in kernel.explain() and re.search(r"^30 pairs: at least \S+ s on one core$", kernel.explain(), re.M)
    assert "30 pairs" not in (Vi(0, D) | Vj(Y)).explain()
    square = Vi(X) | Vj(X)
    assert "schedule" in square.solve(X, call=False).explain()
    assert "keops.formula @formula" in kernel.mlir()
    assert "keops.kernel" in kernel.mlir("tiled") and "define" in kernel.mlir("llvmir")
    assert "float" in kernel.mlir("llvmir") and "f64" in kernel.mlir(dtype="float64")
    assert re.search(r"^\s+\w+", kernel.asm(), re.M) and kernel.asm() != kernel.asm(axis=0)
    assert "keops.reduce #keops.logsumexp" in kernel.logsumexp(axis=1, call=False).mlir()
    with pytest.raises(ValueError, match="tiled.*got 'tilde'"):
        kernel.mlir("tilde")
    with pytest.raises(ValueError, match="dtype"):
        Vi(0, 3).explain()
