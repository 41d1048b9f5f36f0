# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fails if code grows faster than a formula: growth.py KEOPS-TRANSLATE TERM COUNT BLOCKS.

TERM is formula text with {} for a number that differs from term to term. Compares the assembly of a sum of COUNT terms
with that of twice as many: there may be 2.2 times the instructions, and BLOCKS basic blocks more for each term.
"""

import re
import subprocess
import sys

translate, term, count, blocks = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def measure(terms):
    formula = " + ".join(term.replace("{}", f"{1 + n / 7:.4f}") for n in range(terms))
    command = [translate, f"Sum_Reduction({formula}, 0)", "x = Vi(3)", "y = Vj(3)", "--to=asm", "--target=x86-64-v3"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(bool(re.match(r"\t[a-z]", line)) for line in lines), sum(bool(re.match(r"\.LBB", line)) for line in lines)


few, many = measure(count), measure(2 * count)
print("instructions:", few[0], many[0], "blocks:", few[1], many[1])
sys.exit(many[0] > 2.2 * few[0] or many[1] - few[1] > blocks * count)
