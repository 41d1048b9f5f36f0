//===- MachineLane.cpp - Lanes of generated code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Emits arith, math, vector and scf.
//
//===----------------------------------------------------------------------===//

#include "MachineLane.h"
#include "keops/Lowering/ApproximateMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace keops;

// A product and a sum may become one fma, which saves a rounding, and a negation may join it, which loses the sign of
// a zero.
static constexpr arith::FastMathFlags kArithmetic = arith::FastMathFlags::contract | arith::FastMathFlags::nsz;
// A carried loop keeps its code small: it is for rare work.
static constexpr int64_t kUnrolledCarriedLoop = 4;

//===----------------------------------------------------------------------===//
// MachineState
//===----------------------------------------------------------------------===//

Type keops::slotType(const StateSlot &slot, Type number, bool wide, unsigned rowBits) {
  MLIRContext *context = number.getContext();
  switch (slot.kind) {
  case StateSlot::Kind::Term:
    return number;
  case StateSlot::Kind::Sum:
    // A tile is summed in the numbers' type and tiles in float64.
    return wide ? Float64Type::get(context) : number;
  case StateSlot::Kind::WideSum:
    return Float64Type::get(context);
  case StateSlot::Kind::Row:
    // Row numbers within a tile are short, others those of the whole array.
    return IntegerType::get(context, wide ? 64 : rowBits);
  }
  llvm_unreachable("all kinds are handled");
}

LaneValue MachineState::get(unsigned slot, LaneIndex element) {
  Value value = cells[slot].empty() ? load(slot, element) : cells[slot][element.constant];
  if (rowBase && getElementTypeOrSelf(value).isInteger()) {
    value = lane->convert(value, lane->builder.getI64Type());
    Value base = isa<VectorType>(value.getType()) ? lane->splat(rowBase) : rowBase;
    value = arith::AddIOp::create(lane->builder, lane->loc, value, base);
  }
  return {value};
}

void MachineState::set(unsigned slot, LaneIndex element, LaneValue value) {
  Value converted = lane->convert(value.ssa, getElementTypeOrSelf(types[slot]));
  if (isa<VectorType>(types[slot]))
    converted = lane->splat(converted);
  if (mask) {
    Value old = cells[slot].empty() ? load(slot, element) : cells[slot][element.constant];
    converted = arith::SelectOp::create(lane->builder, lane->loc, mask, converted, old);
  }
  if (cells[slot].empty())
    store(slot, element, converted);
  else
    cells[slot][element.constant] = converted;
}

SmallVector<Value> MachineState::flatten() const {
  SmallVector<Value> values;
  for (const auto &slot : cells)
    llvm::append_range(values, slot);
  return values;
}

void MachineState::unflatten(ValueRange values) {
  size_t next = 0;
  for (auto &slot : cells)
    for (Value &cell : slot)
      cell = values[next++];
}

SmallVector<Value> keops::flatten(ArrayRef<MachineState> states) {
  SmallVector<Value> values;
  for (const MachineState &state : states)
    llvm::append_range(values, state.flatten());
  return values;
}

void keops::unflatten(MutableArrayRef<MachineState> states, ValueRange values) {
  for (MachineState &state : states) {
    size_t count = state.flatten().size();
    state.unflatten(values.take_front(count));
    values = values.drop_front(count);
  }
}

//===----------------------------------------------------------------------===//
// Types and constants
//===----------------------------------------------------------------------===//

Type MachineLane::laneType(Type type) const { return lanes == 1 ? type : VectorType::get({lanes}, type); }

Value MachineLane::splat(Value value) {
  if (lanes == 1 || isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(builder, loc, laneType(value.getType()), value);
}

void MachineLane::unify(Value &a, Value &b) {
  Type x = getElementTypeOrSelf(a), y = getElementTypeOrSelf(b);
  if (x != y && x.getIntOrFloatBitWidth() < y.getIntOrFloatBitWidth())
    a = convert(a, y);
  else if (x != y)
    b = convert(b, x);
  if (isa<VectorType>(a.getType()) || isa<VectorType>(b.getType())) {
    a = splat(a);
    b = splat(b);
  }
}

Value MachineLane::convert(Value value, Type elementType) {
  Type from = getElementTypeOrSelf(value);
  if (from == elementType)
    return value;
  Type to = isa<VectorType>(value.getType()) ? cast<VectorType>(value.getType()).clone(elementType) : elementType;
  unsigned before = from.getIntOrFloatBitWidth(), after = elementType.getIntOrFloatBitWidth();
  if (isa<FloatType>(from) && isa<FloatType>(elementType))
    return before < after ? arith::ExtFOp::create(builder, loc, to, value).getResult()
                          : arith::TruncFOp::create(builder, loc, to, value).getResult();
  if (isa<FloatType>(elementType))
    return arith::SIToFPOp::create(builder, loc, to, value);
  return before < after ? arith::ExtSIOp::create(builder, loc, to, value).getResult()
                        : arith::TruncIOp::create(builder, loc, to, value).getResult();
}

Value MachineLane::index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }
Value MachineLane::i64(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }

Value MachineLane::position(LaneIndex d) {
  if (d.isConstant())
    return i64(d.constant);
  if (!d.ssa.getType().isIndex())
    return d.ssa;
  return arith::IndexCastOp::create(builder, loc, builder.getI64Type(), d.ssa);
}

LaneValue MachineLane::constant(double value) {
  return {arith::ConstantOp::create(builder, loc, builder.getFloatAttr(element, value))};
}

LaneValue MachineLane::rowNumber(int64_t value) { return {i64(value)}; }

LaneValue MachineLane::number(LaneIndex d) {
  if (d.isConstant())
    return constant(static_cast<double>(d.constant));
  return {arith::SIToFPOp::create(builder, loc, element, position(d))};
}

LaneValue MachineLane::indexNumber(IndexSet) { return {convert(indexNumbers(), element)}; }

LaneValue MachineLane::largest() {
  return constant(element.isF32() ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max());
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

LaneValue MachineLane::boundedExp(LaneValue x) {
  LaneValue result = exp(x);
  result.ssa.getDefiningOp()->setAttr(kNeverPositiveAttr, builder.getUnitAttr());
  return result;
}

/// 2^(x·c − shift·c) with c = log₂ e: the factor of the exponential and the difference are one multiply-add.
LaneValue MachineLane::expOfDifference(LaneValue x, LaneValue shift) {
  LaneValue factor = constant(1 / std::log(2.0));
  Value offset = unary(UnaryKind::Neg, mul(shift, factor)).ssa, a = x.ssa, b = factor.ssa;
  unify(a, offset);
  unify(a, b);
  return {math::Exp2Op::create(builder, loc, math::FmaOp::create(builder, loc, a, b, offset))};
}

LaneValue MachineLane::unary(UnaryKind kind, LaneValue x) {
  Value v = x.ssa;
  switch (kind) {
  case UnaryKind::Neg:
    return {arith::NegFOp::create(builder, loc, v, kArithmetic)};
  case UnaryKind::Abs:
    return {math::AbsFOp::create(builder, loc, v)};
  case UnaryKind::Floor:
    return {math::FloorOp::create(builder, loc, v)};
  case UnaryKind::Round:
    return {math::RoundOp::create(builder, loc, v)};
  case UnaryKind::Exp:
    return {math::ExpOp::create(builder, loc, v)};
  case UnaryKind::Log:
    return {math::LogOp::create(builder, loc, v)};
  case UnaryKind::Sin:
    return {math::SinOp::create(builder, loc, v)};
  case UnaryKind::Cos:
    return {math::CosOp::create(builder, loc, v)};
  case UnaryKind::Asin:
    return {math::AsinOp::create(builder, loc, v)};
  case UnaryKind::Acos:
    return {math::AcosOp::create(builder, loc, v)};
  case UnaryKind::Atan:
    return {math::AtanOp::create(builder, loc, v)};
  case UnaryKind::Tanh:
    return {math::TanhOp::create(builder, loc, v)};
  case UnaryKind::Erf:
    return {math::ErfOp::create(builder, loc, v)};
  case UnaryKind::Sqrt:
    return {math::SqrtOp::create(builder, loc, v)};
  case UnaryKind::Exp2:
    return {math::Exp2Op::create(builder, loc, v)};
  case UnaryKind::Log2:
    return {math::Log2Op::create(builder, loc, v)};
  case UnaryKind::Expm1:
    return {math::ExpM1Op::create(builder, loc, v)};
  case UnaryKind::Log1p:
    return {math::Log1pOp::create(builder, loc, v)};
  case UnaryKind::Sinh:
    return {math::SinhOp::create(builder, loc, v)};
  case UnaryKind::Cosh:
    return {math::CoshOp::create(builder, loc, v)};
  case UnaryKind::Tan:
    return {math::TanOp::create(builder, loc, v)};
  case UnaryKind::Lgamma:
    // The math dialect has no such op.
    return {callMathLibrary(builder, loc, "lgamma", v)};
  }
  llvm_unreachable("all kinds are handled");
}

LaneValue MachineLane::binary(BinaryKind kind, LaneValue x, LaneValue y) {
  Value a = x.ssa, b = y.ssa;
  unify(a, b);
  switch (kind) {
  case BinaryKind::Add:
    // A product then begins with what is added to it, which is no instruction of its own.
    return {arith::AddFOp::create(builder, loc, a, b,
                                  reassociates ? kArithmetic | arith::FastMathFlags::reassoc : kArithmetic)};
  case BinaryKind::Sub:
    return {arith::SubFOp::create(builder, loc, a, b, kArithmetic)};
  case BinaryKind::Mul:
    return {arith::MulFOp::create(builder, loc, a, b, kArithmetic)};
  case BinaryKind::Div:
    return {arith::DivFOp::create(builder, loc, a, b)};
  case BinaryKind::Powf:
    return {math::PowFOp::create(builder, loc, a, b)};
  case BinaryKind::Atan2: {
    // At the origin the angle is 0: the sign of a zero, which arithmetic does not keep, must not make it π. (C's atan2
    // asks for that sign, and math.atan2 folds to NaN there.)
    LaneValue zero = constant(0);
    LaneValue origin = maskAnd(compare(CompareKind::EQ, {a}, zero), compare(CompareKind::EQ, {b}, zero));
    return {math::Atan2Op::create(builder, loc, a, select(origin, constant(1), {b}).ssa)};
  }
  }
  llvm_unreachable("all kinds are handled");
}

LaneValue MachineLane::compare(CompareKind kind, LaneValue x, LaneValue y) {
  Value a = x.ssa, b = y.ssa;
  unify(a, b);
  if (getElementTypeOrSelf(a).isInteger()) {
    static constexpr arith::CmpIPredicate predicates[] = {arith::CmpIPredicate::eq, arith::CmpIPredicate::ne,
                                                          arith::CmpIPredicate::slt, arith::CmpIPredicate::sle};
    return {arith::CmpIOp::create(builder, loc, predicates[static_cast<int>(kind)], a, b)};
  }
  static constexpr arith::CmpFPredicate predicates[] = {arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE,
                                                        arith::CmpFPredicate::OLT, arith::CmpFPredicate::OLE};
  return {arith::CmpFOp::create(builder, loc, predicates[static_cast<int>(kind)], a, b)};
}

LaneValue MachineLane::select(LaneValue mask, LaneValue x, LaneValue y) {
  Value m = mask.ssa, a = x.ssa, b = y.ssa;
  unify(a, b);
  if (isa<VectorType>(m.getType())) {
    a = splat(a);
    b = splat(b);
  }
  return {arith::SelectOp::create(builder, loc, m, a, b)};
}

LaneValue MachineLane::maskAnd(LaneValue x, LaneValue y) {
  Value a = x.ssa, b = y.ssa;
  unify(a, b);
  return {arith::AndIOp::create(builder, loc, a, b)};
}

LaneValue MachineLane::maskOr(LaneValue x, LaneValue y) {
  Value a = x.ssa, b = y.ssa;
  unify(a, b);
  return {arith::OrIOp::create(builder, loc, a, b)};
}

LaneIndex MachineLane::indexOp(IndexKind kind, LaneIndex a, LaneIndex b) {
  Value x = position(a), y = position(b);
  switch (kind) {
  case IndexKind::Add:
    return LaneIndex(arith::AddIOp::create(builder, loc, x, y).getResult());
  case IndexKind::Mul:
    return LaneIndex(arith::MulIOp::create(builder, loc, x, y).getResult());
  case IndexKind::Div:
    return LaneIndex(arith::DivUIOp::create(builder, loc, x, y).getResult());
  case IndexKind::Rem:
    return LaneIndex(arith::RemUIOp::create(builder, loc, x, y).getResult());
  }
  llvm_unreachable("all kinds are handled");
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

LaneValue MachineLane::indexBranch(LaneIndex, int64_t, llvm::function_ref<LaneValue()>,
                                   llvm::function_ref<LaneValue()>) {
  llvm_unreachable("tiling has made an scf.if of it");
}

LaneValue MachineLane::fold(ReductionInterface, int64_t, llvm::function_ref<LaneValue(LaneIndex)>) {
  llvm_unreachable("tiling has made a level of it");
}

/// True if `mask` holds on one of the lanes, which are taken one by one: bits of a vector would be packed into a word
/// first. Of masks that were joined, each is for itself: one that a loop does not change is computed before the loop.
static Value joinLanes(OpBuilder &builder, Location loc, Value mask) {
  if (auto either = mask.getDefiningOp<arith::OrIOp>())
    return arith::OrIOp::create(builder, loc, joinLanes(builder, loc, either.getLhs()),
                                joinLanes(builder, loc, either.getRhs()));
  Value any = vector::ExtractOp::create(builder, loc, mask, 0);
  for (int64_t lane = 1; lane < cast<VectorType>(mask.getType()).getNumElements(); ++lane)
    any = arith::OrIOp::create(builder, loc, any, vector::ExtractOp::create(builder, loc, mask, lane));
  return any;
}

void MachineLane::ifAny(LaneValue mask, llvm::function_ref<void()> body, MutableArrayRef<LaneValue> values) {
  Value any = mask.ssa;
  auto vector = dyn_cast<VectorType>(any.getType());
  if (vector && !registerLanes) {
    any = joinLanes(builder, loc, any);
  } else if (vector) {
    int64_t count = vector.getNumElements();
    Type bits = builder.getIntegerType(element.getIntOrFloatBitWidth());
    auto compare = any.getDefiningOp<arith::CmpFOp>();
    if (compare && compare.getPredicate() == arith::CmpFPredicate::OLT && count > registerLanes &&
        count % registerLanes == 0) {
      // a < b where a − b is negative, and one mask for the sign bits of all registers: masks of many lanes would be
      // packed before a test. A NaN may have the sign, too; then the body finds nothing to do.
      Value difference = arith::SubFOp::create(builder, loc, compare.getLhs(), compare.getRhs());
      difference = arith::BitcastOp::create(builder, loc, VectorType::get({count}, bits), difference);
      Value joined;
      for (int64_t first = 0; first < count; first += registerLanes) {
        Value part = vector::ExtractStridedSliceOp::create(builder, loc, difference, first, registerLanes,
                                                           /*strides=*/1);
        joined = joined ? arith::OrIOp::create(builder, loc, joined, part).getResult() : part;
      }
      Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(joined.getType()));
      any = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, joined, zero);
      count = registerLanes;
    }
    // As integers of the numbers' width, so that an x86 test of a whole vector serves.
    Value wide = arith::ExtSIOp::create(builder, loc, VectorType::get({count}, bits), any);
    Value joined = vector::ReductionOp::create(builder, loc, vector::CombiningKind::OR, wide);
    Value zero = arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(joined.getType(), 0));
    any = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, joined, zero);
  }
  if (putOff) {
    putOff->push_back(any);
    return;
  }
  // What is moved to and from the stack is moved in the rare branch then.
  Value no = arith::ConstantIntOp::create(builder, loc, 0, 1);
  any = LLVM::ExpectOp::create(builder, loc, any, no);
  auto carried = [&] {
    SmallVector<Value> all = registers ? registers->flatten() : SmallVector<Value>();
    for (const LaneValue &value : values)
      all.push_back(value.ssa);
    return all;
  };
  SmallVector<Value> before = carried();
  auto ifOp = scf::IfOp::create(builder, loc, ValueRange(before).getTypes(), any, /*withElseRegion=*/!before.empty());
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(ifOp.thenBlock());
    body();
    if (!before.empty()) {
      scf::YieldOp::create(builder, loc, carried());
      builder.setInsertionPointToStart(ifOp.elseBlock());
      scf::YieldOp::create(builder, loc, before);
    }
  }
  ValueRange results = ifOp.getResults();
  if (registers)
    registers->unflatten(results.drop_back(values.size()));
  for (auto [value, result] : llvm::zip(values, results.take_back(values.size())))
    value = {result};
}

void MachineLane::forEach(int64_t count, llvm::function_ref<void(LaneIndex)> body) {
  if (unrolls(count)) {
    for (int64_t d = 0; d < count; ++d)
      body(d);
    return;
  }
  int64_t done = count / panel * panel;
  if (done > 0) {
    scf::ForOp loop = scf::ForOp::create(builder, loc, i64(0), i64(done), i64(panel));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    for (int64_t d = 0; d < panel; ++d)
      body(add(LaneIndex(loop.getInductionVar()), d));
  }
  for (int64_t d = done; d < count; ++d)
    body(d);
}

SmallVector<LaneValue>
MachineLane::loop(int64_t count, ArrayRef<LaneValue> carried,
                  llvm::function_ref<SmallVector<LaneValue>(LaneIndex, ArrayRef<LaneValue>)> body) {
  SmallVector<LaneValue> now(carried);
  if (count <= std::min(std::max<int64_t>(unroll, 1), kUnrolledCarriedLoop)) {
    for (int64_t d = 0; d < count; ++d)
      now = body(d, now);
    return now;
  }
  SmallVector<Value> values = llvm::map_to_vector(now, [&](const LaneValue &value) { return splat(value.ssa); });
  auto loop = scf::ForOp::create(builder, loc, i64(0), i64(count), i64(1), values);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    now = llvm::map_to_vector(loop.getRegionIterArgs(), [](Value value) { return LaneValue{value}; });
    now = body(LaneIndex(loop.getInductionVar()), now);
    for (auto [value, carriedValue] : llvm::zip(values, now))
      value = splat(convert(carriedValue.ssa, getElementTypeOrSelf(value)));
    if (!values.empty()) // A loop that carries nothing has its terminator already.
      scf::YieldOp::create(builder, loc, values);
  }
  return llvm::map_to_vector(loop.getResults(), [](Value value) { return LaneValue{value}; });
}

namespace {
/// The one operand of a fold, and its position as row number.
class ComponentTerm : public ReductionTerm {
public:
  ComponentTerm(MachineLane &lane, llvm::function_ref<LaneValue(LaneIndex)> component, LaneIndex d)
      : lane(lane), component(component), d(d) {}
  LaneValue get(unsigned, LaneIndex) override { return component(d); }
  LaneValue row() override { return {lane.position(d)}; }

private:
  MachineLane &lane;
  llvm::function_ref<LaneValue(LaneIndex)> component;
  LaneIndex d;
};
} // namespace

SmallVector<LaneValue> MachineLane::contract(ReductionInterface reduction, int64_t count, bool vector, unsigned folds,
                                             llvm::function_ref<LaneValue(unsigned, LaneIndex)> component) {
  MachineState *outer = registers;
  SmallVector<MachineState, 2> states(folds);
  for (MachineState &state : states) {
    state.dims = {1};
    state.lane = this;
    for (const StateSlot &slot : reduction.slots({1})) {
      Type type = slot.kind == StateSlot::Kind::Row       ? builder.getI64Type()
                  : slot.kind == StateSlot::Kind::WideSum ? builder.getF64Type()
                                                          : element;
      state.types.push_back(vector ? laneType(type) : type);
      state.cells.emplace_back(slot.count);
    }
    registers = &state;
    reduction.init(*this, state);
  }
  auto step = [&](LaneIndex d) {
    for (auto [fold, state] : llvm::enumerate(states)) {
      registers = &state;
      auto get = [&, fold = fold](LaneIndex d) { return component(fold, d); };
      ComponentTerm term(*this, get, d);
      reduction.accumulate(*this, state, {&term});
    }
  };
  int64_t done = 0;
  if (!unrolls(count)) {
    done = count / levelPanel * levelPanel;
    auto loop = scf::ForOp::create(builder, loc, i64(0), i64(done), i64(levelPanel), flatten(states));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    unflatten(states, loop.getRegionIterArgs());
    for (int64_t d = 0; d < levelPanel; ++d)
      step(add(LaneIndex(loop.getInductionVar()), d));
    scf::YieldOp::create(builder, loc, flatten(states));
    unflatten(states, loop.getResults());
  }
  for (int64_t d = done; d < count; ++d)
    step(d);
  SmallVector<LaneValue> results;
  for (MachineState &state : states) {
    registers = &state;
    results.push_back({convert(reduction.finalize(*this, state, 0, 0).ssa, element)});
  }
  registers = outer;
  return results;
}
