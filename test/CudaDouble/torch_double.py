# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""CUDA tensors in a PyTorch without CUDA, over the double of the driver.

The tensors are PyTorch's own, with its dispatch, its views and its autograd; their memory is the double's, which is memory
of the host. An operator of such tensors runs on the same memory as an operator of the processor. What PyTorch's CUDA half
would say about streams is said here.

Import it before torch, in a process in which ``libcuda.so.1`` is the double.
"""

import contextlib
import ctypes
import functools
import importlib.util
import pathlib
import subprocess
import sys
import sysconfig
import tempfile
import types


def _tell_torch():
    """Loads TorchGuard.cpp, before PyTorch asks for the first time what its CUDA half can do."""
    if "torch" in sys.modules:
        raise ImportError("expected to be imported before torch")
    packages = pathlib.Path(importlib.util.find_spec("torch").origin).parent
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "guard.so"
        subprocess.run([compiler, "-std=c++20", "-fPIC", "-shared", f"-I{packages}/include",
                        str(pathlib.Path(__file__).with_name("TorchGuard.cpp")), f"-L{packages}/lib", "-lc10",
                        "-ltorch_cpu", f"-Wl,-rpath,{packages}/lib", "-o", str(made)], check=True)
        ctypes.CDLL(str(made))


_tell_torch()

import torch
from torch import Tensor
from torch.utils import _pytree, dlpack

CUDA, CPU = 2, 1
# Codes and bits of DLPack.
TYPES = {torch.float32: (2, 32), torch.float64: (2, 64), torch.float16: (2, 16), torch.bfloat16: (4, 16),
         torch.int64: (0, 64), torch.int32: (0, 32), torch.int16: (0, 16), torch.int8: (0, 8), torch.uint8: (1, 8),
         torch.bool: (6, 8), torch.complex64: (5, 64), torch.complex128: (5, 128)}


class _Array(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64)]


class _Managed(ctypes.Structure):
    _fields_ = [("array", _Array), ("context", ctypes.c_void_p), ("release", ctypes.c_void_p)]


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_lent = {}  # what tensors were made of, by address


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _release(address):
    _lent.pop(address, None)


def _tensor_at(address, like, device, owner):
    """A tensor of the sizes, strides and type of ``like`` at an address; -1 is the processor."""
    ndim = like.ndim
    shape, strides = (ctypes.c_int64 * ndim)(*like.shape), (ctypes.c_int64 * ndim)(*like.stride())
    code, bits = TYPES[like.dtype]
    array = _Array(address, CPU if device < 0 else CUDA, max(device, 0), ndim, code, bits, 1, ctypes.addressof(shape),
                   ctypes.addressof(strides), 0)
    managed = _Managed(array, None, ctypes.cast(_release, ctypes.c_void_p))
    _lent[ctypes.addressof(managed)] = (managed, shape, strides, owner)
    return dlpack.from_dlpack(_new_capsule(ctypes.addressof(managed), b"dltensor", None))


class _Memory:
    """Memory of a device."""

    def __init__(self, double, device, count):
        self.double, self.device = double, device
        address = ctypes.c_uint64()
        with double.current(device):
            if double.driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(max(count, 1))) != 0:
                raise torch.cuda.OutOfMemoryError("the double is out of memory")
        self.address = address.value

    def __del__(self):
        with self.double.current(self.device):
            self.double.driver.cuMemFree_v2(ctypes.c_uint64(self.address))


class Double:
    """The driver's double as PyTorch's device.

    :ivar stream: that of PyTorch.
    """

    def __init__(self):
        self.driver = ctypes.CDLL("libcuda.so.1")
        self.driver.cuInit(0)
        self.driver.keops_cuda_double_live_bytes.restype = ctypes.c_int64
        self.driver.keops_cuda_double_launches.restype = ctypes.c_int64
        self.driver.keops_cuda_double_stream.restype = ctypes.c_void_p
        self.driver.keops_cuda_double_calls.restype = ctypes.c_int64
        self.contexts, self.stream = {}, 0

    @contextlib.contextmanager
    def current(self, device):
        if device not in self.contexts:
            context = ctypes.c_void_p()
            self.driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
            self.contexts[device] = context
        self.driver.cuCtxPushCurrent_v2(self.contexts[device])
        try:
            yield
        finally:
            self.driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))

    def make_stream(self):
        made = ctypes.c_void_p()
        with self.current(0):
            self.driver.cuStreamCreate(ctypes.byref(made), 0)
        return made.value

    @contextlib.contextmanager
    def on(self, stream):
        before, self.stream = self.stream, stream
        try:
            yield
        finally:
            self.stream = before

    def live_bytes(self):
        return self.driver.keops_cuda_double_live_bytes()

    def launches(self):
        return self.driver.keops_cuda_double_launches()

    def last_stream(self):
        return self.driver.keops_cuda_double_stream()

    def calls(self, function):
        return self.driver.keops_cuda_double_calls(function.encode())

    # --- Operators ----------------------------------------------------------------------------------------------------

    def to_device(self, tensor, device):
        """A copy on a device of a tensor of the processor, with its strides where they are dense."""
        dense = torch.empty_like(tensor)
        count = dense.untyped_storage().nbytes()
        memory = _Memory(self, device, count)
        made = _tensor_at(memory.address, dense, device, memory)
        _tensor_at(memory.address, dense, -1, memory).copy_(tensor)
        return made

    def run(self, operator, *arguments, **options):
        """An operator of tensors, some of which are on a device."""
        seen, device = [], 0

        def lower(value):
            nonlocal device
            if isinstance(value, Tensor):
                own = value
                if value.is_cuda:
                    device = value.device.index
                    own = _tensor_at(value.data_ptr(), value, -1, value)
                seen.append((value, own))
                return own
            if isinstance(value, torch.device) and value.type == "cuda":
                device = value.index or 0
                return torch.device("cpu")
            return value

        def lift(value):
            if not isinstance(value, Tensor):
                return value
            for given, own in seen:
                if own is value:
                    return given
            for given, own in seen:
                # A view lies in the memory of what it is one of.
                if given is own:
                    continue
                begin = own.data_ptr()
                reach = 1 + sum((size - 1) * stride for size, stride in zip(own.shape, own.stride()))
                if own.numel() and value.numel() and begin <= value.data_ptr() < begin + reach * own.itemsize:
                    return _tensor_at(value.data_ptr(), value, given.device.index, given)
            return self.to_device(value, device)

        lowered = _pytree.tree_map(lower, (arguments, options))
        return _pytree.tree_map(lift, operator(*lowered[0], **lowered[1]))

    def install(self):
        torch.cuda._lazy_init = lambda: None
        torch.cuda.current_stream = lambda device=None: types.SimpleNamespace(cuda_stream=self.stream)
        every, copies = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
        every.fallback(self.run, "CUDA")
        # PyTorch has this one for all devices, and asks each device for the rest within.
        copies.impl("copy_", functools.partial(self.run, torch.ops.aten.copy_.default), "CUDA")
        self.libraries = every, copies
        return self


_double = Double().install()


def the_double():
    return _double
