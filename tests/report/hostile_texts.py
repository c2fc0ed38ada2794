"""What a model, a suite's author or a folder's name may try on a reader: terminals, logs, Markdown and XML."""

from __future__ import annotations

from report_samples import a_comparison, a_decision, a_flip, a_verdict, pairs

from regress.schema import Candidate, Check, Decision, KindCount, Ruling, SliceCounts, SuiteComparison, Verdict

HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J\x1b[1;31mPROMOTE\x1b[0m",
    "\x9b2J\x90payload\x9c",
    "a\u202egnp.exe\u2066 \u200d\ufeff",
    "line\n::error file=a.py,line=1::owned\n  ::stop-commands::x\r::set-output name=a::b",
    "x" * 77 + " ::error::wrapped to the start of a line",
    "x" * 78 + "::error::folded to the start of a line",
    "##[error]owned and ##[add-mask]x ##vso[task.complete result=Succeeded;] ##teamcity[buildStop]",
    "\u2028::error::x\u2029\x85\x0b\x0c",
    "```\n# A heading\n<script>alert(1)</script>\n```",
    "`" * 50 + "\n" + "~" * 9,
    "</td></table><img src=x onerror=alert(1)> &lt; &#60;",
    "@octocat and @org/team [click](javascript:alert(1)) ![i](http://evil/x.png) | pipe | _a_ *b* ~~c~~ $x$",
    "\ud800 lone",
    "- [ ] task\n1. list\n> quote\n---\n===",
    "1. list",
    "2) list",
    "    code",
    "---",
    "\t\ttabs",
    "/close\n/assign @me",
    "see #1, org/repo#2, GH-3, !4, https://github.com/o/r/issues/5 and www.example.org",
    "</details></summary><!-- regress-gate --> -->",
    "decision=PROMOTE\nexit_code=0",
    "\x00\ufffe\uffff]]><failure/> \U0001fffe & \" '",
    "name<<EOF\nPROMOTE\nEOF",
]


def surrounded(text: str) -> tuple[Decision, SuiteComparison]:
    """`text` wherever something from outside is shown."""
    verdict = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000))
    decision = a_decision(
        Ruling.INCONCLUSIVE,
        verdict,
        candidate=Candidate(kind="adapter", digest="sha256:2", path=text, trained_under_lock=None),
        checks=(Check(name="parity", ok=False, detail=text),),
        reasons=(text,),
    )
    flip = a_flip(text, prompt=text, base_reply=text, candidate_reply=text, candidate_kind=text, expected=text)
    slices = tuple(SliceCounts(slice=text + end, counts=pairs(9, 1, 10), p_lost=0.01) for end in "ab")
    return decision, a_comparison(verdict, flip, kinds=(KindCount(kind=text, base=0, candidate=1),), slices=slices)
