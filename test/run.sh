#!/usr/bin/env bash
# Builds everything in build/release and passes every test: lit, GoogleTest, pytest. Installs what is missing first
# (tools/setup.sh says what). The last lines say how many tests ran in each suite and in all.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/setup.sh
source tools/setup.sh

keops_build release
rm -f build/release/test/results/*.xml
status=0
for suite in lit unit python; do
  echo "test: $suite"
  cmake --build --preset release --target "check-keops-$suite" || status=1
done
.venv/bin/python test/summarize.py build/release/test/results || status=1
exit $status
