//===- FormulaOps.cpp - Formulas and their reductions -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formula as a symbol with a custom form (its arguments are block
// arguments), and the typing of reductions.
//
//===----------------------------------------------------------------------===//

#include "Signature.h"

#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace keops;

//===----------------------------------------------------------------------===//
// Shared by formula and kernel
//===----------------------------------------------------------------------===//

ParseResult keops::parseSignature(OpAsmParser &parser, OperationState &state, StringRef scheduleName) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> types;
  if (parser.parseSymbolName(name, "sym_name", state.attributes) ||
      parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren, /*allowType=*/true) ||
      parser.parseOptionalArrowTypeList(types))
    return failure();
  state.addAttribute("result_types", parser.getBuilder().getTypeArrayAttr(types));
  if (!scheduleName.empty() && succeeded(parser.parseOptionalKeyword(scheduleName))) {
    auto schedule = dyn_cast_or_null<ScheduleAttr>(ScheduleAttr::parse(parser, {}));
    if (!schedule)
      return failure();
    state.addAttribute(scheduleName, schedule);
  }
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes))
    return failure();
  return parser.parseRegion(*state.addRegion(), arguments);
}

void keops::printSignature(OpAsmPrinter &printer, Operation *op, StringAttr name, ArrayAttr types, Attribute schedule) {
  Region &body = op->getRegion(0);
  printer << " ";
  printer.printSymbolName(name);
  printer << "(";
  llvm::interleaveComma(body.getArguments(), printer, [&](BlockArgument arg) { printer.printRegionArgument(arg); });
  printer << ")";
  if (!types.empty()) {
    printer << " -> ";
    bool parentheses = types.size() != 1;
    if (parentheses)
      printer << "(";
    llvm::interleaveComma(types.getAsValueRange<TypeAttr>(), printer);
    if (parentheses)
      printer << ")";
  }
  if (schedule) {
    printer << " schedule ";
    cast<ScheduleAttr>(schedule).print(printer);
  }
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(), {"sym_name", "result_types", "schedule"});
  printer << " ";
  printer.printRegion(body, /*printEntryBlockArgs=*/false);
}

LogicalResult keops::verifySignature(Operation *op, Region &body, ArrayAttr types) {
  BlockArgument number; // the first argument of floating point numbers
  for (BlockArgument argument : body.getArguments()) {
    auto type = dyn_cast<VecType>(argument.getType());
    if (!type || type.getIndices() == IndexSet::IJ)
      return op->emitOpError("expects argument ")
             << argument.getArgNumber() << " to depend on i, on j, or on neither, got " << argument.getType();
    if (!isa<FloatType>(type.getElementType()))
      continue;
    if (!number)
      number = argument;
    Type first = cast<VecType>(number.getType()).getElementType();
    if (type.getElementType() != first)
      return op->emitOpError("expects arguments of one type of number, got ")
             << first << " in argument " << number.getArgNumber() << " and " << type.getElementType() << " in argument "
             << argument.getArgNumber();
  }
  Operation *terminator = body.front().getTerminator();
  if (!llvm::equal(terminator->getOperandTypes(), types.getAsValueRange<TypeAttr>()))
    return (terminator->emitOpError("expects the result types of its parent")).attachNote(op->getLoc())
           << "the types are declared here";
  return success();
}

Type keops::arithmeticType(Type storage) {
  return storage.isF16() || storage.isBF16() ? Float32Type::get(storage.getContext()) : storage;
}

Type keops::storageOf(std::optional<ArrayAttr> storage, unsigned number, Type value) {
  return storage ? cast<TypeAttr>((*storage)[number]).getValue() : cast<VecType>(value).getElementType();
}

LogicalResult keops::verifyStorage(Operation *op, StringRef name, std::optional<ArrayAttr> storage, TypeRange types) {
  if (!storage)
    return success();
  if (storage->size() != types.size())
    return op->emitOpError("expects ") << name << " to have " << types.size() << " types, one for each array, got "
                                       << storage->size();
  for (auto [number, stored, type] : llvm::enumerate(storage->getAsValueRange<TypeAttr>(), types)) {
    Type element = cast<VecType>(type).getElementType();
    if (stored != element && !(stored.isIntOrFloat() && arithmeticType(stored) == element))
      return op->emitOpError("expects ") << name << " " << number << " to be " << element
                                         << (element.isF32() ? ", 'f16' or 'bf16'" : "") << ", for an array of numbers "
                                         << element << ", got " << stored;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// formula
//===----------------------------------------------------------------------===//

void FormulaFuncOp::build(OpBuilder &builder, OperationState &state, StringRef name, TypeRange arguments) {
  state.addAttribute("sym_name", builder.getStringAttr(name));
  state.addAttribute("result_types", builder.getTypeArrayAttr({}));
  Block &body = state.addRegion()->emplaceBlock();
  for (Type type : arguments)
    body.addArgument(type, state.location);
}

ParseResult FormulaFuncOp::parse(OpAsmParser &parser, OperationState &state) {
  if (parseSignature(parser, state))
    return failure();
  ensureTerminator(*state.regions.front(), parser.getBuilder(), state.location);
  return success();
}

void FormulaFuncOp::print(OpAsmPrinter &printer) {
  printSignature(printer, *this, getSymNameAttr(), getResultTypes(), {});
}

LogicalResult FormulaFuncOp::verify() {
  for (Type type : getResultTypes().getAsValueRange<TypeAttr>())
    if (auto vec = dyn_cast<VecType>(type); !vec || vec.getIndices() == IndexSet::IJ)
      return emitOpError("expects results that depend on one index or none, got ") << type;
  return success();
}

LogicalResult FormulaFuncOp::verifyRegions() {
  if (failed(verifySignature(*this, getBody(), getResultTypes())) ||
      failed(verifyStorage(*this, getArgumentStorageAttrName(), getArgumentStorage(), getBody().getArgumentTypes())))
    return failure();
  return verifyStorage(*this, getResultStorageAttrName(), getResultStorage(),
                       getBody().front().getTerminator()->getOperandTypes());
}

//===----------------------------------------------------------------------===//
// reduce
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> dimensions(ValueRange values) {
  return llvm::map_to_vector(values, [](Value value) { return cast<VecType>(value.getType()).getDim(); });
}

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, ValueRange operands,
                                         DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  if (operands.empty())
    return emitOptionalError(loc, "a reduction needs an operand");
  SmallVector<int64_t> dims = dimensions(operands);
  Location where = loc.value_or(UnknownLoc::get(context));
  if (failed(adaptor.getReduction().verifyTerms(dims, [&] { return mlir::emitError(where); })))
    return failure();
  Type element = cast<VecType>(operands[0].getType()).getElementType();
  for (Value operand : operands)
    if (cast<VecType>(operand.getType()).getElementType() != element)
      return emitOptionalError(loc, "element types differ: ", element, " and ",
                               cast<VecType>(operand.getType()).getElementType());
  IndexSet kept = adaptor.getOver() == ReducedIndex::J ? IndexSet::I : IndexSet::J;
  if (adaptor.getOnce())
    kept = IndexSet::None;
  for (const ReductionResult &result : adaptor.getReduction().results(dims))
    types.push_back(VecType::get(context, result.dim, result.isRow ? IntegerType::get(context, 64) : element, kept));
  return success();
}

LogicalResult ReduceOp::verify() {
  IndexSet over = static_cast<IndexSet>(getOver());
  for (Value term : getTerms())
    if (getOnce() && !contains(over, cast<VecType>(term.getType()).getIndices()))
      return emitOpError("is computed once and expects operands that depend on '")
             << toString(over) << "' or nothing, got " << term.getType();
  return getReduction().verifyTerms(dimensions(getTerms()), [&] { return emitOpError(); });
}

//===----------------------------------------------------------------------===//
// grad, diff, trace
//===----------------------------------------------------------------------===//

LogicalResult GradOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                       DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                       SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  auto variable = cast<VecType>(operands[1].getType());
  IndexSet set = variable.getIndices();
  if (!adaptor.getTotal())
    for (Value operand : operands)
      set = set | cast<VecType>(operand.getType()).getIndices();
  types.push_back(variable.withIndices(set));
  return success();
}

/// Numbers of one type, and a direction with the dimension of what it is the direction of.
static LogicalResult verifyDirection(Operation *op, StringRef name, Value direction, StringRef ofName, Value of) {
  auto type = cast<VecType>(direction.getType()), expected = cast<VecType>(of.getType());
  if (type.getDim() != expected.getDim())
    return op->emitOpError("expects a ") << name << " of dimension " << expected.getDim() << ", as its " << ofName
                                         << " has, got dimension " << type.getDim();
  Type element = type.getElementType();
  for (Value operand : op->getOperands())
    if (Type other = cast<VecType>(operand.getType()).getElementType(); other != element)
      return op->emitOpError("expects operands of one element type, got ") << element << " and " << other;
  return success();
}

LogicalResult GradOp::verify() {
  if (failed(verifyDirection(*this, "cotangent", getCotangent(), "formula", getValue())))
    return failure();
  IndexSet allowed = getValue().getType().getIndices(), given = getCotangent().getType().getIndices();
  if (getTotal() && !contains(allowed, given))
    return emitOpError("is a total and expects a cotangent that depends on what its formula depends on, '")
           << toString(allowed) << "', got '" << toString(given) << "'";
  return success();
}

LogicalResult DiffOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                       OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  auto value = cast<VecType>(operands[0].getType()), variable = cast<VecType>(operands[1].getType());
  auto extra = static_cast<uint32_t>(cast<VecType>(operands[2].getType()).getIndices()) &
               ~static_cast<uint32_t>(variable.getIndices());
  types.push_back(value.withIndices(value.getIndices() | static_cast<IndexSet>(extra)));
  return success();
}

LogicalResult DiffOp::verify() { return verifyDirection(*this, "tangent", getTangent(), "variable", getVariable()); }

LogicalResult TraceOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                        OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  auto value = cast<VecType>(operands[0].getType()), weights = cast<VecType>(operands[2].getType());
  types.push_back(value.withDim(1).withIndices(value.getIndices() | weights.getIndices()));
  return success();
}

LogicalResult TraceOp::verify() {
  if (failed(verifyDirection(*this, "formula", getValue(), "variable", getVariable())))
    return failure();
  int64_t dim = getVariable().getType().getDim(), weights = getWeights().getType().getDim();
  if (weights != 1 && weights != dim)
    return emitOpError("expects weights of dimension 1 or ") << dim << ", got dimension " << weights;
  return success();
}
