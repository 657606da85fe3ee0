"""Compares two safetensors files."""
import json
import struct

import numpy


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        content = file.read()
    header.pop("__metadata__", None)
    types = {"F32": numpy.float32, "I64": numpy.int64}
    return {
        name: numpy.frombuffer(content[slice(*entry["data_offsets"])], dtype=types[entry["dtype"]]).astype(numpy.float64)
        for name, entry in header.items()
    }


def difference(first, second):
    """0 for the same bytes; else the largest difference, relative to the largest magnitude in its tensor, and that tensor."""
    with open(first, "rb") as a, open(second, "rb") as b:
        if a.read() == b.read():
            return 0.0, None
    a, b = read(first), read(second)
    if a.keys() != b.keys():
        return float("inf"), "other tensors"
    return max((float(numpy.abs(a[name] - b[name]).max() / max(numpy.abs(a[name]).max(), 1e-30)), name) for name in a if a[name].size)
