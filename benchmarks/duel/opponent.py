# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's side of the duel: the same work on the same numbers, the same commands as main.cpp.

    works                names it knows, separated by '|'
    prepare FOLDER NAME  reads the inputs from FOLDER; answers the memory layout that was the faster one
    run N, result FILE   as in main.cpp
    reference FILE       the same in double precision
    memory               peak resident bytes of this process so far
"""
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
torch.manual_seed(1)
LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


def image(a):  # [n, h, w, c] -> [n, c, h, w]
    return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2)))


def filters(a):  # [kh, kw, c_in, c_out] -> [c_out, c_in, kh, kw]
    return torch.from_numpy(np.ascontiguousarray(a.transpose(3, 2, 0, 1)))


class Work:
    """Sets itself up from arrays by name; `step` does it once and returns what `result` shows as the other side does."""

    def __init__(self, inputs, dtype, layout):
        self.dtype, self.layout = dtype, layout
        self.setup(inputs)

    def put(self, tensor):
        tensor = tensor.to(self.dtype).clone()  # training must not change what others start from
        return tensor.contiguous(memory_format=self.layout) if tensor.dim() == 4 else tensor

    def show(self, tensor):
        return tensor.detach().numpy()


def as_image(tensor):
    return tensor.detach().permute(0, 2, 3, 1).contiguous().numpy()


class Conv(Work):
    direction, stride, padding, mode, factor = "forward", 1, 1, "constant", 1

    def setup(self, inputs):
        self.x, self.w = self.put(image(inputs["x"])), self.put(filters(inputs["w"]))
        self.b = self.put(torch.from_numpy(inputs["b"]))
        if "gy" in inputs:
            self.gy = self.put(image(inputs["gy"]))

    def step(self):
        x = self.x
        if self.direction == "forward":
            with torch.inference_mode():
                if self.factor > 1:
                    x = F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
                if self.mode != "constant":
                    return F.conv2d(F.pad(x, [self.padding] * 4, mode=self.mode), self.w, self.b, self.stride)
                return F.conv2d(x, self.w, self.b, self.stride, self.padding)
        # One direction at a time, as autograd would call it; with padding by reflection that of the padded image.
        pad = self.padding
        if self.mode != "constant":
            x, pad = F.pad(x, [self.padding] * 4, mode=self.mode), 0
        mask = [self.direction == "data", self.direction == "weight", False]
        gx, gw, _ = torch.ops.aten.convolution_backward(self.gy, x, self.w, [self.w.shape[0]], [self.stride] * 2, [pad] * 2,
                                                        [1, 1], False, [0, 0], 1, mask)
        if self.direction == "data" and self.mode != "constant":
            gx = torch.ops.aten.reflection_pad2d_backward(gx, self.x, [self.padding] * 4)
        return gx if self.direction == "data" else gw

    def show(self, y):
        if self.direction == "weight":
            return y.detach().permute(2, 3, 1, 0).contiguous().numpy()
        return as_image(y)


def sobel(x, scale=0.125):
    k = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=x.dtype) * scale
    return F.conv2d(F.pad(x, [1] * 4, mode="replicate"), torch.stack([k, k.T])[:, None])


def sobel_loss(x, y):
    return (sobel(x - y) ** 2).sum(1).mean()


def mse_loss(x, y):
    return F.mse_loss(x, y)


def ssim_loss(x, y):
    t = torch.arange(11, dtype=x.dtype) - 5
    g = torch.exp(-t * t / (2 * 1.5 ** 2))
    g = g / g.sum()

    def blur(a):
        a = F.conv2d(a, g.view(1, 1, 1, 11).expand(a.shape[1], 1, 1, 11), groups=a.shape[1])
        return F.conv2d(a, g.view(1, 1, 11, 1).expand(a.shape[1], 1, 11, 1), groups=a.shape[1])

    mx, my, xx, yy, xy = blur(torch.cat([x, y, x * x, y * y, x * y], 1)).split(1, 1)
    xx, yy, xy = xx - mx * mx, yy - my * my, xy - mx * my
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    return 1 - ((2 * mx * my + c1) * (2 * xy + c2) / ((mx * mx + my * my + c1) * (xx + yy + c2))).mean()


def histogram_loss(x, y, dense=True):
    """Total variation between soft histograms of 27 signed logarithmic bins, written as every bin looks at every pixel."""

    def hist(v):
        v = v.flatten(1) * 3500
        u = v.sign() * torch.log10(v.abs().clamp(60, 5000) / 60) / 0.15
        if dense:
            k = torch.arange(-13, 14, dtype=v.dtype)
            return (1 - (u[:, None] - k[:, None]).abs()).clamp_min(0).mean(2)
        low = u.floor()
        share = u - low
        at = (low + 13).long()
        h = torch.zeros(v.shape[0], 28, dtype=v.dtype)
        h = h.scatter_add(1, at, 1 - share).scatter_add(1, at + 1, share)
        return h[:, :27] / v.shape[1]

    return 0.5 * (hist(x) - hist(y)).abs().sum(1).mean()


class Loss(Work):
    loss = staticmethod(mse_loss)

    def setup(self, inputs):
        self.x = self.put(image(inputs["x"])).requires_grad_()
        self.y = self.put(image(inputs["y"]))

    def step(self):
        self.x.grad = None
        self.loss(self.x, self.y).backward()
        return self.x.grad

    show = staticmethod(as_image)


class Adam(Work):
    def setup(self, inputs):
        self.g = torch.from_numpy(inputs["g"]).to(self.dtype)
        self.w = torch.zeros_like(self.g, requires_grad=True)
        self.w.grad = torch.empty_like(self.g)
        self.adam = torch.optim.Adam([self.w], lr=2e-4, betas=(0.5, 0.999), fused=True)

    def step(self):
        self.w.grad.copy_(self.g)
        self.adam.step()
        return self.w


class SuperResolution(Work):
    """System S1 as the example program builds it."""

    def setup(self, inputs):
        self.p = {}
        for name, a in inputs.items():
            if name in ("x", "y"):
                continue
            self.p[name] = self.put(filters(a) if a.ndim == 4 else torch.from_numpy(a)).requires_grad_()
        self.x = self.put(image(inputs["x"]))
        self.y = self.put(image(inputs["y"])) if "y" in inputs else None

    def conv(self, x, name):
        w = self.p[name + ".weight"]
        if w.shape[-1] > 1:
            x = F.pad(x, [1] * 4, mode="reflect")
        return F.conv2d(x, w, self.p[name + ".bias"])

    def prelu(self, x, name):
        return F.prelu(x, self.p[name + ".slope"])

    def forward(self):
        x = self.prelu(self.conv(self.x, "encoder.first"), "encoder.prelu")
        for block in ("encoder.blocks.0.", "encoder.blocks.1."):
            b = self.prelu(self.conv(x, block + "conv1"), block + "prelu1")
            x = x + self.prelu(self.conv(b, block + "conv2"), block + "prelu2")
        x = F.interpolate(self.conv(x, "encoder.last"), scale_factor=4, mode="bilinear", align_corners=False)
        return self.conv(self.prelu(self.conv(x, "decoder.first"), "decoder.prelu"), "decoder.last")

    def step(self):
        with torch.inference_mode():
            return self.forward()

    show = staticmethod(as_image)


class SuperResolutionStep(SuperResolution):
    all_losses = False

    def setup(self, inputs):
        super().setup(inputs)
        self.adam = torch.optim.Adam(self.p.values(), lr=1e-4, betas=(0.5, 0.999), fused=True)

    def step(self):
        self.adam.zero_grad()
        out = self.forward()
        loss = mse_loss(out, self.y)
        if self.all_losses:
            loss = (loss + 5 * sobel_loss(out, self.y) + 1e-5 * histogram_loss(out, self.y)
                    + 5e-4 * ssim_loss(out, self.y))
        loss.backward()
        self.adam.step()
        return loss.reshape(1)

    @staticmethod
    def show(y):
        return y.detach().numpy()


def variant(kind, **settings):
    return type(kind.__name__, (kind,), settings)


def works():
    """Name -> kind of work; the names are those of the C++ side."""
    table = {}
    convs = {
        "conv3 2>64 32^2 b32": dict(mode="reflect"),
        "conv3 64>64 32^2 b32": dict(mode="reflect"),
        "conv3 64>64 128^2 b8": {},
        "conv3 64>64 1024^2": {},
        "conv3 256>256 64^2": dict(mode="reflect"),
        "conv3 64>1 128^2 b32": {},
        "conv1 64>1 128^2 b8": dict(padding=0),
        "conv4s2 1>64 1024^2": dict(stride=2),
        "conv4s2 64>128 128^2 b4": dict(stride=2),
        "conv4s2 256>512 32^2 b4": dict(stride=2),
        "conv4s2 512>512 4^2": dict(stride=2),
        "conv4 256>512 32^2": {},
    }
    for name, settings in convs.items():
        for direction in ("forward", "data", "weight"):
            table[f"{name} {direction}"] = variant(Conv, direction=direction, **settings)
    table["conv3 64>64 32^2 b32 direct forward"] = variant(Conv, mode="reflect")
    for factor in (2, 4):
        table[f"up{factor} + conv3 64>64 32^2 b32"] = variant(Conv, mode="reflect", factor=factor)
    for name, loss in (("mse", mse_loss), ("sobel", sobel_loss), ("histogram", histogram_loss), ("ssim", ssim_loss)):
        table[f"{name} 128^2 b32"] = variant(Loss, loss=staticmethod(loss))
    table["ssim 1024^2"] = variant(Loss, loss=staticmethod(ssim_loss))
    for size in ("54.4 M", "0.22 M"):
        table[f"adam {size}"] = Adam
    for size in ("32^2 b32", "32^2 b1", "256^2 b1"):
        table[f"S1 forward {size}"] = SuperResolution
    table["S1 step mse 32^2 b32"] = SuperResolutionStep
    table["S1 step all losses 32^2 b32"] = variant(SuperResolutionStep, all_losses=True)
    return table


def main():
    table, work, inputs, kind, shown = works(), None, {}, None, None
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        try:
            if command == "works":
                reply = "|".join(table)
            elif command == "prepare":
                folder, _, name = rest.partition(" ")
                kind = table[name]
                inputs = {f[:-4]: np.load(os.path.join(folder, f)) for f in os.listdir(folder) if f.endswith(".npy")}
                best = None
                for layout in ("default",) if os.environ.get("DUEL_STOCK") else LAYOUTS:
                    candidate = kind(inputs, torch.float32, LAYOUTS[layout])
                    candidate.step()
                    begin = time.perf_counter()
                    candidate.step()
                    seconds = time.perf_counter() - begin
                    if best is None or seconds < best[0]:
                        best = (seconds, layout)
                del candidate
                work = kind(inputs, torch.float32, LAYOUTS[best[1]])
                reply = best[1]
            elif command == "run":
                times = []
                for _ in range(int(rest)):
                    begin = time.perf_counter()
                    shown = work.step()
                    times.append(time.perf_counter() - begin)
                reply = " ".join(map(repr, times))
            elif command == "result":
                np.save(rest, work.show(shown).astype(np.float32))
                reply = "ok"
            elif command == "reference":
                exact = kind(inputs, torch.float64, torch.contiguous_format)
                np.save(rest, exact.show(exact.step()))
                reply = "ok"
            elif command == "memory":
                with open("/proc/self/status") as status:
                    reply = str(1024 * int(next(l for l in status if l.startswith("VmHWM:")).split()[1]))
            else:
                reply = "error: unknown command"
        except Exception as error:  # the driver prints it beside the name of the work
            reply = "error: " + " ".join(str(error).split())
        print(reply, flush=True)


if __name__ == "__main__":
    main()
