"""The transformers engine: batched log-likelihoods that share each item's prompt, and greedy generation.

Shapes: B rows, T positions, K choices, V vocabulary. Prompts are padded on the left, so that every row ends at the same
position and continues from the same column of the key-value cache.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from regress.backends.protocol import Request
from regress.backends.rendering import Renderer
from regress.backends.resident import ResidentModel
from regress.errors import BackendError
from regress.schema import Ask, Check, Finish, Item, Precision, Reply, Suite, Variant

MAX_ROWS = {"cpu": 64, "cuda": 256}
AUTO_BATCH_TOKENS = {"cpu": 8_192, "cuda": 65_536}


def resolve_device(device: str) -> torch.device:
    """`auto` is the first CUDA device, else the CPU. Raises BackendError for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = torch.device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise BackendError(f"engine.device is {device}, and this machine has {torch.cuda.device_count()} CUDA devices.")
    return wanted


class HFEngine:
    """See `regress.backends.protocol.Engine`."""

    def __init__(self, folder: Path, precision: Precision, device: torch.device, batch_tokens: int | None) -> None:
        self.resident = ResidentModel(folder, precision, device)
        self._device = device
        self._rows = MAX_ROWS[device.type]
        self._batch_tokens = batch_tokens or AUTO_BATCH_TOKENS[device.type]
        config = self.resident.config
        self._renderer = Renderer(folder, context_window(config), end_ids(self.resident))
        self._pad = next(iter(sorted(self._renderer.end_ids)), 0)

    @property
    def name(self) -> str:
        packages = ("torch", "transformers", "peft", "bitsandbytes")
        return "hf " + " ".join(f"{package}={importlib.metadata.version(package)}" for package in packages)

    @property
    def precision(self) -> Precision:
        return self.resident.precision

    @property
    def device(self) -> str:
        return torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"

    @property
    def batch_policy(self) -> str:
        return f"sorted-by-length rows={self._rows} tokens={self._batch_tokens}"

    def render(self, suite: Suite, item: Item) -> Request:
        return self._renderer.render(suite, item)

    def batches(self, suite: Suite, requests: Sequence[Request]) -> list[list[int]]:
        """Longest first, so that memory runs out at once or never; each batch within rows and padded tokens."""

        def width(index: int) -> int:
            request = requests[index]
            answer = sum(map(len, request.choices)) if request.choices else suite.generation.max_new_tokens
            return len(request.prompt) + answer

        order = sorted(range(len(requests)), key=lambda i: (-width(i), requests[i].digest, i))
        batches: list[list[int]] = []
        for index in order:
            batch = batches[-1] if batches else None
            if batch is None or len(batch) == self._rows or (len(batch) + 1) * width(batch[0]) > self._batch_tokens:
                batches.append([index])
            else:
                batch.append(index)
        return batches

    def attach(self, folder: str) -> list[Check]:
        return self.resident.attach(Path(folder))

    def use(self, variant: Variant) -> None:
        self.resident.use(variant.kind)

    def answer(self, suite: Suite, batch: Sequence[Request]) -> list[Reply]:
        try:
            with torch.inference_mode():
                if suite.ask is Ask.CHOOSE:
                    return self._choose(batch)
                return self._generate(suite, batch)
        except torch.OutOfMemoryError as reason:
            raise BackendError(
                f"out of memory on a batch of {len(batch)} from {suite.name}; set engine.batch_tokens below "
                f"{self._batch_tokens} in regress.yaml."
            ) from reason

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        rows = []
        with torch.inference_mode():
            for request in requests:
                ids = torch.tensor([request.prompt], device=self._device)  # (1, T)
                logits = self.resident.model(input_ids=ids, use_cache=False).logits[0, -1]  # (V,)
                rows.append(torch.log_softmax(logits.float(), dim=-1).cpu().numpy())
        return np.stack(rows).astype(np.float32)

    def save_merged(self, folder: Path) -> None:
        self.resident.save_merged(folder)
        self._renderer.tokenizer.save_pretrained(str(folder))

    # --- shared first pass -------------------------------------------------------------------------------------------

    def _prefill(self, batch: Sequence[Request]) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """Prompts left-padded through the model: next-token log-probs (B, V), attention mask (B, T), cache."""
        width = max(len(request.prompt) for request in batch)
        ids = torch.full((len(batch), width), self._pad, dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, request in enumerate(batch):
            ids[row, width - len(request.prompt) :] = torch.tensor(request.prompt)
            mask[row, width - len(request.prompt) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        out = self.resident.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        )
        return self._log_probs(out.logits[:, -1], batch), mask, out.past_key_values

    def _log_probs(self, logits: torch.Tensor, batch: Sequence[Request]) -> torch.Tensor:
        """float32 log-softmax; NaN or infinity in the logits stops the run, naming the item."""
        logits = logits.float()
        finite = torch.isfinite(logits).flatten(1).all(dim=1)
        if not finite.all():
            bad = batch[int((~finite).nonzero()[0])].item
            raise BackendError(f"the model's logits hold NaN or infinity on item {bad!r}; nothing can be said of it.")
        return torch.log_softmax(logits, dim=-1)

    # --- log-likelihood of choices -----------------------------------------------------------------------------------

    def _choose(self, batch: Sequence[Request]) -> list[Reply]:
        """Every choice's summed log-probability; the prompt is computed once and its cache shared by the choices."""
        first, mask, cache = self._prefill(batch)
        rows = [(row, choice) for row, request in enumerate(batch) for choice in request.choices]
        owner = torch.tensor([row for row, _ in rows], device=self._device)
        sums = first[owner, torch.tensor([choice[0] for _, choice in rows], device=self._device)].double()  # (R,)
        longest = max(len(choice) for _, choice in rows)
        if longest > 1:
            sums += self._continuations(rows, owner, mask, cache, batch, longest - 1)
        values = iter(sums.tolist())
        return [
            Reply(
                logprobs=tuple(next(values) for _ in request.choices),
                prompt_tokens=len(request.prompt),
                reply_tokens=sum(map(len, request.choices)),
            )
            for request in batch
        ]

    def _continuations(
        self,
        rows: list[tuple[int, tuple[int, ...]]],
        owner: torch.Tensor,
        mask: torch.Tensor,
        cache: Any,
        batch: Sequence[Request],
        steps: int,
    ) -> torch.Tensor:
        """Log-probability of everything after each choice's first token, (R,)."""
        inputs = torch.full((len(rows), steps), self._pad, dtype=torch.long)
        targets = torch.zeros((len(rows), steps), dtype=torch.long)
        real = torch.zeros((len(rows), steps), dtype=torch.long)
        for index, (_, choice) in enumerate(rows):
            length = len(choice) - 1
            inputs[index, :length] = torch.tensor(choice[:-1], dtype=torch.long)
            targets[index, :length] = torch.tensor(choice[1:], dtype=torch.long)
            real[index, :length] = 1
        inputs, targets, real = (tensor.to(self._device) for tensor in (inputs, targets, real))
        cache.batch_select_indices(owner)
        prompt_mask = mask[owner]
        out = self.resident.model(
            input_ids=inputs,
            attention_mask=torch.cat([prompt_mask, real], dim=1),
            position_ids=prompt_mask.sum(-1, keepdim=True) + torch.arange(steps, device=self._device),
            past_key_values=cache,
            use_cache=True,
        )
        owners = [batch[row] for row, _ in rows]
        chosen = self._log_probs(out.logits, owners).gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # (R, steps)
        return (chosen.double() * real).sum(dim=1)

    # --- greedy generation -------------------------------------------------------------------------------------------

    def _generate(self, suite: Suite, batch: Sequence[Request]) -> list[Reply]:
        """Greedy replies; rows that are done leave the batch once half of it is, since they would only be carried."""
        settings = suite.generation
        log_probs, mask, cache = self._prefill(batch)
        written: list[list[int]] = [[] for _ in batch]
        finish: dict[int, Finish] = {}
        active = list(range(len(batch)))  # row of the tensors -> position in the batch
        for _ in range(settings.max_new_tokens):
            tokens = log_probs.argmax(dim=-1)  # (B,)
            for position, token in zip(active, tokens.tolist(), strict=True):
                if position not in finish:
                    self._accept(position, token, written[position], finish, settings.stop)
            open_rows = [row for row, position in enumerate(active) if position not in finish]
            if not open_rows or len(written[active[open_rows[0]]]) == settings.max_new_tokens:
                break
            if len(open_rows) * 2 <= len(active):
                keep = torch.tensor(open_rows, device=self._device)
                cache.batch_select_indices(keep)
                mask, tokens = mask[keep], tokens[keep]
                active = [active[row] for row in open_rows]
            mask = torch.cat([mask, mask.new_ones((len(active), 1))], dim=1)
            out = self.resident.model(
                input_ids=tokens.unsqueeze(1),
                attention_mask=mask,
                position_ids=mask.sum(-1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            )
            log_probs = self._log_probs(out.logits[:, -1], [batch[position] for position in active])
        return [
            Reply(
                text=self._text(ids, finish.get(position), settings.stop),
                finish=finish.get(position, Finish.LENGTH),
                prompt_tokens=len(batch[position].prompt),
                reply_tokens=len(ids),
            )
            for position, ids in enumerate(written)
        ]

    def _accept(
        self, position: int, token: int, ids: list[int], finish: dict[int, Finish], stops: tuple[str, ...]
    ) -> None:
        ids.append(token)
        if token in self._renderer.end_ids:
            finish[position] = Finish.EOS
        elif stops and any(stop in self._decode(ids) for stop in stops):
            finish[position] = Finish.STOP

    def _text(self, ids: list[int], finish: Finish | None, stops: tuple[str, ...]) -> str:
        text = self._decode(ids[:-1] if finish is Finish.EOS else ids)
        if finish is Finish.STOP:
            text = text[: min(place for stop in stops if (place := text.find(stop)) >= 0)]
        return text

    def _decode(self, ids: list[int]) -> str:
        return str(self._renderer.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def context_window(config: Any) -> int:
    """Positions that the model was built for; a model without such a limit gets a generous one."""
    text_config = config.get_text_config()
    return int(getattr(text_config, "max_position_embeddings", None) or 1_048_576)


def end_ids(resident: ResidentModel) -> frozenset[int]:
    """Token ids that end a reply, as the model's own generation settings say."""
    settings = getattr(resident.model, "generation_config", None)
    ids = getattr(settings, "eos_token_id", None)
    if ids is None:
        return frozenset()
    return frozenset(ids if isinstance(ids, list) else [ids])
