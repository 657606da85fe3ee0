"""Synthetic images with the shape of Fashion-MNIST: ten random patterns with noise, as the four IDX files."""
import os
import struct

import numpy

SIDE, CLASSES = 28, 10


def write(folder, train, test, seed=1):
    random = numpy.random.default_rng(seed)
    patterns = random.integers(0, 256, (CLASSES, SIDE, SIDE))
    for name, count in (("train", train), ("t10k", test)):
        labels = random.integers(0, CLASSES, count, dtype=numpy.uint8)
        noise = random.integers(0, 256, (count, SIDE, SIDE), dtype=numpy.uint8)
        images = ((patterns[labels] + 3 * noise.astype(numpy.int64)) // 4).astype(numpy.uint8)
        _write(os.path.join(folder, f"{name}-images-idx3-ubyte"), images)
        _write(os.path.join(folder, f"{name}-labels-idx1-ubyte"), labels)


def read(folder, name):
    return (_read(os.path.join(folder, f"{name}-images-idx3-ubyte"), 3), _read(os.path.join(folder, f"{name}-labels-idx1-ubyte"), 1))


def _write(path, values):
    with open(path, "wb") as file:
        file.write(struct.pack(f">{1 + values.ndim}i", 0x800 + values.ndim, *values.shape))
        file.write(values.tobytes())


def _read(path, rank):
    with open(path, "rb") as file:
        shape = struct.unpack(f">{1 + rank}i", file.read(4 * (1 + rank)))[1:]
        return numpy.frombuffer(file.read(), dtype=numpy.uint8).reshape(shape)
