# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Complex LazyTensors: each operator and method against NumPy in complex128, and what is refused."""

import numpy as np
import pytest

from keops.numpy import ComplexLazyTensor, LazyTensor, Pm, Vi, Vj

M, N, D = 6, 5, 3
RNG = np.random.default_rng(17)


def numbers(*shape):
    return RNG.uniform(0.2, 1, shape) + 1j * RNG.uniform(-1, 1, shape)


Z, W, X, S = numbers(M, D), numbers(N, D), RNG.uniform(0.2, 1, (M, D)), RNG.uniform(0.2, 1, (N, 1))
LAZY = dict(z=LazyTensor(Z[:, None, :]), w=Vj(W), x=Vi(X), s=Vj(S), c=Pm(Z[0, :1].copy()), np=np, LazyTensor=LazyTensor)
DENSE = dict(z=Z[:, None], w=W[None], x=X[:, None], s=S[None], c=Z[0, 0], np=np)

TABLE = {
    "z + w": "z + w", "z - w": "z - w", "z * w": "z * w", "z / w": "z / w", "-z": "-z", "z + x": "z + x",
    "x + z": "z + x", "x - z": "x - z", "z - x": "z - x", "x * w": "x * w", "z * x": "z * x", "x / w": "x / w",
    "z / x": "z / x", "z * s": "z * s", "s * z": "z * s", "z / s": "z / s", "s / z": "s / z", "s + z": "s + z",
    "z + c": "z + c", "z * c": "z * c", "x * c": "x * c", "c / z": "c / z", "x - c": "x - c",
    # Numbers, lists and arrays.
    "z * 2": "z * 2", "2 * z": "z * 2", "z + 1": "z + 1", "1 - z": "1 - z", "z * 1j": "z * 1j", "1j * z": "z * 1j",
    "z + 2.5": "z + 2.5", "z / 2": "z / 2", "z / 2.5": "z / 2.5", "1 / z": "1 / z", "2 / z": "2 / z", "1j / z": "1j / z",
    "z * (2 - 1j)": "z * (2 - 1j)", "z - 1j": "z - 1j", "z * 0": "z * 0", "z + 0": "z", "z * 1": "z",
    "x * 1j": "x * 1j", "x + 1j": "x + 1j", "1j - x": "1j - x", "x * np.complex128(2j)": "x * 2j",
    "z * np.array([1., 2., 3.])": "z * np.array([1., 2., 3.])", "z * np.array([1j, 2., 3.])": "z * np.array([1j, 2., 3.])",
    "np.array([1j, 2., 3.]) * z": "z * np.array([1j, 2., 3.])", "x * np.array([1j, 2., 3.])": "x * np.array([1j, 2., 3.])",
    "z + [1 + 2j, 3 + 4j, 5]": "z + np.array([1 + 2j, 3 + 4j, 5])", "z * np.array(1j)": "z * 1j",
    "LazyTensor([1 + 2j, 3 + 4j, 5j]) * x": "x * np.array([1 + 2j, 3 + 4j, 5j])",
    "z - np.ones((1, 5, 3))": "z - np.ones((1, 5, 3))",
    # Powers and functions.
    "z ** 2": "z ** 2", "z ** 3": "z ** 3", "z ** -1": "1 / z", "z ** 0": "z ** 0", "z ** 0.5": "np.sqrt(z)",
    "z ** 1.5": "z ** 1.5", "z ** w": "z ** w", "z ** s": "z ** s", "x ** w": "x ** w", "2 ** z": "2 ** z",
    "z ** 1j": "z ** 1j", "z.power(2)": "z ** 2", "z.square()": "z ** 2", "z.exp()": "np.exp(z)", "z.log()": "np.log(z)",
    "z.sqrt()": "np.sqrt(z)", "z.rsqrt()": "1 / np.sqrt(z)", "z.conj()": "z.conj()", "z.real": "z.real",
    "z.imag": "z.imag", "z.abs()": "abs(z)", "abs(z - w)": "abs(z - w)", "z.angle()": "np.angle(z)",
    "z.sum()": "z.sum(-1, keepdims=True)", "(z * w).sum(-1)": "(z * w).sum(-1, keepdims=True)",
    "z.sqnorm2()": "(abs(z) ** 2).sum(-1, keepdims=True)", "z.norm2()": "np.sqrt((abs(z) ** 2).sum(-1, keepdims=True))",
    "z.norm(-1)": "np.sqrt((abs(z) ** 2).sum(-1, keepdims=True))",
    "z.normalize()": "z / np.sqrt((abs(z) ** 2).sum(-1, keepdims=True))",
    "z[0]": "z[..., :1]", "z[-1]": "z[..., -1:]", "z[1:]": "z[..., 1:]", "z[..., 1]": "z[..., 1:2]",
    "z.elem(2)": "z[..., 2:]", "z.extract(1, 2)": "z[..., 1:3]",
    "z.concat(w)": "np.concatenate([z + 0 * w, w + 0 * z], -1)", "z.concat(x)": "np.concatenate([z, x], -1)",
    "z.unary('ComplexExp')": "np.exp(z)", "z.unary('ComplexAbs', is_complex=False)": "abs(z)",
    "x.unary('ComplexExp1j', is_complex=True)": "np.exp(1j * x)",
    # From real ones.
    "x.real2complex()": "x + 0j", "x.imag2complex()": "1j * x", "x.exp1j()": "np.exp(1j * x)",
    "(x.exp1j() * w).real": "(np.exp(1j * x) * w).real", "x.exp1j().angle()": "x",
}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("expression", TABLE)
def test_value(expression, axis):
    lazy, expected = eval(expression, dict(LAZY)), np.asarray(eval(TABLE[expression], dict(DENSE)))
    rows, columns = lazy._shape[-3:-1]
    expected = np.broadcast_to(expected, (rows, columns, expected.shape[-1]))
    assert lazy.is_complex == np.iscomplexobj(expected)
    assert isinstance(lazy, ComplexLazyTensor) == lazy.is_complex
    assert lazy.shape == (rows, columns, *([expected.shape[-1]] if expected.shape[-1] > 1 else []))
    assert lazy.dtype == str(expected.dtype)
    # What an expression does not depend on is not there to be summed.
    found = lazy.sum(axis=axis)
    expected = expected.sum(axis)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_what_it_is():
    z = ComplexLazyTensor(Z[:, None, :])
    assert z.is_complex and z.ndim == 2 * D and z.shape == (M, 1, D) and z._shape == (M, 1, 2 * D)
    assert z.dtype == "complex128" and ComplexLazyTensor(Z.astype("complex64"), axis=0).dtype == "complex64"
    assert LazyTensor(2j).is_complex and LazyTensor(2, is_complex=True).is_complex
    assert not LazyTensor(2.0).is_complex


def test_single_precision():
    z = LazyTensor(Z[:, None, :].astype("complex64"))
    found = (z * 2j + 1).sum(axis=0)
    assert found.dtype == "complex64"
    np.testing.assert_allclose(found, (Z * 2j + 1).sum(0, keepdims=True), rtol=1e-5)


def test_batches():
    z, w = numbers(2, M, 1, D), numbers(2, 1, N, D)
    np.testing.assert_allclose((LazyTensor(z) * LazyTensor(w)).sum(axis=2), (z * w).sum(2), rtol=1e-12)


def test_late_calls():
    late = (LAZY["z"] * LAZY["w"]).sum(axis=1, call=False)
    np.testing.assert_allclose(late(), (Z[:, None] * W).sum(1), rtol=1e-12)


def test_symbolic_variables_of_both_types():
    late = (LazyTensor((0, D, 0), is_complex=True) * Vj(1, D)).sum(axis=1)
    assert late.is_complex and late.symbolic_variables == ((0, 2 * D, 0), (1, D, 1))
    real = RNG.uniform(-1, 1, (N, D))
    for dtype, tolerance in (("complex64", 1e-5), ("complex128", 1e-12)):
        found = late(Z.astype(dtype), real.astype("float32" if dtype == "complex64" else "float64"))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, (Z[:, None] * real).sum(1), rtol=tolerance, atol=tolerance)
    assert "pairs/s" in late.explain(dtype="float32")


def test_half_precision_has_no_complex_numbers():
    with pytest.raises(TypeError, match="float32 or float64.*got float16"):
        (Vi(X.astype("float16")) * 1j).sum(axis=0)


REFUSED = ["z.relu()", "z.sign()", "z.real2complex()", "z.imag2complex()", "z.exp1j()", "z.atan()", "z.step()", "z | z",
           "z == w", "z < w", "z.argmin()", "z.max(axis=1)", "z.logsumexp(axis=1)", "z.sqdist(w)", "z.round()",
           "z.keops_tensordot(w, (3,), (3,), (0,), (0,))", "x.sqdist(z)", "z.one_hot(3)", "z.clamp(0, 1)", "z % 2",
           "z.tensorprod(w)", "x | z", "(x | x).logsumexp(axis=1, weight=w)", "(x | x).solve(z)", "z[0].solve(x)"]


@pytest.mark.parametrize("expression", REFUSED)
def test_what_is_for_real_ones(expression):
    with pytest.raises(ValueError, match="real"):
        eval(expression, dict(LAZY))
