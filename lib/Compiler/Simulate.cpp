//===- Simulate.cpp - GPU kernels compiled for the simulator ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel becomes a host function that calls the simulator wherever threads
// meet or touch memory. SimulatedOps.cpp says what becomes of each operation;
// here stands what concerns the kernel as a whole, and the way from there
// through the LLVM dialect to code in memory.
//
// Pointers lose their address space: host addresses serve all of them.
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/Simulate.h"

#include "LaunchRule.h"
#include "MovingKernels.h"
#include "SimulatedOps.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace mlir;
using namespace keops;
using namespace keops::compiler;
using keops::runtime::SimProgram;
using keops::runtime::SimSharedArray;
using keops::runtime::SimSite;
using keops::runtime::SimSpace;
using keops::runtime::SimType;

namespace {

/// Turns one kernel into a host function.
class KernelLowering {
public:
  KernelLowering(ModuleOp host, gpu::GPUModuleOp source, SimProgram &program)
      : state(host, source, program), builder(state.builder) {}

  /// Refuses what the simulator does not run and numbers the sites. Texts are
  /// taken before anything is rewritten, so that they show the kernel as given.
  LogicalResult scan(gpu::GPUFuncOp kernel);
  LogicalResult addSharedArrays(gpu::GPUModuleOp module);
  /// Moves the body of `kernel` into a new function of the host module.
  LogicalResult lower(gpu::GPUFuncOp kernel);

private:
  /// Replaces the arguments of `body` by the thread and the slots in which the parameters come.
  LogicalResult lowerParameters(Block &body);
  LogicalResult eraseAddressSpaces(LLVM::LLVMFuncOp function);

  SimLowering state;
  OpBuilder &builder;
};

} // namespace

//===----------------------------------------------------------------------===//
// From kernel to host function
//===----------------------------------------------------------------------===//

LogicalResult KernelLowering::scan(gpu::GPUFuncOp kernel) {
  if (kernel.getNumWorkgroupAttributions() || kernel.getNumPrivateAttributions())
    return kernel.emitError("the simulator expects shared memory as globals in address space 3, but kernel @")
           << kernel.getName() << " has attributions";
  if (!kernel.getBody().hasOneBlock())
    return kernel.emitError("the simulator expects structured control flow, but kernel @")
           << kernel.getName() << " has " << kernel.getBody().getBlocks().size() << " blocks";

  AsmState names(kernel->getParentOfType<gpu::GPUModuleOp>(), OpPrintingFlags().assumeVerified());
  auto result = kernel.getBody().walk([&](Operation *op) -> WalkResult {
    const SimulatedOp *known = findSimulatedOp(op->getName().getStringRef());
    if (!known)
      return op->emitError("the simulator does not run `") << op->getName() << "`";
    if (!known->site)
      return WalkResult::advance();
    SimSite site;
    site.kind = *known->site;
    llvm::raw_string_ostream text(site.text);
    text << '`';
    op->print(text, names);
    text << '`';
    if (auto place = op->getLoc()->findInstanceOf<FileLineColLoc>())
      text << " at " << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn();
    state.siteNumbers[op] = static_cast<uint32_t>(state.program.sites.size());
    state.program.sites.push_back(std::move(site));
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult KernelLowering::addSharedArrays(gpu::GPUModuleOp module) {
  std::optional<SimSharedArray> dynamic;
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    auto type = dyn_cast<LLVM::LLVMArrayType>(global.getGlobalType());
    auto [bits, alignment] = type ? sizeAndAlignment(type.getElementType()) : std::pair<int64_t, int64_t>(0, 1);
    if (global.getAddrSpace() != static_cast<uint32_t>(SimSpace::Shared) || bits == 0)
      return global.emitError("the simulator expects globals to be arrays of numbers in address space 3, but met @")
             << global.getSymName();
    SimSharedArray array;
    array.name = global.getSymName().str();
    array.alignment = static_cast<int64_t>(global.getAlignment().value_or(alignment));
    array.bytes = static_cast<int64_t>(type.getNumElements() * llvm::alignTo(llvm::divideCeil(bits, 8), alignment));
    if (array.bytes > 0) {
      addSharedArray(state.program, std::move(array));
      continue;
    }
    if (dynamic)
      return global.emitError("a kernel has one dynamic shared array, but besides @")
             << dynamic->name << " there is @" << array.name;
    array.bytes = SimSharedArray::Dynamic;
    dynamic = std::move(array);
  }
  if (dynamic)
    addSharedArray(state.program, std::move(*dynamic));
  return success();
}

LogicalResult KernelLowering::lowerParameters(Block &body) {
  unsigned count = body.getNumArguments();
  state.thread = body.addArgument(state.pointer, builder.getUnknownLoc());
  Value slots = body.addArgument(state.pointer, builder.getUnknownLoc());
  for (BlockArgument parameter : body.getArguments().take_front(count)) {
    Type type = parameter.getType(), stored = type.isIndex() ? builder.getI64Type() : type;
    auto kind = llvm::TypeSwitch<Type, std::optional<SimType>>(stored)
                    .Case([](LLVM::LLVMPointerType) { return SimType::Pointer; })
                    .Case([](Float32Type) { return SimType::F32; })
                    .Case([](Float64Type) { return SimType::F64; })
                    .Default([](Type other) -> std::optional<SimType> {
                      if (other.isInteger(64))
                        return SimType::I64;
                      if (other.isInteger(32))
                        return SimType::I32;
                      return std::nullopt;
                    });
    if (!kind)
      return emitError(parameter.getLoc(), "a kernel for the simulator takes pointers, i64, i32, index, f32 and f64, "
                                           "but parameter ")
             << parameter.getArgNumber() << " is of type " << type;
    state.program.parameters.push_back(*kind);
    Value slot = LLVM::GEPOp::create(builder, parameter.getLoc(), state.pointer, builder.getI64Type(), slots,
                                     ArrayRef<LLVM::GEPArg>(static_cast<int32_t>(parameter.getArgNumber())));
    Value value = LLVM::LoadOp::create(builder, parameter.getLoc(), stored, slot);
    if (type.isIndex())
      value = arith::IndexCastOp::create(builder, parameter.getLoc(), type, value);
    parameter.replaceAllUsesWith(value);
  }
  body.eraseArguments(0, count);
  return success();
}

LogicalResult KernelLowering::eraseAddressSpaces(LLVM::LLVMFuncOp function) {
  auto eraseFrom = [&](Value value) {
    if (auto type = dyn_cast<LLVM::LLVMPointerType>(value.getType())) {
      unsigned space = type.getAddressSpace();
      if (space != 0 && space != 1 && space != 3)
        return emitError(value.getLoc(), "the simulator has address spaces 0, 1 and 3, but met ") << type, failure();
      value.setType(state.pointer);
      return success();
    }
    bool hidesPointer =
        value.getType().walk([](LLVM::LLVMPointerType) { return WalkResult::interrupt(); }).wasInterrupted();
    if (hidesPointer)
      return emitError(value.getLoc(), "the simulator expects pointers one by one, but met ") << value.getType(),
             failure();
    return success();
  };
  auto result = function.walk([&](Operation *op) -> WalkResult {
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          if (failed(eraseFrom(argument)))
            return failure();
    for (Value value : op->getResults())
      if (failed(eraseFrom(value)))
        return failure();
    return success();
  });
  // LLVM has no cast between equal spaces.
  function.walk([](LLVM::AddrSpaceCastOp op) {
    op.replaceAllUsesWith(op.getArg());
    op.erase();
  });
  return failure(result.wasInterrupted());
}

LogicalResult KernelLowering::lower(gpu::GPUFuncOp kernel) {
  state.program.name = kernel.getName().str();
  if (auto size = kernel.getKnownBlockSize())
    state.program.requiredBlock = {(*size)[0], (*size)[1], (*size)[2]};

  builder.setInsertionPointToEnd(state.host.getBody());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), {state.pointer, state.pointer});
  auto function = LLVM::LLVMFuncOp::create(builder, kernel.getLoc(), kernel.getName(), type);
  SmallVector<Operation *> operations;
  kernel.getBody().walk([&](Operation *op) { operations.push_back(op); });
  function.getBody().takeBody(kernel.getBody());
  Block &body = function.getBody().front();

  builder.setInsertionPointToStart(&body);
  if (failed(lowerParameters(body)))
    return failure();
  for (Operation *op : operations) {
    SimRewrite rewrite = findSimulatedOp(op->getName().getStringRef())->rewrite;
    builder.setInsertionPoint(op);
    if (rewrite && failed(rewrite(op, state)))
      return failure();
  }
  return eraseAddressSpaces(function);
}

//===----------------------------------------------------------------------===//
// To machine code
//===----------------------------------------------------------------------===//

static LogicalResult lowerToLLVMDialect(ModuleOp host) {
  PassManager passes(host.getContext());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true; // else a truncation calls a helper that not every host has
  passes.addPass(arith::createArithExpandOpsPass(expand));
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createConvertMathToLibmPass()); // what has no intrinsic, vectors taken apart
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(host);
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);
}

/// Turns the host module into code; the entry goes into `program`.
static llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> makeCode(ModuleOp host, SimProgram &program) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  host.getContext()->appendDialectRegistry(registry);

  auto machineBuilder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!machineBuilder)
    return machineBuilder.takeError();
  auto machine = machineBuilder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = translateModuleToLLVMIR(host, *context);
  if (!module)
    return llvm::createStringError("the kernel cannot be translated to LLVM IR");
  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  optimize(*module, **machine);

  auto jit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*machineBuilder)).create();
  if (!jit)
    return jit.takeError();
  llvm::orc::SymbolMap symbols;
  for (auto [name, function] : keops::runtime::simulatorFunctions())
    symbols[(*jit)->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                              llvm::JITSymbolFlags::Exported};
  if (auto error = (*jit)->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols))))
    return error;
  // The mathematical functions that intrinsics without an instruction become.
  auto process =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess((*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  if (auto error = (*jit)->addIRModule({std::move(module), std::move(context)}))
    return error;
  auto entry = (*jit)->lookup(program.name);
  if (!entry)
    return entry.takeError();
  program.entry = entry->toPtr<SimProgram::Entry>();
  return jit;
}

//===----------------------------------------------------------------------===//
// Door
//===----------------------------------------------------------------------===//

SimKernel::SimKernel(std::unique_ptr<llvm::orc::LLJIT> jit, SimProgram program)
    : jit(std::move(jit)), program(std::move(program)) {}
SimKernel::~SimKernel() = default;

/// The kernel to compile; null after a diagnostic.
static gpu::GPUFuncOp findKernel(gpu::GPUModuleOp module, StringRef name) {
  gpu::GPUFuncOp found;
  unsigned count = 0;
  for (auto function : module.getOps<gpu::GPUFuncOp>()) {
    if (!function.isKernel() || (!name.empty() && function.getName() != name))
      continue;
    found = function;
    ++count;
  }
  if (count == 1)
    return found;
  if (name.empty())
    module.emitError("expected one kernel in gpu.module @") << module.getName() << ", but found " << count;
  else
    module.emitError("expected a kernel @") << name << " in gpu.module @" << module.getName() << ", but found none";
  return nullptr;
}

llvm::Expected<std::unique_ptr<SimKernel>> keops::compiler::compileForSimulator(gpu::GPUModuleOp module,
                                                                                StringRef name) {
  MLIRContext *context = module.getContext();
  context->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect>();
  std::string errors;
  ScopedDiagnosticHandler collect(context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return;
    llvm::raw_string_ostream text(errors);
    if (!errors.empty())
      text << "; ";
    text << diagnostic;
    if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
      text << " (" << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn() << ')';
  });

  SimProgram program;
  OwningOpRef<ModuleOp> host = ModuleOp::create(module.getLoc());
  // The copy is cut up. It stands in a module, where ops look for the data layout.
  OwningOpRef<ModuleOp> source = ModuleOp::create(module.getLoc());
  gpu::GPUModuleOp copy = module.clone();
  source->push_back(copy);
  KernelLowering lowering(*host, copy, program);
  auto kernel = findKernel(copy, name);
  if (!kernel || failed(lowering.scan(kernel)) || failed(lowering.addSharedArrays(copy)) ||
      failed(lowering.lower(kernel)) || failed(verify(*host)) || failed(lowerToLLVMDialect(*host)))
    return llvm::createStringError(errors);
  auto jit = makeCode(*host, program);
  if (!jit)
    return errors.empty() ? jit.takeError() : llvm::createStringError(llvm::toString(jit.takeError()) + ": " + errors);
  return std::make_unique<SimKernel>(std::move(*jit), std::move(program));
}

llvm::Expected<Simulation> keops::compiler::simulateFormula(ModuleOp module, const CompilerOptions &options) {
  std::vector<std::vector<int64_t>> shapes = resultShapes(module);
  auto explanation = explainSchedule(module, options);
  if (!explanation)
    return explanation.takeError();
  if (llvm::Error error = runPhases(module, options, Phase::Approximated))
    return std::move(error);
  Simulation simulation;
  simulation.artifact.target = options.target;
  simulation.artifact.explanation = std::move(*explanation);
  if (module.getOps<gpu::GPUModuleOp>().empty())
    return llvm::createStringError("target '" + options.target + "' is a CPU; expected a GPU to simulate");
  if (llvm::Error error = readLaunchRules(module, shapes, simulation.artifact))
    return std::move(error);
  addMovingKernels(module, simulation.artifact);
  for (auto gpuModule : module.getOps<gpu::GPUModuleOp>())
    for (auto function : gpuModule.getOps<gpu::GPUFuncOp>()) {
      auto kernel = compileForSimulator(gpuModule, function.getName());
      if (!kernel)
        return kernel.takeError();
      simulation.functions[function.getName().str()] = std::move(*kernel);
    }
  return simulation;
}
