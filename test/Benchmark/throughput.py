# ===- throughput.py - Loops of processors that are not at hand -----------===#
#
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===----------------------------------------------------------------------===#
"""Cycles per pair of the inner loops, ours beside the hand-written ones, as llvm-mca models a processor.

Nothing is run, so any processor that LLVM describes can be asked about. The model knows ports, latencies and the
schedulers' sizes; it knows neither caches nor branches. Loops are found in the disassembly: the innermost ones with the
most vector arithmetic. Rare work lies outside of them.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import cases

# Which instruction set of the hand-written loops a processor runs: bits of a vector, and its register.
PROCESSORS = {
    "znver3": (256, "%ymm"),
    "alderlake": (256, "%ymm"),
    "znver4": (512, "%zmm"),
    "znver5": (512, "%zmm"),
    "sapphirerapids": (512, "%zmm"),
}
# The hand-written kernels, and how many loops a column passes: a log-sum-exp has one for distances and one for
# exponentials.
KERNELS = {
    "gaussian_f32": (r"SumKernel.*GaussianPair.*f", 1),
    "gaussian_gradient_f32": (r"GaussianGradientKernel", 1),
    "gaussian_f64": (r"SumKernel.*GaussianPair.*d", 1),
    "logsumexp_f32": (r"LogSumExpKernel", 2),
    "laplacian_f32": (r"LaplacianPair", 1),
    "cauchy_f32": (r"CauchyPair", 1),
}
HAND_WRITTEN_VECTORS = 4
# A value and its gradient in one pass are asked for here alone: cpu.py has one formula for all peers.
VALUE = cases.CASES[0]
WITH_GRADIENT = replace(VALUE, name="with gradient D=3 f32", entry="gaussian_gradient_f32")
GRADIENT = ["--also", f"Grad(Sum_Reduction({VALUE.formula},0),x,e)", "e = Vi(1)"]
ARITHMETIC = re.compile(r"v(f[n]?m(add|sub)|mul|add|sub|div|sqrt|scalef|min|max)")


@dataclass
class Loop:
    instructions: list

    @property
    def arithmetic(self):
        return sum(bool(ARITHMETIC.match(text)) for _, text in self.instructions)


def run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{command[0]}: {result.stderr.strip()}")
    return result.stdout


def functions(llvm, path):
    """Name and instructions, as (address, text), of each function of an object or library."""
    name, body = None, []
    for line in run(llvm / "llvm-objdump", "--disassemble", "--no-show-raw-insn", path).splitlines():
        if header := re.match(r"^[0-9a-f]+ <(.+)>:$", line):
            if body:
                yield name, body
            name, body = header.group(1), []
        elif found := re.match(r"^\s*([0-9a-f]+):\s+(.*)$", line):
            body.append((int(found.group(1), 16), found.group(2).split("#")[0].strip()))
    if body:
        yield name, body


def innermost_loops(body):
    """Loops that hold no other, most arithmetic first. Rare work returns into a loop by a jump without condition."""
    ends = []
    for address, text in body:
        jump = re.match(r"j(?!mp)\w+\s+0x([0-9a-f]+)", text)
        if jump and body[0][0] <= int(jump.group(1), 16) <= address:
            ends.append((int(jump.group(1), 16), address))
    inner = [a for a in ends if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in ends)]
    loops = [Loop([entry for entry in body if first <= entry[0] <= last]) for first, last in inner]
    return sorted(loops, key=lambda loop: -loop.arithmetic)


def cycles(llvm, processor, loop):
    """Cycles of a turn in the steady state."""
    text = "\n".join(re.sub(r"^(j\w+).*", r"\1 0", line) for _, line in loop.instructions)
    with tempfile.NamedTemporaryFile("w", suffix=".s") as file:
        file.write(text + "\n")
        file.flush()
        report = run(llvm / "llvm-mca", f"-mcpu={processor}", "-iterations=200", file.name)
    return int(re.search(r"Total Cycles:\s+(\d+)", report).group(1)) / 200


def keops_cycles(llvm, translate, case, processor):
    dtype = "f64" if case.dtype == cases.np.float64 else "f32"
    text = f"{case.reduction}_Reduction({case.formula},0)"
    common = [text, *case.aliases, f"--target={processor}", f"--dtype={dtype}"]
    common += GRADIENT if case is WITH_GRADIENT else []
    schedule = run(translate, *common, "--to=scheduled")
    lanes, chunk = (int(re.search(rf"{field} = (\d+)", schedule).group(1)) for field in ("lanes", "chunk"))
    with tempfile.TemporaryDirectory() as folder:
        run(translate, *common, "--to=obj", "-o", Path(folder) / "kernel.o")
        (body,) = [body for name, body in functions(llvm, Path(folder) / "kernel.o") if name.endswith("_accumulate")]
    # Columns that fill no chunk have a loop of their own, with less arithmetic.
    return cycles(llvm, processor, innermost_loops(body)[0]) / (lanes * chunk)


def handwritten_cycles(llvm, bodies, case, processor):
    pattern, count = KERNELS[case.entry]
    bits, register = PROCESSORS[processor]
    lanes = bits // (8 * cases.np.dtype(case.dtype).itemsize)
    for name, body in bodies:
        if re.search("runKernel.*" + pattern, name):
            loops = [loop for loop in innermost_loops(body) if any(register in text for _, text in loop.instructions)]
            if len(loops) >= count:
                total = sum(cycles(llvm, processor, loop) for loop in loops[:count])
                return total / (HAND_WRITTEN_VECTORS * lanes)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--translate", type=Path, default=root / "build/release/bin/keops-translate")
    parser.add_argument("--library", help="the hand-written loops; the newest one built in this checkout by default")
    parser.add_argument("--llvm", type=Path, default=Path("/usr/lib/llvm-22/bin"), help="where llvm-mca is")
    parser.add_argument("--processors", default=",".join(PROCESSORS))
    options = parser.parse_args()
    library = cases.find_library(options.library)
    if library is None:
        sys.exit("the hand-written loops are not built; expected KEOPS_BUILD_BENCHMARKS=ON")
    processors = options.processors.split(",")
    if unknown := [name for name in processors if name not in PROCESSORS]:
        sys.exit(f"unknown processor '{unknown[0]}'; expected one of {', '.join(PROCESSORS)}")
    bodies = list(functions(options.llvm, library))
    print("Cycles per 8 pairs by llvm-mca; ratios are of speeds\n")
    print(f"{'case':<22}{'processor':<16}{'Keops':>8}{'hand-written':>14}{'ratio':>8}")
    for case in [VALUE, WITH_GRADIENT, *cases.CASES[1:]]:
        if case.entry not in KERNELS:
            continue
        for processor in processors:
            ours = 8 * keops_cycles(options.llvm, options.translate, case, processor)
            theirs = handwritten_cycles(options.llvm, bodies, case, processor)
            peer = f"{8 * theirs:>14.2f}{8 * theirs / ours:>7.2f}x" if theirs else f"{'-':>14}{'-':>8}"
            print(f"{case.name:<22}{processor:<16}{ours:>8.2f}{peer}")


if __name__ == "__main__":
    main()
