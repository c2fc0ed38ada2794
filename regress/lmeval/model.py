"""Our engine as an lm-eval model: `lm_eval.simple_evaluate(model=EngineLM(engine), tasks=[...])`.

Requests become the items of a suite that nobody writes down, so that whatever the engine shares between items it shares
here: continuations of one context are one item's choices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from regress.backends.protocol import Engine
from regress.errors import BackendError
from regress.lmeval.questions import generation_of
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    Message,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Suite,
)


class EngineLM(LM):  # type: ignore[misc]  # lm-eval is not typed for us
    """lm-eval's three kinds of request, answered by an engine acting as whatever variant it was told to."""

    def __init__(self, engine: Engine, *, seed: int = 0) -> None:
        super().__init__()
        self._engine = engine
        self._seed = seed

    def loglikelihood(self, requests: list[Instance], **_: Any) -> list[tuple[float, bool]]:
        """(log-likelihood of the continuation, whether greedy decoding would write it) for each request."""
        places: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(request.args[0], []).append(place)
        items = [
            _item(
                str(number),
                context,
                choices=tuple(requests[place].args[1] for place in group),
                contexts=(context,) * len(group),
            )
            for number, (context, group) in enumerate(places.items())
        ]
        found: dict[int, tuple[float, bool]] = {}
        for group, reply in zip(places.values(), self._answers(Ask.CHOOSE, items), strict=True):
            found.update(zip(group, zip(reply.logprobs, reply.greedy, strict=True), strict=True))
        return [found[place] for place in range(len(requests))]

    def loglikelihood_rolling(self, requests: list[Instance], **_: Any) -> list[float]:
        """The log-likelihood of each whole text, in windows of the model's context."""
        items = [_item(str(number), request.args[0]) for number, request in enumerate(requests)]
        return [sum(reply.logprobs) for reply in self._answers(Ask.PERPLEXITY, items)]

    def generate_until(self, requests: list[Instance], **_: Any) -> list[str]:
        """Each request's continuation, up to its stop texts. Raises SuiteError for settings that we do not know."""
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(place)
        found: dict[int, str] = {}
        for group in groups.values():
            first = requests[group[0]]
            name = first.task_name or "this task"
            kept = generation_of([first], name, repeats=1, seed=self._seed, most=None)
            items = [_item(str(place), requests[place].args[0]) for place in group]
            replies = self._answers(Ask.GENERATE, items, _settings(kept))
            found.update((place, reply.text or "") for place, reply in zip(group, replies, strict=True))
        return [found[place] for place in range(len(requests))]

    def _answers(self, ask: Ask, items: Sequence[Item], generation: GenerationSettings | None = None) -> list[Reply]:
        suite = _suite(ask, items, generation or GenerationSettings())
        requests = self._engine.render(suite)
        replies: dict[int, Reply] = {}
        for placed in self._engine.answers(suite, self._engine.batches(suite, requests)):
            replies.update(placed)
        if len(replies) != len(items):
            raise BackendError(f"{len(items)} requests were asked and {len(replies)} answered.")
        return [replies[place] for place in range(len(items))]


def _settings(kept: dict[str, Any]) -> GenerationSettings:
    return GenerationSettings(
        max_new_tokens=kept["max_new_tokens"],
        stop=tuple(kept["stop"]),
        temperature=Decimal(kept.get("temperature", "0")),
        top_p=Decimal(kept.get("top_p", "1")),
        seed=kept.get("seed", 0),
    )


def _item(id_: str, text: str, **fields: Any) -> Item:
    return Item(id=id_, messages=(Message(role="user", content=text),), digest="", line=0, **fields)


def _suite(ask: Ask, items: Iterable[Item], generation: GenerationSettings) -> Suite:
    return Suite(
        name="lm-eval",
        version=1,
        category=Category.CAPABILITY,
        role=Role.INFORM,
        ask=ask,
        prompt=PromptStyle.RAW,
        generation=generation,
        scorer=ScorerSpec(name="lm_eval"),
        margin=None,
        truncate=True,
        items=tuple(items),
        path="",
        items_path="",
    )
