# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the tables of operations in docs/Language.md: language.py LANGUAGE.md TESTS.py OPERATIONS.txt [--update].

OPERATIONS.txt is what `keops-translate --operations` prints. Every operation must have one row and every row an
operation; the columns Arguments, Derivative and Test are what the front-end, the compiler and the tests say. With
--update they are written.

A rule for dimensions that can be broken must have a formula in the tests that breaks it.

A derivative is asked of the formula of the column Test, in each of its variables: "yes", "0" where it is always zero,
"none" where the compiler refuses it; "yes, in x" if that holds for some variables only.
"""

import importlib.util
import concurrent.futures
import re
import subprocess
import sys
from pathlib import Path

# Rules that every operand fits.
UNBREAKABLE = ("", "1", "n", "dim", "D", "D → 1", "D → D", "D, any → D", "n → 2n", "m, n → mn", "a, b → a + b")

# What formula text knows besides operations.
VARIABLES = dict.fromkeys(("Vi", "Vj", "Pm", "Vx", "Vy"), "position, dim")
SYNTAX = {**VARIABLES, "Var": "position, dim, category", "Ind": "integers"}


def read_operations(path):
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return dict(re.fullmatch(r"(\w+)\((.*)\)", line).groups() for line in lines)


def read_tests(path):
    """The first formula for each name, the aliases of its variables, and the names in formulas that are refused."""
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    first = {name: entries[0] if isinstance(entries, list) else entries for name, entries in module.TABLE.items()}
    aliases = {name: {variable: f"{variable} = {module.VARIABLES[variable]}({dim})"
                      for variable, dim in re.findall(r"([a-zA-Z])(\d+)", entry[1])} for name, entry in first.items()}
    broken = {name for formula, *_ in module.REFUSED for name in re.findall(r"\w+", formula)}
    return {name: entry[0] for name, entry in first.items()}, aliases, broken


def differentiate(formula, aliases, variable):
    """What the compiler makes of the derivative in a variable: "yes", "0" or "none"."""
    text = f"Sum_Reduction(Grad(Sum({formula}),{variable},1),0)"
    command = ["keops-translate", text, *aliases.values(), "--to=simplified"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        if not re.search("has no derivative|has a derivative .*, but none", made.stderr):
            sys.exit(f"{text}: {made.stderr}")
        return "none"
    zeros = re.findall(r"(%\w+) = keops.constant 0.0+e\+00 ", made.stdout)
    summed = re.search(r"keops.reduce #keops.sum\S* over j \((%\w+)\)", made.stdout)[1]
    return "0" if summed in zeros else "yes"


def describe_derivative(formula, aliases):
    found = {variable: differentiate(formula, aliases, variable) for variable in aliases}
    kinds = sorted(set(found.values()), key=["yes", "0", "none"].index)
    if len(kinds) == 1:
        return kinds[0]
    return "; ".join(f"{kind}, in {', '.join(name for name in found if found[name] == kind)}" for kind in kinds)


def read_derivatives(arguments, formulas, aliases):
    """The column Derivative of each operation that takes a formula."""
    names = [name for name in formulas if "formula" in arguments.get(name, "")]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(lambda name: describe_derivative(formulas[name], aliases[name]), names)))


def cell(text):
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def read_cells(line):
    """The cells of an operation's row; none if the line is something else. A bar in a cell is written \\|."""
    return [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] if re.match(r"\| `\w+` \|", line) else None


def main(document, tests, operations, *options):
    arguments, (formulas, aliases, broken) = {**read_operations(operations), **SYNTAX}, read_tests(tests)
    old = Path(document).read_text(encoding="utf-8")
    rows = [cells for cells in map(read_cells, old.splitlines()) if cells]
    seen = [cells[0].strip("`") for cells in rows]
    problems = [f"{name} has no row" for name in sorted(set(arguments) - set(seen))]
    problems += [f"{name} has {seen.count(name)} rows" for name in sorted(set(seen)) if seen.count(name) > 1]
    problems += [f"{name} is not an operation" for name in sorted(set(seen) - set(arguments))]
    problems += [f"no test breaks the dimensions of {name}" for name, cells in zip(seen, rows)
                 if cells[2] not in UNBREAKABLE and name not in broken]
    if problems:
        sys.exit("\n".join(problems))
    derivatives = read_derivatives(arguments, formulas, aliases)
    lines = []
    for line in old.splitlines():
        if cells := read_cells(line):
            name = cells[0].strip("`")
            cells[1], cells[4], cells[5] = arguments[name], derivatives.get(name, ""), cell(formulas.get(name, ""))
            line = "| " + " | ".join(cells) + " |"
        lines.append(line.rstrip())
    new = "\n".join(lines) + "\n"
    if "--update" in options:
        Path(document).write_text(new, encoding="utf-8")
    elif new != old:
        problems += [f"expected {line!r}" for line in lines if line not in old.splitlines()]
        problems.append("run test/Documentation/Inputs/language.py with --update")
    print(len(seen), "operations")
    sys.exit("\n".join(problems) if problems else 0)


main(*sys.argv[1:])
