//===- FormulaBuilder.cpp - Expressions to IR ---------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One walk over the expression, operands first; a shared node becomes one value.
// Every op is typed and verified as soon as it is made, while the node that asks
// for it is known, so that what the dialect objects to is reported in the words
// of the formula and at its place.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/FormulaBuilder.h"
#include "Derivatives.h"
#include "ReductionNames.h"
#include "Spellings.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Threading.h"

#include <cstddef>

using namespace keops;
using namespace keops::frontend;
using mlir::Value;

namespace {

class Builder final : public Emitter {
public:
  Builder(mlir::MLIRContext &context, const Program &program, mlir::Type storage, SumScheme scheme,
          frontend::Diagnostic &error)
      : context(context), program(program), storage(storage), element(arithmeticType(storage)), scheme(scheme),
        error(error), ops(&context), coreOps(spelledOps(context)), unknown(mlir::UnknownLoc::get(&context)) {}

  mlir::OwningOpRef<mlir::ModuleOp> build();
  std::optional<int64_t> dimension();

  // The call at hand.
  size_t size() const override { return node->arguments.size(); }
  Value operand(size_t index) override { return valueOf(*node->arguments[index].formula()); }
  int64_t integer(size_t index) const override { return *node->arguments[index].integer(); }
  llvm::ArrayRef<int64_t> list(size_t index) const override { return node->arguments[index].list(); }
  std::optional<double> number(size_t index) const override {
    const ExpressionRef &formula = node->arguments[index].formula();
    return formula && formula->isNumber() ? std::optional<double>(formula->number.value) : std::nullopt;
  }
  bool holdsReduction(size_t index) const override { return reduced.contains(node->arguments[index].formula().get()); }
  Value fail(const llvm::Twine &message) override;
  Value emit(llvm::StringRef op, mlir::ValueRange operands, llvm::ArrayRef<mlir::NamedAttribute> attributes) override;
  using Emitter::emit;
  Value constant(double value, int64_t dim) override;
  Value indexNumber(IndexSet index) override;
  mlir::Builder &builder() override { return ops; }
  mlir::Type elementType() const override { return element; }

private:
  Value valueOf(const Expression &expression);
  Value buildCall();
  mlir::Operation *buildReduction();
  bool checkReductions();
  bool buildNodes();
  mlir::LogicalResult buildBody(llvm::SmallVectorImpl<Value> &results);
  FormulaFuncOp makeFormula(mlir::ModuleOp module);
  void setStorage(FormulaFuncOp formula);
  mlir::Location locationOf(const Expression &expression);
  std::nullptr_t report(std::string message, const SourceRange &where);
  mlir::Operation *create(mlir::RegisteredOperationName name, mlir::ValueRange operands,
                          llvm::ArrayRef<mlir::NamedAttribute> attributes);

  mlir::MLIRContext &context;
  const Program &program;
  mlir::Type storage; ///< of numbers in arrays
  mlir::Type element; ///< of numbers in formulas
  SumScheme scheme;
  frontend::Diagnostic &error;
  mlir::OpBuilder ops;
  llvm::StringMap<mlir::RegisteredOperationName> coreOps;
  mlir::Location unknown;
  mlir::Block *body = nullptr;
  llvm::DenseMap<const Expression *, Value> values;
  /// What holds a reduction.
  llvm::DenseSet<const Expression *> reduced;
  const Expression *node = nullptr;
  bool failed = false;
  /// What the dialect said of the op being made.
  std::string objection;
};

} // namespace

//===----------------------------------------------------------------------===//
// Errors and locations
//===----------------------------------------------------------------------===//

/// Only the first error counts; those that follow come of it.
std::nullptr_t Builder::report(std::string message, const SourceRange &where) {
  if (!failed)
    error = {std::move(message), where};
  failed = true;
  return nullptr;
}

Value Builder::fail(const llvm::Twine &message) {
  report(node->name + " " + message.str(), node->where);
  return {};
}

/// The place in the text as columns of a line; text has no file.
mlir::Location Builder::locationOf(const Expression &expression) {
  const SourceRange &where = expression.where;
  if (!where.text)
    return unknown;
  unsigned first = static_cast<unsigned>(where.offset + 1);
  unsigned end = static_cast<unsigned>(where.offset + where.length + 1);
  auto range = mlir::FileLineColRange::get(mlir::StringAttr::get(&context, "formula"), 1, first, end);
  // The text goes along, so that later passes can point at the place too.
  return mlir::FusedLoc::get(&context, {range}, mlir::StringAttr::get(&context, *where.text));
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// Makes an op with inferred result types, or returns null with an objection.
/// The generated builders would abort where inference fails.
mlir::Operation *Builder::create(mlir::RegisteredOperationName name, mlir::ValueRange operands,
                                 llvm::ArrayRef<mlir::NamedAttribute> attributes) {
  mlir::Location loc = locationOf(*node);
  mlir::DictionaryAttr dictionary = ops.getDictionaryAttr(attributes);
  llvm::SmallVector<std::max_align_t> storage(llvm::divideCeil(name.getOpPropertyByteSize(), sizeof(std::max_align_t)));
  mlir::OpaqueProperties properties(storage.empty() ? nullptr : static_cast<void *>(storage.data()));
  auto emitError = [&] { return mlir::emitError(loc); };
  if (properties) {
    name.initOpProperties(properties, mlir::OpaqueProperties(nullptr));
    (void)name.setOpPropertiesFromAttribute(name, properties, dictionary, emitError);
  }
  mlir::Operation *op = nullptr;
  llvm::SmallVector<mlir::Type> types;
  auto *inference = name.getInterface<mlir::InferTypeOpInterface>();
  if (mlir::succeeded(inference->inferReturnTypes(&context, loc, operands, dictionary, properties, {}, types)))
    op = mlir::Operation::create(loc, name, types, operands, mlir::NamedAttrList(), properties);
  if (properties)
    name.destroyOpProperties(properties);
  if (!op)
    return nullptr;
  ops.insert(op);
  if (mlir::succeeded(name.verifyInvariants(op)))
    return op;
  op->erase();
  return nullptr;
}

Value Builder::emit(llvm::StringRef op, mlir::ValueRange operands, llvm::ArrayRef<mlir::NamedAttribute> attributes) {
  if (failed || llvm::is_contained(operands, Value()))
    return {};
  objection.clear();
  mlir::Operation *made = create(*mlir::RegisteredOperationName::lookup(op, &context), operands, attributes);
  if (!made) {
    // "'keops.pad' op puts …" becomes "ExtractT puts …".
    llvm::StringRef text = objection;
    if (text.consume_front("'" + op.str() + "' op "))
      return fail(text);
    report(node->name + ": " + text.str(), node->where);
    return {};
  }
  Value result = made->getResult(0);
  if (dimOf(result) <= maxDim)
    return result;
  return fail("would have " + llvm::Twine(dimOf(result)) + " components, more than " + llvm::Twine(maxDim));
}

Value Builder::constant(double value, int64_t dim) {
  auto type = VecType::get(&context, dim, element, IndexSet::None);
  return ConstantOp::create(ops, node ? locationOf(*node) : unknown, type, ops.getF64FloatAttr(value));
}

Value Builder::indexNumber(IndexSet index) {
  return IndexOp::create(ops, locationOf(*node), VecType::get(&context, 1, element, index));
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// The value of a node whose operands have been built. Numbers become constants
/// only where a formula is meant: many are integer arguments.
Value Builder::valueOf(const Expression &expression) {
  switch (expression.kind) {
  case Expression::Kind::Number:
    return constant(expression.number.value, 1);
  case Expression::Kind::Variable:
    return body->getArgument(static_cast<unsigned>(expression.variable.position));
  case Expression::Kind::Call:
  case Expression::Kind::Reduction:
    break;
  }
  return values.lookup(&expression);
}

Value Builder::buildCall() {
  const Spelling *spelling = findSpelling(node->name);
  auto core = coreOps.find(node->name);
  if (!spelling && core == coreOps.end()) {
    report("there is no operation " + quoted(node->name), node->where);
    return {};
  }
  Signature signature = spelling ? Signature{spelling->kinds.str(), spelling->optional} : signatureOf(core->second);
  // Formulas made by a program come here unchecked.
  if (std::optional<frontend::Diagnostic> wrong = checkArguments(*node, signature)) {
    report(wrong->message, wrong->where);
    return {};
  }
  if (spelling)
    return spelling->expand(*this);
  llvm::SmallVector<Value, 3> operands;
  for (size_t index = 0; index < size(); ++index)
    operands.push_back(operand(index));
  return emit(core->second.getStringRef(), operands, {});
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

mlir::Operation *Builder::buildReduction() {
  const Expression &reduction = *node;
  if (std::optional<frontend::Diagnostic> wrong = checkReduction(reduction))
    return report(wrong->message, wrong->where);
  ReductionInterface monoid = reductionOf(&context, reduction, scheme);
  if (!monoid) {
    std::string known;
    for (const ReductionInfo &info : allReductions())
      if (info.isComputed)
        known += (known.empty() ? "" : ", ") + info.name.str();
    return report("the reduction " + reduction.name + " has no op; expected one of " + known, reduction.where);
  }
  if (scheme != SumScheme::Blocks && !findReduction(reduction.name)->adds)
    return report("the reduction " + reduction.name + " adds nothing: expected no scheme of summation, got '" +
                      stringifySumScheme(scheme).str() + "'",
                  reduction.where);
  llvm::SmallVector<Value, 2> terms;
  for (size_t index = 0; index < size(); ++index)
    terms.push_back(operand(index));
  ReducedIndex over = reduction.output == Category::I ? ReducedIndex::J : ReducedIndex::I;
  objection.clear();
  mlir::Operation *reduce =
      create(*mlir::RegisteredOperationName::lookup(ReduceOp::getOperationName(), &context), terms,
             {ops.getNamedAttr("reduction", monoid), ops.getNamedAttr("over", ReducedIndexAttr::get(&context, over))});
  if (!reduce)
    return report(objection, reduction.where);
  for (Value result : reduce->getResults())
    if (dimOf(result) > maxDim) {
      fail("would have " + llvm::Twine(dimOf(result)) + " components, more than " + llvm::Twine(maxDim));
      return nullptr;
    }
  return reduce;
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// Notes whether the node at hand holds a reduction; false after an error if it uses one as nothing can.
bool Builder::checkReductions() {
  bool holds = node->kind == Expression::Kind::Reduction;
  for (auto [index, argument] : llvm::enumerate(node->arguments)) {
    const Expression *formula = argument.formula().get();
    if (!formula || !reduced.contains(formula))
      continue;
    holds = true;
    Value value = valueOf(*formula);
    if (value && !llvm::isa<mlir::FloatType>(llvm::cast<VecType>(value.getType()).getElementType())) {
      report(formula->name + " gives numbers of rows, with which formulas do not compute", formula->where);
      return false;
    }
    const Spelling *spelling = node->kind == Expression::Kind::Call ? findSpelling(node->name) : nullptr;
    if (index == 0 && spelling && spelling->kinds.contains('v') && !takesReduction(node->name)) {
      report(node->name + " is taken for each pair and expects a formula without reductions; Grad and Diff take them",
             formula->where);
      return false;
    }
  }
  if (holds)
    reduced.insert(node);
  return true;
}

/// Makes the values of all nodes; false after an error.
bool Builder::buildNodes() {
  auto buildNode = [&](const Expression &visited) {
    if (failed || visited.kind == Expression::Kind::Number || visited.kind == Expression::Kind::Variable ||
        values.count(&visited))
      return;
    node = &visited;
    if (!checkReductions())
      return;
    if (visited.kind == Expression::Kind::Call)
      values[&visited] = buildCall();
    else if (mlir::Operation *reduce = buildReduction())
      values[&visited] = reduce->getResult(0);
  };
  program.forEachRoot([&](const Expression &root) { forEachNode(root, buildNode); });
  return !failed;
}

mlir::LogicalResult Builder::buildBody(llvm::SmallVectorImpl<Value> &results) {
  if (!buildNodes())
    return mlir::failure();
  program.forEachRoot([&](const Expression &root) {
    node = &root;
    Value value = valueOf(root);
    if (root.kind == Expression::Kind::Reduction)
      llvm::append_range(results, value.getDefiningOp()->getResults());
    else if (llvm::cast<VecType>(value.getType()).getIndices() == IndexSet::IJ)
      report("the formula depends on both i and j: it needs a reduction over one of them", root.where);
    else
      results.push_back(value);
  });
  return mlir::failure(failed);
}

/// An empty formula of the program's arguments, into which ops then go.
FormulaFuncOp Builder::makeFormula(mlir::ModuleOp module) {
  llvm::SmallVector<mlir::Type> types;
  for (const Declaration &declaration : program.arguments) {
    const Variable &variable = declaration.variable;
    IndexSet indices = variable.category == Category::I   ? IndexSet::I
                       : variable.category == Category::J ? IndexSet::J
                                                          : IndexSet::None;
    types.push_back(VecType::get(&context, variable.dim, element, indices));
  }
  ops.setInsertionPointToEnd(module.getBody());
  auto formula = FormulaFuncOp::create(ops, locationOf(*program.root), "formula", types);
  body = &formula.getBody().front();
  ops.setInsertionPointToEnd(body);
  return formula;
}

/// Says how arrays hold the arguments and results, where not as they are computed with.
void Builder::setStorage(FormulaFuncOp formula) {
  if (storage == element)
    return;
  auto storageOf = [&](mlir::Type type) -> mlir::Type {
    mlir::Type own = llvm::cast<VecType>(type).getElementType();
    return own == element ? storage : own;
  };
  auto arguments = llvm::map_to_vector(formula.getBody().getArgumentTypes(), storageOf);
  auto results = llvm::map_to_vector(formula.getResultTypes().getAsValueRange<mlir::TypeAttr>(), storageOf);
  formula.setArgumentStorageAttr(ops.getTypeArrayAttr(arguments));
  formula.setResultStorageAttr(ops.getTypeArrayAttr(results));
}

std::optional<int64_t> Builder::dimension() {
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    if (objection.empty())
      objection = diagnostic.str();
    return mlir::success();
  });
  mlir::OwningOpRef<mlir::ModuleOp> module(mlir::ModuleOp::create(unknown));
  makeFormula(*module);
  if (!buildNodes())
    return std::nullopt;
  return dimOf(valueOf(*program.root));
}

mlir::OwningOpRef<mlir::ModuleOp> Builder::build() {
  // The dialect objects through the context; other threads may use it too.
  uint64_t thread = llvm::get_threadid();
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) -> mlir::LogicalResult {
    if (llvm::get_threadid() != thread)
      return mlir::failure();
    if (objection.empty())
      objection = diagnostic.str();
    return mlir::success();
  });

  mlir::OwningOpRef<mlir::ModuleOp> module(mlir::ModuleOp::create(unknown));
  FormulaFuncOp formula = makeFormula(*module);
  llvm::SmallVector<Value, 2> results;
  if (mlir::failed(buildBody(results)))
    return {};
  ReturnOp::create(ops, formula.getLoc(), results);
  formula.setResultTypesAttr(ops.getTypeArrayAttr(llvm::to_vector(mlir::TypeRange(results))));
  setStorage(formula);
  if (mlir::succeeded(mlir::verify(*module)))
    return module;
  report(objection, program.root->where);
  return {};
}

mlir::OwningOpRef<mlir::ModuleOp> keops::frontend::buildModule(mlir::MLIRContext &context, const Program &program,
                                                               mlir::Type storage, frontend::Diagnostic &error,
                                                               SumScheme scheme) {
  return Builder(context, program, storage, scheme, error).build();
}

mlir::Type keops::frontend::storageNamed(mlir::MLIRContext &context, llvm::StringRef name) {
  return llvm::StringSwitch<mlir::Type>(name)
      .Cases({"f16", "float16"}, mlir::Float16Type::get(&context))
      .Cases({"bf16", "bfloat16"}, mlir::BFloat16Type::get(&context))
      .Cases({"f32", "float32"}, mlir::Float32Type::get(&context))
      .Cases({"f64", "float64"}, mlir::Float64Type::get(&context))
      .Default({});
}

std::optional<int64_t> keops::frontend::dimensionOf(const ExpressionRef &formula, frontend::Diagnostic &error) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.getOrLoadDialect<KeopsDialect>();
  Program program{formula, {}};
  // The positions in between do not matter: whatever stands there is not used.
  forEachNode(*formula, [&](const Expression &node) {
    if (node.kind != Expression::Kind::Variable)
      return;
    size_t position = static_cast<size_t>(node.variable.position);
    if (position >= program.arguments.size())
      program.arguments.resize(position + 1);
    program.arguments[position].variable = node.variable;
  });
  return Builder(context, program, mlir::Float64Type::get(&context), SumScheme::Blocks, error).dimension();
}

std::vector<std::string> keops::frontend::operationNames(mlir::MLIRContext &context) {
  std::vector<std::string> names;
  for (const auto &entry : spelledOps(context))
    names.push_back(entry.getKey().str());
  for (const Spelling &entry : spellings())
    names.push_back(entry.name.str());
  llvm::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}
