"""One set of weights that acts as base, adapter and merged model in turn.

The base is loaded once. The adapter is attached with PEFT and switched on and off; for the merged model each adapted
weight is computed in float32 from the base's own tensor on disk, rounded once to the resident precision, and written
over the resident weight. Going back reads the tensor from disk again. Nothing is ever un-merged by subtraction: in bf16
that leaves log-probabilities 0.17 off.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from regress.backends.adapter_files import WEIGHTS
from regress.backends.checkpoint import Checkpoint
from regress.errors import AdapterError, BackendError, ModelError
from regress.schema import Check, Precision, VariantKind

ADAPTER = "candidate"
ADAPTER_DTYPES = {torch.float32, torch.float16, torch.bfloat16}
DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """What activations are held in: NF4 weights compute in bf16 on an accelerator and in fp32 on a CPU."""
    if precision is Precision.NF4:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return DTYPES[precision]


class ResidentModel:
    """See the module's docstring. `kind` says what the weights act as at the moment."""

    def __init__(self, folder: Path, precision: Precision, device: torch.device) -> None:
        self.folder = folder
        self.precision = precision
        self.device = device
        self.kind = VariantKind.BASE
        self._checkpoint = Checkpoint(folder)
        self._snapshots: dict[str, torch.Tensor] = {}
        self._peft: PeftModel | None = None
        self._base = _load(folder, precision, device)

    @property
    def model(self) -> Any:
        """The module to call: the PEFT wrapper once an adapter is attached."""
        return self._peft if self._peft is not None else self._base

    @property
    def config(self) -> Any:
        return self._base.config

    # --- adapter ---------------------------------------------------------------------------------------------------

    def attach(self, folder: Path) -> list[Check]:
        """Put the adapter of a private copy on the base, every tensor checked; acts as the base afterwards.

        Raises AdapterError when the file is damaged, when tensors are missing, unexpected, of another shape or not
        finite, or when B is all zero.
        """
        self.detach()
        tensors = read_tensors(folder / WEIGHTS)
        checks = [_finite(tensors), _not_all_zero(tensors)]
        try:
            config = LoraConfig.from_pretrained(str(folder))
            _check_ranks(config, tensors)
            config.inference_mode = True
            config.init_lora_weights = True  # how it was initialised no longer matters, and some ways rewrite the base
            peft = PeftModel(self._base, config, adapter_name=ADAPTER)
        except (ValueError, TypeError) as reason:
            raise AdapterError(f"the adapter does not fit this base model: {_first_sentence(reason)}") from reason
        self._peft = peft
        try:
            checks.append(self._fill(peft, tensors))
        except AdapterError:
            self.detach()
            raise
        peft.eval()
        self.use(VariantKind.BASE)
        return checks

    def _fill(self, peft: PeftModel, tensors: dict[str, torch.Tensor]) -> Check:
        expected = get_peft_model_state_dict(peft, adapter_name=ADAPTER, save_embedding_layers=False)
        wanted = {name: tuple(tensor.shape) for name, tensor in expected.items()}
        given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if wanted != given:
            raise AdapterError(_mismatch(wanted, given))
        set_peft_model_state_dict(peft, tensors, adapter_name=ADAPTER)
        matched = f"{len(given)} of {len(given)} tensors matched a module, shapes equal"
        return Check(name="adapter-tensors", ok=True, detail=matched)

    def detach(self) -> None:
        """Take the adapter off and leave the base's own modules and weights."""
        if self._peft is None:
            return
        self.use(VariantKind.BASE)
        peft = cast("Any", self._peft)
        for name, module in list(peft.base_model.model.named_modules()):
            if isinstance(module, ModulesToSaveWrapper):  # unload() would leave the adapter's trained copy in the base
                parent, _, attribute = name.rpartition(".")
                setattr(peft.base_model.model.get_submodule(parent), attribute, module.original_module)
        self._base = peft.unload()
        self._peft = None

    # --- variants --------------------------------------------------------------------------------------------------

    def use(self, kind: VariantKind) -> None:
        """Act as base, adapter or merged from now on."""
        if kind is not VariantKind.BASE and self._peft is None:
            raise BackendError(f"no adapter is attached, so there is no {kind} variant.")
        if self.kind is VariantKind.MERGED and kind is not VariantKind.MERGED:
            self._restore()
        if self._peft is not None:
            tuner = cast("Any", self._peft.base_model)
            if kind is VariantKind.BASE:
                tuner.disable_adapter_layers()
            else:
                tuner.enable_adapter_layers()
        if kind is VariantKind.MERGED and self.kind is not VariantKind.MERGED:
            self._merge()
        self.kind = kind

    def _lora_layers(self) -> Iterator[tuple[str, Any]]:
        """(name in the base model, PEFT layer)"""
        for name, module in cast("Any", self._peft).base_model.model.named_modules():
            if isinstance(module, LoraLayer):
                yield name, module

    def _merge(self) -> None:
        for name, layer in self._lora_layers():
            original = self._original(name, layer)
            self._write(layer, merged_weight(layer, original.to(self.device, torch.float32)))
            layer.merged_adapters.append(ADAPTER)  # from here on PEFT's forward is the base layer's alone

    def _restore(self) -> None:
        for name, layer in self._lora_layers():
            self._write(layer, self._original(name, layer).to(self.device))
            layer.merged_adapters.clear()
        self._snapshots.clear()

    def _original(self, name: str, layer: Any) -> torch.Tensor:
        """The base's weight from disk, or, where the checkpoint calls it otherwise, from a copy made before merging."""
        if name in self._snapshots:
            return self._snapshots[name]
        stored = self._checkpoint.tensor(f"{name}.weight")
        weight = layer.get_base_layer().weight
        if _is_quantised(weight):
            if stored is None:
                raise BackendError(f"{name}.weight is not in the checkpoint under that name; leave out merged@nf4.")
            return stored
        resident = weight.data
        if layer.merged_adapters or (
            stored is not None
            and stored.shape == resident.shape
            and torch.equal(stored.to(self.device, resident.dtype), resident)
        ):
            return cast("torch.Tensor", stored)
        self._snapshots[name] = resident.detach().to("cpu", copy=True)
        return self._snapshots[name]

    def _write(self, layer: Any, weight: torch.Tensor) -> None:
        base = layer.get_base_layer()
        if _is_quantised(base.weight):
            base.weight = _quantised_like(base.weight, weight, self.device, compute_dtype(self.precision, self.device))
        else:
            base.weight.data.copy_(weight)

    def save_merged(self, folder: Path) -> None:
        """Write the merged model as an ordinary checkpoint in the resident precision (not for NF4)."""
        if self.precision is Precision.NF4:
            raise BackendError("a merged model is written in fp32 or bf16; quantise it when you load it.")
        before = self.kind
        self.use(VariantKind.MERGED)
        try:
            save_file(self._merged_state(), _fresh(folder) / "model.safetensors", metadata={"format": "pt"})
            self._base.config.save_pretrained(str(folder))
            generation = self.folder / "generation_config.json"
            if generation.is_file():  # chat models name their other end tokens only here
                shutil.copyfile(generation, folder / generation.name)
        finally:
            self.use(before)

    def _merged_state(self) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = {}
        seen: set[int] = set()
        for name, tensor in cast("Any", self._peft).base_model.model.state_dict().items():
            if "lora_" in name or ".original_module." in name:
                continue
            plain = name.replace(".base_layer.", ".").replace(f".modules_to_save.{ADAPTER}.", ".")
            if tensor.data_ptr() not in seen:  # tied weights are stored once
                seen.add(tensor.data_ptr())
                state[plain] = tensor.contiguous()
        return state


def merged_weight(layer: Any, weight: torch.Tensor) -> torch.Tensor:
    """W + scaling·BA in float32, for DoRA renormalised: m·(W + ΔW) / ‖W + ΔW‖ (Liu et al. 2024, arXiv 2402.09353).

    `weight` is the base's, float32, in the layer's own orientation; rows are outputs except where the base is a Conv1D.
    """
    merged = weight + layer.get_delta_weight(ADAPTER).float()
    if layer.use_dora.get(ADAPTER, False):
        transposed = bool(layer.fan_in_fan_out)
        rows = merged.T if transposed else merged
        magnitude = layer.lora_magnitude_vector[ADAPTER].weight.float()
        rows = rows * (magnitude / rows.norm(p=2, dim=1)).unsqueeze(1)
        merged = rows.T if transposed else rows
    return cast("torch.Tensor", merged)


def _load(folder: Path, precision: Precision, device: torch.device) -> Any:
    quantisation = None
    if precision is Precision.NF4:
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype(precision, device),
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=compute_dtype(precision, device),
            quantization_config=quantisation,
            device_map={"": str(device)},
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, ImportError) as reason:
        raise ModelError(f"{folder} cannot be loaded as a causal LM: {_first_sentence(reason)}") from reason
    except torch.OutOfMemoryError as reason:
        raise BackendError(f"the base does not fit {device} at {precision}; try a @nf4 variant.") from reason
    model.eval()
    model.requires_grad_(False)
    for module in model.modules():
        # On CPUs with AVX512-BF16, bitsandbytes repacks a weight in place at its first forward pass and unpacks it for
        # every state_dict(), each time rounding its scales to bf16: the base would no longer be the base.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _is_quantised(weight: Any) -> bool:
    """Whether it is a bitsandbytes 4-bit parameter: NF4 leaves the output layer and the embeddings as they are."""
    return hasattr(weight, "quant_state")


def _quantised_like(old: Any, weight: torch.Tensor, device: torch.device, dtype: torch.dtype) -> Any:
    """`weight` quantised with the settings of the parameter that it replaces."""
    from bitsandbytes.nn import Params4bit  # noqa: PLC0415  0.5 s, and absent where NF4 is not used

    return Params4bit(
        weight.to("cpu", dtype).contiguous(),
        requires_grad=False,
        blocksize=old.blocksize,
        compress_statistics=old.compress_statistics,
        quant_type=old.quant_type,
        quant_storage=old.quant_storage,
        module=old.module,
    ).to(device)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """An adapter's weights; raises AdapterError for a damaged file and for types that no adapter has."""
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as reason:
        raise AdapterError(f"{path.name} is no intact safetensors file: {reason}. Save the adapter again.") from reason
    for name, tensor in tensors.items():
        if tensor.dtype not in ADAPTER_DTYPES:
            raise AdapterError(
                f"{path.name}: {name} holds {tensor.dtype}; an adapter's weights are fp32, fp16 or bf16."
            )
    return tensors


def _finite(tensors: dict[str, torch.Tensor]) -> Check:
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise AdapterError(f"{len(bad)} of {len(tensors)} adapter tensors hold NaN or infinity (first: {bad[0]}).")
    return Check(name="adapter-finite", ok=True, detail=f"{len(tensors)} tensors without NaN or infinity")


def _not_all_zero(tensors: dict[str, torch.Tensor]) -> Check:
    ups = {name: tensor for name, tensor in tensors.items() if "lora_B" in name or "lora_embedding_B" in name}
    zero = [name for name, tensor in ups.items() if not tensor.any()]
    others = [name for name in tensors if "lora_" not in name]
    if ups and len(zero) == len(ups) and not others:
        raise AdapterError(
            f"the adapter is identical to the base: all {len(ups)} B matrices are zero. It was never trained, or the "
            "wrong checkpoint was saved."
        )
    return Check(
        name="adapter-trained", ok=True, detail=f"{len(ups) - len(zero)} of {len(ups)} B matrices are not zero"
    )


def _check_ranks(config: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Refuse a rank that the weights do not have before memory is taken for it."""
    declared = {config.r, *config.rank_pattern.values()}
    found = {tensor.shape[0] for name, tensor in tensors.items() if name.endswith("lora_A.weight")}
    if not found <= declared:
        raise AdapterError(f"adapter_config.json declares rank {sorted(declared)}, the weights have {sorted(found)}.")


def _mismatch(wanted: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]) -> str:
    missing, unexpected = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    if missing or unexpected:
        parts = [f"{len(missing)} missing (first: {missing[0]})"] if missing else []
        parts += [f"{len(unexpected)} matching no module (first: {unexpected[0]})"] if unexpected else []
        return (
            f"the adapter's tensors are not those of its configuration on this base: {', '.join(parts)}. PEFT would "
            "load it with a warning and answer like the base. Is it for another base model, or were tensors renamed?"
        )
    name = next(name for name in sorted(wanted) if wanted[name] != given[name])
    return f"the adapter is for another base model: {name} has shape {given[name]}, this base needs {wanted[name]}."


def _fresh(folder: Path) -> Path:
    if folder.exists() and any(folder.iterdir()):
        raise BackendError(f"{folder} is not empty; name a new folder for the merged model.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _first_sentence(reason: Exception) -> str:
    text = " ".join(str(reason).split())
    return text if len(text) <= 300 else text[:297] + "..."
