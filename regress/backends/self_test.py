"""Does this family of models answer tries, prefixes and slots as it answers each sequence by itself?

Tried on made-up tokens when the weights are loaded: families with another kind of state than keys and values, or with
positions that are not given by `position_ids`, don't.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from regress.backends import plain, scoring
from regress.backends.packing import Asked, trie
from regress.backends.protocol import Batch, Request
from regress.backends.shared_forward import EMPTY, Prefix, SharedForward
from regress.backends.slots import Slots
from regress.errors import BackendError
from regress.schema import Precision

TOLERANCE = {Precision.FP32: 1e-3, Precision.BF16: 0.5, Precision.NF4: 0.5}
"""Nats by which a short continuation may differ from a plain forward pass."""

EXPECTED = (AttributeError, BackendError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What a family that works in another way raises."""


@torch.inference_mode()
def differs_from_plain(
    forward: SharedForward,
    model: Any,
    precision: Precision,
    device: torch.device,
    *,
    root: Prefix = EMPTY,
    whole: Any = None,
) -> str | None:
    """Why the fast way may not be used, or None.

    With virtual tokens `root` stands before everything, and `whole` is what knows of them in a plain forward pass.
    """
    return differs(forward, model, precision, device, root=root, whole=whole)


def differs(
    forward: SharedForward,
    model: Any,
    precision: Precision,
    device: torch.device,
    *,
    root: Prefix = EMPTY,
    whole: Any = None,
) -> str | None:
    """The same for a model that is being trained: what is made in inference mode must not stay in its modules."""
    whole = model if whole is None else whole
    vocabulary = int(model.config.get_text_config().vocab_size)
    token = [(7919 * k + 13) % vocabulary for k in range(40)]
    asked = Request(
        item="self-test",
        prompt=tuple(token[:20]),
        contexts=(tuple(token[:20]), tuple(token[:20]), tuple(token[:17])),
        choices=(tuple(token[20:24]), (*token[20:22], *token[30:33]), tuple(token[33:36])),
        digest="",
    )
    try:
        prefix = forward.prefix(model, tuple(token[:8]), device, root)
        batch = Batch(places=(0,), requests=(asked,), plan=scoring.packed_behind(prefix.tokens, [[asked]]))
        found = scoring.launch(model, forward, batch, prefix, device)()[0].logprobs
        step = _one_step(forward, model, prefix, token[8:21], device)
    except EXPECTED as reason:
        return f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"
    known = plain.score(whole, batch, device)[0].logprobs
    known_step = plain.next_log_probs(whole, tuple(token[:21]), device)
    gaps = [abs(a - b) for a, b in zip(found, known, strict=True)]
    gaps.append(float((step - known_step)[known_step.topk(5).indices].abs().max()))
    if all(gap <= TOLERANCE[precision] for gap in gaps):  # false for NaN, too
        return None
    return f"log-likelihoods differ by {max(gaps):.3g} nats from a plain forward pass"


def _one_step(
    forward: SharedForward, model: Any, prefix: Prefix, tokens: Sequence[int], device: torch.device
) -> torch.Tensor:
    """float32 log-probabilities behind prefix and tokens, the last of which goes through a slot, (V,)."""
    *before, last = tokens
    rows = forward.rows([trie([Asked(owner=0, tokens=(*before, 0), start=len(before))])], device)
    _, added = forward.run(model, rows, prefix, torch.zeros(1, dtype=torch.long, device=device))
    slots = Slots(model, forward, 1, len(tokens), prefix)
    slots.fill(added, [len(before)])
    return torch.log_softmax(slots.step(torch.tensor([last], device=device))[0], dim=-1)
