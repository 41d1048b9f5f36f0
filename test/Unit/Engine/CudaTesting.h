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

#include "../../CudaDouble/SimulatedLaunch.h"
#include "EngineTesting.h"

#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"

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
    std::lock_guard<std::mutex> lock(mutex);
    std::optional<std::string> fault = simulateLaunch(simulation, ptx, launch, parameters, memory);
    EXPECT_FALSE(fault) << *fault;
    return !fault;
  }

private:
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
