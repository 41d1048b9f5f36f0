//===- keops-translate.cpp - Formula to IR, IR to code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Takes formula text with its aliases, or a file of IR at any level, and prints
// any product on the way to code.
//
//===----------------------------------------------------------------------===//

#include "Assembler.h"

#include "keops/Compiler/Compiler.h"
#include "keops/Compiler/EmitHeader.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Schedule/KnownTargets.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/WithColor.h"

using namespace llvm;

static cl::OptionCategory category("Options of keops-translate");

static cl::opt<std::string> input(cl::Positional, cl::desc("<formula or file.mlir>"), cl::cat(category));
static cl::list<std::string> aliases(cl::Positional, cl::desc("[name = Vi(dim) …]"), cl::cat(category));
static cl::list<std::string> also("also", cl::value_desc("formula"), cl::cat(category),
                                  cl::desc("A further formula of the same arguments; the kernel gives its results\n"
                                           "after those of the first. May be given several times"));
static cl::opt<std::string>
    product("to", cl::init("mlir"), cl::value_desc("product"), cl::cat(category),
            cl::desc("What to print: mlir (the formula), one of its phases expanded, simplified, factorized,\n"
                     "split, scheduled, tiled, staged, approximated, llvm; or llvmir, asm, obj; and of a GPU\n"
                     "ptx, cubin (where ptxas is found), or header (C++ with PTX and its launch)"));
static cl::opt<std::string>
    target("target", cl::init("host"), cl::value_desc("processor"), cl::cat(category),
           cl::desc("Processor to make code for: host, znver5, x86-64-v3, neoverse-v2, sm_90, …"));
static cl::opt<std::string> type("dtype", cl::init("f32"), cl::value_desc("type"), cl::cat(category),
                                 cl::desc("Type of the arrays of a formula in text: f16, bf16, f32 or f64"));
static cl::opt<int64_t> rows("rows", cl::init(0), cl::value_desc("count"), cl::cat(category),
                             cl::desc("Few rows to expect in the result; 0 for many"));
static cl::opt<bool> accurate("accurate-math", cl::cat(category),
                              cl::desc("On a GPU: functions as accurate as a CPU's instead of its own"));
static cl::opt<std::string> precision("precision", cl::init("exact"), cl::value_desc("how"), cl::cat(category),
                                      cl::desc("On a GPU: exact, or fast: squared distances in exponentials by scalar\n"
                                               "products, where a call's data allow it"));
static cl::opt<bool> operations("operations", cl::cat(category),
                                cl::desc("Print the operations that formulas may call, and the arguments they take"));
static cl::opt<std::string> output("o", cl::init("-"), cl::value_desc("file"), cl::cat(category),
                                   cl::desc("Where to write; - for standard output"));

static int fail(const Twine &message) {
  WithColor::error(errs(), "keops-translate") << message << "\n";
  return 1;
}

/// A line for each operation: its name, and its arguments as text gives them.
static std::string listOperations() {
  std::vector<std::string> lines;
  for (const auto &entry : keops::frontend::knownOperations())
    lines.push_back(entry.getKey().str() + "(" + keops::frontend::describeArguments(entry.getValue()) + ")\n");
  llvm::sort(lines);
  return llvm::join(lines, "");
}

/// What is made of the whole module, for a GPU; `what` wants one.
static Expected<keops::runtime::Artifact> compileForGPU(mlir::ModuleOp module, const keops::CompilerOptions &options,
                                                        StringRef what) {
  auto artifact = keops::compile(module, options);
  if (artifact && !keops::isGPU(artifact->target))
    return createStringError("target '" + artifact->target + "' is a CPU; expected a GPU such as sm_90 for " + what);
  return artifact;
}

static Expected<std::string> makePTX(mlir::ModuleOp module, const keops::CompilerOptions &options) {
  auto artifact = compileForGPU(module, options, "PTX");
  if (!artifact)
    return artifact.takeError();
  return std::move(artifact->code);
}

static Expected<std::string> makeCubin(mlir::ModuleOp module, const keops::CompilerOptions &options) {
  auto artifact = compileForGPU(module, options, "PTX");
  if (!artifact)
    return artifact.takeError();
  return keops::translate::assemble(artifact->code, artifact->target);
}

/// A header named for the file that it goes to.
static Expected<std::string> makeHeader(mlir::ModuleOp module, const keops::CompilerOptions &options) {
  auto artifact = compileForGPU(module, options, "a header");
  if (!artifact)
    return artifact.takeError();
  std::string name = output == "-" ? "formula" : sys::path::stem(output).str();
  for (char &c : name)
    if (!isAlnum(c))
      c = '_';
  std::string formula = input;
  for (const std::string &alias : aliases)
    formula += "\n" + alias;
  return keops::emitHeader(*artifact, isDigit(name.front()) ? "_" + name : name, formula);
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Translates formulas to IR and IR to code.\n\n"
                              "  keops-translate 'Sum_Reduction(Exp(-SqDist(x,y))*b, 0)' 'x = Vi(3)' 'y = Vj(3)' "
                              "'b = Vj(1)' --to=asm --target=znver5\n"
                              "  keops-translate kernel.mlir --to=llvmir\n");

  if (operations) {
    outs() << listOperations();
    return 0;
  }
  if (input.empty())
    return fail("expected a formula or a file");

  auto context = keops::makeContext();
  mlir::Type storage = keops::frontend::storageNamed(*context, type);
  if (!storage)
    return fail("expected --dtype=f16, bf16, f32 or f64, got '" + type + "'");
  mlir::OwningOpRef<mlir::ModuleOp> module;
  StringRef extension = sys::path::extension(input);
  if (extension == ".mlir" || input == "-") {
    module = mlir::parseSourceFile<mlir::ModuleOp>(input, context.get());
    if (!module)
      return 1;
  } else {
    keops::frontend::Diagnostic error;
    std::vector<std::string> declared(aliases.begin(), aliases.end());
    std::vector<std::string> further(also.begin(), also.end());
    auto program = keops::frontend::parseProgram(input, declared, error, further);
    if (!program)
      return fail(error.render());
    module = keops::frontend::buildModule(*context, *program, storage, error);
    if (!module)
      return fail(error.render());
  }

  keops::CompilerOptions options;
  options.target = target;
  options.rows = rows;
  options.fastMath = !accurate;
  if (precision != "exact" && precision != "fast")
    return fail("--precision: expected exact or fast, got '" + precision + "'");
  options.expandDistances = precision == "fast";
  std::string text;
  std::string name = product == "mlir" ? "formula" : std::string(product);
  if (std::optional<keops::Phase> phase = keops::phaseNamed(name)) {
    if (Error error = keops::runPhases(*module, options, *phase))
      return fail(toString(std::move(error)));
    raw_string_ostream stream(text);
    module->print(stream);
    stream << "\n";
  } else if (product == "llvmir" || product == "asm") {
    auto result =
        keops::compileToText(*module, options, product == "asm" ? keops::TextKind::Assembly : keops::TextKind::LLVMIR);
    if (!result)
      return fail(toString(result.takeError()));
    text = std::move(*result);
  } else if (product == "obj") {
    auto artifact = keops::compile(*module, options);
    if (!artifact)
      return fail(toString(artifact.takeError()));
    text = std::move(artifact->code);
  } else if (product == "ptx" || product == "cubin" || product == "header") {
    auto result = product == "ptx"     ? makePTX(*module, options)
                  : product == "cubin" ? makeCubin(*module, options)
                                       : makeHeader(*module, options);
    if (!result)
      return fail(toString(result.takeError()));
    text = std::move(*result);
  } else {
    return fail("unknown product '" + product +
                "'; expected mlir, expanded, simplified, factorized, split, scheduled, tiled, staged, approximated, "
                "llvm, llvmir, asm, obj, ptx, cubin or header");
  }

  std::string message;
  auto file = mlir::openOutputFile(output, &message);
  if (!file)
    return fail(message);
  file->os() << text;
  file->keep();
  return 0;
}
