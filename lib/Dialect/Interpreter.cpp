//===- Interpreter.cpp - Reference evaluation in double -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A lane of doubles with error bounds. The bound of a result is the
// propagation of its operands' bounds to first order, plus the rounding of the
// operation itself in the target's type; where a comparison is closer than its
// error, both outcomes count.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Interpreter.h"

#include "llvm/ADT/DenseMap.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace keops;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

namespace {

class DoubleLane : public Lane {
public:
  explicit DoubleLane(Type element)
      : unit(element.isF32() ? 0x1p-24 : 0x1p-53), smallest(element.isF32() ? 0x1p-149 : 0x1p-1074),
        largestNumber(element.isF32() ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max()) {}

  LaneValue constant(double value) override {
    // A constant is rounded to the target's type.
    bool exact = unit != 0x1p-24 || value == static_cast<double>(static_cast<float>(value)) || std::isnan(value);
    return {{}, value, exact ? 0 : std::fabs(value) * unit};
  }
  LaneValue rowNumber(int64_t value) override { return {{}, static_cast<double>(value), 0}; }
  LaneValue number(LaneIndex d) override { return {{}, static_cast<double>(d.constant), 0}; }
  LaneValue indexNumber(IndexSet index) override {
    return constant(static_cast<double>(index == IndexSet::I ? rowI : rowJ));
  }
  LaneValue largest() override { return {{}, largestNumber, 0}; }

  LaneValue unary(UnaryKind kind, LaneValue x) override;
  LaneValue binary(BinaryKind kind, LaneValue a, LaneValue b) override;

  LaneValue compare(CompareKind kind, LaneValue a, LaneValue b) override {
    bool result = kind == CompareKind::EQ   ? a.value == b.value
                  : kind == CompareKind::NE ? a.value != b.value
                  : kind == CompareKind::LT ? a.value < b.value
                                            : a.value <= b.value;
    // The error of a truth value is 1 when the outcome is not certain.
    double distance = std::fabs(a.value - b.value), slack = a.error + b.error;
    bool certain = slack == 0 || distance > slack || (std::isinf(a.value) != std::isinf(b.value) && slack < kInfinity);
    if (std::isnan(a.value) || std::isnan(b.value))
      certain = slack < kInfinity;
    return {{}, result ? 1.0 : 0.0, certain ? 0.0 : 1.0};
  }
  LaneValue select(LaneValue mask, LaneValue a, LaneValue b) override {
    LaneValue taken = mask.value != 0 ? a : b, other = mask.value != 0 ? b : a;
    if (mask.error == 0)
      return taken;
    double gap = std::fabs(taken.value - other.value);
    double error =
        taken.value == other.value ? std::max(taken.error, other.error) : std::max(taken.error, gap + other.error);
    return {{}, taken.value, std::isnan(error) ? kInfinity : error};
  }
  // An extremum moves by no more than its operands do, whichever is chosen.
  LaneValue smaller(LaneValue a, LaneValue b) override { return extremum(a.value < b.value, a, b); }
  LaneValue larger(LaneValue a, LaneValue b) override { return extremum(b.value < a.value, a, b); }
  LaneValue maskAnd(LaneValue a, LaneValue b) override {
    bool certain = (a.error == 0 && b.error == 0) || (a.error == 0 && a.value == 0) || (b.error == 0 && b.value == 0);
    return {{}, a.value != 0 && b.value != 0 ? 1.0 : 0.0, certain ? 0.0 : 1.0};
  }
  LaneValue maskOr(LaneValue a, LaneValue b) override {
    bool certain = (a.error == 0 && b.error == 0) || (a.error == 0 && a.value != 0) || (b.error == 0 && b.value != 0);
    return {{}, a.value != 0 || b.value != 0 ? 1.0 : 0.0, certain ? 0.0 : 1.0};
  }

  LaneValue fold(ReductionInterface reduction, int64_t count,
                 llvm::function_ref<LaneValue(LaneIndex)> component) override;
  // Plainly: the compensation is a difference of almost equal numbers, whose bounds would add up.
  void addCompensated(LaneValue &sum, LaneValue &, LaneValue term) override { sum = add(sum, term); }
  void ifAny(LaneValue mask, llvm::function_ref<void()> body, MutableArrayRef<LaneValue>) override {
    // A body taken in doubt is harmless: by contract it does nothing where the mask does not hold.
    if (mask.value != 0 || mask.error != 0)
      body();
  }
  void forEach(int64_t count, llvm::function_ref<void(LaneIndex)> body) override {
    for (int64_t d = 0; d < count; ++d)
      body(d);
  }
  SmallVector<LaneValue>
  loop(int64_t count, ArrayRef<LaneValue> carried,
       llvm::function_ref<SmallVector<LaneValue>(LaneIndex, ArrayRef<LaneValue>)> body) override {
    SmallVector<LaneValue> now(carried);
    for (int64_t d = 0; d < count; ++d)
      now = body(d, now);
    return now;
  }

  /// The pair for which the lane computes.
  int64_t rowI = 0, rowJ = 0;

protected:
  LaneIndex indexOp(IndexKind, LaneIndex, LaneIndex) override { llvm_unreachable("positions are constants here"); }
  LaneValue indexBranch(LaneIndex, int64_t, llvm::function_ref<LaneValue()>, llvm::function_ref<LaneValue()>) override {
    llvm_unreachable("positions are constants here");
  }

private:
  static LaneValue extremum(bool first, LaneValue a, LaneValue b) {
    LaneValue chosen = first ? a : b;
    bool certain = std::isnan(a.value) || std::fabs(a.value - b.value) > a.error + b.error;
    return {{}, chosen.value, certain ? chosen.error : std::max(a.error, b.error)};
  }

  /// True for a small multiple of 2⁻⁸. float32 and float64 add 256 of these in any order, and multiply and add two,
  /// without rounding; so what jumps can be checked where jumps are.
  bool isCoarse(double value) const {
    constexpr double largest = 256, parts = 256;
    return unit <= 0x1p-24 && std::fabs(value) <= largest && value * parts == std::floor(value * parts);
  }
  bool isExact(std::initializer_list<LaneValue> operands, double value) const {
    return isCoarse(value) && llvm::all_of(operands, [&](const LaneValue &operand) {
             return operand.error == 0 && isCoarse(operand.value);
           });
  }

  /// `value` with the propagated error and `ulps` roundings of its own.
  LaneValue rounded(double value, double propagated, double ulps) {
    if (std::isnan(value))
      return {{}, value, std::isnan(propagated) ? kInfinity : 0};
    double own = std::isinf(value) ? 0 : std::fabs(value) * unit * 2 * ulps + smallest;
    double error = propagated + own;
    // Near the largest number the target overflows where a double does not.
    if (std::fabs(value) + propagated > largestNumber * (1 + unit) && !std::isinf(value))
      error = kInfinity;
    return {{}, value, std::isnan(error) ? kInfinity : error};
  }

  double unit, smallest, largestNumber;
};

/// Elements of a reduction's state as numbers.
class DoubleState : public ReductionState {
public:
  DoubleState(ReductionInterface reduction, ArrayRef<int64_t> operandDims) {
    dims.assign(operandDims.begin(), operandDims.end());
    for (const StateSlot &slot : reduction.slots(operandDims))
      elements.emplace_back(slot.count);
  }
  LaneValue get(unsigned slot, LaneIndex element) override { return elements[slot][element.constant]; }
  void set(unsigned slot, LaneIndex element, LaneValue value) override { elements[slot][element.constant] = value; }

private:
  std::vector<std::vector<LaneValue>> elements;
};

class DoubleTerm : public ReductionTerm {
public:
  DoubleTerm(std::function<LaneValue(unsigned, int64_t)> component, int64_t rowNumber)
      : component(std::move(component)), rowNumber(rowNumber) {}
  LaneValue get(unsigned operand, LaneIndex d) override { return component(operand, d.constant); }
  LaneValue row() override { return {{}, static_cast<double>(rowNumber), 0}; }

private:
  std::function<LaneValue(unsigned, int64_t)> component;
  int64_t rowNumber;
};

} // namespace

/// How far f(x ± error) is from f(x), taken at the ends: exact for monotone f,
/// close for others when the error is small.
static double spread(double (*f)(double), double x, double error) {
  if (error == 0)
    return 0;
  if (error == kInfinity)
    return kInfinity;
  double at = f(x), up = std::fabs(f(x + error) - at), down = std::fabs(f(x - error) - at);
  if (std::isnan(at) || std::isinf(at))
    return f(x + error) == at && f(x - error) == at ? 0 : kInfinity;
  return std::isnan(up) || std::isnan(down) ? kInfinity : std::max(up, down);
}

LaneValue DoubleLane::unary(UnaryKind kind, LaneValue x) {
  // Elementary functions are within 2 ulp in compiled code.
  switch (kind) {
  case UnaryKind::Neg:
    return {{}, -x.value, x.error};
  case UnaryKind::Abs:
    return {{}, std::fabs(x.value), x.error};
  case UnaryKind::Floor:
    return {{}, std::floor(x.value), spread(std::floor, x.value, x.error)};
  case UnaryKind::Round:
    return {{}, std::round(x.value), spread(std::round, x.value, x.error)};
  case UnaryKind::Exp:
    return rounded(std::exp(x.value), spread(std::exp, x.value, x.error), 2);
  case UnaryKind::Log:
    return rounded(std::log(x.value), spread(std::log, x.value, x.error), 2);
  case UnaryKind::Sin:
    return rounded(std::sin(x.value), std::min(x.error, 2.0), 2);
  case UnaryKind::Cos:
    return rounded(std::cos(x.value), std::min(x.error, 2.0), 2);
  case UnaryKind::Asin:
    return rounded(std::asin(x.value), spread(std::asin, x.value, x.error), 2);
  case UnaryKind::Acos:
    return rounded(std::acos(x.value), spread(std::acos, x.value, x.error), 2);
  case UnaryKind::Atan:
    return rounded(std::atan(x.value), spread(std::atan, x.value, x.error), 2);
  case UnaryKind::Tanh:
    return rounded(std::tanh(x.value), spread(std::tanh, x.value, x.error), 2);
  case UnaryKind::Erf:
    return rounded(std::erf(x.value), spread(std::erf, x.value, x.error), 2);
  case UnaryKind::Sqrt: {
    // An argument that is 0 up to its error may come out negative, or as small as the error.
    if (x.value >= 0 && x.value < x.error)
      return {{}, std::sqrt(x.value), kInfinity};
    return rounded(std::sqrt(x.value), spread(std::sqrt, x.value, x.error), 1);
  }
  case UnaryKind::Exp2:
    return rounded(std::exp2(x.value), spread(std::exp2, x.value, x.error), 2);
  case UnaryKind::Log2:
    return rounded(std::log2(x.value), spread(std::log2, x.value, x.error), 2);
  case UnaryKind::Expm1:
    return rounded(std::expm1(x.value), spread(std::expm1, x.value, x.error), 2);
  case UnaryKind::Log1p:
    return rounded(std::log1p(x.value), spread(std::log1p, x.value, x.error), 2);
  case UnaryKind::Sinh:
    return rounded(std::sinh(x.value), spread(std::sinh, x.value, x.error), 2);
  case UnaryKind::Cosh:
    return rounded(std::cosh(x.value), spread(std::cosh, x.value, x.error), 2);
  case UnaryKind::Tan: {
    // |tan'| = 1 / cos²; a pole within the error makes everything possible.
    double distance = std::fabs(std::cos(x.value)) - x.error;
    double error = x.error == 0 ? 0 : distance > 0 ? x.error / (distance * distance) : kInfinity;
    return rounded(std::tan(x.value), error, 2);
  }
  case UnaryKind::Lgamma: {
    // The C library is less accurate here; there are poles at 0, −1, −2, …
    bool pole =
        x.error != 0 && x.value - x.error <= 0 && std::floor(x.value - x.error) != std::floor(x.value + x.error);
    return rounded(std::lgamma(x.value), pole ? kInfinity : spread(std::lgamma, x.value, x.error), 8);
  }
  }
  llvm_unreachable("all kinds are handled");
}

LaneValue DoubleLane::binary(BinaryKind kind, LaneValue a, LaneValue b) {
  double x = a.value, y = b.value;
  auto magnitude = [](double factor, double error) { return error == 0 ? 0 : std::fabs(factor) * error; };
  switch (kind) {
  case BinaryKind::Add:
    if (isExact({a, b}, x + y))
      return {{}, x + y, 0};
    return rounded(x + y, a.error + b.error, 0.5);
  case BinaryKind::Sub:
    if (isExact({a, b}, x - y))
      return {{}, x - y, 0};
    return rounded(x - y, a.error + b.error, 0.5);
  case BinaryKind::Mul:
    if (isExact({a, b}, x * y))
      return {{}, x * y, 0};
    return rounded(x * y, magnitude(y, a.error) + magnitude(x, b.error) + a.error * b.error, 0.5);
  case BinaryKind::Div: {
    double quotient = x / y;
    if (b.error != 0 && std::fabs(y) <= b.error)
      return {{}, quotient, kInfinity};
    double error = (a.error + magnitude(quotient, b.error)) / (std::fabs(y) - b.error);
    // The quotient may be computed as a product with a rounded inverse, which is exact for a power of two.
    if (isExact({a, b}, quotient) && isCoarse(1 / y))
      return {{}, quotient, 0};
    return rounded(quotient, a.error == 0 && b.error == 0 ? 0 : error, 1.5);
  }
  case BinaryKind::Powf: {
    double power = std::pow(x, y);
    if (a.error == 0 && b.error == 0)
      return rounded(power, 0, 2);
    if (!(x > a.error))
      return {{}, power, kInfinity};
    double relative = std::fabs(y) * a.error / (x - a.error) + std::fabs(std::log(x)) * b.error;
    return rounded(power, std::fabs(power) * std::expm1(relative), 2);
  }
  case BinaryKind::Atan2: {
    // Signs of zeros are not kept: at the origin the angle is 0, beside the negative axis π or −π.
    if (x == 0 && y == 0 && a.error == 0 && b.error == 0)
      return {{}, 0, 0};
    if (std::fabs(x) <= a.error && y < b.error)
      return {{}, std::atan2(x, y), kInfinity};
    double distance = std::hypot(x, y), error = a.error + b.error;
    return rounded(std::atan2(x, y), error == 0 ? 0 : distance > 2 * error ? 2 * error / distance : kInfinity, 2);
  }
  }
  llvm_unreachable("all kinds are handled");
}

LaneValue DoubleLane::fold(ReductionInterface reduction, int64_t count,
                           llvm::function_ref<LaneValue(LaneIndex)> component) {
  DoubleState state(reduction, {1});
  reduction.init(*this, state);
  for (int64_t d = 0; d < count; ++d) {
    DoubleTerm term([&](unsigned, int64_t) { return component(d); }, d);
    reduction.accumulate(*this, state, {&term});
  }
  return reduction.finalize(*this, state, 0, 0);
}

namespace {

/// Values of a formula for one (i, j): every op's components, computed when
/// first needed. What depends on fewer indices is kept for longer.
class Evaluation {
public:
  Evaluation(FormulaFuncOp formula, const InterpreterInputs &inputs, DoubleLane &lane)
      : formula(formula), inputs(inputs), lane(lane) {}

  void setRows(int64_t newI, int64_t newJ) {
    i = lane.rowI = newI;
    j = newJ;
    lane.rowJ = inputs.numberJ(newJ);
  }

  /// All components of a value.
  const std::vector<LaneValue> &get(Value value) {
    if (const Entry *entry = find(value))
      return entry->components;
    // Operands first. A formula may be deeper than the stack, so what waits for them is kept here.
    SmallVector<Value> waiting = {value};
    while (!waiting.empty()) {
      Value next = waiting.back();
      size_t before = waiting.size();
      Operation *op = next.getDefiningOp();
      if (op && !isa<ReduceOp>(op) && !op->hasTrait<MovesRows>())
        for (Value operand : op->getOperands())
          if (!find(operand))
            waiting.push_back(operand);
      if (waiting.size() != before)
        continue;
      waiting.pop_back();
      if (find(next))
        continue;
      auto type = cast<VecType>(next.getType());
      std::vector<LaneValue> components = compute(next, type);
      entries[next] = {true, keyOf(type), std::move(components)};
    }
    return entries[value].components;
  }

private:
  using Key = std::pair<int64_t, int64_t>;
  struct Entry {
    bool known = false;
    Key key;
    std::vector<LaneValue> components;
  };

  /// The row and the column that a value of this type is known for.
  Key keyOf(VecType type) const {
    return {contains(type.getIndices(), IndexSet::I) ? i : -1, contains(type.getIndices(), IndexSet::J) ? j : -1};
  }

  /// The value's entry; null if it has none for this row and column.
  const Entry *find(Value value) const {
    auto known = entries.find(value);
    if (known == entries.end() || !known->second.known || known->second.key != keyOf(cast<VecType>(value.getType())))
      return nullptr;
    return &known->second;
  }

  /// The operands of an op are known.
  std::vector<LaneValue> compute(Value value, VecType type) {
    std::vector<LaneValue> components(type.getDim());
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      int64_t row = type.getIndices() == IndexSet::I ? i : type.getIndices() == IndexSet::J ? j : 0;
      for (int64_t d = 0; d < type.getDim(); ++d)
        components[d].value = inputs.read(argument.getArgNumber(), row, d);
      return components;
    }
    if (auto reduce = value.getDefiningOp<ReduceOp>()) {
      reduceAll(reduce);
      return entries[value].components;
    }
    if (auto gather = value.getDefiningOp<GatherOp>())
      return gatherRows(gather);
    if (auto scatter = value.getDefiningOp<ScatterOp>())
      return scatterRows(scatter);
    auto op = cast<FormulaOpInterface>(value.getDefiningOp());
    SmallVector<const Entry *, 4> operands;
    for (Value operand : op->getOperands())
      operands.push_back(find(operand));
    for (int64_t d = 0; d < type.getDim(); ++d)
      components[d] = op.component(
          lane,
          [&](unsigned n, LaneIndex k) {
            // A recurrence reads its own components.
            return n == operands.size() ? components[k.constant] : operands[n]->components[k.constant];
          },
          d);
    return components;
  }

  void reduceAll(ReduceOp reduce) {
    SmallVector<int64_t> dims;
    for (Value term : reduce.getTerms())
      dims.push_back(cast<VecType>(term.getType()).getDim());
    ReductionInterface reduction = reduce.getReduction();
    DoubleState state(reduction, dims);
    reduction.init(lane, state);
    bool overJ = reduce.getOver() == ReducedIndex::J;
    int64_t savedI = i, savedJ = j, count = overJ ? inputs.rowsJ : inputs.rowsI;
    for (int64_t row = 0; row < count; ++row) {
      setRows(overJ ? savedI : row, overJ ? row : savedJ);
      DoubleTerm term([&](unsigned operand, int64_t d) { return get(reduce.getTerms()[operand])[d]; }, row);
      reduction.accumulate(lane, state, {&term});
    }
    setRows(savedI, savedJ);
    for (auto [number, result] : llvm::enumerate(reduce.getResults())) {
      auto type = cast<VecType>(result.getType());
      Entry &entry = entries[result];
      entry.known = true;
      entry.key = keyOf(type);
      entry.components.resize(type.getDim());
      for (int64_t d = 0; d < type.getDim(); ++d)
        entry.components[d] = reduction.finalize(lane, state, number, d);
    }
  }

  int64_t rowsOf(ReducedIndex index) const { return index == ReducedIndex::J ? inputs.rowsJ : inputs.rowsI; }

  std::vector<LaneValue> gatherRows(GatherOp gather) {
    int64_t groups = gather.getGroups(), size = gather.getOperand().getType().getDim() / groups;
    std::vector<LaneValue> rows = get(gather.getRows()), components;
    int64_t savedI = i, savedJ = j;
    for (auto [n, row] : llvm::enumerate(rows)) {
      bool exists = row.value >= 0 && row.value < static_cast<double>(rowsOf(gather.getOver()));
      if (exists) {
        auto number = static_cast<int64_t>(row.value);
        setRows(gather.getOver() == ReducedIndex::I ? number : savedI,
                gather.getOver() == ReducedIndex::J ? number : savedJ);
      }
      for (int64_t c = 0; c < size; ++c) {
        LaneValue component = lane.constant(0);
        if (exists)
          component = get(gather.getOperand())[static_cast<int64_t>(n) % groups * size + c];
        if (row.error != 0)
          component.error = kInfinity;
        components.push_back(component);
      }
    }
    setRows(savedI, savedJ);
    return components;
  }

  std::vector<LaneValue> scatterRows(ScatterOp scatter) {
    int64_t groups = scatter.getGroups(), dim = scatter.getType().getDim(), size = dim / groups;
    bool overJ = scatter.getOver() == ReducedIndex::J;
    int64_t savedI = i, savedJ = j, own = overJ ? j : i;
    std::vector<LaneValue> components(dim, lane.constant(0));
    auto addRow = [&] {
      std::vector<LaneValue> rows = get(scatter.getRows()), values = get(scatter.getOperand());
      for (auto [n, row] : llvm::enumerate(rows))
        for (int64_t c = 0; c < size; ++c) {
          LaneValue &sum = components[static_cast<int64_t>(n) % groups * size + c];
          if (row.value == static_cast<double>(own))
            sum = lane.add(sum, values[n * size + c]);
          if (row.error != 0)
            sum.error = kInfinity;
        }
    };
    if (!scatter.getTotal()) {
      addRow();
      return components;
    }
    int64_t count = rowsOf(overJ ? ReducedIndex::I : ReducedIndex::J);
    for (int64_t other = 0; other < count; ++other) {
      setRows(overJ ? other : savedI, overJ ? savedJ : other);
      addRow();
    }
    setRows(savedI, savedJ);
    return components;
  }

  FormulaFuncOp formula;
  const InterpreterInputs &inputs;
  DoubleLane &lane;
  int64_t i = 0, j = 0;
  llvm::DenseMap<Value, Entry> entries;
};

} // namespace

/// `number` as an array of elements `storage` holds it.
static LaneValue roundedTo(Type storage, LaneValue number) {
  const llvm::fltSemantics &format = cast<FloatType>(storage).getFloatSemantics();
  bool isExact = false, loses = false;
  if (number.error == 0) {
    APFloat copy(number.value);
    copy.convert(format, APFloat::rmNearestTiesToEven, &loses);
    isExact = !loses;
  }
  if (isExact || std::isnan(number.value) || std::isinf(number.value))
    return number;
  auto precision = static_cast<int>(APFloat::semanticsPrecision(format));
  // What is at least half a unit above the largest number is infinite.
  double overflow = std::ldexp(2 - std::ldexp(1, -precision), APFloat::semanticsMaxExponent(format));
  double size = std::fabs(number.value);
  if (size - number.error >= overflow)
    return {{}, std::copysign(kInfinity, number.value), 0};
  if (!(size + number.error < overflow))
    return {{}, number.value, kInfinity};
  number.error +=
      std::ldexp(size + number.error, -precision) + std::ldexp(1, APFloat::semanticsMinExponent(format) - precision);
  return number;
}

std::vector<InterpreterRow> keops::interpret(FormulaFuncOp formula, const InterpreterInputs &inputs, int64_t row) {
  Type element = Float64Type::get(formula.getContext());
  formula.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto vec = dyn_cast<VecType>(type); vec && isa<FloatType>(vec.getElementType()))
        element = vec.getElementType();
  });
  DoubleLane lane(element);
  Evaluation evaluation(formula, inputs, lane);
  std::vector<InterpreterRow> rows;
  for (auto [n, result] : llvm::enumerate(formula.getBody().front().getTerminator()->getOperands())) {
    auto type = cast<VecType>(result.getType());
    Type storage = storageOf(formula.getResultStorage(), n, type);
    evaluation.setRows(type.getIndices() == IndexSet::I ? row : 0, type.getIndices() == IndexSet::J ? row : 0);
    InterpreterRow out;
    for (LaneValue component : evaluation.get(result)) {
      if (storage != type.getElementType())
        component = roundedTo(storage, component);
      out.values.push_back(component.value);
      out.bounds.push_back(component.error);
    }
    rows.push_back(std::move(out));
  }
  return rows;
}
