//===- ApproximateMath.cpp - Math functions as inline SIMD code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A back-end turns `math.exp` on a vector into one library call per lane, which
// also spills every register around it. The patterns here put the kernels of
// MathKernels.cpp in the place of the functions that inner loops use, and for
// the others, and for the rare arguments that a kernel does not reach, keep the
// calls out of the loop's code: in a helper that loops over the lanes.
//
//===----------------------------------------------------------------------===//

#include "keops/Lowering/ApproximateMath.h"

#include "MathKernels.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

#include <functional>

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Signs that can be read off the operations
//===----------------------------------------------------------------------===//

/// How many operations are looked at, at most.
static constexpr int signBudget = 128;

/// Whether `value`, where it is not NaN, is at least 0 (`sign` = 1) or at most 0
/// (`sign` = -1). Gaussians and their like are exponentials of such values.
static bool hasSign(Value value, int sign, int &budget) {
  if (budget-- <= 0)
    return false;
  auto is = [&](Value operand, int operandSign) { return hasSign(operand, operandSign, budget); };
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  // Both factors with the sign `a`, or one with each sign.
  auto product = [&](Value a, Value b) {
    if (a == b)
      return sign > 0;
    return (is(a, 1) && is(b, sign)) || (is(a, -1) && is(b, -sign));
  };
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<arith::ConstantOp>([&](auto) {
        auto fits = [&](const APFloat &number) {
          return number.isNaN() || number.isZero() || number.isNegative() == (sign < 0);
        };
        if (FloatAttr number; matchPattern(value, m_Constant(&number)))
          return fits(number.getValue());
        DenseFPElementsAttr numbers;
        return matchPattern(value, m_Constant(&numbers)) && llvm::all_of(numbers.getValues<APFloat>(), fits);
      })
      .Case<math::AbsFOp, math::SqrtOp, math::RsqrtOp, math::ExpOp, math::Exp2Op>([&](auto) { return sign > 0; })
      .Case<arith::NegFOp>([&](auto neg) { return is(neg.getOperand(), -sign); })
      .Case<arith::AddFOp>([&](auto sum) { return is(sum.getLhs(), sign) && is(sum.getRhs(), sign); })
      .Case<arith::SubFOp>([&](auto difference) {
        Value a = difference.getLhs(), b = difference.getRhs();
        // a - max(a, …) and a - min(a, …): rounding keeps the sign.
        Operation *bound = b.getDefiningOp();
        if (bound && llvm::is_contained(bound->getOperands(), a) &&
            (sign < 0 ? isa<arith::MaximumFOp, arith::MaxNumFOp>(bound)
                      : isa<arith::MinimumFOp, arith::MinNumFOp>(bound)))
          return true;
        return is(a, sign) && is(b, -sign);
      })
      .Case<arith::MulFOp, arith::DivFOp>([&](auto op) { return product(op.getLhs(), op.getRhs()); })
      .Case<math::FmaOp>([&](auto fma) { return product(fma.getA(), fma.getB()) && is(fma.getC(), sign); })
      .Case<arith::MaximumFOp, arith::MinimumFOp>([&](auto bound) {
        bool one = (sign > 0) == isa<arith::MaximumFOp>(bound.getOperation());
        bool a = is(bound.getLhs(), sign);
        return one ? a || is(bound.getRhs(), sign) : a && is(bound.getRhs(), sign);
      })
      .Case<arith::SelectOp>(
          [&](auto select) { return is(select.getTrueValue(), sign) && is(select.getFalseValue(), sign); })
      .Case<vector::BroadcastOp>([&](auto broadcast) { return is(broadcast.getSource(), sign); })
      .Default(false);
}

static bool hasSign(Value value, int sign) {
  int budget = signBudget;
  return hasSign(value, sign, budget);
}

//===----------------------------------------------------------------------===//
// Calls of the C math library
//===----------------------------------------------------------------------===//

/// How the names of functions begin that loop over lanes.
static constexpr StringLiteral helperPrefix = "keops_each_";

/// The function `name` in the symbol table around the insertion point, declared
/// private with `type` if it is not there. Null, with an error, where the name
/// means something else.
static func::FuncOp getFunction(OpBuilder &builder, Location loc, StringRef name, FunctionType type) {
  Operation *table = SymbolTable::getNearestSymbolTable(builder.getInsertionBlock()->getParentOp());
  if (Operation *found = SymbolTable::lookupSymbolIn(table, name)) {
    auto function = dyn_cast<func::FuncOp>(found);
    if (function && function.getFunctionType() == type && function.isPrivate() &&
        (function.isExternal() || name.starts_with(helperPrefix)))
      return function;
    emitError(loc) << "expected '@" << name << "' to be free for a math function, but another symbol has this name";
    return nullptr;
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&table->getRegion(0).front());
  auto function = func::FuncOp::create(builder, loc, name, type);
  function.setPrivate();
  return function;
}

Value keops::callMathLibrary(OpBuilder &builder, Location loc, StringRef name, ValueRange operands) {
  Type type = operands.front().getType(), element = getElementTypeOrSelf(type);
  std::string scalarName = name.str() + (element.isF32() ? "f" : "");
  SmallVector<Type> scalars(operands.size(), element);
  func::FuncOp scalar = getFunction(builder, loc, scalarName, builder.getFunctionType(scalars, element));
  if (!scalar)
    return ub::PoisonOp::create(builder, loc, type);
  scalar->setAttr("llvm.readnone", builder.getUnitAttr());
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return func::CallOp::create(builder, loc, scalar, operands).getResult(0);

  // One helper for each function and number of lanes. Inlined it would bring its
  // calls, and what they spill, into the loop around.
  std::string helperName = (helperPrefix + scalarName + "_" + Twine(vector.getNumElements())).str();
  func::FuncOp helper =
      getFunction(builder, loc, helperName, builder.getFunctionType(operands.getTypes(), TypeRange(type)));
  if (!helper)
    return ub::PoisonOp::create(builder, loc, type);
  if (helper.isExternal()) {
    helper.setNoInline(true);
    helper->setAttr("passthrough", builder.getStrArrayAttr({"cold"}));
    OpBuilder::InsertionGuard guard(builder);
    Block *entry = helper.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    Value begin = arith::ConstantIndexOp::create(builder, loc, 0);
    Value end = arith::ConstantIndexOp::create(builder, loc, vector.getNumElements());
    Value step = arith::ConstantIndexOp::create(builder, loc, 1);
    auto loop = scf::ForOp::create(
        builder, loc, begin, end, step, entry->getArgument(0),
        [&](OpBuilder &builder, Location loc, Value lane, ValueRange results) {
          SmallVector<Value> arguments;
          for (Value argument : entry->getArguments())
            arguments.push_back(vector::ExtractOp::create(builder, loc, argument, OpFoldResult(lane)));
          Value result = func::CallOp::create(builder, loc, scalar, arguments).getResult(0);
          result = vector::InsertOp::create(builder, loc, result, results.front(), OpFoldResult(lane));
          scf::YieldOp::create(builder, loc, result);
        });
    func::ReturnOp::create(builder, loc, loop.getResults());
  }
  return func::CallOp::create(builder, loc, helper, operands).getResult(0);
}

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

/// Sine or cosine, by the kernel when all lanes are in its range. A lane has the
/// same value whatever the other lanes hold.
static Value emitSinOrCos(OpBuilder &builder, Location loc, Value x, Trigonometric function) {
  MathBuilder m(builder, loc, x.getType());
  Value inside = emitTrigonometric(m, x, function);
  Value far = m.less(m.constant(trigonometricRange(m)), m.abs(x));
  Value any = far;
  if (isa<VectorType>(x.getType()))
    any = vector::ReductionOp::create(builder, loc, vector::CombiningKind::OR, far);
  auto branch = scf::IfOp::create(builder, loc, TypeRange(x.getType()), any, /*withElseRegion=*/true);
  OpBuilder then = branch.getThenBodyBuilder();
  Value outside = callMathLibrary(then, loc, function == Trigonometric::Sin ? "sin" : "cos", x);
  outside = arith::SelectOp::create(then, loc, far, outside, inside);
  scf::YieldOp::create(then, loc, outside);
  OpBuilder otherwise = branch.getElseBodyBuilder();
  scf::YieldOp::create(otherwise, loc, inside);
  return branch.getResult(0);
}

namespace {

/// Replaces an op by what `emit` builds from it, where there are kernels for its type.
template <typename OpTy>
struct Emit : OpRewritePattern<OpTy> {
  using Function = std::function<Value(PatternRewriter &, OpTy)>;
  Emit(MLIRContext *context, Function emit) : OpRewritePattern<OpTy>(context), emit(std::move(emit)) {}

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    if (!hasMathKernels(op.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64 or a vector of them with one dimension");
    rewriter.replaceOp(op, emit(rewriter, op));
    return success();
  }
  Function emit;
};

/// An op that has both results of the trigonometric kernels.
struct EmitSinCos : OpRewritePattern<math::SincosOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::SincosOp op, PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    if (!hasMathKernels(x.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64 or a vector of them with one dimension");
    Value sin = emitSinOrCos(rewriter, op.getLoc(), x, Trigonometric::Sin);
    Value cos = emitSinOrCos(rewriter, op.getLoc(), x, Trigonometric::Cos);
    rewriter.replaceOp(op, ValueRange{sin, cos});
    return success();
  }
};

} // namespace

/// Adds a pattern for `OpTy` that calls `emit(MathBuilder &, op)`.
template <typename OpTy, typename Function>
static void addKernel(RewritePatternSet &patterns, Function emit) {
  patterns.add<Emit<OpTy>>(patterns.getContext(), [emit](PatternRewriter &rewriter, OpTy op) {
    MathBuilder m(rewriter, op.getLoc(), op.getType());
    return emit(m, op);
  });
}

/// Adds a pattern for `OpTy` that calls the library function `name`.
template <typename OpTy>
static void addCall(RewritePatternSet &patterns, StringRef name) {
  patterns.add<Emit<OpTy>>(patterns.getContext(), [name](PatternRewriter &rewriter, OpTy op) {
    return callMathLibrary(rewriter, op.getLoc(), name, op->getOperands());
  });
}

template <typename OpTy>
static void addExp(RewritePatternSet &patterns, ExpBase base, ApproximateMathOptions options) {
  addKernel<OpTy>(patterns, [=](MathBuilder &m, OpTy op) {
    Value x = op.getOperand();
    if (options.hasScalef && m.fitsScalef())
      return emitExpWithScalef(m, x, base);
    return emitExp(m, x, base, op->hasAttr(kNeverPositiveAttr) || hasSign(x, -1), options.plainNaNs);
  });
}

/// x^n with an integer n, computed in double, which holds every n of 32 bits.
static Value emitIntegerPower(PatternRewriter &rewriter, math::FPowIOp op) {
  Location loc = op.getLoc();
  Type type = op.getType(), wide = rewriter.getF64Type();
  if (auto vector = dyn_cast<VectorType>(type))
    wide = vector.clone(wide);
  Value x = op.getLhs();
  if (type != wide)
    x = arith::ExtFOp::create(rewriter, loc, wide, x);
  Value n = arith::SIToFPOp::create(rewriter, loc, wide, op.getRhs());
  Value power = callMathLibrary(rewriter, loc, "pow", {x, n});
  return type == wide ? power : arith::TruncFOp::create(rewriter, loc, type, power).getResult();
}

void keops::populateApproximateMathPatterns(RewritePatternSet &patterns, const ApproximateMathOptions &options) {
  addExp<math::ExpOp>(patterns, ExpBase::E, options);
  addExp<math::Exp2Op>(patterns, ExpBase::Two, options);
  addKernel<math::LogOp>(patterns, [](MathBuilder &m, auto op) { return emitLog(m, op.getOperand(), ExpBase::E); });
  addKernel<math::Log2Op>(patterns, [](MathBuilder &m, auto op) { return emitLog(m, op.getOperand(), ExpBase::Two); });
  addKernel<math::Log1pOp>(patterns, [](MathBuilder &m, auto op) { return emitLogOnePlus(m, op.getOperand()); });
  addKernel<math::RsqrtOp>(patterns, [](MathBuilder &m, auto op) { return emitRsqrt(m, op.getOperand()); });
  addKernel<math::RoundOp>(patterns, [](MathBuilder &m, auto op) { return emitRound(m, op.getOperand()); });

  MLIRContext *context = patterns.getContext();
  patterns.add<Emit<math::SinOp>>(context, [](PatternRewriter &rewriter, math::SinOp op) {
    return emitSinOrCos(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Sin);
  });
  patterns.add<Emit<math::CosOp>>(context, [](PatternRewriter &rewriter, math::CosOp op) {
    return emitSinOrCos(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Cos);
  });
  patterns.add<EmitSinCos>(context);

  patterns.add<Emit<math::FPowIOp>>(context, emitIntegerPower);
  addCall<math::AcosOp>(patterns, "acos");
  addCall<math::AcoshOp>(patterns, "acosh");
  addCall<math::AsinOp>(patterns, "asin");
  addCall<math::AsinhOp>(patterns, "asinh");
  addCall<math::Atan2Op>(patterns, "atan2");
  addCall<math::AtanOp>(patterns, "atan");
  addCall<math::AtanhOp>(patterns, "atanh");
  addCall<math::CbrtOp>(patterns, "cbrt");
  addCall<math::CoshOp>(patterns, "cosh");
  addCall<math::ErfOp>(patterns, "erf");
  addCall<math::ErfcOp>(patterns, "erfc");
  addCall<math::ExpM1Op>(patterns, "expm1");
  addCall<math::Log10Op>(patterns, "log10");
  addCall<math::PowFOp>(patterns, "pow");
  addCall<math::SinhOp>(patterns, "sinh");
  addCall<math::TanOp>(patterns, "tan");
  addCall<math::TanhOp>(patterns, "tanh");
}

LogicalResult keops::approximateMath(Operation *module, const ApproximateMathOptions &options) {
  bool hasError = false;
  ScopedDiagnosticHandler handler(module->getContext(), [&](Diagnostic &diagnostic) {
    hasError |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return failure(); // Others shall handle it.
  });
  RewritePatternSet patterns(module->getContext());
  populateApproximateMathPatterns(patterns, options);
  walkAndApplyPatterns(module, std::move(patterns));
  return failure(hasError);
}
