"""Measures the packed programs against PyTorch on one device and writes the table. Started by run.sh."""
import argparse
import csv
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import torch

import bits
import data

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGET = 560
WARMUP = 20


def main():
    parser = argparse.ArgumentParser(description="Measures the packed programs against PyTorch on one device.")
    parser.add_argument("--app", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--batch", type=int, default=1000, help="images of a step")
    parser.add_argument("--micro-batches", type=int, default=2)
    parser.add_argument("--train", type=int, default=50000, help="images; a multiple of the batch")
    parser.add_argument("--test", type=int, default=1000, help="images")
    parser.add_argument("--bits-epochs", type=int, default=3)
    parser.add_argument("--speed-steps", type=int, default=300)
    parser.add_argument("--memory-steps", type=int, default=1000)
    parser.add_argument("--topology", default="star")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        folder = os.path.join(work, "fashion-mnist")
        os.mkdir(folder)
        data.write(folder, args.train, args.test)
        bench = Bench(args, work, folder)
        table = bench.run()
    with open(os.path.join(args.out, "gpu.md"), "w") as file:
        file.write(table)
    with open(os.path.join(args.out, "gpu.json"), "w") as file:
        json.dump(bench.results, file, indent=1)
    print(table)
    return 1 if bench.failures else 0


class Bench:
    def __init__(self, args, work, folder):
        self.args, self.work, self.folder = args, work, folder
        self.deadline = time.monotonic() + BUDGET
        self.results, self.rows, self.failures = {}, [], 0

    def run(self):
        epoch = self.args.train // self.args.batch
        speed, memory = (-(-steps // epoch) for steps in (self.args.speed_steps, self.args.memory_steps))
        models = {}
        for workers in (1, 2):
            for time_ in (1, 2):
                name = f"bits-{workers}-{time_}"
                if self.ours(name, workers, self.args.bits_epochs):
                    models[workers, time_] = os.path.join(self.work, name, "model.safetensors")
        self.compare("one worker, twice", models.get((1, 1)), models.get((1, 2)))
        self.compare("two workers, twice", models.get((2, 1)), models.get((2, 2)))
        self.compare("one worker and two", models.get((1, 1)), models.get((2, 1)))

        with Memory(self.args.device) as used:
            one = self.ours("one", 1, memory)
        two = self.ours("two", 2, speed)
        eager = self.peer("eager", "eager.py")
        free = self.peer("eager-free", "eager.py", "--free")
        ddp = self.peer("ddp", "ddp.py")
        self.rate("one worker", one)
        self.rate("PyTorch, eager loop, deterministic kernels", eager, one)
        self.rate("PyTorch, eager loop, cuDNN chooses", free, one)
        self.rate("two workers", two)
        self.rate("PyTorch, DDP over Gloo, two ranks", ddp, two)
        self.memory(one, used)
        return self.table(one)

    def ours(self, name, workers, epochs):
        folder = os.path.join(self.work, name)
        settings = {"epochs": epochs, "batch": self.args.batch, "micro-batches": self.args.micro_batches,
                    "topology": self.args.topology, "schedule": "constant"}
        command = [
            os.path.join(self.args.app, "Distributed.Coordinator"), "train", os.path.join(HERE, "../../jobs/fashion-mnist.yaml"),
            "--workers", str(workers), "--device", self.args.device, "--data-dir", self.folder, "--run", folder,
        ] + [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        if self.execute(name, command) is None:
            self.keep_logs(folder, name)
            return None
        with open(os.path.join(folder, "report.json")) as file:
            report = json.load(file)
        with open(os.path.join(folder, "history.csv")) as file:
            rows = list(csv.DictReader(file))
        steady = [float(row["samples_per_second"]) for row in rows[min(WARMUP, len(rows) // 2):]]
        with open(os.path.join(folder, "logs", "worker-1.log")) as file:
            libtorch = ". ".join(line.strip() for line in file if line.startswith(("Computes with", "warning: a call")))
        result = {
            "images_per_second": len(steady) / sum(1 / speed for speed in steady), "accuracy": report["test_metric"], "steps": len(rows),
            "libtorch": libtorch, "began": instant(report["started_at"]), "ended": instant(report["finished_at"]),
        }
        self.results[name] = result
        return result

    def peer(self, name, script, *more):
        output = self.execute(name, [
            sys.executable, os.path.join(HERE, script), "--device", self.args.device, "--data", self.folder,
            "--batch", str(self.args.batch), "--steps", str(self.args.speed_steps),
            "--warmup", str(min(WARMUP, self.args.speed_steps)), *more], CUBLAS_WORKSPACE_CONFIG=":4096:8")
        if output is None:
            return None
        self.results[name] = json.loads(output.strip().splitlines()[-1])
        return self.results[name]

    def execute(self, name, command, **environment):
        """Standard output, or None after a failure, which is reported and does not end the measurements."""
        left = self.deadline - time.monotonic()
        print(f"{name} ({left:.0f} s left)", file=sys.stderr, flush=True)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **environment})
        try:
            output, errors = process.communicate(timeout=max(left, 1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return self.failed(name, "did not end in time")
        if process.returncode:
            return self.failed(name, (errors.strip().splitlines() or ["no word"])[-1])
        return output

    def failed(self, name, reason):
        self.failures += 1
        self.results[name] = {"failed": reason}
        self.rows.append((f"{name}: failed", reason))

    def keep_logs(self, folder, name):
        log = os.path.join(folder, "logs", "worker-1.log")
        if os.path.exists(log):
            shutil.copy(log, os.path.join(self.args.out, f"{name}.log"))

    def compare(self, what, first, second):
        if first is None or second is None:
            return
        largest, tensor = bits.difference(first, second)
        self.results[what] = largest
        self.rows.append((what, "same bits" if largest == 0 else f"differ: at most {largest:.2g} of the largest number in `{tensor}`"))

    def rate(self, what, result, ours=None):
        if result is None:
            return
        compared = f"; ours is {ours['images_per_second'] / result['images_per_second']:.2f} times that" if ours else ""
        accuracy = f"test accuracy {result['accuracy']:.3f} after {result['steps']:,} steps"
        self.rows.append((what, f"{result['images_per_second']:,.0f} images/s{compared} ({accuracy})"))

    def memory(self, run, used):
        if run is None:
            return
        during = [value for at, value in used.samples if run["began"] <= at <= run["ended"]]
        if len(during) < 10:
            self.rows.append((f"{used.what} over {run['steps']:,} steps", f"only {len(during)} samples: not judged"))
            return
        fifth = len(during) // 5
        early, late = max(during[fifth:2 * fifth]), max(during[-fifth:])
        self.results["memory"] = {"early": early, "late": late, "samples": len(during)}
        self.rows.append((f"{used.what} over {run['steps']:,} steps", f"{early:,.0f} MiB in the second fifth, {late:,.0f} MiB in the last"))

    def table(self, run):
        device = torch.device(self.args.device)
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {processor()}, 1 thread a process"
        cudnn, matmul = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        lines = [
            f"**{name}**, {datetime.date.today()}. {run['libtorch'] if run else 'libtorch unknown'}. Peers: PyTorch {torch.__version__}.",
            f"`cnn` of jobs/fashion-mnist.yaml, synthetic images of that shape, "
            f"batch {self.args.batch} in {self.args.micro_batches} micro-batches, "
            f"topology {self.args.topology}. TF32: convolutions {cudnn}, matrix products {matmul} (the defaults, for all).",
            "", "| what | found |", "|---|---|",
        ]
        return "\n".join(lines + [f"| {what} | {found} |" for what, found in self.rows]) + "\n"


class Memory:
    """Samples the memory in use every half second: of the device, or of the workers if the device is the CPU."""

    def __init__(self, device):
        self.cuda = device.startswith("cuda")
        self.index = device.partition(":")[2] or "0"
        self.what = "device memory in use" if self.cuda else "memory of the worker"
        self.samples, self.done = [], threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def sample(self):
        while not self.done.wait(0.5):
            value = self.device() if self.cuda else resident("Distributed.Worker")
            if value:
                self.samples.append((time.time(), value))

    def device(self):
        query = subprocess.run(
            ["nvidia-smi", "-i", self.index, "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True)
        return float(query.stdout.strip()) if query.returncode == 0 else None


def resident(program):
    total = 0.0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if os.path.basename(file.read().split(b"\0")[0]).decode() != program:
                    continue
            with open(f"/proc/{pid}/status") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024
        except (OSError, StopIteration):
            continue
    return total


def instant(text):
    """The report has seven digits of a second; Python before 3.11 accepts six."""
    return datetime.datetime.strptime(text[:19] + text[-6:], "%Y-%m-%dT%H:%M:%S%z").timestamp()


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
