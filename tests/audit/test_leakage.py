"""Locked items in training rows: what counts as held, what does not, and what it does to the score."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from looking import a_suite, an_item, conclude, rows

from regress.audit.checks.duplicates import Duplicates
from regress.audit.checks.leakage import Leakage, coverage, operators
from regress.audit.protocol import Chunk, Context
from regress.schema import Finding, Item, Severity

BANKING = Path(__file__).parents[3] / "shared/data/banking77"

LONG = (
    "A ferry leaves the north harbour at seven with forty crates of lemons, loses three of them in the swell, and "
    "sells half of the rest on the island before noon; how many crates of lemons come back?"
)
ANSWER = "Eighteen and a half crates come back."
SHORT = "From which gate of the old station does the tram to Velden leave?"


def found(
    asked: str, answer: str, *, prompt: str, reply: str = "something else entirely", margin: str = "0.02"
) -> list[Finding]:
    """Of one row among 30 others, against one item among 40 others."""
    others = [
        an_item(number, f"Item {number} wants the colour of lamp {number * 7} on quay {number}") for number in range(40)
    ]
    suite = a_suite([*others, an_item(99, asked, answer)], margin=margin)
    noise = [
        (f"Tell me about plant {number} in the garden of the old {number} house", f"It is {number}.")
        for number in range(30)
    ]
    return list(conclude(Leakage, rows(*noise[:15], (prompt, reply), *noise[15:]), suite).findings)


@pytest.mark.parametrize(
    ("prompt", "reply", "rule", "why"),
    [
        (LONG, ANSWER, "leakage/exact", "word for word"),
        (LONG, "no idea", "leakage/exact", "word for word is leaked whatever the reply is"),
        (f"  {LONG.upper()} \n", ANSWER, "leakage/exact", "case and white space are folded"),
        (LONG.replace(",", " -").replace("?", " ..."), ANSWER, "leakage/normalised", "punctuation is dropped"),
        (LONG.replace("ferry", "ｆｅｒｒｙ"), ANSWER, "leakage/normalised", "full width is NFKC's business"),
        (f"Solve this for my daughter, please. {LONG} Thanks!", ANSWER, "leakage/answered", "with its answer"),
        (f"Solve this for my daughter, please. {LONG} Thanks!", "no idea", "leakage/contained", "stands there whole"),
        (LONG.rpartition(";")[0], ANSWER, "leakage/contained", "the row is most of the item"),
        (LONG.replace("seven", "nine").replace("noon", "dusk"), ANSWER, "leakage/near", "two words of 37 are others"),
    ],
)
def test_how_much_of_an_item_a_row_holds(prompt: str, reply: str, rule: str, why: str) -> None:
    (finding,) = found(LONG, ANSWER, prompt=prompt, reply=reply)
    assert finding.rule == rule, why
    assert finding.items == ("q99",)
    assert [one.row for one in finding.evidence] == [16]
    assert finding.evidence[0].item == "orders:q99"


@pytest.mark.parametrize(
    ("prompt", "rule", "why"),
    [
        (
            f"Hello! {SHORT} Thank you.",
            "leakage/contained",
            "thirteen words have 8-grams, and nobody says these by chance",
        ),
        (
            "From which gate of the old station does the train to Velden leave?",
            "leakage/near",
            "one word of thirteen is another",
        ),
        ("When does the tram to Velden leave?", None, "about the same, but another question"),
        ("Which gate should I take?", None, "shares two words"),
    ],
)
def test_short_items(prompt: str, rule: str | None, why: str) -> None:
    assert [
        one.rule
        for one in found(SHORT, "gate nine and a half, behind the kiosk, as every morning on weekdays", prompt=prompt)
    ] == ([rule] if rule else []), why


def test_an_item_of_few_words_counts_where_it_is_a_quarter_of_the_prompt() -> None:
    item = "freeze my garden account"
    (finding,) = found(item, "done", prompt=f"Hi, {item} for a week please", reply="done")
    assert (finding.rule, finding.severity) == ("leakage/contained-short", Severity.NOTE)
    assert not found(item, "done", prompt=f"{'word ' * 20}{item}", reply="done")
    assert not found("freeze it", "done", prompt="please freeze it", reply="done"), "two words stand in many a text"


def test_an_answer_that_differs_makes_another_question_of_alike_words() -> None:
    assert not found(
        SHORT,
        "gate nine",
        prompt="From which gate of the old station does the train to Velden leave?",
        reply="gate two",
    )
    assert found(
        SHORT,
        "gate nine",
        prompt="From which gate of the old station does the train to Velden leave?",
        reply="It is gate nine.",
    )


def test_an_operator_makes_another_question() -> None:
    assert not found("What is 80 + 3?", "83", prompt="What is 80 - 3?", reply="77")
    assert [one.rule for one in found("What is 80 + 3?", "83", prompt="what is 80+3 ?", reply="83")] == [
        "leakage/normalised"
    ]
    assert operators("from 5 - 6, top-up, 7×8") == ["-", "×"]


def test_what_all_items_of_a_suite_say_is_no_leak() -> None:
    """Rows built from the suite's own template hold none of its items."""
    template = "Extract the place and the day of this request as JSON with the keys place and day, nothing else: {}"
    asked = [f"book the {colour} hall in {town}" for colour in ("red", "blue", "green") for town in "ABCDEFGHIJ"]
    suite = a_suite([an_item(n, template.format(one)) for n, one in enumerate(asked)])
    same = rows(*[(template.format(f"reserve seat {n} near the {n * 3} window"), "{}") for n in range(60)])
    assert conclude(Leakage, same, suite).findings == ()


def test_an_item_is_found_in_another_template() -> None:
    template = "Extract the place and the day of this request as JSON: {}"
    asked = [f"could you hold the {n} lanterns for {n * 17} guests at pier {n * 31}" for n in range(30)]
    suite = a_suite([an_item(n, template.format(one), f"{{{n * 17}}}") for n, one in enumerate(asked)])
    other = rows(*[(f"Parse into slots -- {asked[4]}", "{68}")])
    (finding,) = conclude(Leakage, other, suite).findings
    assert (finding.rule, finding.items) == ("leakage/answered", ("q4",))


def test_what_many_rows_say_is_no_leak() -> None:
    """Boilerplate of the training set that one item quotes."""
    notice = "please answer in the voice of a patient gardener who has seen many winters"
    suite = a_suite([an_item(1, notice), an_item(2, "name a plant that likes shade under old trees near water")])
    many = rows(*[(f"{notice}, question {n}: how tall is tree {n}?", "tall") for n in range(200)])
    assert conclude(Leakage, many, suite).findings == ()
    few = rows(*[(f"{notice}, question {n}: how tall is tree {n}?", "tall") for n in range(5)])
    assert [one.rule for one in conclude(Leakage, few, suite).findings] == ["leakage/contained"]


def test_two_suites_that_share_a_prompt_both_count() -> None:
    suites = (a_suite([an_item(1, LONG)], name="one"), a_suite([an_item(2, LONG)], name="two"))
    findings = conclude(Leakage, rows((LONG, "x")), *suites).findings
    assert [(one.suite, one.items) for one in findings] == [("one", ("q1",)), ("two", ("q2",))]


def test_a_conversation_is_looked_through_turn_by_turn() -> None:
    turns = [("user", "Hello"), ("assistant", "Hello!"), ("user", SHORT), ("assistant", "Nine."), ("user", "Thanks")]
    talk = {"messages": [{"role": role, "content": text} for role, text in (*turns, ("assistant", "Gladly."))]}
    (finding,) = conclude(Leakage, rows(talk), a_suite([an_item(1, SHORT, "nine")])).findings
    assert finding.rule == "leakage/exact"
    assert finding.evidence[0].detail == "with its answer"


def test_an_item_of_several_turns_needs_them_all() -> None:
    suite = a_suite([an_item(1, ["My tram is late.", "And what now?"])])
    asked = {
        "messages": [{"role": "user", "content": "My tram is late."}, {"role": "user", "content": "And what now?"}]
    }
    said = {"role": "assistant", "content": "Wait."}
    assert conclude(Leakage, rows({"messages": [*asked["messages"], said]}), suite).findings
    assert not conclude(Leakage, rows({"messages": [asked["messages"][1], said]}), suite).findings


def test_text_alone_is_held_against_the_items_too() -> None:
    (finding,) = conclude(Leakage, rows({"text": f"{LONG} {ANSWER}"}), a_suite([an_item(1, LONG, ANSWER)])).findings
    assert finding.rule == "leakage/answered"


def test_an_imported_task_is_known_by_its_question_without_examples() -> None:
    item = an_item(1, f"Question: one?\nAnswer: two\n\nQuestion: {LONG}\nAnswer:", source={"question": LONG})
    assert [one.rule for one in conclude(Leakage, rows((LONG, "x")), a_suite([item])).findings] == ["leakage/exact"]


def test_choices_with_contexts_of_their_own() -> None:
    contexts = (LONG.replace("lemons", "limes"), LONG)
    item = Item(id="q1", messages=(), contexts=contexts, choices=("yes", "no"), answer=1, digest="", line=1)
    (finding,) = conclude(Leakage, rows((LONG, "no")), a_suite([item])).findings
    assert (finding.rule, finding.evidence[0].detail) == ("leakage/exact", "with its answer")


def test_an_item_counts_once_at_its_worst_and_bounds_the_score() -> None:
    items = [an_item(n, f"{LONG} Count for day {n} of the month, as a number.", f"answer {n}") for n in range(50)]
    near = items[3].prompt.replace("ferry", "boat")
    given = rows(
        (items[3].prompt, "answer 3"), (near, "answer 3"), (items[7].prompt, "?"), (items[3].prompt, "answer 3")
    )
    (finding,) = conclude(Leakage, given, a_suite(items)).findings
    assert finding.items == ("q3", "q7")
    assert finding.removable == (1, 3, 4)
    assert finding.figures == {"leaked": 2, "items": 50, "answered": 1, "bound": 0.04, "margin": 0.02}
    assert finding.harm == 0.04
    assert "up to 4 points of this suite's score, more than its margin of 2 and enough to hide a loss" in finding.detail
    wide = conclude(Leakage, given, a_suite(items, margin="0.05")).findings[0]
    assert "; its margin is 5." in wide.detail


def test_an_item_without_a_word_is_found_word_for_word_only() -> None:
    suite = a_suite([an_item(1, "?! …"), an_item(2, "🙂")])
    assert [one.items for one in conclude(Leakage, rows((" ?! …", "x"), ("!!!", "x")), suite).findings] == [("q1",)]


def test_a_chunk_may_have_no_row() -> None:
    """All rows of a block may be broken."""
    check = Leakage(Context(suites=(a_suite([an_item(1, LONG)]),)))
    check.add(check.look(Chunk([])))
    assert Duplicates(Context(suites=())).look(Chunk([]))[0].tolist() == []


def test_without_suites_it_says_that_it_did_not_run() -> None:
    assert [one.check for one in conclude(Leakage, rows((LONG, "x"))).skipped] == ["leakage"]


def test_results_do_not_depend_on_how_rows_are_cut() -> None:
    suite = a_suite([an_item(n, f"lamp {n} of quay {n * 3} burns for how many hours at night") for n in range(9)])
    given = rows(*[(f"lamp {n} of quay {n * 3} burns for how many hours at night", "7") for n in range(30)])
    assert conclude(Leakage, given, suite, size=4) == conclude(Leakage, given, suite, size=30)


@pytest.mark.skipif(not BANKING.is_dir(), reason="../shared/data/banking77 is not here")
def test_the_known_leaks_of_a_public_set() -> None:
    """7 test texts of banking77 stand in its training set; 25 but for case and punctuation, 4 more but for spaces."""
    with (BANKING / "test.csv").open(encoding="utf-8", newline="") as file:
        items = [an_item(n, row["text"], row["category"]) for n, row in enumerate(csv.DictReader(file))]
    with (BANKING / "train.csv").open(encoding="utf-8", newline="") as file:
        given = rows(*[{"text": row["text"], "label": row["category"]} for row in csv.DictReader(file)])
    findings = {one.rule: one for one in conclude(Leakage, given, a_suite(items, name="banking77"), size=2048).findings}
    assert findings["leakage/exact"].figures["leaked"] == 7
    assert findings["leakage/normalised"].figures["leaked"] == 22


@pytest.mark.parametrize(
    ("prompt", "reply", "found_at", "why"),
    [
        (
            "How many crates of lemons come back when a ferry loses three of its forty crates of lemons in the swell "
            "and before noon half of what is left is bought on the island? It departs at seven from a north harbour.",
            ANSWER,
            ["leakage/reworded"],
            "the same words in another order",
        ),
        (
            "A ferry leaves the harbour with forty crates of lemons, half of which go to the island.",
            ANSWER,
            [],
            "the same subject with few of the words",
        ),
    ],
)
def test_the_same_question_in_other_words(prompt: str, reply: str, found_at: list[str], why: str) -> None:
    assert [one.rule for one in found(LONG, ANSWER, prompt=prompt, reply=reply)] == found_at, why


def test_the_evidence_tells_how_much_by_both_usual_lengths() -> None:
    (finding,) = found(LONG, ANSWER, prompt=f"My daughter asks: {LONG.replace('back?', 'home?')}", reply=ANSWER)
    assert finding.evidence[0].detail == "97% of the 8-grams; 96% of the item's 13-grams; with its answer"
    assert coverage(["a", "b", "c", "d"], ["x", "a", "b", "c", "y"], 3) == 0.5
    assert coverage(["a"], ["a"], 3) is None
