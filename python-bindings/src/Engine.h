//===- Engine.h - The one engine of a Python process ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine itself is an explicit object; Python programs expect none, so the
// module owns one. It is made when first needed and never destroyed, because
// its threads may outlive the interpreter.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_ENGINE_H
#define KEOPS_PYTHON_ENGINE_H

#include "keops/Keops.h"

namespace keops::python {

/// Compiles with the engine of this process, or finds in its caches. Call with
/// the interpreter's lock; it is released meanwhile. An empty target is the processor. Throws keops::Error.
/// Precision is for GPUs: on the processor there is one code for both.
Kernel compile(const std::vector<Reduction> &reductions, DType type, Sums sums, Precision precision,
               const std::string &target = "");

/// Compiles the variant of `kernel` that a call with these inputs will run, in the same way.
void prepare(const Kernel &kernel, const std::vector<ConstArray> &inputs, const Ranges *ranges);

/// Forgets the kernels that were compiled, and keeps further ones in `folder`, or in the usual one if that is empty.
void restart(const std::string &folder);
/// Where kernels are kept on disk.
std::string cacheFolder();
/// GPUs that the engine may use; 0 where there is no driver, too.
int countGPUs();

/// Makes a fork wait for compilations, so that the child finds no lock that
/// nobody will release. To be called once, when the module is loaded.
void protectForks();

} // namespace keops::python

#endif // KEOPS_PYTHON_ENGINE_H
