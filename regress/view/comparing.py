"""Any two sealed runs side by side, and one item as every run answered it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regress.diff import check_comparable, compare, expected_answer, shown_reply
from regress.errors import Refused
from regress.gate import inform
from regress.lock.promise import Loaded
from regress.report.html.texts import seen
from regress.schema import Item, Suite, SuiteComparison, SuiteVerdict
from regress.store.runs import SEAL, StoredRun, load_run
from regress.view.shelf import Run, Shelf, changed

SHOWN_FLIPS = 200
SHOWN_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs compared: verdicts at each suite's margin, which decide nothing, and the items that changed."""

    before: Run
    after: Run
    verdicts: tuple[SuiteVerdict, ...]
    comparisons: tuple[SuiteComparison, ...]


def compare_runs(loaded: Loaded, before: Run, after: Run) -> Pair:
    """Raises StoreError where one is not sealed or damaged, ComparisonError where they must not be compared."""
    a, b = load_run(before.folder), load_run(after.folder)
    check_comparable(a.manifest, b.manifest)
    comparisons = tuple(_compared(suite, a, b) for suite in loaded.suites)
    return Pair(
        before=before,
        after=after,
        verdicts=inform(comparisons, loaded.project.policy, None),
        comparisons=comparisons,
    )


def _compared(suite: Suite, a: StoredRun, b: StoredRun) -> SuiteComparison:
    return compare(
        suite,
        a.outcomes.get(suite.name, {}),
        b.outcomes.get(suite.name, {}),
        variant=b.manifest.variant,
        against=a.manifest.variant,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one run answered to the item."""

    run: str
    variant: str
    candidate: str | None  # short digest
    outcome: str
    kind: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """One item, what was expected, and every sealed run's answer."""

    suite: str
    item: str
    prompt: str
    expected: str | None
    answers: tuple[Answered, ...]
    unread: tuple[str, ...]


def find_item(loaded: Loaded, suite: str, item: str) -> tuple[Suite, Item] | None:
    """The suite and its item with this id."""
    return next(((s, i) for s in loaded.suites if s.name == suite for i in s.items if i.id == item), None)


def item_page(suite: Suite, item: Item, runs: Sequence[Run]) -> ItemPage:
    """Answers of the runs in the order given; a run that cannot be read is said so."""
    answers: list[Answered] = []
    unread: list[str] = []
    for run in runs:
        if not run.sealed:
            continue
        try:
            outcome = load_run(run.folder).outcomes.get(suite.name, {}).get(item.id)
        except Refused as refusal:
            unread.append(str(refusal))
            continue
        if outcome is None or outcome.item_digest != item.digest:
            continue
        adapter = run.manifest.adapter
        answers.append(
            Answered(
                run=run.name,
                variant=run.manifest.variant,
                candidate=None if adapter is None else adapter.removeprefix("sha256:")[:12],
                outcome=outcome.outcome.value,
                kind=outcome.kind,
                text=seen(shown_reply(suite, item, outcome))[:SHOWN_CHARACTERS],
            )
        )
    return ItemPage(
        suite=suite.name,
        item=item.id,
        prompt=seen("\n\n".join(message.content for message in item.messages) or item.prompt)[:SHOWN_CHARACTERS],
        expected=None if (answer := expected_answer(item)) is None else seen(answer)[:SHOWN_CHARACTERS],
        answers=tuple(answers),
        unread=tuple(unread),
    )


def newest(shelf: Shelf) -> list[Run]:
    """Sealed runs, the last sealed first."""
    sealed = [run for run in shelf.runs if run.sealed]
    return sorted(sealed, key=lambda run: -changed(run.folder / SEAL))
