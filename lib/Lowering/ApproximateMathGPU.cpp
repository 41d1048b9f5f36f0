//===- ApproximateMathGPU.cpp - Math functions on a GPU -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A GPU has an instruction for 2^x, log2 x and √x in f32, and for sines and
// cosines too large for arithmetic; in f64 the same straight-line code serves as
// on a CPU. Everything becomes LLVM intrinsics
// here: upstream's way from `math` to NVVM would call a device library even
// where there is an instruction. `afn` on an intrinsic lets the back end take
// the approximate one, unless the module asks for accurate functions; then they
// are those of a CPU. Rare functions, and the arguments that a kernel does not
// reach, are calls of functions of the C library, as on a CPU. Code for a GPU
// finds them in the device library, under other names (EmitPTX.cpp).
//
//===----------------------------------------------------------------------===//

#include "MathKernels.h"
#include "keops/Lowering/ApproximateMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

#include <cmath>

using namespace mlir;
using namespace keops;

/// Before the patterns of any processor.
static constexpr unsigned kOwn = 2;

static bool isF32(Value value) { return getElementTypeOrSelf(value).isF32(); }

namespace {

/// Replaces an op on f32, scalar or vector, by what `emit` builds for it.
template <typename OpTy>
struct Emit : OpRewritePattern<OpTy> {
  using Function = std::function<Value(PatternRewriter &, OpTy)>;
  Emit(MLIRContext *context, Function emit) : OpRewritePattern<OpTy>(context, kOwn), emit(std::move(emit)) {}

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!hasMathKernels(op.getType()) || !isF32(op))
      return rewriter.notifyMatchFailure(op, "expected f32 or a vector of it with one dimension");
    rewriter.replaceOp(op, emit(rewriter, op));
    return success();
  }
  Function emit;
};

/// An op that is one intrinsic.
template <typename OpTy, typename IntrinsicTy>
struct ToIntrinsic : OpRewritePattern<OpTy> {
  ToIntrinsic(MLIRContext *context, bool approximate)
      : OpRewritePattern<OpTy>(context, kOwn), approximate(approximate) {}

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!hasMathKernels(op.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64 or a vector of them with one dimension");
    auto intrinsic = rewriter.replaceOpWithNewOp<IntrinsicTy>(op, op.getType(), op->getOperands());
    if (approximate && isF32(intrinsic))
      intrinsic.setFastmathFlags(LLVM::FastmathFlags::afn);
    return success();
  }
  bool approximate;
};

} // namespace

template <typename OpTy, typename IntrinsicTy>
static void addIntrinsic(RewritePatternSet &patterns, bool approximate = false) {
  patterns.add<ToIntrinsic<OpTy, IntrinsicTy>>(patterns.getContext(), approximate);
}

template <typename OpTy, typename Function>
static void addEmit(RewritePatternSet &patterns, Function emit) {
  patterns.add<Emit<OpTy>>(patterns.getContext(), emit);
}

static Value emitExp2(OpBuilder &builder, Location loc, Value x) {
  auto op = LLVM::Exp2Op::create(builder, loc, x.getType(), x);
  op.setFastmathFlags(LLVM::FastmathFlags::afn);
  return op;
}

static Value emitLog2(OpBuilder &builder, Location loc, Value x) {
  auto op = LLVM::Log2Op::create(builder, loc, x.getType(), x);
  op.setFastmathFlags(LLVM::FastmathFlags::afn);
  return op;
}

/// Arithmetic in the range of the kernels, the GPU's own function beyond: no branch, and no call.
static Value emitSinOrCos(OpBuilder &builder, Location loc, Value x, Trigonometric function) {
  MathBuilder m(builder, loc, x.getType());
  Value inside = emitTrigonometric(m, x, function);
  auto own = [&](auto op) -> Value {
    op.setFastmathFlags(LLVM::FastmathFlags::afn);
    return op;
  };
  Value outside = function == Trigonometric::Sin ? own(LLVM::SinOp::create(builder, loc, x.getType(), x))
                                                 : own(LLVM::CosOp::create(builder, loc, x.getType(), x));
  return m.select(m.less(m.abs(x), m.constant(trigonometricRange(m))), inside, outside);
}

namespace {

/// Both of a number, by `emitSinOrCos`.
struct EmitSinCos : OpRewritePattern<math::SincosOp> {
  EmitSinCos(MLIRContext *context) : OpRewritePattern(context, kOwn) {}

  LogicalResult matchAndRewrite(math::SincosOp op, PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    if (!hasMathKernels(x.getType()) || !isF32(x))
      return rewriter.notifyMatchFailure(op, "expected f32 or a vector of it with one dimension");
    Value sin = emitSinOrCos(rewriter, op.getLoc(), x, Trigonometric::Sin);
    Value cos = emitSinOrCos(rewriter, op.getLoc(), x, Trigonometric::Cos);
    rewriter.replaceOp(op, ValueRange{sin, cos});
    return success();
  }
};

} // namespace

/// The GPU's own functions: 2^x and log2 x, and others through a product; sines and cosines where they are needed.
static void populateFastPatterns(RewritePatternSet &patterns) {
  addEmit<math::SinOp>(patterns, [](PatternRewriter &rewriter, math::SinOp op) {
    return emitSinOrCos(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Sin);
  });
  addEmit<math::CosOp>(patterns, [](PatternRewriter &rewriter, math::CosOp op) {
    return emitSinOrCos(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Cos);
  });
  patterns.add<EmitSinCos>(patterns.getContext());
  addEmit<math::ExpOp>(patterns, [](PatternRewriter &rewriter, math::ExpOp op) {
    MathBuilder m(rewriter, op.getLoc(), op.getType());
    return emitExp2(rewriter, op.getLoc(), m.mul(op.getOperand(), m.constant(1 / std::log(2.0))));
  });
  addEmit<math::Exp2Op>(patterns, [](PatternRewriter &rewriter, math::Exp2Op op) {
    return emitExp2(rewriter, op.getLoc(), op.getOperand());
  });
  addEmit<math::LogOp>(patterns, [](PatternRewriter &rewriter, math::LogOp op) {
    MathBuilder m(rewriter, op.getLoc(), op.getType());
    return m.mul(emitLog2(rewriter, op.getLoc(), op.getOperand()), m.constant(std::log(2.0)));
  });
  addEmit<math::Log2Op>(patterns, [](PatternRewriter &rewriter, math::Log2Op op) {
    return emitLog2(rewriter, op.getLoc(), op.getOperand());
  });
}

void keops::populateApproximateMathGPUPatterns(RewritePatternSet &patterns, bool fast) {
  populateApproximateMathPatterns(patterns, ApproximateMathOptions());
  if (fast)
    populateFastPatterns(patterns);
  addIntrinsic<math::SqrtOp, LLVM::SqrtOp>(patterns, /*approximate=*/fast);
  addIntrinsic<math::AbsFOp, LLVM::FAbsOp>(patterns);
  addIntrinsic<math::CeilOp, LLVM::FCeilOp>(patterns);
  addIntrinsic<math::CopySignOp, LLVM::CopySignOp>(patterns);
  addIntrinsic<math::FloorOp, LLVM::FFloorOp>(patterns);
  addIntrinsic<math::FmaOp, LLVM::FMAOp>(patterns);
  addIntrinsic<math::RoundEvenOp, LLVM::RoundEvenOp>(patterns);
  addIntrinsic<math::TruncOp, LLVM::FTruncOp>(patterns);
}

LogicalResult keops::approximateMathGPU(Operation *module) {
  bool fast = !module->getParentOp() || !module->getParentOp()->hasAttr("keops.accurate_math");
  if (fast)
    module->walk([](arith::DivFOp op) {
      // Two instructions, within 2 ulp, instead of a function.
      if (isF32(op))
        op.setFastmath(op.getFastmath() | arith::FastMathFlags::afn);
    });
  RewritePatternSet patterns(module->getContext());
  populateApproximateMathGPUPatterns(patterns, fast);
  FrozenRewritePatternSet frozen(std::move(patterns));
  // What is built for an op in the first turn has only single instructions left for the second.
  walkAndApplyPatterns(module, frozen);
  walkAndApplyPatterns(module, frozen);
  bool hasError = false;
  module->walk([&](Operation *op) {
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()))
      return;
    op->emitError() << "'" << op->getName() << "' on " << op->getResult(0).getType()
                    << " has no GPU code; expected f32 or f64 or a vector of them with one dimension";
    hasError = true;
  });
  return failure(hasError);
}
