//===- EmitHeader.cpp - A GPU kernel as a C++ header -----------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The launch is that of Runtime/GpuLaunch.cpp for all pairs, written out, since
// the header includes nothing of ours: change both together. A test compares the
// plans.
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

/// How calls of some sizes are launched. Make it once for all calls of these sizes, and copy its table to the device.
struct Plan {
  /// Launches of one kernel: with entries of the table, five words each, from word `first` on.
  struct Round {
    bool merges;
    std::int64_t first, blocks;
  };
  std::int64_t rows = 0, batches = 0;
  std::int64_t stateBytes = 0; ///< of all states of a batch
  std::int64_t offsets = 0;    ///< the word of the table where batches begin
  std::vector<std::int64_t> table;
  std::vector<Round> rounds;
  /// Memory of the device that calls work in; calls at the same time must not share it.
  std::size_t scratchBytes() const { return static_cast<std::size_t>(batches * stateBytes); }
};

/// Columns that one block takes, where so many blocks of rows are to keep so many multiprocessors busy. With none, all.
inline std::int64_t columnsOfPart(std::int64_t blocks, std::int64_t columns, std::int64_t multiprocessors,
                                  std::int64_t deviceBytes) {
  constexpr std::int64_t busyThreads = 512, columnsOfBlock = 64, columnsOfMerge = 512, columnsOfTurn = 16,
                         manyBlocks = 32, shareOfStates = 32;
  if (stateBytesOfBlock == 0 || columns == 0 || multiprocessors <= 0 || blocks <= 0 ||
      blocks >= manyBlocks * multiprocessors)
    return columns;
  auto divideUp = [](std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); };
  auto smaller = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  auto inTurns = [&](std::int64_t parts) { return divideUp(divideUp(columns, parts), columnsOfTurn) * columnsOfTurn; };
  std::int64_t needed = divideUp(busyThreads, threads);
  auto cost = [&](std::int64_t parts) {
    std::int64_t busiest = divideUp(blocks * parts, multiprocessors);
    return static_cast<double>(busiest > needed ? busiest : needed) *
               static_cast<double>(smaller(inTurns(parts), columns) + columnsOfBlock) +
           (parts > 1 ? columnsOfMerge : 0);
  };
  std::int64_t most = smaller(divideUp(columns, columnsOfTurn), manyBlocks * multiprocessors / blocks);
  std::int64_t mostStateBytes = smaller(std::int64_t(256) << 20, deviceBytes / shareOfStates);
  most = smaller(most, mostStateBytes / (stateBytesOfBlock > 0 ? stateBytesOfBlock : 1) / blocks);
  double best = cost(1);
  for (std::int64_t parts = 2; parts <= most; ++parts)
    best = cost(parts) < best ? cost(parts) : best;
  std::int64_t parts = 1;
  while (cost(parts) > 1.05 * best)
    ++parts;
  return parts == 1 ? columns : inTurns(parts);
}

/// `multiprocessors` is the device's CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: where rows and batches are too few for
/// them, blocks share columns. With 0 they do not, and a call is one launch without scratch memory. `batchStrides` are
/// the elements of each input from one batch to the next, 0 where batches share it; none if they share all. Scratch
/// memory is at most 256 MiB, and a 32nd of `deviceBytes`, which is all memory of the device (cuDeviceTotalMem).
inline Plan makePlan(std::int64_t rows, std::int64_t columns, std::int64_t multiprocessors = 0,
                     std::int64_t batches = 1, const std::int64_t *batchStrides = nullptr,
                     std::int64_t deviceBytes = INT64_MAX) {
  Plan plan;
  plan.rows = rows;
  plan.batches = batches;
  if (rows <= 0 || batches <= 0)
    return plan;
  std::int64_t blocks = (rows + rowsPerBlock - 1) / rowsPerBlock;
  std::int64_t part = columnsOfPart(blocks * batches, columns, multiprocessors, deviceBytes);
  std::int64_t parts = columns > part ? (columns + part - 1) / part : 1, intervals = columns > 0 ? parts : 0;
  auto end = [](std::int64_t begin, std::int64_t step, std::int64_t all) { return begin + step < all ? begin + step : all; };
  for (std::int64_t n = 0; n < intervals; ++n)
    plan.table.insert(plan.table.end(), {n * part, end(n * part, part, columns)});
  plan.offsets = static_cast<std::int64_t>(plan.table.size());
  for (std::int64_t batch = 0; batch < batches; ++batch)
    for (int n = 0; n < numInputs; ++n)
      plan.table.push_back(batchStrides ? batch * batchStrides[n] : 0);
  auto beginRound = [&](bool merges, std::int64_t count) {
    plan.rounds.push_back({merges, static_cast<std::int64_t>(plan.table.size()), count});
  };
  auto addEntry = [&](std::int64_t block, std::int64_t first, std::int64_t last, std::int64_t state) {
    std::int64_t begin = block * rowsPerBlock;
    plan.table.insert(plan.table.end(), {begin, end(begin, rowsPerBlock, rows), first, last, state});
  };
  beginRound(false, blocks * parts);
  for (std::int64_t block = 0; block < blocks; ++block)
    for (std::int64_t n = 0; n < parts; ++n)
      addEntry(block, n, intervals > 0 ? n + 1 : n, parts > 1 ? block * parts + n : -1);
  // Of each block so many states are left, from this number on; some are merged at a time, until there is one.
  std::int64_t left = parts, first = 0, states = parts > 1 ? blocks * parts : 0;
  while (left > 1) {
    std::int64_t groups = (left + 31) / 32;
    beginRound(true, blocks * groups);
    for (std::int64_t block = 0; block < blocks; ++block)
      for (std::int64_t group = 0; group < groups; ++group) {
        std::int64_t begin = first + block * left;
        addEntry(block, begin + 32 * group, begin + end(32 * group, 32, left), groups > 1 ? states + block * groups + group : -1);
      }
    first = states;
    states += groups > 1 ? blocks * groups : 0;
    left = groups;
  }
  plan.stateBytes = states * stateBytesOfBlock;
  return plan;
}

/// Queues a call on `stream`. The kernels are the module's functions of the names `entry` and `mergeEntry`; the second is
/// not used where no columns are shared. `table` is the device's copy of the plan's, `scratch` memory of as many bytes as
/// the plan says. Results have a row for each of the plan's, batch after batch, without gaps.
inline CUresult launch(CUfunction kernel, CUfunction merge, CUstream stream, const Plan &plan, CUdeviceptr table,
                       CUdeviceptr scratch, const Input (&inputs)[numInputs > 0 ? numInputs : 1],
                       const CUdeviceptr (&outputs)[numOutputs]) {
  constexpr std::int64_t mostBlocks = 0x7fffffff, mostBatches = 0xffff;
  constexpr int count = 3 * numInputs + numOutputs + 6;
  auto smaller = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  for (const Plan::Round &round : plan.rounds)
    for (std::int64_t batch = 0; batch < plan.batches; batch += mostBatches)
      for (std::int64_t block = 0; block < round.blocks; block += mostBlocks) {
        std::uint64_t slots[count];
        std::uint64_t *next = slots;
        for (int n = 0; n < numInputs; ++n) {
          *next++ = inputs[n].data;
          *next++ = static_cast<std::uint64_t>(inputs[n].rowStride);
          *next++ = static_cast<std::uint64_t>(inputs[n].componentStride);
        }
        for (int n = 0; n < numOutputs; ++n)
          *next++ = outputs[n] + static_cast<std::uint64_t>(batch * plan.rows * outputBytes[n]);
        *next++ = static_cast<std::uint64_t>(plan.rows);
        *next++ = table + static_cast<std::uint64_t>(round.first + 5 * block) * 8;
        *next++ = table;
        *next++ = table + static_cast<std::uint64_t>(plan.offsets + batch * numInputs) * 8;
        *next++ = scratch + static_cast<std::uint64_t>(batch * plan.stateBytes);
        *next++ = static_cast<std::uint64_t>(plan.stateBytes);
        void *parameters[count];
        for (int n = 0; n < count; ++n)
          parameters[n] = &slots[n];
        CUresult result = cuLaunchKernel(
            round.merges ? merge : kernel, static_cast<unsigned>(smaller(round.blocks - block, mostBlocks)),
            static_cast<unsigned>(smaller(plan.batches - batch, mostBatches)), 1, threads, 1, 1,
            round.merges ? 0 : sharedBytes, stream, parameters, nullptr);
        if (result != CUDA_SUCCESS)
          return result;
      }
  return CUDA_SUCCESS;
}
)code";

/// The delimiter of the string that holds PTX, in which no ")ptx\"" occurs.
static constexpr llvm::StringLiteral kDelimiter = "ptx";

static llvm::StringRef axisText(runtime::Axis axis) {
  return axis == runtime::Axis::Row      ? "one row for each row of the result"
         : axis == runtime::Axis::Column ? "one row for each column that is reduced"
                                         : "one row";
}

static std::string bytesOfRow(const runtime::ResultInfo &result) {
  return std::to_string(result.dim * runtime::sizeOf(result.type));
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
      << "constexpr char entry[] = \"" << artifact.entry << "\", mergeEntry[] = \"" << artifact.entry << "_merge\";\n"
      << "constexpr int numInputs = " << artifact.arguments.size() << ", numOutputs = " << artifact.results.size()
      << ";\n"
      << "constexpr std::int64_t outputBytes[] = {" // of a row
      << llvm::join(llvm::map_range(artifact.results, bytesOfRow), ", ") << "};\n"
      << "constexpr std::int64_t rowsPerBlock = " << artifact.rowsPerBlock
      << ", stateBytesOfBlock = " << artifact.stateBytes << ";\n"
      << "constexpr unsigned threads = " << artifact.threads << ", sharedBytes = " << artifact.sharedBytes << ";\n"
      << kLaunch << "\nconstexpr char ptx[] = R\"" << kDelimiter << "(" << llvm::StringRef(artifact.code).rtrim('\0')
      << ")" << kDelimiter << "\";\n\n} // namespace " << name << "\n\n#endif // " << guard << "\n";
  return text;
}
