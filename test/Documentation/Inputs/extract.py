# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints the fenced code blocks of one language from a Markdown file: extract.py FILE LANGUAGE."""

import re
import sys

path, language = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", file.read(), flags=re.MULTILINE | re.DOTALL)
if not blocks:
    sys.exit(f"{path} has no block of {language}")
print("\n".join(blocks), end="")
