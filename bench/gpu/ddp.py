"""PyTorch's DistributedDataParallel over Gloo: two ranks on one device. Rank 0 prints one line of JSON."""
import os
import tempfile

import torch
import torch.distributed
import torch.multiprocessing

import peer

RANKS = 2


def work(rank, args, meeting):
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=RANKS)
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(peer.Cnn().to(args.device))
    result = peer.train(args, model, rank, RANKS)
    torch.distributed.barrier()
    if rank == 0:
        peer.tell(result)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    args = peer.arguments()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (args, os.path.join(folder, "meeting")), RANKS)
