"""A draft model before the target: which of the target's greedy tokens would it have proposed?

Greedy speculative decoding keeps a proposed token where it is the target's own (Leviathan, Kalman & Matias 2023, arXiv
2211.17192, section 2.3). One forward pass of the draft over prompt and reply tells it for every position.
"""

from __future__ import annotations

from pathlib import Path

import torch

from regress.backends.checkpoint import Checkpoint
from regress.backends.protocol import Tokens
from regress.backends.resident import ResidentModel
from regress.backends.tokenizer_match import compare_tokenizers
from regress.errors import ModelError
from regress.hashing.models import read_model
from regress.schema import Draft, Precision


class DraftModel:
    """A small model that is held in memory beside the target."""

    def __init__(self, folder: Path, base: Path, precision: Precision, device: torch.device) -> None:
        """Raises ModelError where it cannot be loaded, and where its tokens are not the base's."""
        checks = [check for check in compare_tokenizers(base, folder) if check.name != "template-matches"]
        if failed := [check.name for check in checks if not check.ok]:
            raise ModelError(
                f"the draft model {folder.name} cannot propose tokens to this base ({', '.join(failed)} fails). Choose "
                "one with the base's tokenizer."
            )
        self.draft = Draft(
            digest=read_model(folder).digest,
            parameters=Checkpoint(folder).parameters(),
            target_parameters=Checkpoint(base).parameters(),
        )
        self._model = ResidentModel(folder, precision, device).model
        self._device = device

    @torch.inference_mode()
    def accepted(self, prompt: Tokens, reply: Tokens) -> int:
        """How many tokens of the reply are the draft's own next token after all that stands before them."""
        ids = torch.tensor([(*prompt, *reply)[:-1]], device=self._device)  # (1, T)
        logits = self._model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :]  # (len(reply), V)
        return int((logits.argmax(dim=-1) == torch.tensor(reply, device=self._device)).sum())
