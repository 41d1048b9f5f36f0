//===- KeopsDialect.cpp - Registration, types and attributes -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Registers the dialect's parts, and prints, parses and checks its value type.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Keops.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace keops;

#include "keops/Dialect/KeopsDialect.cpp.inc"
#include "keops/Dialect/KeopsEnums.cpp.inc"
#include "keops/Dialect/KeopsAttrInterfaces.cpp.inc"
#include "keops/Dialect/KeopsOpInterfaces.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "keops/Dialect/KeopsTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "keops/Dialect/KeopsAttributes.cpp.inc"

void KeopsDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "keops/Dialect/KeopsTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "keops/Dialect/KeopsAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "keops/Dialect/KeopsOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// vec
//===----------------------------------------------------------------------===//

llvm::StringRef keops::toString(IndexSet set) {
  switch (set) {
  case IndexSet::None:
    return "";
  case IndexSet::I:
    return "i";
  case IndexSet::J:
    return "j";
  case IndexSet::IJ:
    return "ij";
  }
  llvm_unreachable("an index set has two bits");
}

void VecType::print(AsmPrinter &printer) const {
  printer << "<" << getDim() << "x" << getElementType();
  if (getIndices() != IndexSet::None)
    printer << ", " << toString(getIndices());
  printer << ">";
}

Type VecType::parse(AsmParser &parser) {
  SmallVector<int64_t, 1> dims;
  Type element;
  llvm::SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(dims, /*allowDynamic=*/false, /*withTrailingX=*/true) ||
      parser.parseType(element))
    return {};
  if (dims.size() != 1) {
    parser.emitError(loc) << "expected one dimension, got " << dims.size();
    return {};
  }
  IndexSet set = IndexSet::None;
  if (succeeded(parser.parseOptionalComma())) {
    StringRef name;
    llvm::SMLoc nameLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&name))
      return {};
    if (name == "i")
      set = IndexSet::I;
    else if (name == "j")
      set = IndexSet::J;
    else if (name == "ij")
      set = IndexSet::IJ;
    else {
      parser.emitError(nameLoc) << "expected the indices 'i', 'j' or 'ij', got '" << name << "'";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<VecType>(loc, parser.getContext(), dims[0], element, set);
}

LogicalResult VecType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t dim, Type element, IndexSet) {
  if (dim < 1)
    return emitError() << "expected at least one component, got " << dim;
  if (!element.isF32() && !element.isF64() && !element.isInteger(1) && !element.isInteger(64))
    return emitError() << "expected elements of type f32, f64, i1 or i64, got " << element;
  return success();
}

//===----------------------------------------------------------------------===//
// schedule
//===----------------------------------------------------------------------===//

LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, LaneAxis laneAxis, int64_t lanes,
                                   int64_t rows, int64_t columns, int64_t chunk, int64_t unroll) {
  struct Field {
    StringRef name;
    int64_t value, least;
  };
  for (Field field : {Field{"lanes", lanes, 1}, Field{"rows", rows, 1}, Field{"columns", columns, 1},
                      Field{"chunk", chunk, 1}, Field{"unroll", unroll, 0}})
    if (field.value < field.least)
      return emitError() << "expected " << field.name << " to be at least " << field.least << ", got " << field.value;
  if (lanes & (lanes - 1))
    return emitError() << "expected lanes to be a power of two, got " << lanes;
  if (laneAxis == LaneAxis::Rows && rows % lanes != 0)
    return emitError() << "expected rows to be a multiple of lanes = " << lanes << ", got " << rows;
  return success();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Operation *KeopsDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto number = dyn_cast<FloatAttr>(value);
  auto vec = dyn_cast<VecType>(type);
  if (!number || !vec || vec.getIndices() != IndexSet::None)
    return nullptr;
  return ConstantOp::create(builder, loc, vec, number);
}
