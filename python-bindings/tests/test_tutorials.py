# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Each script of docs/Tutorials runs, prints the figure it should, and draws a picture with something in it.

A script also compares its result with another way to compute it, and fails when they disagree."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="tutorials draw with matplotlib, which is not installed")
pytest.importorskip("sklearn", reason="tutorials take their data from scikit-learn, which is not installed")

import keops  # noqa: E402

TUTORIALS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "Tutorials"

# The figure that the last line begins with, and the interval that it lies in.
FIGURES = {
    "gaussian_mixture": ("log-likelihood", -2.2223, -2.20),
    "k_means": ("sum of squared distances", 415, 430),
    "kernel_density": ("integral", 0.995, 1.005),
    "nearest_neighbours": ("accuracy", 0.97, 1.0),
    "optimal_transport": ("cost", 0.21, 0.23),
    "ridge_regression": ("residual", 0.0, 1e-4),
    "spectral_embedding": ("agreement", 0.9, 1.0),
}


def test_all_are_tested_and_listed():
    assert {script.stem for script in TUTORIALS.glob("*.py")} == set(FIGURES)
    listed = (TUTORIALS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\[\w+\.py\]\((\w+)\.py\)", listed)) == set(FIGURES)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_tutorial(name, tmp_path):
    if name == "gaussian_mixture":
        pytest.importorskip("torch", reason="this tutorial needs torch, which is not installed")
    package = str(pathlib.Path(keops.__file__).parents[1])
    environment = {**os.environ, "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(tmp_path / "matplotlib"), "PYTHONPATH": package}
    done = subprocess.run([sys.executable, str(TUTORIALS / f"{name}.py")], cwd=tmp_path, env=environment, text=True,
                          encoding="utf-8", capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    what, least, greatest = FIGURES[name]
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{what} "), last
    assert least <= float(re.match(r"[-+.\de]+", last[len(what) + 1:])[0].rstrip(",")) <= greatest, last

    from matplotlib.image import imread

    picture = imread(tmp_path / f"{name}.png")
    assert min(picture.shape[:2]) > 300
    # A blank picture has one colour, and axes without data have grays only.
    colours = np.unique(picture.reshape(-1, 4)[:, :3], axis=0)
    assert (colours.max(axis=1) - colours.min(axis=1) > 0.1).sum() > 10
