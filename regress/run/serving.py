"""Single prompts, base and candidate in turn: what a reply takes, and what a draft model would propose of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regress.backends.protocol import Engine, Lone, Request
from regress.hashing.models import locate_model
from regress.lock.promise import ITEM_ORDER_SEED, Loaded
from regress.plan import item_order
from regress.run.progress import Progress
from regress.run.session import Questions
from regress.schema import (
    Ask,
    Category,
    Figure,
    Served,
    Suite,
    TimedReply,
    TimedSide,
    Variant,
    VariantKind,
)
from regress.schema.serving import TIMED
from regress.store.codec import manifest_digest
from regress.store.runs import read_manifest
from regress.store.serving import read_served, write_served

if TYPE_CHECKING:
    from regress.backends.drafting import DraftModel

PROMPTS = 24
"""Of all suites together, where no suite of category serving says which; those are asked whole."""

ROUNDS = 4
"""A machine is busier at one time than at another; intervals hold that, too (stats.relative.two_way)."""

Prompt = tuple[Suite, Request]


def needs_timing(loaded: Loaded, folder: Path) -> bool:
    """Whether a margin rests on times that nobody took of this run yet, or without the draft that it is about."""
    wanted = {figure for suite in loaded.suites for figure in suite.serving} & TIMED
    if not wanted:
        return False
    served = read_served(folder, read_manifest(folder))
    return served is None or (Figure.ACCEPTANCE in wanted and served.draft is None)


def time_alone(
    engine: Engine,
    questions: Questions,
    base: Path,
    folders: Mapping[Variant, Path],
    progress: Progress,
) -> None:
    """Ask single prompts of the base and of every candidate among `folders`, and store what it took beside their runs.

    The engine holds the base of the folder `base` with the adapter on. Raises ModelError for a draft model that cannot
    be loaded, BackendError as the engine does.
    """
    prompts = chosen_prompts(questions)
    candidates = [variant for variant in folders if variant.kind is not VariantKind.BASE]
    if not prompts or not candidates:
        return
    reference = Variant(kind=VariantKind.BASE, precision=engine.precision)
    draft = _draft(questions.loaded, base)
    replies = _replies(engine, [reference, *candidates], prompts, progress)
    sides = {
        variant: _side(f"{variant.kind}@{engine.precision}", found, prompts, draft)
        for variant, found in replies.items()
    }
    for variant in candidates:
        write_served(
            folders[variant],
            Served(
                run=manifest_digest(read_manifest(folders[variant])),
                machine=engine.device,
                rounds=ROUNDS,
                draft=None if draft is None else draft.draft,
                base=sides[reference],
                own=sides[variant],
            ),
        )


def chosen_prompts(questions: Questions) -> list[Prompt]:
    """All items of serving suites; without such, PROMPTS of all that write replies, in turn from each."""
    writing = [suite for suite in questions.loaded.suites if suite.ask is Ask.GENERATE]
    serving = [suite for suite in writing if suite.category is Category.SERVING]
    queues = []
    for suite in serving or writing:
        requests = {request.item: request for request in questions.requests[suite.name]}
        queues.append([(suite, requests[item.id]) for item in item_order(suite, ITEM_ORDER_SEED)])
    if serving:
        return [prompt for queue in queues for prompt in queue]
    turns = [queue[turn] for turn in range(PROMPTS) for queue in queues if turn < len(queue)]
    return turns[:PROMPTS]


def _replies(
    engine: Engine, variants: Sequence[Variant], prompts: Sequence[Prompt], progress: Progress
) -> dict[Variant, list[list[Lone]]]:
    """By variant, then by prompt, one for each round. Every other round goes through the variants backwards."""
    found: dict[Variant, list[list[Lone]]] = {variant: [[] for _ in prompts] for variant in variants}
    progress.start("prompts one at a time", ROUNDS * len(variants) * len(prompts), 0)
    try:
        for number in range(ROUNDS):
            for variant in variants if number % 2 == 0 else reversed(variants):
                engine.use(variant)
                engine.alone(*prompts[0])  # caches are cold after a change of weights
                for prompt, rounds in zip(prompts, found[variant], strict=True):
                    rounds.append(engine.alone(*prompt))
                    progress.advance(1, str(variant))
    finally:
        progress.finish()
        engine.use(variants[0])
    return found


def _side(
    variant: str, found: Sequence[Sequence[Lone]], prompts: Sequence[Prompt], draft: DraftModel | None
) -> TimedSide:
    peaks = [reply.peak_bytes for rounds in found for reply in rounds]
    return TimedSide(
        variant=variant,
        replies=tuple(
            TimedReply(
                suite=suite.name,
                item=request.item,
                tokens=len(rounds[0].tokens),
                first=tuple(reply.first for reply in rounds),
                whole=tuple(reply.whole for reply in rounds),
                accepted=None if draft is None else draft.accepted(request.prompt, rounds[0].tokens),
            )
            for (suite, request), rounds in zip(prompts, found, strict=True)
        ),
        peak_bytes=None if None in peaks else max(peak for peak in peaks if peak is not None),
    )


def _draft(loaded: Loaded, base: Path) -> DraftModel | None:
    declared = loaded.project.file.draft
    if declared is None:
        return None
    from regress.run.engines import load_draft  # noqa: PLC0415  the only one here that loads a model library

    folder = locate_model(declared.model, declared.revision, loaded.project.folder, key="draft")
    return load_draft(folder, base, loaded.project.file.engine.device)
