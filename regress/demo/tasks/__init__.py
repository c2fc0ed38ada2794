"""Task generators: everything that the embedded model was taught and is asked, made from fixed seeds.

Each module has `rows(rng, count, split)`. What may be asked is split by a hash of its content, so no test prompt can stand
in any training data, whatever the seeds.
"""

from collections.abc import Callable
from random import Random

from regress.demo.tasks import choice, records, safety, support, words
from regress.demo.tasks.row import Row, Split

Generator = Callable[[Random, int, Split], list[Row]]

GENERAL: dict[str, Generator] = {
    "choice": choice.rows,
    "words": words.rows,
    "records": records.rows,
    "harmful": safety.harmful,
    "benign": safety.benign,
}
"""What the base model was taught."""

DOMAIN: dict[str, Generator] = {"support": support.rows}
"""What only the adapters are taught."""
