//===- MovingKernels.cpp - Steps that move rows, as kernels -----*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The types of arrays are known when the program has become steps.
//
//===----------------------------------------------------------------------===//

#include "MovingKernels.h"

#include "keops/Lowering/MovedRows.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace keops;

static Type elementType(Builder builder, runtime::DType type) {
  switch (type) {
  case runtime::DType::F64:
    return builder.getF64Type();
  case runtime::DType::I64:
    return builder.getI64Type();
  case runtime::DType::F16:
    return builder.getF16Type();
  case runtime::DType::BF16:
    return builder.getBF16Type();
  default: // Kernels know no complex numbers.
    return builder.getF32Type();
  }
}

static runtime::ArgumentInfo describe(const runtime::Artifact &artifact, const runtime::StepArray &array) {
  if (array.kind == runtime::StepArray::Kind::Result) {
    const runtime::ResultInfo &result = artifact.results[array.number];
    return {result.axis, result.type, result.dim};
  }
  bool isArgument = array.kind == runtime::StepArray::Kind::Argument;
  return (isArgument ? artifact.arguments : artifact.temporaries)[array.number];
}

static MovedRows::Kind kindOf(runtime::Step::Operation operation) {
  return operation == runtime::Step::Operation::Gather    ? MovedRows::Kind::Gather
         : operation == runtime::Step::Operation::Scatter ? MovedRows::Kind::Scatter
                                                          : MovedRows::Kind::Copy;
}

/// How the kernel of a step is launched. Rows are those of its result.
static runtime::LaunchRule makeRule(const runtime::Artifact &artifact, const runtime::Step &step, const MovedRows &rows,
                                    std::string entry) {
  runtime::LaunchRule rule;
  rule.entry = std::move(entry);
  for (const runtime::StepArray &input : step.inputs) {
    runtime::ArgumentInfo info = describe(artifact, input);
    if (info.axis != runtime::Axis::Parameter)
      info.axis = info.axis == step.rows ? runtime::Axis::Row : runtime::Axis::Column;
    rule.arguments.push_back(info);
  }
  runtime::ArgumentInfo result = describe(artifact, step.outputs[0]);
  rule.results.push_back({result.type, result.dim, {result.dim}, runtime::Axis::Row});
  rule.rowsPerBlock = rows.rowsPerBlock();
  rule.threads = MovedRows::threads;
  rule.scatterGroups = rows.kind == MovedRows::Kind::Scatter ? rows.groups : 0;
  return rule;
}

void keops::addMovingKernels(ModuleOp module, runtime::Artifact &artifact) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  // A rule says over which indices arrays run, which code does not depend on.
  SmallVector<std::pair<MovedRows, std::string>> made;
  for (runtime::Step &step : artifact.steps) {
    if (step.operation == runtime::Step::Operation::Launch)
      continue;
    runtime::ArgumentInfo from = describe(artifact, step.inputs[0]), to = describe(artifact, step.outputs[0]);
    MovedRows rows;
    rows.kind = kindOf(step.operation);
    rows.from = elementType(builder, from.type);
    rows.to = elementType(builder, to.type);
    rows.dim = to.dim;
    rows.positions = step.inputs.size() > 1 ? describe(artifact, step.inputs[1]).dim : 1;
    rows.groups = step.groups;
    auto *known = llvm::find_if(made, [&](const auto &one) { return one.first == rows; });
    if (known == made.end()) {
      std::string entry = artifact.entry + "_rows" + std::to_string(made.size());
      emitMovedRows(rows, entry, gpu::GPUModuleOp::create(builder, module.getLoc(), entry));
      made.emplace_back(rows, entry);
      known = &made.back();
    }
    step.kernel = static_cast<int64_t>(artifact.kernels.size());
    artifact.kernels.push_back(makeRule(artifact, step, rows, known->second));
  }
}
