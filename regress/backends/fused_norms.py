"""RMS norms in one kernel in place of six, on CUDA, where that changes nothing but speed.

Families write the norm of Zhang & Sennrich (2019, arXiv 1910.07467) in their own words; only a module that answers like
torch's own on a trial is called through it.
"""

from __future__ import annotations

from typing import Any

import torch


def fuse_norms(model: torch.nn.Module) -> int:
    """Call torch's fused kernel for every RMS norm that agrees with it; returns how many do."""
    fused = 0
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
            fused += _fuse(module)
    return fused


def _fuse(module: Any) -> bool:
    weight, epsilon = module.weight, float(module.variance_epsilon)

    def forward(hidden_states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(hidden_states, weight.shape, weight, epsilon)

    trial = torch.randn((8, *weight.shape), device=weight.device, generator=_generator(weight.device)).to(weight.dtype)
    with torch.inference_mode():
        known, found = module(trial).float(), forward(trial).float()
    if found.shape != known.shape or not torch.allclose(found, known, rtol=2**-6, atol=1e-3):
        return False
    module.forward = forward
    return True


def _generator(device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(0)
