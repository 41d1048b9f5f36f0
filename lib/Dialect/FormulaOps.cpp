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

void keops::printSignature(OpAsmPrinter &printer, Operation *op, StringAttr name, ArrayAttr types,
                           Attribute schedule) {
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

LogicalResult FormulaFuncOp::verifyRegions() { return verifySignature(*this, getBody(), getResultTypes()); }

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
  for (const ReductionResult &result : adaptor.getReduction().results(dims))
    types.push_back(
        VecType::get(context, result.dim, result.isRow ? IntegerType::get(context, 64) : element, kept));
  return success();
}

LogicalResult ReduceOp::verify() {
  return getReduction().verifyTerms(dimensions(getTerms()), [&] { return emitOpError(); });
}
