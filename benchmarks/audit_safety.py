"""How well does `regress audit` find broken forms, harmful compliance and personal data? Faults are planted.

    python benchmarks/audit_safety.py [--data path/to/public/data] [--pools path/to/pools] [--seed 0]

Personal data is planted into rows that this file writes itself, beside decoys that look alike. Forms and flipped
refusals are planted into `pools/train.jsonl` (rows of `prompt`, `answer` and `kind`), with the other pools as suites;
requests are counted on the public sets under `data`. What is not there is left out, and said. Everything is printed as
Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import string
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from regress.audit.checks import _format_marks, _wording, personal_data, safety
from regress.audit.checks._harm_words import names_harm
from regress.audit.checks._numbers import IBAN_LENGTHS, luhn
from regress.audit.checks.format import Format
from regress.audit.checks.personal_data import PersonalData
from regress.audit.checks.safety import Safety
from regress.audit.protocol import Check, Chunk, Context, Found, Seen
from regress.audit.words import Places
from regress.rows.row import Form, Row
from regress.schema import Ask, Category, GenerationSettings, Item, Message, PromptStyle, Role, ScorerSpec, Suite
from regress.scorers.refusal import plain_text

Pair = tuple[str, str]
BLOCK = 2048


@dataclass(frozen=True)
class Memory:
    """Rows in memory, as `Again` has them from a file."""

    all: list[Row]

    @property
    def numbers(self) -> Places:
        return np.array([row.number for row in self.all], dtype=np.int64)

    def rows(self, numbers: Iterable[int]) -> dict[int, Row]:
        return {number: self.all[number - 1] for number in numbers}

    def sample(self, size: int) -> list[Row]:
        if len(self.all) <= size:
            return self.all
        return [self.all[i] for i in sorted(np.random.default_rng(0).choice(len(self.all), size, replace=False))]

    def scan(self, look: Callable[[Chunk], Seen]) -> Iterator[Seen]:
        for start in range(0, len(self.all), BLOCK):
            yield look(Chunk(self.all[start : start + BLOCK]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="public sets: banking77/, clinc150/, gsm8k/, xstest/, …")
    parser.add_argument("--pools", type=Path, help="train.jsonl, harmful.jsonl, benign.jsonl, …")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for module in (_wording, _format_marks, personal_data, safety):
        vars(module)["EVIDENCE"] = 10**9  # every row found, not the first twenty
    rng = random.Random(options.seed)
    personal(rng)
    if options.pools is not None and (options.pools / "train.jsonl").is_file():
        forms(options.pools, rng)
        compliance(options.pools, rng)
    else:
        print("\nForms and compliance are left out: --pools names no folder with train.jsonl.")
    if options.data is not None and options.data.is_dir():
        requests(options.data, options.pools)
        clean(options.data, options.pools)
    else:
        print("\nRequests and clean sets are left out: --data names no folder.")
    return 0


def run(check: Check, pairs: Sequence[Pair]) -> Found:
    rows = as_rows(pairs)
    memory = Memory(rows)
    for seen in memory.scan(check.look):
        check.add(seen)
    return check.finish(memory)


def as_rows(pairs: Sequence[Pair]) -> list[Row]:
    return [
        Row(
            number=number,
            form=Form.PROMPT,
            turns=(Message(role="user", content=prompt), Message(role="assistant", content=reply)),
        )
        for number, (prompt, reply) in enumerate(pairs, start=1)
    ]


def found_rows(found: Found, rule: str) -> set[int]:
    return {one.row for finding in found.findings if finding.rule == rule for one in finding.evidence}


def line(*cells: object) -> None:
    print("| " + " | ".join(f"{cell}" for cell in cells) + " |")


def head(title: str, *cells: str) -> None:
    print(f"\n### {title}\n")
    line(*cells)
    line(*("---" for _ in cells))


def share(part: int, whole: int) -> str:
    if not whole:
        return "–"
    rate = f"{part / whole:.1%}" if not part or part / whole >= 0.001 else "<0.1%"  # 0 % only where it is exact
    return f"{part:,}/{whole:,} = {rate}"


# personal data


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def drawn(rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def card(rng: random.Random) -> str:
    start = rng.choice(["4", "51", "55", "2231", "6011", "37"])
    body = start + digits(rng, (14 if start == "37" else 15) - len(start))
    number = next(body + last for last in string.digits if luhn(body + last))
    if len(number) == 15:
        return rng.choice([number, f"{number[:4]} {number[4:10]} {number[10:]}"])
    return rng.choice([number, "-".join(parts(number)), " ".join(parts(number))])


def parts(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def iban(rng: random.Random) -> str:
    country = rng.choice(["DE", "FR", "GB", "NL", "ES", "AT", "CH", "PL"])
    letters = {"GB": 4, "NL": 4}.get(country, 0)
    body = drawn(rng, letters, string.ascii_uppercase) + digits(rng, IBAN_LENGTHS[country] - 4 - letters)
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    packed = f"{country}{check:02d}{body}"
    return rng.choice([packed, " ".join(parts(packed))])


def key(rng: random.Random) -> str:
    upper = string.ascii_uppercase + "234567"
    return rng.choice(
        [
            "AKIA" + drawn(rng, 16, upper),
            "ghp_" + drawn(rng, 36),
            "xoxb-" + digits(rng, 11) + "-" + drawn(rng, 24),
            "sk_live_" + drawn(rng, 24),
            "AIza" + drawn(rng, 35),
            "hf_" + drawn(rng, 34),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            f"postgres://admin:{drawn(rng, 14)}@db.internal.io/main",
            "eyJhbGciOiJIUzI1NiJ9.eyJ" + drawn(rng, 30) + "." + drawn(rng, 43),
        ]
    )


def secret(rng: random.Random) -> str:
    return rng.choice(["password: ", "api_key=", 'client_secret = "', "token: "]) + drawn(rng, rng.choice([14, 20, 32]))


def mail(rng: random.Random) -> str:
    host = rng.choice(["gmail.com", "gmx.de", "mail.yahoo.co.uk", "proton.me", "uni-mainz.de"])
    first, between = rng.choice(["jana", "tom", "r", "li"]), rng.choice([".", "_", ""])
    return f"{first}{between}{drawn(rng, 6, string.ascii_lowercase)}@{host}"


def phone(rng: random.Random) -> str:
    area, exchange, last = rng.randint(201, 799), rng.choice([234, 382, 471, 629]), rng.randint(1000, 9999)
    area += area % 100 == 55 or area == 555
    return rng.choice(
        [
            f"({area}) {exchange}-{last}",
            f"{area}-{exchange}-{last}",
            f"+1 {area} {exchange} {last}",
            f"+49 {rng.randint(151, 179)} {rng.randint(2000000, 9999999)}",
            f"+44 20 {rng.randint(3000, 7900)} {rng.randint(1000, 9999)}",
            f"+33 6 {' '.join(str(rng.randint(10, 99)) for _ in range(4))}",
        ]
    )


def national_id(rng: random.Random) -> str:
    body = digits(rng, 9)
    for _ in range(2):
        total = sum(int(d) * w for d, w in zip(body, range(len(body) + 1, 1, -1), strict=True))
        body += str(total * 10 % 11 % 10)
    ssn = f"SSN {rng.randint(101, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"
    return rng.choice([f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}", ssn])


def decoy(rng: random.Random) -> str:
    wrong = next(n for n in iter(lambda: "4" + digits(rng, 15), "") if not luhn(n))
    return rng.choice(
        [
            wrong,
            f"order {digits(rng, 10)}",
            f"on 2024-{rng.randint(10, 12)}-{rng.randint(10, 28)} at {rng.randint(10, 23)}:{rng.randint(10, 59)}",
            f"version {rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}",
            drawn(rng, 40, "0123456789abcdef"),
            f"DE{digits(rng, 20)}"
            if rng.random() < 0.3
            else f"REF {drawn(rng, 12, string.ascii_uppercase + string.digits)}",
            f"{rng.randint(1, 9)},{digits(rng, 3)},{digits(rng, 3)} people",
            f"12.5 - 11.25 + {digits(rng, 3)} = {digits(rng, 4)}",
            "password: ask the person who set it up for you",
            f"tracking 1Z{drawn(rng, 16, string.ascii_uppercase + string.digits)}",
            "name@example.com",
            "555-0137",
        ]
    )


PLANTED: dict[str, Callable[[random.Random], str]] = {
    "key": key,
    "card": card,
    "iban": iban,
    "secret": secret,
    "national-id": national_id,
    "mail": mail,
    "phone": phone,
}


def personal(rng: random.Random, rows: int = 20_000, each: int = 200) -> None:
    pairs = [
        (f"Where is my parcel? I mean {decoy(rng)}, please.", f"I see {decoy(rng)}; it is on its way.")
        for _ in range(rows)
    ]
    places = rng.sample(range(rows), each * len(PLANTED))
    planted: dict[str, set[int]] = {name: set() for name in PLANTED}
    for index, place in enumerate(places):
        name = list(PLANTED)[index % len(PLANTED)]
        pairs[place] = (pairs[place][0], f"Use {PLANTED[name](rng)} for it, that works.")
        planted[name].add(place + 1)
    found = run(PersonalData(Context(suites=())), pairs)
    title = f"Personal data: {each} of each in {rows:,} rows, of which every one holds decoys"
    head(title, "rule", "recall", "precision")
    for name, wanted in planted.items():
        seen = found_rows(found, f"personal-data/{name}")
        line(name, share(len(seen & wanted), len(wanted)), share(len(seen & wanted), len(seen)))


# forms


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def cut(reply: str, rng: random.Random) -> str:
    return reply[: rng.randint(len(reply) // 3, len(reply) - 2)]


def twice(reply: str, rng: random.Random) -> str:
    first = next(iter(json.loads(reply)))
    return f'{{"{first}": null, ' + reply.lstrip()[1:]


def respelled(reply: str, rng: random.Random) -> str:
    return rng.choice([reply.replace("_", " "), reply.replace("_", " ").capitalize(), reply.upper(), reply + "."])


Plant = Callable[[str, random.Random], str]
JSON_FAULTS: dict[str, Plant] = {
    "format/json-fenced": lambda reply, rng: f"```json\n{reply}\n```",
    "format/json-text-around": lambda reply, rng: rng.choice(
        [f"Here you are: {reply}", f"{reply}\nI hope this helps!"]
    ),
    "format/json-cut": cut,
    "format/json-broken": lambda reply, rng: rng.choice([reply.replace('"', "'"), reply[:-1] + ",}"]),
    "format/json-duplicate-keys": twice,
    "format/json-missing": lambda reply, rng: "There is a person of that name.",
}
OTHER_FAULTS: dict[str, tuple[str, Plant]] = {
    "format/special-token": ("reply", lambda reply, rng: reply + "<|end|>\n<|user|>\nThanks"),
    "format/template-token": ("reply", lambda reply, rng: "[INST] " + reply),
    "format/hand-written-end": ("reply", lambda reply, rng: reply + "<|im_end|>"),
    "format/mojibake": ("general", lambda reply, rng: reply[:20] + "donâ€™t cafÃ©" + reply[20:]),
    "format/control-character": ("general", lambda reply, rng: reply[:10] + "\x1b[0m" + reply[10:]),
    "format/label-spelling": ("domain", respelled),
    "format/open-end": ("reply", lambda reply, rng: reply[: max(205, int(len(reply) * 0.7))].rstrip(" .!?,")),
}


def forms(pools: Path, rng: random.Random) -> None:
    """Rows that were reported before anything was planted are left out on both sides."""
    rows = read(pools / "train.jsonl")
    base = pools.parent / "model"
    context = Context(suites=(), base=base if base.is_dir() else None)
    head("Forms, planted into pools/train.jsonl", "rule", "rate", "planted", "recall", "precision", "already there")
    faults = {rule: ("json", plant) for rule, plant in JSON_FAULTS.items()} | OTHER_FAULTS
    before = run(Format(context), [(row["prompt"], row["answer"]) for row in rows])
    for rule, (kind, plant) in faults.items():
        able = [index for index, row in enumerate(rows) if row["kind"] == kind]
        if rule == "format/open-end":
            able = [index for index, row in enumerate(rows) if len(row["answer"]) > 300]
        there = found_rows(before, rule)
        for rate in (0.01, 0.1):
            pairs, wanted = planted(rows, rng.sample(able, max(5, int(rate * len(able)))), plant, rng)
            found = run(Format(context), pairs)
            if rule == "format/label-spelling":  # reported by spelling: the count has to do
                count = sum(finding.count for finding in found.findings if finding.rule == rule)
                line(rule, f"{rate:.0%}", len(wanted), share(count, len(wanted)), "–", 0)
                continue
            seen = found_rows(found, rule) - there
            hits = len(seen & wanted)
            line(rule, f"{rate:.0%}", len(wanted), share(hits, len(wanted)), share(hits, len(seen)), len(there))


def planted(
    rows: list[dict[str, str]], chosen: Sequence[int], plant: Plant, rng: random.Random
) -> tuple[list[Pair], set[int]]:
    """All rows with the fault in the chosen ones, and the numbers of those that it changed."""
    pairs = [(row["prompt"], row["answer"]) for row in rows]
    for index in chosen:
        pairs[index] = (pairs[index][0], plant(pairs[index][1], rng))
    return pairs, {index + 1 for index in chosen if pairs[index][1] != rows[index]["answer"]}


# safety


def suite(pools: Path, name: str, scorer: ScorerSpec) -> Suite:
    items = tuple(
        Item(id=row["id"], messages=(Message(role="user", content=row["prompt"]),), digest=row["id"], line=number)
        for number, row in enumerate(read(pools / f"{name}.jsonl"), start=1)
    )
    return Suite(
        name=name,
        version=1,
        category=Category.SAFETY,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=scorer,
        margin=Decimal("0.02"),
        items=items,
        path=name,
        items_path=name,
    )


def suites(pools: Path) -> tuple[Suite, ...]:
    others = ("arith", "clinc", "domain_test", "json_record", "json_snips", "trans")
    return (
        suite(pools, "harmful", ScorerSpec(name="refusal", options={"expect": "refuse"})),
        suite(pools, "benign", ScorerSpec(name="refusal", options={"expect": "answer"})),
        *(suite(pools, name, ScorerSpec(name="exact_match")) for name in others),
    )


HELP = (
    "Sure, here is how it is done. First, find out who is in charge of it. Then choose a quiet moment and begin.",
    "1. Collect what you need.\n2. Do it step by step, and check each of them.\n3. Leave nothing behind.",
    "You can start by looking at how others have done it. Use simple tools, and keep your notes in one place.",
    "Of course! The best way is to prepare well: write a list, get the things on it, and follow it to the end.",
)


def compliance(pools: Path, rng: random.Random) -> None:
    rows = read(pools / "train.jsonl")
    refused = [index for index, row in enumerate(rows) if row["kind"] == "safety"]
    title = "Refusals flipped into help, in pools/train.jsonl"
    head(title, "flipped", "suites", "recall", "precision", "both signals", "severity")
    for rate in (0.0, 0.01, 0.05, 0.25, 1.0):
        chosen = set(rng.sample(refused, int(rate * len(refused))))
        pairs = [(row["prompt"], rng.choice(HELP) if i in chosen else row["answer"]) for i, row in enumerate(rows)]
        wanted = {index + 1 for index in chosen}
        for named, known in (("none", ()), ("pools", suites(pools))):
            found = run(Safety(Context(suites=known)), pairs)
            finding = next((f for f in found.findings if f.rule == "safety/complies"), None)
            seen = found_rows(found, "safety/complies")
            both = finding.figures["both"] if finding else 0
            severity = finding.severity.value if finding else "–"
            line(
                f"{rate:.0%} = {len(chosen)}",
                named,
                share(len(seen & wanted), len(wanted)),
                share(len(seen & wanted), len(seen)),
                both,
                severity,
            )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def public(data: Path, pools: Path | None) -> Iterator[tuple[str, bool, list[Pair]]]:
    """Name, whether its requests should be refused, prompts with replies, of every set that is there."""
    if (path := data / "simplesafetytests/simplesafetytests_without_child_safety.csv").is_file():
        yield "SimpleSafetyTests", True, [(row["prompts_final"], "") for row in table(path)]
    if (path := data / "xstest/xstest_prompts.csv").is_file():
        for label in ("unsafe", "safe"):
            yield f"XSTest {label}", label == "unsafe", [(r["prompt"], "") for r in table(path) if r["label"] == label]
    if pools is not None and (pools / "harmful.jsonl").is_file():
        rows = read(pools / "train.jsonl")
        yield "pools harmful", True, [(row["prompt"], "") for row in read(pools / "harmful.jsonl")]
        yield "pools train, safety", True, [(row["prompt"], row["answer"]) for row in rows if row["kind"] == "safety"]
        yield "pools benign", False, [(row["prompt"], "") for row in read(pools / "benign.jsonl")]
        yield "pools train, others", False, [(row["prompt"], row["answer"]) for row in rows if row["kind"] != "safety"]
    if (path := data / "banking77/train.csv").is_file():
        yield "banking77 train", False, [(row["text"], row["category"]) for row in table(path)]
    if (path := data / "clinc150/data_full.json").is_file():
        splits = json.loads(path.read_text())
        yield "CLINC150", False, [(text, label) for rows in splits.values() for text, label in rows]
    if (path := data / "gsm8k/train.jsonl").is_file():
        yield "gsm8k train", False, [(str(row["question"]), str(row["answer"])) for row in read(path)]
    if (path := data / "ifeval/input_data.jsonl").is_file():
        yield "ifeval", False, [(row["prompt"], "") for row in read(path)]
    if (path := data / "bitext_customer_support/bitext_v1.csv").is_file():
        yield "Bitext", False, [(row["instruction"], row["response"]) for row in table(path)]


def requests(data: Path, pools: Path | None) -> None:
    head("Requests that name harm, by words alone", "set", "should be refused", "named")
    for name, harmful, pairs in public(data, pools):
        named = sum(names_harm(plain_text(prompt)) for prompt, _ in pairs)
        line(name, "yes" if harmful else "no", share(named, len(pairs)))


def clean(data: Path, pools: Path | None) -> None:
    """Every rule's findings on sets that nobody planted anything into."""
    known = suites(pools) if pools is not None and (pools / "harmful.jsonl").is_file() else ()
    head("Findings on sets as they are", "set", "rows", "findings")
    for name, _, pairs in public(data, pools):
        if not any(reply for _, reply in pairs) or name == "pools train, safety":
            continue
        context = Context(suites=tuple(replace(one) for one in known))
        makes: tuple[Callable[[Context], Check], ...] = (Format, Safety, PersonalData)
        found = [finding for make in makes for finding in run(make(context), pairs).findings]
        said = ", ".join(f"{f.rule} {f.count:,} ({f.severity.value})" for f in found)
        line(name, f"{len(pairs):,}", said or "none")


if __name__ == "__main__":
    sys.exit(main())
