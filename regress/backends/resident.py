"""One set of weights that acts as base, adapter and merged model in turn.

The base is loaded once. The adapter is attached with PEFT and switched on and off; for the merged model each adapted
weight is computed in float32 from the base's own tensor on disk, rounded once to the resident precision, and written
over the resident weight. Going back reads the tensor from disk again. Nothing is ever un-merged by subtraction: in bf16
that leaves log-probabilities 0.17 off.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from peft import (
    PeftConfig,
    PeftModel,
    PeftModelForCausalLM,
    PromptTuningInit,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.utils import ModulesToSaveWrapper
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from regress.backends.adapter_files import WEIGHTS
from regress.backends.adapter_tensors import check_shapes, check_sizes, finite, read_tensors, trained
from regress.backends.checkpoint import Checkpoint
from regress.backends.merging import ADAPTER, adapted_layers, merged, merged_parts
from regress.errors import AdapterError, BackendError, ModelError
from regress.schema import Check, Precision, VariantKind

MISFITS = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What PEFT raises for a configuration or tensors that are another base's."""

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
        """The module to call: the PEFT wrapper once an adapter is attached, but for virtual tokens, which go before."""
        return self._base if self._peft is None or self.is_prompt else self._peft

    @property
    def whole(self) -> Any:
        """What answers a whole sequence rightly by itself, virtual tokens included; theirs are the first positions."""
        return self._peft if self.virtual is not None else self.model

    @property
    def virtual(self) -> PeftModel | None:
        """The wrapper that knows the virtual tokens, while they stand before every prompt."""
        return self._peft if self.is_prompt and self.kind is VariantKind.ADAPTER else None

    @property
    def is_prompt(self) -> bool:
        """Whether the adapter is virtual tokens."""
        return self._peft is not None and bool(self._peft.peft_config[ADAPTER].is_prompt_learning)

    @property
    def config(self) -> Any:
        return self._base.config

    # --- adapter ---------------------------------------------------------------------------------------------------

    def attach(self, folder: Path) -> list[Check]:
        """Put the adapter of a private copy on the base, every tensor checked; acts as the base afterwards.

        Raises AdapterError when the file is damaged, when tensors are missing, unexpected, of another shape or not
        finite, or when the adapter was never trained.
        """
        self.detach()
        tensors = read_tensors(folder / WEIGHTS)
        checks = [finite(tensors)]
        try:
            config = PeftConfig.from_pretrained(str(folder))
            checks += trained(config.peft_type.value, tensors)
            check_sizes(config, tensors)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PEFT guesses at what is checked here
                self._peft = _wrapped(self._base, config)
                checks.append(self._fill(self._peft, tensors))
        except MISFITS as reason:
            self.detach()
            raise AdapterError(f"the adapter does not fit this base model: {_first_sentence(reason)}") from reason
        except AdapterError:
            self.detach()
            raise
        self._peft.eval()
        self.use(VariantKind.BASE)
        return checks

    def _fill(self, peft: PeftModel, tensors: dict[str, torch.Tensor]) -> Check:
        expected = get_peft_model_state_dict(peft, adapter_name=ADAPTER, save_embedding_layers=False)
        check = check_shapes(
            {name: tuple(tensor.shape) for name, tensor in expected.items()},
            {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        )
        set_peft_model_state_dict(peft, tensors, adapter_name=ADAPTER)
        return check

    def detach(self) -> None:
        """Take the adapter off and leave the base's own modules and weights."""
        if self._peft is None:
            return
        self.use(VariantKind.BASE)
        peft, prompt = cast("Any", self._peft), self.is_prompt
        self._peft = None
        if prompt:
            return  # nothing of it is in the base
        for name, module in list(peft.base_model.model.named_modules()):
            if isinstance(module, ModulesToSaveWrapper):  # unload() would leave the adapter's trained copy in the base
                parent, _, attribute = name.rpartition(".")
                setattr(peft.base_model.model.get_submodule(parent), attribute, module.original_module)
        self._base = peft.unload()

    # --- variants --------------------------------------------------------------------------------------------------

    def use(self, kind: VariantKind) -> None:
        """Act as base, adapter or merged from now on."""
        if kind is not VariantKind.BASE and self._peft is None:
            raise BackendError(f"no adapter is attached, so there is no {kind} variant.")
        if kind is VariantKind.MERGED and self.is_prompt:
            raise BackendError("virtual tokens cannot be merged into weights, so there is no merged variant.")
        if self.kind is VariantKind.MERGED and kind is not VariantKind.MERGED:
            self._restore()
        if self._peft is not None and not self.is_prompt:
            tuner = cast("Any", self._peft.base_model)
            if kind is VariantKind.BASE:
                tuner.disable_adapter_layers()
            else:
                tuner.enable_adapter_layers()
        if kind is VariantKind.MERGED and self.kind is not VariantKind.MERGED:
            self._merge()
        self.kind = kind

    def _parts(self) -> Iterator[tuple[str, Any, str]]:
        """(name in the base model, PEFT layer, tensor of its base layer) for everything that merging changes."""
        for name, layer in adapted_layers(cast("PeftModel", self._peft)):
            for part in merged_parts(layer):
                yield name, layer, part

    def _merge(self) -> None:
        for name, layer, part in self._parts():
            original = self._original(name, layer, part)
            self._write(layer, part, merged(layer, part, original.to(self.device, torch.float32)))
        for _, layer in adapted_layers(cast("PeftModel", self._peft)):
            layer.enable_adapters(False)  # PEFT's forward is the base layer's alone, whose weight is now the merged one

    def _restore(self) -> None:
        for name, layer, part in self._parts():
            self._write(layer, part, self._original(name, layer, part).to(self.device))
        self._snapshots.clear()

    def _original(self, name: str, layer: Any, part: str) -> torch.Tensor:
        """The base's tensor from disk, or, where the checkpoint calls it otherwise, from a copy made before merging."""
        key = f"{name}.{part}"
        if key in self._snapshots:
            return self._snapshots[key]
        stored = self._checkpoint.tensor(key)
        held = getattr(layer.get_base_layer(), part)
        if _is_quantised(held):
            if stored is None:
                raise BackendError(f"{key} is not in the checkpoint under that name; leave out merged@nf4.")
            return stored
        resident = held.data
        if self.kind is VariantKind.MERGED or (
            stored is not None
            and stored.shape == resident.shape
            and torch.equal(stored.to(self.device, resident.dtype), resident)
        ):
            return cast("torch.Tensor", stored)
        self._snapshots[key] = resident.detach().to("cpu", copy=True)
        return self._snapshots[key]

    def _write(self, layer: Any, part: str, tensor: torch.Tensor) -> None:
        base = layer.get_base_layer()
        held = getattr(base, part)
        if _is_quantised(held):
            dtype = compute_dtype(self.precision, self.device)
            setattr(base, part, _quantised_like(held, tensor, self.device, dtype))
        else:
            held.data.copy_(tensor)

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
        tuner = cast("Any", self._peft).base_model
        for name, tensor in tuner.model.state_dict().items():
            if tuner.prefix in name or ".ranknum." in name or ".original_module." in name:
                continue
            plain = name.replace(".base_layer.", ".").replace(f".modules_to_save.{ADAPTER}.", ".")
            if tensor.data_ptr() not in seen:  # tied weights are stored once
                seen.add(tensor.data_ptr())
                state[plain] = tensor.contiguous()
        return state


def _wrapped(base: Any, config: PeftConfig) -> PeftModel:
    """The adapter of `config` on the base, its own tensors still to be filled in.

    How it was initialised no longer matters, and some ways rewrite the base or read files. What virtual tokens say of
    the base's shape is found anew, and has to be the same.
    """
    config.inference_mode = True
    if not config.is_prompt_learning:
        for name in ("init_lora_weights", "init_ia3_weights"):
            if hasattr(config, name):
                setattr(config, name, True)
        return PeftModel(base, config, adapter_name=ADAPTER)
    if hasattr(config, "prompt_tuning_init"):
        config.prompt_tuning_init = PromptTuningInit.RANDOM
    declared = {name: getattr(config, name) for name in ("token_dim", "num_layers", "num_attention_heads")}
    for name in declared:
        setattr(config, name, None)
    peft = PeftModelForCausalLM(base, config, adapter_name=ADAPTER)
    for name, value in declared.items():
        if value not in (None, getattr(config, name)):
            raise AdapterError(
                f"the adapter is for another base model: its {name} is {value}, this base's is {getattr(config, name)}."
            )
    return peft


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


def _fresh(folder: Path) -> Path:
    if folder.exists() and any(folder.iterdir()):
        raise BackendError(f"{folder} is not empty; name a new folder for the merged model.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _first_sentence(reason: Exception) -> str:
    text = " ".join(str(reason).split())
    return text if len(text) <= 300 else text[:297] + "..."
