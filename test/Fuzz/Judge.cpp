//===- Judge.cpp - Whether everybody agrees on a case ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A number is compared if its bound is small beside the result's largest number.
// A bound that is not says that rounding could have decided anything there: such
// a number is open, and must not pass for one that was checked.
//
//===----------------------------------------------------------------------===//

#include "Judge.h"
#include "Oracle.h"

#include "keops/Frontend/FormulaPrinter.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

using namespace keops;
using namespace keops::fuzz;

/// Times the interpreter's bound, as keops-run --check allows.
static constexpr double kFactor = 2;
/// A bound above this part of the largest number of a result leaves a number open.
static constexpr double kSharp = 1.0 / 32;
static constexpr double kSmall = 1e-4;
/// A case with more open numbers than this part is ambiguous.
static constexpr double kMostOpen = 0.1;

static Engine::Options engineOptions() {
  Engine::Options options;
  options.diskCache = false;
  options.threads = 2;
  return options;
}

Workshop::Workshop() : context(makeContext()), engine(engineOptions()) {}

static std::string str(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

namespace {

/// The arrays of a call, in the case's layout.
struct Arrays {
  explicit Arrays(const Case &test);

  std::vector<std::vector<char>> storage;
  std::vector<ConstArray> views;
};

/// What a kernel writes; filled with a pattern first.
struct Outputs {
  Outputs(const Kernel &kernel, const std::vector<ConstArray> &inputs);
  double at(size_t result, int64_t batch, int64_t row, int64_t d) const;
  int64_t numberAt(size_t result, int64_t batch, int64_t row, int64_t d) const {
    return reinterpret_cast<const int64_t *>(storage[result].data())[(batch * rows + row) * views[result].dim + d];
  }

  int64_t rows;
  std::vector<std::vector<char>> storage;
  std::vector<Array> views;
};

} // namespace

Arrays::Arrays(const Case &test) {
  for (size_t n = 0; n < test.arguments.size(); ++n) {
    const Argument &argument = test.arguments[n];
    int64_t rows = test.rowsOf(n), dim = argument.variable.dim, batches = argument.batched ? test.batches() : 1;
    int64_t rowStride = argument.spread * dim + argument.gap;
    std::vector<char> bytes(std::max<int64_t>(batches * rows * rowStride, 1) * runtime::sizeOf(test.type));
    auto placeOf = [&](int64_t batch, int64_t row, int64_t d) {
      return (batch * rows + (argument.backwards ? rows - 1 - row : row)) * rowStride + d * argument.spread;
    };
    for (int64_t batch = 0; batch < batches; ++batch)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t d = 0; d < dim; ++d) {
          double value = test.number(n, batch, row, d);
          if (test.type == DType::F32)
            reinterpret_cast<float *>(bytes.data())[placeOf(batch, row, d)] = static_cast<float>(value);
          else
            reinterpret_cast<double *>(bytes.data())[placeOf(batch, row, d)] = value;
        }
    ConstArray view;
    view.data = bytes.data() + (rows > 0 ? placeOf(0, 0, 0) : 0) * runtime::sizeOf(test.type);
    view.rows = rows;
    view.dim = dim;
    view.type = test.type;
    view.rowStride = argument.backwards ? -rowStride : rowStride;
    view.componentStride = argument.spread;
    if (argument.batched) {
      int64_t stride = batches * rows * rowStride;
      for (int64_t size : test.batch) {
        stride /= size;
        view.batch.push_back({size, stride});
      }
    }
    storage.push_back(std::move(bytes));
    views.push_back(view);
  }
}

Outputs::Outputs(const Kernel &kernel, const std::vector<ConstArray> &inputs) : rows(kernel.resultRows(inputs)) {
  constexpr char pattern = 0x55;
  std::vector<int64_t> batch = kernel.resultBatch(inputs);
  int64_t batches = 1;
  for (int64_t size : batch)
    batches *= size;
  for (const runtime::ResultInfo &info : kernel.results()) {
    storage.emplace_back(std::max<int64_t>(batches * rows * info.dim, 1) * runtime::sizeOf(info.type), pattern);
    views.push_back({storage.back().data(), rows, info.dim, info.type, batch});
  }
}

double Outputs::at(size_t result, int64_t batch, int64_t row, int64_t d) const {
  int64_t place = (batch * rows + row) * views[result].dim + d;
  return views[result].type == DType::F32 ? reinterpret_cast<const float *>(storage[result].data())[place]
                                          : reinterpret_cast<const double *>(storage[result].data())[place];
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Some of `count` places, the first and the last among them.
static std::vector<int64_t> someOf(int64_t count, int64_t wanted, Random &random) {
  std::set<int64_t> chosen;
  if (count > 0)
    chosen = {0, count - 1};
  while (static_cast<int64_t>(chosen.size()) < std::min(count, wanted))
    chosen.insert(random.below(count));
  return {chosen.begin(), chosen.end()};
}

namespace {

class RowComparison {
public:
  RowComparison(Workshop &workshop, const Case &test, const Outputs &outputs, Verdict &verdict)
      : workshop(workshop), test(test), outputs(outputs), verdict(verdict) {}

  void run(Reference &reference);

private:
  void compareValue(double value, double reference, double bound, double scale, const std::string &place);
  void compareRowNumbers(size_t result, int64_t batch, int64_t row, const InterpreterRow &expected,
                         const std::vector<int64_t> &columns, bool keepsI);
  InterpreterRow term(int64_t batch, int64_t row, int64_t column, bool keepsI);

  Workshop &workshop;
  const Case &test;
  const Outputs &outputs;
  Verdict &verdict;
  std::unique_ptr<Reference> terms;
};

} // namespace

void RowComparison::compareValue(double value, double reference, double bound, double scale, const std::string &place) {
  bool isOpen = !(bound <= kSharp * scale);
  ++(isOpen ? verdict.open : verdict.compared);
  if (!(bound < INFINITY))
    return;
  bool same = std::isnan(reference)                            ? std::isnan(value)
              : std::isinf(reference) || !std::isfinite(value) ? value == reference
                                                               : std::fabs(value - reference) <= kFactor * bound;
  if (!same)
    verdict.fail("values", place + " is " + str(value) + ", expected " + str(reference) + " with an error of at most " +
                               str(kFactor) + " x " + str(bound));
}

/// The reduction's formula for one pair.
InterpreterRow RowComparison::term(int64_t batch, int64_t row, int64_t column, bool keepsI) {
  if (!terms) {
    std::string error;
    ExpressionRef sum = frontend::makeReduction("Sum", test.root->arguments[0].formula(), test.root->output);
    terms = std::make_unique<Reference>(*workshop.context, test, sum, test.type, Phase::Expanded, error);
  }
  return terms->pair(batch, keepsI ? row : column, keepsI ? column : row)[0];
}

void RowComparison::compareRowNumbers(size_t result, int64_t batch, int64_t row, const InterpreterRow &expected,
                                      const std::vector<int64_t> &columns, bool keepsI) {
  // Number k·dim + d belongs to component d of the formula.
  size_t ranks = std::max<int64_t>(test.root->k, 1), dim = expected.values.size() / ranks;
  std::vector<int64_t> found, wanted;
  for (size_t n = 0; n < expected.values.size(); ++n) {
    found.push_back(outputs.numberAt(result, batch, row, static_cast<int64_t>(n)));
    auto place = static_cast<int64_t>(expected.values[n]);
    // A rank for which there is no column, or none but NaN, names row 0 whatever the columns are.
    bool isFilled = n / dim < columns.size() && !std::isnan(term(batch, row, columns[place], keepsI).values[n % dim]);
    wanted.push_back(isFilled ? columns[place] : place);
  }
  for (size_t n = 0; n < found.size(); ++n) {
    if (found[n] == wanted[n]) {
      ++verdict.compared;
      continue;
    }
    std::string sentence = "row " + std::to_string(row) + " of batch " + std::to_string(batch) + ", number " +
                           std::to_string(n) + " of result " + std::to_string(result) + " is " +
                           std::to_string(found[n]) + ", expected " + std::to_string(wanted[n]);
    if (expected.bounds[n] == 0 || !llvm::is_contained(columns, found[n]) || !llvm::is_contained(columns, wanted[n]))
      return verdict.fail("values", sentence);
    // The formula for one pair is not to be had without all pairs of the reductions within.
    if (hasReductionWithin(*test.root)) {
      ++verdict.open;
      continue;
    }
    // Rounding may have decided: then both rows have nearly the same value, and a tie names no row twice.
    InterpreterRow got = term(batch, row, found[n], keepsI), best = term(batch, row, wanted[n], keepsI);
    size_t d = n % dim;
    double slack = kFactor * (got.bounds[d] + best.bounds[d]);
    bool isTie =
        got.values[d] == best.values[d] || !(slack < INFINITY) || std::fabs(got.values[d] - best.values[d]) <= slack;
    int64_t count = 0;
    for (size_t other = d; other < found.size(); other += dim)
      count += found[other] == found[n];
    if (!isTie || count > 1)
      return verdict.fail("values", sentence + "; the formula is " + str(got.values[d]) + " there and " +
                                        str(best.values[d]) + " in the expected row");
    ++verdict.open;
  }
}

void RowComparison::run(Reference &reference) {
  constexpr int64_t mostRows = 6, mostBatches = 3;
  Random random(test.seed);
  for (int64_t batch : someOf(test.batches(), mostBatches, random))
    for (int64_t row : someOf(outputs.rows, mostRows, random)) {
      std::vector<InterpreterRow> expected = reference.row(batch, row);
      for (size_t result = 0; result < expected.size(); ++result) {
        if (outputs.views[result].type == DType::I64) {
          compareRowNumbers(result, batch, row, expected[result], reference.columnsOf(row), reference.keepsI());
          continue;
        }
        // Beside ordinary numbers, not beside what is left when they cancel.
        double scale = kSmall;
        for (double value : expected[result].values)
          if (std::isfinite(value))
            scale = std::max(scale, std::fabs(value));
        for (size_t d = 0; d < expected[result].values.size(); ++d)
          compareValue(outputs.at(result, batch, row, static_cast<int64_t>(d)), expected[result].values[d],
                       expected[result].bounds[d], scale,
                       "row " + std::to_string(row) + " of batch " + std::to_string(batch) + ", component " +
                           std::to_string(d) + " of result " + std::to_string(result));
      }
    }
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// Text that is read again is the same formula.
static void checkText(const Case &test, Verdict &verdict) {
  frontend::Diagnostic error;
  std::string text = test.text();
  auto program = frontend::parseProgram(text, test.aliases(), error);
  if (!program)
    return verdict.fail("text", "its text is not read: " + error.render());
  if (!frontend::structurallyEqual(*program->root, *test.root))
    verdict.fail("text", "its text is another formula's");
}

/// Compares what a formula is after some passes, which `name` says, with what it was.
static void comparePasses(const std::vector<InterpreterRow> &expected, const std::vector<InterpreterRow> &found,
                          const std::string &name, Verdict &verdict) {
  for (size_t result = 0; result < expected.size(); ++result)
    for (size_t d = 0; d < expected[result].values.size(); ++d) {
      double was = expected[result].values[d], is = found[result].values[d];
      double bound = expected[result].bounds[d] + found[result].bounds[d];
      bool same =
          !(bound < INFINITY) || was == is || (std::isnan(was) && std::isnan(is)) || std::fabs(was - is) <= bound;
      if (!same)
        return verdict.fail("passes", "once " + name + ", component " + std::to_string(d) + " of result " +
                                          std::to_string(result) + " is " + str(is) + ", before it was " + str(was) +
                                          "; their bounds add up to " + str(bound));
    }
}

/// Every pass before a formula is split leaves one of the same value. In float64, where bounds are sharpest; what is
/// done for GPUs besides, in float32 alone, there.
static void checkPasses(Workshop &workshop, const Case &test, Verdict &verdict) {
  std::string error;
  Reference before(*workshop.context, test, test.root, DType::F64, Phase::Expanded, error);
  if (!before || (before.keepsI() ? test.rowsI : test.rowsJ) == 0)
    return;
  std::vector<InterpreterRow> expected = before.row(0, 0);
  for (int phase = static_cast<int>(Phase::Expanded) + 1; phase < static_cast<int>(Phase::Split); ++phase) {
    std::string name = nameOf(static_cast<Phase>(phase)).str();
    Reference after(*workshop.context, test, test.root, DType::F64, static_cast<Phase>(phase), error);
    if (!after)
      return verdict.fail("passes", "it is not " + name + ": " + error);
    comparePasses(expected, after.row(0, 0), name, verdict);
  }
  CompilerOptions options;
  options.target = "sm_90";
  options.expandDistances = true;
  Reference forGPU(*workshop.context, test, test.root, DType::F32, Phase::Factorized, error, options);
  if (!forGPU)
    return verdict.fail("passes", "it is not factorized for GPUs: " + error);
  comparePasses(expected, forGPU.row(0, 0), "factorized for GPUs", verdict);
}

/// ⟨Ju, e⟩ = ⟨u, Jᵀe⟩ for the reduction's formula and one of its variables.
static void checkTranspose(Workshop &workshop, const Case &test, Verdict &verdict) {
  if (test.root->kind != frontend::Expression::Kind::Reduction || hasReductionWithin(*test.root) ||
      test.arguments.empty() || test.rowsI == 0 || test.rowsJ == 0)
    return;
  const ExpressionRef &formula = test.root->arguments[0].formula();
  Case wider = test;
  wider.sums = Sums::Blocks;
  std::string error;
  Reference plain(*workshop.context, wider, frontend::makeReduction("Sum", formula, Category::I), DType::F64,
                  Phase::Formula, error);
  if (!plain)
    return;
  auto add = [&](int64_t dim, Category category) {
    wider.arguments.emplace_back();
    wider.arguments.back().variable = {static_cast<int64_t>(wider.arguments.size()) - 1, dim, category};
    return frontend::makeVariable(wider.arguments.back().variable);
  };
  const frontend::Variable variable = test.arguments[test.seed % test.arguments.size()].variable;
  ExpressionRef x = frontend::makeVariable(variable);
  ExpressionRef u = add(variable.dim, variable.category), e = add(plain.dims()[0], Category::I);
  auto call = [](llvm::StringRef name, std::vector<frontend::Argument> operands) {
    return frontend::makeCall(name, std::move(operands));
  };
  ExpressionRef left = call("Scalprod", {call("Diff", {formula, x, u}), e});
  ExpressionRef right = call("Scalprod", {u, call("Grad", {formula, x, e})});
  Reference both(*workshop.context, wider, frontend::makeReduction("Sum", call("Concat", {left, right}), Category::I),
                 DType::F64, Phase::Expanded, error);
  if (!both)
    return; // No derivative, which others test.
  for (int64_t n = 0; n < 3; ++n) {
    InterpreterRow row = both.pair(0, n * (test.rowsI - 1) / 2, n * (test.rowsJ - 1) / 2)[0];
    double tangent = row.values[0], adjoint = row.values[1], bound = row.bounds[0] + row.bounds[1];
    if (!std::isfinite(tangent) || !std::isfinite(adjoint) || !(bound < INFINITY))
      continue;
    verdict.transposed = true;
    if (std::fabs(tangent - adjoint) > bound)
      return verdict.fail("transpose", "the derivative in argument " + test.arguments[variable.position].name() +
                                           " has <Ju,e> = " + str(tangent) + " and <u,J'e> = " + str(adjoint) +
                                           "; their bounds add up to " + str(bound));
  }
}

//===----------------------------------------------------------------------===//
// The verdict
//===----------------------------------------------------------------------===//

/// What the compiler says of formulas that it has no GPU code for yet. Any other error is a failure: what is drawn
/// means something.
static bool isKnownRefusal(const Case &test, llvm::StringRef sentence) {
  return test.target != "host" && sentence.starts_with("on the simulator: ");
}

/// The back end that GPUs run must take what the simulator ran, and with the functions of a GPU, too.
static void checkGPUCode(Workshop &workshop, const Case &test) {
  CompileOptions options;
  options.target = "sm_90";
  options.sums = test.sums;
  options.precision = test.seed % 2 == 0 ? Precision::Exact : Precision::Fast;
  try {
    workshop.engine.compile(test.text(), test.aliases(), test.type, options);
  } catch (const Error &problem) {
    // Where the toolkit is not installed.
    if (!llvm::StringRef(problem.what()).contains("need the device library"))
      throw;
  }
}

Verdict fuzz::judge(Workshop &workshop, const Case &test) {
  Verdict verdict;
  checkText(test, verdict);
  checkPasses(workshop, test, verdict);
  checkTranspose(workshop, test, verdict);
  std::string error;
  Reference reference(*workshop.context, test, test.root, test.type, Phase::Expanded, error);
  if (!reference) {
    verdict.fail("values", "there is no reference: " + error);
    return verdict;
  }
  try {
    CompileOptions options;
    options.target = test.target;
    // The reference's bounds are those of accurate functions.
    options.fastMath = false;
    options.sums = test.sums;
    Kernel kernel = workshop.engine.compile(test.text(), test.aliases(), test.type, options);
    Arrays inputs(test);
    Outputs one(kernel, inputs.views);
    Ranges ranges = test.clusters.view();
    const Ranges *named = test.clusters.empty() ? nullptr : &ranges;
    kernel(one.views, inputs.views, 1, named);
    RowComparison(workshop, test, one, verdict).run(reference);
    Outputs two(kernel, inputs.views);
    kernel(two.views, inputs.views, 2, named);
    if (one.storage != two.storage)
      verdict.fail("threads", "results with 1 and with 2 threads differ");
    if (test.target == "sim")
      checkGPUCode(workshop, test);
  } catch (const Error &problem) {
    llvm::StringRef sentence = problem.what();
    if (!isKnownRefusal(test, sentence))
      verdict.fail("compiles", sentence.str());
    else if (verdict.kind == Verdict::Equal) {
      verdict.kind = Verdict::Refused;
      verdict.sentence = sentence.split('\n').first.str();
    }
    return verdict;
  }
  // No number at all is no agreement, unless there are no rows.
  int64_t numbers = verdict.compared + verdict.open;
  bool isUnknown = numbers == 0 && (reference.keepsI() ? test.rowsI : test.rowsJ) > 0;
  if (verdict.kind == Verdict::Equal &&
      (isUnknown || static_cast<double>(verdict.open) > kMostOpen * static_cast<double>(numbers)))
    verdict.kind = Verdict::Ambiguous;
  return verdict;
}
