//===- VectorOps.cpp - Ops that rearrange or combine components -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One section per op: result type, constraints, where component d of the result
// comes from, and the derivative.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Infer.h"
#include "keops/Dialect/Keops.h"

#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace keops;

/// The type of `operand` with another dimension.
static VecType resized(Value operand, int64_t dim) { return cast<VecType>(operand.getType()).withDim(dim); }

/// Result types may be inferred before an op is verified, so a dimension is
/// clamped to what a type can hold; the verifier then says what is wrong.
static int64_t representable(int64_t dim) { return std::max<int64_t>(dim, 1); }

//===----------------------------------------------------------------------===//
// constant
//===----------------------------------------------------------------------===//

LaneValue ConstantOp::component(Lane &lane, OperandComponent, LaneIndex) {
  return lane.constant(getValue().convertToDouble());
}

OpCost ConstantOp::cost() { return {0, 0}; }

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

LogicalResult ConstantOp::verify() {
  if (getType().getIndices() != IndexSet::None)
    return emitOpError("is the same for all pairs and expects a type without indices, got ") << getType();
  return success();
}

//===----------------------------------------------------------------------===//
// broadcast
//===----------------------------------------------------------------------===//

LogicalResult BroadcastOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                            DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  types.push_back(resized(operands[0], representable(adaptor.getDim())));
  return success();
}

LaneValue BroadcastOp::component(Lane &, OperandComponent operand, LaneIndex) { return operand(0, 0); }

OpCost BroadcastOp::cost() { return {0, 0}; }

Value BroadcastOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) { return b.fit(tangents[0], getDim()); }
Value BroadcastOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) { return b.sum(cotangent); }
bool BroadcastOp::isLinearIn(const llvm::SmallBitVector &) { return true; }

LogicalResult BroadcastOp::verify() {
  if (!getOperand().getType().isScalar())
    return emitOpError("expects an operand of dimension 1, got dimension ") << getOperand().getType().getDim();
  if (static_cast<int64_t>(getDim()) < 1)
    return emitOpError("expects at least one component, got ") << static_cast<int64_t>(getDim());
  return success();
}

//===----------------------------------------------------------------------===//
// concat
//===----------------------------------------------------------------------===//

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                         DictionaryAttr, OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  auto lhs = cast<VecType>(operands[0].getType()), rhs = cast<VecType>(operands[1].getType());
  if (lhs.getElementType() != rhs.getElementType())
    return emitOptionalError(loc, "element types differ: ", lhs.getElementType(), " and ", rhs.getElementType());
  types.push_back(lhs.withDim(lhs.getDim() + rhs.getDim()).withIndices(lhs.getIndices() | rhs.getIndices()));
  return success();
}

LaneValue ConcatOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  int64_t size = getLhs().getType().getDim();
  return lane.branchBelow(d, size, [&] { return operand(0, d); }, [&] { return operand(1, lane.add(d, -size)); });
}

OpCost ConcatOp::cost() { return {0, 0}; }

Value ConcatOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  int64_t split = getLhs().getType().getDim(), dim = getType().getDim();
  if (!tangents[0] || !tangents[1])
    return b.pad(tangents[0] ? tangents[0] : tangents[1], tangents[0] ? 0 : split, dim);
  return ConcatOp::create(b.getBuilder(), b.getLoc(), tangents[0], tangents[1]);
}
Value ConcatOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  int64_t split = getLhs().getType().getDim();
  return operand == 0 ? b.slice(cotangent, 0, split) : b.slice(cotangent, split, getType().getDim() - split);
}
bool ConcatOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.all(); }

//===----------------------------------------------------------------------===//
// slice
//===----------------------------------------------------------------------===//

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                        DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                        SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  types.push_back(resized(operands[0], representable(adaptor.getSize())));
  return success();
}

LaneValue SliceOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  return operand(0, lane.add(d, static_cast<int64_t>(getOffset())));
}

OpCost SliceOp::cost() { return {0, 0}; }

Value SliceOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.slice(tangents[0], getOffset(), getSize());
}
Value SliceOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) {
  return b.pad(cotangent, getOffset(), getOperand().getType().getDim());
}
bool SliceOp::isLinearIn(const llvm::SmallBitVector &) { return true; }

LogicalResult SliceOp::verify() {
  int64_t offset = getOffset(), size = getSize(), dim = getOperand().getType().getDim();
  if (offset < 0 || size < 1 || offset > dim - size)
    return emitOpError("takes components [") << offset << ", " << offset + size << ") of a vector of dimension " << dim;
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getOffset() == 0 && getType() == getOperand().getType())
    return getOperand();
  // A slice that lies within one part of a concatenation is a slice of that part.
  if (auto concat = getOperand().getDefiningOp<ConcatOp>()) {
    int64_t split = concat.getLhs().getType().getDim(), offset = getOffset(), size = getSize();
    bool left = offset + size <= split;
    if (!left && offset < split)
      return {};
    VecType part = (left ? concat.getLhs() : concat.getRhs()).getType();
    if (part.getIndices() != getType().getIndices())
      return {}; // The slice would depend on fewer indices: another type.
    setOffset(left ? offset : offset - split);
    getOperandMutable().assign(left ? concat.getLhs() : concat.getRhs());
    return getResult();
  }
  return {};
}

//===----------------------------------------------------------------------===//
// pad
//===----------------------------------------------------------------------===//

LogicalResult PadOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr attrs,
                                      OpaqueProperties properties, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  types.push_back(resized(operands[0], representable(adaptor.getDim())));
  return success();
}

LaneValue PadOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  int64_t offset = getOffset(), end = offset + getOperand().getType().getDim();
  auto zero = [&] { return lane.constant(0); };
  return lane.branchBelow(d, offset, zero, [&] {
    return lane.branchBelow(d, end, [&] { return operand(0, lane.add(d, -offset)); }, zero);
  });
}

OpCost PadOp::cost() { return {0, 0}; }

Value PadOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.pad(tangents[0], getOffset(), getDim());
}
Value PadOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) {
  return b.slice(cotangent, getOffset(), getOperand().getType().getDim());
}
bool PadOp::isLinearIn(const llvm::SmallBitVector &) { return true; }

LogicalResult PadOp::verify() {
  int64_t offset = getOffset(), dim = getDim(), size = getOperand().getType().getDim();
  if (offset < 0 || offset > dim - size)
    return emitOpError("puts ") << size << " components at offset " << offset << " of a vector of dimension " << dim;
  return success();
}

//===----------------------------------------------------------------------===//
// one_hot
//===----------------------------------------------------------------------===//

LogicalResult OneHotOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                         DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  types.push_back(resized(operands[0], representable(adaptor.getDim())));
  return success();
}

LaneValue OneHotOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneValue position = lane.unary(UnaryKind::Floor, lane.add(operand(0, 0), lane.constant(0.5)));
  return lane.select(lane.compare(CompareKind::EQ, position, lane.number(d)), lane.constant(1), lane.constant(0));
}

OpCost OneHotOp::cost() { return {4, 0}; }

LogicalResult OneHotOp::verify() {
  if (!getOperand().getType().isScalar())
    return emitOpError("expects an operand of dimension 1, got dimension ") << getOperand().getType().getDim();
  if (static_cast<int64_t>(getDim()) < 1)
    return emitOpError("expects at least one component, got ") << static_cast<int64_t>(getDim());
  return success();
}

//===----------------------------------------------------------------------===//
// fold
//===----------------------------------------------------------------------===//

LogicalResult FoldOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands, DictionaryAttr,
                                       OpaqueProperties, RegionRange, SmallVectorImpl<Type> &types) {
  types.push_back(resized(operands[0], 1));
  return success();
}

LaneValue FoldOp::component(Lane &lane, OperandComponent operand, LaneIndex) {
  return lane.fold(getReduction(), getOperand().getType().getDim(), [&](LaneIndex d) { return operand(0, d); });
}

OpCost FoldOp::cost() { return {getOperand().getType().getDim(), 0}; }

Value FoldOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  FailureOr<Value> gradient = getReduction().buildFoldGradient(b, getOperand(), getResult());
  return succeeded(gradient) ? b.sum(b.mul(tangents[0], *gradient)) : Value();
}
Value FoldOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) {
  FailureOr<Value> gradient = getReduction().buildFoldGradient(b, getOperand(), getResult());
  return succeeded(gradient) ? b.mul(b.fit(cotangent, getOperand().getType().getDim()), *gradient) : Value();
}
bool FoldOp::isLinearIn(const llvm::SmallBitVector &variable) { return getReduction().isLinearIn(variable); }

LogicalResult keops::verifyReductionOfComponents(Operation *op, ReductionInterface reduction) {
  if (failed(reduction.verifyTerms({1}, [&] { return op->emitOpError(); })))
    return failure();
  SmallVector<ReductionResult> results = reduction.results({1});
  if (results.size() != 1 || results[0].dim != 1)
    return op->emitOpError("expects a reduction with one result of dimension 1, got '") << reduction.spelling() << "'";
  return success();
}

LogicalResult FoldOp::verify() { return verifyReductionOfComponents(*this, getReduction()); }

OpFoldResult FoldOp::fold(FoldAdaptor) {
  // One component is its own sum and extremum; its position is a constant.
  if (!getOperand().getType().isScalar() || getReduction().results({1})[0].isRow || !isa<SumAttr>(getReduction()))
    return {};
  return getOperand();
}

//===----------------------------------------------------------------------===//
// tensordot
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> keptExtents(ArrayRef<int64_t> shape, ArrayRef<int64_t> contracted) {
  SmallVector<int64_t> kept;
  for (auto [axis, extent] : llvm::enumerate(shape))
    if (!llvm::is_contained(contracted, static_cast<int64_t>(axis)))
      kept.push_back(extent);
  return kept;
}

static int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

LogicalResult TensorDotOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                            DictionaryAttr attrs, OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, properties, regions);
  auto lhs = cast<VecType>(operands[0].getType()), rhs = cast<VecType>(operands[1].getType());
  if (lhs.getElementType() != rhs.getElementType())
    return emitOptionalError(loc, "element types differ: ", lhs.getElementType(), " and ", rhs.getElementType());
  int64_t dim = product(keptExtents(adaptor.getLhsShape(), adaptor.getLhsContract())) *
                product(keptExtents(adaptor.getRhsShape(), adaptor.getRhsContract()));
  types.push_back(lhs.withDim(representable(dim)).withIndices(lhs.getIndices() | rhs.getIndices()));
  return success();
}

LogicalResult TensorDotOp::verify() {
  auto checkSide = [&](StringRef side, int64_t dim, ArrayRef<int64_t> shape, ArrayRef<int64_t> axes) -> LogicalResult {
    if (llvm::any_of(shape, [](int64_t extent) { return extent < 1; }) || product(shape) != dim)
      return emitOpError() << "expects the " << side << " shape to hold " << dim << " components, got [" << shape
                           << "]";
    llvm::SmallBitVector seen(shape.size());
    for (int64_t axis : axes) {
      if (axis < 0 || axis >= static_cast<int64_t>(shape.size()) || seen.test(axis))
        return emitOpError() << "expects distinct contracted axes of the " << side << " operand below " << shape.size()
                             << ", got [" << axes << "]";
      seen.set(axis);
    }
    return success();
  };
  if (failed(checkSide("left", getLhs().getType().getDim(), getLhsShape(), getLhsContract())) ||
      failed(checkSide("right", getRhs().getType().getDim(), getRhsShape(), getRhsContract())))
    return failure();
  if (getLhsContract().size() != getRhsContract().size())
    return emitOpError("expects as many contracted axes on both sides, got ")
           << getLhsContract().size() << " and " << getRhsContract().size();
  for (auto [a, b] : llvm::zip(getLhsContract(), getRhsContract()))
    if (getLhsShape()[a] != getRhsShape()[b])
      return emitOpError("contracts axes of different extents ") << getLhsShape()[a] << " and " << getRhsShape()[b];
  size_t rank = getLhsShape().size() + getRhsShape().size() - 2 * getLhsContract().size();
  llvm::SmallBitVector seen(rank);
  for (int64_t position : getPermutation())
    if (position >= 0 && position < static_cast<int64_t>(rank))
      seen.set(position);
  if (getPermutation().size() != rank || seen.count() != rank)
    return emitOpError("expects a permutation of ") << rank << " axes, got [" << getPermutation() << "]";
  return success();
}

SmallVector<int64_t> TensorDotOp::contractedExtents() {
  return llvm::map_to_vector(getLhsContract(), [&](int64_t axis) { return getLhsShape()[axis]; });
}

SmallVector<int64_t> TensorDotOp::resultShape() {
  SmallVector<int64_t> kept = keptExtents(getLhsShape(), getLhsContract());
  llvm::append_range(kept, keptExtents(getRhsShape(), getRhsContract()));
  SmallVector<int64_t> shape(kept.size());
  for (auto [axis, position] : llvm::enumerate(getPermutation()))
    shape[position] = kept[axis];
  return shape;
}

bool TensorDotOp::isStored() { return product(contractedExtents()) > 1; }

OpCost TensorDotOp::cost() { return {product(contractedExtents()), 0}; }

/// Row-major digits of position `d` in a tensor of this shape, last axis fastest.
static SmallVector<LaneIndex> digits(Lane &lane, LaneIndex d, ArrayRef<int64_t> shape) {
  SmallVector<LaneIndex> result(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    result[axis] = axis == 0 ? d : lane.rem(d, shape[axis]);
    d = axis == 0 ? d : lane.div(d, shape[axis]);
  }
  return result;
}

LaneValue TensorDotOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  SmallVector<int64_t> extents = contractedExtents(), shape = resultShape();
  SmallVector<LaneIndex> kept = digits(lane, d, shape);
  // Position in an operand: kept axes from d, contracted ones from k, in row-major order.
  auto position = [&](ArrayRef<int64_t> operandShape, ArrayRef<int64_t> contracted, size_t firstKept,
                      ArrayRef<LaneIndex> summed) {
    LaneIndex at = 0;
    for (auto [axis, extent] : llvm::enumerate(operandShape)) {
      const int64_t *found = llvm::find(contracted, static_cast<int64_t>(axis));
      LaneIndex digit =
          found != contracted.end() ? summed[found - contracted.begin()] : kept[getPermutation()[firstKept++]];
      at = lane.add(lane.mul(at, extent), digit);
    }
    return at;
  };
  size_t lhsKept = getLhsShape().size() - getLhsContract().size();
  auto term = [&](LaneIndex k) {
    SmallVector<LaneIndex> summed = digits(lane, k, extents);
    LaneValue a = operand(0, position(getLhsShape(), getLhsContract(), 0, summed));
    return lane.mul(a, operand(1, position(getRhsShape(), getRhsContract(), lhsKept, summed)));
  };
  if (!isStored())
    return term(0);
  return lane.fold(cast<ReductionInterface>(Attribute(SumAttr::get(getContext()))), product(extents), term);
}

/// Both products are bilinear, so the tangent is a sum of two.
Value TensorDotOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  auto with = [&](Value lhs, Value rhs) -> Value {
    if (!lhs || !rhs)
      return {};
    return TensorDotOp::create(b.getBuilder(), b.getLoc(), lhs, rhs, getLhsShapeAttr(), getRhsShapeAttr(),
                               getLhsContractAttr(), getRhsContractAttr(), getPermutationAttr());
  };
  return b.add(with(tangents[0], getRhs()), with(getLhs(), tangents[1]));
}

/// The cotangent is contracted with the other operand over the axes that the
/// other one gave to the result. What remains are the axes that the operand
/// gave, in their order in the result, then those that were contracted, in
/// their order in the other operand; each goes back to its place.
Value TensorDotOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  Value other = operand == 0 ? getRhs() : getLhs();
  ArrayRef<int64_t> shapes[] = {getLhsShape(), getRhsShape()};
  ArrayRef<int64_t> contracted[] = {getLhsContract(), getRhsContract()};
  int64_t kept[] = {static_cast<int64_t>(shapes[0].size() - contracted[0].size()),
                    static_cast<int64_t>(shapes[1].size() - contracted[1].size())};
  auto keptAxes = [&](unsigned side) {
    SmallVector<int64_t> axes;
    for (int64_t axis = 0; axis < static_cast<int64_t>(shapes[side].size()); ++axis)
      if (!llvm::is_contained(contracted[side], axis))
        axes.push_back(axis);
    return axes;
  };
  unsigned otherSide = 1 - operand;
  SmallVector<int64_t> ownKept = keptAxes(operand), otherKept = keptAxes(otherSide);
  ArrayRef<int64_t> ownPlaces = getPermutation().slice(operand == 0 ? 0 : kept[0], kept[operand]);
  SmallVector<int64_t> otherPlaces(getPermutation().slice(operand == 0 ? kept[0] : 0, kept[otherSide]));

  SmallVector<int64_t> permutation;
  for (int64_t place = 0; place < kept[0] + kept[1]; ++place)
    if (const int64_t *found = llvm::find(ownPlaces, place); found != ownPlaces.end())
      permutation.push_back(ownKept[found - ownPlaces.begin()]);
  for (int64_t axis = 0; axis < static_cast<int64_t>(shapes[otherSide].size()); ++axis)
    if (const int64_t *found = llvm::find(contracted[otherSide], axis); found != contracted[otherSide].end())
      permutation.push_back(contracted[operand][found - contracted[otherSide].begin()]);
  Builder &attributes = b.getBuilder();
  auto list = [&](ArrayRef<int64_t> values) { return attributes.getDenseI64ArrayAttr(values); };
  return TensorDotOp::create(b.getBuilder(), b.getLoc(), cotangent, other, list(resultShape()), list(shapes[otherSide]),
                             list(otherPlaces), list(otherKept), list(permutation));
}

bool TensorDotOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.count() == 1; }

//===----------------------------------------------------------------------===//
// interleave, deinterleave
//===----------------------------------------------------------------------===//

LogicalResult InterleaveOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, ValueRange operands,
                                             DictionaryAttr, OpaqueProperties, RegionRange,
                                             SmallVectorImpl<Type> &types) {
  auto lhs = cast<VecType>(operands[0].getType()), rhs = cast<VecType>(operands[1].getType());
  if (lhs.getElementType() != rhs.getElementType())
    return emitOptionalError(loc, "element types differ: ", lhs.getElementType(), " and ", rhs.getElementType());
  if (lhs.getDim() != rhs.getDim())
    return emitOptionalError(loc, "alternates vectors of equal dimensions, got ", lhs.getDim(), " and ", rhs.getDim());
  types.push_back(lhs.withDim(2 * lhs.getDim()).withIndices(lhs.getIndices() | rhs.getIndices()));
  return success();
}

LaneValue InterleaveOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  LaneIndex pair = lane.div(d, 2);
  return lane.branchBelow(lane.rem(d, 2), 1, [&] { return operand(0, pair); }, [&] { return operand(1, pair); });
}

OpCost InterleaveOp::cost() { return {0, 0}; }

Value InterleaveOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.interleave(tangents[0], tangents[1]);
}
Value InterleaveOp::buildAdjoint(DerivativeBuilder &b, unsigned operand, Value cotangent) {
  return b.deinterleave(cotangent, operand);
}
bool InterleaveOp::isLinearIn(const llvm::SmallBitVector &variable) { return variable.all(); }

OpFoldResult InterleaveOp::fold(FoldAdaptor) {
  // Both parts of one vector are that vector.
  auto even = getLhs().getDefiningOp<DeinterleaveOp>(), odd = getRhs().getDefiningOp<DeinterleaveOp>();
  if (even && odd && even.getOperand() == odd.getOperand() && even.getPart() == 0 && odd.getPart() == 1)
    return even.getOperand();
  return {};
}

LogicalResult DeinterleaveOp::inferReturnTypes(MLIRContext *, std::optional<Location>, ValueRange operands,
                                               DictionaryAttr, OpaqueProperties, RegionRange,
                                               SmallVectorImpl<Type> &types) {
  types.push_back(resized(operands[0], representable(cast<VecType>(operands[0].getType()).getDim() / 2)));
  return success();
}

LaneValue DeinterleaveOp::component(Lane &lane, OperandComponent operand, LaneIndex d) {
  return operand(0, lane.add(lane.mul(d, 2), static_cast<int64_t>(getPart())));
}

OpCost DeinterleaveOp::cost() { return {0, 0}; }

Value DeinterleaveOp::buildTangent(DerivativeBuilder &b, ArrayRef<Value> tangents) {
  return b.deinterleave(tangents[0], getPart());
}
Value DeinterleaveOp::buildAdjoint(DerivativeBuilder &b, unsigned, Value cotangent) {
  return getPart() == 0 ? b.interleave(cotangent, {}) : b.interleave({}, cotangent);
}
bool DeinterleaveOp::isLinearIn(const llvm::SmallBitVector &) { return true; }

LogicalResult DeinterleaveOp::verify() {
  int64_t dim = getOperand().getType().getDim(), part = getPart();
  if (dim % 2 != 0)
    return emitOpError("expects a vector of even dimension, got dimension ") << dim;
  if (part != 0 && part != 1)
    return emitOpError("takes part 0 or 1 of a vector, got ") << part;
  return success();
}

OpFoldResult DeinterleaveOp::fold(FoldAdaptor) {
  auto pair = getOperand().getDefiningOp<InterleaveOp>();
  if (!pair)
    return {};
  Value part = getPart() == 0 ? pair.getLhs() : pair.getRhs();
  // A part that depends on fewer indices has another type.
  return part.getType() == getType() ? part : Value();
}
