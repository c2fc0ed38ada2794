"""What a lock promises, as plain JSON, and the sentence for every way in which a project can differ from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from regress.errors import SuiteError
from regress.hashing.files import digest_file
from regress.hashing.models import ModelFiles
from regress.schema import Ask, Figure, FlipBasis, GenerationSettings, Policy, Suite, SuitePlan
from regress.scorers import BoundScorer, UnknownScorer, bind
from regress.suite import Project

ITEM_ORDER_SEED = 20_261_123
"""Fixed for everybody: an order that nobody chose cannot have been chosen to please."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A project with its suites read and their scorers bound: everything a lock is made of or checked against."""

    project: Project
    suites: tuple[Suite, ...]
    scorers: Mapping[str, BoundScorer]

    def suite(self, name: str) -> Suite:
        return next(suite for suite in self.suites if suite.name == name)


def load(project: Project, suites: tuple[Suite, ...], *, check_items: bool) -> Loaded:
    """Bind every suite's scorer; raises SuiteError.

    Whoever writes a lock has each item checked; whoever verifies one knows by digest that they are the same items.
    """
    scorers = {suite.name: _bound(suite, project, check_items=check_items) for suite in suites}
    return Loaded(project=project, suites=suites, scorers=scorers)


def _bound(suite: Suite, project: Project, *, check_items: bool) -> BoundScorer:
    """The suite's scorer; where it is gone and the lock says which distribution it came from, the refusal does, too."""
    try:
        return bind(suite, check_items=check_items)
    except UnknownScorer as missing:
        if (locked := _locked_origin(project, suite.name)) is None:
            raise
        raise SuiteError(
            f"scorer {suite.scorer.name!r} was locked as {locked}, a plug-in that is not installed here. Install it: "
            f"pip install '{locked.rpartition(' of ')[2]}'.",
            path=Path(suite.path),
        ) from missing


def _locked_origin(project: Project, suite: str) -> str | None:
    """`rouge@2 of acme-scorers==1.2`, read for a message only; None for anything that does not look like it."""
    try:
        lock = json.loads((project.baselines / "lock.json").read_bytes())
        scorer = str(lock["promise"]["suites"][suite]["scorer"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return scorer if re.fullmatch(r"[\w@]{1,80} of [\w.-]{1,80}==[\w.!+-]{1,40}", scorer, re.ASCII) else None


def promise(loaded: Loaded, base: ModelFiles | None) -> dict[str, Any]:
    """Everything that must not change until the candidate is judged; integers and decimal strings only.

    Without `base` the part about the base is None, for callers that never touch the model.
    """
    policy = loaded.project.policy
    return {
        "base": base and {"digest": base.digest, "tokenizer": base.tokenizer_digest, "template": base.template_digest},
        "variants": [str(variant) for variant in loaded.project.variants],
        "engine": {"dtype": loaded.project.file.engine.dtype.value},
        "policy": _policy_promise(policy),
        "item_order_seed": ITEM_ORDER_SEED,
        **_draft(loaded),
        "suites": {suite.name: _suite_promise(suite, loaded.scorers[suite.name]) for suite in loaded.suites},
    }


def _policy_promise(policy: Policy) -> dict[str, Any]:
    """What later versions added stands there only where it is true: locks from before say false by silence."""
    promised: dict[str, Any] = {
        "alpha": decimal_text(policy.alpha),
        "power": decimal_text(policy.power),
        "zero_tolerance": list(policy.zero_tolerance),
        "require_training_record": policy.require_training_record,
    }
    later = {"waivable_safety": policy.waivable_safety, "require_audit": policy.require_audit}
    return promised | {name: True for name, wanted in later.items() if wanted}


def suite_settings(suite: Suite, scorer: BoundScorer) -> dict[str, Any]:
    """What determines a suite's replies and scores apart from its items and the weights."""
    settings: dict[str, Any] = {
        "ask": suite.ask.value,
        "prompt": suite.prompt.value,
        "scorer": scorer.id,
        "scorer_options": scorer.options,
    }
    if suite.ask is Ask.GENERATE:
        settings["generation"] = {
            "max_new_tokens": suite.generation.max_new_tokens,
            "stop": list(suite.generation.stop),
            **_sampling(suite.generation),
        }
    return settings


def _sampling(generation: GenerationSettings) -> dict[str, Any]:
    """Nothing for greedy replies."""
    if not generation.temperature:
        return {}
    return {
        "temperature": decimal_text(generation.temperature),
        "top_p": decimal_text(generation.top_p),
        "seed": generation.seed,
        "repeats": generation.repeats,
    }


def _suite_promise(suite: Suite, scorer: BoundScorer) -> dict[str, Any]:
    return {
        "version": suite.version,
        "category": suite.category.value,
        "role": suite.role.value,
        "margin": decimal_text(suite.margin),
        "min_gain": decimal_text(suite.min_gain),
        **({"serving": _serving(suite)} if suite.serving else {}),
        **suite_settings(suite, scorer),
        "items": {item.id: item.digest for item in suite.items},
    }


def _draft(loaded: Loaded) -> dict[str, Any]:
    """The draft model's name, where a margin rests on it: its bytes are the same for base and candidate anyway."""
    draft = loaded.project.file.draft
    if draft is None or not any(Figure.ACCEPTANCE in suite.serving for suite in loaded.suites):
        return {}
    return {"draft": {"model": draft.model, "revision": draft.revision}}


def _serving(suite: Suite) -> dict[str, str | None]:
    return {figure.value: decimal_text(margin) for figure, margin in suite.serving.items()}


def plan_record(suites: Sequence[Suite], plans: Mapping[str, SuitePlan]) -> dict[str, Any]:
    """What was planned, in decimal strings: a statement of the day of locking, not a thing to compare later."""
    record: dict[str, Any] = {}
    for suite in suites:
        plan = plans[suite.name]
        record[suite.name] = {
            "n": plan.n,
            "flip_rates": plan.basis and _basis_record(plan.basis),
            "outlooks": [
                {
                    "flip_rate": decimal_text(outlook.flip_rate),
                    "detectable_drop": None if outlook.detectable is None else f"{outlook.detectable:.4f}",
                    "missed_at_twice_the_margin": f"{outlook.missed:.4f}",
                    "pass_chance": f"{outlook.pass_chance:.4f}",
                    "needed_n": outlook.needed_n,
                }
                for outlook in plan.outlooks
            ],
            "files": {Path(path).name: digest_file(Path(path)).digest for path in (suite.path, suite.items_path)},
        }
    return record


def _basis_record(basis: FlipBasis) -> dict[str, Any]:
    """Where the flip rates come from; `at_most` is the noise's 95 % limit."""
    noise = basis.noise
    return {
        "source": basis.source.value,
        "expected": [decimal_text(rate) for rate in basis.expected],
        "noise": noise
        and {
            "n": noise.counts.n,
            "flips": noise.counts.lost + noise.counts.gained,
            "at_most": f"{noise.upper:.4f}",
        },
    }


def decimal_text(value: Decimal | None) -> str | None:
    """A decimal in its one canonical spelling: 0.10 and 0.1 are the same promise."""
    return None if value is None else f"{value.normalize():f}"


def differences(locked: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """One sentence part for each difference: 'suite json_orders: margin is 0.02, locked 0.01'."""
    found = list(_settings("", _without(locked, "suites"), _without(current, "suites")))
    locked_suites, current_suites = locked["suites"], current["suites"]
    found += [f"suite {name} is gone" for name in sorted(locked_suites.keys() - current_suites.keys())]
    found += [f"suite {name} is new" for name in sorted(current_suites.keys() - locked_suites.keys())]
    for name in sorted(locked_suites.keys() & current_suites.keys()):
        old, new = locked_suites[name], current_suites[name]
        found += _settings(f"suite {name}: ", _without(old, "items"), _without(new, "items"))
        found += [f"suite {name}: {change}" for change in _items(old["items"], new["items"])]
    return found


def _settings(where: str, locked: Mapping[str, Any], current: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key in sorted(locked.keys() | current.keys()):
        old, new, name = locked.get(key), current.get(key), f"{path}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _settings(where, old, new, f"{name}.")
        elif old != new:
            yield f"{where}{name} is {_shown(new)}, locked {_shown(old)}"


def _items(locked: Mapping[str, str], current: Mapping[str, str]) -> Iterator[str]:
    changed = [id_ for id_, digest in locked.items() if id_ in current and current[id_] != digest]
    for ids, word in (
        (changed, "changed"),
        (sorted(locked.keys() - current.keys()), "missing"),
        (sorted(current.keys() - locked.keys()), "added"),
    ):
        if ids:
            yield f"{len(ids)} item{'s' if len(ids) > 1 else ''} {word} (first: {ids[0]})"


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k != key}


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(str, value)) + "]"
    text = str(value)
    return text[:19] + "…" if text.startswith("sha256:") else text
