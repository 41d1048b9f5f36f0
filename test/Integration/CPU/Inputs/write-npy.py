# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a .npy file of any kind: write-npy.py FILE DESCR SHAPE NUMBER... [--fortran] [--version N] [--header TEXT].

Numbers are written in the given order, complex ones as two. DESCR may be a type that nobody reads; then they are written as float64.
"""

import argparse
import struct

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("descr")
parser.add_argument("shape")
parser.add_argument("numbers", nargs="*", type=float)
parser.add_argument("--fortran", action="store_true")
parser.add_argument("--version", type=int, default=1)
parser.add_argument("--header", help="instead of the one that goes with the other arguments")
arguments = parser.parse_args()

header = arguments.header
if header is None:
    header = f"{{'descr': '{arguments.descr}', 'fortran_order': {arguments.fortran}, 'shape': {arguments.shape}, }}"
header = header.encode() + b"\n"
length = struct.pack("<H" if arguments.version == 1 else "<I", len(header))
kinds = {"<f4": "<f", "<f8": "<d", "<i8": "<q", ">f4": ">f", "<f2": "<e", "<c8": "<f", "<c16": "<d"}
kind = kinds.get(arguments.descr, "<d")
with open(arguments.file, "wb") as file:
    file.write(b"\x93NUMPY" + bytes([arguments.version, 0]) + length + header)
    for number in arguments.numbers:
        file.write(struct.pack(kind, int(number) if kind == "<q" else number))
