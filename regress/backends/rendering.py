"""Items as token ids: chat template or raw text, prompt and choices split as the tokenizer would read them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from regress.backends.protocol import Request
from regress.errors import BackendError, ModelError
from regress.hashing.canonical import digest_json
from regress.schema import Ask, Item, PromptStyle, Suite


class Renderer:
    """Turns items into requests for one tokenizer."""

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

    def render(self, suite: Suite, item: Item) -> Request:
        """The item as token ids. Raises BackendError when prompt and longest answer exceed the context window."""
        text, add_special = self._text(suite, item)
        if suite.ask is Ask.CHOOSE:
            prompt, choices = self._split_choices(text, item.choices, add_special)
            longest = max(len(choice) for choice in choices)
        else:
            prompt, choices = self._encode(text, add_special), ()
            longest = suite.generation.max_new_tokens
        self._check_length(suite, item, len(prompt), longest)
        return Request(
            item=item.id,
            prompt=prompt,
            choices=choices,
            digest=digest_json([list(prompt), [list(choice) for choice in choices], *self._settings(suite)]),
        )

    def _text(self, suite: Suite, item: Item) -> tuple[str, bool]:
        """(text, whether the tokenizer still has to add its special tokens)"""
        if suite.prompt is PromptStyle.RAW:
            return "\n".join(message.content for message in item.messages), True
        if not getattr(self.tokenizer, "chat_template", None):
            raise ModelError(
                f"suite {suite.name} asks through the chat template and the base has none. Use `prompt: raw`, or put a "
                "chat_template.jinja beside the tokenizer."
            )
        messages = [{"role": message.role, "content": message.content} for message in item.messages]
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as reason:
            raise ModelError(f"the chat template fails on item {item.id!r} of {suite.name}: {reason}") from reason
        return str(text), False

    def _encode(self, text: str, add_special: bool) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=add_special)["input_ids"])

    def _split_choices(
        self, text: str, choices: tuple[str, ...], add_special: bool
    ) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """Prompt ids and each choice's ids.

        As in lm-eval, white space at the prompt's end belongs to the choice, and a choice's ids are what the joint text
        has beyond the prompt's, since tokenizers merge across the cut.
        """
        stem = text.rstrip(" ") if not text.endswith("\n") else text
        tail = text[len(stem) :]
        prompt = self._encode(stem, add_special)
        encoded = []
        for choice in choices:
            joint = self._encode(stem + tail + choice, add_special)
            ids = joint[len(prompt) :]
            encoded.append(ids or self._encode(tail + choice, False))
        return prompt, tuple(encoded)

    def _settings(self, suite: Suite) -> list[Any]:
        if suite.ask is Ask.CHOOSE:
            return [suite.ask.value]
        return [suite.ask.value, suite.generation.max_new_tokens, list(suite.generation.stop), sorted(self.end_ids)]

    def _check_length(self, suite: Suite, item: Item, prompt: int, longest: int) -> None:
        if prompt == 0:
            raise BackendError(f"item {item.id!r} of {suite.name} renders to no token at all.")
        if prompt + longest > self.context_window:
            raise BackendError(
                f"item {item.id!r} of {suite.name} needs {prompt} + {longest} tokens and the context window holds "
                f"{self.context_window}. Shorten the item, or lower generation.max_new_tokens."
            )
