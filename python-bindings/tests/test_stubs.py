# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What type checkers are told of the compiled half is what it has. All else in the package is annotated where it stands."""

import ast
import pathlib

import pytest

import keops
from keops import _keops

FOLDER = pathlib.Path(keops.__file__).parent


def declared(tree, prefix=""):
    """The functions, methods, classes and attributes of a stub: names, with those of parameters and whether each has a
    default; "property" of properties."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[prefix + node.name] = "class"
            found.update(declared(node, f"{prefix}{node.name}."))
        elif isinstance(node, ast.FunctionDef):
            names = [parameter.arg for parameter in node.args.posonlyargs + node.args.args]
            defaults = len(node.args.defaults)
            parameters = [(name, number >= len(names) - defaults) for number, name in enumerate(names)]
            is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
            found[prefix + node.name] = "property" if is_property else parameters
        elif isinstance(node, ast.AnnAssign):
            found[prefix + node.target.id] = "attribute"
    return found


def test_the_stub_of_the_compiled_half():
    stubgen = pytest.importorskip("nanobind.stubgen", reason="needs nanobind: pip install nanobind")
    generator = stubgen.StubGen(_keops)
    generator.put(_keops)
    ours = declared(ast.parse((FOLDER / "_keops.pyi").read_text()))
    theirs = declared(ast.parse(generator.get()))
    # Data and exceptions, which the generator leaves out.
    assert isinstance(_keops.__version__, str) and ours.pop("__version__") == "attribute"
    assert issubclass(_keops.Error, ValueError) and ours.pop("Error") == "class"
    theirs.pop("__version__", None)
    assert ours == theirs
    assert (FOLDER / "py.typed").exists()
