# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GPUs as Python sees them, on machines without one: a double of the driver takes its place, in processes of their own,
where a GPU's code runs on the simulator; and the simulator alone."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pytest

import keops
from keops.numpy import Genred

GAUSS = ("Exp(-SqDist(x,y))*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"])
DOUBLE = pathlib.Path(keops.__file__).parents[2] / "cuda-double"

# An array of the double's device, which is memory of the host, in the words of all libraries of arrays on GPUs.
PRELUDE = """
import ctypes
import numpy as np
import keops
from keops.numpy import Genred

x, y, b = np.random.rand(7, 3), np.random.rand(11, 3), np.random.rand(11, 1)
gauss = Genred("Exp(-SqDist(x,y))*b", ["x = Vi(3)", "y = Vj(3)", "b = Vj(1)"], axis=1)
driver = ctypes.CDLL("libcuda.so.1")
driver.cuInit(0)

class Memory:
    def __init__(self, array, device=0):
        context, address = ctypes.c_void_p(), ctypes.c_uint64()
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        driver.cuCtxPushCurrent_v2(context)
        assert driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(array.nbytes)) == 0
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        ctypes.memmove(address.value, array.ctypes.data, array.nbytes)
        self.address, self.shape, self.dtype, self.device = address.value, array.shape, array.dtype, device

    def read(self):
        count = int(np.prod(self.shape))
        return np.frombuffer(ctypes.string_at(self.address, count * self.dtype.itemsize), self.dtype).reshape(self.shape)

class DeviceArray(Memory):
    def __init__(self, array, device=0, strides=None, shape=None, **more):
        super().__init__(array, device)
        self.__cuda_array_interface__ = {"shape": shape or array.shape, "typestr": array.dtype.str, "strides": strides,
                                         "data": (self.address, False), "version": 3, **more}

# The same in the words of DLPack alone.
class Array(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64),
                ("context", ctypes.c_void_p), ("release", ctypes.c_void_p)]

class PackedArray(Memory):
    def __dlpack_device__(self):
        return 2, self.device

    def __dlpack__(self, stream=None):
        self.stream, self.sizes = stream, (ctypes.c_int64 * len(self.shape))(*self.shape)
        code = {"f": 2, "i": 0, "u": 1}[self.dtype.kind]
        self.array = Array(self.address, 2, self.device, len(self.shape), code, 8 * self.dtype.itemsize, 1,
                           ctypes.addressof(self.sizes), None, 0, None, None)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.array), b"dltensor", None)
"""


def run(code, settings=""):
    """What the code prints, or the text of its last exception."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, LD_LIBRARY_PATH=str(DOUBLE), KEOPS_CUDA_DOUBLE=settings,
                           LD_PRELOAD=str(DOUBLE / "libkeops-cuda-compute.so"), KEOPS_CACHE_FOLDER=folder)
        done = subprocess.run([sys.executable, "-c", PRELUDE + code], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


needs_double = pytest.mark.skipif(not (DOUBLE / "libkeops-cuda-compute.so").exists(),
                                  reason="the double of the driver is not built beside the package")


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="there is a GPU")
@pytest.mark.parametrize("backend", ["GPU", "GPU_1D", "GPU_1D_device", "GPU_1D_host", "GPU_2D", "GPU_2D_device",
                                     "GPU_2D_host"])
def test_without_a_driver(backend):
    with pytest.raises(keops.Error, match="no CUDA driver: expected the library libcuda.so.1"):
        Genred(*GAUSS, axis=1)(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 1)), backend=backend)


@needs_double
@pytest.mark.parametrize("settings, call, words", [
    ("devices=0", "backend='GPU'", "no CUDA device: expected at least one"),
    ("version=10020", "backend='GPU'", "the CUDA driver is too old"),
    ("devices=2", "backend='GPU', device_id=7", "no CUDA device 7: expected a number from 0 to 1"),
    ("memory=100", "backend='GPU'", "out of memory"),
])
def test_what_goes_wrong(settings, call, words):
    found = run(f"gauss(x, y, b, {call})", settings)
    assert found.startswith("keops.Error: ") and words in found


@needs_double
def test_arrays_of_the_host_go_through():
    assert run("print(np.allclose(gauss(x, y, b, backend='GPU', device_id=1), gauss(x, y, b)))") == "True"


@needs_double
def test_arrays_of_a_device_stay_there():
    code = """
a, c, w, out = (DeviceArray(array) for array in (x, y, b, np.zeros((7, 1))))
print(gauss(a, c, w, out=out) is out, gauss(a, c, w, backend="GPU", out=out) is out, np.allclose(out.read(), gauss(x, y, b)))
"""
    assert run(code) == "True True True"


@needs_double
def test_arrays_of_another_device_with_strides_and_batches():
    code = """
x, y = np.random.rand(2, 1, 3, 7), np.random.rand(3, 11, 3)
out = DeviceArray(np.zeros((2, 3, 7, 1)), 1)
a = DeviceArray(x, 1, shape=(2, 1, 7, 3), strides=(168, 168, 8, 56))
a.device_id = 1
gauss(a, DeviceArray(y, 1), DeviceArray(b[:1], 1, shape=(11, 1), strides=(0, 8)), out=out)
print(np.allclose(out.read(), gauss(x.swapaxes(-1, -2), y, np.broadcast_to(b[:1], (11, 1)))))
"""
    assert run(code) == "True"


@needs_double
def test_arrays_that_only_dlpack_describes():
    code = """
a, c, w, out = (PackedArray(array, 1) for array in (x, y, b, np.zeros((7, 1))))
print(gauss(a, c, w, out=out) is out, np.allclose(out.read(), gauss(x, y, b)), a.stream)
try:
    gauss(PackedArray(x.astype("u8")), c, w, out=out)
except TypeError as error:
    print(error)
"""
    assert run(code).splitlines() == ["True True 1", "argument 0 (x = Vi(3)): expected dtype float16, float32 or float64, or "
                                      "complex, got one that DLPack calls otherwise"]


@needs_double
def test_the_stream_that_arrays_name():
    code = """
context, streams = ctypes.c_void_p(), [ctypes.c_void_p(), ctypes.c_void_p()]
driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
driver.cuCtxPushCurrent_v2(context)
for stream in streams:
    driver.cuStreamCreate(ctypes.byref(stream), 0)
one, other = (stream.value for stream in streams)
driver.keops_cuda_double_stream.restype = ctypes.c_void_p
c, w, out = DeviceArray(y, stream=one), DeviceArray(b), DeviceArray(np.zeros((7, 1)), stream=one)
a = DeviceArray(x)
gauss(a, c, w, out=out)
waits = driver.keops_cuda_double_calls(b"cuStreamSynchronize")
gauss(a, c, w, out=out)
print(driver.keops_cuda_double_stream() == one, driver.keops_cuda_double_calls(b"cuStreamSynchronize") - waits)
try:
    gauss(DeviceArray(x, stream=other), c, w, out=out)
except ValueError as error:
    print(str(error).partition(", got")[0])
"""
    assert run(code).splitlines() == ["True 0", "expected arrays of one stream, as __cuda_array_interface__ names it"]


@needs_double
def test_a_bar_waits_for_the_end():
    code = """
from keops import _keops
a, c, w, out = (DeviceArray(array) for array in (x, y, b, np.zeros((7, 1))))
gauss(a, c, w, out=out)
waits = driver.keops_cuda_double_calls(b"cuStreamSynchronize")
_keops.watch(print, lambda: gauss(a, c, w, out=out))
print(driver.keops_cuda_double_calls(b"cuStreamSynchronize") - waits)
"""
    assert run(code) == "1"


# --- LazyTensors ------------------------------------------------------------------------------------------------------

# A library whose arrays are made as those of CuPy are, and know no operation.
CUPY = """
import contextlib, sys, types
from keops.numpy import KernelSolve, LazyTensor, Pm, Vi, Vj

class Device(contextlib.nullcontext):
    id = 0

class CupyArray(DeviceArray):
    __module__ = "cupy"

    def __init__(self, array, **more):
        super().__init__(array, **more)
        self.device = Device()

    def __getitem__(self, index):
        return self.read()[index]

cupy = types.ModuleType("cupy")
cupy.empty = lambda shape, dtype: CupyArray(np.zeros(shape, dtype))
cupy.asarray = lambda values, dtype: CupyArray(np.array(values, dtype))
cupy.cuda = types.SimpleNamespace(get_current_stream=lambda device: types.SimpleNamespace(ptr=0))
sys.modules["cupy"] = cupy
"""


@needs_double
def test_lazytensors_of_arrays_of_a_device():
    code = CUPY + """
def same(make):
    on_device, here = make(CupyArray), make(lambda array: array)
    assert type(on_device) is CupyArray, type(on_device)
    return np.allclose(on_device.read(), here)

z = x + 1j * x[:, ::-1]
print(same(lambda f: (-Vi(f(x)).sqdist(Vj(f(y)))).exp() @ f(b)),
      same(lambda f: (-((LazyTensor(f(x[:, None])) - LazyTensor(f(y[None])))**2).sum(-1) / 0.3).exp().sum(axis=0)),
      same(lambda f: (Vi(f(x)) * Pm(f(x[0])) | Vj(f(y))).logsumexp(axis=1, weight=Vj(f(b)))),
      same(lambda f: (Vi(0, 3) - Vj(f(y))).sum(axis=1)(f(x))),
      same(lambda f: (Vi(f(z)) * Vj(f(y))).sum(axis=1)),
      same(lambda f: (LazyTensor(f(np.stack([x, 2 * x])[:, :, None])) | Vj(f(y))).max(axis=2)),
      same(lambda f: Vi(f(x)).sqdist(Vj(f(y))).argKmin(3, axis=1)),
      same(lambda f: (Vi(f(x)) - LazyTensor(f(y[None, 2:3]))).sum(axis=0)))
v = CupyArray(b[:, 0])
print(np.allclose((-Vi(CupyArray(x)).sqdist(Vj(CupyArray(y)))).exp() @ v, gauss(x, y, b)[:, 0]))
print((Vi(CupyArray(x)) - Vj(CupyArray(y))).variables[0])
"""
    assert run(code).splitlines() == [" ".join(["True"] * 8), "True", "View(cupy.CupyArray, shape=(7, 3), dtype=float64)"]


@needs_double
def test_lazytensors_of_other_libraries():
    code = CUPY + """
for kind in (DeviceArray, PackedArray):
    a, c, w, out = (kind(array, 1) for array in (x, y, b, np.zeros((7, 1))))
    a.device_id = c.device_id = w.device_id = 1
    kernel = (-Vi(a).sqdist(Vj(c))).exp()
    print(kernel.shape, kernel.dtype, kernel.__matmul__(w, out=out) is out, np.allclose(out.read(), gauss(x, y, b)))
strided = DeviceArray(x, shape=(7, 2), strides=(24, 16))
result = DeviceArray(np.zeros((7, 2)))
(Vi(strided) * 2).sum(axis=1, out=result)
print(np.array_equal(result.read(), 2 * x[:, ::2]))
"""
    assert run(code).splitlines() == ["(7, 11) float64 True True"] * 2 + ["True"]


# Of LazyTensors that are refused: an expression, and what the exception says.
REFUSED_LAZY = [
    ("Vi(DeviceArray(x)) - Vj(y)", "ValueError: Incompatible values for attribute device: 'cuda:0' and 'cpu'"),
    ("(Vi(DeviceArray(x)) - Vj(DeviceArray(y))).sum(axis=1)", "TypeError: out: expected arrays for the results, because"),
    ("(Vi(DeviceArray(x)) * 0.5).sum(axis=1)",
     "TypeError: expected an array on the GPU in the place of the numbers 0.5, because Keops does not know how DeviceArray"),
    ("Vi(DeviceArray(x.astype('u2')))", "TypeError: x: expected dtype float16, float32 or float64, or complex, got <u2"),
    ("Vi(DeviceArray(x.astype('i8')))", "TypeError: x: expected an array of float16, bfloat16, float32, float64"),
    ("Vi(DeviceArray(x, mask=DeviceArray(x)))", "TypeError: x: expected an array without a mask"),
    ("Vi(DeviceArray(x[0]))", "ValueError: "),
    ("(Vi(CupyArray(x)) | Vj(CupyArray(y))).solve(CupyArray(b))", "TypeError: argument 0: expected an array in the processor's memory"),
    ("Vi(CupyArray(x)).sum(axis=0, backend='sim')", "ValueError: backend: expected 'auto' or 'GPU' for arrays that lie on a GPU"),
]


@needs_double
def test_lazytensors_that_do_not_go_together():
    code = CUPY + "".join(f"""
try:
    {expression}
    print("nothing was refused")
except Exception as error:
    print(type(error).__name__ + ": " + str(error))
""" for expression, _ in REFUSED_LAZY)
    found = run(code).splitlines()
    assert len(found) == len(REFUSED_LAZY), found
    for (expression, words), sentence in zip(REFUSED_LAZY, found):
        assert words in sentence, expression


# Of calls that are refused: their arguments, and what the exception says.
REFUSED = [
    ("DeviceArray(x), DeviceArray(y, 1), DeviceArray(b), out=DeviceArray(np.zeros((7, 1)))",
     "Error: argument 1 (y): expected memory of device 0 (Double), got memory of device 1"),
    ("DeviceArray(x), y, DeviceArray(b)", "TypeError: argument 1 (y = Vj(3)): expected an array of a GPU"),
    ("x, DeviceArray(y), b", "TypeError: argument 1 (y = Vj(3)): expected a NumPy array, got DeviceArray"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b)", "TypeError: out: expected arrays for the results"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b), out=DeviceArray(np.zeros((6, 1)))",
     "ValueError: out: expected an array of shape (7, 1), got shape (6, 1)"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b.astype('i8'))", "expected dtype float16, bfloat16, float32"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b.astype('u2'))", "complex, got <u2"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b, mask=DeviceArray(b))", "expected an array without a mask"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b), backend='sim'",
     "ValueError: backend: expected 'auto' or 'GPU' for arrays that lie on a GPU, got 'sim'"),
    ("DeviceArray(x), DeviceArray(y), DeviceArray(b), backend='CPU'",
     "ValueError: backend: expected 'auto' or 'GPU' for arrays that lie on a GPU"),
]


@needs_double
def test_arrays_that_do_not_go_together():
    code = "".join(f"""
try:
    gauss({arguments})
    print("nothing was refused")
except Exception as error:
    print(type(error).__name__ + ": " + str(error))
""" for arguments, _ in REFUSED)
    found = run(code).splitlines()
    assert len(found) == len(REFUSED), found
    for (arguments, words), sentence in zip(REFUSED, found):
        assert words in sentence, arguments


# --- The simulator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["Sum", "LogSumExp", "ArgMin", "Max"])
def test_simulated_reductions(reduction):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(21, 3)), rng.normal(size=(35, 3))
    function = Genred("SqDist(x,y)", ["x = Vi(3)", "y = Vj(3)"], reduction_op=reduction, axis=1)
    np.testing.assert_allclose(function(x, y, backend="sim"), function(x, y), rtol=1e-12)


def test_simulated_batches_and_strides():
    rng = np.random.default_rng(1)
    x, y, b = rng.normal(size=(2, 1, 9, 6))[..., ::-2], rng.normal(size=(3, 14, 3)), rng.normal(size=(14, 1))
    function = Genred(*GAUSS, axis=1)
    np.testing.assert_allclose(function(x, y, b, backend="sim"), function(x, y, b), rtol=1e-12)


def test_an_unknown_backend_names_those_that_are_known():
    with pytest.raises(ValueError, match="'auto', 'CPU', 'sim', 'GPU'"):
        Genred(*GAUSS, axis=1)(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 1)), backend="TPU")
