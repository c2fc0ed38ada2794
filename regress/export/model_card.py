"""The model card of a judged candidate: `model-index` for the hub, and a section for people in an existing README.md.

It holds figures and digests, no item and no reply: cards are published.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import yaml
from huggingface_hub import ModelCard, ModelCardData

from regress import __version__
from regress.errors import ExportError
from regress.promote.card import LOCK, eval_results, table
from regress.promote.promoting import figures
from regress.report.markdown import escaped
from regress.report.words import attempt, headline
from regress.run.judge import Judgement
from regress.schema import Decision
from regress.store.atomic import make_folder, read_regular, write_atomic
from regress.suite import Project

BEGIN, END = "<!-- regress: begin -->", "<!-- regress: end -->"
MAX_BYTES = 4 * 2**20
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SECTION = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)


def write_card(judgement: Judgement, project: Project, path: Path, name: str) -> Path:
    """Write `path`, or, where it is there, put results and section into it and leave everything else as it is.

    Raises ExportError for a card that cannot be read.
    """
    decision = judgement.decision
    card = _existing(path) or _new(decision, project, name)
    results = eval_results(figures(decision.suites), decision.lock)
    data = cast("ModelCardData", card.data)
    others = [result for result in data.eval_results or [] if LOCK not in (result.dataset_args or {})]
    data.model_name = data.model_name or name
    data.eval_results = [*others, *results]
    section = "\n".join([BEGIN, *_section(decision), END])
    if _SECTION.search(card.text):
        card.text = _SECTION.sub(lambda _: section, card.text, count=1)
    else:
        card.text = f"{card.text.rstrip()}\n\n{section}\n"
    make_folder(path.parent)
    write_atomic(path, str(card).encode("utf-8"))
    return path


def _existing(path: Path) -> ModelCard | None:
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as reason:
        raise ExportError(f"{path} is no text in UTF-8; write the card to another file with --output.") from reason
    try:
        return ModelCard(text)
    except (ValueError, yaml.YAMLError, KeyError, TypeError) as reason:
        raise ExportError(f"the metadata of {path} cannot be read: {str(reason).splitlines()[0]}. Mend it.") from reason


def _new(decision: Decision, project: Project, name: str) -> ModelCard:
    """A card of its own; the base is named only where it is the hub's, since a path says nothing to others."""
    base = project.file.base.model
    is_adapter = decision.candidate is not None and decision.candidate.kind == "adapter"
    data = ModelCardData(
        model_name=name,
        base_model=base if _HUB_ID.fullmatch(base) and not (project.folder / base).exists() else None,
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["lora", "regress"] if is_adapter else ["regress"],
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n# {escaped(name)}\n")


def _section(decision: Decision) -> list[str]:
    candidate, spent = decision.candidate, attempt(decision)
    under = {True: "trained under this lock", False: "trained under another lock", None: "without a training record"}
    return [
        "## Regression gate",
        "",
        f"**{decision.ruling.value}**: {escaped(headline(decision))}",
        "",
        *table(figures(decision.suites)),
        "",
        "Right items of all, base and candidate on the same items; margins and items were locked before.",
        "",
        f"- lock `{decision.lock}`",
        *([f"- {candidate.kind} `{candidate.digest}`, {under[candidate.trained_under_lock]}"] if candidate else []),
        *([f"- {escaped(spent)}"] if spent else []),
        f"- judged by regress-harness {__version__}",
    ]
