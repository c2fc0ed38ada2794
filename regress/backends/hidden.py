"""What a model makes of texts inside: the mean of a layer's hidden states over each text's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from regress.backends.hf import resolve_device
from regress.backends.protocol import Tokens, settled_precision
from regress.backends.rendering import Renderer
from regress.backends.resident import ResidentModel
from regress.errors import BackendError
from regress.schema import Precision

TOKENS = 256  # of a text, half from either end
BATCH_TOKENS = 4_096


class HiddenStates:
    """A base model in memory, asked for features and nothing else."""

    def __init__(self, folder: Path, precision: Precision, device: str) -> None:
        """Raises ModelError and BackendError where it cannot be loaded."""
        self._device = resolve_device(device)
        resident = ResidentModel(folder, settled_precision(precision, self._device.type), self._device)
        self._model = resident.model
        self._layers = int(resident.config.get_text_config().num_hidden_layers)
        self._renderer = Renderer(folder, TOKENS, frozenset())

    @torch.inference_mode()
    def features(self, texts: Sequence[str], tick: Callable[[int], None]) -> npt.NDArray[np.float32]:
        """(texts, width), in the order of the texts; `tick` hears how many more are done.

        Raises BackendError where states are not finite.
        """
        tokenizer = self._renderer.tokenizer
        prefix = self._renderer.prefix_token
        ids = [_shortened((prefix, *tokenizer(text, add_special_tokens=False).input_ids)) for text in texts]
        order = sorted(range(len(ids)), key=lambda one: len(ids[one]))
        found: list[npt.NDArray[np.float32]] = []
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * len(ids[order[stop]]) <= BATCH_TOKENS:
                stop += 1
            found.append(self._means([ids[one] for one in order[start:stop]]))
            tick(stop - start)
            start = stop
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise BackendError("the base's hidden states hold NaN or infinity; nothing can be said of its features.")
        return features[np.argsort(order)]

    def _means(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """Right padding: under a causal mask no token sees what comes behind it, and it is left out of the mean."""
        width = max(map(len, batch))
        ids = torch.tensor([[*one, *[one[-1]] * (width - len(one))] for one in batch], device=self._device)  # (B, T)
        mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in batch], device=self._device)
        states = self._model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True)
        layer = states.hidden_states[self._layers // 2].float()  # (B, T, D)
        means = (layer * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return np.asarray(means.cpu().numpy(), dtype=np.float32)


def _shortened(ids: Tokens) -> Tokens:
    return ids if len(ids) <= TOKENS else (*ids[: TOKENS // 2], *ids[-TOKENS // 2 :])
