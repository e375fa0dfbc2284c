# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small pix2pix U-Net of random weights in PyTorch, blocks within blocks as its users have them: FOLDER/in.raw, a
magnetogram of 16 x 16 pixels, becomes FOLDER/out.raw; the weights go to FOLDER/net.pth, those of a discriminator to
FOLDER/judge.pth."""
import sys

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, outer, inner, below=None, outermost=False):
        super().__init__()
        self.outermost = outermost
        c_in = 1 if outermost else outer
        down = nn.Conv2d(c_in, inner, 4, 2, 1, bias=False)
        up = nn.ConvTranspose2d(2 * inner if below else inner, outer, 4, 2, 1, bias=outermost)
        if outermost:
            parts = [down, below, nn.ReLU(), up, nn.Tanh()]
        elif below is None:
            parts = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, nn.BatchNorm2d(outer)]
        else:
            parts = [nn.LeakyReLU(0.2), down, nn.BatchNorm2d(inner), below, nn.ReLU(), up, nn.BatchNorm2d(outer)]
        self.model = nn.Sequential(*parts)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Block(1, 4, Block(4, 8, Block(8, 8)), outermost=True)

    def forward(self, x):
        return self.model(x)


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        parts = [nn.Conv2d(2, 4, 4, 2, 1), nn.LeakyReLU(0.2)]
        for c_in, c_out, stride in ((4, 8, 2), (8, 8, 2), (8, 8, 1)):
            parts += [nn.Conv2d(c_in, c_out, 4, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*parts, nn.Conv2d(8, 1, 4, 1, 1))


torch.manual_seed(1)
folder = sys.argv[1]
net = UNet()
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.uniform_(module.bias, -0.2, 0.2)
        module.running_mean.uniform_(-0.2, 0.2)
        module.running_var.uniform_(0.5, 1.5)
net.eval()
torch.save(net.state_dict(), folder + "/net.pth")
judge = Patches()
nn.init.uniform_(judge.model[6].weight)
torch.save(judge.state_dict(), folder + "/judge.pth")
with open(folder + "/in.raw", "rb") as file:
    gauss = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
with torch.no_grad():
    y = net((gauss.clamp(-1000, 1000) / 1000).view(1, 1, 16, 16))
with open(folder + "/out.raw", "wb") as file:
    file.write(bytes(y.contiguous().view(-1).view(torch.uint8).tolist()))
