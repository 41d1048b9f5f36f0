//===- Check.cpp - Results against the reference -----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formula's value for one pair is its sum over a single column: so the
// reference can be asked for terms through the same door.
//
//===----------------------------------------------------------------------===//

#include "Check.h"

#include "keops/Runtime/Element.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

using namespace keops;
using namespace keops::run;

/// Evenly spread rows, the first and the last among them: what handles ends is
/// what errs most easily.
static std::vector<int64_t> chooseRows(int64_t available, int64_t wanted) {
  std::vector<int64_t> rows;
  if (available <= wanted) {
    for (int64_t row = 0; row < available; ++row)
      rows.push_back(row);
    return rows;
  }
  for (int64_t n = 0; n < wanted; ++n)
    rows.push_back(wanted == 1 ? 0 : static_cast<int64_t>(static_cast<double>(available - 1) * n / (wanted - 1)));
  return rows;
}

namespace {

class Comparison {
public:
  Comparison(const Kernel &kernel, const std::vector<ConstArray> &inputs, const CheckOptions &options,
             const std::function<Kernel()> &termKernel)
      : kernel(kernel), inputs(inputs), termKernel(termKernel) {
    report.factor = options.factor;
    for (size_t n = 0; n < inputs.size(); ++n)
      if (kernel.arguments()[n].axis == runtime::Axis::Column)
        columns = inputs[n].rows;
  }

  void compareValue(double value, double reference, double bound, const std::string &place);
  /// Compares one row of row numbers.
  void compareRowNumbers(const int64_t *numbers, const double *references, const double *bounds, int64_t count,
                         int64_t row, const std::string &place);

  CheckReport report;

private:
  struct Term {
    std::vector<double> values, bounds;
  };

  const Term &term(int64_t row, int64_t column);
  void failAt(const std::string &sentence) {
    if (report.failures++ == 0)
      report.firstFailure = sentence;
  }

  const Kernel &kernel;
  const std::vector<ConstArray> &inputs;
  const std::function<Kernel()> &termKernel;
  std::optional<Kernel> sum;
  std::map<std::pair<int64_t, int64_t>, Term> terms;
  int64_t columns = 1;
};

} // namespace

static std::string str(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

void Comparison::compareValue(double value, double reference, double bound, const std::string &place) {
  if (!(bound < INFINITY)) {
    ++report.ambiguous;
    return;
  }
  ++report.compared;
  report.maxBound = std::max(report.maxBound, bound);
  auto wrong = [&] {
    failAt(place + " is " + str(value) + ", expected " + str(reference) + " with an error of at most " +
           str(report.factor) + " x " + str(bound));
  };
  if (!std::isfinite(reference) || !std::isfinite(value)) {
    bool same = std::isnan(reference) ? std::isnan(value) : value == reference;
    if (!same)
      wrong();
    return;
  }
  double error = std::fabs(value - reference);
  report.maxError = std::max(report.maxError, error);
  if (reference != 0)
    report.maxRelativeError = std::max(report.maxRelativeError, error / std::fabs(reference));
  if (error == 0)
    return;
  report.maxShare = std::max(report.maxShare, error / bound);
  if (!(error <= report.factor * bound))
    wrong();
}

/// The formula's value for one pair of rows.
const Comparison::Term &Comparison::term(int64_t row, int64_t column) {
  auto [place, isNew] = terms.try_emplace({row, column});
  if (!isNew)
    return place->second;
  if (!sum)
    sum = termKernel();
  std::vector<ConstArray> one = inputs;
  for (size_t n = 0; n < one.size(); ++n) {
    if (kernel.arguments()[n].axis != runtime::Axis::Column)
      continue;
    int64_t stride = one[n].rowStride.value_or(one[n].dim);
    one[n].data = static_cast<const char *>(one[n].data) + column * stride * runtime::sizeOf(one[n].type);
    one[n].rows = 1;
  }
  std::vector<std::vector<double>> values, bounds;
  sum->interpret(one, {row}, values, bounds);
  place->second = {std::move(values[0]), std::move(bounds[0])};
  return place->second;
}

void Comparison::compareRowNumbers(const int64_t *numbers, const double *references, const double *bounds,
                                   int64_t count, int64_t row, const std::string &place) {
  for (int64_t n = 0; n < count; ++n) {
    std::string here = place + ", number " + std::to_string(n);
    int64_t number = numbers[n];
    auto reference = static_cast<int64_t>(references[n]);
    if (number == reference) {
      ++report.compared;
      continue;
    }
    std::string sentence = here + " is " + std::to_string(number) + ", expected " + std::to_string(reference);
    if (bounds[n] == 0 || number < 0 || number >= columns || reference < 0 || reference >= columns) {
      ++report.compared;
      failAt(sentence);
      continue;
    }
    // Rounding may have decided: then both rows have nearly the same value.
    const Term &got = term(row, number), &best = term(row, reference);
    // Number k·dim + d belongs to component d of the formula.
    int64_t dim = static_cast<int64_t>(got.values.size()), d = n % dim;
    double slack = report.factor * (got.bounds[d] + best.bounds[d]);
    bool tie = got.values[d] == best.values[d] || std::fabs(got.values[d] - best.values[d]) <= slack;
    bool unknown = !(slack < INFINITY);
    // A tie may swap two ranks, not name the same row twice.
    int64_t namedNow = 0, namedInReference = 0;
    for (int64_t other = d; other < count; other += dim) {
      namedNow += numbers[other] == number;
      namedInReference += static_cast<int64_t>(references[other]) == number;
    }
    if ((tie || unknown) && namedNow <= std::max<int64_t>(1, namedInReference)) {
      ++report.ambiguous;
      continue;
    }
    ++report.compared;
    failAt(sentence + "; the formula is " + str(got.values[d]) + " there and " + str(best.values[d]) +
           " in the expected row");
  }
}

CheckReport run::check(const Kernel &kernel, const std::vector<ConstArray> &inputs, const std::vector<Array> &outputs,
                       const CheckOptions &options, const std::function<Kernel()> &termKernel) {
  Comparison comparison(kernel, inputs, options, termKernel);
  // Results of both indices are asked for at the same numbers.
  int64_t available = kernel.resultRows(inputs);
  for (size_t result = 1; result < outputs.size(); ++result)
    available = std::min(available, kernel.resultRows(inputs, result));
  std::vector<int64_t> rows = chooseRows(available, options.rows);
  std::vector<std::vector<double>> values, bounds;
  kernel.interpret(inputs, rows, values, bounds);
  comparison.report.rows = static_cast<int64_t>(rows.size());
  for (size_t result = 0; result < outputs.size(); ++result) {
    const Array &array = outputs[result];
    for (size_t n = 0; n < rows.size(); ++n) {
      const double *reference = values[result].data() + n * array.dim;
      const double *bound = bounds[result].data() + n * array.dim;
      int64_t first = rows[n] * array.dim;
      std::string place = "row " + std::to_string(rows[n]) + " of result " + std::to_string(result);
      if (array.type == DType::I64) {
        comparison.compareRowNumbers(static_cast<const int64_t *>(array.data) + first, reference, bound, array.dim,
                                     rows[n], place);
        continue;
      }
      for (int64_t d = 0; d < array.dim; ++d)
        comparison.compareValue(runtime::readElement(array.type, array.data, first + d), reference[d], bound[d],
                                place + ", component " + std::to_string(d));
    }
  }
  return comparison.report;
}
