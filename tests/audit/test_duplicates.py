"""Rows that stand there more than once, or nearly, in the data and in the validation split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from looking import conclude, rows

from regress.audit.checks import _near
from regress.audit.checks.duplicates import Duplicates
from regress.audit.minhash import VALUES, bands, jaccard, shingles, signatures
from regress.audit.words import Texts, distinct
from regress.errors import DataError
from regress.rows.opening import open_source
from regress.schema import Severity

NOUNS = ("ferry", "lamp", "orchard", "ladder", "violin", "kettle", "harbour", "meadow", "engine", "lantern", "pigeon")


def story(number: int, words: int = 40) -> str:
    """A text that shares next to nothing with the one of another number."""
    rng = np.random.default_rng(number)
    drawn = rng.integers((len(NOUNS), 500), size=(words, 2)).tolist()
    return " ".join(f"{NOUNS[noun]}{which}" for noun, which in drawn)


def test_exact_repetitions_keep_the_first() -> None:
    given = rows(("Red?", "yes"), ("red? ", "Yes"), ("red", "no"), ("Red?", "no"), ("Red?", "yes"))
    (finding,) = [one for one in conclude(Duplicates, given).findings if one.rule == "duplicates/exact"]
    assert finding.removable == (2, 5)
    assert [one.item for one in finding.evidence] == ["row 1", "row 1"]


def test_another_system_prompt_or_rejected_reply_makes_another_row() -> None:
    def talk(system: str) -> dict[str, object]:
        said = (("system", system), ("user", "Red?"), ("assistant", "yes"))
        return {"messages": [{"role": role, "content": text} for role, text in said]}

    pairs = [{"prompt": "Red?", "chosen": "yes", "rejected": other} for other in ("no", "maybe", "no")]
    found = conclude(Duplicates, rows(talk("be kind"), talk("be brief"), *pairs)).findings
    assert [one.removable for one in found if one.rule == "duplicates/exact"] == [(5,)]


@pytest.mark.parametrize(
    ("prompt", "reply", "near", "why"),
    [
        (story(1) + " please", story(2), True, "one word more"),
        (story(1).replace(" ", ", ").upper(), story(2), True, "another punctuation and case"),
        (story(1), story(2) + " yes indeed", True, "the reply is nearly the same"),
        (story(1), story(3), False, "the same prompt with another reply is no duplicate"),
        (story(3), story(2), False, "the same reply to another prompt is none either: labels, canned replies"),
        (story(1, 20) + story(4, 20), story(2), False, "half of the prompt is another"),
    ],
)
def test_near_duplicates_are_alike_in_prompt_and_in_reply(prompt: str, reply: str, near: bool, why: str) -> None:
    noise = [(story(number), story(number + 1)) for number in range(100, 130)]
    found = conclude(Duplicates, rows((story(1), story(2)), *noise, (prompt, reply))).findings
    assert [one.rule for one in found] == (["duplicates/near"] if near else []), why
    if near:
        assert [(one.row, one.item) for one in found[0].evidence] == [(32, "row 1")]
        assert found[0].severity is Severity.NOTE
        assert found[0].removable == ()


def test_rows_built_from_one_template_are_not_alike() -> None:
    template = "You are a clerk of the harbour. Read the request below and name the berth, the day and the ship: {}"
    given = rows(*[(template.format(story(number, 4)), "done") for number in range(60)])
    assert conclude(Duplicates, given).findings == ()


def test_many_near_duplicates_are_a_warning() -> None:
    given = [(story(number), story(number + 500)) for number in range(40)]
    copies = [(f"{prompt} again", reply) for prompt, reply in given[:10]]
    (finding,) = conclude(Duplicates, rows(*given, *copies)).findings
    assert (finding.severity, finding.count) == (Severity.WARN, 10)


def test_of_very_many_pairs_a_sample_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_near, "MAX_PAIRS", 20)
    given = [(story(number), story(number + 500)) for number in range(60)]
    copies = [(f"{prompt} again", reply) for prompt, reply in given]
    (finding,) = conclude(Duplicates, rows(*given, *copies)).findings
    assert finding.title.startswith("About ")
    assert 50 <= finding.count <= 60
    assert "20 were compared" in finding.detail


@pytest.mark.parametrize("text", ["", "not json\n"])
def test_a_validation_split_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    split = tmp_path / "split.jsonl"
    split.write_text(text)
    given = rows(("a question", "an answer"))
    with pytest.raises(DataError, match="nothing can be held against it"):
        conclude(Duplicates, given, validation=open_source(str(split)))


def test_the_validation_split_is_held_against_the_data(tmp_path: Path) -> None:
    split = tmp_path / "val.jsonl"
    held = [(story(1), story(2)), (story(3) + " please", story(4)), (story(5), story(6))]
    split.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in held))
    given = rows((story(9), "x"), (story(1), story(2)), (story(3), story(4)))
    found = {one.rule: one for one in conclude(Duplicates, given, validation=open_source(str(split))).findings}
    assert found.keys() == {"duplicates/validation", "duplicates/validation-near"}
    assert [(one.row, one.item) for one in found["duplicates/validation"].evidence] == [(2, "validation row 1")]
    assert [(one.row, one.item) for one in found["duplicates/validation-near"].evidence] == [(3, "validation row 2")]
    assert found["duplicates/validation"].of == 3


def test_results_do_not_depend_on_how_rows_are_cut() -> None:
    given = rows(*[(story(number % 25) + " x" * (number // 25), "y") for number in range(50)])
    assert conclude(Duplicates, given, size=3) == conclude(Duplicates, given, size=50)


@pytest.mark.parametrize("changed", [0, 2, 5, 10, 20])
def test_a_signature_estimates_jaccard(changed: int) -> None:
    """Within four standard errors of the exact value, for 300 pairs of texts together."""
    rng = np.random.default_rng(changed)
    estimates, truths = [], []
    for number in range(300):
        words = story(number).split()
        other = list(words)
        for place in rng.choice(len(words), changed, replace=False):
            other[place] = f"other{place}"
        texts = Texts([" ".join(words), " ".join(other)])
        hashes, owners = distinct(*shingles(texts))
        one, two = (hashes[owners == owner] for owner in (0, 1))
        truths.append(jaccard(one, two))
        signed = signatures(*shingles(texts), 2)
        estimates.append(float((signed[0] == signed[1]).mean()))
    mean = float(np.mean(truths))
    assert abs(float(np.mean(estimates)) - mean) <= 4 * (mean * (1 - mean) / (300 * VALUES)) ** 0.5 + 1e-9


def test_bands_of_equal_signatures_are_equal_and_empty_texts_meet_nobody() -> None:
    texts = Texts([story(1), "", story(1).upper(), ""])
    keys = bands(signatures(*shingles(texts), 4), 4)
    assert (keys[0] == keys[2]).all()
    assert (_near.near_keys(texts)[1] == 0).all()
    assert len(_near.pairs_within(_near.near_keys(texts))) == 1
