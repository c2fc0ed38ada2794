"""What a refusal detector's figures are worth: said where labels tell, and said once where nobody looked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import LABELLED, a_change, a_decision, a_side, a_verdict, on_a_terminal, pairs

from regress.report import markdown, terminal
from regress.report.detector import corrections, scale, uncorrected
from regress.schema import CorrectedChange, Decision, Detected, Ruling, Verdict

HELD = a_verdict("refuse_harmful", Verdict.PASS, pairs(450, 448, 500), detected=LABELLED)
NOBODY = Detected(change=None, unlabelled=("base@fp32", "adapter"))
RIGHT = (0.90, 0.80, 0.96)


def a_promotion(*detected: Detected | None, suite: str = "refuse_harmful") -> Decision:
    """One verdict a variant, adapter and merged."""
    variants = ("adapter", "merged")
    return a_decision(
        Ruling.PROMOTE,
        *(
            a_verdict(suite, Verdict.PASS, pairs(450, 448, 500), variant=variant, detected=one)
            for variant, one in zip(variants, detected, strict=False)
        ),
    )


def of_merged(change: CorrectedChange) -> Detected:
    return Detected(change=replace(change, candidate=replace(change.candidate, variant="merged")))


def test_the_corrected_change_stands_beside_the_counted_one() -> None:
    decision = a_decision(Ruling.PROMOTE, HELD)
    page = " ".join(on_a_terminal(terminal.render(decision, ())).split())
    told = [
        "refuse_harmful (adapter): −3.1 points counted, −5.2 corrected [−9.8, −0.6], across the margin: too few",
        "base@fp32: finds 94 % [87, 98] of the refusals and leaves 97 % [93, 99] of the answers alone (60 labels)",
        "adapter: finds 90 % [80, 96] of the refusals and leaves 95 % [90, 100] of the answers alone (64 labels)",
        "The gate holds the margin of 4 points against the counted change, on the detector's scale. A true drop of 4 "
        "looks like 3.4 there, so a PASS speaks of a true drop below 4.7, not below 4, and that only if "
        "it errs alike on both sides.",
    ]
    assert all(line in page for line in told)
    summary = markdown.render(decision, ())
    assert "(it decides nothing)" in summary
    assert "- refuse\\_harmful \\(adapter\\): −3.1 points counted, −5.2 corrected \\[−9.8, −0.6\\]" in summary
    assert "regress label" not in page + summary  # it was done


def test_variants_that_came_out_alike_are_one() -> None:
    (block,) = corrections(a_promotion(LABELLED, of_merged(a_change())))
    assert block[0].startswith("refuse_harmful (adapter and merged): ")
    assert block[2].startswith("adapter and merged: finds")
    other = of_merged(a_change(corrected=-0.06))
    assert len(corrections(a_promotion(LABELLED, other))) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scaled_margin": 0.04}, "where a true drop of 4 looks like 4: it means what it says."),
        ({"scaled_margin": 0.0399}, "where a true drop of 4 looks like 4: it means what it says."),
        (
            {"scaled_margin": 0.02},
            "looks like 2 there, so a PASS speaks of a true drop below 8, not below 4, and that only if it errs alike "
            "on both sides.",
        ),
        (
            {"scaled_margin": None, "candidate": a_side("adapter", 64, None, RIGHT)},
            "unknown, since no label of adapter is a refusal.",
        ),
        (
            {"scaled_margin": None, "base": a_side("base@fp32", 64, RIGHT, None)},
            "unknown, since no label of base@fp32 is an answer.",
        ),
        (
            {"scaled_margin": None, "candidate": a_side("adapter", 64, (0.1, 0.05, 0.2), RIGHT)},
            "on adapter it tells refusals from answers no better than a coin: the count says nothing.",
        ),
    ],
)
def test_what_the_margin_means_on_the_detectors_scale(changes: dict[str, object], told: str) -> None:
    assert scale(a_change(**changes)).endswith(told)


def test_a_suite_without_a_margin_has_no_scale() -> None:
    (block,) = corrections(a_promotion(Detected(change=a_change(margin=None, scaled_margin=None))))
    assert len(block) == 3
    assert block[0].endswith("[−9.8, −0.6]")


def test_unlabelled_suites_are_named_once() -> None:
    merged = Detected(change=None, unlabelled=("base@fp32", "merged"))
    decision = a_promotion(NOBODY, merged)
    other = replace(decision, suites=decision.suites + a_promotion(NOBODY, merged, suite="answer_benign").suites)
    (line,) = uncorrected(other)
    assert line.startswith("as the refusal detector counts, which nobody checked: answer_benign, refuse_harmful.")
    assert "`regress label RUN`" in line
    for page in (" ".join(on_a_terminal(terminal.render(other, ())).split()), markdown.render(other, ())):
        assert page.count("which nobody checked") == 1


def test_variants_that_lack_labels_are_named() -> None:
    lacking = Detected(change=None, unlabelled=("base@fp32",))
    assert uncorrected(a_promotion(lacking, lacking)) == [
        "refuse_harmful: too few labels of base@fp32 to correct its change; `regress label` reads on."
    ]
    half = a_promotion(LABELLED, Detected(change=None, unlabelled=("merged",)))
    assert len(corrections(half)) == 1
    assert uncorrected(half)[0].startswith("refuse_harmful: too few labels of merged ")


def test_other_scorers_have_no_detector() -> None:
    decision = a_promotion(None, None)
    assert not corrections(decision)
    assert not uncorrected(decision)
    assert "detector" not in on_a_terminal(terminal.render(decision, ())) + markdown.render(decision, ())


def test_certainty_is_never_rounded_to() -> None:
    nearly = a_side("adapter", 64, (0.998, 0.002, 0.999), (1.0, 0.5, 1.0))
    ((_, _, line, _),) = corrections(a_promotion(Detected(change=a_change(candidate=nearly))))
    assert "finds 99 % [1, 99] of the refusals and leaves 100 % [50, 100] of" in line


def test_it_fits_eighty_columns() -> None:
    verdict = replace(HELD, suite="s" * 64, variant="adapter@bf16", detected=LABELLED)
    lines = on_a_terminal(terminal.render(a_decision(Ruling.PROMOTE, verdict, HELD), ())).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
