//===- keops-run.cpp - Run a formula on files or random numbers --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program over the header that users have: it compiles a reduction, makes its
// arrays, runs it, and says what came of it.
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "Report.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>

using namespace keops;
using namespace keops::run;
namespace cl = llvm::cl;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

namespace {

/// What the command line says. Made in `main`, after options of the libraries
/// that we link are out of the way: they take names such as `threads`.
struct Options {
  cl::OptionCategory whatCategory{"Computation"};
  cl::OptionCategory dataCategory{"Data"};
  cl::OptionCategory howCategory{"Execution"};
  cl::OptionCategory sayCategory{"Report"};

  cl::opt<std::string> formula{cl::Positional, cl::desc("FORMULA"), cl::cat(whatCategory)};
  cl::list<std::string> arguments{cl::Positional, cl::desc("[ALIAS:SOURCE ...]"), cl::cat(whatCategory)};
  cl::opt<std::string> reduce{
      "reduce", cl::value_desc("name"), cl::cat(whatCategory),
      cl::desc("sum, logsumexp, min, max, argmin, argmax, min_argmin, max_argmax, kmin, argkmin or "
               "kmin_argkmin; without it, FORMULA is a whole reduction such as Sum_Reduction(F, 0)")};
  cl::opt<std::string> over{"over", cl::value_desc("i|j"), cl::init("j"), cl::cat(whatCategory),
                            cl::desc("index that is reduced away (default: j)")};
  cl::opt<int64_t> k{"k", cl::value_desc("K"), cl::cat(whatCategory),
                     cl::desc("how many values kmin, argkmin and kmin_argkmin keep")};
  cl::opt<std::string> weight{"weight", cl::value_desc("formula"), cl::cat(whatCategory),
                              cl::desc("weight of each term of logsumexp")};

  cl::list<std::string> also{"also", cl::value_desc("reduction"), cl::cat(whatCategory),
                             cl::desc("a further whole reduction of the same arguments, such as "
                                      "'Grad(Sum_Reduction(F,0),x,e)': one kernel gives the results of all, and what "
                                      "they share is computed once; may be given several times")};

  cl::opt<int64_t> rows{"rows", cl::value_desc("M"), cl::cat(dataCategory),
                        cl::desc("values of i: rows of random or repeated Vi arguments")};
  cl::opt<int64_t> cols{"cols", cl::value_desc("N"), cl::cat(dataCategory),
                        cl::desc("values of j: rows of random or repeated Vj arguments")};
  cl::opt<std::string> dtype{"dtype", cl::value_desc("f16|bf16|f32|f64"), cl::init("f32"), cl::cat(dataCategory),
                             cl::desc("type of all arrays; files are converted. With f16 and bf16, f32 is computed "
                                      "(default: f32)")};
  cl::opt<bool> complexOut{"complex", cl::cat(dataCategory),
                           cl::desc("--out FILE.npy gets an array of complex numbers, one for two components")};
  cl::opt<uint64_t> seed{"seed", cl::value_desc("n"), cl::init(0), cl::cat(dataCategory),
                         cl::desc("seed of random numbers (default: 0)")};
  cl::opt<std::string> out{"out", cl::value_desc("file"), cl::cat(dataCategory),
                           cl::desc("write the result to FILE.npy or FILE.csv, and a second result "
                                    "(row numbers, or that of --also) to FILE.1.npy or FILE.1.csv")};

  cl::opt<std::string> sums{"sums", cl::value_desc("how"), cl::init("blocks"), cl::cat(whatCategory),
                            cl::desc("how sum and logsumexp add: blocks (float64 across tiles of columns, default), "
                                     "float64 (throughout), or kahan (rounding errors are collected)")};

  cl::opt<std::string> target{"target", cl::value_desc("cpu"), cl::init("host"), cl::cat(howCategory),
                              cl::desc("processor to compile for: host (default), or one such as x86-64-v3, "
                                       "znver5 or neoverse-v2; a foreign one can be explained, not run; cuda is "
                                       "this machine's GPU, cuda:1 the second one; sim runs the code for one on a "
                                       "simulator, for small sizes")};
  cl::opt<bool> accurateMath{"accurate-math", cl::cat(howCategory),
                             cl::desc("on a graphics processor: functions as accurate as a CPU's instead of its own")};
  cl::opt<std::string> precision{
      "precision", cl::value_desc("how"), cl::init("exact"), cl::cat(howCategory),
      cl::desc("on a graphics processor: exact, or fast (squared distances in exponentials by "
               "scalar products, where the data allow it)")};
  cl::opt<int> threads{"threads", cl::value_desc("n"), cl::init(0), cl::cat(howCategory),
                       cl::desc("threads to use (default: one per core)")};
  cl::opt<bool> noCache{"no-cache", cl::cat(howCategory),
                        cl::desc("compile anew: neither read nor write the cache on disk")};

  cl::opt<bool> check{"check", cl::cat(sayCategory),
                      cl::desc("compare sampled rows with the float64 reference; exit with 1 if an error "
                               "is larger than the tolerance")};
  cl::opt<int64_t> checkRows{"check-rows", cl::value_desc("n"), cl::init(64), cl::cat(sayCategory),
                             cl::desc("rows that --check compares (default: 64)")};
  cl::opt<double> tolerance{"tolerance", cl::value_desc("factor"), cl::init(2), cl::cat(sayCategory),
                            cl::desc("--check allows this many times the reference's own bound on rounding "
                                     "errors (default: 2, and 8 for a GPU's own functions, which are less accurate "
                                     "than the bound supposes)")};
  cl::opt<bool> bench{"bench", cl::cat(sayCategory),
                      cl::desc("repeat for about two seconds, at least five times; say best and median "
                               "seconds, and pairs per second of the best")};
  cl::opt<bool> explain{"explain", cl::cat(sayCategory),
                        cl::desc("say how the compiler schedules the formula and which limit binds; "
                                 "alone, nothing is run and no source is needed")};
  cl::opt<bool> json{"json", cl::cat(sayCategory), cl::desc("print one JSON object instead of text")};
};

} // namespace

static const char *const overview =
    "Compiles a reduction of a formula over all pairs (i, j), runs it, checks it and times it.\n\n"
    "FORMULA is formula text, such as 'Exp(-SqDist(x,y)/g)*b'. Each argument after it is\n"
    "ALIAS:SOURCE. The alias declares a variable: x=Vi(3) has three components for each i,\n"
    "y=Vj(3) for each j, g=Pm(1) is the same for all pairs. The source is one of\n"
    "  random      standard normal numbers, the same for the same seed and argument\n"
    "  random(0,1) numbers evenly between two others; dyadic(-2,2): quarters only\n"
    "  FILE.npy    an array of numbers, with one or two dimensions; complex ones are\n"
    "              pairs of components\n"
    "  FILE.csv    one row a line, after an optional line of names\n"
    "  2.0 or 1,2  numbers, repeated in every row\n";

static const char *const examples =
    "\nEXAMPLES:\n"
    "  A Gaussian kernel product between random points, checked and timed:\n"
    "    keops-run 'Exp(-SqDist(x,y)/g)*b' --reduce sum 'x=Vi(3):random' 'y=Vj(3):random' \\\n"
    "              'b=Vj(1):random' 'g=Pm(1):2.0' --rows 20000 --cols 20000 --check --bench\n"
    "  The five nearest rows of y.npy for each row of x.npy, into near.npy:\n"
    "    keops-run 'SqDist(x,y)' --reduce argkmin --k 5 'x=Vi(10):x.npy' 'y=Vj(10):y.npy' --out near.npy\n"
    "  A log-sum-exp over i, with the formula as a whole reduction:\n"
    "    keops-run 'LogSumExp_Reduction(-SqDist(x,y), 1)' 'x=Vi(2):random' 'y=Vj(2):0,1' --rows 1000 --dtype f64\n"
    "  A sum and its gradient from one kernel:\n"
    "    keops-run 'Sum_Reduction(Exp(-SqDist(x,y))*b, 0)' --also 'Grad(Sum_Reduction(Exp(-SqDist(x,y))*b,0),x,e)' \\\n"
    "              'x=Vi(3):random' 'y=Vj(3):random' 'b=Vj(1):random' 'e=Vi(1):random' --rows 1000 --cols 1000\n"
    "  How another processor would do it:\n"
    "    keops-run 'Exp(-SqDist(x,y))' --reduce sum 'x=Vi(3)' 'y=Vj(3)' --target znver5 --explain\n"
    "\nEXIT STATUS: 0 if all went well, 1 if a check failed, 2 if there is something wrong with the input.\n";

//===----------------------------------------------------------------------===//
// The reduction
//===----------------------------------------------------------------------===//

namespace {

/// A reduction in words that the engine takes.
struct Request {
  std::string name; ///< canonical; empty if the formula is a whole reduction
  std::string formula;
  std::vector<std::string> also; ///< whole reductions
  Over over = Over::Columns;
  int64_t k = 0;
  std::string weight;
  DType type = DType::F32;
  CompileOptions compiling;
  std::vector<std::string> aliases;
};

} // namespace

/// True if `text` reads `Name_Reduction(…`, or is a derivative of that: `Grad(Name_Reduction(…`.
static bool isWholeReduction(llvm::StringRef text) {
  auto names = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '(' || c == ' '; };
  llvm::SmallVector<llvm::StringRef> parts;
  text.take_while(names).split(parts, '(');
  return llvm::any_of(parts, [](llvm::StringRef part) { return part.rtrim().ends_with_insensitive("reduction"); });
}

static DType parseDType(llvm::StringRef text) {
  static constexpr std::pair<llvm::StringLiteral, DType> types[] = {
      {"f16", DType::F16}, {"bf16", DType::BF16}, {"f32", DType::F32}, {"f64", DType::F64}};
  for (auto [name, type] : types)
    if (text.equals_insensitive(name) || text.equals_insensitive(runtime::nameOf(type)))
      return type;
  fail("--dtype: expected f16, bf16, f32 or f64, got '" + text + "'");
}

static Request makeRequest(const Options &options, const std::vector<Argument> &arguments) {
  Request request;
  request.formula = llvm::StringRef(options.formula).trim().str();
  if (request.formula.empty())
    fail("expected a formula, such as 'Exp(-SqDist(x,y))*b'; --help shows examples");
  for (const Argument &argument : arguments)
    request.aliases.push_back(argument.alias);
  request.compiling.target = options.target;
  request.compiling.fastMath = !options.accurateMath;
  if (options.precision != "exact" && options.precision != "fast")
    fail("--precision: expected exact or fast, got '" + options.precision + "'");
  request.compiling.precision = options.precision == "fast" ? Precision::Fast : Precision::Exact;
  if (options.sums != "blocks" && options.sums != "float64" && options.sums != "kahan")
    fail("--sums: expected blocks, float64 or kahan, got '" + options.sums + "'");
  request.compiling.sums = options.sums == "kahan"     ? Sums::Kahan
                           : options.sums == "float64" ? Sums::Float64
                                                       : Sums::Blocks;
  request.type = parseDType(options.dtype);

  bool whole = isWholeReduction(request.formula);
  for (const std::string &text : options.also) {
    if (!whole || !isWholeReduction(text))
      fail("--also goes with whole reductions such as Sum_Reduction(F, 0), got '" + (whole ? text : request.formula) +
           "'");
    request.also.push_back(text);
  }
  if (options.reduce.empty()) {
    if (!whole)
      fail("say how to reduce with --reduce, for example --reduce sum; without it, the formula must be a whole "
           "reduction such as Sum_Reduction(" +
           request.formula + ", 0)");
    for (const cl::Option *option :
         {static_cast<const cl::Option *>(&options.over), static_cast<const cl::Option *>(&options.k),
          static_cast<const cl::Option *>(&options.weight)})
      if (option->getNumOccurrences() > 0)
        fail("--" + option->ArgStr + " goes with --reduce; the reduction '" + request.formula +
             "' says everything itself");
    return request;
  }
  if (whole)
    fail("--reduce " + options.reduce + " goes with a formula, but '" + request.formula + "' is a whole reduction");
  std::optional<ReductionKind> kind = findReduction(options.reduce);
  auto namesOf = [](llvm::function_ref<bool(const ReductionKind &)> filter, llvm::StringRef last) {
    std::vector<std::string> names;
    for (const ReductionKind &kind : allReductions())
      if (filter(kind))
        names.push_back(llvm::StringRef(kind.name).lower());
    std::string text;
    for (size_t n = 0; n < names.size(); ++n)
      text += (n == 0 ? "" : n + 1 < names.size() ? ", " : last.str()) + names[n];
    return text;
  };
  if (!kind || !kind->isComputed) {
    std::string known = namesOf([](const ReductionKind &) { return true; }, ", ");
    fail("--reduce: expected one of " + known + ", got '" + options.reduce + "'");
  }
  request.name = kind->name;
  if (kind->takesK && options.k.getNumOccurrences() == 0)
    fail("--reduce " + options.reduce + " keeps the K smallest values: say how many with --k");
  if (kind->takesK && options.k < 1)
    fail("--k: expected at least 1, got " + llvm::Twine(options.k));
  if (!kind->takesK && options.k.getNumOccurrences() > 0)
    fail("--k goes with " + namesOf([](const ReductionKind &kind) { return kind.takesK; }, " and ") + ", not with " +
         options.reduce);
  auto takesWeight = [](const ReductionKind &kind) { return kind.weight != ReductionKind::Weight::None; };
  if (!options.weight.empty() && !takesWeight(*kind))
    fail("--weight goes with " + namesOf(takesWeight, " and ") + ", not with " + options.reduce);
  if (options.over != "i" && options.over != "j")
    fail("--over: expected i or j, got '" + options.over + "'");
  request.k = options.k;
  request.weight = llvm::StringRef(options.weight).trim().str();
  request.over = options.over == "j" ? Over::Columns : Over::Rows;
  return request;
}

static Kernel compile(Engine &engine, const Request &request) {
  if (request.name.empty()) {
    std::vector<std::string> texts = {request.formula};
    llvm::append_range(texts, request.also);
    return engine.compile(texts, request.aliases, request.type, request.compiling);
  }
  std::shared_ptr<const Formula> weight;
  if (!request.weight.empty())
    weight = std::make_shared<Formula>(Formula::parse(request.weight, request.aliases));
  Reduction reduction = {
      request.name, Formula::parse(request.formula, request.aliases), request.over, request.k, weight, request.aliases};
  return engine.compile(reduction, request.type, request.compiling);
}

/// The kernel that sums the formula of `request`.
static Kernel compileTerms(Engine &engine, const Request &request) {
  if (!request.also.empty())
    fail("--check cannot tell which row numbers are tied in several reductions: check them one by one");
  if (!request.name.empty())
    return engine.compile(
        {"Sum", Formula::parse(request.formula, request.aliases), request.over, 0, nullptr, request.aliases},
        request.type, request.compiling);
  // Of Name_Reduction(F, K, category), F and the category.
  llvm::StringRef inside = llvm::StringRef(request.formula).split('(').second;
  inside = inside.take_front(inside.rfind(')'));
  llvm::SmallVector<llvm::StringRef, 3> fields;
  int depth = 0;
  size_t begin = 0;
  for (size_t n = 0; n < inside.size(); ++n) {
    depth += llvm::StringRef("([").contains(inside[n]) ? 1 : llvm::StringRef(")]").contains(inside[n]) ? -1 : 0;
    if (inside[n] != ',' || depth != 0)
      continue;
    fields.push_back(inside.slice(begin, n));
    begin = n + 1;
  }
  fields.push_back(inside.substr(begin));
  return engine.compile("Sum_Reduction(" + fields.front().str() + "," + fields.back().str() + ")", request.aliases,
                        request.type, request.compiling);
}

//===----------------------------------------------------------------------===//
// Running it
//===----------------------------------------------------------------------===//

/// The same memory as complex numbers; `shape` follows.
static Array pairUp(Array array, std::vector<int64_t> &shape) {
  if ((array.type != DType::F32 && array.type != DType::F64) || shape.back() % 2 != 0)
    fail("--complex: expected a result of float32 or float64 numbers, two for each complex one, got " +
         llvm::Twine(shape.back()) + " of " + runtime::nameOf(array.type));
  array.type = array.type == DType::F32 ? DType::C64 : DType::C128;
  array.dim /= 2;
  shape.back() /= 2;
  return array;
}

static BenchReport bench(const std::function<void()> &run) {
  constexpr double enoughSeconds = 2;
  constexpr size_t fewest = 5, most = 1000;
  std::vector<double> seconds;
  double total = 0;
  while (seconds.size() < fewest || (total < enoughSeconds && seconds.size() < most)) {
    auto start = std::chrono::steady_clock::now();
    run();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    total += seconds.back();
  }
  std::sort(seconds.begin(), seconds.end());
  size_t middle = seconds.size() / 2;
  double median = seconds.size() % 2 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
  return {static_cast<int64_t>(seconds.size()), seconds.front(), median};
}

/// `--out` for result `n`: a second result has its number before the ending.
static std::string outputPath(const Options &options, size_t n) {
  if (n == 0)
    return options.out;
  auto [stem, ending] = llvm::StringRef(options.out).rsplit('.');
  return (stem + "." + llvm::Twine(n) + "." + ending).str();
}

static void checkOptions(const Options &options) {
  if (options.rows.getNumOccurrences() > 0 && options.rows < 0)
    fail("--rows: expected 0 or more, got " + llvm::Twine(options.rows));
  if (options.cols.getNumOccurrences() > 0 && options.cols < 0)
    fail("--cols: expected 0 or more, got " + llvm::Twine(options.cols));
  if (options.threads < 0)
    fail("--threads: expected 1 or more, or 0 for one per core, got " + llvm::Twine(options.threads));
  if (options.checkRows < 1)
    fail("--check-rows: expected at least 1, got " + llvm::Twine(options.checkRows));
  if (!(options.tolerance >= 0) || std::isinf(options.tolerance))
    fail("--tolerance: expected a factor of 0 or more, got " + std::to_string(options.tolerance));
  if (!options.out.empty() && !isTableFile(options.out))
    fail("--out: expected a name that ends in .npy or .csv, got '" + options.out + "'");
}

/// How many times the reference's bound an error may be. The bound supposes functions within some units in the last
/// place; a GPU's own logarithm has an error of 2^-22 beside 1, however small it is itself.
static double toleranceOf(const Options &options) {
  constexpr double ofOwnFunctions = 8;
  bool isDefault = options.tolerance.getNumOccurrences() == 0;
  bool hasOwnFunctions = llvm::StringRef(options.target).starts_with("cuda") && !options.accurateMath;
  return isDefault && hasOwnFunctions ? ofOwnFunctions : options.tolerance;
}

static int runFormula(const Options &options) {
  checkOptions(options);
  std::vector<Argument> arguments;
  for (const std::string &word : options.arguments)
    arguments.push_back(parseArgument(word, static_cast<int64_t>(arguments.size())));
  Request request = makeRequest(options, arguments);

  Engine::Options engineOptions;
  engineOptions.threads = options.threads;
  engineOptions.diskCache = !options.noCache;
  Engine engine(engineOptions);
  Kernel kernel = compile(engine, request);

  Report report;
  report.formula = request.formula;
  report.reduction = request.name;
  report.over = options.over;
  report.target = options.target;
  report.type = request.type;
  report.origin = kernel.origin();
  report.compileMilliseconds = kernel.compileMilliseconds();
  if (options.explain)
    report.explanation = kernel.explain();
  auto print = [&] {
    if (options.json)
      printJson(llvm::outs(), report);
    else
      printText(llvm::outs(), report, /*showResults=*/options.out.empty() && !options.check && !options.bench);
    llvm::outs().flush();
  };
  if (options.explain && !options.check && !options.bench && options.out.empty()) {
    print();
    return 0;
  }

  Sizes sizes;
  if (options.rows.getNumOccurrences() > 0)
    sizes.i = options.rows;
  if (options.cols.getNumOccurrences() > 0)
    sizes.j = options.cols;
  std::vector<Table> tables = loadArguments(arguments, kernel.arguments(), request.type, options.seed, sizes);
  std::vector<ConstArray> inputs;
  for (const Table &table : tables)
    inputs.push_back(table.view());
  std::vector<Table> results;
  std::vector<Array> outputs;
  for (auto [n, info] : llvm::enumerate(kernel.results()))
    results.push_back(makeTable(info.type, kernel.resultRows(inputs, n), info.dim));
  for (Table &table : results)
    outputs.push_back({table.bytes.data(), table.rows, table.columns, table.type});

  auto call = [&] { kernel(outputs, inputs, options.threads); };
  call();
  report.ran = true;
  report.rows = *sizes.i;
  report.columns = *sizes.j;
  report.threads = options.threads;
  report.seed = options.seed;
  report.outputs = outputs;
  if (options.bench)
    report.bench = bench(call);
  // The first call may have compiled a variant for these sizes.
  report.compileMilliseconds = kernel.compileMilliseconds();
  if (!options.out.empty())
    for (size_t n = 0; n < outputs.size(); ++n) {
      std::vector<int64_t> shape = {outputs[n].rows};
      llvm::append_range(shape, kernel.results()[n].shape);
      if (shape.size() == 1)
        shape.push_back(outputs[n].dim);
      writeFile(outputPath(options, n), options.complexOut ? pairUp(outputs[n], shape) : outputs[n], shape);
      report.files.push_back(outputPath(options, n));
    }
  if (options.check)
    report.check = check(kernel, inputs, outputs, {options.checkRows, toleranceOf(options)},
                         [&] { return compileTerms(engine, request); });
  print();
  return report.check && !report.check->passed() ? 1 : 0;
}

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

static int complain(const llvm::Twine &message) {
  llvm::errs() << "keops-run: error: " << message << "\n";
  return 2;
}

/// Removes the options that the compiler's libraries have registered, but for
/// those that every program has.
static void removeForeignOptions() {
  llvm::SmallVector<cl::Option *> foreign;
  for (auto &entry : cl::getRegisteredOptions())
    if (!entry.first.starts_with("help") && entry.first != "version")
      foreign.push_back(entry.second);
  for (cl::Option *option : foreign)
    option->removeArgument();
}

/// True for words such as -SqDist(x,y) and -2*x, which are neither options nor numbers.
static bool isFormula(llvm::StringRef word) {
  if (!word.consume_front("-") || word.starts_with("-"))
    return false;
  return !cl::getRegisteredOptions().count(word.split('=').first) && llvm::any_of(word, llvm::isAlpha);
}

int main(int argc, char **argv) {
  removeForeignOptions();
  Options options;
  cl::extrahelp moreHelp(examples);
  // A formula may begin with a minus: with a blank before it, it is no option.
  std::vector<std::string> storage;
  for (int n = 0; n < argc; ++n)
    storage.push_back((n > 0 && isFormula(argv[n]) ? " " : "") + std::string(argv[n]));
  std::vector<const char *> words;
  for (const std::string &word : storage)
    words.push_back(word.c_str());
  std::string errors;
  llvm::raw_string_ostream stream(errors);
  if (!cl::ParseCommandLineOptions(static_cast<int>(words.size()), words.data(), overview, &stream)) {
    llvm::errs() << errors;
    return 2;
  }
  try {
    return runFormula(options);
  } catch (const Error &error) {
    return complain(error.what());
  } catch (const std::bad_alloc &) {
    return complain("there is not enough memory for these sizes");
  } catch (const std::length_error &) {
    return complain("there is not enough memory for these sizes");
  }
}
