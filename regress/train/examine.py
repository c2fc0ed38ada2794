"""What the model will really see: rows as tokens, those that are cut, and whether the end of a reply is among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from regress.errors import TrainingError
from regress.schema import Message
from regress.train.data import Example

AT_ONCE = 1000
IGNORED = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens of the examples: the longest, how many exceed max_length, and how many of those lose their whole reply."""

    longest: int
    cut: int
    without_reply: int


def rows(examples: Sequence[Example], *, chat: bool) -> Iterator[dict[str, Any]]:
    """Rows as TRL takes them: messages where there is a chat template, else plain text."""
    for example in examples:
        prompt = _dicts(example.prompt) if chat else "\n".join(message.content for message in example.prompt)
        if example.chosen:
            texts = {"chosen": example.chosen, "rejected": example.rejected}
        else:
            texts = {"completion": example.completion}
        replies = {name: [{"role": "assistant", "content": text}] if chat else text for name, text in texts.items()}
        yield {"prompt": prompt, **replies}


def _dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def measure(examples: Sequence[Example], tokenizer: Any, max_length: int) -> Lengths:
    """Length of every example behind its template; raises TrainingError where the template fails on one."""
    chat = bool(getattr(tokenizer, "chat_template", None))
    longest = cut = without = 0
    for start in range(0, len(examples), AT_ONCE):
        part = examples[start : start + AT_ONCE]
        texts = [_texts(example, tokenizer, chat) for example in part]
        prompts = _counts([prompt for prompt, _ in texts], tokenizer, chat)
        wholes = _counts([whole for _, whole in texts], tokenizer, chat)
        longest = max(longest, *wholes)
        cut += sum(length > max_length for length in wholes)
        without += sum(length >= max_length for length in prompts)
    return Lengths(longest=longest, cut=cut, without_reply=without)


def _texts(example: Example, tokenizer: Any, chat: bool) -> tuple[str, str]:
    """Prompt, and prompt with its longest reply."""
    reply = max(example.completion, example.chosen, example.rejected, key=len)
    if not chat:
        prompt = "\n".join(message.content for message in example.prompt)
        return prompt, prompt + reply
    messages = _dicts(example.prompt)
    try:
        return (
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True),
            tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": reply}], tokenize=False),
        )
    except Exception as reason:
        raise TrainingError(f"the chat template fails on the row of line {example.line}: {reason}") from reason


def _counts(texts: list[str], tokenizer: Any, chat: bool) -> list[int]:
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=not chat)["input_ids"]]


def sentences(lengths: Lengths, count: int, max_length: int) -> list[str]:
    """What to say of them; raises TrainingError where nothing is left to learn."""
    if lengths.without_reply == count:
        raise TrainingError(
            f"every prompt alone fills max_length ({max_length} tokens), so no reply is left to learn. Raise "
            f"train.max_length (the longest row has {lengths.longest:,} tokens)."
        )
    if not lengths.cut:
        return []
    gone = f", {lengths.without_reply:,} of them before their reply begins" if lengths.without_reply else ""
    return [
        f"{lengths.cut:,} of {count:,} rows exceed max_length ({max_length} tokens) and are cut{gone}: they teach "
        f"replies without an end. The longest has {lengths.longest:,} tokens."
    ]


def ends_learned(dataset: Iterable[dict[str, Any]], ends: Collection[int]) -> tuple[int, int]:
    """(examples in which an end token is learned, all) of the tokenised examples that the trainer holds."""
    learned = total = 0
    for example in dataset:
        total += 1
        labels = example.get("labels", example.get("chosen_ids", ()))
        learned += any(token in ends for token in labels if token != IGNORED)
    return learned, total


def end_sentence(learned: int, total: int) -> str | None:
    """What to say where the end of replies is not learned, or not always."""
    if learned == total:
        return None
    if not learned:
        return (
            "no example teaches an end token: what is trained will not know when to stop. Let the chat template close "
            "the assistant's turn with the token that ends generation."
        )
    return f"{total - learned:,} of {total:,} examples teach no end token, as far as they are not cut."
