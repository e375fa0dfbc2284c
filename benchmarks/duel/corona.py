# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The coronal field by heliograd's pfss and by sunkit-magex, turn by turn in one run: times, and how far apart they are.

    python3 -m venv venv && venv/bin/pip install sunkit-magex
    venv/bin/python benchmarks/duel/corona.py [--sizes 180x360x35 ...] [MAP.fits ...]

Maps are random, of rows x columns x shells (radial cells), or files: those on rows of equal area, as GONG and HMI write
them. pfss is a new process every time and says itself how long it computed; sunkit-magex has run once before, so that
numba has compiled. Either solves for the field on all nodes, in double precision, on as many threads as there are.
Differences are the largest ones, against the largest number of the component, on all nodes below the source surface (on it
sunkit-magex extrapolates the tangential field) and of the radial field on the source surface itself.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}

try:
    import astropy.time
    import astropy.units
    import numpy as np
    import sunpy.map
    from astropy.io import fits
    from sunkit_magex import pfss
except ImportError as error:
    print(f"corona: left out: {error}; pip install sunkit-magex, and run this with that Python")
    sys.exit(0)


def heliograd(path, shells, folder):
    """The seconds pfss computed, and its field: component -> [shell, row, column]."""
    out = os.path.join(folder, "field.fits")
    run = subprocess.run([os.path.join(REPOSITORY, "dev"), "run", "pfss", "solve", path, "-o", out, "--overwrite",
                          "--quiet", "--double", "--nr", str(shells)], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"corona: pfss failed: {run.stderr.strip()}")
    amount, unit = re.search(r"computed in ([0-9.]+) (\w+)", run.stdout).groups()
    with fits.open(out) as hdus:
        field = {name: hdus[name].data for name in ("B_R", "B_THETA", "B_PHI", "SOURCE_SURFACE")}
    return float(amount) * UNITS[unit], field


def peer(gauss, shells):
    """The same by sunkit-magex."""
    rows, columns = gauss.shape
    header = pfss.utils.carr_cea_wcs_header(astropy.time.Time("2018-11-06"), (columns, rows))
    model = pfss.Input(sunpy.map.Map((gauss, header)), shells, 2.5)
    start = time.perf_counter()
    output = pfss.pfss(model)
    nodes = np.asarray(output.bg.value)
    seconds = time.perf_counter() - start
    turned = {name: np.transpose(nodes[..., c]) for c, name in enumerate(("B_PHI", "B_THETA", "B_R"))}
    turned["SOURCE_SURFACE"] = np.transpose(np.asarray(output.bc[0].value)[:, :, -1])
    return seconds, turned


def write(path, gauss):
    rows, columns = gauss.shape
    header = fits.Header()
    for axis, (name, unit, count, step) in enumerate((("CRLN-CEA", "deg", columns, 360 / columns),
                                                      ("CRLT-CEA", "Sine Latitude", rows, 2 / rows)), 1):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = name, unit
        header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = (count + 1) / 2, step
        header[f"CRVAL{axis}"] = 180.0 if axis == 1 else 0.0
    header["BUNIT"] = "Gauss"
    fits.writeto(path, gauss, header, overwrite=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("maps", nargs="*", metavar="MAP.fits")
    arguments.add_argument("--sizes", nargs="*", default=["36x72x15", "35x71x10", "180x360x35", "360x720x40"])
    arguments.add_argument("--shells", type=int, default=35, help="radial cells for files")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    random = np.random.default_rng(1)
    cases = []
    for size in options.sizes:
        rows, columns, shells = map(int, size.split("x"))
        cases.append((size, random.uniform(-10, 10, (rows, columns)), shells))
    for path in options.maps:
        gauss = next(hdu.data for hdu in fits.open(path) if hdu.data is not None).astype(float)
        cases.append((os.path.basename(path)[:24], np.nan_to_num(gauss), options.shells))
    print(f"{'map':26}{'pfss':>10}{'sunkit-magex':>14}{'ratio':>8}   apart: B_r, B_theta, B_phi, source surface")
    peer(random.uniform(-1, 1, (8, 16)), 4)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "map.fits")
        for name, gauss, shells in cases:
            gauss = gauss - gauss.mean()
            write(path, gauss)
            ours, theirs = [], []
            for _ in range(options.rounds):
                seconds, field = heliograd(path, shells, folder)
                ours.append(seconds)
                seconds, other = peer(gauss, shells)
                theirs.append(seconds)
            apart = []
            for component, values in field.items():
                inner = slice(None) if component == "SOURCE_SURFACE" else slice(0, -1)
                difference = np.abs(values[inner] - other[component][inner]).max()
                apart.append(f"{difference / np.abs(other[component][inner]).max():.0e}")
            a, b = np.median(ours), np.median(theirs)
            print(f"{name:26}{a:8.4f} s{b:12.3f} s{b / a:8.1f}   {', '.join(apart)}", flush=True)


if __name__ == "__main__":
    main()
