#!/usr/bin/env bash
# Measures a packed build (pack.sh) against this machine's PyTorch and writes OUT/gpu.md. Ends within 10 minutes.
# Environment variables: DEVICE (cuda:0 or cpu), OUT, PYTHON, DISTRIBUTED_LIBTORCH. Sizes: measure.py --help.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
app=${APP:-$here/../../app}
[ -x "$app/Distributed.Coordinator" ] || {
    echo "error: '$app' has no program; make the archive with bench/gpu/pack.sh, unpack it, and start run.sh from there" >&2
    exit 2
}
"$python" -c 'import torch, numpy' || { echo "error: '$python' has no PyTorch with NumPy; set PYTHON to one that has" >&2; exit 2; }
export DISTRIBUTED_LIBTORCH=${DISTRIBUTED_LIBTORCH:-$("$python" -c 'import torch; print(torch.__path__[0])')}
exec timeout 590 "$python" "$here/measure.py" --app "$app" --device "${DEVICE:-cuda:0}" --out "${OUT:-gpu-results}" "$@"
