//===- Call.h - A reduction that Python calls -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that a call does lives on this side of the binding: calls on small
// arrays must cost microseconds, which leaves no time for checks in Python.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_CALL_H
#define KEOPS_PYTHON_CALL_H

#include "Arrays.h"

#include "keops/Keops.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace keops::python {

/// A reduction with one kernel per type of its arguments, compiled at the first
/// call with that type. Threads may call at the same time.
class Callable {
public:
  /// Parses the formulas. `aliases` declare all arguments, `declarations` are
  /// what messages call them, in order of position. `accumulator` is the type
  /// that sums must be accumulated in, if the caller minds; `compensated` asks
  /// for sums that keep track of their rounding errors, `isFast` for expanded
  /// distances on GPUs, and `complexType` for results of that type, "complex64" or "complex128", instead of pairs of
  /// reals.
  Callable(const std::string &name, const std::string &formula, std::vector<std::string> aliases,
           std::vector<std::string> declarations, const std::optional<std::string> &weight, int64_t k, int axis,
           std::optional<std::string> accumulator, bool compensated, bool isFast,
           const std::optional<std::string> &complexType);

  /// An argument or a result: 0 where it has a row for each i, 1 for each j, 2 for a parameter; and its dimension.
  using Place = std::pair<int, int64_t>;
  /// One derivative: whether it is a tangent, the number of the variable, and
  /// that of the argument which is its direction.
  using Step = std::tuple<bool, size_t, size_t>;
  /// Derivatives of this reduction, one result for each chain of steps, the
  /// innermost first, from one kernel. `arguments` are those of this reduction
  /// and further ones for the directions. No results that have an index come
  /// after those that have none.
  std::unique_ptr<Callable> derived(const std::vector<Place> &arguments,
                                    const std::vector<std::vector<Step>> &chains) const;

  /// Checks the arrays, then computes into new arrays, or into `out` unless
  /// that is None. `ranges` is None, or a tuple of three contiguous arrays of
  /// int64 for the intervals of rows, slices, and the intervals of columns.
  ///
  /// `target` is where to compute: empty for where the arrays lie, "host", or
  /// another target of the engine such as "cuda:0", to which arrays of the host
  /// are copied.
  nanobind::object call(nanobind::tuple arguments, nanobind::handle out, nanobind::handle ranges, Library library,
                        std::string target = "");

  /// Whether tensors of `out` can take the values of `results`, which a call gave for them; throws if not, in the words
  /// that a call has for its own `out`.
  void checkOut(nanobind::handle out, const std::vector<nanobind::object> &results) const;

  /// What the compiler says about the code for arguments of `type`: its schedule
  /// and cost if `phase` is "explain", else the program after that phase.
  std::string describeCode(const std::string &type, const std::string &phase);

  /// The index that is reduced, 0 for i: the given one, or what the formula says if it is a reduction. Kernels speak of
  /// the rows of the first result that has an index.
  int axis() const;
  /// What a call with numbers of this type takes and gives: a tuple of (place, dimension) of arguments, and one of
  /// (place, shape of a row, is it a number of a row) of results. An empty type is any; code for `target` is made if
  /// there is none.
  nanobind::tuple signature(const std::string &type, const std::string &target = "");

private:
  struct Sizes {
    int64_t rows = 1, columns = 1, components = 0, batches = 1;
    std::vector<int64_t> batch; ///< of each batch axis

    int64_t rowsOf(runtime::Axis axis) const {
      return axis == runtime::Axis::Row ? rows : axis == runtime::Axis::Column ? columns : 1;
    }
  };

  Callable(const Callable &base, std::vector<Reduction> reductions, std::vector<int> places,
           std::vector<std::string> declarations);

  const Reduction &reduction() const { return reductions.front(); }
  const Kernel &kernelFor(DType type, const std::string &target = "");
  /// A kernel for numbers of this type, or of any if that is empty: one that is there, or for `target`.
  const Kernel &anyKernel(const std::string &type, const std::string &target);
  Sums sumsFor(DType type) const;
  std::string describe(size_t position) const;
  Sizes checkShapes(const std::vector<ArrayView> &views, const std::vector<runtime::ArgumentInfo> &expected) const;
  void checkBatches(const std::vector<ArrayView> &views, const std::vector<runtime::ArgumentInfo> &expected,
                    Sizes &sizes) const;
  void checkTypes(const std::vector<ArrayView> &views) const;
  void checkDevices(const std::vector<ArrayView> &views) const;
  std::vector<int64_t> resultShape(const runtime::ResultInfo &result, const Sizes &sizes, DType type) const;
  DType resultType(const runtime::ResultInfo &result) const;
  void run(const Kernel &kernel, const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs,
           const Sizes &sizes, const Ranges *ranges, bool isRemote) const;

  /// One kernel computes them all.
  std::vector<Reduction> reductions;
  /// Where each of them has rows, as in `Place`.
  std::vector<int> places;
  std::vector<std::string> declarations;
  const std::optional<std::string> accumulator;
  const bool compensated;
  const Precision precision;
  /// The type of results that are complex.
  std::optional<DType> complexType;
  /// For each type of real numbers. Written once, under the interpreter's lock.
  std::unique_ptr<const Kernel> kernels[5];
  /// The same for other targets than the processor.
  std::map<std::pair<std::string, DType>, std::unique_ptr<const Kernel>> otherKernels;
};

} // namespace keops::python

#endif // KEOPS_PYTHON_CALL_H
