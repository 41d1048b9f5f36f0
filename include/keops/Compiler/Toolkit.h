//===- Toolkit.h - Where NVIDIA's toolkit may be ----------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Only machine code, and functions that a GPU has no instructions for, need
// files of the toolkit.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_TOOLKIT_H
#define KEOPS_COMPILER_TOOLKIT_H

#include <string>
#include <vector>

namespace keops {

/// Folders that may be a toolkit, with `bin` and `nvvm` in it: those that the user names, by $CUDA_HOME and $CUDA_PATH.
std::vector<std::string> chosenToolkits();

/// Where toolkits usually are, and the packages of the Python environment $VIRTUAL_ENV; the newest first.
std::vector<std::string> usualToolkits();

} // namespace keops

#endif // KEOPS_COMPILER_TOOLKIT_H
