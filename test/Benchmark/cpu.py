#!/usr/bin/env python3
# ===- cpu.py - Keops beside its peers, on the CPU -------------------------===#
#
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# ===----------------------------------------------------------------------===#
"""Times Keops, hand-written loops, PyKeOps and NumPy on the same data.

One process per number of threads; in it, the peers take turns and the best time
of each counts, so that a change of the machine's mood meets all of them. Then the
time to compile a formula, to load one from the disk cache, and to call one on
tiny arrays, each in processes of its own. README.md says what the columns mean.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

PEERS = ["Keops", "hand-written", "PyKeOps", "NumPy"]
THREAD_VARIABLES = ["KEOPS_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
# Threads of a peer that has no work sleep, and do not take the next one's cores while it is timed.
IDLE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TEXT", default="", help="run the cases whose name contains TEXT")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated, of: %(default)s")
    parser.add_argument("--scale", type=float, default=1, help="multiply rows and columns by this (default 1)")
    parser.add_argument("--repeat", type=int, default=7, help="times each peer is called at most (default 7)")
    parser.add_argument("--budget", type=float, default=10,
                        help="seconds after which a peer takes no more turns in a case (default 10)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="threads of the comparison (default: all cores); Keops and the hand-written loops "
                             "also run with one")
    parser.add_argument("--library", help="path of libkeops-handwritten.so (default: the newest under build/)")
    parser.add_argument("--isa", type=int, default=0, choices=[0, 256, 512],
                        help="vector width of the hand-written loops (default: the widest)")
    parser.add_argument("--skip-latency", action="store_true", help="leave out compile, load and call times")
    parser.add_argument("--json", metavar="FILE", help="write all results to FILE")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--package", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


# ===----------------------------------------------------------------------===#
# Workers: what runs in a process of its own and prints JSON as its last line
# ===----------------------------------------------------------------------===#


def compare_case(case, prepares, options):
    """{peer: {"seconds", "pairs_per_s", "largest_error", "first_call_s"} or {"status"}}."""
    import cases

    arrays = case.arrays()
    results, calls, times = {}, {}, {}
    for peer, prepare in prepares.items():
        start = time.perf_counter()
        try:
            call = prepare(case, arrays, options.threads)
            output = call()
        except cases.Missing as reason:
            results[peer] = {"status": str(reason)}
            continue
        except Exception as error:  # A peer that fails is a result, not the end of the table.
            results[peer] = {"status": f"failed: {type(error).__name__}: {error}"}
            continue
        results[peer] = {"first_call_s": time.perf_counter() - start,
                         "largest_error": cases.largest_error(case, arrays, output)}
        calls[peer], times[peer] = call, []
    for _ in range(options.repeat):
        for peer, call in calls.items():
            if len(times[peer]) >= 2 and sum(times[peer]) > options.budget:
                continue
            start = time.perf_counter()
            call()
            times[peer].append(time.perf_counter() - start)
    for peer, seconds in times.items():
        best = min(seconds)
        results[peer].update(status="ok", seconds=best, median_s=statistics.median(seconds), turns=len(seconds),
                             pairs_per_s=case.pairs / best)
    return results


def work_compare(options):
    import cases

    hand_written = cases.HandWritten(options.library, options.isa)
    prepares = {"Keops": cases.prepare_genred("keops"), "hand-written": hand_written,
                "PyKeOps": cases.prepare_genred("pykeops"), "NumPy": cases.prepare_numpy}
    rows = []
    for case in cases.CASES:
        if options.only not in case.name:
            continue
        case = replace(case, rows=max(1, round(case.rows * options.scale)),
                       columns=max(case.k + 1, round(case.columns * options.scale)))
        print(f"  {case.name}, {options.threads} thread(s) …", file=sys.stderr, flush=True)
        wanted = {peer: prepares[peer] for peer in PEERS if peer in options.peers.split(",")}
        rows.append({"name": case.name, "rows": case.rows, "columns": case.columns, "pairs": case.pairs,
                     "results": compare_case(case, wanted, options)})
    return {"cases": rows, "isa": getattr(hand_written, "isa", 0)}


def tiny_arrays():
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.random((10, d), dtype=np.float32) for d in (3, 3, 1)]


def tiny_formula(seed):
    return f"Exp(-SqDist(x,y))*b*IntCst({seed})", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"]


def first_call(package, seed):
    """Seconds from formula text to the first result, and the function."""
    import cases

    arrays = tiny_arrays()
    start = time.perf_counter()
    function = cases.genred(package, *tiny_formula(seed))
    function(*arrays, backend="CPU")
    return time.perf_counter() - start, function, arrays


def work_latency(options):
    """Compile time of formulas never seen, in a process that has compiled before; then call time."""
    first_call(options.package, options.seed)
    # PyKeOps takes seconds for each formula.
    fresh = [first_call(options.package, options.seed + n)
             for n in range(1, 6 if options.package == "keops" else 2)]
    _, function, arrays = fresh[-1]
    calls = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(500):
            function(*arrays, backend="CPU")
        calls.append((time.perf_counter() - start) / 500)
    seconds = [f[0] for f in fresh]
    return {"compile_ms": 1e3 * min(seconds), "compile_median_ms": 1e3 * statistics.median(seconds),
            "call_us": 1e6 * min(calls), "call_median_us": 1e6 * statistics.median(calls)}


def work_load(options):
    """Time of a formula that another process has compiled; the libraries are loaded first."""
    __import__(f"{options.package}.numpy")
    return {"load_ms": 1e3 * first_call(options.package, options.seed)[0]}


WORKERS = {"compare": work_compare, "latency": work_latency, "load": work_load}


def run_worker(worker, options, threads, cache, peers=None, package=None, seed=0):
    """Runs a worker in a new process and returns what it reports, or {"status": reason}."""
    command = [sys.executable, __file__, "--worker", worker, "--threads", str(threads), "--only", options.only,
               "--peers", peers or options.peers, "--scale", str(options.scale), "--repeat", str(options.repeat),
               "--budget", str(options.budget), "--isa", str(options.isa), "--seed", str(seed)]
    command += ["--library", options.library] if options.library else []
    command += ["--package", package] if package else []
    # Both packages keep what they compile here, each in a folder of its own.
    environment = dict(os.environ, KEOPS_CACHE_FOLDER=cache, PYKEOPS_VERBOSE="0", KEOPS_VERBOSE="0")
    environment.update({name: str(threads) for name in THREAD_VARIABLES}, **IDLE_THREADS)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True,
                          stderr=None if worker == "compare" else subprocess.PIPE)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    lines = (done.stderr or "").strip().splitlines()
    return {"status": f"failed: {lines[-1] if lines else f'exit status {done.returncode}'}"}


# ===----------------------------------------------------------------------===#
# Report
# ===----------------------------------------------------------------------===#


def measure_latency(options, cache):
    report = {}
    for package, peer in (("keops", "Keops"), ("pykeops", "PyKeOps")):
        if peer not in options.peers.split(","):
            continue
        if importlib.util.find_spec(package) is None:
            report[peer] = {"status": "not installed"}
            continue
        seed = 1000 + int(time.time()) % 1000000 * 10
        result = run_worker("latency", options, options.threads, cache, package=package, seed=seed)
        if "status" not in result:
            loads = [run_worker("load", options, options.threads, cache, package=package, seed=seed) for _ in range(5)]
            times = [load["load_ms"] for load in loads if "load_ms" in load]
            if times:
                result.update(load_ms=min(times), load_median_ms=statistics.median(times), status="ok")
            else:
                result["status"] = loads[0]["status"]
        report[peer] = result
    return report


def print_table(rows):
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for n, row in enumerate(rows):
        print("  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths))))
        if n == 0:
            print("-" * (sum(widths) + 2 * len(widths) - 2))


def rate(results, peer):
    return results.get(peer, {}).get("pairs_per_s")


def ratio(a, b):
    return f"{a / b:.2f}x" if a and b else "-"


def print_comparison(many, several, one, peers, threads):
    print(f"\nBillions of pairs per second, {threads} thread(s); ratios are of speeds\n")
    others = [peer for peer in peers if peer != "Keops"]
    header = ["case", "rows x columns"] + peers + ([f"Keops/{peer}" for peer in others] if "Keops" in peers else [])
    table, notes = [header], []
    for row in many["cases"]:
        results = row["results"]
        cells = [row["name"], f"{row['rows']} x {row['columns']}"]
        for peer in peers:
            result = results[peer]
            cells.append(f"{result['pairs_per_s'] / 1e9:.3f}" if result["status"] == "ok" else result["status"][:16])
            if len(result["status"]) > 16:
                notes.append(f"{row['name']}, {peer}: {result['status']}")
        if "Keops" in peers:
            cells += [ratio(rate(results, "Keops"), rate(results, peer)) for peer in others]
        table.append(cells)
    print_table(table)
    print("\nLargest error on 64 rows (relative; for neighbours, of their distance)\n")
    table = [["case"] + peers]
    for row in many["cases"]:
        errors = [row["results"][peer].get("largest_error") for peer in peers]
        table.append([row["name"]] + [f"{e:.1e}" if e is not None else "-" for e in errors])
    print_table(table)
    if one:
        print(f"\nThreads: billions of pairs per second with one, and how many times as fast with {threads}\n")
        table = [["case", "Keops x1", "hand-written x1", "Keops/hand-written x1", f"Keops x{threads}/x1",
                  f"hand-written x{threads}/x1"]]
        for row, single in zip(several["cases"], one["cases"]):
            k1, h1 = rate(single["results"], "Keops"), rate(single["results"], "hand-written")
            kn, hn = rate(row["results"], "Keops"), rate(row["results"], "hand-written")
            table.append([row["name"], f"{k1 / 1e9:.3f}" if k1 else "-", f"{h1 / 1e9:.3f}" if h1 else "-",
                          ratio(k1, h1), ratio(kn, k1), ratio(hn, h1)])
        print_table(table)
    for note in notes:
        print(f"note: {note}")


def print_latency(latency):
    print("\nLatency, best (median)\n")
    table = [["", "compile, ms", "load from disk, ms", "call on 10 x 10, us"]]
    for peer, result in latency.items():
        if result.get("status") != "ok":
            table.append([peer, result["status"], "-", "-"])
            continue
        pair = lambda key, unit: f"{result[f'{key}_{unit}']:.2f} ({result[f'{key}_median_{unit}']:.2f})"
        table.append([peer, pair("compile", "ms"), pair("load", "ms"), pair("call", "us")])
    print_table(table)


def describe_machine(isa):
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(),
            "handwritten_bits": isa}


def main():
    options = parse_arguments()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options)))
        return 0
    peers = [peer for peer in PEERS if peer in options.peers.split(",")]
    unknown = set(options.peers.split(",")) - set(PEERS)
    if unknown or options.threads < 1 or options.repeat < 1:
        print(f"cpu.py: --peers takes names of {', '.join(PEERS)}; --threads and --repeat at least 1", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="keops-benchmark-") as cache:
        many = run_worker("compare", options, options.threads, cache)
        one = several = None
        alone = [peer for peer in peers if peer in ("Keops", "hand-written")]
        if "cases" in many and options.threads > 1 and alone:
            several, one = (run_worker("compare", options, threads, cache, peers=",".join(alone))
                            for threads in (options.threads, 1))
        latency = {} if options.skip_latency else measure_latency(options, cache)
    failed = next((part["status"] for part in (many, several, one) if part and "cases" not in part), None)
    if failed:
        print(f"cpu.py: the comparison {failed}", file=sys.stderr)
        return 1
    machine = describe_machine(many["isa"])
    print(f"{machine['processor']}, {machine['cores']} cores; hand-written loops: "
          + (f"{machine['handwritten_bits']} bits" if machine["handwritten_bits"] else "none"))
    print_comparison(many, several, one, peers, options.threads)
    if latency:
        print_latency(latency)
    if options.json:
        report = {"machine": machine, "threads": options.threads, "cases": many["cases"],
                  "alone": several and several["cases"], "one_thread": one and one["cases"], "latency": latency}
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
