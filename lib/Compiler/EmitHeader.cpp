//===- EmitHeader.cpp - A GPU kernel as a C++ header -----------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The launch is that of Runtime/GpuLaunch.cpp for all pairs and one batch,
// written out: change both together.
//
//===----------------------------------------------------------------------===//

#include "keops/Compiler/EmitHeader.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace keops;

static constexpr llvm::StringLiteral kLaunch = R"code(
/// An array of the device: where it begins, and elements from one row, and from one component, to the next.
struct Input {
  CUdeviceptr data;
  std::int64_t rowStride, componentStride;
};

/// What the kernel reads beside the arrays. It depends on these two sizes alone: copy it to the device once for all
/// launches of these sizes.
inline std::vector<std::int64_t> makeTable(std::int64_t rows, std::int64_t columns) {
  std::vector<std::int64_t> table(2 + numInputs, 0);
  table[1] = columns;
  for (std::int64_t begin = 0; begin < rows; begin += rowsPerBlock)
    table.insert(table.end(), {begin, begin + rowsPerBlock < rows ? begin + rowsPerBlock : rows, 0, columns > 0 ? 1 : 0});
  return table;
}

/// Queues the kernel, `cuModuleGetFunction(&kernel, module, entry)`, on `stream`. `table` is the device's copy of
/// `makeTable(rows, columns)`. Results have a row for each of `rows`, one after the other without gaps.
inline CUresult launch(CUfunction kernel, CUstream stream, CUdeviceptr table, std::int64_t rows,
                       const Input (&inputs)[numInputs], const CUdeviceptr (&outputs)[numOutputs]) {
  if (rows <= 0)
    return CUDA_SUCCESS;
  std::uint64_t slots[3 * numInputs + numOutputs + 4];
  std::uint64_t *next = slots;
  for (const Input &input : inputs) {
    *next++ = input.data;
    *next++ = static_cast<std::uint64_t>(input.rowStride);
    *next++ = static_cast<std::uint64_t>(input.componentStride);
  }
  for (CUdeviceptr output : outputs)
    *next++ = output;
  *next++ = static_cast<std::uint64_t>(rows);
  *next++ = table + (2 + numInputs) * sizeof(std::int64_t); // blocks of rows
  *next++ = table;                                          // the interval of columns
  *next++ = table + 2 * sizeof(std::int64_t);               // where batches begin: there is one
  void *parameters[sizeof(slots) / sizeof(slots[0])];
  for (std::size_t n = 0; n < sizeof(slots) / sizeof(slots[0]); ++n)
    parameters[n] = &slots[n];
  return cuLaunchKernel(kernel, static_cast<unsigned>((rows + rowsPerBlock - 1) / rowsPerBlock), 1, 1, threads, 1, 1,
                        sharedBytes, stream, parameters, nullptr);
}
)code";

/// The delimiter of the string that holds PTX, in which no ")ptx\"" occurs.
static constexpr llvm::StringLiteral kDelimiter = "ptx";

static llvm::StringRef axisText(runtime::Axis axis) {
  return axis == runtime::Axis::Row      ? "one row for each row of the result"
         : axis == runtime::Axis::Column ? "one row for each column that is reduced"
                                         : "one row";
}

llvm::Expected<std::string> keops::emitHeader(const runtime::Artifact &artifact, llvm::StringRef name,
                                              llvm::StringRef formula) {
  if (artifact.isProgram())
    return llvm::createStringError("a header holds one kernel, but the formula takes " +
                                   std::to_string(artifact.steps.size()) + " passes");
  std::string text;
  llvm::raw_string_ostream out(text);
  std::string guard = "KEOPS_GENERATED_" + name.upper() + "_H";
  out << "// Made by keops-translate for " << artifact.target << ": a kernel, and how the CUDA driver launches it.\n";
  llvm::SmallVector<llvm::StringRef> lines;
  formula.split(lines, '\n');
  for (llvm::StringRef line : lines)
    out << "//   " << line << "\n";
  out << "// Inputs:\n";
  for (auto [n, argument] : llvm::enumerate(artifact.arguments))
    out << "//   " << n << ": " << argument.dim << " x " << runtime::nameOf(argument.type) << ", "
        << axisText(argument.axis) << "\n";
  out << "// Outputs:\n";
  for (auto [n, result] : llvm::enumerate(artifact.results))
    out << "//   " << n << ": " << result.dim << " x " << runtime::nameOf(result.type) << "\n";
  out << "#ifndef " << guard << "\n#define " << guard << "\n\n"
      << "#include <cuda.h>\n\n#include <cstddef>\n#include <cstdint>\n#include <vector>\n\nnamespace " << name
      << " {\n\n"
      << "constexpr char entry[] = \"" << artifact.entry << "\";\n"
      << "constexpr int numInputs = " << artifact.arguments.size() << ", numOutputs = " << artifact.results.size()
      << ";\n"
      << "constexpr std::int64_t rowsPerBlock = " << artifact.rowsPerBlock << ";\n"
      << "constexpr unsigned threads = " << artifact.threads << ", sharedBytes = " << artifact.sharedBytes << ";\n"
      << kLaunch << "\nconstexpr char ptx[] = R\"" << kDelimiter << "(" << llvm::StringRef(artifact.code).rtrim('\0')
      << ")" << kDelimiter << "\";\n\n} // namespace " << name << "\n\n#endif // " << guard << "\n";
  return text;
}
