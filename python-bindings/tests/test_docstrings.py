# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["_genred", "numpy.cluster", "numpy.genred", "numpy.lazytensor", "numpy.solve"])
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"keops.{name}"))
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.parametrize("name", ["genred", "kernels"])
def test_examples_of_torch(name):
    pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
    found = doctest.testmod(importlib.import_module(f"keops.torch.{name}"))
    assert found.attempted > 0 and found.failed == 0
