"""The README of a new project: what each file is, five commands, what they answer with, and how to go on."""

from __future__ import annotations

_README = """\
# An evaluation that comes before the training

Made by `regress init`. It says whether a fine-tuned adapter may replace the base, and it works as it stands.
Make it yours step by step.

## Five commands

```bash
{commands}
```

Interrupted, each goes on where it was; what was answered once is not asked again.

## What `check` answers with

| exit code | decision | what to do |
|--:|---|---|
| 0 | PROMOTE | nothing protected got worse than its margin, and the target gained: ship it |
| 3 | REJECT | something was lost, for certain: the report shows what, and how it fails now |
| 4 | INCONCLUSIVE | not certain either way: the report says how many items would settle it |
| 5 | REFUSED | the evidence is broken or not comparable: the message says what, where, and the mend |
| 2, 1 | usage, a bug | |

Reports are written to `reports/`: `report.html` for people (one file, opens anywhere), `summary.md` on a page, `verdict.json` for
programs, `junit.xml` and `comment.md` for CI.

## What each file is

| file | what it is | commit |
|---|---|---|
| `regress.yaml` | the base model, the variants that must hold, the policy, the recipe | yes |
| `suites/NAME.yaml`, `suites/NAME.jsonl` | one suite each: settings with the margin, and the items | yes |
| `baselines/` | the lock, its history, the ledger of candidates, the base's answers | yes |
| `runs/`, `reports/`, `registry/` | answers of candidates, reports, promoted adapters | no |
{files}
| suite | guards |
|---|---|
| `general_choice`, `general_words` | what the model could do before |
| `json_records` | JSON that a program can read |
| `refuse_harmful`, `answer_benign` | refusing what is harmful, and only that |
| `support_queue` | the task to be learned (`role: target`): replace it by yours |

## Make it yours

1. `regress.yaml`: your model under `base.model`, a folder or a hub id. `regress doctor` says whether it can be used here.
2. `suites/`: your task in place of `support_queue`, and a suite of a few hundred items for each thing that your users would
   miss. `regress suites check` reads them, `regress suites show NAME` shows what the model will see, `regress plan` says how many items
   it takes.
3. `regress lock`, or once there is a lock `regress lock --amend --why "..."`: the old lock and the reason are kept.
4. Train with whatever you like, and give `regress check` the adapter's folder.

## In CI

`regress check` and `regress gate` need nothing but their exit code to stop a pipeline. `regress lock --check` on pull requests finds
suites that were changed without a reason. There is an action for GitHub and a component for GitLab; files to paste are
in the documentation, "The gate in CI". Commit `baselines/` back after a check: it counts the candidates.
"""

_TINY_FILES = """\
| `models/tiny` | a model of 3.7 million parameters, to try things on | as you like |
| `data/train.jsonl` | what `regress train` learns: support tickets among what the model knew before | as you like |
"""


def project_readme(*, tiny: bool) -> str:
    """For a project on the embedded model, or on a model of the user's own."""
    return _README.format(commands=_commands(tiny), files=_TINY_FILES if tiny else "")


def _commands(tiny: bool) -> str:
    adapter = "runs/train" if tiny else "path/to/adapter"
    lines = [
        ("regress lock", "1. freeze it; read what each suite can detect"),
        ('git init && git add . && git commit -m "Lock"', "   the promise stands before anything is trained"),
        ("regress train", "2. as regress.yaml says; then judged as by check")
        if tiny
        else ("", "2. train, with whatever you like"),
        (f"regress check {adapter}", "3. base, adapter and merged model answer; then the gate"),
        ("regress explain json_records", "4. why this verdict, and what would change it"),
        ("regress keys init", "5. once; then promote, and verify before deploying"),
    ]
    return "\n".join(f"{command:<48}# {says}" for command, says in lines)
