//===- Compiler.cpp - From the LLVM dialect to an object file -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Translates to LLVM IR, optimises for the target, and emits; the launch rule
// that lowering left on the code becomes the artifact's.
//
//===----------------------------------------------------------------------===//

#include "CompileGPU.h"
#include "HoldConstants.h"
#include "LaunchRule.h"
#include "SplitBlocks.h"

#include "keops/Compiler/Compiler.h"
#include "keops/Schedule/KnownTargets.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

#include <mutex>

using namespace mlir;
using namespace keops;

static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(TargetAttr target) {
  initializeTargets();
  std::string error;
  llvm::Triple triple(tripleOf(target));
  const llvm::Target *known = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!known)
    return llvm::createStringError(error);
  llvm::TargetOptions options;
  // Constants lie beside the code that is loaded with them: the large model that is usual for code made at run time
  // would form their addresses in registers, in every turn of a loop.
  return std::unique_ptr<llvm::TargetMachine>(
      known->createTargetMachine(triple, target.getName(), featuresOf(target), options, llvm::Reloc::PIC_,
                                 llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive, /*JIT=*/true));
}

/// Lanes, tiles and unrolling are chosen already: what is left is to clean up, and O1 does that as well as O3 in half
/// the time.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassInstrumentationCallbacks callbacks;
  // The first compares each load of a loop with each store; loads and stores that could be joined are joined already.
  // The second looks through whole blocks for each load, to make vectors of what is one already.
  callbacks.registerShouldRunOptionalPassCallback([](StringRef name, llvm::Any) {
    return name != "LoopLoadEliminationPass" && name != "VectorCombinePass";
  });
  llvm::PassBuilder builder(&machine, tuning, std::nullopt, &callbacks);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);
}

namespace {
struct Lowered {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::unique_ptr<llvm::TargetMachine> machine;
  TargetAttr target;
};
} // namespace

static llvm::Expected<Lowered> lower(ModuleOp module, const CompilerOptions &options) {
  if (llvm::Error error = runPhases(module, options, Phase::LLVMDialect))
    return std::move(error);
  Lowered lowered;
  lowered.target = module->getAttrOfType<TargetAttr>("keops.target");
  if (!lowered.target) {
    std::string error;
    lowered.target = lookupTarget(module.getContext(), options.target, error);
    if (!lowered.target)
      return llvm::createStringError(error);
  }
  if (lowered.target.getGpu())
    return llvm::createStringError("target '" + lowered.target.getName() + "' is a GPU; expected a CPU here");
  auto machine = makeTargetMachine(lowered.target);
  if (!machine)
    return machine.takeError();
  lowered.machine = std::move(*machine);
  lowered.context = std::make_unique<llvm::LLVMContext>();
  // A program is no code: the artifact will hold its steps.
  SmallVector<ProgramOp> programs = llvm::to_vector(module.getOps<ProgramOp>());
  for (ProgramOp program : programs)
    program->remove();
  lowered.module = translateModuleToLLVMIR(module, *lowered.context);
  for (ProgramOp program : programs)
    module.push_back(program);
  if (!lowered.module)
    return llvm::createStringError("translation to LLVM IR failed");
  lowered.module->setTargetTriple(lowered.machine->getTargetTriple());
  lowered.module->setDataLayout(lowered.machine->createDataLayout());
  for (llvm::Function &function : *lowered.module)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", lowered.target.getName());
      if (std::string features = featuresOf(lowered.target); !features.empty())
        function.addFnAttr("target-features", features);
      function.addFnAttr(llvm::Attribute::NoUnwind);
      // Vectors that are spilled lie on their own alignment, and not across cache lines: that needs a realigned stack,
      // which needs a frame pointer.
      function.addFnAttr("frame-pointer", "all");
      function.addFnAttr("stackrealign");
    }
  optimize(*lowered.module, *lowered.machine);
  // Where there are more registers, constants stay in them, or instructions broadcast them from memory.
  if (lowered.target.getRegisters() <= 16)
    holdConstants(*lowered.module);
  return lowered;
}

/// `TargetMachine::addPassesToEmitFile` without the machine scheduler. Kernels
/// come in a good order, several independent vectors after each other for every
/// step; the scheduler hoists loads and constants over it, which then are spilled.
static bool addCodeGeneration(llvm::TargetMachine &machine, llvm::legacy::PassManager &passes,
                              llvm::raw_pwrite_stream &stream, llvm::CodeGenFileType kind) {
  auto *info = new llvm::MachineModuleInfoWrapperPass(&machine);
  llvm::TargetPassConfig *config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
  config->disablePass(&llvm::MachineSchedulerID);
  passes.add(config);
  passes.add(info);
  if (config->addISelPasses())
    return false;
  config->addMachinePasses();
  config->setInitialized();
  if (machine.addAsmPrinter(passes, stream, nullptr, kind, info->getMMI().getContext()))
    return false;
  passes.add(llvm::createFreeMachineFunctionPass());
  return true;
}

static llvm::Expected<std::string> emit(Lowered &lowered, llvm::CodeGenFileType kind) {
  splitLongBlocks(*lowered.module, lowered.target.getVectorBits());
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  llvm::legacy::PassManager passes;
  if (!addCodeGeneration(*lowered.machine, passes, stream, kind))
    return llvm::createStringError("the target emits no such file");
  passes.run(*lowered.module);
  return std::string(buffer.begin(), buffer.end());
}

/// True if the module is scheduled for a GPU, or will be by `options`.
static bool isForGPU(ModuleOp module, const CompilerOptions &options) {
  auto target = module->getAttrOfType<TargetAttr>("keops.target");
  std::string ignored;
  if (!target)
    target = lookupTarget(module.getContext(), options.target, ignored);
  return target && target.getGpu();
}

llvm::Expected<runtime::Artifact> keops::compile(ModuleOp module, const CompilerOptions &options) {
  if (isForGPU(module, options))
    return compileForGPU(module, options);
  std::vector<std::vector<int64_t>> shapes = resultShapes(module);
  auto explanation = explainSchedule(module, options);
  if (!explanation)
    return explanation.takeError();
  auto lowered = lower(module, options);
  if (!lowered)
    return lowered.takeError();

  runtime::Artifact artifact;
  artifact.target = lowered->target.getName().str();
  artifact.explanation = std::move(*explanation);
  if (llvm::Error error = readLaunchRules(module, shapes, artifact))
    return std::move(error);
  auto object = emit(*lowered, llvm::CodeGenFileType::ObjectFile);
  if (!object)
    return object.takeError();
  artifact.code = std::move(*object);
  return artifact;
}

llvm::Expected<std::string> keops::compileToText(ModuleOp module, const CompilerOptions &options, TextKind kind) {
  auto lowered = lower(module, options);
  if (!lowered)
    return lowered.takeError();
  if (kind == TextKind::Assembly)
    return emit(*lowered, llvm::CodeGenFileType::AssemblyFile);
  std::string text;
  llvm::raw_string_ostream stream(text);
  lowered->module->print(stream, nullptr);
  return text;
}
