//===- keops-fuzz.cpp - Random formulas, judged by the interpreter -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each case is a function of the seed and of its number, so threads may take
// them in any order and one of them can be had again alone.
//
//===----------------------------------------------------------------------===//

#include "Draw.h"
#include "Judge.h"
#include "Oracle.h"
#include "Shrink.h"

#include "keops/Frontend/FormulaBuilder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/PrettyStackTrace.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

using namespace keops;
using namespace keops::fuzz;
namespace cl = llvm::cl;

static cl::OptionCategory category("Options of keops-fuzz");
static cl::opt<uint64_t> seed("seed", cl::init(0), cl::value_desc("n"), cl::cat(category),
                              cl::desc("Seed of all cases (default: 0)"));
static cl::opt<int64_t> count("count", cl::init(500), cl::value_desc("n"), cl::cat(category),
                              cl::desc("How many cases (default: 500)"));
static cl::opt<int64_t> only("only", cl::init(-1), cl::value_desc("n"), cl::cat(category),
                             cl::desc("Judge this case alone, and show it"));
static cl::opt<unsigned> jobs("jobs", cl::init(0), cl::value_desc("n"), cl::cat(category),
                              cl::desc("Cases judged at a time (default: one per core)"));
static cl::opt<std::string>
    target("target", cl::init("host"), cl::value_desc("host|sim"), cl::cat(category),
           cl::desc("Where kernels run: host (default), or sim, a simulated graphics processor"));
static cl::opt<double> patience("shrink", cl::init(30), cl::value_desc("seconds"), cl::cat(category),
                                cl::desc("How long to look for a smaller case that fails (default: 30)"));
static cl::opt<bool> names("list", cl::cat(category), cl::desc("Print the operations and reductions that are drawn"));

namespace {

/// What happened, and which names and ops took part.
struct Summary {
  std::mutex mutex;
  int64_t cases = 0, equal = 0, ambiguous = 0, refused = 0, mismatches = 0, transposed = 0, nested = 0;
  int64_t numbers = 0, open = 0;
  std::map<std::string, int64_t> refusals;
  std::set<std::string> operations, reductions, ops;
  std::set<std::string> unfit; ///< operations for which no formula was found

  void add(const Case &test, const Verdict &verdict);
  void addOps(Workshop &workshop, const Case &test);
  bool print();
};

} // namespace

void Summary::add(const Case &test, const Verdict &verdict) {
  ++cases;
  ++(verdict.kind == Verdict::Equal       ? equal
     : verdict.kind == Verdict::Ambiguous ? ambiguous
     : verdict.kind == Verdict::Refused   ? refused
                                          : mismatches);
  numbers += verdict.compared;
  open += verdict.open;
  transposed += verdict.transposed;
  nested += hasReductionWithin(*test.root);
  if (verdict.kind == Verdict::Refused)
    ++refusals[verdict.sentence];
  frontend::forEachNode(*test.root, [&](const frontend::Expression &node) {
    if (node.kind == frontend::Expression::Kind::Call)
      operations.insert(node.name);
    if (node.kind == frontend::Expression::Kind::Reduction)
      reductions.insert(node.name);
  });
}

void Summary::addOps(Workshop &workshop, const Case &test) {
  std::string error;
  if (Reference reference(*workshop.context, test, test.root, test.type, Phase::Simplified, error); reference)
    reference.getModule()->walk([&](FormulaOpInterface op) { ops.insert(op->getName().getStringRef().str()); });
}

/// "a, b" of what `all` has and `some` has not.
template <typename Names>
static std::string missing(const Names &all, const std::set<std::string> &some) {
  std::string text;
  for (const std::string &name : all)
    if (!some.count(name))
      text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Says what happened; true if all is well.
bool Summary::print() {
  llvm::raw_ostream &out = llvm::outs();
  constexpr int64_t percent = 100;
  out << "seed " << seed << ": " << cases << " cases, " << equal << " equal, " << ambiguous << " ambiguous, " << refused
      << " refused, " << mismatches << " mismatches; " << numbers << " numbers compared, " << open << " open; "
      << transposed << " transposes, " << nested << " reductions within formulas\n";
  for (const auto &[sentence, times] : refusals)
    out << "refused " << times << " times: " << sentence << "\n";
  bool good = mismatches == 0;
  if (percent * ambiguous > cases) {
    out << "too many are ambiguous: expected at most 1 %, got " << percent * ambiguous / cases << " %\n";
    good = false;
  }
  if (!unfit.empty()) {
    out << "no formula was found with " << llvm::join(unfit, ", ") << "\n";
    good = false;
  }
  const int64_t turn = static_cast<int64_t>(fuzz::operations().size());
  if (cases < turn)
    return good; // Not every name has had its turn.
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  std::vector<std::string> known;
  for (mlir::RegisteredOperationName op : context->getRegisteredOperations())
    if (op.getDialectNamespace() == "keops" && op.hasInterface<FormulaOpInterface>())
      known.push_back(op.getStringRef().str());
  llvm::sort(known);
  // An op that only some arguments of a name lead to needs several turns of the name.
  constexpr int64_t enoughTurns = 4;
  std::string rest = missing(fuzz::operations(), operations) + missing(fuzz::reductions(), reductions);
  if (cases >= enoughTurns * turn)
    rest += missing(known, ops);
  if (!rest.empty()) {
    out << "never drawn: " << rest << "\n";
    return false;
  }
  out << "all " << operations.size() << " operations and " << reductions.size() << " reductions took part, and "
      << ops.size() << " of " << known.size() << " ops\n";
  return good;
}

/// Tells of a failure, once it is small.
static void report(Workshop &workshop, const Case &test, Verdict verdict, int64_t number, Summary &summary) {
  Case small = shrink(workshop, test, verdict, patience);
  std::lock_guard<std::mutex> lock(summary.mutex);
  llvm::raw_ostream &out = llvm::outs();
  out << "MISMATCH in case " << number << " (" << verdict.check << "): " << verdict.sentence << "\n  " << small.text()
      << "\n";
  if (std::string layout = small.layout(); !layout.empty())
    out << "  with " << layout << "\n";
  out << "  " << small.command() << "\n  keops-fuzz --seed " << seed << " --only " << number;
  if (target != "host")
    out << " --target " << target;
  out << ": " << test.text() << "\n";
  out.flush();
}

static void judgeCase(Workshop &workshop, int64_t number, Summary &summary) {
  std::optional<Case> test = draw(*workshop.context, seed, number, target);
  if (!test) {
    std::lock_guard<std::mutex> lock(summary.mutex);
    summary.unfit.insert(operations()[number % operations().size()]);
    return;
  }
  // Should the compiler crash, this says where.
  std::string about = "case " + std::to_string(number) + ": " + test->command();
  llvm::PrettyStackTraceString trace(about.c_str());
  Verdict verdict = judge(workshop, *test);
  {
    std::lock_guard<std::mutex> lock(summary.mutex);
    summary.add(*test, verdict);
    summary.addOps(workshop, *test);
    if (only >= 0 || verdict.kind == Verdict::Ambiguous) {
      static constexpr const char *kinds[] = {"equal", "ambiguous", "refused", "mismatch"};
      llvm::outs() << kinds[verdict.kind] << " case " << number << ": " << test->command() << "\n";
      if (std::string layout = test->layout(); !layout.empty())
        llvm::outs() << "  with " << layout << "\n";
    }
  }
  if (verdict.kind == Verdict::Mismatch)
    report(workshop, *test, verdict, number, summary);
}

static void work(std::atomic<int64_t> &next, int64_t end, Summary &summary) {
  // Contexts and engines keep what they have made: a new one now and then.
  constexpr int64_t lifetime = 64;
  std::unique_ptr<Workshop> workshop;
  int64_t done = 0;
  for (int64_t number = next++; number < end; number = next++) {
    if (done++ % lifetime == 0)
      workshop = std::make_unique<Workshop>();
    judgeCase(*workshop, number, summary);
  }
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Draws random formulas and compares kernels with the interpreter.\n\nExit status: 0 if "
                              "no case is a mismatch, at most 1 % are ambiguous, and all names took part.\n");
  if (target != "host" && target != "sim") {
    llvm::errs() << "keops-fuzz: error: --target: expected host or sim, got '" << target << "'\n";
    return 2;
  }
  if (names) {
    llvm::outs() << llvm::join(operations(), "\n") << "\n" << llvm::join(reductions(), "\n") << "\n";
    return 0;
  }
  Summary summary;
  std::atomic<int64_t> next = only >= 0 ? only : 0;
  int64_t end = only >= 0 ? only + 1 : count;
  unsigned threads = only >= 0 ? 1 : jobs > 0 ? jobs : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (unsigned n = 0; n < threads; ++n)
    workers.emplace_back([&] { work(next, end, summary); });
  for (std::thread &worker : workers)
    worker.join();
  return summary.print() ? 0 : 1;
}
