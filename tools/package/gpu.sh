#!/usr/bin/env bash
# Shows everything on a GPU: builds the Python module if it is not there, passes the suite on the device, and runs the
# benchmark. Options go to the benchmark; PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
export PYTHONPATH=$PWD/python${PYTHONPATH:+:$PYTHONPATH}
status=0
"$python" -c 'import keops' 2>/dev/null || "$python" python/build-module.py || status=1
"$python" test/GPU/suite.py --target cuda --keops-run bin/keops-run || status=1
"$python" test/Benchmark/gpu.py "$@" || status=1
exit $status
