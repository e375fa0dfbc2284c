# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the weights of a PyTorch network as safetensors, for `pix2pix import`: export_weights.py IN.pth OUT.safetensors"""
import json
import struct
import sys

import torch


def export(state, path):
    tensors = {name: t.detach().cpu().float().contiguous() for name, t in state.items() if t.is_floating_point()}
    header, end = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [end, end + 4 * t.numel()]}
        end += 4 * t.numel()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(t.numpy().tobytes())


if __name__ == "__main__":
    loaded = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    export(loaded.get("state_dict", loaded), sys.argv[2])
