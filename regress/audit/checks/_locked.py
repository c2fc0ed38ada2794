"""The locked items as training rows are held against them: what each asks, and what its suite asks in front of all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from regress.audit.words import words
from regress.schema import Item, Suite

CORE, TEMPLATE = 6, 4
"""Words that an item needs beyond its suite's common beginning and end to be looked for without them, and words that
these have at least: less is how people talk, not a template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One text that an item asks, as words; `core` is what is left of it without what many items of its suite say."""

    suite: str
    id: str
    text: str
    words: tuple[str, ...]
    core: tuple[str, ...]
    targets: tuple[tuple[str, ...], ...]  # words of each answer that is right
    label: bool  # whether many items of the suite have the same answer, so that it gives nothing away

    @property
    def name(self) -> str:
        return f"{self.suite}:{self.id}"


def asked_by(suites: Iterable[Suite]) -> list[Asked]:
    """Every text that an item asks; an item has several where its choices stand in contexts of their own."""
    return [one for suite in suites for one in _of_suite(suite)]


def _of_suite(suite: Suite) -> Iterator[Asked]:
    texts = [(item, text, words(text)) for item in suite.items for text in _texts(item) if text.strip()]
    labels = Counter(target for item in suite.items for target in set(_targets(item)))
    common = max(4, len(suite.items) // 20)
    begins = _shared([found for _, _, found in texts], common)
    ends = _shared([found[::-1] for _, _, found in texts], common)
    for (item, text, found), begin, end in zip(texts, begins, ends, strict=True):
        core = found[begin : len(found) - end]
        yield Asked(
            suite=suite.name,
            id=item.id,
            text=text,
            words=tuple(found),
            core=tuple(core if len(core) >= CORE and begin + end >= TEMPLATE else found),
            targets=tuple(tuple(words(target)) for target in _targets(item)),
            label=any(labels[target] > max(2, len(suite.items) // 200) for target in _targets(item)),
        )


def _texts(item: Item) -> Sequence[str]:
    """All that the user says, or an imported task's question without its examples; texts of a loss suite."""
    question = item.source.get("question") if item.source is not None else None
    whole = "\n".join(message.content for message in item.messages if message.role == "user")
    asked = (question,) if isinstance(question, str) else (whole,) if whole else ()
    return tuple(dict.fromkeys((*asked, *item.contexts))) or item.targets


def _targets(item: Item) -> tuple[str, ...]:
    right = item.choices[item.answer : item.answer + 1] if item.answer is not None else ()
    return (*item.targets, *right)


def _shared(texts: Sequence[Sequence[str]], common: int) -> list[int]:
    """How many words each text begins with that more than `common` texts begin with, too."""
    lengths = [0] * len(texts)
    groups = [list(range(len(texts)))]
    depth = 0
    while groups:
        followers: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, group in enumerate(groups):
            for index in group:
                if len(texts[index]) > depth:
                    followers[number, texts[index][depth]].append(index)
        groups = [group for group in followers.values() if len(group) > common]
        depth += 1
        for group in groups:
            for index in group:
                lengths[index] = depth
    return lengths
