# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Several threads and processes: results do not depend on them, and nobody waits for ever."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from keops.numpy import Genred

ALIASES = ["x = Vi(3)", "y = Vj(3)"]


def draw(rows, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).random((rows, 3)).astype(dtype)


def test_threads_with_formulas_of_their_own():
    x, y = draw(301), draw(999, 1)
    D = ((x[:, None].astype(float) - y)**2).sum(-1)

    def compute(n):
        found = Genred(f"Exp(-SqDist(x,y)/{n})", ALIASES, axis=1)(x, y)
        return np.allclose(found[:, 0], np.exp(-D / n).sum(axis=1), rtol=1e-5)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(compute, [1 + n % 12 for n in range(48)]))


def test_threads_with_one_reduction():
    reduction = Genred("SqDist(x,y)", ALIASES, axis=1, reduction_op="Min_ArgMin")
    small, large = (draw(10), draw(20, 1)), (draw(700), draw(800, 1))
    barrier = threading.Barrier(8)

    def compute(n):
        if n < 8:
            barrier.wait()  # all compile at once
        x, y = (small, large)[n % 2]
        dtype = (np.float32, np.float64)[n // 2 % 2]
        values, indices = reduction(x.astype(dtype), y.astype(dtype))
        D = ((x[:, None].astype(float) - y)**2).sum(-1)
        return np.allclose(values[:, 0], D.min(axis=1), rtol=1e-5) and (indices[:, 0] == D.argmin(axis=1)).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(compute, range(64)))


@contextmanager
def another_thread():
    """The times at which another thread got the interpreter, as they come."""
    steps, done = [], threading.Event()

    def count():
        while not done.is_set():
            steps.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield steps
    finally:
        done.set()
        thread.join()


def test_other_threads_run_during_a_long_call():
    """A call that takes long does not keep the interpreter for itself."""
    reduction = Genred("Sin(Exp(-SqDist(x,y)))", ALIASES, axis=1)
    rows, start, end = 1000, 0.0, 0.0
    with another_thread() as steps:
        while end - start < 0.3:
            rows *= 2
            x = draw(rows)
            start = time.perf_counter()
            reduction(x, x)
            end = time.perf_counter()
    # Of one call, leave out its ends, where the interpreter is needed.
    assert sum(start + 0.05 < step < end - 0.05 for step in steps) > 5


def test_other_threads_run_while_a_variant_is_compiled():
    """The first call with one row compiles again; it is a small call, which otherwise keeps the interpreter."""
    terms = " + ".join(f"Exp(-SqDist(x,y)*{n})" for n in range(1, 20))
    reduction = Genred(f"{terms} + {time.time_ns() % 10**9}", ALIASES, axis=1)
    x, y = draw(9), draw(4096, 1)
    reduction(x, y)
    with another_thread() as steps:
        start = time.perf_counter()
        few = reduction(x[:1], y)
        end = time.perf_counter()
    assert sum(start < step < end for step in steps) > 5
    np.testing.assert_allclose(few, reduction(x, y)[:1], rtol=1e-5)


def run(script, **environment):
    return subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, capture_output=True,
                          text=True, timeout=300)


DIGEST = """
import hashlib, numpy as np
from keops.numpy import Genred
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for M, N in [(1, 50000), (7, 5000), (501, 777), (3000, 1000)]:
    for dtype in (np.float32, np.float64):
        x, y, b = (rng.random((rows, dim)).astype(dtype) for rows, dim in ((M, 3), (N, 3), (N, 1)))
        for op in ("Sum", "LogSumExp", "Min_ArgMin", "SumSoftMaxWeight"):
            formula2 = "b" if op == "SumSoftMaxWeight" else None
            for axis in (0, 1):
                found = Genred("Exp(-SqDist(x,y))*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], reduction_op=op,
                               axis=axis, formula2=formula2)(x, y, b)
                for part in found if isinstance(found, tuple) else (found,):
                    digest.update(part.tobytes())
print(digest.hexdigest())
"""


def test_results_do_not_depend_on_the_number_of_threads():
    digests = set()
    for threads in ("1", "2", "5", "0", ""):
        process = run(DIGEST, KEOPS_NUM_THREADS=threads)
        assert process.returncode == 0, process.stderr
        digests.add(process.stdout)
    assert len(digests) == 1 and len(digests.pop().strip()) == 2 * hashlib.sha256().digest_size


COUNT_THREADS = """
import os, numpy as np
from keops.numpy import Genred
x = np.random.default_rng(0).random((4000, 3))
reduction = Genred("Exp(-SqDist(x,y))", ["x = Vi(3)", "y = Vj(3)"], axis=1)
reduction(x, x)
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_the_number_of_threads():
    """NumPy's own threads, if there are any, are there in both processes."""
    counts = {}
    for threads in ("1", "4"):
        process = run(COUNT_THREADS, KEOPS_NUM_THREADS=threads)
        assert process.returncode == 0, process.stderr
        counts[threads] = int(process.stdout)
    assert counts["1"] < counts["4"] <= counts["1"] + 3


@pytest.mark.parametrize("threads", ["many", "-1", "2.5", "99999999999999999999"])
def test_a_number_of_threads_that_is_none(threads):
    process = run("import numpy as np\nfrom keops.numpy import Genred\nGenred('x', ['x = Vi(1)'])(np.ones((2, 1)))",
                  KEOPS_NUM_THREADS=threads)
    assert process.returncode != 0
    assert "keops.Error" in process.stderr and "KEOPS_NUM_THREADS" in process.stderr and threads in process.stderr


FORKS = """
import os, signal, threading, time, numpy as np
from keops.numpy import Genred
x = np.random.default_rng(0).random((300, 3))
D = ((x[:, None] - x)**2).sum(-1)
many = np.tile(x, (14, 1))

def new_formula():
    # One that is in no cache.
    c = time.time_ns() % 10**9
    reduction = Genred(f"SqDist(x,y)+{c}", ["x = Vi(3)", "y = Vj(3)"], axis=1)
    found = reduction(x, x)
    # And the variant for few rows, which is compiled by a call.
    first = reduction(x[:1], many)
    return np.allclose(found[:, 0], (D + c).sum(axis=1)) and np.allclose(first, ((x[0] - many)**2 + c / 3).sum())

def compile_on():
    while not stop.is_set():
        new_formula()

stop = threading.Event()
busy = threading.Thread(target=compile_on)
busy.start()
time.sleep(0.3)
known = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], axis=1)
known(x, x)
status = []
for n in range(8):
    time.sleep(0.007 * n)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if np.allclose(known(x, x)[:, 0], D.sum(axis=1)) and new_formula() else 1)
    status.append(os.waitpid(child, 0)[1])
stop.set()
busy.join()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forks_while_others_compile():
    """A child computes and compiles, whatever other threads of its parent were doing."""
    process = run(FORKS, PYTHONWARNINGS="ignore")
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == str([0] * 8)


def compute_in_child(reduction, x):
    return reduction(x, x)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_start_afresh(method):
    """A reduction goes to them as a copy, which compiles again or finds the code on the disk."""
    reduction, x = Genred("Exp(-SqDist(x,y))", ALIASES, axis=1), draw(301)
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = [pool.apply_async(compute_in_child, (reduction, x)) for _ in range(4)]
        for result in results:
            np.testing.assert_array_equal(result.get(timeout=120), reduction(x, x))
