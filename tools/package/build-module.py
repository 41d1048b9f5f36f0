#!/usr/bin/env python3
# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds the compiled half of the package keops for the Python that runs this.

Needs a C++17 compiler ($CXX, c++, g++ or clang++), this Python's headers, and nanobind:

    python3 -m pip install nanobind numpy
    python3 python/build-module.py

The module is put beside the sources in python/keops and finds the library in lib/. Then PYTHONPATH=python suffices.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile


def fail(sentence):
    sys.exit(f"build-module.py: error: {sentence}")


def find_compiler():
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return name
    fail("expected a C++ compiler named by $CXX, or c++, g++ or clang++ on the path; found none")


def main():
    try:
        import nanobind
    except ImportError:
        fail(f"{sys.executable} has no nanobind; 'python3 -m pip install nanobind' installs it")
    python = pathlib.Path(__file__).resolve().parent
    library = python.parent / "lib"
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        fail(f"expected the headers of this Python in {sysconfig.get_path('include')}; Debian's package is python3-dev")
    nanobind_root = pathlib.Path(nanobind.include_dir()).parent
    sources = sorted((python / "src").glob("*.cpp")) + [nanobind_root / "src" / "nb_combined.cpp"]
    version = (python / "VERSION").read_text().strip()
    compiler = find_compiler()
    flags = ["-std=c++17", "-O2", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing",
             f'-DKEOPS_VERSION="{version}"', f"-I{python.parent / 'include'}", f"-I{python / 'src'}",
             f"-I{nanobind_root / 'include'}", f"-I{nanobind_root / 'ext/robin_map/include'}",
             f"-I{sysconfig.get_path('include')}"]
    module = python / "keops" / ("_keops" + sysconfig.get_config_var("EXT_SUFFIX"))
    with tempfile.TemporaryDirectory() as folder:
        objects = [str(pathlib.Path(folder, source.stem + ".o")) for source in sources]

        def compile_one(pair):
            return subprocess.run([compiler, *flags, "-c", str(pair[0]), "-o", pair[1]]).returncode

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            if any(pool.map(compile_one, zip(sources, objects))):
                fail("the compiler refuses the sources, see above")
        done = subprocess.run([compiler, "-shared", "-o", str(module), *objects, f"-L{library}", "-lkeops",
                               "-Wl,-rpath,$ORIGIN/../../lib"])
        if done.returncode:
            fail("the module cannot be linked, see above")
    print(f"built {module.name}")


if __name__ == "__main__":
    main()
