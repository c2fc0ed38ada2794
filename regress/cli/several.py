"""Judge several adapters in one go: a folder of reports for each, an index over all, and the worst exit code.

    reports/NAME/           report.html, summary.md, verdict.json ... as for one adapter; NAME is the adapter's folder,
                            longer where two are alike
    reports/index.md        the table, with links
    reports/comment.md      the table and the summaries, in the size of a comment
    reports/verdicts.json   every verdict.json in one list, as --json prints it

There is no reports/verdict.json: nobody shall take one adapter's PROMOTE for another's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from regress.cli import ci
from regress.cli.console import Bar, put_json, say
from regress.cli.deliver import INDEX, REPORTS, VERDICTS, Report, take_away, write_reports
from regress.errors import Refused, UsageError
from regress.lock.attempts import next_attempt
from regress.report import comment, several, terminal, verdict_json
from regress.report.comment import COMMENT
from regress.run.task_scorers import ready_to_score
from regress.run.wanted import Wanted
from regress.schema import Attempt, Decision, Exit, Variant
from regress.store.atomic import make_folder, write_atomic
from regress.suite import read_project
from regress.suite.project import FILE_NAME

if TYPE_CHECKING:
    from regress.run.bench import Bench
    from regress.run.check import Checked

_ODD = re.compile(r"[^\w.-]+")
Judged = dict[str, Report]


def report_names(adapters: Sequence[Path]) -> dict[Path, str]:
    """A folder name for each adapter's reports: as much of the end of its path as tells it from the others.

    Raises UsageError where one is named twice.
    """
    parts = {adapter: adapter.resolve().parts for adapter in adapters}
    if len(set(parts.values())) != len(adapters):
        raise UsageError("an adapter is named twice.")
    names: dict[Path, str] = {}
    for adapter in adapters:
        for count in range(1, len(parts[adapter]) + 1):
            if sum(_name(other, count) == _name(parts[adapter], count) for other in parts.values()) == 1:
                break
        names[adapter] = _name(parts[adapter], count)
    found = list(names.values())
    if len(set(found)) == len(found):
        return names
    return {adapter: f"{number}-{name}" for number, (adapter, name) in enumerate(names.items(), start=1)}


def _name(parts: Sequence[str], count: int) -> str:
    """Casefolded, since some file systems take two spellings for one; never a name of the index's own."""
    name = _ODD.sub("_", "-".join(parts[-count:])).strip("._").casefold() or "adapter"
    return f"{name}-adapter" if name.endswith((".md", ".json", ".html")) else name


@contextmanager
def none_promoted_until_decided(project: Path, names: Mapping[Path, str]) -> Iterator[Judged]:
    """Take earlier verdicts away first; a refusal of everything leaves a REFUSED verdict for each adapter behind."""
    reports = project / REPORTS
    take_away(reports, names.values())
    ci.server()  # refuses a wrong choice before the work, not behind it
    judged: Judged = {}
    try:
        yield judged
    except Refused as refusal:
        if (project / FILE_NAME).is_file():  # elsewhere there is no project to report in
            for adapter, name in names.items():
                judged[name] = Report.of_refusal(adapter, refusal)
                write_reports(reports / name, judged[name])
            _finish(reports, judged, None)
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What `check` was told."""

    project: Path
    stop_early: bool
    screen: bool
    variants: tuple[Variant, ...] | None  # None: those of the lock
    workers: int | None
    serving: bool
    as_json: bool
    progress: Bar

    @property
    def reports(self) -> Path:
        return self.project / REPORTS

    def open_bench(self) -> Bench:
        """Read project, suites and lock; raises Refused."""
        opened = read_project(self.project)
        from regress.run.bench import open_bench

        return ready_to_score(open_bench(opened))

    def check_each(self, bench: Bench, adapters: Sequence[Path]) -> Generator[Checked]:
        """Judge them in turn; imports the model libraries."""
        from regress.run.bench import Mode
        from regress.run.check import check_each
        from regress.run.engines import load_engine

        mode = Mode.LOOKS if self.stop_early else Mode.SCREEN if self.screen else Mode.ALL
        engine_for = partial(load_engine, workers=self.workers or bench.loaded.project.file.engine.workers)
        wanted = Wanted.of(bench.loaded.project.variants, self.variants)
        return check_each(
            bench,
            adapters,
            engine_for=engine_for,
            progress=self.progress,
            mode=mode,
            wanted=wanted,
            serving=self.serving,
        )


def judge_several(order: Order, names: Mapping[Path, str]) -> Exit:
    """Judge, show and write each adapter as it is decided; the index comes last. Returns the worst exit code.

    With --json all is written after it was printed: a reader that went away must not leave a promotion behind.
    """
    reports = order.reports
    with none_promoted_until_decided(order.project, names) as judged:
        bench = order.open_bench()
        with closing(order.check_each(bench, list(names))) as outcomes:
            for outcome in outcomes:
                name = names[outcome.adapter]
                judged[name] = _decided(outcome)
                if not order.as_json:
                    _show(reports / name, judged[name])
        upcoming = next_attempt(bench.loaded.project.baselines, bench.lock)
        if order.as_json:
            put_json(_objects(judged))
            for name, report in judged.items():
                write_reports(reports / name, report)
        else:
            _show_all(reports, judged, upcoming)
        _finish(reports, judged, upcoming)
    return Exit.worst(report.decision.ruling.exit_code for report in judged.values())


def _decided(outcome: Checked) -> Report:
    """Its report; the runs behind it are let go, since there may be many candidates."""
    judgement = outcome.judgement
    if judgement is None:
        return Report.of_refusal(outcome.adapter, outcome.refusal or Refused("it was not judged."))
    report = Report.of(judgement, outcome.adapter)
    outcome.judgement = replace(judgement, grounds=None)
    return report


def _show(folder: Path, report: Report) -> None:
    say()
    say(terminal.render(report.decision, report.comparisons))
    say()
    write_reports(folder, report)


def _show_all(reports: Path, judged: Judged, upcoming: Attempt | None) -> None:
    decisions = _decisions(judged)
    say(several.headline(decisions))
    say()
    say(several.table(decisions))
    say()
    say(several.order(upcoming))
    say(f"{reports / INDEX} · {reports / VERDICTS}")


def _decisions(judged: Judged) -> dict[str, Decision]:
    return {name: report.decision for name, report in judged.items()}


def _objects(judged: Judged) -> list[dict[str, object]]:
    return [verdict_json.as_object(report.decision) for report in judged.values()]


def _finish(reports: Path, judged: Judged, upcoming: Attempt | None) -> None:
    """Write what is about all of them, and tell the CI server."""
    said = {name: report.told for name, report in judged.items()}
    told = ci.message(reports, said, upcoming)
    told.speak()
    make_folder(reports)
    write_atomic(reports / COMMENT, comment.render_several(said, upcoming).encode())
    write_atomic(reports / INDEX, several.index(_decisions(judged), upcoming).encode())
    text = json.dumps(_objects(judged), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(reports / VERDICTS, text.encode() + b"\n")
    told.send()
