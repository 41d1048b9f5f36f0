//===- CudaTesting.h - Engines over a driver that keeps accounts -------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The double of the driver calls back here to run a kernel: the same formula,
// compiled for the simulator, with the parameters that the driver got and the
// memory that the double gave out.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_ENGINE_CUDATESTING_H
#define KEOPS_TEST_UNIT_ENGINE_CUDATESTING_H

#include "../../CudaDouble/CudaDouble.h"
#include "EngineTesting.h"

#include "keops/Compiler/Simulate.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"

#include <map>
#include <mutex>

#include <dlfcn.h>

namespace keops::test {

/// Runs the kernels of formulas that it knows on the simulator.
class SimulatedDevice : public DoubleRunner {
public:
  void learn(const std::string &text, const std::vector<std::string> &aliases, DType type) {
    auto context = makeContext();
    frontend::Diagnostic error;
    auto program = frontend::parseProgram(text, aliases, error, {});
    ASSERT_TRUE(program) << error.render();
    auto module =
        frontend::buildModule(*context, *program, frontend::storageNamed(*context, runtime::nameOf(type)), error);
    ASSERT_TRUE(module) << error.render();
    CompilerOptions options;
    options.target = "sm_90";
    auto made = compiler::simulateFormula(*module, options);
    ASSERT_TRUE(static_cast<bool>(made)) << llvm::toString(made.takeError());
    simulation = std::move(*made);
  }

  bool run(const std::string &ptx, const DoubleLaunch &launch, void **parameters,
           const std::vector<DoubleMemory> &memory) override {
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
    for (int64_t n = 0; n < simulation.artifact.numKernels(); ++n)
      if (simulation.artifact.kernel(n).entry == launch.function) {
        std::lock_guard<std::mutex> lock(mutex);
        std::optional<std::string> fault = simulation.kernels[n].kernel->launch(own);
        EXPECT_FALSE(fault) << *fault;
        return !fault;
      }
    ADD_FAILURE() << "a launch of '" << launch.function << "', which is no kernel of this formula";
    return false;
  }

private:
  /// Which parameters of the function are pointers, by its declaration.
  static std::vector<bool> pointersOf(const std::string &ptx, const std::string &function) {
    size_t begin = ptx.find(".entry " + function + "("), end = ptx.find("\n)", begin);
    std::vector<bool> pointers;
    for (size_t at = ptx.find(".param", begin); at < end; at = ptx.find(".param", at + 1))
      pointers.push_back(ptx.compare(at, std::strlen(".param .u64 .ptr"), ".param .u64 .ptr") == 0);
    return pointers;
  }

  compiler::Simulation simulation;
  std::mutex mutex;
};

/// What is taken from the driver must be given back, and nothing asked that it would not forgive.
class OnDouble : public testing::Test {
protected:
  OnDouble() {
    void *library = dlopen(KEOPS_CUDA_DOUBLE_LIBRARY, RTLD_NOW);
    auto *door = reinterpret_cast<CudaDouble *(*)()>(library ? dlsym(library, "keops_cuda_double") : nullptr);
    if (!door)
      std::abort();
    cuda = door();
    cuda->reset();
    options.diskCache = false;
    options.cudaLibrary = KEOPS_CUDA_DOUBLE_LIBRARY;
  }
  ~OnDouble() override {
    engine.reset();
    EXPECT_EQ(cuda->leaks(), "");
    for (const std::string &fault : cuda->faults())
      ADD_FAILURE() << fault;
    cuda->reset();
  }

  Engine &start() {
    if (!engine)
      engine = std::make_unique<Engine>(options);
    return *engine;
  }
  /// A kernel for a GPU; its launches compute.
  Kernel compile(const std::string &text, const std::vector<std::string> &aliases, DType type = DType::F32) {
    device.learn(text, aliases, type);
    cuda->setRunner(&device);
    return compileOnly(text, aliases, "cuda", type);
  }
  /// Launches do nothing.
  Kernel compileOnly(const std::string &text, const std::vector<std::string> &aliases,
                     const std::string &target = "cuda", DType type = DType::F32) {
    CompileOptions compiling;
    compiling.target = target;
    return start().compile(text, aliases, type, compiling);
  }
  Kernel compileForHost(const std::string &text, const std::vector<std::string> &aliases, DType type = DType::F32) {
    return start().compile(text, aliases, type);
  }
  bool called(const std::string &function) const {
    return std::count(cuda->calls().begin(), cuda->calls().end(), function) > 0;
  }

  CudaDouble *cuda = nullptr;
  SimulatedDevice device;
  Engine::Options options;
  std::unique_ptr<Engine> engine;
};

} // namespace keops::test

#endif // KEOPS_TEST_UNIT_ENGINE_CUDATESTING_H
