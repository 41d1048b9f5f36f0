//===- Assembler.cpp - PTX to machine code of a GPU -------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// It is sought where the user says, then among the programs that the shell
// finds, then where toolkits and Python packages put it.
//
//===----------------------------------------------------------------------===//

#include "Assembler.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace llvm;

static constexpr StringLiteral kProgram = "ptxas";

/// Folders directly in `folder` whose names begin with `prefix`, with `rest` after them.
static void addFolders(StringRef folder, StringRef prefix, StringRef rest, SmallVectorImpl<std::string> &places) {
  std::error_code error;
  SmallVector<std::string> found;
  for (sys::fs::directory_iterator entry(folder, error), end; entry != end && !error; entry.increment(error))
    if (sys::path::filename(entry->path()).starts_with(prefix))
      found.push_back(entry->path() + rest.str());
  llvm::sort(found, std::greater<>());
  places.append(found);
}

/// Where to look, the first place first.
static SmallVector<std::string> placesOf() {
  SmallVector<std::string> places;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *folder = std::getenv(variable))
      places.push_back(std::string(folder) + "/bin");
  if (const char *path = std::getenv("PATH")) {
    SmallVector<StringRef> parts;
    StringRef(path).split(parts, ':', -1, /*KeepEmpty=*/false);
    for (StringRef part : parts)
      places.push_back(part.str());
  }
  places.push_back("/usr/local/cuda/bin");
  addFolders("/usr/local", "cuda-", "/bin", places);
  // Packages of a Python environment: <environment>/lib/python3.x/site-packages/nvidia/<package>/bin.
  if (const char *environment = std::getenv("VIRTUAL_ENV")) {
    SmallVector<std::string> libraries;
    addFolders(std::string(environment) + "/lib", "python", "/site-packages/nvidia", libraries);
    for (const std::string &library : libraries)
      addFolders(library, "", "/bin", places);
  }
  return places;
}

static Expected<std::string> findAssembler() {
  for (const std::string &place : placesOf())
    if (std::string file = place + "/" + kProgram.str(); sys::fs::can_execute(file))
      return file;
  return createStringError(
      "machine code of a GPU needs NVIDIA's assembler ptxas, which was not found in $CUDA_HOME/bin, "
      "$CUDA_PATH/bin, $PATH, /usr/local/cuda*/bin or the packages of $VIRTUAL_ENV; --to=ptx needs "
      "none, and drivers take it");
}

Expected<std::string> keops::translate::assemble(StringRef ptx, StringRef target) {
  Expected<std::string> assembler = findAssembler();
  if (!assembler)
    return assembler.takeError();
  SmallString<128> source, result, messages;
  for (auto [name, ending] : {std::pair(&source, "ptx"), {&result, "cubin"}, {&messages, "txt"}})
    if (std::error_code error = sys::fs::createTemporaryFile("keops", ending, *name))
      return createStringError("no temporary file for ptxas: " + error.message());
  FileRemover removeSource(source), removeResult(result), removeMessages(messages);
  {
    std::error_code error;
    raw_fd_ostream file(source, error);
    file << ptx;
  }
  std::string processor = "-arch=" + target.str(), why;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages), StringRef(messages)};
  int status = sys::ExecuteAndWait(*assembler, {*assembler, processor, source, "-o", result}, std::nullopt, redirects,
                                   /*SecondsToWait=*/0, /*MemoryLimit=*/0, &why);
  if (status != 0) {
    if (auto said = MemoryBuffer::getFile(messages))
      why += (*said)->getBuffer().trim();
    return createStringError(*assembler + " refuses the code: " + why);
  }
  auto made = MemoryBuffer::getFile(result);
  if (!made)
    return createStringError(*assembler + " wrote no code: " + made.getError().message());
  return (*made)->getBuffer().str();
}
