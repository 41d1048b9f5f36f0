# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fails if one of several files is larger than the first by more than a factor: sizes.py FACTOR FIRST OTHERS..."""

import os
import sys

factor, files = float(sys.argv[1]), sys.argv[2:]
sizes = [os.path.getsize(name) for name in files]
print("sizes in bytes:", *sizes)
sys.exit(any(size > factor * sizes[0] for size in sizes))
