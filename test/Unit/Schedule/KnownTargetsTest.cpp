//===- KnownTargetsTest.cpp - Every processor that LLVM names --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's list is taken from LLVM, so a new version's processors are tried as
// soon as it is there.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/KnownTargets.h"

#include "keops/Compiler/Compiler.h"

#include "mlir/Parser/Parser.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

#include <gtest/gtest.h>

using namespace keops;

namespace {

const char *const kFormula = R"(
  keops.formula @f(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
    %1 = keops.fold #keops.sum %0 : <3xf32, ij>
    %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %2 : !keops.vec<1xf32, i>
  })";

class KnownTargets : public testing::Test {
protected:
  static void SetUpTestSuite() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86TargetMC();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64TargetMC();
  }

  /// LLVM's description of `name`, or of no processor in particular.
  static std::unique_ptr<llvm::MCSubtargetInfo> describe(const std::string &tripleName, llvm::StringRef name) {
    llvm::Triple triple(tripleName);
    std::string error;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
    return std::unique_ptr<llvm::MCSubtargetInfo>(target->createMCSubtargetInfo(triple, name, ""));
  }

  /// The schedule chosen for `target`; null if the target is refused.
  ScheduleAttr schedule(const std::string &target, std::string &error) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(kFormula, context.get());
    CompilerOptions options;
    options.target = target;
    if (llvm::Error failure = runPhases(*module, options, Phase::Scheduled)) {
      error = llvm::toString(std::move(failure));
      return {};
    }
    ScheduleAttr found;
    module->walk([&](ReduceOp op) { found = op->getAttrOfType<ScheduleAttr>("keops.schedule"); });
    return found;
  }

  /// Tries every processor of an architecture. `serves` says whether one has what Keops needs, `bits` how wide its
  /// vectors are.
  void sweep(const std::string &triple, llvm::function_ref<bool(const llvm::MCSubtargetInfo &)> serves,
             llvm::function_ref<int64_t(const llvm::MCSubtargetInfo &)> bits) {
    int served = 0;
    for (const llvm::SubtargetSubTypeKV &entry : describe(triple, "")->getAllProcessorDescriptions()) {
      std::string name = entry.Key;
      SCOPED_TRACE(name);
      if (name == "generic")
        continue; // a name of both architectures; see below
      auto info = describe(triple, name);
      std::string error;
      TargetAttr target = lookupTarget(context.get(), name, error);
      ASSERT_EQ(static_cast<bool>(target), serves(*info)) << error;
      if (!target) {
        EXPECT_NE(error.find("the processor '" + name + "' lacks "), std::string::npos) << error;
        continue;
      }
      ++served;
      EXPECT_EQ(target.getVectorBits(), bits(*info));
      EXPECT_EQ(tripleOf(target), triple);
      ScheduleAttr chosen = schedule(name, error);
      ASSERT_TRUE(chosen) << error;
      EXPECT_EQ(chosen.getLanes() % (target.getVectorBits() / 32), 0);
    }
    EXPECT_GT(served, 20);
  }

  std::unique_ptr<mlir::MLIRContext> context = makeContext();
};

TEST_F(KnownTargets, EveryX86ProcessorHasAScheduleOrASentence) {
  auto wide = [](const llvm::MCSubtargetInfo &info) { return info.checkFeatures("+avx512f,+avx512dq,+avx512vl"); };
  sweep(
      "x86_64-unknown-linux-gnu",
      [&](const llvm::MCSubtargetInfo &info) { return wide(info) || info.checkFeatures("+avx2,+fma"); },
      [&](const llvm::MCSubtargetInfo &info) { return wide(info) ? 512 : 256; });
}

TEST_F(KnownTargets, EveryAArch64ProcessorHasAScheduleOrASentence) {
  sweep(
      "aarch64-unknown-linux-gnu", [](const llvm::MCSubtargetInfo &info) { return info.checkFeatures("+neon"); },
      [](const llvm::MCSubtargetInfo &) { return 128; });
}

// Their lists of features name AVX2 nowhere: it is implied by others.
TEST_F(KnownTargets, ImpliedFeaturesCount) {
  std::string error;
  for (const char *name : {"raptorlake", "meteorlake", "arrowlake", "lunarlake", "sierraforest", "gracemont"}) {
    TargetAttr target = lookupTarget(context.get(), name, error);
    ASSERT_TRUE(target) << error;
    EXPECT_EQ(target.getName(), name);
    EXPECT_EQ(target.getVectorBits(), 256) << name;
  }
  for (const char *name : {"graniterapids", "emeraldrapids", "tigerlake"}) {
    TargetAttr target = lookupTarget(context.get(), name, error);
    ASSERT_TRUE(target) << error;
    EXPECT_EQ(target.getVectorBits(), 512) << name;
    EXPECT_TRUE(target.getScalef()) << name;
  }
}

// Of the two processors of this name, the AArch64 one has what is needed.
TEST_F(KnownTargets, GenericIsAArch64) {
  std::string error;
  TargetAttr target = lookupTarget(context.get(), "generic", error);
  ASSERT_TRUE(target) << error;
  EXPECT_EQ(tripleOf(target), "aarch64-unknown-linux-gnu");
}

TEST_F(KnownTargets, UnknownNamesAreRefusedWithWhatIsExpected) {
  std::string error;
  for (const char *name : {"", "z80", "x86-64-v9", "+avx2", "znver3 "}) {
    EXPECT_FALSE(lookupTarget(context.get(), name, error)) << name;
    EXPECT_NE(error.find("unknown target '" + std::string(name) + "'; expected 'host', "), std::string::npos) << error;
    EXPECT_EQ(resolveTargetName(name, error), "");
  }
}

} // namespace
