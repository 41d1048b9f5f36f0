# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The lit suite: which files are tests, which tools they may name, and what this machine can do.

Features for `REQUIRES:`
  avx2, avx512f, neon   SIMD of this machine's processor
  ptxas                 the assembler for GPU code was found; tests call it as `ptxas`
  cuda                  a GPU and its driver are there
  cuda-header           CUDA's driver header was found; tests call its folder `%cuda_include`, a C++ compiler `%cxx`
  no-toolkit            no assembler for GPU code lies where tools look for it by themselves
  python                the Python package is part of this build; tests call `%python`
  torch                 PyTorch is there; with torch-without-cuda, one for processors alone
  asan                  host code is built with sanitizers

With KEOPS_CHECK_ROUNDTRIP=1 in the environment, every keops-opt also prints and parses the IR it read and checks that
nothing was lost.
"""

import glob
import importlib.util
import os
import pathlib
import platform
import re
import shutil
import sys
import sysconfig

import lit.formats

config.name = "Keops"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Unit", "Benchmark", "lib", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.keops_build_root, "test")

tools = os.path.join(config.keops_build_root, "bin")
path = [tools, config.llvm_tools_dir]


def find_ptxas():
    """The pinned one beside this Python first, so that everybody counts the same instructions."""
    here = sysconfig.get_path("purelib")
    places = glob.glob(os.path.join(here, "nvidia", "*", "bin"))
    places += [os.path.join(os.environ[name], "bin") for name in ("CUDA_HOME", "CUDA_PATH") if name in os.environ]
    places += os.environ.get("PATH", "").split(os.pathsep) + ["/usr/local/cuda/bin"]
    return shutil.which("ptxas", path=os.pathsep.join(places))


def processor_features():
    if platform.machine() == "aarch64":
        return {"neon"}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = next((line.split(":")[1].split() for line in file if line.startswith("flags")), [])
    return {"avx2", "avx512f"} & set(flags)


config.available_features |= processor_features()
ptxas = find_ptxas()
if ptxas:
    config.available_features.add("ptxas")
    path.append(os.path.dirname(ptxas))
if os.path.exists("/dev/nvidiactl"):
    config.available_features.add("cuda")
cuda_headers = [place for place in sorted(glob.glob("/usr/local/cuda*/include") + [
    os.path.join(os.environ[name], "include") for name in ("CUDA_HOME", "CUDA_PATH") if name in os.environ
]) if os.path.exists(os.path.join(place, "cuda.h"))]
if cuda_headers:
    config.available_features.add("cuda-header")
    config.substitutions.append(("%cuda_include", cuda_headers[-1]))
config.substitutions.append(("%cxx", os.path.join(config.llvm_tools_dir, "clang++")))
if not glob.glob("/usr/local/cuda*/bin/ptxas"):
    config.available_features.add("no-toolkit")
if config.keops_asan:
    config.available_features.add("asan")
    # Containers that the uninstrumented LLVM libraries fill look overrun from instrumented code.
    config.environment["ASAN_OPTIONS"] = "detect_container_overflow=0"
if config.keops_python:
    config.available_features.add("python")
    config.environment["PYTHONPATH"] = os.path.join(config.keops_build_root, "python")
    torch = importlib.util.find_spec("torch")
    if torch:
        config.available_features.add("torch")
        # Its import would take seconds.
        version = pathlib.Path(torch.origin).with_name("version.py").read_text(encoding="utf-8")
        if re.search(r"^cuda\b.*= None$", version, re.MULTILINE):
            config.available_features.add("torch-without-cuda")

# Tests find our tools before anybody else's, and never touch the caches of the person who runs them.
config.environment["PATH"] = os.pathsep.join(path + [os.environ.get("PATH", "")])
config.environment["KEOPS_CACHE_FOLDER"] = os.path.join(config.test_exec_root, "cache")
for name in ("CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%source_root", config.keops_source_root))
config.substitutions.append(("%build_root", config.keops_build_root))
if os.environ.get("KEOPS_CHECK_ROUNDTRIP", "0") not in ("", "0"):
    # The name as a command: not as part of a path or a longer word.
    config.substitutions.append((r"(?<![\w./%-])keops-opt(?![\w.-])", "keops-opt --verify-roundtrip"))
