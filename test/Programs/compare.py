# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the programs beside this one twice, with PyKeOps and with keops in its place, and compares what they print.

Run it with an interpreter that has the packages of requirements.txt, and finds keops (PYTHONPATH)."""

import json
import math
import os
import pathlib
import subprocess
import sys
import time

PROGRAMS = sorted(path for path in pathlib.Path(__file__).parent.glob("*.py") if path.name != "compare.py")
# Of iterations that stop where a residual is small.
TOLERANCE = 1e-5


def run(*arguments):
    start = time.monotonic()
    done = subprocess.run([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, "KEOPS_VERBOSE": "0", "PYKEOPS_VERBOSE": "0"})
    return json.loads(done.stdout.splitlines()[-1]), time.monotonic() - start


def distance(ours, theirs):
    if len(ours) != len(theirs):
        return math.inf
    return max(abs(a - b) / (abs(b) + 1e-3) for a, b in zip(ours, theirs))


failed = False
for program in PROGRAMS:
    theirs, their_time = run(program)
    ours, our_time = run("-m", "keops.as_pykeops", program)
    if not ours or ours.keys() != theirs.keys():
        sys.exit(f"{program.name}: expected results for {', '.join(theirs)}, got {', '.join(ours)}")
    print(f"{program.stem}: {their_time:.1f} s with PyKeOps, {our_time:.1f} s with keops", flush=True)
    for name in theirs:
        found = distance(ours[name], theirs[name])
        failed |= not found <= TOLERANCE
        print(f"  {name}: relative difference {found:.1e}{'' if found <= TOLERANCE else ', too much'}")
sys.exit(failed)
