//===- Oracle.cpp - What a formula should give -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ranges are a list of columns that the interpreter takes for all there are.
//
//===----------------------------------------------------------------------===//

#include "Oracle.h"

#include "keops/Frontend/FormulaBuilder.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/Error.h"

#include <algorithm>

using namespace keops;
using namespace keops::fuzz;

Reference::Reference(mlir::MLIRContext &context, const Case &test, const ExpressionRef &root, DType type, Phase last,
                     std::string &error, const CompilerOptions &options)
    : test(test), keeps(frontend::resultCategory(*root)) {
  mlir::Type element =
      type == DType::F32 ? mlir::Type(mlir::Float32Type::get(&context)) : mlir::Type(mlir::Float64Type::get(&context));
  static constexpr SumScheme schemes[] = {SumScheme::Blocks, SumScheme::F64, SumScheme::Kahan};
  frontend::Diagnostic diagnostic;
  module = frontend::buildModule(context, {root, test.declarations()}, element, diagnostic,
                                 schemes[static_cast<int>(test.sums)]);
  if (!module) {
    error = diagnostic.message;
    return;
  }
  if (last == Phase::Formula)
    return;
  if (llvm::Error failure = runPhases(*module, options, last)) {
    error = llvm::toString(std::move(failure));
    module = {};
  }
}

static FormulaFuncOp formulaOf(mlir::ModuleOp module) { return *module.getOps<FormulaFuncOp>().begin(); }

std::vector<int64_t> Reference::dims() {
  std::vector<int64_t> all;
  for (mlir::Value result : formulaOf(*module).getBody().front().getTerminator()->getOperands())
    all.push_back(llvm::cast<VecType>(result.getType()).getDim());
  return all;
}

bool Reference::reducesRowsAlone() {
  auto reductions = formulaOf(*module).getBody().getOps<ReduceOp>();
  return llvm::hasSingleElement(reductions) &&
         (*reductions.begin()).getOver() == (keepsI() ? ReducedIndex::J : ReducedIndex::I);
}

std::vector<int64_t> Reference::columnsOf(int64_t row) const {
  std::vector<int64_t> columns;
  const Clusters &clusters = test.clusters;
  if (clusters.empty()) {
    columns.resize(keepsI() ? test.rowsJ : test.rowsI);
    for (size_t n = 0; n < columns.size(); ++n)
      columns[n] = static_cast<int64_t>(n);
    return columns;
  }
  for (size_t k = 0; k < clusters.slices.size(); ++k)
    if (clusters.rows[2 * k] <= row && row < clusters.rows[2 * k + 1])
      for (int64_t l = k == 0 ? 0 : clusters.slices[k - 1]; l < clusters.slices[k]; ++l)
        for (int64_t column = clusters.columns[2 * l]; column < clusters.columns[2 * l + 1]; ++column)
          columns.push_back(column);
  std::sort(columns.begin(), columns.end());
  return columns;
}

std::vector<InterpreterRow> Reference::row(int64_t batch, int64_t row) {
  std::vector<int64_t> columns = columnsOf(row);
  Category reduced = keepsI() ? Category::J : Category::I;
  InterpreterInputs inputs;
  inputs.rowsI = keepsI() ? test.rowsI : static_cast<int64_t>(columns.size());
  inputs.rowsJ = keepsI() ? static_cast<int64_t>(columns.size()) : test.rowsJ;
  inputs.read = [&](unsigned argument, int64_t place, int64_t d) {
    bool isColumn = test.arguments[argument].variable.category == reduced;
    return test.number(argument, batch, isColumn ? columns[place] : place, d);
  };
  if (keepsI())
    inputs.numberJ = [&](int64_t place) {
      return place < static_cast<int64_t>(columns.size()) ? columns[place] : place;
    };
  return interpret(formulaOf(*module), inputs, row);
}

std::vector<InterpreterRow> Reference::pair(int64_t batch, int64_t i, int64_t j) {
  InterpreterInputs inputs;
  inputs.read = [&](unsigned argument, int64_t, int64_t d) {
    Category category = test.arguments[argument].variable.category;
    return test.number(argument, batch, category == Category::I ? i : category == Category::J ? j : 0, d);
  };
  // Row numbers: i is asked for as row 0 of 1, so a formula of Index_i() sees 0 here.
  inputs.numberJ = [&](int64_t) { return j; };
  return interpret(formulaOf(*module), inputs, 0);
}
