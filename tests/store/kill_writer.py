"""The process that test_kill.py kills: resumes a run, says on stdout what became durable, seals at the end."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from store_samples import a_manifest, an_outcome, expected_of

from regress.schema import ItemOutcome, Outcome
from regress.store.runs import Key, RunWriter


def answer(number: int, writer: RunWriter) -> ItemOutcome:
    """Every 17th item fails once before it succeeds."""
    good = an_outcome(number)
    failed_before = (good.suite, good.item) in writer.errors
    return an_outcome(number, Outcome.ERROR) if number % 17 == 0 and not failed_before else good


def say(unsaid: dict[Key, None], writer: RunWriter) -> None:
    """Acknowledge what became durable; an item that failed is said when it was asked again."""
    new = [key for key in unsaid if key in writer.done]
    for key in new:
        del unsaid[key]
    os.write(1, "".join(f"{suite} {item}\n" for suite, item in new).encode())


def main(folder: str, items: int, seed: int) -> None:
    rng = random.Random(seed)
    wanted = [an_outcome(number) for number in range(items)]
    with RunWriter.open(Path(folder), a_manifest()) as writer:
        unsaid: dict[Key, None] = {}
        durable = len(writer.done)
        os.write(1, b"ready\n")
        while todo := [number for number, o in enumerate(wanted) if (o.suite, o.item) not in writer.done]:
            for number in todo:
                writer.append(answer(number, writer))
                unsaid[wanted[number].suite, wanted[number].item] = None
                if rng.random() < 0.02:
                    writer.commit()
                if len(writer.done) > durable:
                    durable = len(writer.done)
                    say(unsaid, writer)
            writer.commit()
            say(unsaid, writer)
        writer.seal(expected_of(wanted))
    os.write(1, b"sealed\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
