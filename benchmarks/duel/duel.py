# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""heliograd and PyTorch on the same work, turn by turn in one run: times, shares of this machine's peaks, memory, errors.

Three processes wait for their turn: heliograd, PyTorch at its best (memory allocator tuned, the faster memory layout) and
PyTorch as it comes. Every round gives each a number of repetitions; a figure is the lower quartile of all repetitions,
since whatever else runs on the machine only adds time. Errors are against PyTorch in double precision.
"""
import argparse
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=8589934592:"
                           "glibc.malloc.top_pad=67108864:glibc.malloc.hugetlb=1"}

# What is to be reached: work, what is measured, at least, aim. A ratio of times or of memory is heliograd's to the tuned
# PyTorch's (memory: to the stock one's).
LOWER = ("ratio", "over_floor", "memory_ratio", "growth")
BARS = [
    ("S1 forward 32^2 b32 fast", "ratio", 0.27, 0.18),
    ("S1 forward 32^2 b32 strict", "ratio", 0.38, 0.27),
    ("S1 forward 32^2 b1 fast", "ratio", 0.30, 0.20),
    ("S1 step all losses 32^2 b32 fast", "ratio", 0.30, 0.18),
    ("U-Net forward 256^2 b1", "ratio", 0.50, 0.30),
    ("U-Net forward 1024^2 b1", "ratio", 0.55, 0.36),
    ("GAN step 256^2 b4", "ratio", 0.58, 0.42),
    ("MUNIT block forward 64^2", "ratio", 0.45, 0.33),
    ("MUNIT block forward + backward 64^2", "ratio", 0.45, 0.33),
    ("conv3 64>64 32^2 b32 weight", "ratio", 0.40, 0.30),
    ("conv3 256>256 64^2 weight", "ratio", 0.40, 0.30),
    *((f"{layer} {direction}", "ratio", 0.58, 0.45)
      for layer in ("conv4s2 64>128 128^2 b4", "conv4s2 256>512 32^2 b4", "conv4s2 512>512 16^2 b4",
                    "convT4s2 1024>256 16^2 b4", "convT4s2 256>64 64^2 b4")
      for direction in ("forward", "data", "weight")),
    ("up4 + conv3 64>64 32^2 b32", "ratio", 0.15, 0.07),
    ("conv3 64>1 128^2 b32 forward", "ratio", 0.25, 0.10),
    ("conv3 64>1 128^2 b32 weight", "ratio", 0.25, 0.10),
    ("conv4s2 1>64 1024^2 data", "ratio", 0.25, 0.10),
    ("convT4s2 128>1 128^2 b4 forward", "ratio", 0.25, 0.10),
    ("ssim 128^2 b32", "ratio", 1 / 15, 1 / 50),
    ("ssim 1024^2", "ratio", 1 / 15, 1 / 50),
    ("sobel 128^2 b32", "ratio", 1 / 8, 1 / 30),
    ("histogram 128^2 b32", "ratio", 1 / 100, 1 / 400),
    ("attention 4096 (32, 256) forward", "ratio", 0.75, 0.58),
    ("attention 4096 (32, 256) forward + backward", "ratio", 0.65, 0.50),
    ("adam 54.4 M", "ratio", 1.0, 0.75),
    ("conv3 64>64 32^2 b32 direct", "of_peak", 0.92, 0.97),
    ("conv3 64>64 32^2 b32 winograd_f2", "of_peak", 1.7, 2.0),
    ("conv3 64>64 32^2 b32 winograd_f4", "of_peak", 2.6, 3.1),
    ("batch norm + leaky 128^2 64 ch b8", "over_floor", 1.6, 1.15),
    ("instance norm + relu 128^2 64 ch b8", "over_floor", 1.6, 1.15),
    ("S1 step all losses 32^2 b32 fast", "memory_ratio", 0.40, 0.06),
    ("GAN step 256^2 b4", "memory_ratio", 0.75, 0.60),
    ("U-Net forward 1024^2 b1", "memory_ratio", 0.70, 0.45),
    ("U-Net step 1024^2 b1", "memory_ratio", 1.0, 0.75),
    ("S1 forward 32^2 b32 fast", "speedup", 1.93, 1.98),
    ("S1 step all losses 32^2 b32 fast", "speedup", 1.93, 1.98),
    ("U-Net forward 256^2 b1", "speedup", 1.93, 1.98),
    ("conv3 64>64 32^2 b32 winograd_f4", "speedup", 1.93, 1.98),
    ("conv3 64>64 1024^2", "growth", 4.1, 4.02),
]
SERIES = [f"conv3 64>64 {side}^2" for side in (128, 256, 512, 1024)]  # each has four times the pixels of the one before
MEASURES = {
    "ratio": "time / tuned PyTorch's",
    "of_peak": "flops of the definition / FMA peak",
    "over_floor": "time / bytes moved once at triad speed",
    "memory_ratio": "peak memory / stock PyTorch's",
    "speedup": "1 thread's time / all threads' time",
    "growth": "time for 4 times the pixels, mean from 128^2 to 1024^2",
}


class Side:
    """A process that answers a line with a line."""

    def __init__(self, command, threads, **environment):
        base = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
        base.update(OMP_NUM_THREADS=str(threads), OMP_PROC_BIND="close", OMP_PLACES="cores", **environment)
        self.command, self.environment = command, base
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=self.environment)

    def ask(self, line):
        if self.process.poll() is not None:  # it ended in the work before
            self.start()
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError(f"the process ended, exit code {self.process.wait()}")
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


LONG = 0.3  # seconds of a repetition from which on cold caches make no difference


def turns(sides, first, options, times, could, peaks):
    """Adds to `times` what each side's repetitions took, to `could` the multiply-adds that the machine can do in as long, as
    measured right before and after the turn: a machine that is faster at one moment than at another moves both."""
    for _ in range(options.rounds):
        peaks.append(float(sides["heliograd"].ask("peak")))
        for key, side in sides.items():
            # A short repetition after another's turn finds cold caches: it is not counted.
            cold = 0 if first[key] > LONG else 1
            repetitions = max(1, min(200, int(options.budget / options.rounds / max(first[key], 1e-6))))
            turn = side.run(cold + repetitions)[cold:]
            peaks.append(float(sides["heliograd"].ask("peak")))
            times[key] += turn
            could[key] += [t * (peaks[-2] + peaks[-1]) / 2 for t in turn]


def one(name, every, folder, options):
    """The figures of one piece of work. `every` side gets ready that has a part in it."""
    empty(folder)
    flops, moved = map(float, every["heliograd"].ask(f"prepare {folder} {name}").split())
    layout = every["PyTorch"].ask(f"prepare {folder} {name}")
    sides = {key: every[key] for key in ("heliograd", "PyTorch")}
    first = {key: side.run(1)[0] for key, side in sides.items()}  # the first repetition, for the errors, and to warm up
    out, opponent, exact = (os.path.join(folder, f) for f in ("heliograd.out", "pytorch.out.npy", "exact.out.npy"))
    sides["heliograd"].ask(f"result {out}")
    sides["PyTorch"].ask(f"result {opponent}")
    sides["PyTorch"].ask(f"reference {exact}")
    errors = relative_error(out, exact), relative_error(opponent, exact)
    more = ["stock"] if options.stock or first["PyTorch"] < LONG else []
    if "1 thread" in every and any((name, "speedup") == bar[:2] for bar in BARS):
        more.append("1 thread")
    for key in more:
        every[key].ask(f"prepare {folder} {name}")
        first[key] = every[key].run(1)[0]
        sides[key] = every[key]
    times, could, peaks = {key: [] for key in sides}, {key: [] for key in sides}, []
    turns(sides, first, options, times, could, peaks)
    if max(peaks) > 1.1 * min(peaks) and sum(first.values()) < 1:  # a restless machine: the quartile of twice as many
        turns(sides, first, options, times, could, peaks)
    triad = float(every["heliograd"].ask("triad")) if moved else None
    seconds = {key: quartile(t) for key, t in times.items()}
    result = {"work": name, "seconds": seconds, "repetitions": {key: len(t) for key, t in times.items()},
              "ratio": seconds["heliograd"] / seconds["PyTorch"], "peak_flops": [min(peaks), max(peaks)],
              "error": errors[0], "opponent_error": errors[1], "choice": layout}
    if "stock" in seconds:
        result["ratio_to_stock"] = seconds["heliograd"] / seconds["stock"]
    if flops:
        result["of_peak"] = flops / quartile(could["heliograd"])
        result["opponent_of_peak"] = flops / quartile(could["PyTorch"])
    if moved:
        result["triad_bytes"] = triad
        result["over_floor"] = seconds["heliograd"] * triad / moved
        result["opponent_over_floor"] = seconds["PyTorch"] * triad / moved
    if "1 thread" in seconds:
        result["speedup"] = seconds["1 thread"] / seconds["heliograd"]
    return result


def peak_memory(command, name, folder, threads):
    """Peak resident bytes of three repetitions in a process of their own, beyond what it had before: stock allocators."""
    side = Side(command, threads, DUEL_STOCK="1")
    try:
        before = int(side.ask("memory"))
        side.ask(f"prepare {folder} {name}")
        side.ask("forget")
        side.run(3)
        return int(side.ask("memory")) - before
    finally:
        side.close()


def add_growth(results):
    by_name = {r["work"]: r for r in results}
    if all(name in by_name for name in SERIES):
        first, last = by_name[SERIES[0]]["seconds"], by_name[SERIES[-1]]["seconds"]
        for key, of in (("heliograd", "growth"), ("PyTorch", "opponent_growth")):
            by_name[SERIES[-1]][of] = (last[key] / first[key]) ** (1 / (len(SERIES) - 1))


def profile(side, name, folder):
    """Where the time goes: all kernels of a few repetitions, the slowest first."""
    empty(folder)
    side.ask(f"prepare {folder} {name}")
    once = min(side.run(2))
    repetitions = max(1, min(50, int(1 / once)))
    seconds = quartile(side.run(repetitions))
    kernels = [k.split("=") for k in side.ask(f"profile {repetitions}").split("|") if k]
    print(f"{name}: {milliseconds(seconds)} ms")
    spent = 0
    for label, launches, total in sorted(kernels, key=lambda k: -float(k[2])):
        each = float(total) / repetitions
        spent += each
        print(f"{1e3 * each:10.3f} ms {int(launches) / repetitions:8.0f} times  {label}")
    print(f"{1e3 * (seconds - spent):10.3f} ms outside of kernels")


# ---- the tables ----

def milliseconds(t):
    return "" if t is None else f"{1e3 * t:.3g}" if t < 1 else f"{1e3 * t:.0f}"


def number(x):
    return "" if x is None else f"{x:.2f}" if x >= 0.1 else f"{x:.3f}" if x >= 0.01 else f"{x:.4f}"


def verdict(measure, value, least, aim):
    sign = 1 if measure in LOWER else -1
    return "aim" if sign * value <= sign * aim else "yes" if sign * value <= sign * least else "**no**"


def row(cells):
    return "| " + " | ".join(cells) + " |"


TIME_HEAD = ["work", "heliograd ms", "tuned ms", "stock ms", "ratio", "at least", "aim", "met?", "x peak", "PyTorch",
             "error", "PyTorch"]


def time_row(r):
    bar = next((b for b in BARS if b[0] == r["work"] and b[1] == "ratio"), None)
    s = r["seconds"]
    return row([r["work"], milliseconds(s["heliograd"]), milliseconds(s["PyTorch"]), milliseconds(s.get("stock")),
                number(r["ratio"])] + ([number(bar[2]), number(bar[3]), verdict("ratio", r["ratio"], *bar[2:])] if bar
                                       else [""] * 3)
               + [number(r.get("of_peak")), number(r.get("opponent_of_peak")), f"{r['error']:.1e}",
                  f"{r['opponent_error']:.1e}"])


def other_row(r, measure, least=None, aim=None):
    shown, theirs = number(r[measure]), number(r.get("opponent_" + measure))
    if measure == "memory_ratio":
        mine, theirs = (f"{m / 1e6:.0f} MB" for m in r["memory"])
        shown += f" ({mine})"
    what = "conv3 64>64, 128^2 to 1024^2" if measure == "growth" else r["work"]
    judged = [number(least), number(aim), verdict(measure, r[measure], least, aim)] if least else [""] * 3
    return row([what, MEASURES[measure], shown, theirs, *judged])


def other_rows(results):
    for name, measure, *bar in BARS:
        for r in results:
            if measure != "ratio" and r["work"] == name and measure in r:
                yield other_row(r, measure, *bar)
    for r in results:  # memory that was asked for
        if "memory" in r and not any((r["work"], "memory_ratio") == bar[:2] for bar in BARS):
            yield other_row(r, "memory_ratio")


def tables(results, record):
    lines = [row(TIME_HEAD), row(["---"] * len(TIME_HEAD))] + [time_row(r) for r in results]
    others = list(other_rows(results))
    if others:
        head = ["work", "what", "heliograd", "PyTorch", "at least", "aim", "met?"]
        lines += ["", row(head), row(["---"] * len(head))] + others
    small = next((r["seconds"] for r in results if r["work"] == "1000 small ops"), None)
    if small:
        lines += ["", f"An op of 64 numbers, recorded, run and differentiated: {1e3 * small['heliograd']:.2f} microseconds, "
                      f"PyTorch {1e3 * small['PyTorch']:.2f}; to record it alone costs the host "
                      f"{1e6 * record:.2f} microseconds (at least 1.0)."]
    return lines


def machine():
    def first(path, key):
        with open(path) as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "unknown")
    wide = "AVX-512" if "avx512f" in first("/proc/cpuinfo", "flags") else "without AVX-512"
    gib = int(first("/proc/meminfo", "MemTotal").split()[0]) / 2 ** 20
    return f"{os.cpu_count()} x {first('/proc/cpuinfo', 'model name')} ({wide}), {gib:.0f} GiB"


def summary(results, threads):
    peaks = [p for r in results for p in r["peak_flops"]]
    triads = [r["triad_bytes"] for r in results if "triad_bytes" in r]
    restless = "" if max(peaks) < 1.1 * min(peaks) else " (it was not quiet: measure again)"
    return (f"{threads} threads; the machine did {min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f} GFLOP/s{restless}"
            + (f" and {min(triads) / 1e9:.0f} to {max(triads) / 1e9:.0f} GB/s" if triads else "") + " during the run; "
            f"geometric mean of the {len(results)} ratios "
            f"{math.exp(sum(math.log(r['ratio']) for r in results) / len(results)):.2f}")


def command_line(options):
    """As one would type it, in the folder of the repository."""
    words = [("--markdown", options.markdown and os.path.relpath(options.markdown, os.path.join(HERE, "..", ".."))),
             ("--rounds", options.rounds if options.rounds != 5 else None),
             ("--budget", options.budget if options.budget != 0.8 else None),
             ("--threads", options.threads if options.threads != os.cpu_count() else None)]
    flags = [word for name, value in words if value for word in (name, str(value))]
    flags += [name for name, on in (("--memory", options.memory), ("--stock", options.stock)) if on]
    return shlex.join(["./dev", "duel", *flags, *options.names])


def page(results, report, lines):
    met = [verdict(measure, r[measure], least, aim) for name, measure, least, aim in BARS for r in results
           if r["work"] == name and measure in r]
    return "\n".join([
        f"# Figures on {report['threads']} threads", "",
        f"Written by `./dev duel --markdown FILE`; [how to read it](../guide/performance.md), "
        f"[what holds what is missed](limits.md).", "",
        f"- {report['date']}, {report['machine']}", f"- {report['about']}",
        f"- {summary(results, report['threads'])}",
        f"- command: `{report['command']}`, {report['seconds'] / 60:.0f} minutes",
        f"- of {len(met)} bars {met.count('aim')} are at their aim, {met.count('yes')} are met, "
        f"{met.count('**no**')} are missed", "", *lines, ""])


def main():
    arguments = argparse.ArgumentParser(prog="dev duel", description=__doc__.split("\n")[0])
    arguments.add_argument("names", nargs="*", help="parts of names; default: all work")
    arguments.add_argument("--program", required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--out", required=True, help="folder of the results")
    arguments.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of both sides (default: all)")
    arguments.add_argument("--budget", type=float, default=0.8, help="seconds per work and side (default: 0.8)")
    arguments.add_argument("--rounds", type=int, default=5, help="turns of each side (default: 5)")
    arguments.add_argument("--memory", action="store_true", help="peak memory of all work, not of whole models alone")
    arguments.add_argument("--stock", action="store_true", help="the stock PyTorch for long work too")
    arguments.add_argument("--markdown", metavar="FILE", help="write the page of figures, as docs/performance keeps it")
    arguments.add_argument("--list", action="store_true", help="only name the work")
    arguments.add_argument("--profile", action="store_true", help="only heliograd: how long each of its kernels takes")
    options = arguments.parse_args()
    if options.profile:
        side = Side([options.program], options.threads)
        with tempfile.TemporaryDirectory(prefix="heliograd-duel-") as folder:
            for name in side.ask("works").split("|"):
                if name and any(part in name for part in options.names or [""]):
                    profile(side, name, folder)
        side.close()
        return
    opponent = [sys.executable, os.path.join(HERE, "opponent.py")]
    sides = {"heliograd": Side([options.program], options.threads), "PyTorch": Side(opponent, options.threads, **TUNED)}
    theirs = set(sides["PyTorch"].ask("works").split("|"))
    names = [n for n in sides["heliograd"].ask("works").split("|") if n]
    strangers = (set(names) - theirs) | ({bar[0] for bar in BARS} - set(names))
    if strangers:
        sys.exit("dev: error: work that one side does not know: " + ", ".join(sorted(strangers)))
    chosen = [n for n in names if not options.names or any(part in n for part in options.names)]
    if not chosen or options.list:
        print("\n".join(names))
        sys.exit(0 if options.list else "dev: error: no work matches; there is what is named above")
    sides["stock"] = Side(opponent, options.threads, DUEL_STOCK="1")
    if options.threads > 1 and any(bar[0] in chosen and bar[1] == "speedup" for bar in BARS):
        sides["1 thread"] = Side([options.program], 1)
    folder = tempfile.mkdtemp(prefix="heliograd-duel-")
    results, begun = [], time.time()
    print(f"{'work':44} {'ms':>8} {'PyTorch':>8} {'ratio':>6} {'error':>8} {'PyTorch':>8}")
    try:
        about = sides["heliograd"].ask("about") + "; " + sides["PyTorch"].ask("about")
        for count, name in enumerate(chosen):
            print(f"[{count + 1}/{len(chosen)}, {time.time() - begun:.0f} s] {name}", end="\r", file=sys.stderr, flush=True)
            try:
                r = one(name, sides, folder, options)
                if options.memory or any((name, "memory_ratio") == bar[:2] for bar in BARS):
                    empty(folder)
                    r["memory"] = [peak_memory([options.program], name, folder, options.threads),
                                   peak_memory(opponent, name, folder, options.threads)]
                    r["memory_ratio"] = r["memory"][0] / r["memory"][1]
            except (RuntimeError, OSError) as error:
                print(f"{name:44} {error}")
                continue
            results.append(r)
            print(f"{name:44} {milliseconds(r['seconds']['heliograd']):>8} {milliseconds(r['seconds']['PyTorch']):>8} "
                  f"{number(r['ratio']):>6} {r['error']:8.1e} {r['opponent_error']:8.1e}", flush=True)
        record = float(sides["heliograd"].ask("record"))
    finally:
        shutil.rmtree(folder)
        for side in sides.values():
            side.close()
    if not results:
        sys.exit("dev: error: no work could be done; the reasons stand above")
    add_growth(results)
    lines = tables(results, record)
    print("\n" + "\n".join(lines) + "\n\n" + summary(results, options.threads))
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "about": about, "threads": options.threads,
              "command": command_line(options),
              "seconds": time.time() - begun, "seconds_to_record": record, "results": results}
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, f"duel-{options.threads}-threads.json")
    with open(path, "w") as file:
        json.dump(report, file, indent=1)
    print(f"wrote {path}")
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write(page(results, report, lines))
        print(f"wrote {options.markdown}")


if __name__ == "__main__":
    main()
