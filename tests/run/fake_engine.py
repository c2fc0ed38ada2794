"""An engine without a model: it knows every right answer, writes down what it is asked, and can be told to fail."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.backends.protocol import Batch, Engine, Lone, Placed, Request
from regress.hashing.canonical import digest_json
from regress.hashing.models import read_model
from regress.lock import lockfile
from regress.lock.lockfile import Lock
from regress.lock.promise import Loaded, load
from regress.run.progress import Progress
from regress.run.session import Questions, render, settings_digest
from regress.schema import (
    Ask,
    Check,
    Finish,
    Item,
    ItemOutcome,
    Manifest,
    Precision,
    Reply,
    Suite,
    Variant,
    VariantKind,
)
from regress.suite import read_project, read_suites

CHOICES = ("red", "green", "blue")


class PowerCut(BaseException):
    """What ends a run in the middle without being an Exception that anybody could handle."""


@dataclass
class FakeEngine:
    """Satisfies `Engine`: replies depend on the whole batch, so that another composition would show."""

    name: str = "fake 1"
    precision: Precision = Precision.FP32
    device: str = "cpu"
    rows: int = 4
    wrong: Collection[str] = ()  # item ids that it answers wrongly
    dies_after: int | None = None  # batches
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # (suite, item ids) of each batch
    kind: VariantKind = VariantKind.BASE
    slowness: dict[VariantKind, float] = field(default_factory=dict)
    timed: int = 0  # prompts asked alone

    @property
    def batch_policy(self) -> str:
        return f"longest-first rows={self.rows}"

    @property
    def items_asked(self) -> list[str]:
        return [item for _, items in self.asked for item in items]

    def render(self, suite: Suite) -> tuple[Request, ...]:
        return tuple(self._render(suite, item) for item in suite.items)

    def _render(self, suite: Suite, item: Item) -> Request:
        ids = tuple(map(ord, item.prompt))
        choices = tuple(tuple(map(ord, choice)) for choice in item.choices)
        settings = [suite.generation.max_new_tokens, list(suite.generation.stop)]
        digest = digest_json([list(ids), [list(c) for c in choices], suite.ask.value, *settings])
        return Request(item=item.id, prompt=ids, choices=choices, digest=digest)

    def batches(self, suite: Suite, requests: Sequence[Request], *, shuffled: bool = False) -> list[Batch]:
        order = sorted(range(len(requests)), key=lambda i: (-len(requests[i].prompt), requests[i].digest))
        rows = self.rows
        if shuffled:
            order, rows = order[::2] + order[1::2], max(1, rows // 2)
        parts = [order[start : start + rows] for start in range(0, len(order), rows)]
        return [Batch(places=tuple(part), requests=tuple(requests[i] for i in part)) for part in parts]

    def attach(self, folder: str) -> list[Check]:
        return [Check(name="adapter-tensors", ok=True, detail=f"all of {Path(folder).name}")]

    def use(self, variant: Variant) -> None:
        self.kind = variant.kind

    def answers(self, suite: Suite, batches: Sequence[Batch]) -> Iterator[list[Placed]]:
        for batch in batches:
            yield list(zip(batch.places, self.answer(suite, batch), strict=True))

    def answer(self, suite: Suite, batch: Batch) -> list[Reply]:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise PowerCut
        self.asked.append((suite.name, tuple(request.item for request in batch.requests)))
        noise = (
            sum(ord(c) for request in batch.requests for c in request.item) * 1e-6
        )  # what batching does to real numbers
        return [self._reply(suite, request, noise) for request in batch.requests]

    def _reply(self, suite: Suite, request: Request, noise: float) -> Reply:
        if len(request.choices) == 1:  # the preflight's canary: the likelihood of one token, known from `fingerprint`
            return Reply(logprobs=(-2.0,), prompt_tokens=len(request.prompt), reply_tokens=1)
        right = request.item not in self.wrong
        if suite.ask is Ask.CHOOSE:
            best = int(request.item.rpartition("-")[2]) % len(CHOICES)
            scores = [-1.0 - noise if (k == best) is right else -2.0 - noise for k in range(len(CHOICES))]
            return Reply(logprobs=tuple(scores), prompt_tokens=len(request.prompt), reply_tokens=1)
        text = f"echo {request.item}" if right else "no idea"
        return Reply(
            text=text, finish=Finish.EOS, prompt_tokens=len(request.prompt), reply_tokens=len(batch_mark(noise))
        )

    def alone(self, suite: Suite, request: Request) -> Lone:
        """A millisecond for the prompt and one for each of four tokens behind it, times `slowness` of the variant."""
        factor = self.slowness.get(self.kind, 1.0) * (1.0 + 0.01 * (len(request.item) % 3))
        self.timed += 1
        return Lone(
            tokens=(1, 2, 3, 4, 0), first=round(1e6 * factor), whole=round(5e6 * factor), peak_bytes=1000 + self.timed
        )

    def fingerprint(self, requests: Sequence[Request]) -> npt.NDArray[np.float32]:
        prints = np.full((len(requests), 200), -5.0, dtype=np.float32)
        prints[:, 7] = -2.0 if self.kind is VariantKind.BASE else -1.5
        return prints

    def save_merged(self, folder: Path) -> None:
        raise AssertionError("nobody asked for a merged model")


def batch_mark(noise: float) -> str:
    """A reply length that gives the composition of its batch away."""
    return "x" * (1 + round(noise * 1e6) % 97)


@dataclass
class Ticks:
    """Satisfies `Progress`: the calls, as they came."""

    calls: list[tuple[str, Any, Any]] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.calls.append(("say", text, None))

    def start(self, what: str, total: int, done: int) -> None:
        self.calls.append(("start", total, done))

    def advance(self, count: int, what: str) -> None:
        self.calls.append(("advance", count, what))

    def saw(self, suite: str, planned: int, outcomes: Sequence[ItemOutcome], *, asked: bool) -> None:
        self.calls.append(("saw", suite, (planned, len(outcomes), asked)))

    def skip(self, count: int) -> None:
        self.calls.append(("skip", count, None))

    def finish(self) -> None:
        self.calls.append(("finish", None, None))

    @property
    def totals(self) -> tuple[int, int, int]:
        """(total, done at the start, advanced since) of the last piece of work."""
        last = max(index for index, call in enumerate(self.calls) if call[0] == "start")
        _, total, done = self.calls[last]
        return total, done, sum(call[1] for call in self.calls[last:] if call[0] == "advance")


def write_project(folder: Path, *, margin: str = "0.10", choose: int = 14, generate: int = 9) -> Path:
    """Two suites without a model behind them; the base is a folder of three small files."""
    (folder / "suites").mkdir(parents=True, exist_ok=True)
    (folder / "regress.yaml").write_text("base: {model: base}\nsuites: [suites/*.yaml]\n")
    (folder / "base").mkdir(exist_ok=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / "base" / name).write_text("{}")
    texts: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "colours": (
            f"ask: choose\nscorer: choice\nmargin: {margin}\n",
            [
                {
                    "id": f"c-{k}",
                    "prompt": f"Colour {k}?" + "!" * (k % 5),
                    "choices": CHOICES,
                    "answer": k % len(CHOICES),
                }
                for k in range(choose)
            ],
        ),
        "echoes": (
            f"ask: generate\nscorer: exact_match\nmargin: {margin}\n",
            [{"id": f"e-{k}", "prompt": f"Say {k}" + "." * (k % 4), "target": f"echo e-{k}"} for k in range(generate)],
        ),
    }
    for name, (settings, items) in texts.items():
        head = f"name: {name}\nversion: 1\ncategory: capability\nitems: {name}.jsonl\nprompt: raw\n"
        (folder / "suites" / f"{name}.yaml").write_text(head + settings)
        (folder / "suites" / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


@dataclass(frozen=True)
class Stage:
    """A locked project and what it takes to run a variant of it."""

    folder: Path
    loaded: Loaded
    lock: Lock

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def questions(self, engine: Engine) -> Questions:
        return render(engine, self.loaded)

    def manifest(self, engine: Engine, variant: str = "base@fp32", adapter: str | None = None) -> Manifest:
        return Manifest(
            lock=self.lock.digest,
            variant=variant,
            base=self.lock.promise["base"]["digest"],
            adapter=adapter,
            tokenizer=self.lock.promise["base"]["tokenizer"],
            template=self.lock.promise["base"]["template"],
            backend=engine.name,
            device=engine.device,
            batch_policy=engine.batch_policy,
            settings=settings_digest(self.loaded),
        )


def open_stage(folder: Path, *, amend: str | None = None) -> Stage:
    """Lock the project as it stands; with `amend` as the reason of an amendment."""
    project = read_project(folder)
    loaded = load(project, read_suites(project.suite_paths()), check_items=True)
    base, now = read_model(folder / "base"), datetime(2026, 1, 1, tzinfo=UTC)
    first = amend is None
    lock = lockfile.create(loaded, base, now=now) if first else lockfile.amend(loaded, base, now=now, why=amend or "")
    (folder / "runs").mkdir(exist_ok=True)
    return Stage(folder=folder, loaded=loaded, lock=lock)


def satisfies_the_protocols() -> tuple[Engine, Progress]:
    """For the type checker: the fakes are what the runner asks for."""
    return FakeEngine(), Ticks()
