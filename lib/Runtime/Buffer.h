//===- Buffer.h - Memory that is kept from call to call --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small launches are frequent: memory that they work in is not asked for again
// each time.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_BUFFER_H
#define KEOPS_LIB_RUNTIME_BUFFER_H

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace keops::runtime {

/// Buffers that grew above this are not kept after use.
inline constexpr size_t keptBytes = size_t(64) << 20;
inline constexpr size_t alignment = 64;

inline size_t roundUp(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Memory of one thread, aligned, kept between uses and only ever growing.
class Buffer {
public:
  Buffer() = default;
  ~Buffer() { std::free(memory); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  /// At least `bytes`, a multiple of 64, of memory with any content, or null
  /// if there is not so much.
  char *reserve(size_t bytes) {
    bytes = std::max(bytes, alignment);
    if (bytes > capacity)
      grow(bytes);
    return memory;
  }
  /// The content is no longer needed.
  void release() {
    if (capacity <= keptBytes)
      return;
    std::free(memory);
    memory = nullptr;
    capacity = 0;
  }

private:
  void grow(size_t bytes) {
    std::free(memory);
    memory = static_cast<char *>(std::aligned_alloc(alignment, bytes));
    capacity = memory ? bytes : 0;
  }

  char *memory = nullptr;
  size_t capacity = 0;
};

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_BUFFER_H
