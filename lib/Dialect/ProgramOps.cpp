//===- ProgramOps.cpp - Several passes over the pairs, one after the other -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Typing and derivatives of ops that move rows, which are each other's adjoints,
// and what holds between a program and the formulas that it calls.
//
//===----------------------------------------------------------------------===//

#include "Signature.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace keops;

static VecType typeOf(Value value) { return cast<VecType>(value.getType()); }

static IndexSet setOf(ReducedIndex index) { return static_cast<IndexSet>(index); }

static IndexSet without(IndexSet set, IndexSet removed) {
  return static_cast<IndexSet>(static_cast<uint32_t>(set) & ~static_cast<uint32_t>(removed));
}

/// Types are inferred before an op is verified, and before its attributes have their default values.
static int64_t groupsOf(IntegerAttr groups) { return groups ? std::max<int64_t>(1, groups.getInt()) : 1; }

/// G1, and what of G2 does not ask for the other dimension.
static LogicalResult verifyRows(Operation *op, Value rows, ReducedIndex over, int64_t groups) {
  VecType type = typeOf(rows);
  if (contains(type.getIndices(), setOf(over)))
    return op->emitOpError("expects row numbers that do not depend on '")
           << toString(setOf(over)) << "', whose rows they are, got " << type;
  if (groups < 1 || type.getDim() % groups != 0)
    return op->emitOpError("expects groups that divide the ") << type.getDim() << " row numbers evenly, got " << groups;
  return success();
}

//===----------------------------------------------------------------------===//
// gather
//===----------------------------------------------------------------------===//

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                         DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  VecType operand = typeOf(operands[0]), rows = typeOf(operands[1]);
  int64_t groups = groupsOf(adaptor.getProperties().groups);
  IndexSet set = without(operand.getIndices(), setOf(adaptor.getOver())) | rows.getIndices();
  types.push_back(operand.withDim(operand.getDim() / groups * rows.getDim()).withIndices(set));
  return success();
}

LogicalResult GatherOp::verify() {
  int64_t groups = getGroups();
  if (failed(verifyRows(*this, getRows(), getOver(), groups)))
    return failure();
  if (getOperand().getType().getDim() % groups != 0)
    return emitOpError("expects groups that divide the operand's dimension ")
           << getOperand().getType().getDim() << " evenly, got " << groups;
  return success();
}

Value GatherOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  if (!tangents[0])
    return {};
  Value tangent = b.fit(tangents[0], getOperand().getType().getDim());
  return GatherOp::create(b.getBuilder(), b.getLoc(), tangent, getOver(), getRows(), getGroups());
}

Value GatherOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  if (operand != 0)
    return {};
  cotangent = b.fit(cotangent, getType().getDim());
  bool total = getOperand().getType().getIndices() == setOf(getOver());
  return ScatterOp::create(b.getBuilder(), b.getLoc(), cotangent, getOver(), getRows(), getGroups(), total);
}

bool GatherOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable[0] && !variable[1]; }

//===----------------------------------------------------------------------===//
// scatter
//===----------------------------------------------------------------------===//

LogicalResult ScatterOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                          DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                          SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  VecType operand = typeOf(operands[0]), rows = typeOf(operands[1]);
  int64_t groups = groupsOf(adaptor.getProperties().groups);
  IndexSet set = setOf(adaptor.getOver());
  if (!adaptor.getTotal())
    set = set | operand.getIndices() | rows.getIndices();
  types.push_back(operand.withDim(std::max<int64_t>(1, operand.getDim() / rows.getDim() * groups)).withIndices(set));
  return success();
}

LogicalResult ScatterOp::verify() {
  if (failed(verifyRows(*this, getRows(), getOver(), getGroups())))
    return failure();
  if (getOperand().getType().getDim() % getRows().getType().getDim() != 0)
    return emitOpError("expects an operand whose dimension is a multiple of the ")
           << getRows().getType().getDim() << " row numbers, got dimension " << getOperand().getType().getDim();
  if (getTotal() && contains(getOperand().getType().getIndices(), setOf(getOver())))
    return emitOpError("is a total and expects an operand that does not depend on '")
           << toString(setOf(getOver())) << "', got " << getOperand().getType();
  return success();
}

Value ScatterOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  if (!tangents[0])
    return {};
  Value tangent = b.fit(tangents[0], getOperand().getType().getDim());
  return ScatterOp::create(b.getBuilder(), b.getLoc(), tangent, getOver(), getRows(), getGroups(), getTotal());
}

Value ScatterOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  if (operand != 0)
    return {};
  cotangent = b.fit(cotangent, getType().getDim());
  return GatherOp::create(b.getBuilder(), b.getLoc(), cotangent, getOver(), getRows(), getGroups());
}

bool ScatterOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable[0] && !variable[1]; }

//===----------------------------------------------------------------------===//
// program
//===----------------------------------------------------------------------===//

void ProgramOp::build(OpBuilder &builder, OperationState &state, StringRef name, TypeRange arguments) {
  state.addAttribute("sym_name", builder.getStringAttr(name));
  state.addAttribute("result_types", builder.getTypeArrayAttr({}));
  Block &body = state.addRegion()->emplaceBlock();
  for (Type type : arguments)
    body.addArgument(type, state.location);
}

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &state) {
  if (parseSignature(parser, state))
    return failure();
  ensureTerminator(*state.regions.front(), parser.getBuilder(), state.location);
  return success();
}

void ProgramOp::print(OpAsmPrinter &printer) { printSignature(printer, *this, getSymNameAttr(), getResultTypes(), {}); }

LogicalResult ProgramOp::verify() {
  for (Operation &op : getBody().front().without_terminator()) {
    if (!op.hasTrait<ProgramStep>())
      return (emitOpError("expects calls and movements of rows only, got '") << op.getName() << "'")
                 .attachNote(op.getLoc())
             << "it is here";
    for (Type type : op.getResultTypes())
      if (cast<VecType>(type).getIndices() == IndexSet::IJ)
        return op.emitOpError("gives a value for each pair; a program stores what depends on one index or none");
  }
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  if (failed(verifySignature(*this, getBody(), getResultTypes())) ||
      failed(verifyStorage(*this, getArgumentStorageAttrName(), getArgumentStorage(), getBody().getArgumentTypes())))
    return failure();
  return verifyStorage(*this, getResultStorageAttrName(), getResultStorage(),
                       getBody().front().getTerminator()->getOperandTypes());
}

//===----------------------------------------------------------------------===//
// call
//===----------------------------------------------------------------------===//

/// The type of the numbers in the array that is a value of a program.
static Type heldAs(Value value, Operation *program, SymbolTableCollection &symbols) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return storageOf(cast<ProgramOp>(program).getArgumentStorage(), argument.getArgNumber(), value.getType());
  auto call = value.getDefiningOp<CallOp>();
  auto formula = call ? symbols.lookupNearestSymbolFrom<FormulaFuncOp>(call, call.getCalleeAttr()) : FormulaFuncOp();
  return storageOf(formula ? formula.getResultStorage() : std::nullopt,
                   call ? cast<OpResult>(value).getResultNumber() : 0, value.getType());
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // What lowering makes of a formula has other names and types.
  auto module = (*this)->getParentOfType<ModuleOp>();
  if (module && module.getOps<FormulaFuncOp>().empty())
    return success();
  auto formula = symbols.lookupNearestSymbolFrom<FormulaFuncOp>(*this, getCalleeAttr());
  if (!formula)
    return emitOpError("calls ") << getCalleeAttr() << "; expected the name of a keops.formula";
  Block &body = formula.getBody().front();
  if (body.getNumArguments() != getInputs().size())
    return emitOpError("expects ") << body.getNumArguments() << " operands, as " << getCalleeAttr()
                                   << " has arguments, got " << getInputs().size();
  for (auto [input, argument] : llvm::zip(getInputs(), body.getArguments()))
    if (input.getType() != argument.getType())
      return emitOpError("expects an operand of type ") << argument.getType() << ", got " << input.getType();
  for (auto [n, input] : llvm::enumerate(getInputs())) {
    Type expected = storageOf(formula.getArgumentStorage(), n, input.getType());
    if (Type held = heldAs(input, (*this)->getParentOp(), symbols); held != expected)
      return emitOpError("expects operand ") << n << " as an array of " << expected << ", got one of " << held;
  }
  if (formula.getResultTypes().size() != getNumResults())
    return emitOpError("expects ") << formula.getResultTypes().size() << " results, as " << getCalleeAttr()
                                   << " has, got " << getNumResults();
  for (auto [result, type] : llvm::zip(getResults(), formula.getResultTypes().getAsValueRange<TypeAttr>()))
    if (result.getType() != type)
      return emitOpError("expects a result of type ") << type << ", got " << result.getType();
  for (auto reduce : body.getOps<ReduceOp>())
    if (getOver() != reduce.getOver())
      return emitOpError("expects 'over ")
             << stringifyReducedIndex(reduce.getOver()) << "', the index that " << getCalleeAttr() << " reduces";
  return success();
}
