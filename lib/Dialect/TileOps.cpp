//===- TileOps.cpp - The tile level -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verification of kernels: which stage may read what, and what a loop over
// components yields.
//
//===----------------------------------------------------------------------===//

#include "Signature.h"
#include "keops/Dialect/Infer.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace keops;

#define GET_OP_CLASSES
#include "keops/Dialect/KeopsOps.cpp.inc"

//===----------------------------------------------------------------------===//
// kernel
//===----------------------------------------------------------------------===//

void KernelOp::build(OpBuilder &builder, OperationState &state, StringRef name, TypeRange arguments,
                     TypeRange results) {
  state.addAttribute("sym_name", builder.getStringAttr(name));
  state.addAttribute("result_types", builder.getTypeArrayAttr(llvm::to_vector(results)));
  Block &body = state.addRegion()->emplaceBlock();
  for (Type type : arguments)
    body.addArgument(type, state.location);
}

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &state) {
  if (parseSignature(parser, state, "schedule"))
    return failure();
  ensureTerminator(*state.regions.front(), parser.getBuilder(), state.location);
  return success();
}

void KernelOp::print(OpAsmPrinter &printer) {
  printSignature(printer, *this, getSymNameAttr(), getResultTypes(), getScheduleAttr());
}

LogicalResult KernelOp::verify() {
  for (Type type : getResultTypes().getAsValueRange<TypeAttr>())
    if (auto vec = dyn_cast<VecType>(type); !vec || contains(vec.getIndices(), IndexSet::J))
      return emitOpError("expects results that keep index i or none, got ") << type;
  return success();
}

LogicalResult KernelOp::verifyRegions() {
  std::optional<StageKind> last;
  for (Operation &op : getBody().front().without_terminator()) {
    auto stage = dyn_cast<StageOp>(op);
    if (!stage)
      return op.emitOpError("expected a stage here: computation belongs to one");
    if (last && stage.getKind() <= *last)
      return stage.emitOpError("comes after stage '")
             << stringifyStageKind(*last) << "'; expected each kind once, in the order call, rows, cols, pairs, finish";
    last = stage.getKind();
  }
  if (failed(verifySignature(*this, getBody(), getResultTypes())) ||
      failed(verifyStorage(*this, getArgumentStorageAttrName(), getArgumentStorage(), getBody().getArgumentTypes())))
    return failure();
  return verifyStorage(*this, getResultStorageAttrName(), getResultStorage(),
                       getBody().front().getTerminator()->getOperandTypes());
}

StageOp KernelOp::getStage(StageKind kind) {
  for (auto stage : getBody().getOps<StageOp>())
    if (stage.getKind() == kind)
      return stage;
  return {};
}

//===----------------------------------------------------------------------===//
// stage
//===----------------------------------------------------------------------===//

/// The indices that values of a stage may depend on.
static IndexSet visibleIndices(StageKind kind) {
  switch (kind) {
  case StageKind::Call:
    return IndexSet::None;
  case StageKind::Rows:
  case StageKind::Finish:
    return IndexSet::I;
  case StageKind::Cols:
    return IndexSet::J;
  case StageKind::Pairs:
    return IndexSet::IJ;
  }
  llvm_unreachable("all kinds are handled");
}

LogicalResult StageOp::verifyRegions() {
  IndexSet visible = visibleIndices(getKind());
  WalkResult result = getBody().walk([&](Operation *op) -> WalkResult {
    for (Type type : op->getOperandTypes())
      if (auto vec = dyn_cast<VecType>(type); vec && !contains(visible, vec.getIndices())) {
        op->emitOpError("uses a value of type ")
            << vec << " in stage '" << stringifyStageKind(getKind()) << "', which runs only over '"
            << toString(visible) << "'";
        return WalkResult::interrupt();
      }
    if (isa<AccumulateOp>(op) && getKind() != StageKind::Pairs) {
      op->emitOpError("belongs to the stage 'pairs', not '") << stringifyStageKind(getKind()) << "'";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  Operation *terminator = getBody().front().getTerminator();
  if (terminator->getOperandTypes() != getResultTypes())
    return terminator->emitOpError("expects the result types of its stage");
  if (getKind() == StageKind::Pairs)
    for (Value value : terminator->getOperands())
      if (!value.getDefiningOp<AccumulateOp>())
        return terminator->emitOpError("expects the results of accumulations: a stage over pairs keeps nothing else");
  return success();
}

//===----------------------------------------------------------------------===//
// component
//===----------------------------------------------------------------------===//

LogicalResult ComponentOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                            DictionaryAttr, OpaqueProperties, RegionRange,
                                            SmallVectorImpl<Type> &types) {
  types.push_back(cast<VecType>(operands[0].getType()).withDim(1));
  return success();
}

LogicalResult ComponentOp::verify() {
  if (Operation *producer = getVector().getDefiningOp(); producer && !isa<StageOp, MapOp>(producer))
    return emitOpError("expects a stored vector: an argument of the kernel, a result of a stage, or a map; got a "
                       "result of '")
           << producer->getName() << "'";
  llvm::APInt position;
  int64_t dim = getVector().getType().getDim();
  if (matchPattern(getPosition(), m_ConstantInt(&position)) &&
      (position.getSExtValue() < 0 || position.getSExtValue() >= dim))
    return emitOpError("takes component ") << position.getSExtValue() << " of a vector of dimension " << dim;
  return success();
}

//===----------------------------------------------------------------------===//
// extend
//===----------------------------------------------------------------------===//

LogicalResult ExtendOp::verify() {
  VecType from = getOperand().getType(), to = getType();
  if (from.withIndices(to.getIndices()) != to || !contains(to.getIndices(), from.getIndices()))
    return emitOpError("expects the operand's type with more indices, got ") << to;
  return success();
}

//===----------------------------------------------------------------------===//
// contract, map, accumulate
//===----------------------------------------------------------------------===//

/// Checks that a region loops over a component %d and yields one scalar; of a
/// given type of elements, or, if that is null, of any floating point numbers.
/// `self`, if given, is the type of a second argument that the region may have.
static LogicalResult verifyComponentLoop(Operation *op, Region &region, Type element, Type self = {}) {
  unsigned count = region.getNumArguments();
  bool readsItself = self && count == 2 && region.getArgument(1).getType() == self;
  if ((count != 1 && !readsItself) || !region.getArgument(0).getType().isIndex()) {
    InFlightDiagnostic error = op->emitOpError("expects a region with one argument of type index, the component");
    if (self)
      error << ", and perhaps one of type " << self << ", the vector so far";
    return error;
  }
  Operation *yield = region.front().getTerminator();
  if (!isa<YieldOp>(yield))
    return yield->emitOpError("ends a region of '")
           << op->getName() << "'; expected '" << YieldOp::getOperationName() << "' there";
  if (yield->getNumOperands() != 1)
    return yield->emitOpError("expects one scalar, the value of a component, got ") << yield->getNumOperands();
  auto type = dyn_cast<VecType>(yield->getOperand(0).getType());
  bool expected =
      type && type.isScalar() && (element ? type.getElementType() == element : isa<FloatType>(type.getElementType()));
  if (expected)
    return success();
  InFlightDiagnostic diagnostic = yield->emitOpError("expects a scalar of ");
  if (element)
    diagnostic << element;
  else
    diagnostic << "floating point numbers";
  return diagnostic << ", got " << yield->getOperand(0).getType();
}

LogicalResult ContractOp::verifyRegions() {
  if (static_cast<int64_t>(getCount()) < 1)
    return emitOpError("expects at least one component, got ") << static_cast<int64_t>(getCount());
  if (failed(verifyReductionOfComponents(*this, getReduction())))
    return failure();
  return verifyComponentLoop(*this, getBody(), getType().getElementType());
}

LogicalResult MapOp::verifyRegions() {
  return verifyComponentLoop(*this, getBody(), getType().getElementType(), getType());
}

LogicalResult AccumulateOp::verifyRegions() {
  if (getTerms().size() != getDims().size())
    return emitOpError("has ") << getTerms().size() << " regions for " << getDims().size() << " dimensions";
  if (failed(getReduction().verifyTerms(getDims(), [&] { return emitOpError(); })))
    return failure();
  SmallVector<ReductionResult> results = getReduction().results(getDims());
  if (results.size() != getNumResults())
    return emitOpError("expects ") << results.size() << " results, got " << getNumResults();
  Type element; // of the first operand: the others and the results that are numbers agree with it
  for (Region &region : getTerms()) {
    if (failed(verifyComponentLoop(*this, region, element)))
      return failure();
    element = cast<VecType>(region.front().getTerminator()->getOperand(0).getType()).getElementType();
  }
  for (auto [result, type] : llvm::zip(results, getResultTypes())) {
    auto vec = cast<VecType>(type);
    if (vec.getDim() != result.dim || vec.getElementType().isInteger(64) != result.isRow)
      return emitOpError("expects a result of ")
             << result.dim << (result.isRow ? " row numbers" : " numbers") << ", got " << type;
    if (!result.isRow && vec.getElementType() != element)
      return emitOpError("expects results of ") << element << ", as its terms are, got " << type;
  }
  return success();
}

ParseResult AccumulateOp::parse(OpAsmParser &parser, OperationState &state) {
  Attribute reduction, dims;
  SmallVector<Type> types;
  if (parser.parseAttribute(reduction) || parser.parseKeyword("over"))
    return failure();
  dims = DenseI64ArrayAttr::parse(parser, {});
  if (!dims)
    return failure();
  do {
    if (parser.parseRegion(*state.addRegion()))
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  if (parser.parseOptionalAttrDict(state.attributes) || parser.parseColonTypeList(types))
    return failure();
  state.addAttribute("reduction", reduction);
  state.addAttribute("dims", dims);
  state.addTypes(types);
  return success();
}

void AccumulateOp::print(OpAsmPrinter &printer) {
  printer << " " << getReduction() << " over ";
  getDimsAttr().print(printer);
  printer << " ";
  llvm::interleaveComma(getTerms(), printer, [&](Region &region) { printer.printRegion(region); });
  printer.printOptionalAttrDict((*this)->getAttrs(), {"reduction", "dims"});
  printer << " : ";
  llvm::interleaveComma(getResultTypes(), printer);
}
