//===- Engine.cpp - Look in the caches, else compile; then launch -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two levels of caches: kernels of this process by their text, and artifacts on
// disk under the same key. A kernel has up to two variants, for many rows and
// for few; which one runs is a function of the sizes alone.
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/Compiler.h"
#include "keops/Dialect/Interpreter.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Frontend/FormulaPrinter.h"
#include "keops/Keops.h"
#include "keops/Runtime/CpuDevice.h"
#include "keops/Runtime/CpuModule.h"
#include "keops/Runtime/DiskCache.h"
#include "keops/Runtime/ThreadPool.h"
#include "keops/Schedule/KnownTargets.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Config/llvm-config.h"

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

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

/// Up to this many rows, over enough columns to be worth another variant, the columns run over lanes.
static constexpr int64_t kFewRows = 8;
static constexpr int64_t kManyColumns = 4096;

namespace {

/// A compiled form of a kernel.
struct Variant {
  runtime::Artifact artifact;
  std::unique_ptr<runtime::CpuModule> module;
};

/// What engine and kernels share; it lives as long as any of them.
struct Core {
  explicit Core(const Engine::Options &options)
      : threads(options.threads), disk(!options.diskCache           ? std::string()
                                       : options.cacheFolder.empty() ? runtime::DiskCache::defaultFolder()
                                                                      : options.cacheFolder) {
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

  int threads;
  runtime::DiskCache disk;
  runtime::ThreadPool pool;
  std::mutex mutex;        // guards `kernels`
  std::mutex compileMutex; // guards the context: one compilation at a time
  std::unordered_map<std::string, std::shared_ptr<Kernel::Impl>> kernels;

private:
  std::unique_ptr<mlir::MLIRContext> mlirContext;
};

} // namespace

struct Kernel::Impl {
  std::shared_ptr<Core> core;
  frontend::Program program;
  DType type;
  std::string target;
  std::string key; ///< without the variant; empty when the formula is too large to print
  bool runnable = false;
  Variant many;
  std::once_flag fewOnce;
  Variant few;
  std::atomic<double> milliseconds{0};
  const char *origin = "compiled";

  mlir::OwningOpRef<mlir::ModuleOp> build(mlir::MLIRContext &context) const;
  void make(Variant &variant, int64_t rows);
  const Variant &choose(int64_t rows, int64_t columns);
  std::string nameOf(size_t argument) const;
  void checkInputs(const std::vector<ConstArray> &inputs, int64_t &rows, int64_t &columns) const;
};

struct Engine::Impl {
  std::shared_ptr<Core> core;
};

//===----------------------------------------------------------------------===//
// Making kernels
//===----------------------------------------------------------------------===//

mlir::OwningOpRef<mlir::ModuleOp> Kernel::Impl::build(mlir::MLIRContext &context) const {
  mlir::Type element = type == DType::F32 ? mlir::Type(mlir::Float32Type::get(&context))
                                          : mlir::Type(mlir::Float64Type::get(&context));
  frontend::Diagnostic error;
  auto module = frontend::buildModule(context, program, element, error);
  if (!module)
    throw Error(error.render());
  return module;
}

void Kernel::Impl::make(Variant &variant, int64_t rows) {
  auto start = std::chrono::steady_clock::now();
  std::string fullKey = key.empty() ? key : key + (rows ? "\nfew rows" : "\nmany rows");
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
    CompilerOptions options;
    options.target = target;
    options.rows = rows;
    auto artifact = keops::compile(*module, options);
    if (!artifact)
      throw Error(llvm::toString(artifact.takeError()));
    variant.artifact = std::move(*artifact);
    if (!fullKey.empty())
      core->disk.store(fullKey, runtime::serialize(variant.artifact));
  }
  if (rows == 0)
    origin = found ? "disk" : "compiled";
  if (runnable) {
    std::string error;
    variant.module = runtime::CpuModule::load(variant.artifact, error);
    if (!variant.module)
      throw Error(error);
  }
  std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  milliseconds = milliseconds + taken.count();
}

const Variant &Kernel::Impl::choose(int64_t rows, int64_t columns) {
  if (rows > kFewRows || columns < kManyColumns)
    return many;
  std::call_once(fewOnce, [&] { make(few, /*rows=*/1); });
  return few;
}

Engine::Engine() : Engine(Options()) {}
Engine::Engine(const Options &options) : impl(std::make_unique<Impl>()) { impl->core = std::make_shared<Core>(options); }
Engine::~Engine() {
  // Kernels in the table hold the core that holds the table.
  std::unordered_map<std::string, std::shared_ptr<Kernel::Impl>> kernels;
  std::lock_guard<std::mutex> lock(impl->core->mutex);
  kernels.swap(impl->core->kernels);
}

static Kernel makeKernel(const std::shared_ptr<Core> &core, frontend::Program program, DType type,
                         const CompileOptions &options) {
  if (type != DType::F32 && type != DType::F64)
    throw Error(std::string("expected arrays of float32 or float64, got ") + runtime::nameOf(type));
  if (program.root->kind != frontend::Expression::Kind::Reduction)
    throw Error("expected a reduction, got a formula");
  std::string error;
  std::string target = resolveTargetName(options.target, error);
  if (target.empty())
    throw Error(error);

  std::string key;
  frontend::Diagnostic diagnostic;
  if (auto text = frontend::printFormula(*program.root, {}, diagnostic)) {
    key = codeVersion() + " LLVM " + LLVM_VERSION_STRING + "\n" + target + "\n" +
          runtime::nameOf(type) + "\n" + *text;
    for (const frontend::Declaration &argument : program.arguments)
      key += "\n" + argument.variable.str();
    std::lock_guard<std::mutex> lock(core->mutex);
    auto known = core->kernels.find(key);
    if (known != core->kernels.end())
      return Kernel(known->second);
  }

  auto kernel = std::make_shared<Kernel::Impl>();
  kernel->core = core;
  kernel->program = std::move(program);
  kernel->type = type;
  kernel->target = target;
  kernel->key = key;
  kernel->runnable = runsHere(target);
  kernel->make(kernel->many, /*rows=*/0);
  if (!key.empty()) {
    std::lock_guard<std::mutex> lock(core->mutex);
    // Another thread may have been faster; all then share its kernel.
    auto [place, added] = core->kernels.emplace(key, kernel);
    return Kernel(place->second);
  }
  return Kernel(kernel);
}

Kernel Engine::compile(const Reduction &reduction, DType type, const CompileOptions &options) {
  auto output = reduction.over == Over::Columns ? frontend::Category::I : frontend::Category::J;
  auto info = frontend::findReduction(reduction.name);
  if (!info)
    throw Error("unknown reduction '" + reduction.name + "'");
  auto root = frontend::makeReduction(info->name, reduction.formula.expression, output, reduction.k,
                                      reduction.weight ? reduction.weight->expression : nullptr);
  if (auto error = frontend::checkReduction(*root))
    throw Error(error->render());
  frontend::Diagnostic error;
  auto program = frontend::makeProgram(root, reduction.aliases, error);
  if (!program)
    throw Error(error.render());
  return makeKernel(impl->core, std::move(*program), type, options);
}

Kernel Engine::compile(const std::string &text, const std::vector<std::string> &aliases, DType type,
                       const CompileOptions &options) {
  frontend::Diagnostic error;
  auto program = frontend::parseProgram(text, aliases, error);
  if (!program)
    throw Error(error.render());
  return makeKernel(impl->core, std::move(*program), type, options);
}

//===----------------------------------------------------------------------===//
// Calling kernels
//===----------------------------------------------------------------------===//

std::string Kernel::Impl::nameOf(size_t argument) const {
  std::string name = "argument " + std::to_string(argument);
  if (argument < program.arguments.size() && !program.arguments[argument].name.empty())
    name += " (" + program.arguments[argument].name + ")";
  return name;
}

void Kernel::Impl::checkInputs(const std::vector<ConstArray> &inputs, int64_t &rows, int64_t &columns) const {
  const auto &expected = many.artifact.arguments;
  if (inputs.size() != expected.size())
    throw Error("expected " + std::to_string(expected.size()) + " arrays, got " + std::to_string(inputs.size()));
  int64_t sizes[2] = {-1, -1};
  size_t first[2] = {0, 0};
  for (size_t n = 0; n < inputs.size(); ++n) {
    const ConstArray &array = inputs[n];
    if (array.type != expected[n].type)
      throw Error(nameOf(n) + ": expected elements of type " + runtime::nameOf(expected[n].type) + ", got " +
                  runtime::nameOf(array.type));
    if (array.dim != expected[n].dim)
      throw Error(nameOf(n) + ": expected " + std::to_string(expected[n].dim) + " columns, got " +
                  std::to_string(array.dim));
    if (array.rows < 0)
      throw Error(nameOf(n) + ": expected a number of rows, got " + std::to_string(array.rows));
    if (!array.data && array.rows > 0)
      throw Error(nameOf(n) + ": expected data for " + std::to_string(array.rows) + " rows, got a null pointer");
    if (expected[n].axis == runtime::Axis::Parameter) {
      if (array.rows != 1)
        throw Error(nameOf(n) + ": expected one row, as it is a parameter, got " + std::to_string(array.rows));
      continue;
    }
    int axis = expected[n].axis == runtime::Axis::Row ? 0 : 1;
    if (sizes[axis] < 0) {
      sizes[axis] = array.rows;
      first[axis] = n;
    } else if (sizes[axis] != array.rows) {
      throw Error(nameOf(n) + ": expected " + std::to_string(sizes[axis]) + " rows, as " + nameOf(first[axis]) +
                  " has, got " + std::to_string(array.rows));
    }
  }
  rows = sizes[0] < 0 ? 1 : sizes[0];
  columns = sizes[1] < 0 ? 1 : sizes[1];
}

void Kernel::operator()(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, int threads) const {
  int64_t rows, columns;
  impl->checkInputs(inputs, rows, columns);
  const auto &expected = impl->many.artifact.results;
  if (outputs.size() != expected.size())
    throw Error("expected " + std::to_string(expected.size()) + " results, got " + std::to_string(outputs.size()));
  for (size_t n = 0; n < outputs.size(); ++n) {
    std::string name = "result " + std::to_string(n);
    if (outputs[n].type != expected[n].type)
      throw Error(name + ": expected elements of type " + runtime::nameOf(expected[n].type) + ", got " +
                  runtime::nameOf(outputs[n].type));
    if (outputs[n].rows != rows || outputs[n].dim != expected[n].dim)
      throw Error(name + ": expected " + std::to_string(rows) + " × " + std::to_string(expected[n].dim) +
                  " elements, got " + std::to_string(outputs[n].rows) + " × " + std::to_string(outputs[n].dim));
    if (!outputs[n].data && rows > 0)
      throw Error(name + ": expected memory for " + std::to_string(rows) + " rows, got a null pointer");
  }
  if (!impl->runnable)
    throw Error("this kernel was compiled for '" + impl->target + "', which this machine is not");

  constexpr size_t kInline = 16;
  const void *inlineInputs[kInline];
  int64_t inlineStrides[2 * kInline];
  void *inlineOutputs[2];
  std::vector<const void *> manyInputs;
  std::vector<int64_t> manyStrides;
  const void **inputPointers = inlineInputs;
  int64_t *strides = inlineStrides;
  if (inputs.size() > kInline) {
    manyInputs.resize(inputs.size());
    manyStrides.resize(2 * inputs.size());
    inputPointers = manyInputs.data();
    strides = manyStrides.data();
  }
  for (size_t n = 0; n < inputs.size(); ++n) {
    inputPointers[n] = inputs[n].data;
    strides[n] = inputs[n].rowStride ? inputs[n].rowStride : inputs[n].dim;
    strides[inputs.size() + n] = inputs[n].componentStride ? inputs[n].componentStride : 1;
  }
  std::vector<void *> manyOutputs;
  void **outputPointers = inlineOutputs;
  if (outputs.size() > 2) {
    manyOutputs.resize(outputs.size());
    outputPointers = manyOutputs.data();
  }
  for (size_t n = 0; n < outputs.size(); ++n)
    outputPointers[n] = outputs[n].data;

  const Variant &variant = impl->choose(rows, columns);
  runtime::CpuCall call;
  call.inputs = inputPointers;
  call.rowStrides = strides;
  call.componentStrides = strides + inputs.size();
  call.outputs = outputPointers;
  call.rows = rows;
  call.columns = columns;
  call.threads = threads > 0 ? threads : impl->core->threads;
  runtime::launch(variant.artifact, *variant.module, call, impl->core->pool);
}

const std::vector<runtime::ArgumentInfo> &Kernel::arguments() const { return impl->many.artifact.arguments; }
const std::vector<runtime::ResultInfo> &Kernel::results() const { return impl->many.artifact.results; }

int64_t Kernel::resultRows(const std::vector<ConstArray> &inputs) const {
  int64_t rows, columns;
  impl->checkInputs(inputs, rows, columns);
  return rows;
}

std::string Kernel::explain() const { return impl->many.artifact.explanation; }
double Kernel::compileMilliseconds() const { return impl->milliseconds; }
const char *Kernel::origin() const { return impl->origin; }

void Kernel::interpret(const std::vector<ConstArray> &inputs, const std::vector<int64_t> &rows,
                       std::vector<std::vector<double>> &values, std::vector<std::vector<double>> &bounds) const {
  int64_t numRows, numColumns;
  impl->checkInputs(inputs, numRows, numColumns);
  for (int64_t row : rows)
    if (row < 0 || row >= numRows)
      throw Error("expected rows below " + std::to_string(numRows) + ", got " + std::to_string(row));
  std::lock_guard<std::mutex> lock(impl->core->compileMutex);
  auto module = impl->build(impl->core->context());
  InterpreterInputs reader;
  bool keepsI = impl->program.root->output == frontend::Category::I;
  reader.rowsI = keepsI ? numRows : numColumns;
  reader.rowsJ = keepsI ? numColumns : numRows;
  reader.read = [&](unsigned argument, int64_t row, int64_t d) {
    const ConstArray &array = inputs[argument];
    int64_t at = row * (array.rowStride ? array.rowStride : array.dim) +
                 d * (array.componentStride ? array.componentStride : 1);
    return array.type == DType::F32 ? static_cast<const float *>(array.data)[at]
                                    : static_cast<const double *>(array.data)[at];
  };
  values.assign(results().size(), {});
  bounds.assign(results().size(), {});
  auto formula = *module->getOps<FormulaFuncOp>().begin();
  for (int64_t row : rows)
    for (auto [n, result] : llvm::enumerate(keops::interpret(formula, reader, row))) {
      values[n].insert(values[n].end(), result.values.begin(), result.values.end());
      bounds[n].insert(bounds[n].end(), result.bounds.begin(), result.bounds.end());
    }
}
