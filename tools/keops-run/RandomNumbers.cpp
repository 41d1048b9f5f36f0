//===- RandomNumbers.cpp - Numbers that a seed determines --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// No generator with a state: bits are mixed from a counter, so that any number
// can be had without those before it.
//
//===----------------------------------------------------------------------===//

#include "RandomNumbers.h"

#include "keops/Keops.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <charconv>
#include <cmath>

using namespace keops;
using namespace keops::run;

static constexpr double kQuarter = 0.25;

std::string RandomSource::str() const {
  if (kind == Kind::Normal)
    return "random";
  std::string text;
  llvm::raw_string_ostream(text) << (kind == Kind::Dyadic ? "dyadic" : "random") << llvm::format("(%g,%g)", low, high);
  return text;
}

std::optional<RandomSource> run::parseRandomSource(llvm::StringRef text) {
  if (text == "random")
    return RandomSource();
  RandomSource source;
  llvm::StringRef rest = text;
  if (rest.consume_front("random("))
    source.kind = RandomSource::Kind::Uniform;
  else if (rest.consume_front("dyadic("))
    source.kind = RandomSource::Kind::Dyadic;
  else
    return std::nullopt;
  auto [low, high] = rest.split(',');
  auto read = [](llvm::StringRef field, double &number) {
    field = field.trim();
    auto [end, error] = std::from_chars(field.begin(), field.end(), number);
    return error == std::errc() && end == field.end() && std::isfinite(number);
  };
  if (!high.consume_back(")") || !read(low, source.low) || !read(high, source.high) || source.low > source.high)
    throw Error("expected two numbers, the smaller one first, as in random(0.5,2) or dyadic(-2,2); got '" + text.str() +
                "'");
  bool isOdd = std::fmod(source.low, kQuarter) != 0 || std::fmod(source.high, kQuarter) != 0;
  if (source.kind == RandomSource::Kind::Dyadic && isOdd)
    throw Error("expected multiples of 0.25, as in dyadic(-2,2); got '" + text.str() + "'");
  return source;
}

/// A good mixing of 64 bits, so that neighbouring counters give unrelated numbers.
static uint64_t mix(uint64_t bits) {
  bits += 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

double run::randomNumber(const RandomSource &source, uint64_t seed, int64_t position, int64_t place) {
  uint64_t stream = mix(mix(seed) + static_cast<uint64_t>(position));
  auto uniform = [&](uint64_t counter) { return (static_cast<double>(mix(stream + counter) >> 11) + 0.5) * 0x1p-53; };
  switch (source.kind) {
  case RandomSource::Kind::Normal: {
    // Box and Muller: two uniform numbers make two normal ones.
    constexpr double twoPi = 6.283185307179586;
    uint64_t first = static_cast<uint64_t>(place) & ~uint64_t(1);
    double radius = std::sqrt(-2 * std::log(uniform(first))), angle = twoPi * uniform(first + 1);
    return radius * (place % 2 ? std::sin(angle) : std::cos(angle));
  }
  case RandomSource::Kind::Uniform:
    return source.low + (source.high - source.low) * uniform(place);
  case RandomSource::Kind::Dyadic:
    return source.low + kQuarter * std::floor(uniform(place) * ((source.high - source.low) / kQuarter + 1));
  }
  llvm_unreachable("all kinds are handled");
}
