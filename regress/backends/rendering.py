"""Items as token ids: chat template or raw text, prompt and choices split as the tokenizer would read them together."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from regress.backends.encoding import Encoder
from regress.backends.protocol import Request, Tokens
from regress.backends.stopping import ends_with_its_document
from regress.errors import BackendError, ModelError
from regress.hashing.canonical import digest_json
from regress.schema import Ask, Item, PromptStyle, Suite

AT_ONCE = 1024
"""Items that are tokenised together: enough to share their beginnings, few enough to stay small in memory."""


class Renderer:
    """Turns suites into requests for one tokenizer."""

    def __init__(self, folder: Path, context_window: int, end_ids: frozenset[int]) -> None:
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True
            )
        except (OSError, ValueError) as reason:
            raise ModelError(f"{folder} has no tokenizer that can be loaded: {reason}") from reason
        self.context_window = context_window
        own = {self.tokenizer.eos_token_id} - {None}
        self.end_ids = end_ids | own
        self._encoder = Encoder(self.tokenizer)

    def render(self, suite: Suite) -> tuple[Request, ...]:
        """Every item as token ids, in order; raises BackendError when one exceeds the context window unasked-for."""
        chunks = (suite.items[start : start + AT_ONCE] for start in range(0, len(suite.items), AT_ONCE))
        return tuple(request for items in chunks for request in self._requests(suite, items))

    def _requests(self, suite: Suite, items: tuple[Item, ...]) -> Iterator[Request]:
        raw = suite.prompt is PromptStyle.RAW
        asked = [[_Asked(raw, *pair) for pair in self._texts(suite, item)] for item in items]
        ids = self._encoder.encode_all((text for one in asked for part in one for text in part.texts), add_special=raw)
        for item, parts in zip(items, asked, strict=True):
            yield self._request(suite, item, parts, ids)

    def _request(self, suite: Suite, item: Item, asked: list[_Asked], ids: dict[str, Tokens]) -> Request:
        room = suite.generation.max_new_tokens if suite.ask is Ask.GENERATE else 0
        if suite.ask is Ask.GENERATE:
            sequences: list[tuple[Tokens, Tokens]] = [(ids[asked[0].stem], ())]
        elif suite.ask is Ask.PERPLEXITY:
            sequences = self._windows(ids[asked[0].stem])
        else:
            sequences = [self._split(part, ids) for part in asked]
        fitting = [self._fit(suite, item, context, choice, room) for context, choice in sequences]
        contexts = tuple(context for context, _ in fitting)
        choices = () if suite.ask is Ask.GENERATE else tuple(choice for _, choice in fitting)
        alike = all(context == contexts[0] for context in contexts)
        parts: list[Any] = [list(map(_digest, contexts[:1] if alike else contexts)), list(map(_digest, choices))]
        return Request(
            item=item.id,
            prompt=contexts[0],
            choices=choices,
            contexts=() if alike else contexts,
            cut=sum(len(a) - len(b) for (a, _), (b, _) in zip(sequences, fitting, strict=True)),
            digest=digest_json([*parts, *self._settings(suite)]),
        )

    def _texts(self, suite: Suite, item: Item) -> list[tuple[str, str | None]]:
        """(context, continuation) for everything that is asked about an item; None where nothing is given."""
        if item.contexts:
            return list(zip(item.contexts, item.choices, strict=True))
        text = self._prompt(suite, item)
        return [(text, choice) for choice in item.choices] if suite.ask is Ask.CHOOSE else [(text, None)]

    def _prompt(self, suite: Suite, item: Item) -> str:
        if suite.prompt is PromptStyle.RAW:
            return "\n".join(message.content for message in item.messages)
        if not getattr(self.tokenizer, "chat_template", None):
            raise ModelError(
                f"suite {suite.name} asks through the chat template and the base has none. Use `prompt: raw`, or put a "
                "chat_template.jinja beside the tokenizer."
            )
        messages = [{"role": message.role, "content": message.content} for message in item.messages]
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except Exception as reason:
            raise ModelError(f"the chat template fails on item {item.id!r} of {suite.name}: {reason}") from reason

    def _split(self, asked: _Asked, ids: dict[str, Tokens]) -> tuple[Tokens, Tokens]:
        """Context ids and the choice's ids.

        As in lm-eval, a choice's ids are what the joint text has beyond the context's, since tokenizers merge across
        the cut, and an empty context is the prefix token.
        """
        if not asked.stem:
            return self._behind_prefix_token(self._encoder.encode(asked.joint, add_special=False))
        own = ids[asked.joint][len(ids[asked.stem]) :]
        return ids[asked.stem], own or self._encoder.encode(asked.joint[len(asked.stem) :], add_special=False)

    def _behind_prefix_token(self, ids: Tokens) -> tuple[Tokens, Tokens]:
        first = self.prefix_token
        return (ids[:1], ids[1:]) if ids[:1] == (first,) and len(ids) > 1 else ((first,), ids)

    def ends(self, suite: Suite) -> frozenset[int]:
        """Tokens that end a reply: the model's own, and stop texts that are special tokens, which no text shows."""
        added = self.tokenizer.added_tokens_decoder.items()
        return self.end_ids | {id_ for id_, one in added if one.special and one.content in suite.generation.stop}

    @property
    def prefix_token(self) -> int:
        """What stands before a text that begins at nothing: BOS, or the end of text where there is none."""
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, *sorted(self.end_ids)):
            if token is not None:
                return int(token)
        raise ModelError("the tokenizer has neither a BOS nor an EOS token, so a text cannot begin at nothing.")

    def _windows(self, text: Tokens) -> list[tuple[Tokens, Tokens]]:
        """Rolling windows of the context window's size, every token predicted once, as in lm-eval (context 1)."""
        size = self.context_window
        sequences: list[tuple[Tokens, Tokens]] = [((self.prefix_token,), text[:size])]
        done = size
        while done < len(text):
            stop = min(done + size, len(text))
            start = stop - size - 1
            sequences.append((text[start:done], text[done:stop]))
            done = stop
        return sequences

    def _fit(self, suite: Suite, item: Item, context: Tokens, choice: Tokens, room: int) -> tuple[Tokens, Tokens]:
        """The sequence if it fits; else its end where the suite says so, or a refusal.

        The last token of a choice predicts nothing, so one more than the window fits.
        """
        if not context or (suite.ask is not Ask.GENERATE and not choice):
            raise BackendError(f"item {item.id!r} of {suite.name} renders to no token at all.")
        limit = self.context_window - room if room else self.context_window + 1
        excess = len(context) + len(choice) - limit
        if excess <= 0:
            return context, choice
        if suite.truncate and len(context) > excess:
            return context[excess:], choice
        raise BackendError(
            f"item {item.id!r} of {suite.name} needs {len(context)} + {len(choice) or room} tokens and the context "
            f"window holds {self.context_window}. Shorten the item"
            + (", or lower generation.max_new_tokens." if room else ".")
        )

    def _settings(self, suite: Suite) -> list[Any]:
        if suite.ask is not Ask.GENERATE:
            return [suite.ask.value]
        g = suite.generation
        sampling = [str(g.temperature), str(g.top_p), g.seed, g.repeats] if g.temperature else []
        closing = ["until its JSON document closes"] if ends_with_its_document(suite) else []
        return [suite.ask.value, g.max_new_tokens, list(g.stop), sorted(self.end_ids), *sampling, *closing]


def _digest(tokens: Tokens) -> str:
    """SHA-256 over the ids as 32-bit little-endian numbers."""
    ids = array("I", tokens)
    if sys.byteorder == "big":
        ids.byteswap()
    return hashlib.sha256(ids.tobytes()).hexdigest()


class _Asked:
    """A context and what stands behind it, as the texts to tokenise: white space at the cut belongs to the choice.

    All of it for raw text, as in lm-eval; a chat template's last line break stays with the prompt.
    """

    def __init__(self, raw: bool, context: str, choice: str | None) -> None:
        self.stem = context
        if choice is not None:
            self.stem = context.rstrip() if raw else context.rstrip(" ")
        self.joint = context + (choice or "")

    @property
    def texts(self) -> tuple[str, str]:
        return self.stem, self.joint
