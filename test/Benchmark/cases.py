# ===- cases.py - What is computed, and who computes it --------------------===#
#
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===----------------------------------------------------------------------===#
"""The reductions that are timed, and the peers that compute them.

A peer is prepared for a case once and then called again and again. Preparing it
raises `Missing` when the peer has nothing to offer (not installed, no such loop),
with the reason, so that a table can show it.
"""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class Missing(Exception):
    """This peer cannot run this case; the message says why."""


@dataclass(frozen=True)
class Case:
    name: str
    formula: str
    dim: int
    dtype: type
    rows: int
    columns: int
    reduction: str = "Sum"
    k: int = 0
    entry: str = ""  # the hand-written loop, if there is one

    @property
    def weighted(self):
        return self.reduction == "Sum"

    @property
    def aliases(self):
        b = ["b = Vj(1)"] if self.weighted else []
        return [f"x = Vi({self.dim})", f"y = Vj({self.dim})"] + b

    @property
    def pairs(self):
        return self.rows * self.columns

    def arrays(self):
        """x, y and, for sums, b. In high dimension points are drawn closer, so that the sums do not vanish."""
        rng = np.random.default_rng(0)
        scale = 1 if self.dim < 50 else 1 / np.sqrt(self.dim)
        x = (scale * rng.standard_normal((self.rows, self.dim))).astype(self.dtype)
        y = (scale * rng.standard_normal((self.columns, self.dim))).astype(self.dtype)
        b = rng.random((self.columns, 1)).astype(self.dtype)
        return [x, y, b] if self.weighted else [x, y]


CASES = [
    Case("gaussian D=3 f32", "Exp(-SqDist(x,y))*b", 3, np.float32, 20000, 20000, entry="gaussian_f32"),
    Case("gaussian D=3 f64", "Exp(-SqDist(x,y))*b", 3, np.float64, 20000, 20000, entry="gaussian_f64"),
    Case("logsumexp D=3 f32", "-SqDist(x,y)", 3, np.float32, 20000, 20000, "LogSumExp", entry="logsumexp_f32"),
    Case("laplacian D=10 f32", "Exp(-Sqrt(SqDist(x,y)))*b", 10, np.float32, 20000, 20000, entry="laplacian_f32"),
    Case("cauchy D=10 f32", "Inv(IntCst(1)+SqDist(x,y))*b", 10, np.float32, 20000, 20000, entry="cauchy_f32"),
    Case("argkmin K=10 D=10 f32", "SqDist(x,y)", 10, np.float32, 10000, 10000, "ArgKMin", 10, "argkmin_f32"),
    Case("gaussian D=100 f32", "Exp(-SqDist(x,y))*b", 100, np.float32, 10000, 10000),
]


def reduce_distances(case, s, b):
    """The case's reduction of a block of squared distances, overwriting it."""
    if case.reduction == "ArgKMin":
        nearest = np.argpartition(s, case.k, axis=1)[:, : case.k]
        order = np.argsort(np.take_along_axis(s, nearest, 1), axis=1, kind="stable")
        return np.take_along_axis(nearest, order, 1)
    if case.reduction == "LogSumExp":
        shift = s.min(axis=1, keepdims=True)
        np.subtract(shift, s, out=s)
        return np.log(np.exp(s, out=s).sum(axis=1, keepdims=True)) - shift
    if case.formula.startswith("Inv"):
        np.divide(1, np.add(s, 1, out=s), out=s)
    else:
        if "Sqrt" in case.formula:
            np.sqrt(s, out=s)
        np.exp(np.negative(s, out=s), out=s)
    return s @ b


def largest_error(case, arrays, result, sample=64):
    """Largest error on a sample of rows against float64 with exact differences, relative to the
    row's value; for neighbours, how much farther than the true ones the found ones are."""
    rows = np.unique(np.linspace(0, case.rows - 1, sample).astype(int))
    x, y = (a.astype(np.float64) for a in arrays[:2])
    s = np.stack([((x[i] - y) ** 2).sum(axis=1) for i in rows])
    if case.reduction == "ArgKMin":
        found = np.take_along_axis(s, np.asarray(result)[rows].reshape(len(rows), -1).astype(int), 1)
        truth = np.sort(s, axis=1)[:, : case.k]
        return float((np.abs(found - truth) / truth).max())
    b = arrays[2].astype(np.float64) if case.weighted else None
    expected = reduce_distances(case, s, b).ravel()
    scale = np.abs(expected) if case.weighted else np.maximum(np.abs(expected), 1)
    return float((np.abs(np.asarray(result)[rows].ravel() - expected) / scale).max())


# ===----------------------------------------------------------------------===#
# Peers
# ===----------------------------------------------------------------------===#


def genred(package, formula, aliases, reduction="Sum", k=0):
    """Genred of `package`, which is "keops" or "pykeops"."""
    try:
        module = __import__(f"{package}.numpy", fromlist=["Genred"])
    except ImportError as error:
        missing_name = (getattr(error, "name", "") or "").split(".")[0]
        raise Missing("not installed" if missing_name == package else f"cannot be imported: {error}") from error
    # PyKeOps changes the list that it is given.
    return module.Genred(formula, list(aliases), reduction_op=reduction, axis=1, **({"opt_arg": k} if k else {}))


def prepare_genred(package):
    def prepare(case, arrays, threads):
        function = genred(package, case.formula, case.aliases, case.reduction, case.k)
        return lambda: function(*arrays, backend="CPU")

    return prepare


def find_library(path=None):
    """The hand-written loops' shared library: `path`, or the newest one in a build folder of this checkout."""
    if path:
        return Path(path)
    root = Path(__file__).resolve().parents[2]
    found = sorted(root.glob("build/*/lib/libkeops-handwritten.so"), key=os.path.getmtime)
    return found[-1] if found else None


class HandWritten:
    """The loops of handwritten.h, rows shared evenly between threads."""

    def __init__(self, path=None, isa=0):
        path = find_library(path)
        if path is None:
            self.missing = "not built (KEOPS_BUILD_BENCHMARKS)"
            return
        try:
            self.library = ctypes.CDLL(str(path))
        except OSError as error:
            self.missing = f"cannot be loaded: {error}"
            return
        self.isa = isa or self.library.keops_hw_isa()
        self.missing = "" if self.isa else "needs AVX2"

    def __call__(self, case, arrays, threads):
        if not case.entry:
            raise Missing("no such loop")
        if self.missing:
            raise Missing(self.missing)
        function = getattr(self.library, "keops_hw_" + case.entry)
        result = np.empty((case.rows, case.k or 1), np.int64 if case.k else case.dtype)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in arrays + [result]]
        bounds = [case.rows * t // threads for t in range(threads + 1)]

        def part(t):
            begin, end, columns = (ctypes.c_int64(n) for n in (bounds[t], bounds[t + 1], case.columns))
            return function(self.isa, *pointers, begin, end, columns)

        if part(0):
            raise Missing(f"this processor does not run isa {self.isa}")
        # A foreign function call releases the interpreter's lock, so threads do run at once.
        pool = ThreadPoolExecutor(threads)

        def call():
            if any(pool.map(part, range(threads))):
                raise RuntimeError("a hand-written loop refused its arguments")
            return result

        return call


def prepare_numpy(case, arrays, threads):
    """Blocks of rows, distances by expansion so that BLAS does most of the work."""
    x, y = arrays[:2]
    b = arrays[2] if case.weighted else None
    chunk = max(1, (1 << 21) // case.columns)  # a block of at most 2 M distances
    y_transposed = np.ascontiguousarray(y.T)

    def call():
        y_norms = (y * y).sum(axis=1)
        blocks = []
        for first in range(0, case.rows, chunk):
            rows = x[first : first + chunk]
            s = rows @ y_transposed
            s *= -2
            s += (rows * rows).sum(axis=1, keepdims=True)
            s += y_norms
            np.maximum(s, 0, out=s)
            blocks.append(reduce_distances(case, s, b))
        return np.concatenate(blocks)

    return call
