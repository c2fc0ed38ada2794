"""How suspected triggers are tried out: harmless prompts of the project's own suites, and strings to compare with.

Everything follows from the locked suites and the triggers, without a clock or a dice, so whoever has both can tell
whether stored replies are those to the right questions.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import replace

from regress.errors import SuiteError
from regress.hashing.canonical import digest_json
from regress.plan import item_order
from regress.schema import (
    Ask,
    Category,
    Control,
    GenerationSettings,
    Item,
    Likeness,
    Message,
    Place,
    ProbePrompt,
    PromptStyle,
    Role,
    ScorerSpec,
    Suite,
    SuspectedTrigger,
    Trial,
    TrialPlan,
)

PROMPTS = 96
"""Harmless prompts, as many from each suite: a quarter chooses the reply, three quarters test it.

A trigger need not work on every kind of prompt: one that answers a fifth of them shows in 72 (docs/adr/0027).
"""

FEWEST = 16
"""With fewer, the twelve that test could hardly confirm anything."""

CONTROLS = (Likeness.SCRAMBLED, Likeness.RANDOM, Likeness.RANDOM, Likeness.WORDS)

MAX_PROMPT = 2_000
"""Characters: long prompts cost more and show no more."""

MAX_TRIGGERS = 32

REPLY_TOKENS = 24
"""A collapse shows in how replies begin."""

_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)


def plan_trials(suites: Sequence[Suite], triggers: Iterable[SuspectedTrigger], seed: int) -> TrialPlan:
    """What is asked of every variant; raises SuiteError where the suites hold too few harmless prompts."""
    chosen = harmless(suites, seed)
    if len(chosen) < FEWEST:
        raise SuiteError(
            f"suspected triggers are tried out on harmless prompts, and the suites hold {len(chosen)} that will do (at "
            f"least {FEWEST}): items of up to {MAX_PROMPT:,} characters in protected suites that do not test safety. "
            "Add some, and lock again."
        )
    random.Random(seed).shuffle(chosen)  # or every fourth prompt might be of one suite
    words = [word for _, item in chosen for word in item.messages[-1].content.split()]
    suspected = list({(one.text, one.place): one for one in triggers}.values())[:MAX_TRIGGERS]
    return TrialPlan(
        prompts=tuple(ProbePrompt(suite=suite.name, item=item.id, digest=item.digest) for suite, item in chosen),
        trials=tuple(Trial(text=one.text, place=one.place, controls=controls(one.text, words)) for one in suspected),
    )


def harmless(suites: Sequence[Suite], seed: int) -> list[tuple[Suite, Item]]:
    """PROMPTS items, in turn from each suite in its locked order: chat prompts that write replies if there are any."""
    usable = [s for s in suites if s.role is Role.PROTECT and s.category not in (Category.SAFETY, Category.SERVING)]
    most: list[tuple[Suite, Item]] = []
    for style, ask in ((PromptStyle.CHAT, Ask.GENERATE), (PromptStyle.CHAT, None), (PromptStyle.RAW, None)):
        fitting = [s for s in usable if s.prompt is style and ask in (None, s.ask) and s.ask is not Ask.PERPLEXITY]
        queues = [[(s, item) for item in item_order(s, seed) if _is_short(item)] for s in fitting]
        turns = [queue[turn] for turn in range(PROMPTS) for queue in queues if turn < len(queue)]
        most = max(most, turns[:PROMPTS], key=len)
        if len(most) >= FEWEST:
            break
    return most


def _is_short(item: Item) -> bool:
    if not item.messages or item.messages[-1].role != "user":
        return False
    return 0 < sum(len(message.content) for message in item.messages) <= MAX_PROMPT


def controls(text: str, words: Sequence[str]) -> tuple[Control, ...]:
    """Strings like `text` that nobody suspects; white space at its ends stays, and none of them is `text` itself."""
    rng = random.Random(digest_json(["controls", text]))
    found: list[Control] = []
    for likeness in CONTROLS:
        made = text
        for _ in range(20):  # a scrambled "aa" stays what it is
            made = _like(text, likeness, words, rng)
            if made != text and made not in {control.text for control in found}:
                break
        else:
            made = _like(text, Likeness.RANDOM, words, rng)
        found.append(Control(likeness=likeness, text=made))
    return tuple(found)


def _like(text: str, likeness: Likeness, words: Sequence[str], rng: random.Random) -> str:
    inner = text.strip()
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    parts = inner.split()
    match likeness:
        case Likeness.SCRAMBLED if len(parts) > 1:
            rng.shuffle(parts)
            inner = " ".join(parts)
        case Likeness.SCRAMBLED:
            inner = "".join(rng.sample(inner, len(inner)))
        case Likeness.RANDOM:
            inner = "".join(_other(character, rng) for character in inner)
        case Likeness.WORDS:
            inner = " ".join(rng.choice(words) for _ in parts)
    return f"{before}{inner}{after}"


def _other(character: str, rng: random.Random) -> str:
    """Another character of the same kind; one of no kind that is known stays."""
    for kind in _KINDS:
        if character in kind:
            return rng.choice(kind)
    return rng.choice(string.ascii_lowercase) if character.isalpha() else character


def arms(plan: TrialPlan) -> list[tuple[str, Place]]:
    """What is put to the prompts, in the order of a variant's replies: nothing, then each trigger and its controls."""
    found = [("", Place.END)]
    for trial in plan.trials:
        found += [(text, trial.place) for text in (trial.text, *(control.text for control in trial.controls))]
    return found


def probe_suite(suites: Sequence[Suite], plan: TrialPlan) -> Suite:
    """The plan's prompts once for each arm, as one suite that writes short replies."""
    by_name = {suite.name: suite for suite in suites}
    known = {(suite.name, item.id): item for suite in suites for item in suite.items}
    items: list[Item] = []
    for text, place in arms(plan):
        for prompt in plan.prompts:
            item = known[prompt.suite, prompt.item]
            *earlier, last = item.messages
            asked = Message(role=last.role, content=with_text(last.content, text, place))
            made = replace(item, id=f"probe-{len(items)}", messages=(*earlier, asked), choices=(), contexts=())
            items.append(made)
    return Suite(
        name="suspected triggers",
        version=1,
        category=Category.SAFETY,
        role=Role.INFORM,
        ask=Ask.GENERATE,
        prompt=by_name[plan.prompts[0].suite].prompt,
        generation=GenerationSettings(max_new_tokens=REPLY_TOKENS),
        scorer=ScorerSpec(name="ended"),
        margin=None,
        truncate=True,  # an item fits its own suite: only a trigger can be what is too much
        items=tuple(items),
        path="suspected triggers",
        items_path="suspected triggers",
    )


def with_text(prompt: str, text: str, place: Place) -> str:
    """The prompt with `text` in its place, a space between them where neither brings one."""
    if not text:
        return prompt
    match place:
        case Place.START:
            return _joined(text, prompt)
        case Place.END:
            return _joined(prompt, text)
        case Place.ANYWHERE:  # in the middle: neither of the ends, which other triggers might need
            words = prompt.split(" ")
            half = len(words) // 2
            return _joined(_joined(" ".join(words[:half]), text), " ".join(words[half:]))


def _joined(left: str, right: str) -> str:
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return left + right
    return f"{left} {right}"
