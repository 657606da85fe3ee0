"""The training of both PyTorch peers: model, optimizer and steps of jobs/fashion-mnist.yaml in plain PyTorch."""
import argparse
import json
import time

import torch
from torch import nn

import data


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.fc1, self.fc2 = nn.Linear(64 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(nn.functional.relu(self.norm1(self.conv1(x))), 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.norm2(self.conv2(x))), 2)
        x = nn.functional.relu(self.fc1(x.flatten(1)))
        return self.fc2(nn.functional.dropout(x, 0.1, self.training))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--batch", type=int, required=True, help="images of a step, over all ranks")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True, help="steps before the clock starts")
    parser.add_argument("--free", action="store_true", help="let cuDNN choose its kernels")
    return parser.parse_args()


def train(args, model, rank=0, ranks=1):
    """Trains and returns the measurements. Every step copies its images from host memory, as in a worker."""
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = not args.free
    torch.backends.cudnn.benchmark = args.free
    device = torch.device(args.device)
    images, labels = (torch.from_numpy(values.copy()) for values in data.read(args.data, "train"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.002)
    model.train()
    generator = torch.Generator().manual_seed(1)
    order = torch.empty(0, dtype=torch.int64)
    started = 0.0
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            wait_for(device)
            started = time.perf_counter()
        if len(order) < args.batch:
            order = torch.randperm(len(labels), generator=generator)
        batch, order = order[:args.batch], order[args.batch:]
        own = batch[rank::ranks]
        x = images[own].unsqueeze(1).float().div_(255).to(device)
        y = labels[own].long().to(device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
    wait_for(device)
    seconds = time.perf_counter() - started
    return {
        "images_per_second": args.batch * args.steps / seconds,
        "steps": args.warmup + args.steps,
        "accuracy": accuracy(args, model, device),
    }


def accuracy(args, model, device):
    images, labels = (torch.from_numpy(values.copy()) for values in data.read(args.data, "t10k"))
    model.eval()
    with torch.no_grad():
        predicted = model(images.unsqueeze(1).float().div_(255).to(device)).argmax(1).cpu()
    return (predicted == labels).float().mean().item()


def wait_for(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def tell(result):
    print(json.dumps(result), flush=True)
