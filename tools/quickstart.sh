#!/usr/bin/env bash
# Builds Keops in build/release and runs the main job on real data: nearest neighbours of handwritten digits, then a
# Gaussian kernel product over ten billion pairs. Installs what is missing first (tools/setup.sh says what). Arguments
# go to tools/quickstart.py, for example `--points 10000`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/setup.sh
source tools/setup.sh

keops_build release _keops keops-opt keops-translate keops-run
# What this machine could do at best, to compare with; see the file for what it measures.
peak=build/release/quickstart-peak
if [ ! -x $peak ] || [ tools/quickstart-peak.cpp -nt $peak ]; then
  clang++-22 -O3 -march=native -std=c++17 -pthread tools/quickstart-peak.cpp -o $peak
fi
.venv/bin/python tools/quickstart.py --peak $peak "$@"
