//===- Engine.cpp - Look in the caches, else compile; then launch -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two levels of caches: kernels of this process by their text, and artifacts on
// disk under the same key. A kernel has a variant for each class of sizes; the
// one for many rows is compiled with it, others when they are first needed.
//
//===----------------------------------------------------------------------===//

#include "KernelImpl.h"
#include "ReductionExpression.h"

#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaPrinter.h"
#include "keops/Schedule/KnownTargets.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Config/llvm-config.h"

#include <chrono>

#include <dlfcn.h>
#include <sys/stat.h>

using namespace keops;

/// Changes whenever compiled code or its launch rule may: size and time of this library's own file. Entries on disk of
/// another build are then passed over.
static const std::string &codeVersion() {
  static const std::string version = [] {
    Dl_info info;
    struct stat file;
    if (!dladdr(reinterpret_cast<void *>(&codeVersion), &info) || stat(info.dli_fname, &file) != 0)
      return std::string("unknown");
    return std::to_string(file.st_size) + "." + std::to_string(file.st_mtim.tv_sec) + "." +
           std::to_string(file.st_mtim.tv_nsec);
  }();
  return version;
}

struct Engine::Impl {
  std::shared_ptr<Core> core;
};

int Engine::countGPUs() const { return impl->core->driver().deviceCount(); }

//===----------------------------------------------------------------------===//
// Making kernels
//===----------------------------------------------------------------------===//

mlir::OwningOpRef<mlir::ModuleOp> Kernel::Impl::build(mlir::MLIRContext &context) const {
  mlir::Type storage = frontend::storageNamed(context, runtime::nameOf(type));
  frontend::Diagnostic error;
  static constexpr SumScheme schemes[] = {SumScheme::Blocks, SumScheme::F64, SumScheme::Kahan};
  auto module = frontend::buildModule(context, program, storage, error, schemes[static_cast<int>(sums)]);
  if (!module)
    throw Error(error.render());
  return module;
}

void Kernel::Impl::make(Variant &variant, SizeClass sizes) {
  auto start = std::chrono::steady_clock::now();
  std::string fullKey = key.empty() ? key : key + (sizes == SizeClass::FewRows ? "\nfew rows" : "\nmany rows");
  bool found = false;
  if (!fullKey.empty())
    if (auto bytes = core->disk.load(fullKey))
      if (auto artifact = runtime::deserialize(*bytes)) {
        variant.artifact = std::move(*artifact);
        found = true;
      }
  if (!found) {
    std::lock_guard<std::mutex> lock(core->compileMutex);
    auto module = build(core->context());
    CompilerOptions options = compilerOptions();
    options.rows = typicalRows(sizes);
    auto artifact = keops::compile(*module, options);
    if (!artifact)
      throw Error(llvm::toString(artifact.takeError()));
    variant.artifact = std::move(*artifact);
    if (!fullKey.empty())
      core->disk.store(fullKey, runtime::serialize(variant.artifact));
  }
  if (sizes == SizeClass::ManyRows)
    origin = found ? "disk" : "compiled";
  if (device) {
    loadOnDevice();
  } else if (runnable) {
    std::string error;
    variant.module = runtime::CpuModule::load(variant.artifact, error);
    if (!variant.module)
      throw Error(error);
  }
  std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  milliseconds = milliseconds + taken.count();
}

CompilerOptions Kernel::Impl::compilerOptions() const {
  CompilerOptions options;
  options.target = isSimulated() ? kSimulatedGPU.str() : target;
  options.fastMath = fastMath;
  options.expandDistances = precision == Precision::Fast;
  return options;
}

void Kernel::Impl::makeSimulation() {
  auto start = std::chrono::steady_clock::now();
  std::lock_guard<std::mutex> lock(core->compileMutex);
  auto module = build(core->context());
  auto made = compiler::simulateFormula(*module, compilerOptions());
  if (!made)
    throw Error("on the simulator: " + llvm::toString(made.takeError()));
  simulation = std::move(*made);
  // Sizes and types of arrays are asked of the artifact.
  many.artifact = simulation.artifact;
  std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  milliseconds = milliseconds + taken.count();
}

const Variant &Kernel::Impl::variantFor(SizeClass sizes) {
  if (sizes == SizeClass::ManyRows || hasOneVariant())
    return many;
  if (!fewReady) {
    std::lock_guard<std::mutex> lock(fewMutex);
    if (!fewReady)
      make(few, sizes);
    fewReady = true;
  }
  return few;
}

std::string Kernel::text(const std::string &product) const {
  std::lock_guard<std::mutex> lock(impl->core->compileMutex);
  auto module = impl->build(impl->core->context());
  CompilerOptions options = impl->compilerOptions();
  options.rows = typicalRows(SizeClass::ManyRows);
  auto refuse = [](llvm::Error error) { throw Error(llvm::toString(std::move(error))); };
  if (std::optional<Phase> phase = phaseNamed(product)) {
    if (auto error = runPhases(*module, options, *phase))
      refuse(std::move(error));
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    return text + "\n";
  }
  if (product != "llvmir" && product != "asm")
    throw Error("expected formula, expanded, simplified, factorized, split, scheduled, tiled, staged, approximated, "
                "llvm, llvmir or asm, got '" +
                product + "'");
  auto text = compileToText(*module, options, product == "asm" ? TextKind::Assembly : TextKind::LLVMIR);
  if (!text)
    refuse(text.takeError());
  return std::move(*text);
}

Engine::Engine() : Engine(Options()) {}
Engine::Engine(const Options &options) : impl(std::make_unique<Impl>()) {
  impl->core = std::make_shared<Core>(options);
}
Engine::~Engine() {
  // Kernels in the table hold the core that holds the table.
  std::unordered_map<std::string, std::shared_ptr<Kernel::Impl>> kernels;
  std::lock_guard<std::mutex> lock(impl->core->mutex);
  kernels.swap(impl->core->kernels);
}

std::string Engine::cacheFolder() const { return impl->core->disk.location(); }

static Kernel makeKernel(const std::shared_ptr<Core> &core, frontend::Program program, DType type,
                         const CompileOptions &options) {
  if (type == DType::I64 || runtime::partsOf(type) != 1)
    throw Error(std::string("expected arrays of float16, bfloat16, float32 or float64, got ") + runtime::nameOf(type) +
                (type == DType::I64 ? "" : "; a kernel of real numbers takes complex arrays too"));
  program.forEachRoot([](const frontend::Expression &root) {
    if (!frontend::isReduction(root))
      throw Error("expected a reduction, got a formula");
  });
  std::string error;
  bool simulated = options.target == kSimulator;
  std::shared_ptr<const runtime::CudaDevice> device;
  if (std::optional<int> number = gpuNumberOf(options.target))
    device = core->device(*number);
  std::string target = simulated ? options.target
                       : device  ? gpuTargetFor(device->capability())
                                 : resolveTargetName(options.target, error);
  if (target.empty())
    throw Error(error);

  // On disk, code for equal devices is one.
  std::string key, inMemory;
  frontend::Diagnostic diagnostic;
  std::optional<std::string> text = "";
  program.forEachRoot([&](const frontend::Expression &root) {
    auto more = frontend::printFormula(root, {}, diagnostic);
    text = text && more ? std::optional(*text + *more + "\n") : std::nullopt;
  });
  if (text) {
    key = codeVersion() + " LLVM " + LLVM_VERSION_STRING + "\n" + target + "\n" + runtime::nameOf(type) + "\nsums " +
          std::to_string(static_cast<int>(options.sums)) + (options.fastMath ? "" : "\naccurate") +
          (options.precision == Precision::Fast ? "\nfast distances" : "") + "\n" + *text;
    for (const frontend::Declaration &argument : program.arguments)
      key += argument.variable.str() + "\n";
    inMemory = device ? key + device->title() : key;
    std::lock_guard<std::mutex> lock(core->mutex);
    auto known = core->kernels.find(inMemory);
    if (known != core->kernels.end())
      return Kernel(known->second);
  }

  auto kernel = std::make_shared<Kernel::Impl>();
  kernel->core = core;
  kernel->program = std::move(program);
  kernel->type = type;
  kernel->target = target;
  kernel->sums = options.sums;
  kernel->fastMath = options.fastMath;
  kernel->precision = options.precision;
  kernel->key = key;
  kernel->device = device;
  kernel->runnable = simulated || device || runsHere(target);
  if (simulated)
    kernel->makeSimulation();
  else
    kernel->make(kernel->many, SizeClass::ManyRows);
  if (!key.empty()) {
    std::lock_guard<std::mutex> lock(core->mutex);
    // Another thread may have been faster; all then share its kernel.
    auto [place, added] = core->kernels.emplace(inMemory, kernel);
    return Kernel(place->second);
  }
  return Kernel(kernel);
}

Kernel Engine::compile(const Reduction &reduction, DType type, const CompileOptions &options) {
  return compile(std::vector<Reduction>{reduction}, type, options);
}

Kernel Engine::compile(const std::vector<Reduction> &reductions, DType type, const CompileOptions &options) {
  if (reductions.empty())
    throw Error("expected at least one reduction, got none");
  std::vector<frontend::ExpressionRef> also;
  for (const Reduction &reduction : llvm::ArrayRef(reductions).drop_front())
    also.push_back(expressionOf(reduction));
  frontend::Diagnostic error;
  auto program = frontend::makeProgram(expressionOf(reductions.front()), reductions.front().aliases, error, also);
  if (!program)
    throw Error(error.render());
  return makeKernel(impl->core, std::move(*program), type, options);
}

Kernel Engine::compile(const std::string &text, const std::vector<std::string> &aliases, DType type,
                       const CompileOptions &options) {
  return compile(std::vector<std::string>{text}, aliases, type, options);
}

Kernel Engine::compile(const std::vector<std::string> &texts, const std::vector<std::string> &aliases, DType type,
                       const CompileOptions &options) {
  if (texts.empty())
    throw Error("expected at least one reduction, got none");
  frontend::Diagnostic error;
  auto program = frontend::parseProgram(texts.front(), aliases, error, llvm::ArrayRef(texts).drop_front());
  if (!program)
    throw Error(error.render());
  return makeKernel(impl->core, std::move(*program), type, options);
}
