//===- Report.cpp - What was found, for people and for programs --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// JSON has no infinities and takes only valid UTF-8, so the first become null
// and text is repaired.
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include "keops/Runtime/Element.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace keops;
using namespace keops::run;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static void printNumber(llvm::raw_ostream &out, const Array &array, int64_t position) {
  double value = runtime::readElement(array.type, array.data, position);
  switch (array.type) {
  case DType::I64:
    out << static_cast<const int64_t *>(array.data)[position];
    return;
  case DType::F16:
    out << llvm::format("%.4g", value);
    return;
  case DType::BF16:
    out << llvm::format("%.3g", value);
    return;
  case DType::F32:
    out << llvm::format("%.7g", value);
    return;
  default:
    out << llvm::format("%.15g", value);
  }
}

/// The first rows, each cut to a readable length.
static void printHead(llvm::raw_ostream &out, const Array &array) {
  constexpr int64_t mostRows = 10, mostComponents = 12;
  for (int64_t row = 0; row < std::min(array.rows, mostRows); ++row) {
    out << "  [" << row << "]";
    for (int64_t d = 0; d < std::min(array.dim, mostComponents); ++d) {
      out << ' ';
      printNumber(out, array, row * array.dim + d);
    }
    out << (array.dim > mostComponents ? " ...\n" : "\n");
  }
  if (array.rows > mostRows)
    out << "  ... " << array.rows - mostRows << " more rows\n";
}

static void printCheck(llvm::raw_ostream &out, const CheckReport &check) {
  out << "check: " << (check.passed() ? "passed" : "FAILED") << ": " << check.compared << " numbers in " << check.rows
      << " rows compared, " << check.failures << " out of tolerance, " << check.ambiguous << " left open by rounding\n"
      << llvm::format(
             "  largest error %.3g, relative %.3g, %.3g of its bound; tolerance %.3g x bound, bounds up to %.3g\n",
             check.maxError, check.maxRelativeError, check.maxShare, check.factor, check.maxBound);
  if (check.failures > 0)
    out << "  first: " << check.firstFailure << "\n";
  else if (!check.passed())
    out << "  nothing could be compared: the error bound of every number is infinite\n";
}

void run::printText(llvm::raw_ostream &out, const Report &report, bool showResults) {
  out << llvm::format("compiled for %s in %.1f ms (%s)\n", report.target.c_str(), report.compileMilliseconds,
                      report.origin.c_str());
  if (!report.explanation.empty())
    out << llvm::StringRef(report.explanation).rtrim() << "\n";
  if (!report.ran)
    return;
  out << "i: " << report.rows << (report.rows == 1 ? " row, " : " rows, ") << "j: " << report.columns
      << (report.columns == 1 ? " row\n" : " rows\n");
  for (size_t n = 0; n < report.outputs.size(); ++n) {
    const Array &array = report.outputs[n];
    out << "result " << n << ": " << runtime::nameOf(array.type) << ", " << array.rows << " x " << array.dim;
    if (!report.files.empty())
      out << ", in " << report.files[n];
    out << "\n";
    if (showResults)
      printHead(out, array);
  }
  if (report.bench)
    out << llvm::format("bench: best %.6g s, median %.6g s of %d runs, %.4g pairs/s\n", report.bench->best,
                        report.bench->median, static_cast<int>(report.bench->repetitions), report.pairsPerSecond());
  if (report.check)
    printCheck(out, *report.check);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static json::Value number(double value) { return std::isfinite(value) ? json::Value(value) : json::Value(nullptr); }
static json::Value text(const std::string &value) { return json::fixUTF8(value); }

void run::printJson(llvm::raw_ostream &out, const Report &report) {
  json::OStream json(out, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("formula", text(report.formula));
    if (!report.reduction.empty()) {
      json.attribute("reduce", text(report.reduction));
      json.attribute("over", report.over);
    }
    json.attribute("dtype", runtime::nameOf(report.type));
    json.attribute("target", text(report.target));
    json.attribute("origin", report.origin);
    json.attribute("compile_ms", number(report.compileMilliseconds));
    if (!report.explanation.empty())
      json.attribute("explain", text(report.explanation));
    if (!report.ran)
      return;
    json.attribute("rows", report.rows);
    json.attribute("cols", report.columns);
    json.attribute("threads", report.threads);
    json.attribute("seed", report.seed);
    json.attributeArray("results", [&] {
      for (size_t n = 0; n < report.outputs.size(); ++n)
        json.object([&] {
          json.attribute("dtype", runtime::nameOf(report.outputs[n].type));
          json.attribute("rows", report.outputs[n].rows);
          json.attribute("dim", report.outputs[n].dim);
          if (!report.files.empty())
            json.attribute("file", text(report.files[n]));
        });
    });
    if (report.bench) {
      json.attribute("best_s", number(report.bench->best));
      json.attribute("median_s", number(report.bench->median));
      json.attribute("repetitions", report.bench->repetitions);
      json.attribute("pairs_per_s", number(report.pairsPerSecond()));
    }
    if (report.check)
      json.attributeObject("check", [&] {
        const CheckReport &check = *report.check;
        json.attribute("passed", check.passed());
        json.attribute("rows", check.rows);
        json.attribute("compared", check.compared);
        json.attribute("ambiguous", check.ambiguous);
        json.attribute("failures", check.failures);
        json.attribute("max_error", number(check.maxError));
        json.attribute("max_relative_error", number(check.maxRelativeError));
        json.attribute("max_error_over_bound", number(check.maxShare));
        json.attribute("max_bound", number(check.maxBound));
        json.attribute("tolerance_factor", number(check.factor));
        if (check.failures > 0)
          json.attribute("first_failure", text(check.firstFailure));
      });
  });
  out << "\n";
}
