"""One variant answers every locked item; what is stored already is not asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regress.backends.protocol import Engine, Request
from regress.hashing.canonical import digest_json
from regress.lock.promise import Loaded, suite_settings
from regress.run.looks import AllAtOnce, Portions
from regress.run.progress import Progress
from regress.schema import ItemOutcome, Manifest, Reply, Score, Suite
from regress.store.replies import ReplyCache
from regress.store.runs import RunWriter, is_sealed, run_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """All suites as the model will see them, rendered once for all variants."""

    loaded: Loaded
    requests: Mapping[str, tuple[Request, ...]]  # by suite, in the suite's item order

    def cut(self) -> list[str]:
        """A line for every suite of which something did not fit the context window."""
        counts = {name: sum(bool(request.cut) for request in requests) for name, requests in self.requests.items()}
        return [
            f"{name}: {count:,} of {len(self.requests[name]):,} items exceed the context window: their beginning is cut"
            for name, count in counts.items()
            if count
        ]

    @property
    def total(self) -> int:
        return sum(map(len, self.requests.values()))


def render(engine: Engine, loaded: Loaded) -> Questions:
    """Every item as token ids. Raises BackendError for an item that does not fit the context window."""
    return Questions(loaded=loaded, requests={suite.name: engine.render(suite) for suite in loaded.suites})


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
    portions: Portions | None = None,
    again: bool = False,
) -> Path:
    """Answer, score and store every item, then seal; returns the run's folder.

    Resumes an unsealed run of the same manifest and takes replies that another run of the same weights already gave.
    Batches are fixed by the plan: one that was stored in part is computed as a whole again and only what is missing is
    stored, so an interrupted run ends with the same numbers as an undisturbed one. `portions` may end a suite
    before all of its items are asked. With `again` the batches are others: what differs then is the noise of the
    machine.
    """
    folder = parent / run_name(manifest)
    if is_sealed(folder):
        return folder
    with RunWriter.open(folder, manifest) as writer:
        known = ReplyCache.build([path for path in reuse_from if path != folder], manifest)
        for name, why in known.skipped.items():
            progress.say(f"the replies in {name} are not used again: {why}")
        progress.start(manifest.variant, questions.total, len(writer.done))
        answers = _Answers(engine, questions, known, writer, progress, again=again)
        asked = {suite.name: answers.ask(suite, portions or AllAtOnce()) for suite in questions.loaded.suites}
        progress.finish()
        writer.seal(asked)
    return folder


class _Answers:
    """One run under way."""

    def __init__(
        self,
        engine: Engine,
        questions: Questions,
        known: Mapping[str, Reply],
        writer: RunWriter,
        progress: Progress,
        *,
        again: bool,
    ) -> None:
        self._engine = engine
        self._questions = questions
        self._known = known
        self._writer = writer
        self._progress = progress
        self._again = again

    def ask(self, suite: Suite, portions: Portions) -> list[tuple[str, str]]:
        """Answer the suite portion by portion; returns (id, digest) of what was asked, for the seal."""
        done: list[int] = []
        stored = self._outcomes(suite, range(len(suite.items)))
        self._progress.saw(suite.name, len(suite.items), list(stored.values()), asked=False)
        for portion in portions.portions(suite):
            self._ask_portion(suite, portion)
            done += portion
            stop = portions.enough(suite, self._outcomes(suite, done))
            left = len(suite.items) - len(done)
            if stop is not None and left:
                self._progress.say(f"{suite.name}: {stop}, {left:,} items are not asked")
                self._progress.skip(left)
                break
        return [(suite.items[index].id, suite.items[index].digest) for index in done]

    def _outcomes(self, suite: Suite, done: Sequence[int]) -> dict[str, ItemOutcome]:
        durable, ids = self._writer.done, [suite.items[index].id for index in done]
        return {id_: durable[suite.name, id_] for id_ in ids if (suite.name, id_) in durable}

    def _ask_portion(self, suite: Suite, portion: Sequence[int]) -> None:
        requests = [self._questions.requests[suite.name][index] for index in portion]
        self._take_known(suite, portion)
        planned = self._engine.batches(suite, requests, shuffled=self._again)
        wanted = [b for b in planned if not all(self._is_done(suite, portion[place]) for place in b.places)]
        for ready in self._engine.answers(suite, wanted):
            missing = [(place, reply) for place, reply in ready if not self._is_done(suite, portion[place])]
            self._store(suite, [(portion[place], reply) for place, reply in missing], asked=True)

    def _take_known(self, suite: Suite, portion: Sequence[int]) -> None:
        """Store replies that the same weights gave to the same tokens in another run."""
        requests = self._questions.requests[suite.name]
        found = [i for i in portion if requests[i].digest in self._known and not self._is_done(suite, i)]
        self._store(suite, [(index, self._known[requests[index].digest]) for index in found], asked=False)

    def _store(self, suite: Suite, replies: Sequence[tuple[int, Reply]], *, asked: bool) -> None:
        """Score and store replies by the index of their item; they are durable when the outside hears of them."""
        outcomes = [_outcome(suite, index, self._questions, reply) for index, reply in replies]
        for outcome in outcomes:
            self._writer.append(outcome)
        if outcomes:
            self._writer.commit()
            self._progress.saw(suite.name, len(suite.items), outcomes, asked=asked)
            self._progress.advance(len(outcomes), suite.name)

    def _is_done(self, suite: Suite, index: int) -> bool:
        return (suite.name, suite.items[index].id) in self._writer.done


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
