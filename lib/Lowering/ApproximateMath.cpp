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
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
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

/// How the names of the functions begin that are made here, and of those that loop over lanes.
static constexpr StringLiteral ownPrefix = "keops_", helperPrefix = "keops_each_";

/// The function `name` in the symbol table around the insertion point, declared
/// private with `type` if it is not there. Null, with an error, where the name
/// means something else.
static func::FuncOp getFunction(OpBuilder &builder, Location loc, StringRef name, FunctionType type) {
  Operation *table = SymbolTable::getNearestSymbolTable(builder.getInsertionBlock()->getParentOp());
  if (Operation *found = SymbolTable::lookupSymbolIn(table, name)) {
    auto function = dyn_cast<func::FuncOp>(found);
    if (function && function.getFunctionType() == type && function.isPrivate() &&
        (function.isExternal() || name.starts_with(ownPrefix)))
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

/// Keeps a function out of its callers; `attributes` are LLVM's, which are told nothing of those of `func`.
static void keepOut(func::FuncOp function, ArrayRef<StringRef> attributes) {
  function.setNoInline(true);
  function->setAttr("passthrough", Builder(function.getContext()).getStrArrayAttr(attributes));
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
  if (scalar->getParentOfType<gpu::GPUModuleOp>()) {
    // Lanes of a GPU's thread are single values in any case.
    SmallVector<Value> results;
    for (int64_t lane = 0; lane < vector.getNumElements(); ++lane) {
      SmallVector<Value> arguments;
      for (Value operand : operands)
        arguments.push_back(vector::ExtractOp::create(builder, loc, operand, lane));
      results.push_back(func::CallOp::create(builder, loc, scalar, arguments).getResult(0));
    }
    return vector::FromElementsOp::create(builder, loc, vector, results);
  }

  // One helper for each function and number of lanes. Inlined it would bring its
  // calls, and what they spill, into the loop around.
  std::string helperName = (helperPrefix + scalarName + "_" + Twine(vector.getNumElements())).str();
  func::FuncOp helper =
      getFunction(builder, loc, helperName, builder.getFunctionType(operands.getTypes(), TypeRange(type)));
  if (!helper)
    return ub::PoisonOp::create(builder, loc, type);
  if (helper.isExternal()) {
    keepOut(helper, {"noinline", "cold"});
    OpBuilder::InsertionGuard guard(builder);
    Block *entry = helper.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    // By way of memory: a lane whose number is not known leaves a vector that way in any case, with all other lanes.
    auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
    Value one = LLVM::ConstantOp::create(builder, loc, builder.getI64Type(), builder.getI64IntegerAttr(1));
    SmallVector<Value> memory;
    for (Value argument : entry->getArguments()) {
      memory.push_back(LLVM::AllocaOp::create(builder, loc, pointer, vector, one));
      LLVM::StoreOp::create(builder, loc, argument, memory.back());
    }
    Value begin = arith::ConstantIntOp::create(builder, loc, 0, 64);
    Value end = arith::ConstantIntOp::create(builder, loc, vector.getNumElements(), 64);
    scf::ForOp::create(
        builder, loc, begin, end, one, {}, [&](OpBuilder &builder, Location loc, Value lane, ValueRange) {
          SmallVector<Value> arguments;
          Value place;
          for (Value array : llvm::reverse(memory)) {
            place = LLVM::GEPOp::create(builder, loc, pointer, element, array, ArrayRef<LLVM::GEPArg>{lane});
            arguments.insert(arguments.begin(), LLVM::LoadOp::create(builder, loc, element, place).getResult());
          }
          Value result = func::CallOp::create(builder, loc, scalar, arguments).getResult(0);
          // Over the first operand, which is not read again.
          LLVM::StoreOp::create(builder, loc, result, place);
          scf::YieldOp::create(builder, loc);
        });
    Value results = LLVM::LoadOp::create(builder, loc, vector, memory.front());
    func::ReturnOp::create(builder, loc, results);
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

/// More sines and cosines than this are calls of one function each. Every branch costs all code after it: passes of the
/// code generator look from each value through the blocks up to its uses. So many have no registers left that a call
/// could take from them.
static constexpr int64_t mostBranches = 48;

/// The same by a call of a function that all ops of this type share.
static Value callSinOrCos(OpBuilder &builder, Location loc, Value x, Trigonometric function) {
  Type type = x.getType();
  auto vector = dyn_cast<VectorType>(type);
  std::string name = (ownPrefix + (function == Trigonometric::Sin ? "sin" : "cos") +
                      (getElementTypeOrSelf(type).isF32() ? "f_" : "_") + Twine(vector ? vector.getNumElements() : 1))
                         .str();
  func::FuncOp shared = getFunction(builder, loc, name, builder.getFunctionType(type, type));
  if (!shared)
    return ub::PoisonOp::create(builder, loc, type);
  if (shared.isExternal()) {
    keepOut(shared, {"noinline"});
    OpBuilder::InsertionGuard guard(builder);
    Block *entry = shared.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    func::ReturnOp::create(builder, loc, emitSinOrCos(builder, loc, entry->getArgument(0), function));
  }
  return func::CallOp::create(builder, loc, shared, x).getResult(0);
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
  using Function = Value (*)(OpBuilder &, Location, Value, Trigonometric);
  EmitSinCos(MLIRContext *context, Function emit) : OpRewritePattern(context), emit(emit) {}

  LogicalResult matchAndRewrite(math::SincosOp op, PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    if (!hasMathKernels(x.getType()))
      return rewriter.notifyMatchFailure(op, "expected f32 or f64 or a vector of them with one dimension");
    Value sin = emit(rewriter, op.getLoc(), x, Trigonometric::Sin);
    Value cos = emit(rewriter, op.getLoc(), x, Trigonometric::Cos);
    rewriter.replaceOp(op, ValueRange{sin, cos});
    return success();
  }
  Function emit;
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

static void populate(RewritePatternSet &patterns, const ApproximateMathOptions &options, EmitSinCos::Function emit) {
  addExp<math::ExpOp>(patterns, ExpBase::E, options);
  addExp<math::Exp2Op>(patterns, ExpBase::Two, options);
  addKernel<math::LogOp>(patterns, [](MathBuilder &m, auto op) { return emitLog(m, op.getOperand(), ExpBase::E); });
  addKernel<math::Log2Op>(patterns, [](MathBuilder &m, auto op) { return emitLog(m, op.getOperand(), ExpBase::Two); });
  addKernel<math::Log1pOp>(patterns, [](MathBuilder &m, auto op) { return emitLogOnePlus(m, op.getOperand()); });
  addKernel<math::RsqrtOp>(patterns, [](MathBuilder &m, auto op) { return emitRsqrt(m, op.getOperand()); });
  addKernel<math::RoundOp>(patterns, [](MathBuilder &m, auto op) { return emitRound(m, op.getOperand()); });

  MLIRContext *context = patterns.getContext();
  patterns.add<Emit<math::SinOp>>(context, [emit](PatternRewriter &rewriter, math::SinOp op) {
    return emit(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Sin);
  });
  patterns.add<Emit<math::CosOp>>(context, [emit](PatternRewriter &rewriter, math::CosOp op) {
    return emit(rewriter, op.getLoc(), op.getOperand(), Trigonometric::Cos);
  });
  patterns.add<EmitSinCos>(context, emit);

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

void keops::populateApproximateMathPatterns(RewritePatternSet &patterns, const ApproximateMathOptions &options) {
  populate(patterns, options, emitSinOrCos);
}

LogicalResult keops::approximateMath(Operation *module, const ApproximateMathOptions &options) {
  int64_t branches = 0;
  module->walk([&](Operation *op) {
    branches += isa<math::SinOp, math::CosOp>(op) ? 1 : isa<math::SincosOp>(op) ? 2 : 0;
  });
  bool hasError = false;
  ScopedDiagnosticHandler handler(module->getContext(), [&](Diagnostic &diagnostic) {
    hasError |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return failure(); // Others shall handle it.
  });
  RewritePatternSet patterns(module->getContext());
  populate(patterns, options, branches > mostBranches ? callSinOrCos : emitSinOrCos);
  walkAndApplyPatterns(module, std::move(patterns));
  return failure(hasError);
}
