//===- Call.cpp - A reduction that Python calls -----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call holds the arrays, compares them with what the kernel expects, makes
// the results, computes and hands out. The engine checks again, in words of its
// own; here the words are those of a NumPy user, who knows arguments by alias.
//
//===----------------------------------------------------------------------===//

#include "Call.h"
#include "Destination.h"
#include "Engine.h"
#include "Progress.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <limits>
#include <tuple>

using namespace keops;
using namespace keops::python;
using runtime::ArgumentInfo;
using runtime::Axis;
using runtime::ResultInfo;
namespace nb = nanobind;

/// Names of targets beside the empty one, which is where the arrays lie; of a GPU with ":" and its number after it.
static constexpr const char *kProcessor = "host", *kSimulator = "sim", *kAnyGPU = "cuda";

//===----------------------------------------------------------------------===//
// The reduction and its code
//===----------------------------------------------------------------------===//

Callable::Callable(const std::string &name, const std::string &formula, std::vector<std::string> aliases,
                   std::vector<std::string> declarations, const std::optional<std::string> &weight, int64_t k, int axis,
                   std::optional<std::string> accumulator, bool compensated, bool isFast,
                   const std::optional<std::string> &complexType)
    : reductions{{name, Formula::parse(formula, aliases), axis == 1 ? Over::Columns : Over::Rows, k, nullptr, {}}},
      declarations(std::move(declarations)), accumulator(std::move(accumulator)), compensated(compensated),
      precision(isFast ? Precision::Fast : Precision::Exact) {
  Reduction &reduction = reductions.front();
  if (complexType)
    this->complexType = *complexType == runtime::nameOf(DType::C64) ? DType::C64 : DType::C128;
  if (reduction.formula.isReduction()) {
    if (name != "Sum" || weight)
      raise(PyExc_ValueError, "reduction_op: expected none, as the formula is a reduction itself, got '" + name + "'");
    reduction.name.clear();
    reduction.over = reduction.formula.reducedIndex();
  }
  if (weight)
    reduction.weight = std::make_shared<const Formula>(Formula::parse(*weight, aliases));
  // A formula may bring arguments along that no alias declares.
  size_t declared = aliases.size();
  reduction.aliases = reduction.formula.declarations(aliases);
  if (reduction.weight)
    reduction.aliases = reduction.weight->declarations(reduction.aliases);
  this->declarations.insert(this->declarations.end(), reduction.aliases.begin() + declared, reduction.aliases.end());
  places = {reduction.over == Over::Columns ? 0 : 1};
}

Callable::Callable(const Callable &base, std::vector<Reduction> reductions, std::vector<int> places,
                   std::vector<std::string> declarations)
    : reductions(std::move(reductions)), places(std::move(places)), declarations(std::move(declarations)),
      // What a sum of derivatives adds is not what an extremum compares.
      accumulator(base.accumulator), compensated(base.compensated), precision(base.precision) {}

std::unique_ptr<Callable> Callable::derived(const std::vector<Place> &arguments,
                                            const std::vector<std::vector<Step>> &chains) const {
  auto variable = [&](size_t position) {
    auto [place, dim] = arguments.at(position);
    auto number = static_cast<int64_t>(position);
    return place == 0 ? rowVariable(number, dim) : place == 1 ? columnVariable(number, dim) : parameter(number, dim);
  };
  std::vector<std::string> named = declarations, aliases = reduction().aliases;
  for (size_t position = declarations.size(); position < arguments.size(); ++position) {
    auto [place, dim] = arguments[position];
    named.push_back("Var(" + std::to_string(position) + "," + std::to_string(dim) + "," + std::to_string(place) + ")");
    aliases.push_back(named.back());
  }
  std::vector<Reduction> all;
  std::vector<int> ends;
  for (const std::vector<Step> &chain : chains) {
    Reduction made = reduction();
    made.aliases = aliases;
    int place = places.front();
    for (auto [isTangent, position, direction] : chain) {
      made.derivatives.push_back({variable(position), variable(direction), isTangent});
      if (!isTangent)
        place = arguments[position].first;
    }
    all.push_back(std::move(made));
    ends.push_back(place);
  }
  return std::unique_ptr<Callable>(new Callable(*this, std::move(all), std::move(ends), std::move(named)));
}

Sums Callable::sumsFor(DType type) const {
  std::string name = runtime::nameOf(type);
  // Numbers of 16 bits are added in float32, which is both of what a program may ask for.
  bool isShort = type == DType::F16 || type == DType::BF16;
  if (accumulator && *accumulator != name && *accumulator != "float64" && !(isShort && *accumulator == "float32"))
    raise(PyExc_ValueError, "dtype_acc: expected 'auto', the arrays' dtype, which is " + name +
                                ", or a wider one; got '" + *accumulator + "'");
  if (compensated)
    return Sums::Kahan;
  return accumulator && *accumulator == "float64" && type != DType::F64 ? Sums::Float64 : Sums::Blocks;
}

const Kernel &Callable::kernelFor(DType type, const std::string &target) {
  std::unique_ptr<const Kernel> &slot = target.empty() ? kernels[static_cast<int>(type)] : otherKernels[{target, type}];
  if (slot)
    return *slot;
  auto made = std::make_unique<const Kernel>(compile(reductions, type, sumsFor(type), precision, target));
  // Another thread may have come first while this one compiled; its kernel may be running.
  if (!slot)
    slot = std::move(made);
  return *slot;
}

int Callable::axis() const {
  auto indexed = std::find_if(places.begin(), places.end(), [](int place) { return place != 2; });
  return indexed == places.end() ? 1 : 1 - *indexed;
}

/// Any code tells, so that what is there is asked first, and what cannot be had for want of a device is not needed.
const Kernel &Callable::anyKernel(const std::string &type, const std::string &target) {
  DType wanted = DType::F32;
  for (DType known : {DType::F32, DType::F64, DType::F16, DType::BF16}) {
    if (type == runtime::nameOf(known))
      wanted = known;
    else if (!type.empty())
      continue;
    if (const auto &slot = kernels[static_cast<int>(known)])
      return *slot;
    for (const auto &[where, kernel] : otherKernels)
      if (where.second == known && kernel)
        return *kernel;
  }
  try {
    return kernelFor(wanted, target);
  } catch (const Error &) {
    if (target.empty())
      throw;
    return kernelFor(wanted);
  }
}

nb::tuple Callable::signature(const std::string &type, const std::string &target) {
  const Kernel &kernel = anyKernel(type, target);
  int rows = 1 - axis();
  auto placeOf = [&](Axis axis) { return axis == Axis::Parameter ? 2 : axis == Axis::Row ? rows : 1 - rows; };
  nb::list arguments, results;
  for (const ArgumentInfo &info : kernel.arguments())
    arguments.append(nb::make_tuple(placeOf(info.axis), info.dim));
  for (const ResultInfo &info : kernel.results()) {
    nb::list shape;
    for (int64_t size : info.shape)
      shape.append(size);
    results.append(nb::make_tuple(placeOf(info.axis), nb::tuple(shape), info.type == DType::I64));
  }
  return nb::make_tuple(nb::tuple(arguments), nb::tuple(results));
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

std::string Callable::describe(size_t position) const {
  return "argument " + std::to_string(position) + " (" + declarations[position] + ")";
}

[[noreturn]] static void refuseCount(const std::vector<std::string> &declarations, size_t found) {
  std::string message =
      "expected " + std::to_string(declarations.size()) + (declarations.size() == 1 ? " array" : " arrays");
  for (size_t position = 0; position < declarations.size(); ++position)
    message += (position ? ", " : ": ") + declarations[position];
  raise(PyExc_ValueError, message + "; got " + std::to_string(found));
}

/// Axes of an argument's array after those of batches.
static int coreAxes(const ArgumentInfo &info) { return info.axis == Axis::Parameter ? 1 : 2; }

/// "(D,)" of a parameter, "(M, D)" or "(N, D)" of others, for elements of `type`.
static std::string expectedShape(const ArgumentInfo &info, int axis, DType type) {
  std::string dim = std::to_string(info.dim / runtime::partsOf(type));
  if (info.axis == Axis::Parameter)
    return "(" + dim + ",)";
  bool isIndexedByI = (info.axis == Axis::Row) == (axis == 1);
  return (isIndexedByI ? "(M, " : "(N, ") + dim + ")";
}

/// All numbers have one type; complex ones count by that of their parts.
void Callable::checkTypes(const std::vector<ArrayView> &views) const {
  DType first = runtime::realType(views[0].type());
  for (size_t position = 0; position < views.size(); ++position) {
    DType type = views[position].type();
    if (type == DType::I64)
      raise(PyExc_TypeError, describe(position) + ": expected dtype " + kNumberTypes + ", got int64");
    if (runtime::realType(type) != first)
      raise(PyExc_TypeError, describe(position) + ": expected dtype " + runtime::nameOf(first) + " as in " +
                                 describe(0) + (views[0].type() == first ? "" : ", whose parts are such") + ", got " +
                                 runtime::nameOf(type));
  }
  if (complexType && runtime::realType(*complexType) != first)
    raise(PyExc_TypeError, std::string("dtype: expected arrays of ") + runtime::nameOf(*complexType) + " or " +
                               runtime::nameOf(runtime::realType(*complexType)) + " for results of " +
                               runtime::nameOf(*complexType) + ", got " + runtime::nameOf(views[0].type()) + " in " +
                               describe(0));
}

/// All tensors lie in one memory. Where other arrays of a GPU lie, the driver says.
void Callable::checkDevices(const std::vector<ArrayView> &views) const {
  for (size_t position = 0; position < views.size(); ++position)
    if (views[position].device() != views[0].device())
      raise(PyExc_ValueError, describe(position) + ": expected a tensor on the device " +
                                  deviceText(views[0].device()) + " as " + describe(0) + ", got one on " +
                                  deviceText(views[position].device()));
}

Callable::Sizes Callable::checkShapes(const std::vector<ArrayView> &views,
                                      const std::vector<ArgumentInfo> &expected) const {
  if (views.size() != expected.size())
    throw Error("the kernel takes " + std::to_string(expected.size()) + " arrays, but its aliases declare " +
                std::to_string(views.size()));
  constexpr size_t none = std::numeric_limits<size_t>::max();
  size_t first[] = {none, none};
  bool isBatched = false;
  Sizes sizes;
  for (size_t position = 0; position < views.size(); ++position) {
    const ArrayView &view = views[position];
    const ArgumentInfo &info = expected[position];
    int ndim = coreAxes(info);
    int64_t parts = runtime::partsOf(view.type());
    if (info.dim % parts != 0)
      raise(PyExc_TypeError, describe(position) + ": expected real numbers, because complex ones have an even " +
                                 "number of components, not " + std::to_string(info.dim) + "; got " +
                                 runtime::nameOf(view.type()));
    if (view.ndim() < ndim || view.shape(view.ndim() - 1) * parts != info.dim) {
      std::string message = describe(position) + ": expected an array of shape " +
                            expectedShape(info, axis(), view.type()) +
                            (parts == 2 ? std::string(" of ") + runtime::nameOf(view.type()) : "") +
                            (view.ndim() > ndim ? " after batch dimensions" : "") + ", got shape " + view.shapeText();
      if (ndim == 2 && view.ndim() == 1 && info.dim == 1)
        message += "; a vector of numbers must be (" + std::to_string(view.shape(0)) + ", 1), as v[:, None] is";
      raise(PyExc_ValueError, message);
    }
    sizes.components += info.dim;
    isBatched |= view.ndim() > ndim;
    if (info.axis == Axis::Parameter)
      continue;
    int64_t &rows = info.axis == Axis::Row ? sizes.rows : sizes.columns;
    int64_t found = view.shape(view.ndim() - 2);
    size_t &earlier = first[info.axis == Axis::Column];
    if (earlier == none) {
      rows = found;
      earlier = position;
    } else if (found != rows) {
      raise(PyExc_ValueError, describe(position) + ": expected " + std::to_string(rows) + " rows as in " +
                                  describe(earlier) + ", got " + std::to_string(found));
    }
  }
  if (isBatched)
    checkBatches(views, expected, sizes);
  return sizes;
}

/// Batch axes meet as in NumPy: the last ones first, and those of size 1 go with any.
void Callable::checkBatches(const std::vector<ArrayView> &views, const std::vector<ArgumentInfo> &expected,
                            Sizes &sizes) const {
  int axes = 0;
  for (size_t position = 0; position < views.size(); ++position)
    axes = std::max(axes, views[position].ndim() - coreAxes(expected[position]));
  sizes.batch.assign(axes, 1);
  std::vector<size_t> first(axes, 0);
  for (size_t position = 0; position < views.size(); ++position) {
    int own = views[position].ndim() - coreAxes(expected[position]);
    for (int axis = 0; axis < own; ++axis) {
      int at = axis + axes - own;
      int64_t size = views[position].shape(axis);
      if (size == 1 || size == sizes.batch[at])
        continue;
      if (sizes.batch[at] != 1)
        raise(PyExc_ValueError, describe(position) + ": expected size 1 or " + std::to_string(sizes.batch[at]) +
                                    " along batch dimension " + std::to_string(axis) + " as in " + describe(first[at]) +
                                    ", got shape " + views[position].shapeText());
      sizes.batch[at] = size;
      first[at] = position;
    }
  }
  for (int64_t size : sizes.batch)
    sizes.batches *= size;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// The type of the array that a result goes to.
DType Callable::resultType(const ResultInfo &result) const {
  if (!complexType || result.type == DType::I64)
    return result.type;
  if (result.dim % 2 != 0 || reduction().k > 0)
    raise(PyExc_ValueError,
          std::string("dtype: expected ") +
              (reduction().k > 0 ? "a reduction that keeps no K values"
                                 : "a formula with an even number of components, pairs of real ones,") +
              " for results of " + runtime::nameOf(*complexType) + ", got " +
              (reduction().k > 0 ? reduction().name : std::to_string(result.dim)));
  return *complexType;
}

/// What has no index has no axis for its row, as parameters have none.
std::vector<int64_t> Callable::resultShape(const ResultInfo &result, const Sizes &sizes, DType type) const {
  std::vector<int64_t> shape = sizes.batch;
  if (result.axis != Axis::Parameter)
    shape.push_back(sizes.rowsOf(result.axis));
  shape.insert(shape.end(), result.shape.begin(), result.shape.end());
  shape.back() /= runtime::partsOf(type);
  return shape;
}

//===----------------------------------------------------------------------===//
// The call
//===----------------------------------------------------------------------===//

void Callable::run(const Kernel &kernel, const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs,
                   const Sizes &sizes, const Ranges *ranges, bool isRemote) const {
  // Compiles what the call will run, if it is not there, before the call holds locks that a compilation must not.
  if (!kernel.isPrepared(inputs, ranges))
    python::prepare(kernel, inputs, ranges);
  std::optional<nb::gil_scoped_release> release;
  // Below some hundred microseconds of work, other threads would gain less than the lock's travel costs.
  constexpr double smallestWork = 5e5;
  if (isRemote ||
      static_cast<double>(sizes.rows * sizes.batches) * sizes.columns * (sizes.components + 1) > smallestWork)
    release.emplace();
  kernel(outputs, inputs, /*threads=*/0, ranges, watcherOfThisThread());
}

namespace {
/// Block-sparse ranges, held for the time of a call.
class HeldRanges {
public:
  HeldRanges(nb::handle given, Library library) {
    if (given.is_none())
      return;
    auto arrays = nb::cast<nb::tuple>(given);
    for (size_t n = 0; n < 3; ++n) {
      views[n].hold(arrays[n], library, [] { return std::string("ranges"); });
      if (views[n].device() >= 0)
        raise(PyExc_ValueError,
              "ranges: expected tensors on the device cpu, got one on " + deviceText(views[n].device()));
    }
    ranges.rows = static_cast<const int64_t *>(views[0].data());
    ranges.slices = static_cast<const int64_t *>(views[1].data());
    ranges.clusters = views[1].shape(0);
    ranges.columns = static_cast<const int64_t *>(views[2].data());
    ranges.intervals = views[2].shape(0);
    isGiven = true;
  }
  const Ranges *get() const { return isGiven ? &ranges : nullptr; }

private:
  ArrayView views[3];
  Ranges ranges;
  bool isGiven = false;
};
} // namespace

std::string Callable::describeCode(const std::string &type, const std::string &phase) {
  for (DType known : {DType::F16, DType::BF16, DType::F32, DType::F64})
    if (type == runtime::nameOf(known)) {
      const Kernel &kernel = kernelFor(known);
      return phase == "explain" ? kernel.explain() : kernel.text(phase);
    }
  raise(PyExc_ValueError, std::string("dtype: expected float16, bfloat16, float32 or float64, got '") + type + "'");
}

void Callable::checkOut(nb::handle out, const std::vector<nb::object> &results) const {
  std::vector<nb::handle> given = splitOut(out, results.size(), Library::Torch);
  for (size_t n = 0; n < results.size(); ++n)
    checkTensorOut(given[n], results[n], nameOfOut(n, results.size()), /*mayPair=*/reduction().k == 0);
}

nb::object Callable::call(nb::tuple arguments, nb::handle out, nb::handle ranges, Library library, std::string target) {
  size_t count = arguments.size();
  if (count != declarations.size())
    refuseCount(declarations, count);
  if (count == 0)
    raise(PyExc_ValueError, "expected at least one argument, whose dtype is that of the computation; got none");
  if (library == Library::NumPy &&
      !PyObject_TypeCheck(arguments[0].ptr(), reinterpret_cast<PyTypeObject *>(NumPy::get().ndarray.ptr())) &&
      isOnDevice(arguments[0]))
    library = Library::Device;
  std::vector<ArrayView> views(count);
  for (size_t position = 0; position < count; ++position)
    views[position].holdShared(arguments[position], library, [&] { return describe(position); });
  checkTypes(views);
  checkDevices(views);

  // What lies on a GPU is computed there, on the stream of whoever owns it.
  nb::handle onGPU = library == Library::Device || views[0].device() >= 0 ? arguments[0] : nb::handle();
  if (onGPU.is_valid() && (target == kProcessor || target == kSimulator))
    raise(PyExc_ValueError, std::string("backend: expected 'auto' or 'GPU' for arrays that lie on a GPU, got '") +
                                (target == kProcessor ? "CPU" : "sim") + "'");
  if (onGPU.is_valid() && (target.empty() || target == kAnyGPU))
    target = std::string(kAnyGPU) + ":" +
             std::to_string(library == Library::Device ? deviceNumberOf(onGPU) : views[0].device());
  if (target == kProcessor)
    target.clear();

  const Kernel &kernel = kernelFor(runtime::realType(views[0].type()), target);
  Sizes sizes = checkShapes(views, kernel.arguments());
  std::vector<ConstArray> inputs;
  std::vector<nb::object> copies;
  inputs.reserve(count);
  for (size_t position = 0; position < count; ++position)
    inputs.push_back(views[position].toEngine(coreAxes(kernel.arguments()[position]), copies));
  HeldRanges held(ranges, library == Library::Device ? Library::NumPy : library);
  auto compute = [&](const std::vector<Array> &outputs) {
    if (!onGPU.is_valid())
      return run(kernel, outputs, inputs, sizes, held.get(), !target.empty());
    void *stream = streamOf(arguments);
    const Progress *watcher = watcherOfThisThread();
    std::optional<nb::gil_scoped_release> release;
    if (watcher)
      release.emplace();
    kernel.enqueue(outputs, inputs, stream, held.get(), watcher);
  };

  const std::vector<ResultInfo> &results = kernel.results();
  std::vector<Array> outputs;
  outputs.reserve(results.size());
  if (!out.is_none()) {
    std::vector<nb::handle> given = splitOut(out, results.size(), library);
    std::vector<std::unique_ptr<Destination>> destinations;
    for (size_t n = 0; n < results.size(); ++n) {
      DType expected = resultType(results[n]);
      destinations.push_back(std::make_unique<Destination>(
          given[n], nameOfOut(n, results.size()),
          Destination::Result{expected, resultShape(results[n], sizes, expected), /*mayPair=*/reduction().k == 0},
          views, library, onGPU));
      DType type = destinations.back()->type();
      outputs.push_back({destinations.back()->data(), sizes.rowsOf(results[n].axis),
                         results[n].dim / runtime::partsOf(type), type, sizes.batch});
    }
    compute(outputs);
    for (const auto &destination : destinations)
      destination->finish();
    return nb::borrow(out);
  }

  std::vector<nb::object> arrays;
  arrays.reserve(results.size());
  for (const ResultInfo &result : results) {
    DType type = resultType(result);
    std::vector<int64_t> shape = resultShape(result, sizes, type);
    auto [array, memory] = makeArray(shape.data(), shape.size(), type, library, onGPU);
    outputs.push_back({memory, sizes.rowsOf(result.axis), result.dim / runtime::partsOf(type), type, sizes.batch});
    arrays.push_back(std::move(array));
  }
  compute(outputs);
  if (arrays.size() == 1)
    return std::move(arrays[0]);
  nb::object tuple = nb::steal(PyTuple_New(arrays.size()));
  for (size_t n = 0; n < arrays.size(); ++n)
    PyTuple_SET_ITEM(tuple.ptr(), n, arrays[n].release().ptr());
  return tuple;
}
