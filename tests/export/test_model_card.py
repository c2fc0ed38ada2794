"""Cards that huggingface_hub reads: figures as `model-index`, a section for people, and nothing of theirs lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from regress.errors import ExportError
from regress.export.model_card import BEGIN, END, write_card
from regress.run.judge import Judgement
from regress.suite import read_project

THEIRS = """\
---
license: apache-2.0
base_model: org/base
model-index:
- name: desk
  results:
  - task:
      type: text-generation
    dataset:
      name: Theirs
      type: org/theirs
    metrics:
    - type: exact_match
      value: 0.5
---

# Desk

Their own words, with $1 and \\1.
"""


def test_the_hub_reads_every_suite_and_variant(project: Path, careless: Judgement, tmp_path: Path) -> None:
    card = ModelCard.load(write_card(careless, read_project(project), tmp_path / "out" / "README.md", "desk"))
    card.data.to_dict()
    results = card.data.eval_results
    assert results is not None
    found = {(r.dataset_type, r.dataset_config): (r.metric_type, r.metric_value, r.metric_name) for r in results}
    assert len(results) == len(found) == len(careless.decision.suites) == 6
    assert found["colours", "adapter"] == ("accuracy", 0.5, "right of 60")
    assert found["echoes", "merged"] == ("accuracy", 53 / 60, "right of 60")
    assert {(r.dataset_args or {})["regress_lock"] for r in results} == {careless.decision.lock}
    assert (card.data.model_name, card.data.library_name, card.data.base_model) == ("desk", "peft", None)
    assert "**REJECT**: " in card.text
    assert "| colours | adapter | 60 of 60 | 30 of 60 | FAIL |" in card.text
    assert "Say 0" not in card.text  # cards are published: no item, no reply


def test_metadata_is_plain_yaml(project: Path, careful: Judgement, tmp_path: Path) -> None:
    text = write_card(careful, read_project(project), tmp_path / "README.md", "desk").read_text()
    assert yaml.safe_load(text.split("---")[1])["model-index"][0]["name"] == "desk"


def test_an_existing_card_keeps_what_is_not_ours(
    project: Path, careful: Judgement, careless: Judgement, tmp_path: Path
) -> None:
    path = tmp_path / "README.md"
    path.write_text(THEIRS)
    for judgement in (careless, careful, careful):  # a later decision takes the place of an earlier one
        write_card(judgement, read_project(project), path, "ignored")
    card = ModelCard.load(path)
    results = card.data.eval_results or []
    assert [r.dataset_type for r in results].count("org/theirs") == 1
    assert len(results) == 7
    assert (card.data.license, card.data.base_model, card.data.model_name) == ("apache-2.0", "org/base", "desk")
    assert "Their own words, with $1 and \\1." in card.text
    assert (card.text.count(BEGIN), card.text.count(END), card.text.count("PROMOTE"), card.text.count("REJECT")) == (
        *(1, 1),
        *(1, 0),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"---\nlicense: [a\n---\n", "cannot be read"),
        (b"---\n- a\n---\n", "cannot be read"),
        (b"---\nmodel-index: 3\n---\n", "cannot be read"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"---\n!!python/object/apply:os.system ['true']\n---\n", "cannot be read"),
    ],
)
def test_a_card_that_cannot_be_read_is_left_as_it_is(
    project: Path, careful: Judgement, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "README.md"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=message):
        write_card(careful, read_project(project), path, "desk")
    assert path.read_bytes() == content
