"""When a reply ends: an end token, a stop text across token borders, a finished JSON document, a length.

Pure: tokens in, a reason out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regress.schema import Ask, Finish, Reply, Suite
from regress.strict_json import JsonFault, parse

JSON_SCORERS = frozenset({"json_schema", "json_equal"})
"""Scorers that fail a reply with anything behind its document, whatever it is."""

_WHITE = " \t\n\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ends the replies of a suite."""

    end_ids: frozenset[int]
    stops: tuple[str, ...]
    at_json_end: bool
    max_new_tokens: int

    @classmethod
    def of(cls, suite: Suite, end_ids: frozenset[int]) -> Ending:
        return cls(
            end_ids=end_ids,
            stops=suite.generation.stop,
            at_json_end=ends_with_its_document(suite),
            max_new_tokens=suite.generation.max_new_tokens,
        )


def ends_with_its_document(suite: Suite) -> bool:
    """Whether a reply may be cut once its JSON document is closed and the model goes on: it has failed by then."""
    return suite.ask is Ask.GENERATE and suite.scorer.name in JSON_SCORERS


class ReplyInProgress:
    """Tokens of one reply as they are chosen."""

    def __init__(self, ending: Ending, decode: Callable[[list[int]], str]) -> None:
        self.ids: list[int] = []
        self.finish: Finish | None = None
        self._ending = ending
        self._decode = decode
        self._shown = 0  # ids whose text is final
        self._read = 0  # ids from here on are decoded together with the next
        self._tail = ""  # the end of the text, as long as the longest stop text
        self._document = _Document() if ending.at_json_end else None

    def add(self, token: int) -> bool:
        """Take the next token; returns whether the reply is over (`finish` says why)."""
        self.ids.append(token)
        if token in self._ending.end_ids:
            self.finish = Finish.EOS
        elif (self._ending.stops or self._document) and (new := self._new_text()):
            self._look_at(new)
        if self.finish is None and len(self.ids) == self._ending.max_new_tokens:
            self.finish = Finish.LENGTH
        if self.finish in (Finish.EOS, Finish.LENGTH) and self._stops_in(self.text()):  # beside half a character
            self.finish = Finish.STOP
        return self.finish is not None

    def extend(self, tokens: Sequence[int]) -> bool:
        """Take several tokens at once; what stands behind the reply's end is not taken."""
        room = self._ending.max_new_tokens - len(self.ids)
        plain = len(tokens) < room and not self._ending.end_ids.intersection(tokens)
        if not plain or not self._added_quietly(tokens):
            any(self.add(token) for token in tokens)
        return self.finish is not None

    def _added_quietly(self, tokens: Sequence[int]) -> bool:
        """Take all tokens, none of which ends a reply by itself, unless their text does."""
        if not (self._ending.stops or self._document):
            self.ids += tokens
            return True
        ahead = copy.copy(self)
        ahead.ids, ahead._document = [*self.ids, *tokens], copy.copy(self._document)
        if not (new := ahead._new_text()):
            return False  # it ends in half a character, and may have ended before
        ahead._look_at(new)
        if ahead.finish is None:
            self.__dict__.update(ahead.__dict__)
        return ahead.finish is None

    def text(self) -> str:
        """The reply without its end token and cut before the first stop text."""
        whole = self._decode(self.ids[:-1] if self.finish is Finish.EOS else self.ids)
        if self.finish is not Finish.STOP:
            return whole
        return whole[: min(place for stop in self._ending.stops if (place := whole.find(stop)) >= 0)]

    def reply(self, prompt_tokens: int) -> Reply:
        """The finished reply."""
        return Reply(text=self.text(), finish=self.finish, prompt_tokens=prompt_tokens, reply_tokens=len(self.ids))

    def _new_text(self) -> str:
        """What the last token adds, once its characters are whole: a token may hold half of one."""
        before = self._decode(self.ids[self._read : self._shown])
        now = self._decode(self.ids[self._read :])
        if now.endswith("\ufffd"):
            return ""
        self._read, self._shown = self._shown, len(self.ids)
        return now[len(before) :]

    def _look_at(self, new: str) -> None:
        seen = self._tail + new
        if self._stops_in(seen) and self._stops_in(self._decode(self.ids)):  # pieces decoded apart can differ
            self.finish = Finish.STOP
        elif self._document is not None and self._document.goes_on(new):
            self.finish = Finish.CLOSED
        self._tail = seen[-max(map(len, self._ending.stops), default=0) :] if self._ending.stops else ""

    def _stops_in(self, text: str) -> bool:
        return any(stop in text for stop in self._ending.stops)


def together(samples: Sequence[Reply]) -> Reply:
    """The repeats of one request as one reply; a single one is itself."""
    if len(samples) == 1:
        return samples[0]
    return Reply(
        samples=tuple(samples),
        prompt_tokens=samples[0].prompt_tokens,
        reply_tokens=sum(sample.reply_tokens for sample in samples),
    )


class _Document:
    """A JSON document that a reply begins with. Anything else is never called closed, brackets in it or not."""

    def __init__(self) -> None:
        self._text = ""
        self._depth = 0
        self._begun = False
        self._other = False  # the reply begins with something else
        self._in_string = False
        self._escaped = False

    def goes_on(self, text: str) -> bool:
        """Read on; whether anything but white space stands behind the closed document."""
        if self._other:
            return False
        places = range(len(self._text), len(self._text) + len(text))
        self._text += text
        return any(self._read(character, place) for character, place in zip(text, places, strict=True))

    def _read(self, character: str, place: int) -> bool:
        if self._other:
            return False
        if self._in_string:
            self._in_string = self._escaped or character != '"'
            self._escaped = character == "\\" and not self._escaped
        elif not self._depth:
            if character in _WHITE:
                return False
            if self._begun:
                return True
            self._begun = character in "[{"
            self._other = not self._begun
            self._depth = int(self._begun)
        elif character == '"':
            self._in_string = True
        elif character in "[{":
            self._depth += 1
        elif character in "]}":
            self._depth -= 1
            self._other = not self._depth and not _is_document(self._text[: place + 1])
        return False


def _is_document(text: str) -> bool:
    try:
        parse(text.strip(_WHITE))
    except JsonFault:
        return False
    return True
