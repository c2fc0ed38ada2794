"""How the data is spread: lengths, languages, labels, how many different things it asks and answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from regress.audit.answers import Answers, together
from regress.audit.checks import _balance, _features
from regress.audit.checks._language import UNKNOWN, language
from regress.audit.checks._phrases import Phrase, phrases
from regress.audit.protocol import Again, Chunk, Context, Found
from regress.audit.words import Hashes, Texts, key
from regress.rows.row import Row
from regress.schema import Evidence, Finding, Measure, Severity, Suite

SAMPLE = 4_000  # rows whose language and n-grams are looked at
SHOWN = 20
MASKED = 16  # words at either end of a prompt in which names and numbers are masked
MIN_ROWS = 100  # below it shares say little

Counts = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What is kept of rows: 17 bytes each beside their answers, and the first of those that hold a phrase."""

    asked: Counts  # (rows,) words
    replied: Counts  # (rows,) words
    masked: Hashes  # (rows,) key of the prompt without names and numbers
    answers: Answers
    held: Counter[Phrase] = field(default_factory=Counter)
    examples: tuple[tuple[Phrase, int], ...] = ()  # with row numbers


class Distribution:
    """Figures of the whole, and findings where the spread will hurt."""

    name: ClassVar[str] = "distribution"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._suites = context.suites
        self._parts: list[Spread] = []

    def look(self, chunk: Chunk) -> Spread:
        said = [(kind, row.number) for row in chunk.rows for kind in phrases(row.reply)]
        return Spread(
            asked=np.diff(chunk.prompts.starts).astype(np.uint32),
            replied=np.diff(chunk.replies.starts).astype(np.uint32),
            masked=np.array([key(masked(row.prompt)) for row in chunk.rows], dtype=np.uint64),
            answers=chunk.answers,
            held=Counter(kind for kind, _ in said),
            examples=tuple(said[:SHOWN]),
        )

    def add(self, seen: Spread) -> None:
        self._parts.append(seen)

    def finish(self, again: Again) -> Found:
        whole = _together(self._parts)
        sample = again.sample(SAMPLE)
        labels = _balance.balance(whole.answers)
        spoken = Counter(language(row.prompt or row.reply) for row in sample)
        figures = {**_lengths(whole), **_variety(whole, sample), **_shares(whole)}
        figures |= {f"distribution.language.{name}": round(n / len(sample), 4) for name, n in spoken.most_common()}
        if labels is not None:
            figures |= {
                "distribution.labels": len(labels.counts),
                "distribution.label_rows": labels.rows,
                "distribution.label_lopsided": round(labels.lopsided, 2),
                "distribution.label_imbalance": round(labels.counts[0] / labels.counts[-1], 2),
            }
        findings: list[Finding] = []
        if len(whole.asked) >= MIN_ROWS:
            findings += [*_few_replies(whole, again), *_few_prompts(whole, again), *_long_tail(whole, again)]
            findings += [*_phrased(whole), *_languages(spoken, self._suites)]
        if labels is not None:
            findings += _balance.findings(labels, whole.answers, self._suites, again)
        spread = _features.coverage(self._context, again)
        return Found(findings=tuple(findings), figures={**figures, **spread.figures}, skipped=spread.skipped)


def masked(prompt: str) -> str:
    """The prompt with words at its ends masked that look like a name or hold a digit, unless little else is left.

    What varies in the middle of a long prompt varies for good: an instruction before it does not make it a template.
    """
    tokens = prompt.split()
    first, middle, last = tokens[:MASKED], tokens[MASKED:-MASKED], tokens[MASKED:][-MASKED:]
    kept = [_masked(token) for token in (*first, *last)]
    if 2 * kept.count("#") > len(kept):
        return " ".join(tokens)
    return " ".join((*kept[: len(first)], *middle, *kept[len(first) :]))


def _masked(token: str) -> str:
    if token.isalpha():
        return "#" if token[0].isupper() else token
    core = token.strip(".,:;!?()[]'\"")
    return "#" if core[:1].isupper() or any(map(str.isdigit, core)) else core


def _together(parts: list[Spread]) -> Spread:
    held: Counter[Phrase] = Counter()
    for part in parts:
        held += part.held
    return Spread(
        asked=np.concatenate([part.asked for part in parts]),
        replied=np.concatenate([part.replied for part in parts]),
        masked=np.concatenate([part.masked for part in parts]),
        answers=together([part.answers for part in parts]),
        held=held,
        examples=tuple(example for part in parts for example in part.examples),
    )


def _lengths(whole: Spread) -> dict[str, Measure]:
    figures: dict[str, Measure] = {}
    for name, counts in (("prompt", whole.asked), ("reply", whole.replied)):
        figures[f"distribution.{name}_words_median"] = float(np.median(counts))
        figures[f"distribution.{name}_words_p95"] = float(np.percentile(counts, 95))
        figures[f"distribution.{name}_words_max"] = int(counts.max())
    return figures


def _variety(whole: Spread, sample: list[Row]) -> dict[str, Measure]:
    """Distinct wholes of all rows, and distinct runs of three words of a sample, since that share falls with size."""
    return {
        "distribution.distinct_prompts": len(np.unique(whole.masked)),
        "distribution.distinct_replies": whole.answers.distinct,
        "distribution.prompt_trigrams": _distinct_trigrams([row.prompt for row in sample]),
        "distribution.reply_trigrams": _distinct_trigrams([row.reply for row in sample]),
    }


def _distinct_trigrams(texts: list[str]) -> float | None:
    grams = Texts(texts).ngrams(3)[0]
    return round(len(np.unique(grams)) / len(grams), 4) if len(grams) else None


def _shares(whole: Spread) -> dict[str, Measure]:
    return {f"distribution.{kind}": round(whole.held[kind] / len(whole.asked), 4) for kind in Phrase}


LONG_REPLY = 8
"""Words from which a reply is a text that can be recited, not a label."""

RECITED = 0.25
RECITED_ROWS = 5  # that a long reply stands in, word for word, to count


def _few_replies(whole: Spread, again: Again) -> list[Finding]:
    """Long replies that stand there again and again are learned by heart, whatever is asked."""
    counts = whole.answers.counts[whole.answers.groups]
    recited = (whole.replied >= LONG_REPLY) & (counts >= RECITED_ROWS)
    share = float(recited.mean())
    if share < RECITED:
        return []
    texts = np.unique(whole.answers.groups[recited])
    most = texts[np.lexsort((whole.answers.firsts[texts], -whole.answers.counts[texts]))]
    rows = int(np.count_nonzero(recited))
    return [
        Finding(
            rule="distribution/few-replies",
            severity=Severity.WARN,
            title=f"{len(texts):,} distinct replies in {rows:,} rows: the model will recite",
            detail="It learns which of these texts to bring out, not to answer; anything the texts do not cover gets "
            "one of them all the same, and a suite that asks similar questions will not show it.",
            advice="If choosing among fixed texts is the task, train a label for each text instead; if not, have the "
            "replies written for their questions.",
            count=rows,
            of=len(whole.asked),
            harm=share,
            evidence=tuple(
                Evidence(
                    row=int(again.numbers[whole.answers.firsts[text]]),
                    text="",
                    detail=f"this reply stands in {whole.answers.counts[text]:,} rows",
                )
                for text in most[:SHOWN]
            ),
            figures={"distinct": len(texts)},
        )
    ]


REPEATED = 0.5
"""Share of rows that ask what an earlier one asked, names and numbers aside, above which the prompts are a template."""


def _few_prompts(whole: Spread, again: Again) -> list[Finding]:
    _, firsts, counts = np.unique(whole.masked, return_index=True, return_counts=True)
    total = len(whole.masked)
    repeated = 1.0 - len(counts) / total
    if repeated < REPEATED or not whole.asked.any():
        return []
    most = np.lexsort((firsts, -counts))[:SHOWN]
    return [
        Finding(
            rule="distribution/few-prompts",
            severity=Severity.WARN,
            title=f"{len(counts):,} distinct prompts in {total:,} rows once names and numbers are masked",
            detail="Few ways of asking are taught many times; other wordings of the same question stay unlearned.",
            advice="Reword what repeats, or keep fewer rows of each template; watch a suite asked in other words.",
            count=total - len(counts),
            of=total,
            harm=repeated / 2.0,
            evidence=tuple(
                Evidence(row=int(again.numbers[firsts[one]]), text="", detail=f"{counts[one]:,} rows ask like this")
                for one in most
            ),
            figures={"distinct": len(counts)},
        )
    ]


HEAVY = 0.3
"""Share of all reply words in the longest hundredth of the rows that is worth a word."""


def _long_tail(whole: Spread, again: Again) -> list[Finding]:
    """A loss averaged over tokens listens to long replies most."""
    longest = np.argsort(-whole.replied.astype(np.int64), kind="stable")[: max(1, len(whole.replied) // 100)]
    share = float(whole.replied[longest].sum() / max(1, whole.replied.sum()))
    if share < HEAVY:
        return []
    return [
        Finding(
            rule="distribution/long-tail",
            severity=Severity.NOTE,
            title=f"the longest {len(longest):,} replies hold {share:.0%} of all words that are learned",
            detail="A loss averaged over tokens listens to them far more than to the rest.",
            advice="See whether they are what they should be: dumps, logs and pasted pages end up here.",
            count=len(longest),
            of=len(whole.replied),
            harm=share / 10.0,
            evidence=tuple(
                Evidence(row=int(again.numbers[one]), text="", detail=f"{whole.replied[one]:,} words")
                for one in longest[:SHOWN]
            ),
        )
    ]


SAID: dict[Phrase, tuple[float, Severity, str]] = {
    Phrase.SELF: (0.005, Severity.WARN, "speak of themselves as a language model"),
    Phrase.APOLOGY: (0.10, Severity.NOTE, "apologise or decline"),
    Phrase.PADDING: (0.25, Severity.NOTE, "greet the question or offer more help"),
}
"""From which share of rows a kind of phrase is worth a word, which, and how it is said."""


def _phrased(whole: Spread) -> list[Finding]:
    findings = []
    for kind, (least, severity, words) in SAID.items():
        count, of = whole.held[kind], len(whole.asked)
        if count < max(3, least * of):
            continue
        findings.append(
            Finding(
                rule=f"distribution/{kind}",
                severity=severity,
                title=f"{count:,} replies ({count / of:.1%}) {words}",
                detail="A habit of the replies is learned before their content, and shows where nobody asked for it.",
                advice="Cut the phrase where it adds nothing; leave out rows that hold nothing else.",
                count=count,
                of=of,
                harm=count / of / 4.0,
                evidence=tuple(Evidence(row=row, text="") for seen, row in whole.examples if seen is kind)[:SHOWN],
            )
        )
    return findings


FOREIGN = 0.05


def _languages(spoken: Counter[str], suites: tuple[Suite, ...]) -> list[Finding]:
    """Suites in a language that hardly any training prompt is in."""
    known = sum(count for name, count in spoken.items() if name != UNKNOWN)
    findings = []
    for suite in suites:
        asked = Counter(language(item.prompt) for item in suite.items)
        del asked[UNKNOWN]
        if not asked or known < MIN_ROWS or asked.total() < len(suite.items) / 2:
            continue
        name, items = asked.most_common(1)[0]
        if spoken[name] >= FOREIGN * known:
            continue
        findings.append(
            Finding(
                rule="distribution/language",
                severity=Severity.WARN,
                title=f"{suite.name} asks in {name}, as {spoken[name] / known:.1%} of the training prompts do",
                detail="What is learned in one language carries over in part, and the other is lost first.",
                advice=f"Add rows in {name}, if users ask in it.",
                count=items,
                of=len(suite.items),
                harm=0.2,
                suite=suite.name,
            )
        )
    return findings
