//===- KernelCall.cpp - Calls of a compiled kernel ---------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arrays are compared with what the kernel takes before anything is touched.
// Strides and batches go to the runtime as they are: nothing is copied.
//
//===----------------------------------------------------------------------===//

#include "KernelImpl.h"

#include "keops/Dialect/Interpreter.h"
#include "keops/Runtime/CpuDevice.h"
#include "keops/Runtime/Element.h"
#include "keops/Schedule/KnownTargets.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace keops;

// Sizes and strides in real numbers, of which a complex one has two next to each other.
static int64_t dimOf(const ConstArray &array) { return array.dim * runtime::partsOf(array.type); }
static int64_t rowStrideOf(const ConstArray &array) {
  return array.rowStride.value_or(array.dim) * runtime::partsOf(array.type);
}
static int64_t componentStrideOf(const ConstArray &array) {
  return runtime::partsOf(array.type) == 2 ? 1 : array.componentStride.value_or(1);
}

/// Whether there is anything to read: libraries give null for arrays without elements.
static bool hasElements(const ConstArray &array) {
  return array.rows > 0 && llvm::none_of(array.batch, [](const BatchAxis &axis) { return axis.size == 0; });
}

/// "3 columns", or "2 columns of complex64".
static std::string columnsText(int64_t dim, DType type) {
  std::string text = std::to_string(dim) + (dim == 1 ? " column" : " columns");
  return runtime::partsOf(type) == 1 ? text : text + " of " + runtime::nameOf(type);
}

/// "(2, 3)".
static std::string listText(const std::vector<int64_t> &sizes) {
  std::string text = "(";
  for (size_t n = 0; n < sizes.size(); ++n)
    text += (n ? ", " : "") + std::to_string(sizes[n]);
  return text + ")";
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

std::string Kernel::Impl::nameOf(size_t argument) const {
  std::string name = "argument " + std::to_string(argument);
  if (argument < program.arguments.size() && !program.arguments[argument].name.empty())
    name += " (" + program.arguments[argument].name + ")";
  return name;
}

CallShape Kernel::Impl::checkInputs(const std::vector<ConstArray> &inputs) const {
  const auto &expected = many.artifact.arguments;
  if (inputs.size() != expected.size())
    throw Error("expected " + std::to_string(expected.size()) + " arrays, got " + std::to_string(inputs.size()));
  int64_t sizes[2] = {-1, -1};
  size_t first[2] = {0, 0}, axes = 0;
  for (size_t n = 0; n < inputs.size(); ++n) {
    const ConstArray &array = inputs[n];
    if (runtime::realType(array.type) != expected[n].type)
      throw Error(nameOf(n) + ": expected elements of type " + runtime::nameOf(expected[n].type) + ", got " +
                  runtime::nameOf(array.type));
    if (dimOf(array) != expected[n].dim)
      throw Error(nameOf(n) + ": expected " + std::to_string(expected[n].dim) + " columns, got " +
                  columnsText(array.dim, array.type));
    if (dimOf(array) != array.dim && array.dim > 1 && array.componentStride.value_or(1) != 1)
      throw Error(nameOf(n) + ": expected the complex numbers of a row next to each other, got a stride of " +
                  std::to_string(*array.componentStride));
    axes = std::max(axes, array.batch.size());
    if (array.rows < 0)
      throw Error(nameOf(n) + ": expected a number of rows, got " + std::to_string(array.rows));
    if (!array.data && hasElements(array))
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
  CallShape shape;
  shape.rows = sizes[0] < 0 ? 1 : sizes[0];
  shape.columns = sizes[1] < 0 ? 1 : sizes[1];
  if (axes > 0)
    shape.batch = checkBatches(inputs, axes);
  return shape;
}

std::vector<int64_t> Kernel::Impl::checkBatches(const std::vector<ConstArray> &inputs, size_t axes) const {
  std::vector<int64_t> sizes(axes, 1);
  std::vector<size_t> first(axes, 0);
  for (size_t n = 0; n < inputs.size(); ++n) {
    const std::vector<BatchAxis> &batch = inputs[n].batch;
    for (size_t own = 0; own < batch.size(); ++own) {
      size_t axis = own + axes - batch.size();
      int64_t size = batch[own].size;
      if (size < 0)
        throw Error(nameOf(n) + ": expected a number of batches along batch axis " + std::to_string(own) + ", got " +
                    std::to_string(size));
      if (size == 1 || size == sizes[axis])
        continue;
      if (sizes[axis] != 1)
        throw Error(nameOf(n) + ": expected 1 or " + std::to_string(sizes[axis]) + " batches along batch axis " +
                    std::to_string(own) + ", as " + nameOf(first[axis]) + " has, got " + std::to_string(size));
      sizes[axis] = size;
      first[axis] = n;
    }
  }
  int64_t batches = 1;
  for (int64_t size : sizes)
    if (__builtin_mul_overflow(batches, size, &batches))
      throw Error("expected fewer batches than 2^63, got batch axes of sizes " + listText(sizes));
  return sizes;
}

void Kernel::Impl::checkOutputs(const std::vector<Array> &outputs, const CallShape &shape) const {
  const auto &expected = many.artifact.results;
  if (outputs.size() != expected.size())
    throw Error("expected " + std::to_string(expected.size()) + " results, got " + std::to_string(outputs.size()));
  for (size_t n = 0; n < outputs.size(); ++n) {
    std::string name = "result " + std::to_string(n);
    int64_t parts = runtime::partsOf(outputs[n].type);
    if (runtime::realType(outputs[n].type) != expected[n].type)
      throw Error(name + ": expected elements of type " + runtime::nameOf(expected[n].type) + ", got " +
                  runtime::nameOf(outputs[n].type));
    int64_t rows = shape.rowsOf(expected[n].axis);
    if (outputs[n].rows != rows || outputs[n].dim * parts != expected[n].dim)
      throw Error(name + ": expected " + std::to_string(rows) + " × " + std::to_string(expected[n].dim) +
                  " elements, got " + std::to_string(outputs[n].rows) + " × " + std::to_string(outputs[n].dim) +
                  (parts == 1 ? std::string() : std::string(" of ") + runtime::nameOf(outputs[n].type)));
    if (outputs[n].batch != shape.batch)
      throw Error(name + ": expected batch axes of sizes " + listText(shape.batch) + ", got " +
                  listText(outputs[n].batch));
    if (!outputs[n].data && rows > 0 && !llvm::is_contained(shape.batch, 0))
      throw Error(name + ": expected memory for " + std::to_string(rows) + " rows, got a null pointer");
  }
}

CallSizes CallShape::sizes(const Ranges *ranges) const {
  CallSizes sizes{rows, columns, 1};
  for (int64_t size : batch)
    sizes.count *= size;
  if (!ranges)
    return sizes;
  // The mean cluster: rows and columns of those that have both.
  int64_t clusters = 0, allRows = 0, allColumns = 0;
  for (int64_t k = 0; k < ranges->clusters; ++k) {
    int64_t own = 0;
    for (int64_t l = k == 0 ? 0 : ranges->slices[k - 1]; l < ranges->slices[k]; ++l)
      own += ranges->columns[2 * l + 1] - ranges->columns[2 * l];
    int64_t ownRows = ranges->rows[2 * k + 1] - ranges->rows[2 * k];
    if (own == 0 || ownRows == 0)
      continue;
    ++clusters;
    allRows += ownRows;
    allColumns += own;
  }
  if (clusters == 0)
    return {0, 0, sizes.count};
  return {(allRows + clusters - 1) / clusters, allColumns / clusters, sizes.count * clusters};
}

//===----------------------------------------------------------------------===//
// The call
//===----------------------------------------------------------------------===//

SizeClass Kernel::Impl::classOf(const CallSizes &sizes, const runtime::Step &step) const {
  // One row for the call, or no columns, are scheduled as such in every variant.
  if (step.rows == runtime::Axis::Parameter || step.columns == runtime::Axis::Parameter)
    return SizeClass::ManyRows;
  return sizeClassOf(step.rows == runtime::Axis::Row ? sizes : CallSizes{sizes.columns, sizes.rows, sizes.count});
}

bool Kernel::Impl::wantsFewRows(const CallSizes &sizes) const {
  if (!many.artifact.isProgram())
    return sizeClassOf(sizes) == SizeClass::FewRows;
  return llvm::any_of(many.artifact.steps, [&](const runtime::Step &step) {
    return step.operation == runtime::Step::Operation::Launch && classOf(sizes, step) == SizeClass::FewRows;
  });
}

void Kernel::Impl::run(const runtime::CpuCall &call, const CallSizes &sizes) {
  if (device)
    return runOnDevice(call);
  if (!many.artifact.isProgram()) {
    if (isSimulated())
      return simulate(simulation.artifact, simulation, call, core->multiprocessors);
    const Variant &variant = variantFor(sizeClassOf(sizes));
    return runtime::launch(variant.artifact, variant.module->kernel(0), call, core->pool);
  }
  auto launchStep = [&](const runtime::Step &step, const runtime::CpuCall &given) {
    if (isSimulated())
      return simulate(simulation.artifact.kernel(step.kernel), simulation, given, core->multiprocessors);
    const Variant &variant = variantFor(classOf(sizes, step));
    runtime::launch(variant.artifact.kernel(step.kernel), variant.module->kernel(step.kernel), given, core->pool);
  };
  runtime::runProgram(many.artifact, call, launchStep, core->pool);
}

namespace {
/// A call as the runtime takes it, with what it points to.
class PlainCall {
public:
  PlainCall(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, const CallShape &shape,
            int threads, const Ranges *ranges, const Progress *progress = nullptr) {
    for (const ConstArray &input : inputs) {
      inputPointers.push_back(input.data);
      rowStrides.push_back(rowStrideOf(input));
      componentStrides.push_back(componentStrideOf(input));
      batchStrides.append(shape.batch.size() - input.batch.size(), 0);
      for (const BatchAxis &axis : input.batch)
        batchStrides.push_back(axis.size == 1 ? 0 : axis.stride * runtime::partsOf(input.type));
    }
    for (const Array &output : outputs)
      outputPointers.push_back(output.data);
    call.inputs = inputPointers.data();
    call.rowStrides = rowStrides.data();
    call.componentStrides = componentStrides.data();
    call.outputs = outputPointers.data();
    call.rows = shape.rows;
    call.columns = shape.columns;
    call.threads = threads;
    call.ranges = ranges;
    call.batchAxes = static_cast<int64_t>(shape.batch.size());
    call.batchSizes = shape.batch.data();
    call.batchStrides = batchStrides.data();
    call.progress = progress;
  }
  const runtime::CpuCall &get() const { return call; }

private:
  static constexpr unsigned kInline = 16;
  llvm::SmallVector<const void *, kInline> inputPointers;
  llvm::SmallVector<int64_t, kInline> rowStrides, componentStrides, batchStrides;
  llvm::SmallVector<void *, 2> outputPointers;
  runtime::CpuCall call;
};
} // namespace

void Kernel::operator()(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, int threads,
                        const Ranges *ranges, const Progress *progress) const {
  CallShape shape = impl->checkInputs(inputs);
  impl->checkOutputs(outputs, shape);
  if (ranges)
    impl->checkRanges(*ranges, shape);
  if (!impl->runnable)
    throw Error("this kernel was compiled for '" + impl->target +
                (isGPU(impl->target) ? "', which is code to be read; the target 'cuda' runs on a GPU of this machine"
                                     : "', which this machine is not"));
  PlainCall call(outputs, inputs, shape, threads > 0 ? threads : impl->core->threads, ranges, progress);
  impl->run(call.get(), shape.sizes(ranges));
}

void Kernel::enqueue(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs, void *stream,
                     const Ranges *ranges, const Progress *progress) const {
  CallShape shape = impl->checkInputs(inputs);
  impl->checkOutputs(outputs, shape);
  if (ranges)
    impl->checkRanges(*ranges, shape);
  impl->checkPlaces(outputs, inputs);
  PlainCall call(outputs, inputs, shape, impl->core->threads, ranges, progress);
  impl->enqueue(call.get(), stream);
}

bool Kernel::isPrepared(const std::vector<ConstArray> &inputs, const Ranges *ranges) const {
  if (impl->isReady(SizeClass::FewRows))
    return true;
  CallShape shape = impl->checkInputs(inputs);
  if (ranges)
    impl->checkRanges(*ranges, shape);
  return !impl->wantsFewRows(shape.sizes(ranges));
}

void Kernel::prepare(const std::vector<ConstArray> &inputs, const Ranges *ranges) const {
  CallShape shape = impl->checkInputs(inputs);
  if (ranges)
    impl->checkRanges(*ranges, shape);
  impl->variantFor(impl->wantsFewRows(shape.sizes(ranges)) ? SizeClass::FewRows : SizeClass::ManyRows);
}

const std::vector<runtime::ArgumentInfo> &Kernel::arguments() const { return impl->many.artifact.arguments; }
const std::vector<runtime::ResultInfo> &Kernel::results() const { return impl->many.artifact.results; }
int64_t Kernel::resultRows(const std::vector<ConstArray> &inputs, size_t result) const {
  return impl->checkInputs(inputs).rowsOf(results().at(result).axis);
}
std::vector<int64_t> Kernel::resultBatch(const std::vector<ConstArray> &inputs) const {
  return impl->checkInputs(inputs).batch;
}
std::string Kernel::explain() const { return impl->many.artifact.explanation; }
double Kernel::compileMilliseconds() const { return impl->milliseconds; }
const char *Kernel::origin() const { return impl->origin; }

//===----------------------------------------------------------------------===//
// The reference
//===----------------------------------------------------------------------===//

void Kernel::interpret(const std::vector<ConstArray> &inputs, const std::vector<int64_t> &rows,
                       std::vector<std::vector<double>> &values, std::vector<std::vector<double>> &bounds) const {
  CallShape shape = impl->checkInputs(inputs);
  if (!shape.batch.empty())
    throw Error("expected the arrays of one batch, got batch axes of sizes " + listText(shape.batch));
  int64_t numRows = shape.rows, numColumns = shape.columns;
  for (const runtime::ResultInfo &result : results())
    for (int64_t row : rows)
      if (row < 0 || row >= shape.rowsOf(result.axis))
        throw Error("expected rows below " + std::to_string(shape.rowsOf(result.axis)) + ", got " +
                    std::to_string(row));
  std::lock_guard<std::mutex> lock(impl->core->compileMutex);
  auto module = impl->build(impl->core->context());
  if (llvm::Error error = runPhases(*module, CompilerOptions(), Phase::Expanded))
    throw Error(llvm::toString(std::move(error)));
  InterpreterInputs reader;
  bool keepsI = impl->keepsI();
  reader.rowsI = keepsI ? numRows : numColumns;
  reader.rowsJ = keepsI ? numColumns : numRows;
  reader.read = [&](unsigned argument, int64_t row, int64_t d) {
    const ConstArray &array = inputs[argument];
    return runtime::readElement(runtime::realType(array.type), array.data,
                                row * rowStrideOf(array) + d * componentStrideOf(array));
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
