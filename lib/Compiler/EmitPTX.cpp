//===- EmitPTX.cpp - A GPU module as PTX -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// gpu → NVVM → LLVM IR → PTX. Vectors of lanes are taken apart before LLVM
// optimizes: a GPU has none, and only single values are simplified and
// scheduled well. Vectors in memory stay: they are the wide loads.
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/EmitPTX.h"

#include "DeviceLibrary.h"

#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/Scalarizer.h"

#include <mutex>

using namespace mlir;
using namespace keops;

static constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";

/// The ops of the gpu dialect themselves. Upstream's pass would refuse the
/// intrinsics that stand for single instructions.
static LogicalResult convertGpuOps(gpu::GPUModuleOp module) {
  MLIRContext *context = module.getContext();
  LowerToLLVMOptions options(context);
  options.overrideIndexBitwidth(64);
  LLVMTypeConverter types(context, options);
  configureGpuToNVVMTypeConverter(types);
  RewritePatternSet patterns(context);
  populateGpuToNVVMConversionPatterns(types, patterns);
  LLVMConversionTarget legal(*context);
  legal.addIllegalDialect<gpu::GPUDialect>();
  legal.addLegalDialect<NVVM::NVVMDialect>();
  legal.addLegalOp<gpu::GPUModuleOp>();
  return applyPartialConversion(module, legal, std::move(patterns));
}

/// LLVM makes the instruction for 2^x from its own intrinsic, but that for log2 x only from NVIDIA's, which takes
/// single numbers.
static void useLog2Instruction(gpu::GPUModuleOp module) {
  OpBuilder builder(module.getContext());
  module.walk([&](LLVM::Log2Op op) {
    Location loc = op.getLoc();
    Value operand = op.getOperand();
    if (!getElementTypeOrSelf(operand).isF32())
      return;
    builder.setInsertionPoint(op);
    auto emit = [&](Value x) {
      return LLVM::CallIntrinsicOp::create(builder, loc, x.getType(),
                                           builder.getStringAttr("llvm.nvvm.lg2.approx.ftz.f"), x)
          .getResult(0);
    };
    Value result;
    if (auto type = dyn_cast<VectorType>(operand.getType())) {
      SmallVector<Value> each;
      for (int64_t lane = 0; lane < type.getNumElements(); ++lane)
        each.push_back(emit(vector::ExtractOp::create(builder, loc, operand, lane)));
      result = vector::FromElementsOp::create(builder, loc, type, each);
    } else {
      result = emit(operand);
    }
    op.replaceAllUsesWith(result);
    op.erase();
  });
}

static LogicalResult lowerToNVVM(ModuleOp module, gpu::GPUModuleOp gpuModule) {
  callDeviceLibrary(gpuModule);
  useLog2Instruction(gpuModule);
  PassManager passes(module.getContext());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  if (failed(passes.run(module)) || failed(convertGpuOps(gpuModule)))
    return failure();
  // Upstream carries a loop's annotation to its branch, but not into the branch's own attribute.
  gpuModule.walk([](LLVM::BrOp branch) {
    if (auto annotation = branch->getAttrOfType<LLVM::LoopAnnotationAttr>("llvm.loop_annotation"))
      branch.setLoopAnnotationAttr(annotation);
  });
  PassManager last(module.getContext());
  last.addPass(createReconcileUnrealizedCastsPass());
  return last.run(module);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(StringRef processor) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  std::string error;
  llvm::Triple triple(kTriple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return llvm::createStringError(error);
  // No feature: the oldest version of PTX that has the processor, which every newer assembler takes.
  std::unique_ptr<llvm::TargetMachine> machine(
      backend->createTargetMachine(triple, processor, /*Features=*/"", llvm::TargetOptions(), llvm::Reloc::Static,
                                   std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("LLVM makes no code for '" + processor + "'");
  return machine;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  // A thread has no vectors, and looking for some takes a fourth of the time.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.LoopInterleaving = tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  machine.registerPassBuilderCallbacks(builder);
  builder.registerPipelineStartEPCallback([](llvm::ModulePassManager &passes, llvm::OptimizationLevel) {
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(llvm::ScalarizerPass()));
  });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

/// A change of sign is part of the instruction that reads it, unless it is to flush denormal numbers: then it is an
/// addition. What reads it flushes them in any case.
static std::string withFreeSigns(std::string text) {
  static constexpr StringLiteral flushing = "neg.ftz.f32", plain = "neg.f32";
  for (size_t at = text.find(flushing); at != std::string::npos; at = text.find(flushing, at))
    text.replace(at, flushing.size(), plain);
  return text;
}

llvm::Expected<std::string> keops::emitPTX(gpu::GPUModuleOp module, TargetAttr target) {
  MLIRContext *context = module.getContext();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  context->appendDialectRegistry(registry);
  context->loadDialect<cf::ControlFlowDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();

  std::string errors;
  ScopedDiagnosticHandler collect(context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      errors += (errors.empty() ? "" : "\n") + diagnostic.str();
    return success();
  });
  module.walk([&](Operation *op) {
    if (isa_and_nonnull<math::MathDialect>(op->getDialect()))
      op->emitError() << "expected no function that a GPU lacks, got '" << op->getName() << "'";
  });
  OwningOpRef<ModuleOp> holder = ModuleOp::create(module.getLoc());
  gpu::GPUModuleOp copy = module.clone();
  holder->push_back(copy);
  if (!errors.empty() || failed(lowerToNVVM(*holder, copy)))
    return llvm::createStringError(errors);

  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(copy, llvmContext, module.getName());
  if (!code)
    return llvm::createStringError("the kernel cannot be translated to LLVM IR: " + errors);
  auto machine = makeTargetMachine(target.getName());
  if (!machine)
    return machine.takeError();
  code->setTargetTriple(llvm::Triple(kTriple));
  code->setDataLayout((*machine)->createDataLayout());
  bool fast = !module->getParentOp() || !module->getParentOp()->hasAttr("keops.accurate_math");
  if (llvm::Error error = linkDeviceLibrary(*code, fast))
    return std::move(error);
  for (llvm::Function &function : *code)
    // One instruction for each multiplication, addition and exponential, none around it for denormal numbers.
    if (!function.isDeclaration() && fast)
      function.addFnAttr("denormal-fp-math-f32", "preserve-sign,preserve-sign");
  optimize(*code, **machine);

  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager emit;
  if ((*machine)->addPassesToEmitFile(emit, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("LLVM writes no assembly for '" + target.getName() + "'");
  emit.run(*code);
  return withFreeSigns(text.str().str());
}

gpu::GPUModuleOp keops::mergeGPUModules(ModuleOp module) {
  gpu::GPUModuleOp whole;
  for (auto part : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
    if (!whole) {
      whole = part;
      continue;
    }
    SymbolTable into(whole), from(part);
    // Both may declare the same function of the C library.
    for (auto function : llvm::make_early_inc_range(part.getOps<func::FuncOp>()))
      if (isa_and_nonnull<func::FuncOp>(into.lookup(function.getName())))
        function.erase();
    for (auto symbol : part.getOps<SymbolOpInterface>())
      if (into.lookup(symbol.getName()))
        (void)from.renameToUnique(symbol, {&into});
    for (Operation &op : llvm::make_early_inc_range(*part.getBody()))
      op.moveBefore(whole.getBody(), whole.getBody()->end());
    part.erase();
  }
  return whole;
}
