//===- StageEmitter.cpp - Bodies of stages as code on lanes -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ops of the formula level emit themselves through their `component`; here are
// only the tile level's own ops and the arithmetic on positions.
//
//===----------------------------------------------------------------------===//

#include "StageEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace keops;

LaneIndex StageEmitter::position(Value index) {
  auto it = positions.find(index);
  assert(it != positions.end() && "positions are emitted before they are used");
  return it->second;
}

Value StageEmitter::get(Value value, LaneIndex d) {
  if (Value scalar = scalars.lookup(value))
    return scalar;
  auto source = sources.find(value);
  assert(source != sources.end() && "every value has been emitted or bound");
  Value result = source->second(d);
  return result;
}

/// Where the maps end that follow `it`, have as many components, and of which none reads another.
static Block::iterator endOfMaps(Block::iterator it, Block::iterator end) {
  int64_t dim = cast<MapOp>(*it).getType().getDim();
  llvm::SmallDenseSet<Value> results;
  for (; it != end; ++it) {
    auto map = dyn_cast<MapOp>(*it);
    if (!map || map.getType().getDim() != dim)
      break;
    WalkResult reads = map.getBody().walk([&](Operation *op) {
      return llvm::any_of(op->getOperands(), [&](Value operand) { return results.contains(operand); })
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (reads.wasInterrupted())
      break;
    results.insert(map);
  }
  return it;
}

void StageEmitter::emit(Block::iterator begin, Block::iterator end) {
  for (Block::iterator it = begin; it != end;) {
    if (!isa<MapOp>(*it)) {
      emit(&*it++);
      continue;
    }
    bool isLoop = !lane.unrolls(cast<MapOp>(*it).getType().getDim());
    Block::iterator next = isLoop ? endOfMaps(it, end) : std::next(it);
    SmallVector<MapOp> maps;
    for (; it != next; ++it)
      if (!bound.contains(it->getResult(0)))
        maps.push_back(cast<MapOp>(*it));
    if (!maps.empty())
      emitMaps(maps);
  }
}

void StageEmitter::emit(Block &block) { emit(block.begin(), std::prev(block.end())); }

void StageEmitter::emitTogether(MutableArrayRef<StageEmitter> columns, Block &block) {
  Block::iterator end = std::prev(block.end());
  for (Block::iterator it = block.begin(); it != end;) {
    Block::iterator level = std::find_if(it, end, [](Operation &op) { return isa<ContractOp>(op); });
    for (StageEmitter &column : columns)
      column.emit(it, level);
    it = level;
    if (it != end)
      emitContract(columns, cast<ContractOp>(*it++));
  }
}

void StageEmitter::emitContract(MutableArrayRef<StageEmitter> columns, ContractOp contract) {
  StageEmitter &first = columns.front();
  SmallVector<LaneValue> results = first.lane.contract(
      contract.getReduction(), contract.getCount(), first.onLanes(contract), columns.size(),
      [&](unsigned n, LaneIndex d) { return LaneValue{columns[n].emitComponent(contract.getBody(), d)}; });
  for (auto [column, result] : llvm::zip(columns, results))
    column.scalars[contract] = result.ssa;
}

void StageEmitter::emitMaps(ArrayRef<MapOp> maps) {
  MachineState *registers = lane.registers;
  lane.registers = nullptr;
  for (MapOp map : maps) {
    ComponentSource source = [this, map](LaneIndex d) { return loadMap(map, d); };
    // A recurrence reads its own components.
    if (map.getBody().getNumArguments() == 2)
      sources[map.getBody().getArgument(1)] = source;
    sources[map] = std::move(source);
  }
  lane.forEach(MapOp(maps.front()).getType().getDim(), [&](LaneIndex d) {
    for (MapOp map : maps) {
      Value value = emitComponent(map.getBody(), d);
      storeMap(map, d, onLanes(map) ? lane.splat(value) : value);
    }
  });
  lane.registers = registers;
}

Value StageEmitter::emitComponent(Region &region, LaneIndex d) {
  Block &body = region.front();
  positions[body.getArgument(0)] = d;
  emit(body);
  return get(body.getTerminator()->getOperand(0));
}

void StageEmitter::emit(Operation *op) {
  if (isa<AccumulateOp>(op))
    return; // The driver asks for its terms.
  if (auto component = dyn_cast<ComponentOp>(op)) {
    scalars[component] = get(component.getVector(), position(component.getPosition()));
    return;
  }
  if (auto contract = dyn_cast<ContractOp>(op))
    return emitContract(*this, contract);
  if (auto number = dyn_cast<PositionOp>(op)) {
    scalars[number] = lane.number(position(number.getPosition())).ssa;
    return;
  }
  if (auto extend = dyn_cast<ExtendOp>(op)) {
    Value value = get(extend.getOperand());
    scalars[extend] = onLanes(extend) ? lane.splat(value) : value;
    return;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    // Positions decide it: known while unrolling, a real branch in a loop.
    auto emitBranch = [&](Block *block) {
      emit(*block);
      Value value = get(block->getTerminator()->getOperand(0));
      return onLanes(branch.getResult(0)) ? lane.splat(value) : value;
    };
    auto compare = branch.getCondition().getDefiningOp<arith::CmpIOp>();
    LaneIndex d = position(compare.getLhs()), bound = position(compare.getRhs());
    if (d.isConstant()) {
      bool below = static_cast<uint64_t>(d.constant) < static_cast<uint64_t>(bound.constant);
      scalars[branch.getResult(0)] = emitBranch(below ? branch.thenBlock() : branch.elseBlock());
      return;
    }
    Value condition =
        arith::CmpIOp::create(lane.builder, lane.loc, compare.getPredicate(), lane.position(d), lane.position(bound));
    Type type = onLanes(branch.getResult(0)) ? lane.laneType(lane.element) : lane.element;
    auto ifOp = scf::IfOp::create(lane.builder, lane.loc, type, condition, /*withElseRegion=*/true);
    for (auto [from, to] :
         {std::pair(branch.thenBlock(), ifOp.thenBlock()), std::pair(branch.elseBlock(), ifOp.elseBlock())}) {
      OpBuilder::InsertionGuard guard(lane.builder);
      lane.builder.setInsertionPointToStart(to);
      scf::YieldOp::create(lane.builder, lane.loc, emitBranch(from));
    }
    scalars[branch.getResult(0)] = ifOp.getResult(0);
    return;
  }
  if (auto formula = dyn_cast<FormulaOpInterface>(op)) {
    auto operand = [&](unsigned n, LaneIndex) { return LaneValue{get(op->getOperand(n))}; };
    scalars[op->getResult(0)] = formula.component(lane, operand, 0).ssa;
    return;
  }
  // What remains is arithmetic on positions.
  llvm::APInt constant;
  if (matchPattern(op->getResult(0), m_ConstantInt(&constant))) {
    positions[op->getResult(0)] = LaneIndex(constant.getSExtValue());
    return;
  }
  if (isa<arith::CmpIOp>(op))
    return; // Read by the branch that it decides.
  LaneIndex a = position(op->getOperand(0)), b = position(op->getOperand(1));
  positions[op->getResult(0)] = llvm::TypeSwitch<Operation *, LaneIndex>(op)
                                    .Case([&](arith::AddIOp) { return lane.add(a, b); })
                                    .Case([&](arith::MulIOp) { return lane.mul(a, b.constant); })
                                    .Case([&](arith::DivUIOp) { return lane.div(a, b.constant); })
                                    .Case([&](arith::RemUIOp) { return lane.rem(a, b.constant); });
}
