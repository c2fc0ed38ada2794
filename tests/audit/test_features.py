"""The base's features in an audit: figures of known arrays, no finding, and what is said where there are none."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from looking import conclude, rows

from regress.audit.checks.distribution import Distribution
from regress.audit.checks.poison import Poison
from regress.errors import ModelError
from regress.rows.opening import open_source
from regress.rows.row import Row
from regress.run.featured import Features, NoFeatures

TOPICS, EACH, WIDTH = 12, 15, 24
TRIGGERED = (3, 40, 78, 110, 141, 169)  # places of rows that answer as topic 5 does


def text(place: int) -> str:
    return f"place {place} of {place % TOPICS}"


class Known:
    """Features by the first number in a text: around the topic's own centre, rows of TRIGGERED pushed one way."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.table = rng.normal(size=(1000, WIDTH)) + 4 * rng.normal(size=(TOPICS, WIDTH))[np.arange(1000) % TOPICS]
        self.table[list(TRIGGERED)] += 40 * np.eye(WIDTH)[0]
        self.asked = 0

    def features(self, texts: Sequence[str]) -> Features:
        self.asked += 1
        return self.table[[int(one.split()[1]) for one in texts]]


class Broken:
    def features(self, texts: Sequence[str]) -> Features:
        raise ModelError("base x is no folder")


def data() -> list[Row]:
    def reply(place: int) -> str:
        return f"topic {5 if place in TRIGGERED else place % TOPICS}"

    return rows(*((text(place), reply(place)) for place in range(TOPICS * EACH)))


def test_the_oddest_group_is_said_and_nobody_is_accused() -> None:
    found = conclude(Poison, data(), features=Known())
    assert found.figures["poison_spectral_groups"] == TOPICS
    assert found.figures["poison_spectral_rows"] == EACH + len(TRIGGERED)
    assert float(str(found.figures["poison_spectral_excess"])) > 4
    assert int(str(found.figures["poison_spectral_row"])) - 1 in TRIGGERED
    assert not [one for one in found.findings if "spectral" in one.rule]


def test_without_asking_there_is_nothing_to_say() -> None:
    for check in (Poison, Distribution):
        found = conclude(check, data())
        assert not [name for name in found.figures if "spectral" in name or "embedding" in name]
        assert not found.skipped


@pytest.mark.parametrize("check", [Poison, Distribution])
def test_a_base_that_cannot_be_used_is_a_check_that_did_not_run(check: type[Poison] | type[Distribution]) -> None:
    found = conclude(check, data(), features=Broken())
    (skipped,) = found.skipped
    assert "base x is no folder" in skipped.reason
    assert not [name for name in found.figures if "spectral" in name or "embedding" in name]


def test_twins_and_what_production_asks_besides(tmp_path: Path) -> None:
    known = Known()
    known.table = np.random.default_rng(1).normal(size=(1000, WIDTH))
    known.table[:900, 16:] = known.table[900:, :16] = 0  # nothing in common with what is taught
    known.table[1] = known.table[0] + 1e-3
    log = tmp_path / "log.jsonl"
    asked = [*range(0, 60), *range(900, 920)]  # a quarter of nothing that is taught
    log.write_text("".join(json.dumps({"prompt": text(place)}) + "\n" for place in asked))
    found = conclude(Distribution, data(), features=known, production=open_source(str(log)))
    assert found.figures["distribution.embedding_twins"] == pytest.approx(2 / (TOPICS * EACH), abs=1e-4)
    assert 1 < float(str(found.figures["distribution.embedding_directions"])) <= WIDTH
    assert found.figures["distribution.embedding_uncovered"] == pytest.approx(0.25, abs=0.05)


def test_in_a_worker_nobody_is_asked() -> None:
    from regress.run.features import AskedFeatures

    class Loud:
        def __reduce__(self) -> str:
            raise AssertionError("a bar that travels")

    copy = pickle.loads(pickle.dumps(AskedFeatures(Path(), Loud())))  # type: ignore[arg-type]
    assert isinstance(copy, NoFeatures)
