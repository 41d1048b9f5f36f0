# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every public name of keops.numpy and keops.torch: its signature, and what it computes, compared with dense NumPy in
float64. Names that are in no table fail."""

import inspect

import numpy as np
import pytest

import surface
import surface_functions
import surface_lazytensor

try:
    import torch  # noqa: F401
    FRONTS = ["numpy", "torch"]
except ImportError:
    FRONTS = ["numpy"]
CACHE = {}


def front_of(name):
    if name not in CACHE:
        CACHE[name] = surface.Front(name)
    return CACHE[name]


def owners(front):
    """What has public names, and the rows of each."""
    module = front_of(front).module
    own = {"numpy": [], "torch": surface_functions.TORCH}[front]
    yield module, surface_functions.MODULE + own
    yield module.cluster, surface_functions.CLUSTER
    yield module.LazyTensor, surface_lazytensor.LAZYTENSOR
    yield module.ComplexLazyTensor, surface_lazytensor.COMPLEX
    yield module.Genred, surface_functions.GENRED
    yield module.KernelSolve, surface_functions.KERNEL_SOLVE
    if front == "numpy":
        yield module.RadialKernelConv, surface_functions.RADIAL_CONV
        yield module.RadialKernelGrad1conv, surface_functions.RADIAL_GRADIENT
    else:
        yield module.Kernel, surface_functions.KERNELS


def of_front(entry, front):
    return entry[front] if isinstance(entry, dict) and front in entry else entry


ROWS = [(front, owner, *row) for front in FRONTS for owner, rows in owners(front) for row in rows]


def title(front, owner, name, *_):
    return f"{front}-{owner.__name__.rpartition('.')[2]}.{name}"


def attribute(owner, name):
    """A function as its users have it, or a property itself."""
    found = inspect.getattr_static(owner, name)
    return found if isinstance(found, property) else getattr(owner, name)


def compare(front, found, expected):
    """Arrays are near, and have the shape; LazyTensors are so for all pairs; other things are equal."""
    if isinstance(found, front.module.LazyTensor):
        expected = 1.0 * surface.every_pair(expected)
        assert np.iscomplexobj(expected) == found.is_complex
        found = every_pair_of(front, found)
    if isinstance(expected, (tuple, list)):
        assert type(found) is type(expected) and len(found) == len(expected)
        for one, other in zip(found, expected):
            compare(front, one, other)
    elif isinstance(expected, np.ndarray):
        assert front.is_array(found) or isinstance(found, np.ndarray)
        found = front.back(found) if front.is_array(found) else found
        assert found.shape == expected.shape
        assert (found.dtype.kind == "i") == (expected.dtype.kind == "i") and found.dtype.itemsize >= 4
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    else:
        assert found == expected


def every_pair_of(front, lazy):
    """The values of a LazyTensor as an array (M, N, D): those of one column after the other."""
    module, columns = front.module, front.array(np.arange(surface.N, dtype=float)[:, None])
    found = []
    for column in range(surface.N):
        chosen = module.Vj(columns) == column
        # Rows of i, if the LazyTensor has none.
        rows = module.Vi(front.array(np.ones((surface.M, 1))))
        found.append(front.back((rows * chosen * lazy).sum(axis=1)))
    return np.stack(found, axis=1)


@pytest.mark.parametrize("front, owner, name, signature, cases", ROWS, ids=[title(*row) for row in ROWS])
def test_every_row(front, owner, name, signature, cases):
    assert surface.signature(attribute(owner, name)) == of_front(signature, front)
    front_object, expected = front_of(front), surface.dense_names()
    cases = of_front(cases, front)
    for call, dense_text in cases.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            compare(front_object, eval(call, front_object.names()), eval(dense_text, dict(expected)))


@pytest.mark.parametrize("front", FRONTS)
def test_no_public_name_is_missing(front):
    tabled = {owner: {name for name, *_ in rows} for owner, rows in owners(front)}
    module = front_of(front).module
    # A complex LazyTensor has the names of a real one.
    tabled[module.ComplexLazyTensor] |= tabled[module.LazyTensor]
    classes = {name for name in surface.public_names(module) if inspect.isclass(getattr(module, name))}
    assert {owner.__name__ for owner in tabled if inspect.isclass(owner)} == classes
    for owner, names in tabled.items():
        public = set(surface.public_names(owner)) - (classes if owner is module else set())
        assert public == names, owner


@pytest.mark.parametrize("expression", surface_lazytensor.REFUSED)
@pytest.mark.parametrize("front", FRONTS)
def test_what_is_not_for_complex_numbers(front, expression):
    with pytest.raises(ValueError, match="expected"):
        eval(expression, front_of(front).names())


@pytest.mark.parametrize("front, owner, name, signature, cases", ROWS, ids=[title(*row) for row in ROWS])
def test_names_say_what_they_do_and_take(front, owner, name, signature, cases):
    value = attribute(owner, name)
    value = value.fget if isinstance(value, property) else value
    if inspect.isclass(owner) and name == "__init__":
        assert len(inspect.getdoc(owner)) > 40
    elif not (inspect.isdatadescriptor(value) or isinstance(value, bool)):
        # Operators with exchanged operands, and what shows an object, say it by their names.
        assert len(inspect.getdoc(value) or "") >= (0 if name.startswith("__r") else 3), name
    if not callable(value) or (owner.__name__, name) == ("Genred", "__call__"):
        return
    parameters = inspect.signature(value).parameters.values()
    assert all(parameter.annotation is not parameter.empty or parameter.name == "self" for parameter in parameters), name
    assert inspect.signature(value).return_annotation is not inspect.Signature.empty or name == "__init__"
