//===- KnownTargets.h - Numbers of processors -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The door of the target table.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_KNOWNTARGETS_H
#define KEOPS_SCHEDULE_KNOWNTARGETS_H

#include "keops/Dialect/Keops.h"

#include <string>

namespace keops {

/// The target of a processor name, "host" for this machine's. Null when nothing
/// is known of it; `error` then says what was expected.
TargetAttr lookupTarget(mlir::MLIRContext *context, llvm::StringRef name, std::string &error);

/// The processor name that `name` stands for: "host" becomes this machine's.
/// Empty when nothing is known of it; `error` then says what was expected.
std::string resolveTargetName(llvm::StringRef name, std::string &error);

/// True if code for the processor `name` runs on this machine.
bool runsHere(llvm::StringRef name);

/// True if code for `name` is PTX.
bool isGPU(llvm::StringRef name);

/// The newest GPU target whose code runs on one of this compute capability (90 for 9.0); empty if there is none.
std::string gpuTargetFor(int capability);

/// Multiply-adds of single numbers that a core, or a multiprocessor of a GPU,
/// starts in a cycle.
struct Throughput {
  int64_t f32, f64;
};
Throughput throughputOf(TargetAttr target);

/// LLVM's target triple and feature string for code of `target`.
std::string tripleOf(TargetAttr target);
std::string featuresOf(TargetAttr target);

} // namespace keops

#endif // KEOPS_SCHEDULE_KNOWNTARGETS_H
