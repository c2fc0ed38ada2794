"""One row of training data, whatever shape it came in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from regress.schema import Message


class Form(StrEnum):
    """The shapes that rows come in."""

    PROMPT = "prompt and completion"
    INSTRUCTION = "instruction and output"  # Alpaca
    MESSAGES = "messages"  # OpenAI and ShareGPT
    LABEL = "text and label"
    PAIR = "a preference pair"
    TEXT = "text alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row teaches. `turns` is the whole conversation, with what is to be learned in the assistant's turns.

    Of a preference pair the last turn is the chosen reply; `rejected` is the other one. Turns of tools have the role
    `tool`: nobody asks or learns them.
    """

    number: int  # line (JSON Lines, CSV) or count from 1
    form: Form
    turns: tuple[Message, ...]
    rejected: str | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """What users say, turn by turn."""
        return tuple(turn.content for turn in self.turns if turn.role == "user")

    @property
    def prompt(self) -> str:
        """What the last reply answers: the user's last words, without the system's."""
        asked = self.asked
        return asked[-1] if asked else ""

    @property
    def replies(self) -> tuple[str, ...]:
        return tuple(turn.content for turn in self.turns if turn.role == "assistant")

    @property
    def reply(self) -> str:
        """The last one: the completion, the label, the chosen reply."""
        return self.turns[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A row that cannot be read."""

    number: int
    reason: str


class RowFault(Exception):
    """Why a row cannot be read: half a sentence, to stand behind `path:line: `."""
