"""Writes net.pt beside this file: python3 net.py. Left to itself, libtorch computes other bits from its second pass on: gradients of the
activations that are multiplied here."""
import torch
import torch.nn.functional as F


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(self.norm(self.conv(x)), 2).flatten(1)
        x = torch.tanh(x) * torch.sigmoid(x) + 0.3 * torch.exp(-x * x)
        return self.fc(F.dropout(F.gelu(x), 0.2, self.training))


torch.manual_seed(3)
torch.jit.script(Net()).save(__file__[:-2] + "pt")
