# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compare.py RECORD [--write TABLE.md]: every op of the catalogue that PyTorch has, on the same inputs, values and gradients.

RECORD is what test_catalogue leaves with HELIOGRAD_RECORD. In double, values and gradients must agree to the case's bar (1e-12);
in single precision both libraries' errors are measured against PyTorch in double and stand side by side in the table.
"""
import json
import math
import pathlib
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    # The gradient arrives with channels last; instance_norm of PyTorch 2.6 takes that for channels first in images of one row.
    if t.requires_grad:
        t.register_hook(lambda g: g.contiguous())
    return t.permute(0, 2, 3, 1)


def oihw(t):
    """[kh, kw, c_in, c_out] as PyTorch has filters."""
    return t.permute(3, 2, 0, 1).contiguous()


NAMES = {"torch": torch, "F": F, "math": math, "nchw": nchw, "nhwc": nhwc, "oihw": oihw}


def distance(a, b):
    """Relative L2 distance of a from b; absolute where b is zero."""
    if a.shape != b.shape or not np.isfinite(a).all():
        return math.inf
    scale = np.linalg.norm(b)
    return np.linalg.norm(a - b) / (scale if scale > 0 else 1)


class Case:
    def __init__(self, line, numbers):
        self.line = line
        self.numbers = numbers
        self.op = re.split("[:,]", line["name"])[0]

    def array(self, at, shape):
        return self.numbers[at : at + math.prod(shape)].reshape(shape)

    def ours(self, precision):
        run = self.line[precision]
        values = self.array(run["values"], run["shape"])
        gradients = []
        for spec, at in zip(self.line["inputs"], run["gradients"]):
            if spec["differentiable"]:
                gradients.append(self.array(at, spec["shape"]))
        return [values, *gradients]

    def theirs(self, precision):
        dtype = {"double": torch.float64, "float": torch.float32}[precision]
        x = []
        for spec in self.line["inputs"]:
            t = torch.tensor(self.array(spec["at"], spec["shape"]), dtype=dtype)
            x.append(t.requires_grad_(spec["differentiable"]))
        y = eval(self.line["peer"], dict(NAMES, x=x))
        run = self.line[precision]
        weights = torch.tensor(self.array(run["weights"], run["shape"]), dtype=dtype)
        wanted = [t for t in x if t.requires_grad]
        results = [y]
        if run["gradients"]:
            results += torch.autograd.grad((y * weights.reshape(y.shape)).sum(), wanted, materialize_grads=True)
        return [t.detach().double().numpy() for t in results]

    def compare(self):
        """Distances in double (values, gradients), and errors in single precision (ours, theirs; values, gradients)."""
        truth = self.theirs("double")
        double = [distance(a, b) for a, b in zip(self.ours("double"), truth, strict=True)]
        ours = [distance(a, b) for a, b in zip(self.ours("float"), truth, strict=True)]
        theirs = [distance(a, b) for a, b in zip(self.theirs("float"), truth, strict=True)]
        return double, ours, theirs


def figure(x):
    return "0" if x == 0 else f"{x:.1e}"


def yes(flags):
    return "yes" if all(flags) else "some" if any(flags) else ""


def rows(cases, results):
    for op in sorted({c.op for c in cases}, key=str.lower):
        mine = [c for c in cases if c.op == op]
        margin = {k: max(c.line["margins"][k] for c in mine) for k in mine[0].line["margins"]}
        compared = [results[id(c)] for c in mine if id(c) in results]
        gradient = any(any(i["differentiable"] for i in c.line["inputs"]) and c.line["double"]["gradients"] for c in mine)
        peer = ["", "", ""]
        if compared:
            worst = lambda which, part: max((max(r[which][part], default=0) for r in compared), default=0)
            peer = [figure(worst(0, slice(None))),
                    f"{figure(worst(1, slice(0, 1)))} / {figure(worst(2, slice(0, 1)))}",
                    f"{figure(worst(1, slice(1, None)))} / {figure(worst(2, slice(1, None)))}" if gradient else ""]
        yield [f"`{op}`", mine[0].line["family"], str(len(mine)), "yes" if gradient else "",
               yes(c.line["margins"]["twice"] >= 0 for c in mine) if gradient else "", yes(c.line["exact"] for c in mine),
               yes(c.line["linear"] for c in mine), f"{margin['float']:.2f}", f"{margin['double']:.2f}",
               f"{margin['gradient']:.2f}" if gradient else "",
               f"{margin['complex_step']:.2f}" if margin["complex_step"] >= 0 else "", f"{margin['float_gradient']:.2f}" if gradient else "", *peer]


HEAD = """# What is supported

Every op of the catalogue (`tests/catalogue`), forward and backward, in single and double precision, on OpenMP, CUDA and HIP. Written by
`./dev table`; do not edit. *Error over bar* is the largest error of all cases over what is allowed
([precision](../guide/precision.md)): 1 would fail. The last columns compare with PyTorch {torch} on the same inputs: the largest
relative L2 distance of values and gradients in double, then the errors of both libraries in single precision, ours / PyTorch's,
against PyTorch in double. Where they are empty PyTorch has no such op, or {where}.

"""
TITLES = ["op", "family", "cases", "gradient", "twice", "exact on integers", "linear, adjoint", "float: error over bar", "double",
          "gradient", "by complex step", "float gradient", "PyTorch: distance", "values, float: ours / theirs", "gradients, float"]


def main():
    folder = pathlib.Path(sys.argv[1])
    families = [p.name.split(".")[0] for p in (pathlib.Path(__file__).parents[1] / "catalogue").glob("*.test.cpp")]
    cases = []
    for family in sorted(families):
        if not (folder / f"{family}.jsonl").exists():
            continue
        numbers = np.load(folder / f"{family}.npy")
        cases += [Case(json.loads(line), numbers) for line in (folder / f"{family}.jsonl").open()]
    results, failed = {}, []
    for case in cases:
        if not case.line["peer"]:
            continue
        name = f"{case.line['family']}: {case.line['name']}"
        try:
            results[id(case)] = double, ours, theirs = case.compare()
        except Exception as error:  # the expression stands in the catalogue: say which one
            failed.append(f"{name}: {type(error).__name__}: {error}\n    {case.line['peer']}")
            continue
        bar = case.line["peer_bar"] or 1e-12
        if not max(double) <= bar:
            failed.append(f"{name}: off by {', '.join(map(figure, double))} (value, gradients), bar {figure(bar)}\n"
                          f"    {case.line['peer']}")
    print(f"{len(results)} of {len(cases)} cases compared with PyTorch {torch.__version__}, {len(failed)} disagree")
    for line in failed:
        print("  " + line)
    if len(sys.argv) > 3 and sys.argv[2] == "--write":
        where = "the convention differs: see the op's page"
        text = HEAD.format(torch=torch.__version__.split("+")[0], where=where)
        text += "| " + " | ".join(TITLES) + " |\n" + "|---" * len(TITLES) + "|\n"
        text += "".join("| " + " | ".join(row) + " |\n" for row in rows(cases, results))
        pathlib.Path(sys.argv[3]).write_text(text)
    return 1 if failed or not results else 0


sys.exit(main())
