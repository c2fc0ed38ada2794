"""Marks that do not belong into a text: a template's own tokens, control and hidden characters, broken encodings."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from regress.audit.checks._base import special_tokens
from regress.audit.checks._wording import EVIDENCE, Wording
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.scanning import Joined, Place
from regress.rows.row import Form
from regress.schema import Evidence, Finding, Severity
from regress.scorers._re2 import Scanner

TEMPLATE_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>", "<|end_of_text|>", "<|begin_of_text|>", "<|eot_id|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>",
    "<|start|>", "<|message|>", "<|return|>", "<|channel|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>",
    "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "[BOS]", "[EOS]", "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "### Instruction:", "### Response:",
)  # fmt: skip
"""Of the chat templates in use. `<s>` and `</s>` are HTML, too: they count at a text's ends, or as the base's own."""

ENDS = frozenset(
    (
        "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>", "<|return|>", "<end_of_turn>",
        "<eos>", "[EOS]", "</s>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>",
    )
)  # fmt: skip
MAX_MARK = 24  # characters of a mark that are shown
_EDGES = ("<s>", "</s>")
_OTHERS = {
    "control": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+",
    "mojibake": r"\xc3\x83\xc2[\x80-\xbf]|\xc3\xa2\xe2\x82\xac|\xc3\x82\xc2[\xa0-\xbf]|\xef\xbf\xbd",
    "entity": r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9A-Fa-f]{2,5});",
    "hidden": r"(?:\xe2\x80[\x8b\xaa-\xae]|\xe2\x81[\xa0\xa6-\xa9]|\xf3\xa0[\x80\x81][\x80-\xbf]|\xef\xbb\xbf)+",
}
"""UTF-8 read as bytes. Mojibake: Ã., â€, Â. and the replacement character. Hidden: zero-width space, direction
overrides and isolates, tag characters, byte order mark.
"""

Seen = tuple[int, dict[str, list[int]], dict[str, Counter[str]]]


@lru_cache(maxsize=4)
def _scanner(special: tuple[str, ...]) -> Scanner:
    tokens = sorted({*TEMPLATE_TOKENS, *_EDGES, *special}, key=len, reverse=True)
    either = "|".join(re.escape(token) for token in tokens)
    return Scanner({"token": either.encode().decode("latin-1"), **_OTHERS})


class Marks:
    """Rows by mark: few have any, so they are kept as numbers."""

    def __init__(self, context: Context) -> None:
        self._special = special_tokens(context.base)
        self._rows: dict[str, list[int]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._looked_at = 0

    def look(self, chunk: Chunk) -> Seen:
        rows: dict[str, set[int]] = {}
        counts: dict[str, Counter[str]] = {}
        texts = ["\n".join(turn.content for turn in row.turns) for row in chunk.rows]
        for place in Joined(texts).places(_scanner(self._special)):
            row = chunk.rows[place.owner]
            kind = self._kind(place, rendered=row.form is Form.TEXT)
            if kind is not None:
                rows.setdefault(kind, set()).add(row.number)
                counts.setdefault(kind, Counter())[place.text[:MAX_MARK]] += 1
        return len(chunk.rows), {kind: sorted(numbers) for kind, numbers in rows.items()}, counts

    def add(self, seen: Seen) -> None:
        self._looked_at += seen[0]
        for kind, numbers in seen[1].items():
            self._rows.setdefault(kind, []).extend(numbers)
            self._counts.setdefault(kind, Counter()).update(seen[2][kind])

    def finish(self, again: Again) -> Found:
        findings = [self._finding(kind) for kind in WORDINGS if kind in self._rows]
        return Found(findings=tuple(findings), figures={f"rows_with_{kind}": len(n) for kind, n in self._rows.items()})

    def _kind(self, place: Place, *, rendered: bool) -> str | None:
        if place.name != "token":
            return None if place.name == "hidden" and place.text == "\ufeff" and place.start else place.name
        if rendered:
            return None  # text alone brings its own template
        if place.end == place.length and place.text in ENDS:
            return "end"
        if place.text in _EDGES and place.text not in self._special and place.start > 0 and place.end < place.length:
            return None
        return "own_token" if place.text in self._special else "token"

    def _finding(self, kind: str) -> Finding:
        numbers = self._rows[kind]
        shown = ", ".join(f"{_shown(mark)} {count:,}×" for mark, count in self._counts[kind].most_common(6))
        evidence = tuple(Evidence(row=number, text="") for number in numbers[:EVIDENCE])
        more = f"Found: {shown}."
        if kind == "end" and len(numbers) < self._looked_at:
            more += f" The other {self._looked_at - len(numbers):,} rows have none, so the model sees both."
        return WORDINGS[kind].finding(numbers, self._looked_at, more=more, evidence=evidence)


def _shown(mark: str) -> str:
    return mark if mark.isprintable() and mark.strip() else " ".join(f"U+{ord(character):04X}" for character in mark)


_HOLDS = ("holds", "hold")
WORDINGS: dict[str, Wording] = {
    "own_token": Wording(
        "format/special-token", Severity.WARN, 1.0, _HOLDS, "one of the base's own special tokens within the text",
        "The tokenizer reads it as the token itself: a turn ends, or another one begins, in the middle of the row.",
        "Take the template out of the texts; the trainer renders it.",
    ),
    "token": Wording(
        "format/template-token", Severity.WARN, 0.5, _HOLDS, "tokens of a chat template within the text",
        "The base does not know them as tokens, so the model learns to write them out to users.",
        "Take the template out of the texts; the trainer renders it.",
    ),
    "end": Wording(
        "format/hand-written-end", Severity.WARN, 0.5, ("ends", "end"), "with an end token written by hand",
        "The trainer puts one there itself. Two ends teach a model to go on behind the first.",
        "Leave the end to the template and the trainer.",
    ),
    "control": Wording(
        "format/control-character", Severity.WARN, 0.3, _HOLDS, "control characters",
        "They are invisible, most tokenizers split words at them, and terminals obey them.",
        "Take them out; they come from copied terminals and broken exports.",
    ),
    "hidden": Wording(
        "format/hidden-character", Severity.WARN, 0.3, _HOLDS, "characters that nobody sees",
        "Zero-width, direction and tag characters change the tokens and not the looks: a known place for triggers.",
        "Take them out, and ask where the rows come from.",
    ),
    "mojibake": Wording(
        "format/mojibake", Severity.WARN, 0.5, _HOLDS, "letters broken by a wrong encoding",
        "The model learns to write them like this.",
        "Read the source again as UTF-8.",
    ),
    "entity": Wording(
        "format/html-entity", Severity.NOTE, 0.3, _HOLDS, "HTML entities such as &amp;",
        "Unless the task is HTML, the model learns to write them instead of the characters.",
        "Unescape the texts, html.unescape in Python.",
    ),
}  # fmt: skip
