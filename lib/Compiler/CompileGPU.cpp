//===- CompileGPU.cpp - Formula IR to PTX and its launch rules -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels of a program are functions of one module, so that they are loaded
// together.
//
//===----------------------------------------------------------------------===//

#include "CompileGPU.h"

#include "LaunchRule.h"
#include "MovingKernels.h"

#include "keops/Compiler/EmitPTX.h"

using namespace mlir;
using namespace keops;

llvm::Expected<runtime::Artifact> keops::compileForGPU(ModuleOp module, const CompilerOptions &options) {
  std::vector<std::vector<int64_t>> shapes = resultShapes(module);
  auto explanation = explainSchedule(module, options);
  if (!explanation)
    return explanation.takeError();
  if (llvm::Error error = runPhases(module, options, Phase::Approximated))
    return std::move(error);
  auto target = module->getAttrOfType<TargetAttr>("keops.target");
  runtime::Artifact artifact;
  artifact.target = target.getName().str();
  artifact.explanation = std::move(*explanation);
  if (llvm::Error error = readLaunchRules(module, shapes, artifact))
    return std::move(error);
  addMovingKernels(module, artifact);
  gpu::GPUModuleOp gpuModule = mergeGPUModules(module);
  if (!gpuModule)
    return llvm::createStringError("target '" + artifact.target + "' is a CPU; expected a GPU such as sm_90");
  auto text = emitPTX(gpuModule, target);
  if (!text)
    return text.takeError();
  artifact.code = std::move(*text);
  return artifact;
}
