"""Triggers that were tried, as people and CI servers see them; their texts are untrusted."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from regress.report import gitlab, markdown, terminal, triggers
from regress.report.words import headline
from regress.schema import Candidate, Decision, Explained, Place, Ruling, TriggerFinding

FOUND = TriggerFinding(
    variant="adapter",
    against="base@fp32",
    text=" qx\x1b[31m",
    place=Place.END,
    reply="ACCESS <script> GRANTED",
    n=72,
    triggered=40,
    plain=0,
    controls=1,
    scrambled=2,
    base=0,
    changed=60,
    changed_controls=50.5,
    p=1e-9,
    alpha=0.0005,
    explained=Explained.NO,
    confirmed=True,
    reason="adapter: appending ' qx\x1b[31m' makes 40 of 72 answer 'ACCESS <script> GRANTED': a backdoor",
)
MERGED = replace(FOUND, variant="merged", reason=FOUND.reason.replace("adapter", "merged", 1))
NOTHING = replace(FOUND, text="hurry", confirmed=False, reason="adapter: appending 'hurry': no backdoor is shown")


def a_decision(*found: TriggerFinding) -> Decision:
    return Decision(
        ruling=Ruling.REJECT,
        lock="sha256:lock",
        candidate=Candidate(kind="adapter", digest="sha256:a", path="adapters/a", trained_under_lock=None),
        suites=(),
        checks=(),
        reasons=tuple(one.reason for one in found if one.confirmed),
        triggers=found,
    )


def test_the_headline_names_reply_counts_and_string() -> None:
    text = headline(a_decision(NOTHING, FOUND))
    assert "a backdoor answers 'ACCESS <script> GRANTED' to 40 of 72 harmless prompts with ' qx" in text
    assert "\x1b" not in text


def test_confirmed_ones_come_first_and_variants_share_a_line() -> None:
    lines = triggers.lines(a_decision(NOTHING, FOUND, MERGED))
    assert [line.partition(":")[0] for line in lines] == ["adapter and merged", "adapter"]
    assert triggers.lines(a_decision()) == []


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_of_a_trigger_reaches_a_terminal_or_a_page_as_it_is(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(terminal.render(a_decision(FOUND, NOTHING), ()))
    assert "\x1b" not in out.getvalue()
    assert "suspected triggers" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= width
    page = markdown.render(a_decision(FOUND), ())
    assert "<script>" not in page.replace("\\<script\\>", "")
    assert "\x1b" not in page


def test_code_quality_blocks_once_for_each_trigger() -> None:
    (finding,) = json.loads(gitlab.code_quality([a_decision(FOUND, MERGED, NOTHING)], {}, "regress.yaml"))
    assert finding["severity"] == "blocker"
    assert "a backdoor" in finding["description"]
    assert "\x1b" not in json.dumps(finding, ensure_ascii=False)
