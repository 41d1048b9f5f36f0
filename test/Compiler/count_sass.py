# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts the instructions of the longest innermost loop of a cubin (sm_70 to sm_90).

    count_sass.py k.cubin --pairs 32 --most 9.5

Fails when they are more than `--most` for each of the `--pairs` pairs that one turn of the loop handles. An instruction
is 16 bytes; bits 0 to 8 are its opcode. A branch back closes a loop: its offset, in units of 4 bytes from the next
instruction, has its low 8 bits from bit 16 on and the others from bit 34 on.
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
        if data[start:].startswith(b".text."):
            yield data[offset : offset + length]


def loops(code):
    """First and last instruction of each loop."""
    for at in range(len(code) // 16):
        bits = int.from_bytes(code[16 * at : 16 * at + 16], "little")
        if bits & 0x1FF != BRANCH:
            continue
        offset = (bits >> 16 & 0xFF) | (bits >> 34 & (1 << 48) - 1) << 8
        offset -= (offset >> 55) << 56
        target = at + 1 + offset * 4 // 16
        if target < at:
            yield target, at


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("cubin")
parser.add_argument("--pairs", type=int, required=True)
parser.add_argument("--most", type=float, required=True)
arguments = parser.parse_args()

longest = 0
with open(arguments.cubin, "rb") as file:
    for code in code_sections(file.read()):
        found = list(loops(code))
        for first, last in found:
            if not any(first <= a and b <= last for a, b in found if (a, b) != (first, last)):
                longest = max(longest, last - first + 1)
if not longest:
    sys.exit("found no loop")
print(f"{longest} instructions, {longest / arguments.pairs:.2f} for each pair")
if longest / arguments.pairs > arguments.most:
    sys.exit(f"expected at most {arguments.most} for each pair")
