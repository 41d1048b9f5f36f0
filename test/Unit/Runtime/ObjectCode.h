//===- ObjectCode.h - Small objects for tests of the loader ----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles LLVM IR text to relocatable objects, so that tests of the runtime
// need nothing of our own compiler.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_RUNTIME_OBJECTCODE_H
#define KEOPS_TEST_UNIT_RUNTIME_OBJECTCODE_H

#include "keops/Runtime/Artifact.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include "gtest/gtest.h"

namespace keops::runtime::test {

/// Object code of `ir` for the host, or for the 64-bit ARM if so asked.
inline std::string objectOf(const std::string &ir, bool forArm = false) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(ir, diagnostic, context);
  EXPECT_TRUE(module) << diagnostic.getMessage().str();

  llvm::Triple triple(forArm ? "aarch64-unknown-linux-gnu" : llvm::sys::getProcessTriple());
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  EXPECT_TRUE(target) << error;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, "", "", llvm::TargetOptions(), llvm::Reloc::PIC_));
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());

  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  EXPECT_FALSE(machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile));
  passes.run(*module);
  return std::string(bytes.begin(), bytes.end());
}

using Entry = void (*)(const KernelFrame *);

/// An artifact whose entry points `<entry>_accumulate` and `<entry>_finalize` call these functions.
inline Artifact artifactCalling(Entry accumulate, Entry finalize, const std::string &entry = "kernel") {
  auto forwarder = [&](const std::string &name, Entry target) {
    return "define void @" + entry + name + "(ptr %frame) {\n  tail call void inttoptr (i64 " +
           std::to_string(reinterpret_cast<uintptr_t>(target)) + " to ptr)(ptr %frame)\n  ret void\n}\n";
  };
  Artifact artifact;
  artifact.entry = entry;
  artifact.code = objectOf(forwarder("_accumulate", accumulate) + forwarder("_finalize", finalize));
  return artifact;
}

} // namespace keops::runtime::test

#endif // KEOPS_TEST_UNIT_RUNTIME_OBJECTCODE_H
