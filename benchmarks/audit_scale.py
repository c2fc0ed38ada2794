"""How an audit grows with the data: time, memory and CPU over 1,000 to 1,000,000 rows of 200 tokens.

Run as `python benchmarks/audit_scale.py [--rows 1000 10000 ...] [--workers 2] [--only CHECK ...] [--keep FOLDER]`. Rows
are written to a temporary file first: words by Zipf's law (Manning and Schütze 1999, section 1.4.3) from a vocabulary
of 50,000 made-up ones, a prompt of 60 and a reply of 90 of them, which is about 200 tokens and 1.2 kB. One row in 100
repeats an earlier one, one in 100 nearly. Two suites of 500 items of their own are held against them, 20 of which stand
in the data. Each point runs in a process of its own, so that memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import string
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # accelerate brings it

from regress.audit.auditing import Order, audit
from regress.audit.checks import CHECKS
from regress.audit.protocol import Context
from regress.rows.opening import open_source
from regress.schema import GenerationSettings, Item, Message, ScorerSpec, Suite
from regress.schema.words import Ask, Category, PromptStyle, Role
from regress.suite.audit_section import AuditSection

VOCABULARY, PROMPT, REPLY = 50_000, 60, 90
ITEMS, LEAKED = 500, 20
BATCH = 1_000


class Quiet:
    """Progress that nobody watches."""

    def during(self, text: str) -> AbstractContextManager[None]:
        return nullcontext()

    def start(self, what: str, total: int, done: int) -> None:
        pass

    def expect(self, done: int, total: int) -> None:
        pass

    def finish(self, unit: str = "") -> None:
        pass


class Writer:
    """Texts by Zipf's law, the same for a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        letters = np.array(list(string.ascii_lowercase))
        lengths = 2 + rng.poisson(4, VOCABULARY)
        self._words = ["".join(letters[rng.integers(26, size=length)]) for length in lengths]
        weights = 1 / (np.arange(VOCABULARY) + 2.7)
        self._sums = np.cumsum(weights / weights.sum())
        self._rng = rng

    def texts(self, count: int, length: int) -> list[str]:
        drawn = np.searchsorted(self._sums, self._rng.random((count, length)))
        return [self._sentences([self._words[min(word, VOCABULARY - 1)] for word in row]) for row in drawn.tolist()]

    def _sentences(self, words: list[str]) -> str:
        for place in range(0, len(words), 12):
            words[place] = words[place].capitalize()
            end = min(place + 11, len(words) - 1)
            words[end] += "."
        return " ".join(words)


def rows(count: int, writer: Writer, items: Sequence[Item]) -> Iterator[dict[str, str]]:
    leaked = {(number + 1) * count // (LEAKED + 2): item for number, item in enumerate(items[:LEAKED])}
    for begin in range(0, count, BATCH):
        size = min(BATCH, count - begin)
        prompts, replies = writer.texts(size, PROMPT), writer.texts(size, REPLY)
        for place in range(size):
            prompt, reply = prompts[place], replies[place]
            if place % 100 == 50:
                prompt, reply = prompts[place - 20], replies[place - 20]
            elif place % 100 == 70:
                prompt, reply = f"Please. {prompts[place - 40]}", f"{replies[place - 40]} Done."
            elif begin + place in leaked:
                prompt = f"{prompt[:100]} {leaked[begin + place].prompt}"
            yield {"prompt": prompt, "completion": reply}


def suites(writer: Writer) -> tuple[Suite, ...]:
    return tuple(
        Suite(
            name=f"suite{number}",
            version=1,
            category=Category.DOMAIN,
            role=Role.PROTECT,
            ask=Ask.GENERATE,
            prompt=PromptStyle.CHAT,
            generation=GenerationSettings(),
            scorer=ScorerSpec(name="exact_match"),
            margin=Decimal("0.01"),
            items=tuple(
                Item(id=f"q{n}", messages=(Message(role="user", content=text),), targets=("yes",), digest="", line=n)
                for n, text in enumerate(writer.texts(ITEMS, 30))
            ),
            path="",
            items_path="",
        )
        for number in range(2)
    )


def measure(
    path: Path, held: tuple[Suite, ...], workers: int, checks: Sequence[str]
) -> tuple[float, float, int, list[str]]:
    """In a process of its own: audit the file, and say what it took."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(0.2):
            alive = [me, *me.children(recursive=True)]
            peak[0] = max(peak[0], sum(_resident(one) for one in alive))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    source = open_source(str(path))
    order = Order(
        source=source, context=Context(suites=held), policy=AuditSection(), lock=None, workers=workers, checks=checks
    )
    result = audit(order, Quiet(), datetime.now(UTC))
    wall = time.perf_counter() - begin
    done.set()
    watcher.join()
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in spent)
    return wall, cpu, peak[0], [f"{finding.rule} {finding.count}" for finding in result.findings]


def _resident(process: Any) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=list(CHECKS))
    parser.add_argument("--keep", type=Path, help="where files are written and left")
    chosen = parser.parse_args()
    print(f"{', '.join(chosen.only)}; {chosen.workers} workers on {os.cpu_count()} cores\n")
    print("| rows | MB | wall s | rows/s | CPU µs a row | peak MB | load before |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for count in chosen.rows:
        with tempfile.TemporaryDirectory() as temporary:
            path = (chosen.keep or Path(temporary)) / f"rows-{count}.jsonl"
            held = suites(Writer(seed=1))
            if not path.exists():
                with path.open("w", encoding="utf-8") as file:
                    items = [item for suite in held for item in suite.items]
                    file.writelines(json.dumps(row) + "\n" for row in rows(count, Writer(seed=2), items))
            load = os.getloadavg()[0]
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                wall, cpu, peak, found = alone.submit(measure, path, held, chosen.workers, chosen.only).result()
            size = path.stat().st_size / 1e6
            print(
                f"| {count:,} | {size:,.0f} | {wall:.1f} | {count / wall:,.0f} | {cpu / count * 1e6:.0f} "
                f"| {peak / 1e6:,.0f} | {load:.1f} |",
                flush=True,
            )
            print(f"{count}: {', '.join(found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
