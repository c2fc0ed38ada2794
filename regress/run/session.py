"""One variant answers every locked item; what is stored already is not asked again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regress.backends.protocol import Engine, Request
from regress.hashing.canonical import digest_json
from regress.lock.promise import Loaded, suite_settings
from regress.run.progress import Progress
from regress.schema import ItemOutcome, Manifest, Outcome, Reply, Score, Suite
from regress.store.replies import ReplyCache
from regress.store.runs import RunWriter, is_sealed, run_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """All suites as the model will see them, rendered once for all variants."""

    loaded: Loaded
    requests: Mapping[str, tuple[Request, ...]]  # by suite, in the suite's item order

    @property
    def total(self) -> int:
        return sum(map(len, self.requests.values()))


def render(engine: Engine, loaded: Loaded) -> Questions:
    """Every item as token ids. Raises BackendError for an item that does not fit the context window."""
    return Questions(
        loaded=loaded,
        requests={suite.name: tuple(engine.render(suite, item) for item in suite.items) for suite in loaded.suites},
    )


def settings_digest(loaded: Loaded) -> str:
    """Digest of every suite's settings and scorer version: equal in any two runs that may be compared."""
    return digest_json({suite.name: suite_settings(suite, loaded.scorers[suite.name]) for suite in loaded.suites})


def run_variant(
    engine: Engine,
    questions: Questions,
    manifest: Manifest,
    parent: Path,
    *,
    reuse_from: Iterable[Path],
    progress: Progress,
    again: bool = False,
) -> Path:
    """Answer, score and store every item, then seal; returns the run's folder.

    Resumes an unsealed run of the same manifest and takes replies that another run of the same weights already gave.
    Batches are fixed by the plan: one that was stored in part is computed as a whole again and only what is missing is
    stored, so an interrupted run ends with the same numbers as an undisturbed one. With `again` the batches are others:
    what differs then is the noise of the machine.
    """
    folder = parent / run_name(manifest)
    if is_sealed(folder):
        return folder
    with RunWriter.open(folder, manifest) as writer:
        known = ReplyCache.build([path for path in reuse_from if path != folder], manifest)
        for name, why in known.skipped.items():
            progress.say(f"the replies in {name} are not used again: {why}")
        finished = {key for key, outcome in writer.done.items() if outcome.outcome is not Outcome.ERROR}
        progress.start(manifest.variant, questions.total, len(finished))
        for suite in questions.loaded.suites:
            requests = questions.requests[suite.name]
            _take_known(suite, questions, known, finished, writer, progress)
            batches = engine.batches(suite, requests)
            for batch in regrouped(batches) if again else batches:
                missing = [index for index in batch if (suite.name, requests[index].item) not in finished]
                if not missing:
                    continue
                replies = dict(zip(batch, engine.answer(suite, [requests[index] for index in batch]), strict=True))
                for index in missing:
                    writer.append(_outcome(suite, index, questions, replies[index]))
                    finished.add((suite.name, requests[index].item))
                writer.commit()
                progress.advance(len(missing), suite.name)
        progress.finish()
        writer.seal(expected_items(questions.loaded.suites))
    return folder


def regrouped(batches: Sequence[Sequence[int]]) -> list[list[int]]:
    """The same requests in other company: shuffled, and half as many at once as in the widest batch."""
    order = [index for batch in batches for index in batch]
    random.Random(len(order)).shuffle(order)
    rows = max(1, len(batches[0]) // 2) if batches else 1
    return [order[start : start + rows] for start in range(0, len(order), rows)]


def expected_items(suites: Sequence[Suite]) -> dict[str, list[tuple[str, str]]]:
    """(id, digest) of every item by suite: what a complete run holds, no more and no less."""
    return {suite.name: [(item.id, item.digest) for item in suite.items] for suite in suites}


def _take_known(
    suite: Suite,
    questions: Questions,
    known: Mapping[str, Reply],
    finished: set[tuple[str, str]],
    writer: RunWriter,
    progress: Progress,
) -> None:
    """Store replies that the same weights gave to the same tokens in another run."""
    taken = 0
    for index, request in enumerate(questions.requests[suite.name]):
        key = (suite.name, request.item)
        if key in finished or request.digest not in known:
            continue
        writer.append(_outcome(suite, index, questions, known[request.digest]))
        finished.add(key)
        taken += 1
    if taken:
        writer.commit()
        progress.advance(taken, suite.name)


def _outcome(suite: Suite, index: int, questions: Questions, reply: Reply) -> ItemOutcome:
    item, request = suite.items[index], questions.requests[suite.name][index]
    score: Score = questions.loaded.scorers[suite.name].score(reply, item)
    return ItemOutcome(
        suite=suite.name,
        item=item.id,
        item_digest=item.digest,
        request_digest=request.digest,
        outcome=score.outcome,
        value=score.value,
        kind=score.kind,
        detail=score.detail,
        reply=reply,
    )
