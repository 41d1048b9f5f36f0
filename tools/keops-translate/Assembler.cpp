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

#include "keops/Compiler/Toolkit.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace llvm;
using namespace keops;

static constexpr StringLiteral kProgram = "ptxas";

/// Where to look, the first place first.
static std::vector<std::string> placesOf() {
  std::vector<std::string> places;
  auto add = [&](const std::vector<std::string> &toolkits) {
    for (const std::string &folder : toolkits)
      places.push_back(folder + "/bin");
  };
  add(chosenToolkits());
  if (const char *path = std::getenv("PATH")) {
    SmallVector<StringRef> parts;
    StringRef(path).split(parts, ':', -1, /*KeepEmpty=*/false);
    for (StringRef part : parts)
      places.push_back(part.str());
  }
  add(usualToolkits());
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
