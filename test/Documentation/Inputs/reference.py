# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the generated reference: reference.py CODE_FOLDER DOCS_FOLDER PASSES.txt.

Every op, attribute, type and interface of the generated code, and every pass that `keops-opt --help` lists, must have a
section with a summary or a description; every op both.
"""

import re
import sys
from pathlib import Path


def read_sections(path, heading):
    """The text under each heading, without code."""
    text = re.sub(r"```.*?```", "", Path(path).read_text(encoding="utf-8"), flags=re.S)
    parts = re.split(heading, text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def has_sentence(text):
    """A summary stands in italics; a description is a paragraph that is neither a list nor a table."""
    first = [part.strip() for part in text.split("\n\n")[1:]]
    return any(part and not re.match(r"Syntax:|Traits:|Interfaces:|Effects:|#|\||<table", part) for part in first[:2])


def has_description(text):
    """A paragraph that is neither the summary nor one of the parts that every op has."""
    parts = [part.strip() for part in text.split("\n\n")[1:]]
    return any(not re.match(r"_|Syntax:|Traits:|Interfaces:|Effects:|#|\| |<table", part) for part in parts if part)


def check(kind, names, sections, problems):
    if not names:
        problems.append(f"found no {kind}")
    for name in sorted(names):
        if name not in sections:
            problems.append(f"the {kind} {name} has no section")
        elif not has_sentence(sections[name]):
            problems.append(f"the {kind} {name} has no summary")
        elif kind == "ops" and not has_description(sections[name]):
            problems.append(f"the {kind} {name} has no description")
    print(len(names), kind)


def main(code, docs, passes):
    code, docs, problems = Path(code), Path(docs), []
    ops = re.findall(r'getOperationName\(\)\s*{\s*return ::llvm::StringLiteral\("(keops\.\w+)"',
                     (code / "KeopsOps.h.inc").read_text(encoding="utf-8"))
    dialect = docs / "Dialect.md"
    check("ops", set(ops), read_sections(dialect, r"^### `(keops\.\w+)`"), problems)
    for kind, file in ("attributes", "KeopsAttributes.h.inc"), ("types", "KeopsTypes.h.inc"):
        names = re.findall(r"^class (\w+) : public ", (code / file).read_text(encoding="utf-8"), flags=re.M)
        check(kind, set(names), read_sections(dialect, r"^### (\w+)$"), problems)
    for kind, source, file in (("op interfaces", "KeopsOpInterfaces.h.inc", "OpInterfaces.md"),
                               ("attribute interfaces", "KeopsAttrInterfaces.h.inc", "AttributeInterfaces.md")):
        names = re.findall(r"^class (\w+Interface) : public ", (code / source).read_text(encoding="utf-8"), flags=re.M)
        check(kind, set(names), read_sections(docs / file, r"^## (\w+) \("), problems)
    listed = re.findall(r"--(keops-[\w-]+)", Path(passes).read_text(encoding="utf-8"))
    sections = {}
    for file in sorted(docs.glob("*Passes.md")):
        sections.update(read_sections(file, r"^### `-(keops-[\w-]+)`"))
    check("passes", set(listed), sections, problems)
    sys.exit("\n".join(problems) if problems else 0)


main(*sys.argv[1:])
