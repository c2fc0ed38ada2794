"""One forward pass over rows that continue a shared prefix: its keys and values once, the head only where it is asked.

Shapes: B rows, T nodes a row, P prefix tokens, N kept positions, V vocabulary, h heads, d head size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from regress.backends import cascade
from regress.backends.cascade import KeysAndValues
from regress.backends.packing import Asked, Row, trie
from regress.backends.protocol import Tokens

Mask = torch.Tensor | dict[str, torch.Tensor]
"""One for all layers, or one for each type of layer that a family names."""


class _PrefixLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """A layer's prefix (1, h, P, d), shown to every row; what the rows add is handed out and not kept."""

    def __init__(self, prefix: KeysAndValues | None) -> None:
        super().__init__()
        self.prefix = prefix
        self.added: KeysAndValues | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> KeysAndValues:
        self.added = (key_states, value_states)
        if self.prefix is None:
            return self.added
        rows = key_states.shape[0]
        keys, values = (part.expand(rows, -1, -1, -1) for part in self.prefix)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)

    def get_seq_length(self) -> int:
        return 0 if self.prefix is None else int(self.prefix[0].shape[-2])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What every row continues: virtual tokens, if there are any, and then `tokens`. No layers where it is empty."""

    tokens: Tokens
    layers: tuple[KeysAndValues, ...] = ()
    virtual: int = 0  # positions before the first token

    @property
    def length(self) -> int:
        """Positions that it takes."""
        return self.virtual + len(self.tokens)


EMPTY = Prefix(tokens=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows side by side, padded at the end with nodes that see the prefix and themselves alone."""

    ids: torch.Tensor  # (B, T)
    depth: torch.Tensor  # (B, T)
    end: torch.Tensor  # (B, T), see Row

    @classmethod
    def of(cls, rows: Sequence[Row], device: torch.device, *, aligned: int = 1) -> Rows:
        width = -(-max(len(row.tokens) for row in rows) // aligned) * aligned
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        depth = torch.zeros_like(ids)
        end = torch.arange(1, width + 1).repeat(len(rows), 1)
        for place, row in enumerate(rows):
            length = len(row.tokens)
            for tensor, values in ((ids, row.tokens), (depth, row.depth), (end, row.end)):
                tensor[place, :length] = torch.from_numpy(values)
        return cls(ids=on_device(ids, device), depth=on_device(depth, device), end=on_device(end, device))

    def sees(self, prefix: int, window: int | None) -> torch.Tensor:
        """(B, 1, T, P + T): which earlier position each node attends to.

        `window` counts the node itself, as sliding-window attention does.
        """
        width = self.ids.shape[1]
        node = torch.arange(width, device=self.ids.device)
        own = (node[None, None, :] <= node[None, :, None]) & (node[None, :, None] < self.end[:, None, :])  # (B, T, T)
        before = own.new_ones((*self.ids.shape, prefix))
        if window is not None:
            own &= self.depth[:, :, None] - self.depth[:, None, :] < window
            position = torch.arange(prefix, device=self.ids.device)
            before &= prefix + self.depth[:, :, None] - position[None, None, :] < window
        return torch.cat([before, own], dim=-1).unsqueeze(1)


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy there; on CUDA without waiting for what the device still has to do."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


class SharedForward:
    """A causal LM of transformers, called with prefixes and tries.

    With `separate` the prefix is attended to apart, by `cascade`.
    """

    def __init__(self, config: Any, *, separate: bool = False) -> None:
        text = config.get_text_config()
        self.separate = separate
        self._config = text
        self._layers = int(text.num_hidden_layers)
        self._types = tuple(sorted(set(getattr(text, "layer_types", None) or ())))
        self._window: int | None = getattr(text, "sliding_window", None)
        if getattr(text, "use_sliding_window", True) is False:
            self._window = None

    def prefix(self, model: Any, tokens: Tokens, device: torch.device, root: Prefix = EMPTY) -> Prefix:
        """Keys and values of `tokens` behind the virtual tokens of `root`, computed in one pass."""
        if not tokens:
            return root
        rows = self.rows([trie([Asked(owner=0, tokens=(*tokens, 0), start=len(tokens))])], device)
        _, added = self.run(model, rows, root, torch.zeros(1, dtype=torch.long, device=device))
        own = _first(len(tokens), added)
        layers = [_behind(*pair) for pair in zip(root.layers, own, strict=True)] if root.layers else own
        return Prefix(tokens=tokens, layers=tuple(layers), virtual=root.virtual)

    def embedded(self, model: Any, embeddings: torch.Tensor) -> Prefix:
        """The same for virtual tokens that are given as embeddings, (V, width of the model)."""
        count, device = len(embeddings), embeddings.device
        rows = self.rows([trie([Asked(owner=0, tokens=(0,) * (count + 1), start=count)])], device)
        padded = embeddings.new_zeros((1, rows.ids.shape[1], embeddings.shape[1]))
        padded[0, :count] = embeddings
        keep = torch.zeros(1, dtype=torch.long, device=device)
        _, added = self.run(model, rows, EMPTY, keep, embeddings=padded)
        return Prefix(tokens=(), layers=tuple(_first(count, added)), virtual=count)

    def rows(self, tries: Sequence[Row], device: torch.device) -> Rows:
        """Tries side by side, as wide as the kernels like them."""
        return Rows.of(tries, device, aligned=cascade.ALIGNED if self.separate else 1)

    def run(
        self, model: Any, rows: Rows, prefix: Prefix, keep: torch.Tensor, *, embeddings: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, tuple[KeysAndValues, ...]]:
        """Logits at the flat positions `keep` of (B, T), (N, V), in the model's own type; and what each layer added.

        `embeddings`, (B, T, width of the model), stand in place of the rows' tokens.
        """
        length = prefix.length
        held = 0 if self.separate else length  # prefix positions that the cache shows to the model
        shown = prefix.layers if held else [None] * self._layers
        cache = Cache(layers=[_PrefixLayer(part) for part in shown])
        with _head_at(model, keep), self._attention(cascade.Scene(prefix=prefix.layers)):
            logits = model(
                **({"input_ids": rows.ids} if embeddings is None else {"inputs_embeds": embeddings}),
                attention_mask=self._mask(model, lambda window: rows.sees(held, window)),
                position_ids=rows.depth + length,
                past_key_values=cache,
                use_cache=True,
            ).logits
        return logits[0], tuple(layer.added for layer in cache.layers)

    def _attention(self, scene: cascade.Scene) -> AbstractContextManager[None]:
        return cascade.attending(self._config, scene) if self.separate else nullcontext()

    def decode(
        self, model: Any, tokens: torch.Tensor, at: torch.Tensor, width: int, prefix: Prefix, cache: Cache
    ) -> torch.Tensor:
        """One more token for each of A rows, written at position `at` of a cache that is read up to `width`.

        Logits of the token after it, (A, V), in the model's own type.
        """
        if self.separate:
            with self._attention(cascade.Scene(prefix=prefix.layers, used=(at + 1).int())):
                return self._one_token(
                    model, tokens, at + prefix.length, torch.ones_like(at)[:, None, None, None], cache
                )
        column = torch.arange(width, device=at.device)

        def sees(window: int | None) -> torch.Tensor:
            seen = column[None] <= at[:, None]  # (A, width)
            if window is not None:
                seen &= at[:, None] - column[None] < window
            return seen[:, None, None]

        return self._one_token(model, tokens, at, self._mask(model, sees), cache)

    def _one_token(
        self, model: Any, tokens: torch.Tensor, position: torch.Tensor, mask: Mask, cache: Cache
    ) -> torch.Tensor:
        logits: torch.Tensor = model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=position[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits
        return logits[:, -1]

    def _mask(self, model: Any, sees: Callable[[int | None], torch.Tensor]) -> Mask:
        if not self._types:
            return self._as_it_is_added(model, sees(self._window))
        windows = {kind: self._window if kind == "sliding_attention" else None for kind in self._types}
        return {kind: self._as_it_is_added(model, sees(window)) for kind, window in windows.items()}

    def _as_it_is_added(self, model: Any, sees: torch.Tensor) -> torch.Tensor:
        """SDPA takes a boolean mask; eager attention adds a number, and so does `cascade`, to heads side by side."""
        match self._config._attn_implementation:
            case cascade.NAME:
                return cascade.folded(
                    sees, self._config.num_attention_heads // self._config.num_key_value_heads, model.dtype
                )
            case "sdpa":
                return sees
            case _:
                return torch.zeros(sees.shape, dtype=model.dtype, device=sees.device).masked_fill_(
                    ~sees, torch.finfo(model.dtype).min
                )


def _first(count: int, added: Sequence[KeysAndValues]) -> list[KeysAndValues]:
    """The first positions of what one row added, layer by layer."""
    own = slice(None, count)
    return [(keys[:, :, own].contiguous(), values[:, :, own].contiguous()) for keys, values in added]


def _behind(before: KeysAndValues, added: KeysAndValues) -> KeysAndValues:
    keys, values = (torch.cat(pair, dim=-2) for pair in zip(before, added, strict=True))
    return keys, values


@contextmanager
def _head_at(model: Any, keep: torch.Tensor) -> Iterator[None]:
    """Within the block the output layer sees only the flat positions `keep`, as one row (1, N, ·)."""

    def only_kept(_module: Any, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden = arguments[0]
        return (hidden.reshape(-1, hidden.shape[-1])[keep].unsqueeze(0), *arguments[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(only_kept)
    try:
        yield
    finally:
        handle.remove()
