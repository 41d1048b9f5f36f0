#!/usr/bin/env python3
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Passes everything on a GPU: keops-run on the formulas of commands.py, then the arrays of arrays.py and the tensors of
tensors.py in Python.

    suite.py --target cuda                       on the first GPU
    suite.py --target sim --only commands        the same formulas on the simulator, for a machine without one
    suite.py --target cuda --filter argkmin      some of them

Without a driver or a device it says so and passes nothing: exit status 77.
"""

import argparse
import concurrent.futures
import importlib
import os
import pathlib
import subprocess
import sys
import time

import commands

SKIPPED = 77


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cuda", help="cuda, cuda:1, or sim (default: cuda)")
    parser.add_argument("--keops-run", default="keops-run", help="the program (default: the one on the path)")
    parser.add_argument("--only", choices=["commands", "arrays", "tensors"], help="one part")
    parser.add_argument("--double", metavar="FOLDER",
                        help="CUDA tensors over the double of the driver, which this folder of the sources is about")
    parser.add_argument("--filter", default="", help="cases whose name contains this")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th case (default: all)")
    parser.add_argument("--limit", type=float, default=180, metavar="SECONDS",
                        help="a case that takes longer on a device has failed (default: %(default)g)")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1), help="commands at a time (default: 4)")
    return parser.parse_args()


def run_command(options, case):
    words = commands.command(options.keops_run, options.target, case)
    limit = options.limit if options.target.startswith("cuda") else None
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return case[0], False, f"no answer within {limit:g} s", words
    passed = done.returncode == 0 and "check: passed" in done.stdout
    return case[0], passed, done.stdout, words


def run_commands(options):
    """Numbers of cases that passed and failed."""
    is_device = options.target.startswith("cuda")
    cases = [case for case in commands.cases(is_device) if options.filter in case[0]][::options.every]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, is_right, output, words in pool.map(lambda case: run_command(options, case), cases):
            passed += is_right
            failed += not is_right
            if not is_right:
                print(f"FAIL: {name}\n  {' '.join(repr(word) for word in words)}\n  " +
                      "\n  ".join(output.strip().splitlines()), flush=True)
    return passed, failed


def run_python(options, name):
    """Numbers of tests of a module that passed and failed."""
    try:
        import arrays
        part = importlib.import_module(name)
    except ImportError as error:  # Formulas may have passed without the package.
        print(f"{name}: 0 passed, 1 failed: {error}", flush=True)
        return 0, 1
    # The double keeps its accounts in this process.
    alone = options.target.startswith("cuda") and not options.double
    try:
        passed, failed, skipped = arrays.run(part, options.target, options.filter, options.limit if alone else None)
    except arrays.Skip as reason:
        print(f"{name}: 0 passed, 0 failed, all skipped: {reason}", flush=True)
        return 0, 0
    print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return passed, failed


def find_device(options):
    """Why there is nothing to run on; None if there is."""
    if not options.target.startswith("cuda"):
        return None
    case = ("", "x*y", ["--reduce", "sum"], ["x=Vi(1):1", "y=Vj(1):1"], (1, 1), [])
    _, passed, output, _ = run_command(options, case)
    if not passed and ("no CUDA driver" in output or "no CUDA device" in output or "too old" in output):
        return output.strip().splitlines()[-1]
    return None


def main():
    options = parse_arguments()
    if options.double:
        sys.path.insert(0, options.double)
        import torch_double  # before anybody imports torch
    reason = find_device(options)
    if reason:
        print(f"SKIPPED: nothing was run on a GPU: {reason}")
        return SKIPPED
    start, passed, failed = time.perf_counter(), 0, 0
    if options.only in (None, "commands"):
        passed, failed = run_commands(options)
        print(f"commands: {passed} passed, {failed} failed", flush=True)
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    for name in ("arrays", "tensors"):
        if options.only in (None, name):
            counts = run_python(options, name)
            passed, failed = passed + counts[0], failed + counts[1]
    print(f"suite on {options.target}: {passed} passed, {failed} failed, {time.perf_counter() - start:.0f} s")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
