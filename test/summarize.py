# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts what ran, from the JUnit reports that the suites leave. A suite that left none did not finish, which counts as
one failure, and a suite in which nothing ran is a failure too: silence is no proof."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

SUITES = {"lit": "lit", "unit": "GoogleTest", "python": "pytest"}


def count(report):
    """(passed, failed, skipped) of one report."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun" or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(folder):
    total = [0, 0, 0]
    complete = True
    for suite, name in SUITES.items():
        try:
            counts = count(pathlib.Path(folder, suite + ".xml"))
        except (OSError, ElementTree.ParseError) as problem:
            counts = 0, 1, 0
            print(f"{name}: did not finish ({problem})")
        passed, failed, skipped = counts
        print(f"{name}: {passed + failed} ran, {failed} failed, {skipped} skipped")
        if passed + failed == 0:
            print(f"{name}: no test ran, which is a failure")
            complete = False
        total = [a + b for a, b in zip(total, counts)]
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if complete and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
