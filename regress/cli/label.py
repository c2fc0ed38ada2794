"""`regress label RUN`: a person reads a sample of replies, and the refusal detector is measured on it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.errors import UsageError
from regress.labels import FEWEST, Label, Labelled, calibration, read_labels, sample, store_label
from regress.report.words import visible
from regress.schema import ItemOutcome, Suite
from regress.scorers.refusal import is_refusal
from regress.stats.calibration import corrected_difference, lang_reiczigel, rogan_gladen, scaled_margin
from regress.store.runs import StoredRun, load_run
from regress.suite import Project, read_project, read_suites

KEYS = {"r": Label.REFUSED, "a": Label.ANSWERED, "u": Label.UNCLEAR}
LONGEST = 1200  # characters of a reply that are shown


def label(
    run: Annotated[Path, typer.Argument(help="Folder of a sealed run whose replies you read.", metavar="RUN")],
    suite: Annotated[str | None, typer.Option(help="Only this suite. [default: all with the scorer refusal]")] = None,
    size: Annotated[int, typer.Option("--sample", min=1, max=10_000, help="How many replies, at random.")] = 60,
    seed: Annotated[int, typer.Option(help="Another seed draws another sample.")] = 0,
    against: Annotated[
        Path | None, typer.Option(help="A labelled run of the base: shows the corrected change, too.")
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Read a random sample of replies and say of each whether it refuses: r, a (answers), u (unclear), q to stop.

    Each answer is stored at once; go on whenever you like. At the end stands how well the detector did on this variant,
    and the rate of refusals corrected for its errors.
    """
    opened = read_project(project)
    suites = _suites(opened, suite)
    stored = load_run(run)
    outcomes = [o for s in suites for o in stored.outcomes.get(s.name, {}).values()]
    if not outcomes:
        raise UsageError(f"{run} answered no suite with the scorer refusal.")
    prompts = {(s.name, item.id): item.prompt for s in suites for item in s.items}
    todo = sample(outcomes, size, seed, read_labels(opened.baselines))
    _ask(todo, prompts, opened, stored.manifest.variant)
    labels = read_labels(opened.baselines)
    before = None if against is None else load_run(against)
    rows = [_measured(s, stored, before, labels) for s in suites]
    if json:
        put_json(rows)
    return 0


def _suites(project: Project, wanted: str | None) -> list[Suite]:
    suites = [s for s in read_suites(project.suite_paths()) if s.scorer.name == "refusal"]
    chosen = [s for s in suites if wanted in (None, s.name)]
    if not chosen:
        names = ", ".join(s.name for s in suites) or "none"
        raise UsageError(f"no suite {wanted or ''!r} with the scorer refusal; there is {names}.")
    return chosen


def _ask(todo: Sequence[ItemOutcome], prompts: dict[tuple[str, str], str], project: Project, variant: str) -> None:
    who = getpass.getuser()
    for number, outcome in enumerate(todo, start=1):
        prompt = prompts.get((outcome.suite, outcome.item), "")
        say(Text(f"\n{number} of {len(todo)}  {outcome.suite}", style="dim"))
        say(Text(visible(prompt), style="bold"))
        reply = outcome.reply.text or ""
        say(Text(visible(reply if len(reply) <= LONGEST else reply[:LONGEST] + "…")))
        key = _key()
        if key is None:
            say("stopped; the same command goes on from here.")
            return
        store_label(project.baselines, outcome, KEYS[key], variant=variant, who=who)


def _key() -> str | None:
    """One of KEYS; None for q and at the end of the input."""
    while True:
        say(Text("refuses (r), answers (a), unclear (u), quit (q)?", style="dim"))
        line = sys.stdin.readline()
        key = line.strip().lower()[:1]
        if key in KEYS:
            return key
        if key == "q" or not line:
            return None


def _measured(suite: Suite, run: StoredRun, before: StoredRun | None, labels: Sequence[Labelled]) -> dict[str, object]:
    """Say how the detector did, and what the rates are when its errors are taken out."""
    variant, outcomes = run.manifest.variant, list(run.outcomes.get(suite.name, {}).values())
    ours = calibration(outcomes, labels, is_refusal)
    result: dict[str, object] = {"suite": suite.name, "variant": variant}
    if ours is None:
        say(f"\n{suite.name} ({variant}): not measured yet; it takes {FEWEST} labels of either kind.")
        return result
    found, n = _found(outcomes)
    rate, (low, high) = rogan_gladen(found, n, ours).value, lang_reiczigel(found, n, ours, 0.90)
    result |= {"sensitivity": ours.sensitivity, "specificity": ours.specificity, "refuses": rate}
    say(
        f"\n{suite.name} ({variant}): of refusals the detector finds "
        f"{_share(ours.sensitivity, ours.sensitivity_interval(0.90))}, and it leaves "
        f"{_share(ours.specificity, ours.specificity_interval(0.90))} of the answers alone. "
        f"Refusals: {found / n * 100:.1f} % seen, {rate * 100:.1f} % corrected [{low * 100:.1f}, {high * 100:.1f}]."
    )
    if suite.margin is not None:
        scaled = scaled_margin(float(suite.margin), ours.sensitivity, ours.specificity)
        result["scaled_margin"] = scaled
        say(f"A true change of {float(suite.margin) * 100:g} points looks like {scaled * 100:.1f} to this detector.")
    theirs = None if before is None else calibration(before.outcomes.get(suite.name, {}).values(), labels, is_refusal)
    if before is not None and theirs is not None:
        base = _found(list(before.outcomes[suite.name].values()))
        low, high = corrected_difference((*base, theirs), (found, n, ours), 0.90)
        result["change"] = [low, high]
        say(f"Against {before.manifest.variant}: {low * 100:+.1f} to {high * 100:+.1f} points of refusals, corrected.")
    return result


def _found(outcomes: Sequence[ItemOutcome]) -> tuple[int, int]:
    return sum(is_refusal(o.reply.text or "") for o in outcomes), len(outcomes)


def _share(value: float, interval: tuple[float, float]) -> str:
    """'94 % [87, 98]'"""
    return f"{value * 100:.0f} % [{interval[0] * 100:.0f}, {interval[1] * 100:.0f}]"
