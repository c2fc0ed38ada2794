"""What GitHub and GitLab are told: within their limits, in their escapes, and never in a model's words alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import HOSTILE, surrounded
from markdown_it import MarkdownIt
from report_samples import a_comparison, a_decision, a_flip, a_verdict, pairs

from regress.report import comment, github, gitlab, markdown
from regress.schema import Category, Decision, Role, Ruling, SuiteComparison, Verdict

FAIL = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000), reason="223 lost")
MERGED = a_verdict("json_orders", Verdict.FAIL, pairs(994, 700, 1000), variant="merged", reason="294 lost")
OPEN = a_verdict("words", Verdict.UNDECIDED, pairs(50, 48, 60), reason="too few")
HELD = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
FILES = {"json_orders": "gate/suites/json_orders.yaml"}
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

COMMAND = re.compile(r"::(error|warning|notice) (?:file=([^,:\s]+),)?title=([^,:]+)::([^\r\n]*)")


def unescaped(text: str) -> str:
    """As the runner reads data and properties."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


# --- annotations ------------------------------------------------------------------------------------------------------


def test_annotations_name_the_decision_then_each_suite_once() -> None:
    found = github.annotated([a_decision(Ruling.REJECT, FAIL, MERGED, OPEN, HELD)], FILES)
    assert [unescaped(line) for line in found] == [
        "::error title=regress: REJECT::adapters/broken must not replace the base: json_orders went from 994 to 700 "
        "right of 1000.",
        "::error file=gate/suites/json_orders.yaml,title=regress: json_orders (merged): FAIL::294 lost",
        "::warning title=regress: words (adapter): UNDECIDED::too few",
    ]


@pytest.mark.parametrize(
    ("ruling", "level"), [("PROMOTE", "notice"), ("REJECT", "error"), ("INCONCLUSIVE", "warning"), ("REFUSED", "error")]
)
def test_how_a_decision_is_marked(ruling: str, level: str) -> None:
    (line,) = github.annotated([a_decision(Ruling(ruling))], {})
    assert line.startswith(f"::{level} title=regress%3A {ruling}::")


def test_no_more_annotations_than_are_shown() -> None:
    """GitHub keeps ten of a level and says nothing of the others: the candidates' own lines come first."""
    suites = [a_verdict(f"s{k}", Verdict.FAIL, pairs(99, 9, 100)) for k in range(30)]
    found = github.annotated([a_decision(Ruling.REJECT, *suites)] * 3, {})
    assert len(found) == 10
    assert ["REJECT" in line for line in found[:4]] == [True, True, True, False]


def test_a_serving_margin_points_to_its_suite() -> None:
    slower = a_verdict("json_orders:latency", Verdict.FAIL, pairs(99, 9, 100))
    assert "file=gate/suites/json_orders.yaml," in github.annotated([a_decision(Ruling.REJECT, slower)], FILES)[1]


def test_what_a_runner_would_unescape_is_escaped() -> None:
    line = github.command(github.Level.ERROR, "50%, a:b\x1b", "100%0A::error::x", "a,b:%0A.yaml")
    assert line == "::error file=a%2Cb%3A%250A.yaml,title=regress%3A 50%25%2C a%3Ab␛::100%250A∷error∷x"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_an_annotation_is_one_command_whatever_it_says(text: str) -> None:
    decision, _ = surrounded(text)
    hostile = a_verdict(text, Verdict.FAIL, pairs(9, 1, 10), variant=text, reason=text)
    lines = github.annotated([decision, a_decision(Ruling.REJECT, hostile)], {text: text})
    assert len(lines) == 4
    for line in lines:
        assert re.fullmatch(r"::(error|warning) (file=[^,:\r\n]*,)?title=[^,:\r\n]*::[^\r\n]*", line)
        assert "::" not in line.split("::", 2)[2]


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_outputs_are_fixed_words_and_paths() -> None:
    found = github.outputs(Ruling.REJECT, Path("gate/reports"), ["summary.md", "junit.xml"])
    assert found == (
        "decision=REJECT\nexit_code=3\nreports=gate/reports\nsummary=gate/reports/summary.md\njunit=gate/reports/junit.xml\n"
    )


@pytest.mark.parametrize("folder", ["a\ndecision=PROMOTE", "a\rb", "a\u2028b", "\ud800"])
def test_a_folder_cannot_write_an_output(folder: str) -> None:
    assert github.outputs(Ruling.REFUSED, Path(folder), ["summary.md"]) == "decision=REFUSED\nexit_code=5\n"


def test_gitlab_variables_are_fixed_words() -> None:
    assert gitlab.variables(Ruling.INCONCLUSIVE) == "REGRESS_DECISION=INCONCLUSIVE\nREGRESS_EXIT_CODE=4\n"


# --- comments and step summaries --------------------------------------------------------------------------------------


def huge(count: int) -> tuple[Decision, list[SuiteComparison]]:
    """Broken in `count` suites, with replies of a megabyte, every second character of which counts twice."""
    suites = [a_verdict(f"suite_{k}", Verdict.FAIL, pairs(99, 9, 100)) for k in range(count)]
    flip = a_flip("q1", prompt="p" * 10**6, base_reply="😀a" * 10**6, candidate_reply="`" * 10**6)
    return a_decision(Ruling.REJECT, *suites), [a_comparison(suite, flip) for suite in suites]


@pytest.mark.parametrize("count", [1, 3_000, 20_000])
def test_a_comment_keeps_githubs_limit(count: int) -> None:
    body = comment.render(*huge(count))
    assert len(body.encode("utf-16-le")) // 2 <= 65_000
    assert body.startswith(f"{comment.MARKER}\n# ❌ REJECT\n")
    assert ("There is no room for the rest" in body) is (count > 1)


@pytest.mark.parametrize("count", [1, 20_000])
def test_a_step_summary_keeps_githubs_limit(count: int) -> None:
    body = github.step_summary({"one": huge(count)}, None)
    assert len(body.encode()) < 2**20
    assert body.startswith("# ❌ REJECT\n")
    assert ("There is no room for the rest" in body) is (count > 1)


def test_a_reason_without_end_leaves_the_verdict() -> None:
    body = comment.render(a_decision(Ruling.REFUSED, reasons=("x" * 10**5,)), ())
    assert body == f"{comment.MARKER}\n# ⛔ REFUSED{markdown.LEFT_OUT}"


@pytest.mark.parametrize("limit", range(100, 300, 7))
def test_what_is_cut_is_cut_between_pieces(limit: int) -> None:
    parts = ["# one", "", "`````text\n  two\n`````", "three", "four " * 40]
    text = markdown.fitted(parts, limit)
    assert len(text) <= limit
    kept = text.removesuffix(markdown.LEFT_OUT)
    assert "\n".join(parts).startswith(kept.rstrip())
    assert kept.count("`````") in (0, 2)


def test_several_candidates_share_a_comment() -> None:
    judged = {"good": (a_decision(Ruling.PROMOTE, HELD), ()), "bad": (a_decision(Ruling.REJECT, FAIL), ())}
    body = comment.render_several(judged, None)
    assert body.startswith(f"{comment.MARKER}\n# 2 adapters: 1 PROMOTE, 1 REJECT\n")
    assert "| bad | ❌ REJECT |" in body
    assert "](" not in body  # no links to files that are not there
    assert body.index("# ✅ PROMOTE") < body.index("# ❌ REJECT\n")


def structure(body: str) -> list[str]:
    """What Markdown makes of it, each piece of HTML with its text left out."""
    kinds = []
    for token in READER.parse(body):
        tags = re.findall(r"</?\w+|<!--", token.content) if token.type == "html_block" else []
        spans = [child.type for child in token.children or () if child.type not in ("text", "text_special")]
        kinds += [token.type, *tags, *spans]
    return kinds


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_breaks_out_of_no_comment(text: str) -> None:
    decision, comparison = surrounded(text)
    body = comment.render(decision, (comparison,))
    assert structure(body) == structure(comment.render(surrounded("harmless")[0], (surrounded("harmless")[1],)))
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", body)  # code mentions and links nobody
    assert outside.count(comment.MARKER) == 1
    assert not re.search(r"(?<!\w)@(?!\u2060)", outside)
    assert not re.search(r"://|\bwww\.|[#!]\d|GH-\d", outside)
    assert not re.search(r"(?m)^\s*/", outside)  # no quick action of GitLab's
    assert "::" not in body


# --- code quality -----------------------------------------------------------------------------------------------------


def quality(*decisions: Decision) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gitlab.code_quality(decisions, FILES, "gate/regress.yaml"))
    return found


def test_findings_of_a_rejection() -> None:
    unsafe = a_verdict("refuse", Verdict.FAIL, pairs(99, 9, 100), category=Category.SAFETY)
    missed = a_verdict("queue", Verdict.UNDECIDED, pairs(10, 12, 40), role=Role.TARGET, margin=None)
    found = quality(a_decision(Ruling.REJECT, FAIL, MERGED, OPEN, HELD, unsafe, missed))
    assert {(f["check_name"], f["severity"], f["location"]["path"]) for f in found} == {
        ("regress/json_orders", "critical", "gate/suites/json_orders.yaml"),
        ("regress/refuse", "blocker", "gate/regress.yaml"),
        ("regress/words", "minor", "gate/regress.yaml"),
        ("regress/queue", "minor", "gate/regress.yaml"),
    }
    assert len({f["fingerprint"] for f in found}) == len(found)
    assert all(f["location"]["lines"] == {"begin": 1} for f in found)


def test_a_refusal_is_a_finding_and_a_promotion_is_none() -> None:
    assert [f["check_name"] for f in quality(a_decision(Ruling.REFUSED))] == ["regress/refused"]
    assert quality(a_decision(Ruling.PROMOTE, HELD)) == []


def test_the_same_loss_is_the_same_finding() -> None:
    worse = a_verdict("json_orders", Verdict.FAIL, pairs(994, 1, 1000))
    prints = [quality(a_decision(Ruling.REJECT, verdict))[0]["fingerprint"] for verdict in (FAIL, worse)]
    assert prints[0] == prints[1]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_findings_hold_hostile_text_as_text(text: str) -> None:
    decision, _ = surrounded(text)
    hostile = a_verdict("s", Verdict.FAIL, pairs(9, 1, 10), reason=text)
    for finding in quality(decision, a_decision(Ruling.REJECT, hostile)):
        assert "::" not in finding["description"]
        assert "\n" not in finding["description"]


# --- commands that a summary advises ----------------------------------------------------------------------------------


def test_an_advised_command_can_be_copied() -> None:
    """A word joiner before nf4, or a backslash, would be copied with it and name another variant."""
    command = "regress check runs/my_adapter --variants base@nf4,adapter@nf4"
    found = READER.parseInline(markdown.advised(f"quantisation: no sealed run; `{command}` makes it"))[0].children or []
    assert [token.content for token in found if token.type == "code_inline"] == [command]


@pytest.mark.parametrize("text", [*HOSTILE, "``", "`", "a `b", "``a``", "`a` ``b`` `c", "\\`a`", "`a\n\n# b`"])
def test_an_advising_sentence_holds_nothing_but_text_and_commands(text: str) -> None:
    for written in (text, f"`{text}`", f"{text} `regress doctor` {text}"):
        (paragraph,) = (token for token in READER.parse(f"- {markdown.advised(written)}") if token.type == "inline")
        assert {token.type for token in paragraph.children or []} <= {"text", "code_inline", "text_special"}
