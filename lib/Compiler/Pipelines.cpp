//===- Pipelines.cpp - The phases of compilation -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function per phase, in the order in which a formula passes through them.
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/Compiler.h"
#include "keops/Frontend/Diagnostic.h"
#include "keops/Lowering/Passes.h"
#include "keops/Schedule/KnownTargets.h"
#include "keops/Schedule/Passes.h"
#include "keops/Transforms/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace keops;

void keops::registerCompilerDialects(DialectRegistry &registry) {
  registry.insert<KeopsDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, gpu::GPUDialect,
                  LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect, ub::UBDialect,
                  vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

std::unique_ptr<MLIRContext> keops::makeContext() {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  // Formulas are small: threads inside one compilation cost more than they save.
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

static constexpr std::pair<Phase, llvm::StringLiteral> kPhases[] = {
    {Phase::Formula, "formula"},       {Phase::Expanded, "expanded"}, {Phase::Simplified, "simplified"},
    {Phase::Factorized, "factorized"}, {Phase::Split, "split"},       {Phase::Scheduled, "scheduled"},
    {Phase::Tiled, "tiled"},           {Phase::Staged, "staged"},     {Phase::Approximated, "approximated"},
    {Phase::LLVMDialect, "llvm"},
};

llvm::StringRef keops::nameOf(Phase phase) { return kPhases[static_cast<int>(phase)].second; }

std::optional<Phase> keops::phaseNamed(llvm::StringRef name) {
  for (auto [phase, known] : kPhases)
    if (known == name)
      return phase;
  return std::nullopt;
}

static bool isForGPU(MLIRContext *context, const CompilerOptions &options) {
  std::string error; // Said where the schedule needs the target.
  TargetAttr target = lookupTarget(context, options.target, error);
  return target && target.getGpu();
}

static void addPhase(PassManager &pm, Phase phase, const CompilerOptions &options) {
  switch (phase) {
  case Phase::Formula:
    return;
  case Phase::Expanded:
    pm.addNestedPass<FormulaFuncOp>(createKeopsExpandDerivatives());
    pm.addNestedPass<FormulaFuncOp>(createKeopsMoveRows());
    return;
  case Phase::Simplified:
    pm.addNestedPass<FormulaFuncOp>(createKeopsSimplify());
    return;
  case Phase::Factorized:
    pm.addNestedPass<FormulaFuncOp>(createKeopsFactorize());
    if (!isForGPU(pm.getContext(), options))
      return;
    if (options.fastMath)
      pm.addNestedPass<FormulaFuncOp>(createKeopsFoldScales());
    if (options.expandDistances)
      pm.addNestedPass<FormulaFuncOp>(createKeopsExpandDistances());
    return;
  case Phase::Split:
    pm.addPass(createKeopsSplitPasses());
    return;
  case Phase::Scheduled: {
    KeopsSelectScheduleOptions schedule;
    schedule.target = options.target;
    schedule.rows = options.rows;
    schedule.accurateMath = !options.fastMath;
    pm.addPass(createKeopsSelectSchedule(schedule));
    return;
  }
  case Phase::Tiled:
    pm.addPass(createKeopsTile());
    pm.addPass(createCSEPass());
    return;
  case Phase::Staged: {
    pm.addPass(createKeopsLowerStages());
    // From the uses up: downwards, each change in a loop would have its whole body looked through again.
    GreedyRewriteConfig upwards;
    upwards.setUseTopDownTraversal(false);
    pm.addPass(createCanonicalizerPass(upwards));
    // LLVM shares equal loads and values: MLIR's pass would look, for each load, through all between it and the last.
    return;
  }
  case Phase::Approximated: {
    KeopsApproximateMathOptions approximations;
    approximations.plainNaNs = true;
    pm.addPass(createKeopsApproximateMath(approximations));
    return;
  }
  case Phase::LLVMDialect:
    pm.addPass(createSCFToControlFlowPass());
    pm.addPass(createConvertVectorToLLVMPass());
    pm.addPass(createConvertMathToLLVMPass());
    pm.addPass(createArithToLLVMConversionPass());
    pm.addPass(createConvertIndexToLLVMPass());
    pm.addPass(createConvertControlFlowToLLVMPass());
    pm.addPass(createConvertFuncToLLVMPass());
    pm.addPass(createUBToLLVMConversionPass());
    pm.addPass(createReconcileUnrealizedCastsPass());
    return;
  }
}

/// How far a module has come.
static Phase phaseOf(ModuleOp module) {
  Phase phase = Phase::Formula;
  module.walk([&](Operation *op) {
    if (isa<ProgramOp>(op))
      phase = std::max(phase, Phase::Split);
    if (isa<KernelOp>(op))
      phase = std::max(phase, Phase::Tiled);
    if (auto reduce = dyn_cast<ReduceOp>(op); reduce && reduce->hasAttr("keops.schedule"))
      phase = std::max(phase, Phase::Scheduled);
    if (op->hasAttr("keops.launch"))
      phase = std::max(phase, isa<LLVM::LLVMFuncOp>(op) ? Phase::LLVMDialect : Phase::Staged);
  });
  return phase;
}

/// The message, with a caret under its place if that is in formula text.
static std::string render(mlir::Diagnostic &diagnostic) {
  frontend::Diagnostic rendered{diagnostic.str(), {}};
  if (auto fused = diagnostic.getLocation()->findInstanceOf<FusedLoc>())
    if (auto text = dyn_cast_or_null<StringAttr>(fused.getMetadata()))
      if (auto range = LocationAttr(fused).findInstanceOf<FileLineColRange>()) {
        size_t first = range.getStartColumn() - 1;
        rendered.where = {std::make_shared<const std::string>(text.str()), first, range.getEndColumn() - 1 - first};
      }
  return rendered.render();
}

llvm::Error keops::runPhases(ModuleOp module, const CompilerOptions &options, Phase last) {
  MLIRContext *context = module.getContext();
  std::string message;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      message += (message.empty() ? "" : "\n") + render(diagnostic);
    return success();
  });
  PassManager pm(context);
  for (int phase = static_cast<int>(phaseOf(module)) + 1; phase <= static_cast<int>(last); ++phase)
    addPhase(pm, static_cast<Phase>(phase), options);
  if (failed(pm.run(module)))
    return llvm::createStringError(message.empty() ? std::string("compilation failed") : message);
  return llvm::Error::success();
}
