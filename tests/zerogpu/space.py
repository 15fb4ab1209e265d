"""Starts app.py as a ZeroGPU Space does, with the package `spaces` as it is, on a machine without a GPU.

Faked is what only such a Space has: in a worker the "GPU" is this machine's memory. The scheduler, a server that
SPACES_ZERO_DEVICE_API_URL names, is the caller's business.
"""

from __future__ import annotations

import runpy
import sys

import torch

if torch.version.cuda is None:  # a CPU build of PyTorch: what `spaces` reads of CUDA as it is imported
    torch.version.cuda, torch._C._cuda_init, torch.cuda._is_in_bad_fork = "13.0", None, bool

import spaces.zero as zero


def move(callback=None):
    """Weights come to the GPU: here, each stand-in that CUDA's emulation handed out gets its numbers."""
    for fake, original in zero.torch._patching.cuda_aliases.items():
        fake.data = original


zero.torch.pack = lambda: 0  # writing them to disk needs a file system with O_DIRECT
zero.torch.init = lambda uuid: None
zero.torch.move = move

if __name__ == "__main__":
    sys.argv[0] = "app.py"
    runpy.run_path("app.py", run_name="__main__")
