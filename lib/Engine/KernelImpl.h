//===- KernelImpl.h - What engine and kernels share --------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel: its program, its compiled variants, and the core of the engine that
// made it, which lives as long as either.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_ENGINE_KERNELIMPL_H
#define KEOPS_LIB_ENGINE_KERNELIMPL_H

#include "SimulatedKernel.h"

#include "keops/Compiler/Compiler.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Keops.h"
#include "keops/Runtime/CpuModule.h"
#include "keops/Runtime/CudaModule.h"
#include "keops/Runtime/DiskCache.h"
#include "keops/Runtime/Program.h"
#include "keops/Runtime/ThreadPool.h"
#include "keops/Schedule/SizeClass.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

namespace keops {

/// A compiled form of a kernel.
struct Variant {
  runtime::Artifact artifact;
  std::unique_ptr<runtime::CpuModule> module;
};

/// What engine and kernels share; it lives as long as any of them.
struct Core {
  explicit Core(const Engine::Options &options)
      : threads(options.threads), multiprocessors(options.simulatedMultiprocessors),
        disk(!options.diskCache            ? std::string()
             : options.cacheFolder.empty() ? runtime::DiskCache::defaultFolder()
                                           : options.cacheFolder),
        cudaLibrary(options.cudaLibrary) {
    if (threads <= 0)
      if (const char *variable = std::getenv("KEOPS_NUM_THREADS"))
        threads = std::atoi(variable);
    if (threads <= 0)
      threads = runtime::ThreadPool::defaultThreads();
  }

  /// MLIR is created when first something must be compiled.
  mlir::MLIRContext &context() {
    if (!mlirContext)
      mlirContext = makeContext();
    return *mlirContext;
  }

  /// The CUDA driver, opened when first asked for. Throws Error if there is none.
  const runtime::CudaDriver &driver();
  /// GPU `number`, likewise.
  std::shared_ptr<const runtime::CudaDevice> device(int number);

  int threads;
  const int multiprocessors; ///< of the simulator
  runtime::DiskCache disk;
  runtime::ThreadPool pool;
  std::mutex mutex;        // guards `kernels`
  std::mutex compileMutex; // guards the context: one compilation at a time
  std::unordered_map<std::string, std::shared_ptr<Kernel::Impl>> kernels;

private:
  std::unique_ptr<mlir::MLIRContext> mlirContext;
  const std::string cudaLibrary;
  std::mutex deviceMutex; // guards what follows
  std::shared_ptr<const runtime::CudaDriver> cudaDriver;
  std::vector<std::shared_ptr<const runtime::CudaDevice>> devices;
};

/// The number of the GPU that a target such as "cuda" or "cuda:1" names; none if it names none. Throws Error if it
/// begins like one.
std::optional<int> gpuNumberOf(llvm::StringRef target);

/// The sizes of a call.
struct CallShape {
  int64_t rows = 1;
  int64_t columns = 1;
  std::vector<int64_t> batch; ///< sizes of axes, outermost first

  /// What decides which variant runs.
  CallSizes sizes(const Ranges *ranges) const;
  /// The number of rows of an array whose rows run over `axis`.
  int64_t rowsOf(runtime::Axis axis) const {
    return axis == runtime::Axis::Row ? rows : axis == runtime::Axis::Column ? columns : 1;
  }
};

struct Kernel::Impl {
  std::shared_ptr<Core> core;
  frontend::Program program;
  DType type;
  std::string target;
  Sums sums = Sums::Blocks;
  bool fastMath = true;
  Precision precision = Precision::Exact;
  std::string key; ///< without the variant; empty when the formula is too large to print
  bool runnable = false;
  Variant many;
  std::mutex fewMutex;
  std::atomic<bool> fewReady{false};
  Variant few;
  compiler::Simulation simulation;                   ///< instead of variants if the target is the simulator
  std::shared_ptr<const runtime::CudaDevice> device; ///< if the target is a GPU of this machine
  std::unique_ptr<runtime::CudaModule> cuda;         ///< then the code of `many`, loaded there
  std::atomic<double> milliseconds{0};
  const char *origin = "compiled";

  // Making it.
  mlir::OwningOpRef<mlir::ModuleOp> build(mlir::MLIRContext &context) const;
  void make(Variant &variant, SizeClass sizes);
  void makeSimulation();
  CompilerOptions compilerOptions() const;
  bool isSimulated() const { return target == kSimulator; }
  /// GPUs split columns over blocks instead of having another variant.
  bool hasOneVariant() const { return isSimulated() || device; }
  bool isReady(SizeClass sizes) const { return sizes == SizeClass::ManyRows || fewReady || hasOneVariant(); }
  /// The variant for these sizes, compiled if it is not there.
  const Variant &variantFor(SizeClass sizes);
  /// What a call of these sizes wants: of its one kernel, of a step of a program, and of any of them.
  SizeClass classOf(const CallSizes &sizes, const runtime::Step &step) const;
  bool wantsFewRows(const CallSizes &sizes) const;
  void run(const runtime::CpuCall &call, const CallSizes &sizes);
  // On a GPU: of arrays there, of arrays here, and the loading of its code.
  void enqueue(const runtime::CpuCall &call, void *stream);
  void runOnDevice(const runtime::CpuCall &call);
  void loadOnDevice();

  // Calling it.
  std::string nameOf(size_t argument) const;
  CallShape checkInputs(const std::vector<ConstArray> &inputs) const;
  std::vector<int64_t> checkBatches(const std::vector<ConstArray> &inputs, size_t axes) const;
  void checkOutputs(const std::vector<Array> &outputs, const CallShape &shape) const;
  /// Throws Error if an array does not lie on the device.
  void checkPlaces(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs) const;
  /// Throws Error if `ranges` name pairs that a call of this shape has not.
  void checkRanges(const Ranges &ranges, const CallShape &shape) const;
  /// True if the result has a row for each i.
  bool keepsI() const { return frontend::resultCategory(*program.root) != frontend::Category::J; }
};

} // namespace keops

#endif // KEOPS_LIB_ENGINE_KERNELIMPL_H
