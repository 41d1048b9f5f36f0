# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs programs that were written for PyKeOps::

    python -m keops.as_pykeops script.py arguments...
    python -m keops.as_pykeops -m module arguments...

or, from a program, ``keops.install_as_pykeops()`` before the first ``import pykeops``. From then on the names of PyKeOps'
modules lead to this package; an installed PyKeOps is not touched, and not used."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import platform
import runpy
import sys
from types import ModuleType
from typing import Any, Dict, List, Optional

import keops
from keops import _keops

# The version of PyKeOps whose names these are.
VERSION = "2.3"

_CLUSTER = ["cluster_centroids", "cluster_ranges", "cluster_ranges_centroids", "from_matrix", "grid_cluster",
            "sort_clusters", "swap_axes"]
_GENERIC = ["generic_argkmin", "generic_argmin", "generic_logsumexp", "generic_sum"]
_LAZY = ["ComplexLazyTensor", "LazyTensor", "Pm", "Var", "Vi", "Vj"]

# Settings of the generator of code, which ours has no use for: programs may set them, to no effect.
_CORE = {"verbose": False, "debug_ops": False, "debug_ops_at_exec": False, "auto_factorize": False, "cuda_block_size": 192}

# Modules, and from which of ours they have which names; none for those that only have others in them.
_MODULES: Dict[str, Any] = {
    "pykeops": None,
    "pykeops.config": None,
    "pykeops.common": None,
    "pykeops.common.utils": None,
    "keopscore": None,
    "pykeops.common.lazy_tensor": ("keops.lazytensor", ["ComplexGenericLazyTensor", "GenericLazyTensor"]),
}
for _front in ("numpy", "torch"):
    _ours, _theirs = f"keops.{_front}", f"pykeops.{_front}"
    _MODULES.update({
        _theirs: (_ours, ["Genred", "KernelSolve", *_GENERIC, *_LAZY]),
        f"{_theirs}.cluster": (f"{_ours}.cluster", _CLUSTER),
        f"{_theirs}.cluster.grid_cluster": (f"{_ours}.cluster", ["grid_cluster"]),
        f"{_theirs}.cluster.matrix": (f"{_ours}.cluster", ["from_matrix"]),
        f"{_theirs}.cluster.utils": (f"{_ours}.cluster", _CLUSTER),
        f"{_theirs}.generic": None,
        f"{_theirs}.generic.generic_red": (_ours, ["Genred"]),
        f"{_theirs}.generic.generic_ops": (_ours, _GENERIC),
        f"{_theirs}.operations": (_ours, ["KernelSolve"]),
        f"{_theirs}.lazytensor": None,
        f"{_theirs}.lazytensor.LazyTensor": (_ours, _LAZY),
        f"{_theirs}.utils": None,
    })
_MODULES["pykeops.torch"][1].extend(["Kernel", "kernel_product"])
_MODULES["pykeops.torch.kernel_product"] = ("keops.torch.kernels", ["Formula", "Kernel", "kernel_formulas",
                                                                           "kernel_product"])


def _is_found(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


# --- What PyKeOps has beside reductions -------------------------------------------------------------------------------


def set_verbose(val: bool) -> None:
    """Sets ``pykeops.verbose``, which has no other effect: nothing is printed while formulas are compiled."""
    sys.modules["pykeops"].verbose = bool(val)  # type: ignore[attr-defined]


def get_build_folder() -> str:
    """The folder that compiled formulas are kept in."""
    return _keops.cache_folder()


def set_build_folder(path: Optional[str] = None) -> None:
    """Keeps formulas that are compiled from now on in another folder.

    :param path: a folder, which is made if need be; None for the usual one, which ``KEOPS_CACHE_FOLDER`` may name.
    """
    if path is None:
        _keops.restart("")
        return
    folder = os.path.abspath(os.fspath(path))
    os.makedirs(folder, exist_ok=True)
    _keops.restart(folder)


def clean_pykeops(recompile_jit_binaries: bool = True) -> None:
    """Deletes the compiled formulas of the build folder and forgets those in memory.

    :param recompile_jit_binaries: accepted and without effect: there are none.
    """
    folder = get_build_folder()
    if folder and os.path.isdir(folder):
        for entry in os.scandir(folder):
            if entry.name.endswith(".kernel") and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
    _keops.restart(folder)


def check_health(config_type: str = "all") -> None:
    """Prints what computes here.

    :param config_type: "base", "cuda", "openmp", "platform" or "all".
    :raises ValueError: another one.
    """
    parts = {
        "platform": f"platform: {platform.platform()}, {platform.machine()}, Python {platform.python_version()}",
        "base": f"keops {keops.__version__} in the place of PyKeOps {VERSION}; formulas are kept in {get_build_folder()}",
        "openmp": f"threads: {os.environ.get('KEOPS_NUM_THREADS') or os.cpu_count()}",
        "cuda": f"graphics processors: {_keops.count_gpus() or 'none'}",
    }
    if config_type != "all" and config_type not in parts:
        raise ValueError(f"config_type: expected 'all', {', '.join(map(repr, parts))}, got {config_type!r}")
    for name, text in parts.items():
        if config_type in ("all", name):
            print(text)


def _bindings_work(front: str) -> bool:
    module, arrays = importlib.import_module(f"keops.{front}"), importlib.import_module(front)
    f = module.Genred("SqNorm2(x - y)", ["x = Vi(3)", "y = Vj(3)"])
    x = arrays.arange(1, 10, dtype=arrays.float32).reshape(-1, 3)
    y = arrays.arange(3, 9, dtype=arrays.float32).reshape(-1, 3)
    return f(x, y).reshape(-1).tolist() == [63.0, 90.0]


def test_numpy_bindings() -> None:
    """Compiles and computes a sum of NumPy arrays, and prints whether it is right."""
    works = _bindings_work("numpy")
    print("pyKeOps with numpy bindings is working!" if works else "pyKeOps with numpy bindings gives wrong results")


def test_torch_bindings() -> None:
    """The same with PyTorch tensors."""
    works = _bindings_work("torch")
    print("pyKeOps with torch bindings is working!" if works else "pyKeOps with torch bindings gives wrong results")


# Names of PyKeOps, not tests of ours.
test_numpy_bindings.__test__ = test_torch_bindings.__test__ = False  # type: ignore[attr-defined]


def WarmUpGpu(lang: str = "numpy") -> None:
    """Computes something small, so that the next computation does not wait for what is started once."""
    _bindings_work("torch" if "torch" in lang else "numpy")


class _Config:
    """What programs ask of the parts of PyKeOps' configuration."""

    def get_use_cuda(self) -> bool:
        return _keops.count_gpus() > 0

    def get_use_OpenMP(self) -> bool:
        return True

    def get_build_folder(self) -> str:
        return get_build_folder()


def _fill_package(module: Any) -> None:
    module.__version__ = VERSION
    module.verbose = os.environ.get("PYKEOPS_VERBOSE", "1") != "0"
    module.default_device_id = 0
    module.numpy_found, module.torch_found = _is_found("numpy"), _is_found("torch")
    for function in (set_verbose, get_build_folder, set_build_folder, clean_pykeops, check_health, test_numpy_bindings,
                     test_torch_bindings):
        setattr(module, function.__name__, function)
    for part in ("config", "common"):
        setattr(module, part, importlib.import_module(f"pykeops.{part}"))


def _fill_core(module: Any) -> None:
    module.__version__ = VERSION
    for name, value in _CORE.items():
        setattr(module, name, value)
    module.check_health, module.get_build_folder = check_health, get_build_folder

    def clean(recompile_jit_binary: bool = True, verbose: bool = True) -> None:
        """``pykeops.clean_pykeops``."""
        clean_pykeops()

    def set_folder(path: Optional[str] = None, read_save_file: bool = False, write_save_file: bool = True,
                   reset_all: bool = True) -> None:
        """``pykeops.set_build_folder``; nothing is written but formulas."""
        set_build_folder(path)

    module.clean_keops, module.set_build_folder = clean, set_folder


def _fill_config(module: Any) -> None:
    module.gpu_available = _keops.count_gpus() > 0
    module.numpy_found = _is_found("numpy")
    module.torch_found = _is_found("torch")
    module.pykeops_base = module.pykeops_cuda = module.pykeops_openmp = _Config()
    module.get_build_folder = get_build_folder


def _fill_utils(module: Any) -> None:
    front = module.__name__.split(".")[1]

    def squared_distances(x: Any, y: Any) -> Any:
        """(M, N) squared distances of the rows of x and y."""
        return ((x[:, None] - y[None])**2).sum(2)

    module.WarmUpGpu = WarmUpGpu if front == "common" else lambda lang=front: WarmUpGpu(lang)
    if front != "common":
        module.squared_distances = squared_distances
        for name in ("Genred", "KernelSolve"):
            setattr(module, name, getattr(importlib.import_module(f"keops.{front}"), name))


def _fill_lazy_tensor(module: Any) -> None:
    # The shared class is also where older programs look for a front's own.
    module.LazyTensor = module.GenericLazyTensor


def _fill_numpy(module: Any) -> None:
    kernels = importlib.import_module("keops.numpy.kernels")
    for name in kernels.__all__:
        setattr(module, name, getattr(kernels, name))


_FILL = {"keopscore": _fill_core, "pykeops": _fill_package, "pykeops.config": _fill_config,
         "pykeops.common.utils": _fill_utils, "pykeops.numpy.utils": _fill_utils, "pykeops.torch.utils": _fill_utils,
         "pykeops.common.lazy_tensor": _fill_lazy_tensor, "pykeops.numpy": _fill_numpy}

# --- The import ------------------------------------------------------------------------------------------------------


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the modules of the table when they are first imported, so that PyTorch is imported only for its own."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname not in _MODULES:
            return None
        is_package = any(name.startswith(fullname + ".") for name in _MODULES)
        return importlib.machinery.ModuleSpec(fullname, self, origin="keops", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__doc__ = f"{name}, by keops."
        if _MODULES[name]:
            source, names = _MODULES[name]
            ours = importlib.import_module(source)
            module.__doc__ = ours.__doc__
            for entry in names:
                if f"{name}.{entry}" in _MODULES:
                    # Its import, whenever it comes, gives this name to the module.
                    importlib.import_module(f"{name}.{entry}")
                setattr(module, entry, getattr(ours, entry))
            module.__all__ = list(names)  # type: ignore[attr-defined]
        if name in _FILL:
            _FILL[name](module)

        def find(attribute: str) -> Any:
            """A module of this package, which programs use without an import of their own."""
            try:
                if f"{name}.{attribute}" in _MODULES:
                    return importlib.import_module(f"{name}.{attribute}")
            except ModuleNotFoundError as error:
                raise AttributeError(f"module {name!r} has no attribute {attribute!r}: {error}") from error
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")

        module.__getattr__ = find  # type: ignore[method-assign]


_FINDER = _Finder()


def install() -> None:
    """Lets the names of PyKeOps' modules lead to this package; ``keops.install_as_pykeops``."""
    if _FINDER in sys.meta_path:
        return
    known = sys.modules.get("pykeops")
    if known is not None:
        raise ImportError("install_as_pykeops: expected to be called before the first import of pykeops, got one from "
                          f"{getattr(known, '__file__', None)}")
    sys.meta_path.insert(0, _FINDER)


def main(arguments: List[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        print(__doc__)
        sys.exit(0 if arguments and arguments != ["-m"] else 2)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = arguments[0]
    if not os.path.exists(script):
        sys.exit(f"keops.as_pykeops: expected a script, got {script!r}, which does not exist")
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    # The module that `import keops.as_pykeops` gives, not this copy, so that there is one finder.
    importlib.import_module("keops.as_pykeops").main(sys.argv[1:])
