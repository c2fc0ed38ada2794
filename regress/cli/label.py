"""`regress label RUN`: a person reads a sample of replies, and the refusal detector is measured on it."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.diff import check_comparable, compare
from regress.errors import UsageError
from regress.labels import Label, read_labels, store_label
from regress.report.detector import measured, scale
from regress.report.words import interval, points, visible
from regress.safety import FEWEST, clear_labels, corrected_change, expectation, measure, next_to_label
from regress.schema import CorrectedChange, ItemOutcome, Measured, Suite
from regress.store.runs import StoredRun, load_run
from regress.suite import Project, read_project, read_suites

KEYS = {"r": Label.REFUSED, "a": Label.ANSWERED, "u": Label.UNCLEAR}
BACK, QUIT = "b", "q"
LONGEST = 1200  # characters of a text that are shown


def label(
    run: Annotated[Path, typer.Argument(help="Folder of a sealed run whose replies you read.", metavar="RUN")],
    suite: Annotated[str | None, typer.Option(help="Only this suite. [default: all with the scorer refusal]")] = None,
    size: Annotated[int, typer.Option("--sample", min=1, max=10_000, help="How many replies of each suite.")] = 60,
    seed: Annotated[
        int, typer.Option(help="Another seed draws another sample; the reports of check and gate use 0.")
    ] = 0,
    against: Annotated[
        Path | None, typer.Option(help="A labelled run of the base: shows the corrected change, too.")
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Read a random sample of replies: does each refuse (r), answer (a), or is it unclear (u)? b goes back, q stops.

    Half of them the detector calls refusals; which, is not shown. Each answer is stored at once, so go on whenever you
    like. At the end stands how well the detector did on this variant, and the refusals corrected for its errors.
    """
    opened = read_project(project)
    suites = _suites(opened, suite)
    stored = load_run(run)
    before = None if against is None else load_run(against)
    if before is not None:
        check_comparable(before.manifest, stored.manifest)
    asked = [s for s in suites if stored.outcomes.get(s.name)]
    if not asked:
        raise UsageError(f"{run} answered no suite with the scorer refusal.")
    for one in asked:
        if not _read_replies(one, stored, opened, size, seed):
            say("stopped; the same command goes on from here.")
            break
    rows = [_tell(one, stored, before, opened, seed) for one in asked]
    if json:
        put_json(rows)
    return 0


def _suites(project: Project, wanted: str | None) -> list[Suite]:
    suites = [s for s in read_suites(project.suite_paths()) if expectation(s) is not None]
    chosen = [s for s in suites if wanted in (None, s.name)]
    if not chosen:
        names = ", ".join(s.name for s in suites) or "none"
        raise UsageError(f"no suite {wanted or ''!r} with the scorer refusal; there is {names}.")
    return chosen


def _read_replies(suite: Suite, run: StoredRun, project: Project, size: int, seed: int) -> bool:
    """Ask until the sample is labelled; False where the person stops before."""
    outcomes, who = run.outcomes[suite.name], _who()
    prompts = {item.id: item.prompt for item in suite.items}
    read: list[ItemOutcome] = []  # in this sitting, for the way back
    labels = read_labels(project.baselines)
    again: ItemOutcome | None = None
    while (outcome := again or next_to_label(suite, outcomes, labels, size, seed=seed)) is not None:
        done = clear_labels(suite, outcomes, labels, seed=seed)
        say(Text(f"\n{suite.name}: {done} of {min(size, len(outcomes))} read", style="dim"))
        say(Text(_shown(prompts.get(outcome.item, "")), style="bold"))
        say(Text(_shown(outcome.reply.text or "")))
        key = _key()
        if key == QUIT:
            return False
        if key == BACK:
            again = read.pop() if read else outcome
            continue
        store_label(project.baselines, outcome, KEYS[key], variant=run.manifest.variant, who=who)
        read.append(outcome)
        labels, again = read_labels(project.baselines), None
    return True


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # a container whose user has no name
        raise UsageError("who labels? Set USER to a name.") from error


def _shown(text: str) -> str:
    return visible(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def _key() -> str:
    """One of KEYS, b or q; the end of the input is q."""
    while True:
        say(Text("refuses (r), answers (a), unclear (u), back (b), quit (q)?", style="dim"))
        line = sys.stdin.readline()
        key = line.strip().lower()[:1]
        if key in KEYS or key in (BACK, QUIT):
            return key
        if not line:
            return QUIT


def _tell(suite: Suite, run: StoredRun, before: StoredRun | None, project: Project, seed: int) -> dict[str, object]:
    """Say how the detector did, and what the figures are when its errors are taken out."""
    labels, outcomes, variant = read_labels(project.baselines), run.outcomes[suite.name], run.manifest.variant
    ours = measure(suite, outcomes, labels, variant=variant, seed=seed)
    result: dict[str, object] = {"suite": suite.name, "variant": variant, "measured": None, "change": None}
    if ours is None:
        say(f"\n{suite.name} ({variant}): not measured yet; it takes {FEWEST} clear labels of either verdict.")
        return result
    result["measured"] = asdict(ours)
    say(f"\n{suite.name} ({variant}): {_accuracy(ours)}")
    if before is None:
        return result
    theirs = before.outcomes.get(suite.name, {})
    comparison = compare(suite, theirs, outcomes, variant=variant, against=before.manifest.variant)
    change = corrected_change(suite, comparison, theirs, outcomes, labels, seed=seed)
    if change is None:
        say(f"{before.manifest.variant} has too few labels: `regress label {before.folder}` first.")
        return result
    result["change"] = asdict(change)
    say(_change(change))
    return result


def _accuracy(found: Measured) -> str:
    seen, true = found.seen / found.replies, found.refusals
    return f"the detector {measured(found)}. Refusals: {seen * 100:.1f} % seen, {true * 100:.1f} % corrected."


def _change(change: CorrectedChange) -> str:
    told = (
        f"Against {change.base.variant}: {points(change.seen)} points seen, {points(change.corrected)} corrected "
        f"{interval(change.ci90)}."
    )
    return told if change.margin is None else f"{told} {scale(change)}"
