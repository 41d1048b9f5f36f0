//===- SimulatedLaunch.h - What the double launches, computed ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch as the driver gets it, with the memory that the double gave out, on
// the simulator.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_CUDADOUBLE_SIMULATEDLAUNCH_H
#define KEOPS_TEST_CUDADOUBLE_SIMULATEDLAUNCH_H

#include "CudaDouble.h"

#include "keops/Compiler/Simulate.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace keops::test {

/// Which parameters of the function are pointers, by its declaration.
inline std::vector<bool> pointersOf(const std::string &ptx, const std::string &function) {
  size_t begin = ptx.find(".entry " + function + "("), end = ptx.find("\n)", begin);
  std::vector<bool> pointers;
  for (size_t at = ptx.find(".param", begin); at < end; at = ptx.find(".param", at + 1))
    pointers.push_back(ptx.compare(at, std::strlen(".param .u64 .ptr"), ".param .u64 .ptr") == 0);
  return pointers;
}

/// Runs a launch of `ptx`, for which `simulation` was made of the same formula. A sentence if it is none of its
/// kernels, or does what a GPU would not survive.
inline std::optional<std::string> simulateLaunch(const compiler::Simulation &simulation, const std::string &ptx,
                                                 const DoubleLaunch &launch, void **parameters,
                                                 const std::vector<DoubleMemory> &memory) {
  runtime::SimLaunch own;
  own.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
  own.block = {launch.block[0], launch.block[1], launch.block[2]};
  own.sharedBytes = launch.shared;
  own.seed = 1;
  for (bool isPointer : pointersOf(ptx, launch.function)) {
    if (isPointer)
      own.arguments.push_back(*static_cast<void **>(*parameters++));
    else
      own.arguments.push_back(*static_cast<int64_t *>(*parameters++));
  }
  for (const DoubleMemory &part : memory)
    own.buffers.push_back({part.data, part.bytes, true});
  auto known = simulation.functions.find(launch.function);
  if (known != simulation.functions.end())
    return known->second->launch(own);
  return "a launch of '" + launch.function + "', which is no kernel of this formula";
}

} // namespace keops::test

#endif // KEOPS_TEST_CUDADOUBLE_SIMULATEDLAUNCH_H
