//===- LaunchRule.cpp - What a launch must know, out of the IR -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads what lowering wrote; the words are those of the mappings.
//
//===----------------------------------------------------------------------===//

#include "LaunchRule.h"

#include "keops/Schedule/Explain.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace keops;

std::vector<std::vector<int64_t>> keops::resultShapes(ModuleOp module) {
  std::vector<std::vector<int64_t>> shapes;
  // Of a formula that was split before it came here the reductions are out of sight.
  if (!module.getOps<ProgramOp>().empty())
    return shapes;
  module.walk([&](ReturnOp op) {
    for (Value value : op.getOperands()) {
      auto type = cast<VecType>(value.getType());
      std::vector<int64_t> shape = {type.getDim()};
      if (auto reduce = value.getDefiningOp<ReduceOp>()) {
        SmallVector<int64_t> dims;
        for (Value term : reduce.getTerms())
          dims.push_back(cast<VecType>(term.getType()).getDim());
        auto results = reduce.getReduction().results(dims);
        auto &own = results[cast<OpResult>(value).getResultNumber()].shape;
        shape.assign(own.begin(), own.end());
      }
      shapes.push_back(shape);
    }
  });
  return shapes;
}

/// What the passes of a program do, in its order.
static std::string explainProgram(ProgramOp program, TargetAttr target) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (auto [number, op] : llvm::enumerate(program.getBody().front().without_terminator())) {
    out << "step " << number + 1 << ": ";
    auto call = dyn_cast<CallOp>(op);
    if (!call) {
      out << "moves rows to '" << toString(cast<VecType>(op.getResult(0).getType()).getIndices()) << "'\n";
      continue;
    }
    if (call.getOver())
      out << "a pass over the pairs that reduces " << stringifyReducedIndex(*call.getOver()) << "\n";
    else
      out << "once for each row\n";
    auto formula = SymbolTable::lookupNearestSymbolFrom<FormulaFuncOp>(call, call.getCalleeAttr());
    out << explain(formula, target);
  }
  return text;
}

llvm::Expected<std::string> keops::explainSchedule(ModuleOp module, const CompilerOptions &options) {
  if (llvm::Error error = runPhases(module, options, Phase::Scheduled))
    return std::move(error);
  std::string text;
  auto target = module->getAttrOfType<TargetAttr>("keops.target");
  auto programs = module.getOps<ProgramOp>();
  for (ProgramOp program : programs)
    text += explainProgram(program, target);
  if (programs.empty())
    module.walk([&](FormulaFuncOp formula) { text += explain(formula, target); });
  return text;
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

/// The program of a module, or null.
static ProgramOp programOf(ModuleOp module) {
  auto programs = module.getOps<ProgramOp>();
  return programs.empty() ? ProgramOp() : *programs.begin();
}

/// The rules that lowering left in `module`, in the order of the artifact's kernels.
static SmallVector<DictionaryAttr> findLaunchRules(ModuleOp module) {
  SmallVector<DictionaryAttr> rules;
  module.walk([&](Operation *op) {
    if (auto found = op->getAttrOfType<DictionaryAttr>("keops.launch"))
      rules.push_back(found);
  });
  ProgramOp program = programOf(module);
  if (!program)
    return rules;
  SmallVector<DictionaryAttr> inOrder;
  for (auto call : program.getBody().front().getOps<CallOp>())
    for (DictionaryAttr rule : rules)
      if (cast<StringAttr>(rule.get("entry")) == call.getCalleeAttr().getAttr() && !llvm::is_contained(inOrder, rule))
        inOrder.push_back(rule);
  return inOrder;
}

/// An integer of the rule; 0 where this kind of code has none of that name.
static int64_t launchInteger(DictionaryAttr launch, StringRef name) {
  auto attr = launch.getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}

static void readLaunchRule(DictionaryAttr launch, ArrayRef<std::vector<int64_t>> shapes, runtime::LaunchRule &rule) {
  rule.entry = cast<StringAttr>(launch.get("entry")).str();
  rule.rowsPerBlock = launchInteger(launch, "rows_per_block");
  rule.rowGranularity = launchInteger(launch, "row_granularity");
  rule.columnsPerTile = launchInteger(launch, "columns_per_tile");
  rule.stateBytes = launchInteger(launch, "state_bytes");
  rule.scratchBytes = launchInteger(launch, "scratch_bytes");
  rule.threads = launchInteger(launch, "threads");
  rule.sharedBytes = launchInteger(launch, "shared_bytes");
  for (Attribute attr : cast<ArrayAttr>(launch.get("arguments"))) {
    ArrayRef<int64_t> fields = cast<DenseI64ArrayAttr>(attr).asArrayRef();
    rule.arguments.push_back(
        {static_cast<runtime::Axis>(fields[0]), static_cast<runtime::DType>(fields[2]), fields[1]});
  }
  for (auto [n, attr] : llvm::enumerate(cast<ArrayAttr>(launch.get("results")))) {
    ArrayRef<int64_t> fields = cast<DenseI64ArrayAttr>(attr).asArrayRef();
    std::vector<int64_t> shape = n < shapes.size() ? shapes[n] : std::vector<int64_t>{fields[1]};
    rule.results.push_back({static_cast<runtime::DType>(fields[2]), fields[1], shape});
  }
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

namespace {
/// Turns a program into the steps of an artifact, whose kernels are known.
class ProgramReader {
public:
  ProgramReader(ProgramOp program, runtime::Artifact &artifact)
      : program(program), body(program.getBody().front()), artifact(artifact) {}
  void read(ArrayRef<std::vector<int64_t>> shapes);

private:
  runtime::Axis axisOf(IndexSet set) const {
    if (set == IndexSet::None)
      return runtime::Axis::Parameter;
    return (set == IndexSet::J) == keepsJ ? runtime::Axis::Row : runtime::Axis::Column;
  }
  runtime::ArgumentInfo describe(Value value);
  int64_t kernelOf(CallOp call) const;
  bool isWrittenAs(runtime::DType type, Value value);
  void place(Value value, runtime::StepArray::Kind kind, size_t number) {
    places[value] = {kind, static_cast<int64_t>(number)};
  }
  void addStep(Operation *op);
  void addCall(CallOp call, runtime::Step &step) const;
  void addMove(Operation *op, runtime::Step &step) const;

  ProgramOp program;
  Block &body;
  runtime::Artifact &artifact;
  bool keepsJ = false;
  llvm::DenseMap<Value, runtime::StepArray> places;
};
} // namespace

static IndexSet indicesOf(Value value) { return cast<VecType>(value.getType()).getIndices(); }

static runtime::DType arrayType(Type element) {
  if (element.isInteger(64))
    return runtime::DType::I64;
  if (element.isF16() || element.isBF16())
    return element.isF16() ? runtime::DType::F16 : runtime::DType::BF16;
  return element.isF64() ? runtime::DType::F64 : runtime::DType::F32;
}

int64_t ProgramReader::kernelOf(CallOp call) const {
  int64_t number = 0;
  for (auto [n, kernel] : llvm::enumerate(artifact.kernels))
    if (kernel.entry == call.getCallee())
      number = static_cast<int64_t>(n);
  return number;
}

/// The array that an op gives, or an argument.
runtime::ArgumentInfo ProgramReader::describe(Value value) {
  auto type = cast<VecType>(value.getType());
  runtime::ArgumentInfo info = {axisOf(type.getIndices()), arrayType(type.getElementType()), type.getDim()};
  if (auto argument = dyn_cast<BlockArgument>(value))
    info.type = arrayType(storageOf(program.getArgumentStorage(), argument.getArgNumber(), type));
  else if (auto call = value.getDefiningOp<CallOp>())
    info.type = artifact.kernels[kernelOf(call)].results[cast<OpResult>(value).getResultNumber()].type;
  return info;
}

/// True if the op that makes `value` can write it as an array of this type, and nobody reads it as another one: rows
/// are moved to arrays of any type.
bool ProgramReader::isWrittenAs(runtime::DType type, Value value) {
  return describe(value).type == type || (!value.getDefiningOp<CallOp>() && value.hasOneUse());
}

void ProgramReader::addCall(CallOp call, runtime::Step &step) const {
  step.kernel = kernelOf(call);
  step.rows = axisOf(indicesOf(call.getResult(0)));
  // Without a reduction there is one column, whatever it is.
  step.columns = call.getOver() ? axisOf(static_cast<IndexSet>(*call.getOver())) : runtime::Axis::Parameter;
}

void ProgramReader::addMove(Operation *op, runtime::Step &step) const {
  IndexSet numbers = indicesOf(op->getOperand(1));
  step.rows = axisOf(indicesOf(op->getResult(0)));
  if (auto gather = dyn_cast<GatherOp>(op)) {
    step.operation = runtime::Step::Operation::Gather;
    step.columns = axisOf(static_cast<IndexSet>(gather.getOver()));
    step.groups = gather.getGroups();
    return;
  }
  step.operation = runtime::Step::Operation::Scatter;
  step.columns = axisOf(numbers);
  step.groups = cast<ScatterOp>(op).getGroups();
}

void ProgramReader::addStep(Operation *op) {
  runtime::Step step;
  if (auto call = dyn_cast<CallOp>(op))
    addCall(call, step);
  else
    addMove(op, step);
  for (Value operand : op->getOperands())
    step.inputs.push_back(places[operand]);
  for (Value result : op->getResults()) {
    if (!places.contains(result)) {
      place(result, runtime::StepArray::Kind::Temporary, artifact.temporaries.size());
      artifact.temporaries.push_back(describe(result));
    }
    step.outputs.push_back(places[result]);
  }
  artifact.steps.push_back(std::move(step));
}

void ProgramReader::read(ArrayRef<std::vector<int64_t>> shapes) {
  Operation *terminator = body.getTerminator();
  for (Value result : terminator->getOperands())
    if (indicesOf(result) != IndexSet::None) {
      keepsJ = indicesOf(result) == IndexSet::J;
      break;
    }
  for (BlockArgument argument : body.getArguments()) {
    place(argument, runtime::StepArray::Kind::Argument, argument.getArgNumber());
    artifact.arguments.push_back(describe(argument));
  }
  // Results are written where they belong, but for arguments, what is given twice, and what others read unrounded.
  SmallVector<std::pair<Value, size_t>> copies;
  for (auto [n, result] : llvm::enumerate(terminator->getOperands())) {
    runtime::ArgumentInfo info = describe(result);
    info.type = arrayType(storageOf(program.getResultStorage(), n, result.getType()));
    std::vector<int64_t> shape = n < shapes.size() ? shapes[n] : std::vector<int64_t>{info.dim};
    artifact.results.push_back({info.type, info.dim, shape, info.axis});
    if (places.contains(result) || !isWrittenAs(info.type, result))
      copies.emplace_back(result, n);
    else
      place(result, runtime::StepArray::Kind::Result, n);
  }
  for (Operation &op : body.without_terminator())
    addStep(&op);
  for (auto [result, n] : copies) {
    runtime::Step copy;
    copy.operation = runtime::Step::Operation::Copy;
    copy.rows = axisOf(indicesOf(result));
    copy.inputs = {places[result]};
    copy.outputs = {{runtime::StepArray::Kind::Result, static_cast<int64_t>(n)}};
    artifact.steps.push_back(std::move(copy));
  }
}

llvm::Error keops::readLaunchRules(ModuleOp module, ArrayRef<std::vector<int64_t>> shapes,
                                   runtime::Artifact &artifact) {
  SmallVector<DictionaryAttr> rules = findLaunchRules(module);
  if (rules.empty())
    return llvm::createStringError("the module holds no kernel");
  ProgramOp program = programOf(module);
  if (!program) {
    readLaunchRule(rules.front(), shapes, artifact);
    return llvm::Error::success();
  }
  for (DictionaryAttr rule : rules)
    readLaunchRule(rule, {}, artifact.kernels.emplace_back());
  artifact.entry = program.getSymName().str();
  ProgramReader(program, artifact).read(shapes);
  return llvm::Error::success();
}
