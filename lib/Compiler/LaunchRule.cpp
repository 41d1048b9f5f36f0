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

using namespace mlir;
using namespace keops;

std::vector<std::vector<int64_t>> keops::resultShapes(ModuleOp module) {
  std::vector<std::vector<int64_t>> shapes;
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

llvm::Expected<std::string> keops::explainSchedule(ModuleOp module, const CompilerOptions &options) {
  if (llvm::Error error = runPhases(module, options, Phase::Scheduled))
    return std::move(error);
  std::string text;
  module.walk(
      [&](FormulaFuncOp formula) { text += explain(formula, module->getAttrOfType<TargetAttr>("keops.target")); });
  return text;
}

DictionaryAttr keops::findLaunchRule(ModuleOp module) {
  DictionaryAttr launch;
  module.walk([&](Operation *op) {
    if (auto found = op->getAttrOfType<DictionaryAttr>("keops.launch"))
      launch = found;
  });
  return launch;
}

int64_t keops::launchInteger(DictionaryAttr launch, StringRef name) {
  auto attr = launch.getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}

void keops::readLaunchRule(DictionaryAttr launch, ArrayRef<std::vector<int64_t>> shapes, runtime::Artifact &artifact) {
  artifact.entry = cast<StringAttr>(launch.get("entry")).str();
  artifact.rowsPerBlock = launchInteger(launch, "rows_per_block");
  artifact.rowGranularity = launchInteger(launch, "row_granularity");
  artifact.columnsPerTile = launchInteger(launch, "columns_per_tile");
  artifact.stateBytes = launchInteger(launch, "state_bytes");
  artifact.scratchBytes = launchInteger(launch, "scratch_bytes");
  for (Attribute attr : cast<ArrayAttr>(launch.get("arguments"))) {
    ArrayRef<int64_t> fields = cast<DenseI64ArrayAttr>(attr).asArrayRef();
    artifact.arguments.push_back(
        {static_cast<runtime::Axis>(fields[0]), static_cast<runtime::DType>(fields[2]), fields[1]});
  }
  for (auto [n, attr] : llvm::enumerate(cast<ArrayAttr>(launch.get("results")))) {
    ArrayRef<int64_t> fields = cast<DenseI64ArrayAttr>(attr).asArrayRef();
    std::vector<int64_t> shape = n < shapes.size() ? shapes[n] : std::vector<int64_t>{fields[1]};
    artifact.results.push_back({static_cast<runtime::DType>(fields[2]), fields[1], shape});
  }
}
