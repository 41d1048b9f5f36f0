//===- DeviceLibrary.cpp - Functions that a GPU's compiler brings -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library is looked for where toolkits are installed; see Toolkit.h.
//
//===----------------------------------------------------------------------===//

#include "DeviceLibrary.h"

#include "keops/Compiler/Toolkit.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace mlir;
using namespace keops;

/// How the names of the library's functions begin; what follows is the C library's name.
static constexpr StringLiteral kPrefix = "__nv_";

void keops::callDeviceLibrary(gpu::GPUModuleOp module) {
  OpBuilder builder(module.getContext());
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    builder.setInsertionPoint(function);
    FunctionType type = function.getFunctionType();
    auto device = LLVM::LLVMFuncOp::create(builder, function.getLoc(), (kPrefix + function.getName()).str(),
                                           LLVM::LLVMFunctionType::get(type.getResult(0), type.getInputs()));
    module.walk([&](func::CallOp call) {
      if (call.getCallee() != function.getName())
        return;
      builder.setInsertionPoint(call);
      auto inDevice = LLVM::CallOp::create(builder, call.getLoc(), device, call.getOperands());
      call.replaceAllUsesWith(inDevice.getResults());
      call.erase();
    });
    function.erase();
  }
}

/// Where the library may be, in order. KEOPS_DEVICE_LIBRARY names the one place to look at.
static std::vector<std::string> possibleFiles() {
  if (const char *file = std::getenv("KEOPS_DEVICE_LIBRARY"))
    return {file};
  std::vector<std::string> places = chosenToolkits();
  llvm::append_range(places, usualToolkits());
  for (std::string &place : places)
    place += "/nvvm/libdevice/libdevice.10.bc";
  return places;
}

llvm::Error keops::linkDeviceLibrary(llvm::Module &module, bool flushDenormals) {
  std::vector<std::string> missing;
  for (llvm::Function &function : module)
    if (function.isDeclaration() && function.getName().starts_with(kPrefix))
      missing.push_back(function.getName().drop_front(kPrefix.size()).str());
  if (missing.empty())
    return llvm::Error::success();

  std::vector<std::string> places = possibleFiles();
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  for (const std::string &place : places)
    if (auto file = llvm::MemoryBuffer::getFile(place)) {
      bytes = std::move(*file);
      break;
    }
  if (!bytes)
    return llvm::createStringError("on a GPU " + llvm::join(missing, ", ") +
                                   " need the device library of NVIDIA's toolkit; it was looked for in " +
                                   llvm::join(places, ", "));
  auto library = llvm::parseBitcodeFile(bytes->getMemBufferRef(), module.getContext());
  if (!library)
    return library.takeError();
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(module.getDataLayout());
  std::set<std::string> own;
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      own.insert(function.getName().str());
  if (llvm::Linker::linkModules(module, std::move(*library), llvm::Linker::LinkOnlyNeeded))
    return llvm::createStringError("NVIDIA's library of device functions cannot be linked");
  // What is called often is kept once: the code for every lane would be far longer than the loop around it.
  for (const std::string &name : missing)
    if (llvm::Function *function = module.getFunction((kPrefix + name).str())) {
      function->removeFnAttr(llvm::Attribute::AlwaysInline);
      function->addFnAttr(llvm::Attribute::NoInline);
    }
  llvm::internalizeModule(module, [&](const llvm::GlobalValue &value) { return own.count(value.getName().str()) > 0; });
  module.addModuleFlag(llvm::Module::Override, "nvvm-reflect-ftz", flushDenormals ? 1 : 0);
  return llvm::Error::success();
}
