"""What a rescue comes to, in an exit code and in every format, and which suites are too small to confirm at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rescue_samples import item_of, suite_of, truthful, verdict_of
from rich.console import Console

from regress.errors import UsageError
from regress.report import bisect as bisect_page
from regress.report import rescue as page
from regress.report.trade_off import draw
from regress.rescue.checkpoints import read_row
from regress.rescue.halves import split
from regress.rescue.rescuing import standing, too_small
from regress.rescue.search import search
from regress.schema import (
    Attempt,
    Bisection,
    Breakage,
    Candidate,
    Decision,
    Exit,
    Group,
    PairCounts,
    Policy,
    Probe,
    Rescue,
    Ruling,
    Standing,
    Step,
    Strength,
    SuiteVerdict,
    Verdict,
)

ADAPTER = Candidate(kind="adapter", digest="sha256:0", path="<b>\x1b[31m](x)", trained_under_lock=None)


def decision_of(ruling: Ruling, suites: Sequence[SuiteVerdict] = ()) -> Decision:
    return Decision(
        ruling=ruling,
        lock="sha256:1",
        attempt=Attempt(number=2, alpha=0.0076),
        candidate=ADAPTER,
        suites=tuple(suites),
        checks=(),
        reasons=("kept: ::error::",),
    )


def rescue_of(probes: Sequence[Probe], proposal: Probe | None, confirmed: Ruling | None) -> Rescue:
    return Rescue(
        source=ADAPTER,
        lock="sha256:1",
        alpha=0.0005,
        halves={"kept": (50, 50), "gained": (30, 30)},
        probes=tuple(probes),
        proposal=proposal,
        confirmation=None if confirmed is None else decision_of(confirmed, probes[0].suites),
        open=() if confirmed is not None or proposal is None else ("kept: too small",),
        folder=None if proposal is None else "out",
    )


@pytest.mark.parametrize(
    ("proposed", "confirmed", "code"),
    [
        (True, Ruling.PROMOTE, Exit.PROMOTE),
        (True, Ruling.INCONCLUSIVE, Exit.INCONCLUSIVE),
        (True, Ruling.REJECT, Exit.REJECT),
        (True, Ruling.REFUSED, Exit.REFUSED),
        (True, None, Exit.INCONCLUSIVE),
        (False, None, Exit.REJECT),
    ],
)
def test_only_a_confirmation_promotes_and_every_format_says_the_same(
    proposed: bool, confirmed: Ruling | None, code: Exit
) -> None:
    probes = search(truthful(lambda s: 0.2 * s.scale, lambda s: 0.9 * s.scale), tuple(Group), confirmable=True)
    found = rescue_of(probes, probes[2] if proposed else None, confirmed)
    assert found.ruling.exit_code is code
    assert json.loads(json.dumps(page.as_json(found), allow_nan=False))["exit_code"] == code
    text = page.markdown(found, "rescue.svg")
    assert found.ruling.value in text.splitlines()[0]
    assert "<b>" not in text
    console = Console(width=100, record=True, file=StringIO())
    console.print(page.terminal(found))
    shown = console.export_text()
    assert found.ruling.value in shown
    assert "\x1b" not in shown
    assert "::error" not in shown + text
    ElementTree.fromstring(draw(found))


@pytest.mark.parametrize(
    ("ruling", "verdict", "delta", "expected"),
    [
        (Ruling.PROMOTE, Verdict.PASS, 0.0, Standing.HELD),
        (Ruling.INCONCLUSIVE, Verdict.PASS, -0.01, Standing.HELD),  # the target is missing
        (Ruling.INCONCLUSIVE, Verdict.UNDECIDED, -0.02, Standing.OPEN),
        (Ruling.INCONCLUSIVE, Verdict.UNDECIDED, -0.04, Standing.BROKEN),  # beyond the margin, if not for certain
        (Ruling.INCONCLUSIVE, Verdict.FAIL, -0.05, Standing.BROKEN),  # not after Holm's correction
        (Ruling.REJECT, Verdict.PASS, 0.0, Standing.BROKEN),  # a zero-tolerance hit
        (Ruling.REJECT, Verdict.UNDECIDED, 0.0, Standing.BROKEN),
    ],
)
def test_standing(ruling: Ruling, verdict: Verdict, delta: float, expected: Standing) -> None:
    assert standing(decision_of(ruling, [verdict_of(delta, verdict)])) is expected
    assert standing(decision_of(ruling, [])) is not Standing.OPEN


def test_a_half_that_proves_nothing_without_a_flip_is_named_with_what_it_takes() -> None:
    attempt = Attempt(number=2, alpha=0.0076)
    for count, small in ((378, True), (380, False)):  # 190 without a flip have p = .0076
        halves = split([suite_of([item_of(f"q{k}") for k in range(count)], margin="0.03")])
        found = too_small(halves, Policy(), attempt)
        assert bool(found) is small
        assert all("colours" in reason and "even if nothing flips" in reason for reason in found)
    clustered = split([suite_of([item_of(f"q{k}", cluster=f"c{k // 40}") for k in range(1000)], margin="0.03")])
    assert too_small(clustered, Policy(), attempt)  # 25 clusters, 12 or 13 in a half


def test_a_bisection_says_what_it_rests_on() -> None:
    def step(place: int, verdict: Verdict) -> Step:
        return Step(checkpoint=place, verdict=verdict, counts=PairCounts(both_pass=9), delta=0.0, ci90=None, reason="")

    steps = (step(3, Verdict.FAIL), step(1, Verdict.PASS), step(2, Verdict.UNDECIDED))
    open_ = Breakage(suite="kept", within=1, broken=3, steps=steps)
    found = Bisection(
        lock="sha256:1",
        variant="adapter",
        checkpoints=("checkpoint-1", "::stop", "checkpoint-3"),
        digests={3: "sha256:3", 1: "sha256:1", 2: "sha256:2"},
        alpha=0.05,
        alpha_each=0.0166,
        suites=(open_, replace(open_, broken=2), replace(open_, within=None, broken=None)),
    )
    sentences = [bisect_page.sentence(found, breakage) for breakage in found.suites]
    assert sentences[0].endswith("not decidable with these items: ∷stop.")
    assert sentences[1] == "∷stop is the first that breaks kept; checkpoint-1 is within its margin."
    assert sentences[2] == "kept: not decidable with these items whether checkpoint-3 breaks it."
    assert "3 of 3 checkpoints" in bisect_page.caveat(found)
    assert "95 % confidence" in bisect_page.caveat(found)
    assert json.loads(json.dumps(bisect_page.as_json(found), allow_nan=False))["suites"][0]["settled"] is False


def test_rows_of_checkpoints(tmp_path: Path) -> None:
    for name in ("checkpoint-100", "checkpoint-20", "checkpoint-3", "runs", "checkpoint-x"):
        (tmp_path / name).mkdir()
    row = [path.name for path in read_row([tmp_path])]
    assert row == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]
    given = [tmp_path / "checkpoint-100", tmp_path / "runs"]
    assert read_row(given) == given  # no numbers to go by
    assert read_row([tmp_path / "checkpoint-100", tmp_path / "checkpoint-3"])[0].name == "checkpoint-3"
    (tmp_path / "other" / "checkpoint-3").mkdir(parents=True)
    for wrong in (
        [tmp_path / "runs"],
        [tmp_path / "checkpoint-3", tmp_path / "checkpoint-3"],
        [tmp_path / "checkpoint-3", tmp_path / "other" / "checkpoint-3"],
    ):
        with pytest.raises(UsageError):
            read_row(wrong)


def test_strengths_name_themselves() -> None:
    assert str(Strength(scale=0.0625)) == "0.0625"
    assert str(Strength(scale=0.5, without=Group.MLP)) == "0.5 without mlp"
