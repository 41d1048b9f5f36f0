//===- DeviceLibrary.h - Functions that a GPU's compiler brings -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVIDIA's toolkit has the functions of the C library for its GPUs as LLVM
// bitcode. Kernels that call none of them need no toolkit.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_COMPILER_DEVICELIBRARY_H
#define KEOPS_LIB_COMPILER_DEVICELIBRARY_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Module;
}

namespace keops {

/// Turns calls of functions of the C library into calls of their namesakes in the device library.
void callDeviceLibrary(mlir::gpu::GPUModuleOp module);

/// Brings the bodies of such functions into `module`. Without the library that is an error, which names the functions
/// and the places where it was looked for; a module that calls none is left alone.
llvm::Error linkDeviceLibrary(llvm::Module &module, bool flushDenormals);

} // namespace keops

#endif // KEOPS_LIB_COMPILER_DEVICELIBRARY_H
