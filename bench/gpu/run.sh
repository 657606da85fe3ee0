#!/usr/bin/env bash
# Measures a packed build (pack.sh) against this machine's PyTorch and writes OUT/gpu.md. Ends within 10 minutes.
# DEVICE (cuda:0 or cpu), OUT, PYTHON and DISTRIBUTED_LIBTORCH may be set; measure.py --help lists the sizes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
app=${APP:-$here/../../app}
[ -x "$app/Distributed.Coordinator" ] || { echo "error: there is no program in '$app'; make the archive with bench/gpu/pack.sh, unpack it, and start run.sh from there" >&2; exit 2; }
"$python" -c 'import torch, numpy' || { echo "error: '$python' has no PyTorch with NumPy; set PYTHON to one that has" >&2; exit 2; }
export DISTRIBUTED_LIBTORCH=${DISTRIBUTED_LIBTORCH:-$("$python" -c 'import torch; print(torch.__path__[0])')}
exec timeout 590 "$python" "$here/measure.py" --app "$app" --device "${DEVICE:-cuda:0}" --out "${OUT:-gpu-results}" "$@"
