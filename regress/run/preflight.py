"""Is there anything to evaluate? A few forward passes before any item is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from regress.backends.protocol import Engine, Request, Windowed
from regress.errors import AdapterError, BackendError
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import item_order
from regress.run.session import Questions
from regress.schema import Ask, Check, Precision, Suite, Variant, VariantKind

CANARIES_PER_SUITE = 2

PARITY_TOLERANCE: dict[Precision, float | None] = {Precision.FP32: 1e-2, Precision.BF16: 0.5, Precision.NF4: None}
"""Nats by which the merged model's log-probability of the adapter's next token may differ, at most.

In fp32 only rounding separates the two. In bf16 the merged weight itself is rounded (2^-9 of each weight), which moves
single tokens by tenths of a nat. NF4 quantises the merged weight anew: a difference that the suites have to judge.
"""

CANARY_TOLERANCE: dict[Precision, float] = {Precision.FP32: 1e-3, Precision.BF16: 0.25, Precision.NF4: 0.25}
"""Nats by which the batched engine may differ from one plain forward pass without padding or cache."""

Prints = npt.NDArray[np.float32]


def canaries(questions: Questions) -> list[Request]:
    """The first few prompts of every suite in the locked order."""
    chosen = []
    for suite in questions.loaded.suites:
        requests = {request.item: request for request in questions.requests[suite.name]}
        chosen += [requests[item.id] for item in item_order(suite, ITEM_ORDER_SEED)[:CANARIES_PER_SUITE]]
    return chosen


def preflight(engine: Engine, questions: Questions, adapter_folder: str, virtual_tokens: int = 0) -> list[Check]:
    """Attach the adapter and compare what base, adapter and merged say on the canaries; acts as the base afterwards.

    Virtual tokens have no merged variant; the positions that they take must be free in every item. A check that fails
    stays in the list; what makes going on pointless (missing tensors, NaN) raises AdapterError.
    """
    if virtual_tokens:
        _refuse_what_no_longer_fits(engine, questions, virtual_tokens)
    probes = canaries(questions)
    before = engine.fingerprint(probes)
    checks = [_canary(engine, questions, probes, before), *engine.attach(adapter_folder)]
    engine.use(Variant(kind=VariantKind.ADAPTER))
    adapter = engine.fingerprint(probes)
    if virtual_tokens:
        merging = [_canary(engine, questions, probes, adapter, "virtual-tokens-canary")]
    else:
        engine.use(Variant(kind=VariantKind.MERGED))
        merged = engine.fingerprint(probes)
        merging = [_merged_differs(before, merged), _merged_agrees(engine.precision, adapter, merged)]
    engine.use(Variant(kind=VariantKind.BASE))
    after = engine.fingerprint(probes)
    checks += [_adapter_is_on(before, adapter), _base_restored(before, after), *merging]
    return _at(engine.precision, checks)


def preflight_model(engine: Engine, questions: Questions, base: Prints) -> list[Check]:
    """A model of its own that `engine` has loaded: is it answered rightly, and is it another one than the base?"""
    probes = canaries(questions)
    prints = engine.fingerprint(probes)
    return _at(engine.precision, [_canary(engine, questions, probes, prints), _model_differs(base, prints)])


def _at(precision: Precision, checks: Sequence[Check]) -> list[Check]:
    return [replace(check, name=f"{check.name}@{precision}") for check in checks]


def _refuse_what_no_longer_fits(engine: Engine, questions: Questions, virtual_tokens: int) -> None:
    """Raises AdapterError for an item that, behind the virtual tokens, exceeds the context window."""
    if not isinstance(engine, Windowed):
        raise BackendError(f"{engine.name} cannot judge virtual tokens: it does not say how long its window is.")
    for suite in questions.loaded.suites:
        room = suite.generation.max_new_tokens if suite.ask is Ask.GENERATE else 0
        for request in questions.requests[suite.name]:
            # the last token of a choice predicts nothing and takes no position
            longest = max((len(c) + len(choice) - 1 for c, choice in request.sequences), default=len(request.prompt))
            if virtual_tokens + longest + room > engine.context_window:
                raise AdapterError(
                    f"item {request.item!r} of {suite.name} needs {longest + room} positions behind the adapter's "
                    f"{virtual_tokens} virtual tokens, and the context window holds {engine.context_window}. Shorten "
                    "the item, or train fewer virtual tokens."
                )


def _model_differs(base: Prints, model: Prints) -> Check:
    moved = _largest(base, model)
    return Check(
        name="model-differs",
        ok=0.0 < moved < float("inf"),
        detail=f"log-probabilities differ from the base's by up to {moved:.3g} nats"
        if moved > 0.0
        else f"the model answers exactly like the base on {len(base)} prompts (difference 0.0)",
    )


def _adapter_is_on(base: Prints, adapter: Prints) -> Check:
    moved = _largest(base, adapter)
    return Check(
        name="adapter-is-on",
        ok=0.0 < moved < float("inf"),
        detail=f"log-probabilities move by up to {moved:.3g} nats"
        if moved > 0.0
        else f"the adapter answers exactly like the base on {len(base)} prompts (difference 0.0)",
    )


def _base_restored(before: Prints, after: Prints) -> Check:
    same = bool(np.array_equal(before, after))
    return Check(
        name="base-restored",
        ok=same,
        detail="with the adapter off, the base is back bit for bit"
        if same
        else f"with the adapter off, the base differs from itself by up to {_largest(before, after):.3g} nats",
    )


def _merged_differs(base: Prints, merged: Prints) -> Check:
    moved = _largest(base, merged)
    return Check(name="merged-differs", ok=moved > 0.0, detail=f"merged and base differ by up to {moved:.3g} nats")


def _merged_agrees(precision: Precision, adapter: Prints, merged: Prints) -> Check:
    """Adapter and merged model are the same function up to rounding."""
    rows = np.arange(len(adapter))
    favourite = adapter.argmax(axis=1)
    gap = float(np.abs(adapter[rows, favourite] - merged[rows, favourite]).max())
    tolerance = PARITY_TOLERANCE[precision]
    bound = "no bound: NF4 quantises the merged weights anew" if tolerance is None else f"at most {tolerance:g}"
    return Check(
        name="merged-agrees",
        ok=bool(np.isfinite(gap)) and (tolerance is None or gap <= tolerance),
        detail=f"the adapter's next token moves by up to {gap:.3g} nats when merged ({bound})",
    )


def _canary(
    engine: Engine, questions: Questions, probes: Sequence[Request], plain: Prints, name: str = "engine-canary"
) -> Check:
    """Ask all canaries for the likelihood of a token in one padded batch; the answer is known from plain forwards."""
    favourites = plain.argmax(axis=1)
    asked = [
        replace(p, choices=((int(token),),), contexts=(), digest=f"canary {token} {p.digest}")
        for p, token in zip(probes, favourites, strict=True)
    ]
    suite: Suite = replace(questions.loaded.suites[0], ask=Ask.CHOOSE)
    replies = dict(chain.from_iterable(engine.answers(suite, engine.batches(suite, asked))))
    known = plain[np.arange(len(plain)), favourites]
    gap = float(np.abs(np.array([replies[place].logprobs[0] for place in range(len(asked))]) - known).max())
    tolerance = CANARY_TOLERANCE[engine.precision]
    return Check(
        name=name,
        ok=bool(np.isfinite(gap)) and gap <= tolerance,
        detail=f"batched and plain forward differ by up to {gap:.3g} nats (at most {tolerance:g})",
    )


def _largest(one: Prints, other: Prints) -> float:
    """Largest absolute difference; NaN counts as infinite, since `nan > x` is never true."""
    gap = float(np.abs(one - other).max())
    return gap if np.isfinite(gap) else float("inf")
