#!/usr/bin/env bash
# Makes artifacts/distributed-gpu.tar.gz: coordinator and worker with the .NET runtime in one folder, no libtorch, and the
# benchmark. It runs on any Linux x64 machine with python3 and PyTorch, without .NET: unpack it and start bench/gpu/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
most=$((60 * 1024 * 1024))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packed=$work/distributed-gpu
for project in Worker Coordinator; do
    dotnet publish "$project" -c Release -r linux-x64 --self-contained -p:TorchBackend=external -p:DebugType=none \
        -p:PublishDocumentationFiles=false --artifacts-path "$work/build" -o "$packed/app" --disable-build-servers --nologo -v quiet
done
mkdir -p "$packed/bench/gpu" "$packed/jobs" artifacts
cp bench/gpu/run.sh bench/gpu/*.py "$packed/bench/gpu/"
cp jobs/fashion-mnist.yaml jobs/digits.yaml "$packed/jobs/"
tar -C "$work" -czf artifacts/distributed-gpu.tar.gz distributed-gpu

size=$(stat -c %s artifacts/distributed-gpu.tar.gz)
awk -v s="$size" 'BEGIN { printf "artifacts/distributed-gpu.tar.gz: %.1f MiB\n", s / 1048576 }'
[ "$size" -le "$most" ] || {
    echo "error: that is more than 60 MiB; the largest files:"
    du -a "$packed" | sort -rn | sed -n 2,16p
    exit 1
}
