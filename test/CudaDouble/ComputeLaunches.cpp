//===- ComputeLaunches.cpp - Launches of the double compute in any program --===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loaded before a program (LD_PRELOAD), this library stands before the compiler:
// of each module that becomes PTX it also makes code for the simulator, which
// runs when the double is asked to launch that PTX. Code from a cache on disk is
// not seen; such a program needs an empty one.
//
//===----------------------------------------------------------------------===//

#include "SimulatedLaunch.h"

#include "keops/Compiler/Compiler.h"

#include "mlir/IR/OwningOpRef.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include <dlfcn.h>

using namespace keops;
using namespace keops::test;

/// Ends the program, whose test is broken.
[[noreturn]] static void stop(const std::string &why) {
  std::fprintf(stderr, "computing launches of the double: %s\n", why.c_str());
  std::abort();
}

namespace {

class Launches : public DoubleRunner {
public:
  static Launches &get() {
    static Launches &launches = *new Launches;
    return launches;
  }

  void learn(mlir::ModuleOp module, const CompilerOptions &options, const std::string &ptx) {
    auto made = compiler::simulateFormula(module, options);
    if (!made)
      stop(llvm::toString(made.takeError()));
    std::lock_guard<std::mutex> lock(mutex);
    simulations.emplace(ptx, std::move(*made));
  }

  bool run(const std::string &ptx, const DoubleLaunch &launch, void **parameters,
           const std::vector<DoubleMemory> &memory) override {
    std::lock_guard<std::mutex> lock(mutex);
    auto known = simulations.find(ptx);
    if (known == simulations.end())
      stop("expected code of this process, got code from a cache");
    std::optional<std::string> fault = simulateLaunch(known->second, ptx, launch, parameters, memory);
    if (fault)
      std::fprintf(stderr, "%s\n", fault->c_str());
    return !fault;
  }

private:
  Launches() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    auto *door = reinterpret_cast<CudaDouble *(*)()>(library ? dlsym(library, "keops_cuda_double") : nullptr);
    if (!door)
      stop("expected the double under the driver's name, got something else");
    door()->setRunner(this);
  }

  std::mutex mutex;
  std::map<std::string, compiler::Simulation> simulations;
};

} // namespace

llvm::Expected<runtime::Artifact> keops::compile(mlir::ModuleOp module, const CompilerOptions &options) {
  using Compile = llvm::Expected<runtime::Artifact> (*)(mlir::ModuleOp, const CompilerOptions &);
  static const auto own =
      reinterpret_cast<Compile>(dlsym(RTLD_NEXT, "_ZN5keops7compileEN4mlir8ModuleOpERKNS_15CompilerOptionsE"));
  if (!own)
    stop("expected the compiler in the library, got none");
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  auto made = own(module, options);
  if (made && llvm::StringRef(options.target).starts_with("sm_"))
    Launches::get().learn(*copy, options, made->code);
  return made;
}
