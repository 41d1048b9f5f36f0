# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs written for PyKeOps run on this package: each test runs one in a process of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="needs PyTorch: pip install torch")


def run(program, *arguments, expect=0, env=None):
    """What the program prints, run by ``python ARGUMENTS`` with its text on standard input."""
    done = subprocess.run([sys.executable, *arguments], input=textwrap.dedent(program), capture_output=True, text=True,
                          env={**os.environ, **(env or {})})
    assert done.returncode == expect, done.stderr
    return done.stdout if expect == 0 else done.stderr


INSTALL = "import keops; keops.install_as_pykeops()\n"


def installed(program, **options):
    return run(INSTALL + textwrap.dedent(program), "-", **options)


def test_modules_of_numpy_lead_here():
    installed("""
        import sys
        import pykeops, pykeops.numpy, pykeops.config, pykeops.common.utils, pykeops.common.lazy_tensor
        import pykeops.numpy.cluster, pykeops.numpy.utils
        from pykeops.numpy import Genred, KernelSolve, LazyTensor, ComplexLazyTensor, Vi, Vj, Pm
        from pykeops.numpy import generic_sum, generic_logsumexp, generic_argmin, generic_argkmin
        from pykeops.numpy.cluster import grid_cluster, from_matrix, swap_axes, sort_clusters, cluster_ranges
        from pykeops.numpy.cluster import cluster_centroids, cluster_ranges_centroids
        from pykeops.numpy.generic.generic_red import Genred as Other
        from pykeops.numpy.generic.generic_ops import generic_sum
        from pykeops.numpy.lazytensor.LazyTensor import LazyTensor as Third, Var
        from pykeops.numpy.operations import KernelSolve
        from pykeops.common.lazy_tensor import GenericLazyTensor
        from pykeops.numpy import RadialKernelConv, RadialKernelGrad1conv
        from pykeops.numpy import *
        import keops.numpy
        assert Genred is Other is keops.numpy.Genred and LazyTensor is Third is keops.numpy.LazyTensor
        assert issubclass(LazyTensor, GenericLazyTensor)
        assert "torch" not in sys.modules
        assert pykeops.__version__ == "2.3" and pykeops.default_device_id == 0
        assert pykeops.config.gpu_available is pykeops.config.pykeops_cuda.get_use_cuda() and pykeops.config.numpy_found
        assert pykeops.config.pykeops_openmp.get_use_OpenMP() is True
        assert pykeops.config.pykeops_base.get_build_folder() == pykeops.get_build_folder()
        assert pykeops.numpy.__spec__.name == "pykeops.numpy" and keops.numpy.__spec__.name == "keops.numpy"
    """)


@needs_torch
def test_modules_of_torch_lead_here():
    installed("""
        import pykeops, pykeops.torch, pykeops.torch.utils
        from pykeops.torch import Genred, KernelSolve, LazyTensor, ComplexLazyTensor, Vi, Vj, Pm
        from pykeops.torch import generic_sum, generic_logsumexp, generic_argmin, generic_argkmin
        from pykeops.torch.cluster import grid_cluster, from_matrix, swap_axes, sort_clusters, cluster_ranges
        from pykeops.torch import Kernel, kernel_product
        from pykeops.torch.kernel_product import Kernel as Other, Formula, kernel_formulas
        from pykeops.torch.lazytensor.LazyTensor import LazyTensor as Third
        import keops.torch
        assert Kernel is Other is keops.torch.Kernel and callable(kernel_product) and LazyTensor is Third
        assert callable(pykeops.torch.kernel_product) and pykeops.config.torch_found
    """)


def test_modules_need_no_import_of_their_own():
    installed("""
        import sys
        import pykeops
        assert pykeops.numpy_found and "torch" not in sys.modules
        assert callable(pykeops.numpy.cluster.grid_cluster)
        assert pykeops.numpy.lazytensor.LazyTensor.Vi is pykeops.numpy.Vi
        assert pykeops.common.lazy_tensor.GenericLazyTensor and pykeops.numpy.operations.KernelSolve
        assert not hasattr(pykeops.numpy, "nothing") and "torch" not in sys.modules
        sys.modules["torch"] = None
        assert not hasattr(pykeops, "torch")
    """)


@needs_torch
def test_modules_of_torch_need_no_import_of_their_own():
    installed("""
        import pykeops
        import keops.torch
        assert pykeops.torch.LazyTensor is keops.torch.LazyTensor and pykeops.torch.generic.generic_red.Genred
        assert callable(pykeops.torch.kernel_product) and pykeops.torch.cluster.from_matrix
        # A function of the name of its module stays one.
        from pykeops.torch.cluster.grid_cluster import grid_cluster
        assert pykeops.torch.cluster.grid_cluster is grid_cluster is keops.torch.cluster.grid_cluster
    """)


def test_the_package_has_its_functions(tmp_path):
    out = installed(f"""
        import os
        import pykeops
        usual = pykeops.get_build_folder()
        pykeops.set_build_folder({str(tmp_path / "kernels")!r})
        assert pykeops.get_build_folder() == {str(tmp_path / "kernels")!r}
        pykeops.test_numpy_bindings()
        assert os.listdir(pykeops.get_build_folder())
        open(os.path.join(pykeops.get_build_folder(), "mine.txt"), "w").close()
        pykeops.clean_pykeops()
        assert os.listdir(pykeops.get_build_folder()) == ["mine.txt"]
        pykeops.test_numpy_bindings()
        assert len(os.listdir(pykeops.get_build_folder())) > 1
        pykeops.set_build_folder()
        assert pykeops.get_build_folder() == usual
        pykeops.set_verbose(False)
        assert pykeops.verbose is False
        pykeops.check_health()
        pykeops.common.utils.WarmUpGpu("numpy")
    """.replace("import pykeops\n", "import pykeops, pykeops.common.utils\n", 1))
    assert out.count("pyKeOps with numpy bindings is working!\n") == 2 and "platform:" in out


def test_the_package_beside_it(tmp_path):
    out = installed(f"""
        import os
        import keopscore, pykeops
        keopscore.verbose = keopscore.auto_factorize = True
        assert keopscore.cuda_block_size == 192 and keopscore.debug_ops is False
        keopscore.set_build_folder({str(tmp_path)!r}, read_save_file=True, write_save_file=False, reset_all=True)
        pykeops.test_numpy_bindings()
        assert pykeops.get_build_folder() == {str(tmp_path)!r} and os.listdir({str(tmp_path)!r})
        keopscore.clean_keops(verbose=False)
        assert not os.listdir({str(tmp_path)!r})
        for part in ("cuda", "openmp", "platform", "base", "all"):
            keopscore.check_health(part)
    """)
    assert out.count("graphics processors: ") == out.count("threads: ") == 2
    assert "config_type: expected 'all'" in installed("import pykeops; pykeops.check_health('gpu')", expect=1)


@needs_torch
def test_bindings_of_torch():
    out = installed("import pykeops, pykeops.torch.utils\npykeops.test_torch_bindings()")
    assert out == "pyKeOps with torch bindings is working!\n"


PROGRAM = """
import sys
import numpy as np
from pykeops.numpy import LazyTensor
x = np.arange(6.0).reshape(3, 2)
K = (-((LazyTensor(x[:, None]) - LazyTensor(x[None]))**2).sum(-1)).exp()
print(sys.argv[1:], __name__, np.allclose(K @ np.ones((3, 1)), 1 + np.exp([[-8.0] * 1] * 3) * [[1], [2], [1]], atol=1e-6))
"""


def test_scripts_and_modules(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    for arguments in (["-m", "keops.as_pykeops", str(script), "one", "--two"],
                      ["-m", "keops.as_pykeops", "-m", "program", "one", "--two"]):
        out = run("", *arguments, env={"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])})
        assert out == "['one', '--two'] __main__ True\n"


def test_what_cannot_be_run():
    assert "expected a script, got 'nothing.py'" in run("", "-m", "keops.as_pykeops", "nothing.py", expect=1)
    assert "script.py" in run("", "-m", "keops.as_pykeops", "--help")
    message = run("import sys, types; sys.modules['pykeops'] = types.ModuleType('pykeops')\n" + INSTALL, "-", expect=1)
    assert "expected to be called before the first import of pykeops" in message
    assert "No module named 'pykeops.nothing'" in installed("import pykeops.nothing", expect=1)
    installed("keops.install_as_pykeops(); import pykeops")
