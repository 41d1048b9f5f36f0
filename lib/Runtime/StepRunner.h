//===- StepRunner.h - Where the steps of a program run ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which step takes which arrays is the same everywhere; memory, kernels and
// moves are those of a place.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_STEPRUNNER_H
#define KEOPS_LIB_RUNTIME_STEPRUNNER_H

#include "keops/Runtime/CpuDevice.h"

#include <vector>

namespace keops::runtime {

class StepRunner {
public:
  virtual ~StepRunner() = default;
  /// Memory for what steps leave for others, until the program ends; asked for once. Throws if there is none.
  virtual char *reserve(size_t bytes) = 0;
  virtual void launch(const Step &step, const CpuCall &call) = 0;
  /// The threads that do a step which moves rows, if all arrays are in memory of this machine; null if the step is
  /// launched like others.
  virtual ThreadPool *movers(const Step &step) = 0;
};

/// Computes all outputs of a program, step by step.
void runSteps(const Artifact &artifact, const CpuCall &call, StepRunner &runner);

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_STEPRUNNER_H
