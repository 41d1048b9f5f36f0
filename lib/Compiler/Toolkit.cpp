//===- Toolkit.cpp - Where NVIDIA's toolkit may be --------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/Toolkit.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstdlib>

using namespace llvm;

/// Folders directly in `folder` whose names begin with `prefix`, the last name first: that is the newest version.
static std::vector<std::string> foldersIn(const std::string &folder, StringRef prefix) {
  std::error_code error;
  std::vector<std::string> found;
  for (sys::fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (sys::path::filename(entry->path()).starts_with(prefix))
      found.push_back(entry->path());
  llvm::sort(found, std::greater<>());
  return found;
}

std::vector<std::string> keops::chosenToolkits() {
  std::vector<std::string> places;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *folder = std::getenv(variable))
      places.push_back(folder);
  return places;
}

std::vector<std::string> keops::usualToolkits() {
  std::vector<std::string> places = {"/usr/local/cuda"};
  llvm::append_range(places, foldersIn("/usr/local", "cuda-"));
  places.insert(places.end(), {"/opt/cuda", "/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit"});
  // Packages are in <environment>/lib/python3.11/site-packages/nvidia.
  if (const char *environment = std::getenv("VIRTUAL_ENV"))
    for (const std::string &python : foldersIn(std::string(environment) + "/lib", "python"))
      llvm::append_range(places, foldersIn(python + "/site-packages/nvidia", ""));
  return places;
}
