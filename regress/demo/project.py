"""Scaffold a project that locks and runs at once: settings, the shipped suites, and the embedded model as its base."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from regress.demo.corpus import CAREFUL, as_jsonl, training_rows
from regress.demo.project_readme import project_readme
from regress.errors import ProjectError

_PACKAGE = Path(__file__).parent
MODEL = _PACKAGE / "model"

SEED = 5

_SETTINGS = """\
# What is judged, on what, by which policy. Every key but base.model and suites has a default.
base:
  model: {model}          # a folder (relative to this file) or a hub id
variants: [base, adapter, merged]   # also adapter@nf4, merged@bf16, ...
suites: [suites/*.yaml]
policy:
  alpha: 0.05             # chance of promoting a candidate that lost more than a margin, at most
  power: 0.8              # how surely the suites should see what they are there to see
engine:
  device: auto            # auto | cpu | cuda | cuda:1
  dtype: auto             # auto: bf16 on a GPU, fp32 on a CPU
"""

_TRAINING = """\
train:
  data: data/train.jsonl  # prompt and completion, one row a line
  learning_rate: 2e-3     # the model is tiny; for real ones leave it out (2e-4)
  max_steps: 300
  batch_size: 32
  gradient_accumulation: 1
"""

_GITIGNORE = "runs/\nreports/\nregistry/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffolded:
    """Paths relative to the project folder."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def shipped_suites() -> Path:
    """The project's own suites: inside an installed package, or at the top of a checkout."""
    for folder in (_PACKAGE / "suites", _PACKAGE.parent.parent / "suites"):
        if folder.is_dir() and any(folder.glob("*.yaml")):
            return folder
    raise ProjectError("the shipped suites are missing from this installation; install regress-harness again.")


def scaffold(folder: Path, base: str | None = None) -> Scaffolded:
    """Write what is missing of a project into `folder`, and touch nothing that is there.

    Without `base` the embedded model is copied to models/tiny and used, with rows for it to learn.
    """
    texts = {
        "regress.yaml": _SETTINGS.format(model=base or "models/tiny") + ("" if base else _TRAINING),
        "README.md": project_readme(tiny=base is None),
        ".gitignore": _GITIGNORE,
    }
    if base is None:
        texts["data/train.jsonl"] = as_jsonl(training_rows(CAREFUL, SEED))
    copies = {f"suites/{path.name}": path for path in sorted(shipped_suites().iterdir()) if path.is_file()}
    if base is None:
        copies |= {f"models/tiny/{path.name}": path for path in sorted(MODEL.iterdir()) if path.is_file()}
    written, kept = [], []
    for name in [*texts, *copies]:
        target = folder / name
        if target.exists():
            kept.append(name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in texts:
            target.write_text(texts[name], encoding="utf-8")
        else:
            shutil.copyfile(copies[name], target)
        written.append(name)
    return Scaffolded(written=tuple(written), kept=tuple(kept))
