# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""heliograd and PyTorch on the same work, turn by turn in one run: times, shares of this machine's peaks, memory, errors.

Three processes wait for their turn: heliograd, PyTorch at its best (memory allocator tuned, the faster memory layout) and
PyTorch as it comes. Every round gives each the same number of repetitions; a figure is the lower quartile of all
repetitions, since whatever else runs on the machine only adds time. Errors are against PyTorch in double precision.
"""
import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=8589934592:"
                           "glibc.malloc.top_pad=67108864:glibc.malloc.hugetlb=1"}


class Side:
    """A process that answers a line with a line."""

    def __init__(self, command, threads, **environment):
        base = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
        base.update(OMP_NUM_THREADS=str(threads), OMP_PROC_BIND="close", OMP_PLACES="cores", **environment)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=base)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError("the process ended")
        if reply.startswith("error: "):
            raise RuntimeError(reply[7:].strip())
        return reply.strip()

    def run(self, repetitions):
        return [float(t) for t in self.ask(f"run {repetitions}").split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quartile(values):
    return sorted(values)[(len(values) - 1) // 4]


def relative_error(path, reference):
    value, exact = np.load(path).astype(np.float64), np.load(reference)
    return float(np.linalg.norm(value - exact) / np.linalg.norm(exact))


def empty(folder):
    for file in os.listdir(folder):
        os.remove(os.path.join(folder, file))


def one(name, sides, folder, budget):
    empty(folder)
    flops, moved = map(float, sides["heliograd"].ask(f"prepare {folder} {name}").split())
    layout = sides["PyTorch"].ask(f"prepare {folder} {name}")
    sides["stock"].ask(f"prepare {folder} {name}")
    out, opponent, exact = (os.path.join(folder, f) for f in ("heliograd.out", "pytorch.out.npy", "exact.out.npy"))
    first = {key: side.run(1)[0] for key, side in sides.items()}  # the first repetition, for the errors, and to warm up
    sides["heliograd"].ask(f"result {out}")
    sides["PyTorch"].ask(f"result {opponent}")
    sides["PyTorch"].ask(f"reference {exact}")
    errors = relative_error(out, exact), relative_error(opponent, exact)
    times = {key: [] for key in sides}
    peaks, triads = [], []
    rounds = 5
    for _ in range(rounds):
        for key, side in sides.items():
            # one repetition after another's turn finds cold caches: it is not counted
            times[key] += side.run(1 + max(1, min(200, int(budget / rounds / max(first[key], 1e-6)))))[1:]
        peak, triad = map(float, sides["heliograd"].ask("peak").split())
        peaks.append(peak)
        triads.append(triad)
    seconds = {key: quartile(t) for key, t in times.items()}
    return {"work": name, "seconds": seconds, "repetitions": {key: len(t) for key, t in times.items()},
            "ratio": seconds["heliograd"] / seconds["PyTorch"], "ratio_to_stock": seconds["heliograd"] / seconds["stock"],
            "of_peak": flops / seconds["heliograd"] / max(peaks), "opponent_of_peak": flops / seconds["PyTorch"] / max(peaks),
            "of_bandwidth": moved / seconds["heliograd"] / max(triads), "peak_flops": [min(peaks), max(peaks)],
            "triad_bytes": [min(triads), max(triads)], "error": errors[0], "opponent_error": errors[1], "layout": layout}


def peak_memory(command, name, folder, threads):
    """Peak resident bytes of three repetitions in a process of their own, beyond what it had before: stock allocators."""
    side = Side(command, threads, DUEL_STOCK="1")
    try:
        before = int(side.ask("memory"))
        side.ask(f"prepare {folder} {name}")
        side.run(3)
        return int(side.ask("memory")) - before
    finally:
        side.close()


def milliseconds(t):
    return f"{1e3 * t:.3g}" if t < 1 else f"{1e3 * t:.0f}"


def main():
    arguments = argparse.ArgumentParser(prog="dev duel", description=__doc__.split("\n")[0])
    arguments.add_argument("names", nargs="*", help="parts of names; default: all work")
    arguments.add_argument("--program", required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--out", required=True, help="folder of the results")
    arguments.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of both sides (default: all)")
    arguments.add_argument("--budget", type=float, default=2.0, help="seconds per work and side (default: 2)")
    arguments.add_argument("--memory", action="store_true", help="peak memory of both sides as well")
    options = arguments.parse_args()
    opponent = [sys.executable, os.path.join(HERE, "opponent.py")]
    sides = {"heliograd": Side([options.program], options.threads), "PyTorch": Side(opponent, options.threads, **TUNED),
             "stock": Side(opponent, options.threads, DUEL_STOCK="1")}
    known = set(sides["PyTorch"].ask("works").split("|"))
    names = [n for n in sides["heliograd"].ask("works").split("|") if n in known]
    chosen = [n for n in names if not options.names or any(part in n for part in options.names)]
    if not chosen:
        sys.exit("dev: error: no work matches; there are: " + ", ".join(names))
    folder = tempfile.mkdtemp(prefix="heliograd-duel-")
    print(f"{'work':36} {'ms':>8} {'PyTorch':>8} {'ratio':>6} {'stock':>6} {'of peak':>8} {'PyT.':>5} {'of bw':>6} "
          f"{'error':>8} {'PyTorch':>8}" + ("      MB  PyTorch" if options.memory else ""))
    results, begun = [], time.time()
    try:
        for number, name in enumerate(chosen):
            print(f"[{number + 1}/{len(chosen)}] {name}", end="\r", file=sys.stderr, flush=True)
            try:
                r = one(name, sides, folder, options.budget)
                if options.memory:
                    empty(folder)
                    r["memory"] = [peak_memory([options.program], name, folder, options.threads),
                                   peak_memory(opponent, name, folder, options.threads)]
            except RuntimeError as error:
                print(f"{name:36} {error}")
                continue
            results.append(r)
            of_peak = f"{r['of_peak']:8.2f} {r['opponent_of_peak']:5.2f}" if r["of_peak"] > 0 else f"{'':8} {'':5}"
            bandwidth = f"{r['of_bandwidth']:6.2f}" if r["of_bandwidth"] > 0 else f"{'':6}"
            print(f"{name:36} {milliseconds(r['seconds']['heliograd']):>8} {milliseconds(r['seconds']['PyTorch']):>8} "
                  f"{r['ratio']:6.2f} {r['ratio_to_stock']:6.2f} {of_peak} {bandwidth} {r['error']:8.1e} "
                  f"{r['opponent_error']:8.1e}"
                  + (f" {r['memory'][0] / 1e6:7.0f} {r['memory'][1] / 1e6:8.0f}" if options.memory else ""), flush=True)
    finally:
        shutil.rmtree(folder)
        for side in sides.values():
            side.close()
    if results:
        peaks = [p for r in results for p in r["peak_flops"]]
        print(f"{options.threads} threads; peak {min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f} GFLOP/s over the run"
              + ("" if max(peaks) < 1.1 * min(peaks) else ": this machine was not quiet, measure again")
              + f"; geometric mean of the ratios {math.exp(sum(math.log(r['ratio']) for r in results) / len(results)):.2f}")
        os.makedirs(options.out, exist_ok=True)
        path = os.path.join(options.out, f"duel-{options.threads}-threads.json")
        with open(path, "w") as file:
            json.dump({"date": time.strftime("%Y-%m-%d"), "machine": platform.processor() or platform.machine(),
                       "threads": options.threads, "seconds": time.time() - begun, "results": results}, file, indent=1)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
