//===- SimulatedOps.cpp - The operations that the simulator runs -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table with a row for each operation that a kernel may use: how it is
// rewritten, or that it stays because it means the same on any machine. What
// has no row is refused. Whatever a GPU would leave undefined in memory is
// asked for at run time first: the rewrite of a load, a store or a division
// puts a call to the simulator in front of it. That call is opaque and may
// never return, so the optimizer can move no access to memory across it.
//
//===----------------------------------------------------------------------===//

#include "SimulatedOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringMap.h"

#include <cstddef>

using namespace mlir;
using namespace keops::compiler;
using keops::runtime::SimSharedArray;
using keops::runtime::SimSite;
using keops::runtime::SimSpace;
using keops::runtime::SimThread;

Value SimLowering::loadFromThread(Location loc, size_t offset, Type type) {
  Value address = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), thread,
                                      ArrayRef<LLVM::GEPArg>(static_cast<int32_t>(offset)));
  return LLVM::LoadOp::create(builder, loc, type, address);
}

LLVM::CallOp SimLowering::callSimulator(Operation *op, StringRef name, Type result, ArrayRef<Value> operands) {
  SmallVector<Value> all = {thread};
  all.append(operands.begin(), operands.end());
  all.push_back(LLVM::ConstantOp::create(builder, op->getLoc(), builder.getI32Type(),
                                         builder.getI32IntegerAttr(siteNumbers.lookup(op))));
  auto function = host.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(host.getBody());
    // Addresses of all spaces go through the same parameter.
    auto types = llvm::map_to_vector(
        all, [&](Value value) { return isa<LLVM::LLVMPointerType>(value.getType()) ? pointer : value.getType(); });
    function = LLVM::LLVMFuncOp::create(builder, host.getLoc(), name, LLVM::LLVMFunctionType::get(result, types));
  }
  return LLVM::CallOp::create(builder, op->getLoc(), function, all);
}

//===----------------------------------------------------------------------===//
// Rewrites: places and barriers
//===----------------------------------------------------------------------===//

static LogicalResult replaceByIndex(Operation *op, SimLowering &lowering, size_t offset) {
  Value value = lowering.loadFromThread(op->getLoc(), offset, lowering.builder.getI64Type());
  op->replaceAllUsesWith(
      arith::IndexCastOp::create(lowering.builder, op->getLoc(), lowering.builder.getIndexType(), value));
  op->erase();
  return success();
}

/// `Offset` is that of the x component.
template <typename Op, size_t Offset>
static LogicalResult rewriteId(Operation *op, SimLowering &lowering) {
  return replaceByIndex(op, lowering, Offset + sizeof(int64_t) * static_cast<size_t>(cast<Op>(op).getDimension()));
}

static LogicalResult rewriteLaneId(Operation *op, SimLowering &lowering) {
  return replaceByIndex(op, lowering, offsetof(SimThread, lane));
}

static LogicalResult rewriteBarrier(Operation *op, SimLowering &lowering) {
  lowering.callSimulator(op, "keops_sim_barrier", LLVM::LLVMVoidType::get(op->getContext()), {});
  op->erase();
  return success();
}

static LogicalResult rewriteReturn(Operation *op, SimLowering &lowering) {
  LLVM::ReturnOp::create(lowering.builder, op->getLoc(), ValueRange());
  op->erase();
  return success();
}

static LogicalResult rewriteShuffle(Operation *op, SimLowering &lowering) {
  auto shuffle = cast<gpu::ShuffleOp>(op);
  OpBuilder &builder = lowering.builder;
  Location loc = op->getLoc();
  Type type = shuffle.getValue().getType();
  int64_t bits = 1;
  if (auto vector = dyn_cast<VectorType>(type))
    bits = vector.getNumElements();
  bits *= getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  if (bits > 64)
    return op->emitError("a shuffle in the simulator carries at most 64 bits, but this one carries ") << bits;

  SimSite &site = lowering.siteOf(op);
  switch (shuffle.getMode()) {
  case gpu::ShuffleMode::XOR:
    site.shuffle = SimSite::Shuffle::Xor;
    break;
  case gpu::ShuffleMode::UP:
    site.shuffle = SimSite::Shuffle::Up;
    break;
  case gpu::ShuffleMode::DOWN:
    site.shuffle = SimSite::Shuffle::Down;
    break;
  case gpu::ShuffleMode::IDX:
    site.shuffle = SimSite::Shuffle::Index;
    break;
  }
  Type integer = builder.getIntegerType(bits), i64 = builder.getI64Type();
  Value word = LLVM::BitcastOp::create(builder, loc, integer, shuffle.getValue());
  if (bits < 64)
    word = LLVM::ZExtOp::create(builder, loc, i64, word);
  Value result =
      lowering.callSimulator(op, "keops_sim_shuffle", i64, {word, shuffle.getOffset(), shuffle.getWidth()}).getResult();
  if (bits < 64)
    result = LLVM::TruncOp::create(builder, loc, integer, result);
  Value valid = lowering.loadFromThread(loc, offsetof(SimThread, shuffleValid), i64);
  valid = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne, valid,
                               LLVM::ConstantOp::create(builder, loc, i64, builder.getI64IntegerAttr(0)));
  op->replaceAllUsesWith(ValueRange{LLVM::BitcastOp::create(builder, loc, type, result), valid});
  op->erase();
  return success();
}

static LogicalResult rewriteVote(Operation *op, SimLowering &lowering) {
  auto vote = cast<NVVM::VoteSyncOp>(op);
  if (vote.getKind() != NVVM::VoteSyncKind::any)
    return op->emitError("the simulator asks whether any thread says yes, but met ") << lowering.siteOf(op).text;
  OpBuilder &builder = lowering.builder;
  Location loc = op->getLoc();
  Type i32 = builder.getI32Type();
  Value yes = LLVM::ZExtOp::create(builder, loc, i32, vote.getPred());
  Value any = lowering.callSimulator(op, "keops_sim_vote", i32, {vote.getMask(), yes}).getResult();
  op->replaceAllUsesWith(LLVM::TruncOp::create(builder, loc, builder.getI1Type(), any).getOperation());
  op->erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Rewrites: memory
//===----------------------------------------------------------------------===//

std::pair<int64_t, int64_t> keops::compiler::sizeAndAlignment(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return {64, 8};
  int64_t bits = 0;
  if (auto vector = dyn_cast<VectorType>(type); vector && vector.getRank() == 1 && !vector.isScalable())
    bits = vector.getNumElements() * sizeAndAlignment(vector.getElementType()).first;
  if (type.isIntOrFloat())
    bits = type.getIntOrFloatBitWidth();
  return {bits, bits == 0 ? 1 : llvm::PowerOf2Ceil(llvm::divideCeil(bits, 8))};
}

/// Load or store: asks first, then does it on no other promise than that it may.
template <typename Op>
static LogicalResult rewriteAccess(Operation *op, SimLowering &lowering) {
  auto access = cast<Op>(op);
  constexpr bool IsStore = std::is_same_v<Op, LLVM::StoreOp>;
  Type type;
  if constexpr (IsStore)
    type = access.getValue().getType();
  else
    type = access.getType();
  auto [bits, naturalAlignment] = sizeAndAlignment(type);
  if (bits == 0 || access.getOrdering() != LLVM::AtomicOrdering::not_atomic)
    return op->emitError("the simulator reads and writes numbers, pointers and vectors of them, not atomically, but "
                         "met ")
           << lowering.siteOf(op).text;

  SimSite &site = lowering.siteOf(op);
  site.bytes = llvm::divideCeil(bits, 8);
  site.alignment = access.getAlignment().value_or(naturalAlignment);
  site.space = static_cast<SimSpace>(cast<LLVM::LLVMPointerType>(access.getAddr().getType()).getAddressSpace());

  OpBuilder &builder = lowering.builder;
  lowering.callSimulator(op, "keops_sim_access", LLVM::LLVMVoidType::get(op->getContext()), {access.getAddr()});
  if constexpr (IsStore)
    LLVM::StoreOp::create(builder, op->getLoc(), access.getValue(), access.getAddr(), /*alignment=*/1);
  else
    op->replaceAllUsesWith(
        LLVM::LoadOp::create(builder, op->getLoc(), type, access.getAddr(), /*alignment=*/1).getOperation());
  op->erase();
  return success();
}

/// The start of an asynchronous copy from global to shared memory.
static LogicalResult rewriteCopy(Operation *op, SimLowering &lowering) {
  auto copy = cast<NVVM::CpAsyncOp>(op);
  if (copy.getCpSize())
    return op->emitError("the simulator copies a number of bytes that is known, but met ") << lowering.siteOf(op).text;
  SimSite &site = lowering.siteOf(op);
  site.bytes = site.alignment = copy.getSize();
  site.space = SimSpace::Shared;
  lowering.callSimulator(op, "keops_sim_copy", LLVM::LLVMVoidType::get(op->getContext()),
                         {copy.getDst(), copy.getSrc()});
  op->erase();
  return success();
}

static LogicalResult rewriteCommit(Operation *op, SimLowering &lowering) {
  lowering.callSimulator(op, "keops_sim_commit", LLVM::LLVMVoidType::get(op->getContext()), {});
  op->erase();
  return success();
}

static LogicalResult rewriteWait(Operation *op, SimLowering &lowering) {
  Value groups = LLVM::ConstantOp::create(lowering.builder, op->getLoc(), lowering.builder.getI32Type(),
                                          cast<NVVM::CpAsyncWaitGroupOp>(op).getNAttr());
  lowering.callSimulator(op, "keops_sim_wait", LLVM::LLVMVoidType::get(op->getContext()), {groups});
  op->erase();
  return success();
}

/// A function of the C library, which the processor has as well.
static LogicalResult rewriteCall(Operation *op, SimLowering &lowering) {
  auto call = cast<func::CallOp>(op);
  if (lowering.host.lookupSymbol(call.getCallee()))
    return success();
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(lowering.source, call.getCalleeAttr());
  if (!callee || !callee.isExternal())
    return op->emitError("the simulator expects calls of functions of the C library, but met one of @")
           << call.getCallee();
  OpBuilder::InsertionGuard guard(lowering.builder);
  lowering.builder.setInsertionPointToStart(lowering.host.getBody());
  lowering.builder.clone(*callee);
  return success();
}

/// Memory of the thread alone: of the fiber's stack, made known to the simulator.
static LogicalResult rewriteLocal(Operation *op, SimLowering &lowering) {
  auto local = cast<LLVM::AllocaOp>(op);
  auto array = dyn_cast<LLVM::LLVMArrayType>(local.getElemType());
  auto [bits, alignment] = array ? sizeAndAlignment(array.getElementType()) : std::pair<int64_t, int64_t>(0, 1);
  APInt count;
  if (bits == 0 || !matchPattern(local.getArraySize(), m_ConstantInt(&count)) || !count.isOne() ||
      op->getParentOp()->getParentOp() != lowering.host)
    return op->emitError("the simulator expects a thread's own memory to be one array of numbers, made at the start of "
                         "the kernel, but met ")
           << lowering.siteOf(op).text;
  OpBuilder &builder = lowering.builder;
  int64_t bytes = static_cast<int64_t>(array.getNumElements()) * llvm::divideCeil(bits, 8);
  // An index a little too far lands in no other array.
  constexpr int64_t gap = 64;
  local.setElemType(LLVM::LLVMArrayType::get(builder.getI8Type(), bytes + gap));
  lowering.program.localBytes += llvm::alignTo(bytes + gap, local.getAlignment().value_or(alignment));
  builder.setInsertionPointAfter(op);
  Value size = LLVM::ConstantOp::create(builder, op->getLoc(), builder.getI64Type(), builder.getI64IntegerAttr(bytes));
  lowering.callSimulator(op, "keops_sim_local", LLVM::LLVMVoidType::get(op->getContext()), {local.getResult(), size});
  return success();
}

/// An address computed in bounds by promise would be undefined before the
/// simulator could say that it is not.
static LogicalResult rewriteAddress(Operation *op, SimLowering &) {
  cast<LLVM::GEPOp>(op).setNoWrapFlags(LLVM::GEPNoWrapFlags::none);
  return success();
}

static LogicalResult rewriteAddressOf(Operation *op, SimLowering &lowering) {
  StringRef name = cast<LLVM::AddressOfOp>(op).getGlobalName();
  auto array = llvm::find_if(lowering.program.sharedArrays,
                             [&](const SimSharedArray &candidate) { return name == candidate.name; });
  if (array == lowering.program.sharedArrays.end())
    return op->emitError("the simulator knows shared arrays only, but `") << name << "` is not one";
  OpBuilder &builder = lowering.builder;
  Value base = lowering.loadFromThread(op->getLoc(), offsetof(SimThread, shared), lowering.pointer);
  Value address = LLVM::GEPOp::create(builder, op->getLoc(), lowering.pointer, builder.getI8Type(), base,
                                      ArrayRef<LLVM::GEPArg>(static_cast<int32_t>(array->offset)));
  // The old type until all spaces are erased: loads and stores still ask for it.
  op->replaceAllUsesWith(
      LLVM::AddrSpaceCastOp::create(builder, op->getLoc(), op->getResult(0).getType(), address).getOperation());
  op->erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Rewrites: integer division, which a GPU survives and a processor does not
//===----------------------------------------------------------------------===//

template <bool IsSigned>
static LogicalResult rewriteDivision(Operation *op, SimLowering &lowering) {
  Value dividend = op->getOperand(0), divisor = op->getOperand(1);
  Type type = divisor.getType();
  APInt constant;
  if (matchPattern(divisor, m_ConstantInt(&constant)) && !constant.isZero() && !constant.isAllOnes())
    return success();
  if (!type.isIntOrIndex())
    return op->emitError("the simulator divides single integers or by a constant, not ") << type;

  OpBuilder &builder = lowering.builder;
  Location loc = op->getLoc();
  auto compare = [&](arith::CmpIPredicate predicate, Value value, const APInt &with) -> Value {
    Value constant = arith::ConstantOp::create(builder, loc, type, builder.getIntegerAttr(type, with));
    return arith::CmpIOp::create(builder, loc, predicate, value, constant);
  };
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  Value permitted = compare(arith::CmpIPredicate::ne, divisor, APInt::getZero(width));
  if (IsSigned) {
    Value noMinimum = compare(arith::CmpIPredicate::ne, dividend, APInt::getSignedMinValue(width));
    Value noMinusOne = compare(arith::CmpIPredicate::ne, divisor, APInt::getAllOnes(width));
    Value noOverflow = arith::OrIOp::create(builder, loc, noMinimum, noMinusOne);
    permitted = arith::AndIOp::create(builder, loc, permitted, noOverflow);
  }
  permitted = arith::ExtUIOp::create(builder, loc, builder.getI32Type(), permitted);
  lowering.callSimulator(op, "keops_sim_divide", LLVM::LLVMVoidType::get(op->getContext()), {permitted});
  return success();
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

/// An operation that means the same on any machine.
static constexpr SimulatedOp Stays;

static llvm::StringMap<SimulatedOp> makeTable() {
  using Kind = SimSite::Kind;
  llvm::StringMap<SimulatedOp> table;
  auto add = [&](ArrayRef<StringRef> names, SimulatedOp op) {
    for (StringRef name : names)
      table[name] = op;
  };

  table["gpu.thread_id"] = {rewriteId<gpu::ThreadIdOp, offsetof(SimThread, threadId)>, std::nullopt};
  table["gpu.block_id"] = {rewriteId<gpu::BlockIdOp, offsetof(SimThread, blockId)>, std::nullopt};
  table["gpu.block_dim"] = {rewriteId<gpu::BlockDimOp, offsetof(SimThread, blockDim)>, std::nullopt};
  table["gpu.grid_dim"] = {rewriteId<gpu::GridDimOp, offsetof(SimThread, gridDim)>, std::nullopt};
  table["gpu.lane_id"] = {rewriteLaneId, std::nullopt};
  table["gpu.barrier"] = {rewriteBarrier, Kind::Barrier};
  table["gpu.shuffle"] = {rewriteShuffle, Kind::Shuffle};
  table["nvvm.vote.sync"] = {rewriteVote, Kind::Vote};
  table["gpu.return"] = {rewriteReturn, std::nullopt};

  table["llvm.load"] = {rewriteAccess<LLVM::LoadOp>, Kind::Load};
  table["llvm.store"] = {rewriteAccess<LLVM::StoreOp>, Kind::Store};
  table["llvm.getelementptr"] = {rewriteAddress, std::nullopt};
  table["nvvm.cp.async.shared.global"] = {rewriteCopy, Kind::Copy};
  table["nvvm.cp.async.commit.group"] = {rewriteCommit, Kind::Commit};
  table["nvvm.cp.async.wait.group"] = {rewriteWait, Kind::Wait};
  table["func.call"] = {rewriteCall, std::nullopt};
  table["llvm.alloca"] = {rewriteLocal, Kind::Local};
  table["llvm.mlir.addressof"] = {rewriteAddressOf, std::nullopt};

  add({"arith.divsi", "arith.remsi", "arith.ceildivsi", "arith.floordivsi"},
      {rewriteDivision</*IsSigned=*/true>, Kind::Division});
  add({"arith.divui", "arith.remui", "arith.ceildivui"}, {rewriteDivision</*IsSigned=*/false>, Kind::Division});

  add({"llvm.addrspacecast", "llvm.inttoptr",       "llvm.ptrtoint",     "llvm.mlir.undef",  "llvm.mlir.poison",
       "llvm.mlir.zero",     "llvm.mlir.constant",  "llvm.intr.exp",     "llvm.intr.exp2",   "llvm.intr.log",
       "llvm.intr.log2",     "llvm.intr.log10",     "llvm.intr.pow",     "llvm.intr.sin",    "llvm.intr.cos",
       "llvm.intr.sqrt",     "llvm.intr.fma",       "llvm.intr.fmuladd", "llvm.intr.fabs",   "llvm.intr.copysign",
       "llvm.intr.floor",    "llvm.intr.ceil",      "llvm.intr.trunc",   "llvm.intr.round",  "llvm.intr.roundeven",
       "llvm.intr.rint",     "llvm.intr.nearbyint", "llvm.intr.minnum",  "llvm.intr.maxnum", "llvm.intr.minimum",
       "llvm.intr.maximum",  "llvm.intr.smin",      "llvm.intr.smax",    "llvm.intr.umin",   "llvm.intr.umax",
       "llvm.intr.abs",      "llvm.intr.ctlz",      "llvm.intr.cttz",    "llvm.intr.ctpop",  "llvm.intr.expect"},
      Stays);

  add({"arith.addf",     "arith.addi",    "arith.addui_extended", "arith.andi",
       "arith.bitcast",  "arith.cmpf",    "arith.cmpi",           "arith.constant",
       "arith.divf",     "arith.extf",    "arith.extsi",          "arith.extui",
       "arith.fptosi",   "arith.fptoui",  "arith.index_cast",     "arith.index_castui",
       "arith.maximumf", "arith.maxnumf", "arith.maxsi",          "arith.maxui",
       "arith.minimumf", "arith.minnumf", "arith.minsi",          "arith.minui",
       "arith.mulf",     "arith.muli",    "arith.mulsi_extended", "arith.mului_extended",
       "arith.negf",     "arith.ori",     "arith.remf",           "arith.select",
       "arith.shli",     "arith.shrsi",   "arith.shrui",          "arith.sitofp",
       "arith.subf",     "arith.subi",    "arith.truncf",         "arith.trunci",
       "arith.uitofp",   "arith.xori"},
      Stays);

  add({"math.absf",  "math.absi",  "math.acos", "math.acosh",    "math.asin",      "math.asinh", "math.atan",
       "math.atan2", "math.atanh", "math.cbrt", "math.ceil",     "math.copysign",  "math.cos",   "math.cosh",
       "math.ctlz",  "math.ctpop", "math.cttz", "math.erf",      "math.erfc",      "math.exp",   "math.exp2",
       "math.expm1", "math.floor", "math.fma",  "math.isfinite", "math.isnan",     "math.log",   "math.log10",
       "math.log1p", "math.log2",  "math.powf", "math.round",    "math.roundeven", "math.rsqrt", "math.sin",
       "math.sinh",  "math.sqrt",  "math.tan",  "math.tanh",     "math.trunc"},
      Stays);

  add({"scf.for", "scf.if", "scf.while", "scf.condition", "scf.yield"}, Stays);

  add({"vector.bitcast", "vector.broadcast", "vector.extract", "vector.extract_strided_slice", "vector.fma",
       "vector.from_elements", "vector.insert", "vector.insert_strided_slice", "vector.reduction", "vector.shape_cast",
       "vector.shuffle", "vector.step", "vector.to_elements"},
      Stays);
  return table;
}

const SimulatedOp *keops::compiler::findSimulatedOp(StringRef name) {
  static const llvm::StringMap<SimulatedOp> table = makeTable();
  auto row = table.find(name);
  return row == table.end() ? nullptr : &row->second;
}
