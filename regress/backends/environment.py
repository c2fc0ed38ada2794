"""Does this machine have what an evaluation needs? Small real tries, each with the mend."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable

import torch

from regress.schema import Check

LIBRARIES = {"torch": "2.6", "transformers": "5.0", "peft": "0.18", "bitsandbytes": "0.48", "safetensors": "0.5"}


def environment_checks() -> list[Check]:
    """Library versions, device, and an NF4 round trip."""
    return [*(_library(name, least) for name, least in LIBRARIES.items()), _device(), _tried("nf4", _nf4)]


def _library(name: str, least: str) -> Check:
    try:
        found = importlib.metadata.version(name)
        importlib.import_module(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name=name, ok=False, detail=f"missing. Mend: pip install '{name}>={least}'")
    except (ImportError, OSError, RuntimeError) as reason:
        return Check(name=name, ok=False, detail=f"{found} does not import: {reason}. Mend: reinstall it")
    new_enough = _numbers(found) >= _numbers(least)
    return Check(
        name=name,
        ok=new_enough,
        detail=found if new_enough else f"{found} is too old. Mend: pip install '{name}>={least}'",
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numeric parts: enough to compare releases."""
    parts = version.split("+")[0].split(".")[:3]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)


def _device() -> Check:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return Check(
            name="device",
            ok=True,
            detail=f"{torch.cuda.device_count()} x {name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free",
        )
    return Check(name="device", ok=True, detail=f"CPU with {torch.get_num_threads()} threads (no CUDA device)")


def _tried(name: str, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=attempt())
    except Exception as reason:  # noqa: BLE001  a broken native library may raise anything, and doctor must report it
        return Check(
            name=name, ok=False, detail=f"fails: {reason}. Mend: pip install -U bitsandbytes, or use no @nf4 variant"
        )


def _nf4() -> str:
    """Quantise a small matrix and look at the error: NF4 keeps a normal weight within about a tenth of its spread."""
    from bitsandbytes import functional  # noqa: PLC0415  what is being tried

    device = "cuda" if torch.cuda.is_available() else "cpu"
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(device)
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    error = (functional.dequantize_4bit(packed, state) - weight).std().item()
    if not error < 0.2:
        raise RuntimeError(f"a round trip is off by {error:.2f}")
    return f"works on {device} (round-trip error {error:.3f} of the spread)"
