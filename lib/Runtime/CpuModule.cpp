//===- CpuModule.cpp - An artifact's code, loaded into this process --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loading needs a linker and nothing else of a JIT: no target is initialised,
// no compile layer built, no thread started. Each module has a session of its
// own, which costs some tens of microseconds, shares nothing with other modules
// and gives all its memory back when it ends.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CpuModule.h"

#include "llvm/ExecutionEngine/JITLink/JITLink.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/Core.h"
#include "llvm/ExecutionEngine/Orc/LinkGraphLinkingLayer.h"
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"
#include "llvm/ExecutionEngine/Orc/TaskDispatch.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <dlfcn.h>

using namespace keops::runtime;
using namespace llvm;
using namespace llvm::orc;

namespace {

/// Finds what a kernel may call: functions of the C library and of the scalar
/// and vector math libraries. The process need not have loaded these last two
/// where we can see them, so they are opened when a name is not found before.
class LibraryFunctions : public DefinitionGenerator {
public:
  Error tryToGenerate(LookupState &, LookupKind, JITDylib &library, JITDylibLookupFlags,
                      const SymbolLookupSet &names) override {
    SymbolMap found;
    for (const auto &[name, flags] : names)
      if (void *address = addressOf((*name).str().c_str()))
        found[name] = {ExecutorAddr::fromPtr(address), JITSymbolFlags::Exported};
    if (found.empty())
      return Error::success();
    return library.define(absoluteSymbols(std::move(found)));
  }

private:
  static void *addressOf(const char *name) {
    if (void *address = dlsym(RTLD_DEFAULT, name))
      return address;
    static void *const libraries[] = {dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL),
                                      dlopen("libmvec.so.1", RTLD_NOW | RTLD_LOCAL)};
    for (void *library : libraries)
      if (library)
        if (void *address = dlsym(library, name))
          return address;
    return nullptr;
  }
};

} // namespace

struct CpuModule::Linker {
  explicit Linker(std::unique_ptr<ExecutorProcessControl> control) : session(std::move(control)), layer(session) {
    session.setErrorReporter([this](Error error) { reports.push_back(toString(std::move(error))); });
  }
  ~Linker() {
    // Frees the code. What could go wrong here has no one left to hear of it.
    consumeError(session.endSession());
  }

  Error link(const Artifact &artifact, std::vector<Entries> &entries) {
    auto graph = jitlink::createLinkGraphFromObject(MemoryBufferRef(artifact.code, artifact.entry),
                                                    session.getSymbolStringPool());
    if (!graph)
      return graph.takeError();
    const Triple &host = session.getTargetTriple();
    const Triple &made = (*graph)->getTargetTriple();
    if (made.getArch() != host.getArch())
      return createStringError("expected code for " + host.getArchName() + ", got code for " + made.getArchName());

    JITDylib &library = session.createBareJITDylib("kernel");
    // A library of its own, so that the entry points are sought in the kernel only.
    JITDylib &functions = session.createBareJITDylib("functions");
    functions.addGenerator(std::make_unique<LibraryFunctions>());
    library.addToLinkOrder(functions);
    if (Error error = layer.add(library, std::move(*graph)))
      return error;
    for (int64_t number = 0; number < artifact.numKernels(); ++number) {
      SymbolStringPtr accumulate = session.intern(artifact.kernel(number).entry + "_accumulate");
      SymbolStringPtr finalize = session.intern(artifact.kernel(number).entry + "_finalize");
      auto symbols = session.lookup(makeJITDylibSearchOrder(&library, JITDylibLookupFlags::MatchAllSymbols),
                                    SymbolLookupSet({accumulate, finalize}));
      if (!symbols)
        return symbols.takeError();
      entries.push_back({(*symbols)[accumulate].getAddress().toPtr<EntryPoint>(),
                         (*symbols)[finalize].getAddress().toPtr<EntryPoint>()});
    }
    return Error::success();
  }

  /// What the session tells apart from the errors that it returns.
  std::vector<std::string> reports;
  ExecutionSession session;
  LinkGraphLinkingLayer layer;
};

std::unique_ptr<CpuModule> CpuModule::load(const Artifact &artifact, std::string &error) {
  // Work is done on this thread. A pool of the session's own would not survive a fork.
  auto control = SelfExecutorProcessControl::Create(nullptr, std::make_unique<InPlaceTaskDispatcher>());
  if (!control) {
    error = "Cannot load code into this process: " + toString(control.takeError()) + ".";
    return nullptr;
  }
  std::unique_ptr<CpuModule> module(new CpuModule(std::make_unique<Linker>(std::move(*control))));
  Linker &linker = *module->linker;
  Error failure = linker.link(artifact, module->entries);
  if (!failure)
    return module;

  error = "Cannot load kernel '" + artifact.kernel(0).entry + "': " + toString(std::move(failure));
  for (const std::string &report : linker.reports)
    error += "; " + report;
  error += ".";
  return nullptr;
}

CpuModule::CpuModule(std::unique_ptr<Linker> linker) : linker(std::move(linker)) {}
CpuModule::~CpuModule() = default;
