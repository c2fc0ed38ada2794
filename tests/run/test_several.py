"""Several adapters in one go on one set of weights: each decided as if alone, and none in the way of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine, PowerCut, Stage, Ticks, open_stage, write_project

from regress.errors import AdapterError, BackendError
from regress.hashing.models import read_model
from regress.lock.attempts import next_attempt
from regress.run.bench import Bench, EngineFactory, Mode
from regress.run.check import Checked, check, check_each
from regress.schema import Check, Exit, Precision, Ruling, VariantKind
from regress.stats.multiple import spent_alpha

ALL = frozenset(f"{suite}-{k}" for suite in "ce" for k in range(300))
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
BASE_AND_TWO, TWO, CANARY = 3 * 120, 2 * 120, 4


@dataclass
class Wearing(FakeEngine):
    """Knows by its weights which adapter it wears: `bad` ones make it forget, `broken` ones are refused."""

    worn: bytes = b""
    stained: bool = False  # something of an adapter stays in the weights
    attached: list[bytes] = field(default_factory=list)

    def attach(self, folder: str) -> list[Check]:
        self.worn = (Path(folder) / "adapter_model.safetensors").read_bytes()
        self.attached.append(self.worn)
        if self.worn.startswith(b"broken"):
            self.stained = True
            raise AdapterError("it is broken.")
        return super().attach(folder)

    def answer(self, suite, batch):  # type: ignore[no-untyped-def]
        if self.worn.startswith(b"nan") and self.kind is VariantKind.ADAPTER and suite.name == "echoes":
            raise BackendError("the model's logits hold NaN.")
        if self.worn.startswith(b"power cut") and self.kind is VariantKind.ADAPTER and suite.name == "echoes":
            raise PowerCut
        self.wrong = ALL if self.kind is not VariantKind.BASE and self.worn.startswith(b"bad") else ()
        return super().answer(suite, batch)

    def fingerprint(self, requests):  # type: ignore[no-untyped-def]
        return super().fingerprint(requests) + np.float32(1e-3 * self.stained)


def factory(made: list[Wearing], **fields: Any) -> EngineFactory:
    def load(folder: Path, precision: Precision, device: str, tokens: int | None) -> Wearing:
        settled = Precision.FP32 if precision is Precision.AUTO else precision
        made.append(Wearing(precision=settled, **fields))
        return made[-1]

    return load


def adapters(folder: Path, *weights: str) -> list[Path]:
    made = []
    for name in weights:
        (folder / name).mkdir(parents=True)
        (folder / name / "adapter_config.json").write_text(json.dumps(CONFIG))
        (folder / name / "adapter_model.safetensors").write_bytes(name.encode())
        made.append(folder / name)
    return made


def a_stage(folder: Path, variants: str = "[base, adapter, merged]", items: int = 60) -> Stage:
    project = write_project(folder / "project", margin="0.20", choose=items, generate=items)
    with (project / "regress.yaml").open("a") as file:
        file.write(f"variants: {variants}\n")
    return open_stage(project)


def bench_of(stage: Stage) -> Bench:
    return Bench(loaded=stage.loaded, lock=stage.lock, base=read_model(stage.folder / "base"))


def checked(
    stage: Stage, paths: Sequence[Path], engine_for: EngineFactory, progress: Ticks | None = None, **more: Any
) -> list[Checked]:
    return list(check_each(bench_of(stage), paths, engine_for=engine_for, progress=progress or Ticks(), **more))


def rulings(outcomes: Sequence[Checked]) -> list[str]:
    return [str(o.refusal) if o.judgement is None else o.judgement.decision.ruling.value for o in outcomes]


def test_the_base_is_loaded_and_asked_once_for_all(tmp_path: Path) -> None:
    stage, made, ticks = a_stage(tmp_path), [], Ticks()  # type: ignore[var-annotated]
    outcomes = checked(stage, adapters(tmp_path, "good", "bad", "fine"), factory(made), ticks)
    assert rulings(outcomes) == ["PROMOTE", "REJECT", "PROMOTE"]
    (engine,) = made
    assert engine.attached == [b"good", b"bad", b"fine"]
    assert len(engine.items_asked) == BASE_AND_TWO + TWO + TWO + 3 * CANARY
    said = [text for call, text, _ in ticks.calls if call == "say"]
    assert [text for text in said if text.startswith("adapter ")] == [
        f"adapter {k} of 3: {tmp_path / name}" for k, name in enumerate(("good", "bad", "fine"), start=1)
    ]


def test_each_is_an_attempt_in_the_order_given(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    outcomes = checked(stage, adapters(tmp_path, "b", "a", "c"), factory([]))
    attempts = [o.judgement.decision.attempt for o in outcomes if o.judgement]
    assert [(a.number, a.alpha) for a in attempts if a] == [(t, spent_alpha(0.05, t)) for t in (1, 2, 3)]
    upcoming = next_attempt(stage.loaded.project.baselines, stage.lock)
    assert (upcoming.number, upcoming.alpha) == (4, spent_alpha(0.05, 4))


def test_each_comes_out_as_it_would_alone(tmp_path: Path) -> None:
    together, alone = a_stage(tmp_path / "together"), a_stage(tmp_path / "alone")
    paths = adapters(tmp_path, "good", "bad", "fine")
    several = [o.judgement for o in checked(together, paths, factory([]))]
    assert several == [check(bench_of(alone), path, engine_for=factory([]), progress=Ticks()) for path in paths]


@pytest.mark.parametrize(
    ("ill", "message"), [("broken", "it is broken."), ("nan", "the model's logits hold NaN."), ("gone", "no folder")]
)
def test_a_refused_one_stops_no_other_and_leaves_nothing_in_the_weights(tmp_path: Path, ill: str, message: str) -> None:
    stage, made = a_stage(tmp_path), []  # type: ignore[var-annotated]
    paths = adapters(tmp_path, "good", ill, "bad")
    if ill == "gone":
        for file in paths[1].iterdir():
            file.unlink()
        paths[1].rmdir()
        message = str(paths[1])
    outcomes = checked(stage, paths, factory(made))
    first, second, third = rulings(outcomes)
    assert (first, third) == ("PROMOTE", "REJECT")
    assert message in second
    assert len(made) == 2  # loaded anew after the refusal
    assert made[1].attached == [b"bad"]
    assert len(made[0].items_asked) + len(made[1].items_asked) >= BASE_AND_TWO + TWO
    numbers = [o.judgement.decision.attempt.number for o in outcomes if o.judgement and o.judgement.decision.attempt]
    assert numbers == [1, 2]  # the refused one was never judged


def test_a_refusal_holds_no_weights(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    (outcome,) = checked(stage, adapters(tmp_path, "broken"), factory([]))
    assert outcome.refusal is not None
    assert outcome.refusal.__traceback__ is None


def test_a_base_that_an_adapter_changed_is_loaded_again_and_this_is_said(tmp_path: Path) -> None:
    stage, made, ticks = a_stage(tmp_path), [], Ticks()

    class Staining(Wearing):
        """Comes back from its preflight like the base, and no longer does after it was asked."""

        def answers(self, suite, batches):  # type: ignore[no-untyped-def]
            if self.kind is VariantKind.MERGED:
                self.stained = True
            return super().answers(suite, batches)

    def staining(folder: Path, precision: Precision, device: str, tokens: int | None) -> Wearing:
        made.append(Staining())
        return made[-1]

    outcomes = checked(stage, adapters(tmp_path, "good", "bad"), staining, ticks)
    assert rulings(outcomes) == ["PROMOTE", "REJECT"]
    assert len(made) == 2
    assert any("loaded again" in text for call, text, _ in ticks.calls if call == "say")


def test_a_base_that_cannot_be_loaded_is_tried_once_and_refuses_all(tmp_path: Path) -> None:
    stage, tries = a_stage(tmp_path), []

    def load(*arguments: Any) -> FakeEngine:
        tries.append(arguments)
        raise BackendError("no room for the base.")

    outcomes = checked(stage, adapters(tmp_path, "one", "two"), load)
    assert rulings(outcomes) == ["no room for the base."] * 2
    assert len(tries) == 1


def test_two_precisions_are_loaded_once_each(tmp_path: Path) -> None:
    stage, made = a_stage(tmp_path, "[base, adapter, base@nf4, adapter@nf4]"), []  # type: ignore[var-annotated]
    outcomes = checked(stage, adapters(tmp_path, "good", "broken", "bad"), factory(made))
    assert rulings(outcomes) == ["PROMOTE", "it is broken.", "REJECT"]
    assert [engine.precision for engine in made] == ["fp32", "fp32", "nf4"]  # fp32 again after the refusal
    assert made[2].attached == [b"good", b"bad"]
    first = outcomes[0].judgement
    assert first is not None
    assert {check.name for check in first.decision.checks} >= {"adapter-is-on@fp32", "adapter-is-on@nf4"}


def test_an_adapter_that_changes_between_two_precisions_is_refused(tmp_path: Path) -> None:
    stage = a_stage(tmp_path, "[base, adapter, base@nf4, adapter@nf4]")
    one, two = adapters(tmp_path, "good", "fine")

    def load(folder: Path, precision: Precision, device: str, tokens: int | None) -> FakeEngine:
        if precision is Precision.NF4:
            (two / "adapter_model.safetensors").write_bytes(b"other")
        return factory([])(folder, precision, device, tokens)  # type: ignore[return-value]

    first, second = rulings(checked(stage, [one, two], load))
    assert first == "PROMOTE"
    assert "changed while it was judged" in second


def test_after_a_cut_the_first_ones_are_not_asked_again(tmp_path: Path) -> None:
    stage = a_stage(tmp_path)
    paths = adapters(tmp_path, "good", "power cut", "bad")
    seen: list[Checked] = []
    with pytest.raises(PowerCut):
        seen.extend(check_each(bench_of(stage), paths, engine_for=factory([]), progress=Ticks()))
    assert rulings(seen) == ["PROMOTE"]
    again: list[Wearing] = []
    outcomes = checked(stage, [paths[0], paths[2]], factory(again))
    assert rulings(outcomes) == ["PROMOTE", "REJECT"]
    assert len(again[0].items_asked) == TWO + 2 * CANARY


def test_the_weights_are_given_back_when_nobody_wants_the_rest(tmp_path: Path) -> None:
    stage, closed = a_stage(tmp_path), []

    class Closing(Wearing):
        def close(self) -> None:
            closed.append(self.worn)

    outcomes = check_each(
        bench_of(stage), adapters(tmp_path, "good", "bad"), engine_for=lambda *_: Closing(), progress=Ticks()
    )
    next(outcomes)
    assert closed == []
    outcomes.close()
    assert closed == [b"good"]


@pytest.mark.parametrize("mode", [Mode.LOOKS, Mode.SCREEN])
def test_looks_and_screening_work_for_each(tmp_path: Path, mode: Mode) -> None:
    stage, made = a_stage(tmp_path, items=300), []  # type: ignore[var-annotated]
    outcomes = checked(stage, adapters(tmp_path, "bad", "good"), factory(made), mode=mode)
    first, second = rulings(outcomes)
    assert first == ("REJECT" if mode is Mode.LOOKS else "INCONCLUSIVE")
    assert second == ("PROMOTE" if mode is Mode.LOOKS else "INCONCLUSIVE")
    assert len(made[0].items_asked) < 600 + 2 * 1200
    attempts = [o.judgement.decision.attempt for o in outcomes if o.judgement]
    assert [a.number for a in attempts if a] == [1, 2]


WORST = [
    ([Exit.PROMOTE, Exit.PROMOTE], Exit.PROMOTE),
    ([Exit.PROMOTE, Exit.INCONCLUSIVE], Exit.INCONCLUSIVE),
    ([Exit.REJECT, Exit.INCONCLUSIVE, Exit.PROMOTE], Exit.REJECT),
    ([Exit.REJECT, Exit.REFUSED, Exit.PROMOTE], Exit.REFUSED),
    ([Exit.REFUSED, Exit.BUG, Exit.REJECT], Exit.BUG),
]


@pytest.mark.parametrize(("codes", "worst"), WORST)
def test_the_worst_exit_code_counts(codes: list[Exit], worst: Exit) -> None:
    assert Exit.worst(codes) is worst
    assert Exit.worst(reversed(codes)) is worst


def test_no_exit_code_is_no_promotion() -> None:
    with pytest.raises(ValueError, match="empty"):
        Exit.worst([])


def test_every_ruling_has_its_place_in_the_order() -> None:
    assert [Exit.worst([ruling.exit_code]) for ruling in Ruling] == [ruling.exit_code for ruling in Ruling]
