# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the tables of operations in docs/Language.md: language.py LANGUAGE.md TESTS.py OPERATIONS.txt [--update].

OPERATIONS.txt is what `keops-translate --operations` prints. Every operation must have one row and every row an
operation; the columns Arguments and Test are what the front-end and the tests say. With --update they are written.
"""

import importlib.util
import re
import sys
from pathlib import Path

# What formula text knows besides operations.
VARIABLES = dict.fromkeys(("Vi", "Vj", "Pm", "Vx", "Vy"), "position, dim")
SYNTAX = {**VARIABLES, "Var": "position, dim, category", "Ind": "integers"}


def read_operations(path):
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return dict(re.fullmatch(r"(\w+)\((.*)\)", line).groups() for line in lines)


def read_tests(path):
    """The first formula for each name."""
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: (entries[0] if isinstance(entries, list) else entries)[0] for name, entries in module.TABLE.items()}


def cell(text):
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def main(document, tests, operations, *options):
    arguments, formulas = {**read_operations(operations), **SYNTAX}, read_tests(tests)
    old = Path(document).read_text(encoding="utf-8")
    seen, lines = [], []
    for line in old.splitlines():
        row = re.match(r"\| `(\w+)` \|", line)
        if row:
            name = row[1]
            seen.append(name)
            # A bar in a cell is written \|.
            cells = [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
            cells[1] = arguments.get(name, "not an operation")
            cells[4] = cell(formulas.get(name, ""))
            line = "| " + " | ".join(cells) + " |"
        lines.append(line.rstrip())
    new = "\n".join(lines) + "\n"
    problems = [f"{name} has no row" for name in sorted(set(arguments) - set(seen))]
    problems += [f"{name} has {seen.count(name)} rows" for name in sorted(set(seen)) if seen.count(name) > 1]
    problems += [f"{name} is not an operation" for name in sorted(set(seen) - set(arguments))]
    if "--update" in options:
        Path(document).write_text(new, encoding="utf-8")
    elif new != old:
        problems += [f"expected {line!r}" for line in lines if line not in old.splitlines()]
        problems.append("run test/Documentation/Inputs/language.py with --update")
    print(len(seen), "operations")
    sys.exit("\n".join(problems) if problems else 0)


main(*sys.argv[1:])
