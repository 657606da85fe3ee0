#!/usr/bin/env python3
"""The time of PyTorch's DistributedDataParallel over Gloo on this machine, with one thread per process.

    ddp_gloo.py allreduce --world 2 --floats 421642,5824522
        {"what": "allreduce", "world": 2, "floats": 421642, "ms": 2.9}
    ddp_gloo.py step --world 2 --batch 64 --models tiny,cnn,mlp
        {"what": "step", "model": "cnn", "world": 2, "batch": 64, "alone_ms": 91.4, "ddp_ms": 105.3, "added_ms": 13.9}

All times are medians on rank 0, in milliseconds of wall time. alone_ms is a step while every rank trains without
communication, so that both figures come from an equally busy machine.
"""
import argparse
import json
import os
import tempfile
from statistics import median
from time import perf_counter

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

WARM_UP = 5


def build(name):
    if name == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))
    widths = {"tiny": [784, 32], "mlp": [784, 2048, 2048]}[name]
    layers = [nn.Flatten()]
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def median_ms(action, repetitions):
    times = []
    for _ in range(WARM_UP + repetitions):
        begin = perf_counter()
        action()
        times.append(1000 * (perf_counter() - begin))
    return median(times[WARM_UP:])


def training_step(model, batch):
    images, labels = torch.rand(batch, 1, 28, 28), torch.randint(10, (batch,))
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.01), nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
    return step


def all_reduces(options):
    for floats in options.floats:
        vector = torch.zeros(floats)
        distributed.barrier()
        ms = median_ms(lambda: distributed.all_reduce(vector), 20 if floats > 4_000_000 else 80)
        yield {"floats": floats, "ms": round(ms, 4)}


def steps(options):
    for name in options.models:
        repetitions = {"tiny": 1000, "cnn": 150, "mlp": 80}[name]
        distributed.barrier()
        alone = median_ms(training_step(build(name), options.batch), repetitions)
        distributed.barrier()
        together = median_ms(training_step(DistributedDataParallel(build(name)), options.batch), repetitions)
        times = {"alone_ms": round(alone, 4), "ddp_ms": round(together, 4), "added_ms": round(together - alone, 4)}
        yield {"model": name, "batch": options.batch, **times}


def run(rank, options, rendezvous):
    torch.set_num_threads(1)
    # By default Gloo resolves the machine's name to find an interface, and the name may not resolve.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=options.world)
    for row in (all_reduces if options.what == "allreduce" else steps)(options):
        if rank == 0:
            print(json.dumps({"what": options.what, "world": options.world, **row}), flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["allreduce", "step"])
    parser.add_argument("--world", type=int, default=2)
    parser.add_argument("--floats", type=lambda text: [int(number) for number in text.split(",")], default=[421642, 5824522, 25557032])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--models", type=lambda text: text.split(","), default=["tiny", "cnn", "mlp"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (options, os.path.join(folder, "rendezvous")), nprocs=options.world)


if __name__ == "__main__":
    main()
