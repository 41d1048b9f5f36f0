# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts the instructions of the hottest loop of a cubin (sm_70 and newer).

    count_sass.py k.cubin --pairs 32 --most 9.5
    count_sass.py k.cubin --pairs 128 --trips 12 --most 225

Fails when they are more than `--most` for each of the `--pairs` pairs that one turn of the loop handles. The loop is the
longest innermost one, or with `--rank 2` the second longest; with `--trips`, the one around it, in which the inner one
runs so often. With `--kernel` only that one is looked at. An instruction is 16 bytes; bits 0 to 8 are its opcode. A branch back closes a loop: its offset, in units of 4 bytes from the next
instruction, begins at bit 34; from sm_90 on its low 8 bits are those from bit 16 on, and the others begin there.
"""

import argparse
import struct
import sys

BRANCH = 0x147


def code_sections(data):
    """The bytes of each section of code in an ELF file of 64 bits."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + n * size) for n in range(count)]
    for name, _, _, _, offset, length in headers:
        start = headers[names][4] + name
        if data[start:].startswith(b".text." + (arguments.kernel + "\0" if arguments.kernel else "").encode()):
            yield data[offset : offset + length]


def branches(code):
    """Place and target of each branch."""
    for at in range(len(code) // 16):
        bits = int.from_bytes(code[16 * at : 16 * at + 16], "little")
        if bits & 0x1FF != BRANCH:
            continue
        offset = bits >> 34 & (1 << 48) - 1
        offset -= (offset >> 47) << 48
        if arguments.processor >= "sm_90" or len(arguments.processor) > len("sm_90"):
            offset = offset << 8 | bits >> 16 & 0xFF
        yield at, at + 1 + offset * 4 // 16


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("cubin")
parser.add_argument("--pairs", type=int, required=True)
parser.add_argument("--most", type=float, required=True)
parser.add_argument("--trips", type=int)
parser.add_argument("--kernel")
parser.add_argument("--rank", type=int, default=1)
parser.add_argument("--processor", default="sm_90")
arguments = parser.parse_args()


def length(loop):
    return loop[1] - loop[0] + 1


counts = []
with open(arguments.cubin, "rb") as file:
    for code in code_sections(file.read()):
        found = [(target, at) for at, target in branches(code) if target < at]
        for loop in found:
            around = [other for other in found if other != loop and other[0] <= loop[0] and loop[1] <= other[1]]
            if any(loop[0] <= a and b <= loop[1] for a, b in found if (a, b) != loop):
                continue
            if arguments.trips and not around:
                continue
            counted = length(loop)
            if arguments.trips:
                counted += length(min(around, key=length)) + (arguments.trips - 2) * length(loop)
            counts.append((length(loop), counted))
if len(counts) < arguments.rank:
    sys.exit(f"found {len(counts)} loops")
counted = sorted(counts, reverse=True)[arguments.rank - 1][1]
print(f"{counted} instructions, {counted / arguments.pairs:.2f} for each pair")
if counted / arguments.pairs > arguments.most:
    sys.exit(f"expected at most {arguments.most} for each pair")
