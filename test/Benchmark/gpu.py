#!/usr/bin/env python3
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times Keops beside PyKeOps and PyTorch on one GPU, in one run, on the same tensors.

For each case and each number of points from 10^3 to 10^7, the peers take turns, and the median time of each counts; what
would take minutes is left out. Calls are enclosed by events of the device, and warmed up first. The last column says
whether Keops is as many times as fast as PyKeOps as is expected of it.

Without a GPU it says so, and ends with status 77. --device cpu tries the program itself out; its times say nothing
about a GPU.
"""

import argparse
import faulthandler
import json
import statistics
import sys
import time

import gpu_cases

SKIPPED = 77


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu (default: cuda)")
    parser.add_argument("--only", metavar="TEXT", default="", help="run the cases whose name contains TEXT")
    parser.add_argument("--peers", default=",".join(gpu_cases.PEERS), help="comma-separated, of: %(default)s")
    parser.add_argument("--points", default="1e3,1e4,1e5,1e6,1e7", help="numbers of points (default: %(default)s)")
    parser.add_argument("--most", type=float, default=2e14, metavar="OPERATIONS",
                        help="leave out what takes more (default: %(default)g)")
    parser.add_argument("--repeat", type=int, default=7, help="turns that each peer takes at most (default: 7)")
    parser.add_argument("--budget", type=float, default=20, help="seconds for one row of the table (default: 20)")
    parser.add_argument("--patience", type=float, default=300, metavar="SECONDS",
                        help="end, and say where, if one row of the table takes longer (default: %(default)g)")
    parser.add_argument("--json", metavar="FILE", help="write all results to FILE, anew after each row")
    return parser.parse_args()


class Clock:
    """Seconds of a call: by events of the device, or by this machine's clock."""

    def __init__(self, torch, device):
        self.torch, self.on_device = torch, device.startswith("cuda")

    def wait(self):
        if self.on_device:
            self.torch.cuda.synchronize()

    def time(self, call):
        """Of many calls where one is short: a single one would be mostly the events'."""
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        once = time.perf_counter() - start
        if once > 0.5:  # What this clock adds is nothing beside that.
            return once
        turns = max(1, min(100, int(0.01 / max(once, 1e-7))))
        if not self.on_device:
            start = time.perf_counter()
            for _ in range(turns):
                call()
            return (time.perf_counter() - start) / turns
        events = [self.torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
        for _ in range(turns):
            call()
        events[1].record()
        self.wait()
        return events[0].elapsed_time(events[1]) * 1e-3 / turns


def compare(case, n, options, torch):
    """{peer: {"seconds", "first_call_s", "largest_error"} or {"status"}}."""
    clock, results, calls = Clock(torch, options.device), {}, {}
    arrays = case.arrays(torch, options.device, n)
    for peer in options.peers.split(","):
        start = time.perf_counter()
        try:
            call = gpu_cases.PEERS[peer](case, arrays, torch)
            found = call()
            clock.wait()
            results[peer] = {"first_call_s": time.perf_counter() - start,
                             "largest_error": gpu_cases.largest_error(case, arrays, found, torch)}
            calls[peer] = call
        except gpu_cases.Missing as reason:
            results[peer] = {"status": str(reason)}
        except Exception as error:  # A peer that fails is a result, not the end of the table.
            results[peer] = {"status": f"failed: {type(error).__name__}: {error}"}
    times = {peer: [] for peer in calls}
    start = time.perf_counter()
    for turn in range(options.repeat):
        if turn >= 1 and time.perf_counter() - start > options.budget:
            break
        for peer, call in calls.items():
            times[peer].append(clock.time(call))
    for peer, seconds in times.items():
        results[peer].update(status="ok", seconds=statistics.median(seconds), best_s=min(seconds), turns=len(seconds))
    return results


def print_row(case, n, results, options):
    cells = []
    for peer in options.peers.split(","):
        result = results[peer]
        cells.append(f"{1e3 * result['seconds']:12.4g}" if result["status"] == "ok" else f"{result['status'][:12]:>12}")
    ratio = "-"
    ours, theirs = results.get("Keops", {}), results.get("PyKeOps", {})
    if ours.get("status") == theirs.get("status") == "ok":
        times = theirs["seconds"] / ours["seconds"]
        ratio = f"{times:.2f}x, expected {case.target:.2f}x: " + ("met" if times >= case.target else "NOT MET")
    error = f"{ours['largest_error']:.1e}" if "largest_error" in ours else "-"
    print(f"{case.name:34} {n:>9} {' '.join(cells)}  {error:>8}  {ratio}", flush=True)
    for peer, result in results.items():
        if result["status"].startswith("failed"):
            print(f"    {peer}: {result['status']}", flush=True)


def main():
    options = parse_arguments()
    unknown = set(options.peers.split(",")) - set(gpu_cases.PEERS)
    if unknown:
        print(f"gpu.py: --peers takes names of {', '.join(gpu_cases.PEERS)}", file=sys.stderr)
        return 2
    try:
        import torch
    except ImportError:
        print("SKIPPED: nothing was timed: PyTorch, whose tensors all peers take, is not installed")
        return SKIPPED
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("SKIPPED: nothing was timed: PyTorch finds no GPU")
        return SKIPPED
    if options.device.startswith("cuda"):
        torch.cuda.set_device(torch.device(options.device))
        name = torch.cuda.get_device_name()
    else:
        name = "processor"
    print(f"{name}; milliseconds, medians; error of Keops; speed of Keops over PyKeOps\n")
    header = " ".join(f"{peer:>12}" for peer in options.peers.split(","))
    print(f"{'case':34} {'points':>9} {header}  {'error':>8}  ratio")
    rows = []
    # What takes longest comes last.
    for n in (int(float(text)) for text in options.points.split(",")):
        for case in gpu_cases.CASES:
            if options.only not in case.name or not case.sizes(n) or case.operations(n) > options.most:
                continue
            faulthandler.dump_traceback_later(options.patience, exit=True)
            results = compare(case, n, options, torch)
            faulthandler.cancel_dump_traceback_later()
            print_row(case, n, results, options)
            rows.append({"case": case.name, "points": n, "target": case.target, "results": results})
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump({"device": name, "rows": rows}, file, indent=1)
    ours = [row["results"].get("Keops", {}) for row in rows]
    return 0 if all(result.get("status", "ok") == "ok" for result in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
