//===- EngineTesting.h - Arrays and expectations for engine tests ------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers that are the same in every run, arrays of them as the engine takes
// them, and memory that ends where the next byte may not be touched.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_ENGINE_ENGINETESTING_H
#define KEOPS_TEST_UNIT_ENGINE_ENGINETESTING_H

#include "keops/Keops.h"

#include "gtest/gtest.h"

#include <cstring>
#include <random>

#include <sys/mman.h>
#include <unistd.h>

namespace keops::test {

template <typename T>
constexpr DType typeOf() {
  return std::is_same_v<T, float> ? DType::F32 : std::is_same_v<T, double> ? DType::F64 : DType::I64;
}

/// An engine that keeps nothing on disk.
inline Engine::Options inMemory() {
  Engine::Options options;
  options.diskCache = false;
  return options;
}

/// A row-major array that owns its numbers.
template <typename T>
struct Matrix {
  int64_t rows, dim;
  std::vector<T> numbers;

  Matrix(int64_t rows, int64_t dim, T value = T()) : rows(rows), dim(dim), numbers(rows * dim, value) {}
  Matrix(int64_t rows, int64_t dim, std::vector<T> numbers) : rows(rows), dim(dim), numbers(std::move(numbers)) {}
  /// Numbers between `low` and `high`.
  static Matrix random(int64_t rows, int64_t dim, unsigned seed, double low = -1, double high = 1) {
    Matrix matrix(rows, dim);
    std::mt19937_64 generator(seed);
    for (T &number : matrix.numbers)
      number = static_cast<T>(low + (high - low) * static_cast<double>(generator() >> 11) * 0x1p-53);
    return matrix;
  }

  T *operator[](int64_t row) { return numbers.data() + row * dim; }
  const T *operator[](int64_t row) const { return numbers.data() + row * dim; }
  operator ConstArray() const { return {numbers.data(), rows, dim, typeOf<T>()}; }
  operator Array() { return {numbers.data(), rows, dim, typeOf<T>()}; }
  bool operator==(const Matrix &other) const {
    return rows == other.rows && dim == other.dim &&
           std::memcmp(numbers.data(), other.numbers.data(), numbers.size() * sizeof(T)) == 0;
  }
};

template <typename T>
double squaredDistance(const T *a, const T *b, int64_t dim) {
  double sum = 0;
  for (int64_t d = 0; d < dim; ++d)
    sum += (static_cast<double>(a[d]) - b[d]) * (static_cast<double>(a[d]) - b[d]);
  return sum;
}

/// Whole pages between two that may not be touched.
class GuardedMemory {
public:
  explicit GuardedMemory(size_t size) : size(size), page(sysconf(_SC_PAGESIZE)) {
    inner = (size + page - 1) / page * page;
    base = static_cast<char *>(mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED || mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0)
      std::abort();
    std::memset(base + page, 0x5a, inner);
  }
  ~GuardedMemory() { munmap(base, inner + 2 * page); }
  GuardedMemory(const GuardedMemory &) = delete;
  GuardedMemory &operator=(const GuardedMemory &) = delete;

  /// `size` bytes that begin, or end, where memory does.
  char *atStart() { return base + page; }
  char *atEnd() { return base + page + inner - size; }
  void makeReadOnly() { mprotect(base + page, inner, PROT_READ); }
  /// True if nothing but the `size` bytes at `used` was written.
  bool restUntouched(const char *used) const {
    for (const char *byte = base + page; byte != base + page + inner; ++byte)
      if ((byte < used || byte >= used + size) && *byte != 0x5a)
        return false;
    return true;
  }

private:
  size_t size, page, inner;
  char *base;
};

/// Expects that `statement` throws keops::Error with all of the given words in it.
template <typename Statement>
void expectError(Statement statement, std::initializer_list<const char *> words) {
  try {
    statement();
    ADD_FAILURE() << "no error; expected one with '" << *words.begin() << "'";
  } catch (const Error &error) {
    for (const char *word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "the error is \"" << error.what() << "\", expected '" << word << "' in it";
  }
}

} // namespace keops::test

#endif // KEOPS_TEST_UNIT_ENGINE_ENGINETESTING_H
