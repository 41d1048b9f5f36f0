//===- SimulatedKernel.h - A kernel's GPU code on the simulator -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The target "sim" stands for a GPU that every machine has: a slow one that
// finds faults.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_ENGINE_SIMULATEDKERNEL_H
#define KEOPS_ENGINE_SIMULATEDKERNEL_H

#include "keops/Compiler/Simulate.h"
#include "keops/Runtime/CpuDevice.h"

namespace keops {

/// The name of the simulator among targets, and the GPU whose schedule and code it takes.
inline constexpr llvm::StringLiteral kSimulator = "sim", kSimulatedGPU = "sm_90";

/// Runs a call of one of the kernels as a GPU of so many multiprocessors would; the call's number of threads means
/// nothing here. Throws Error if the kernel does what a GPU would not survive.
void simulate(const runtime::LaunchRule &rule, const compiler::Simulation &simulation, const runtime::CpuCall &call,
              int64_t multiprocessors);

} // namespace keops

#endif // KEOPS_ENGINE_SIMULATEDKERNEL_H
