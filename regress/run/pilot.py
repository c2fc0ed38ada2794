"""A pilot without a candidate: what the base's two stored runs say of the noise that a plan has to reckon with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from regress.hashing.models import ModelFiles
from regress.lock.promise import Loaded
from regress.run.noise import AGAIN, noise_floors
from regress.run.session import settings_digest
from regress.schema import Manifest, NoiseFloor, Suite
from regress.store.runs import StoredRun, is_sealed, load_run, read_manifest, run_name
from regress.suite import Project


def measured_noise(loaded: Loaded, base: Callable[[], ModelFiles]) -> dict[str, NoiseFloor]:
    """The noise floor of each suite whose very items this very base was asked twice, under whichever lock.

    Where it was asked twice more than once (on two machines, at two precisions), the larger flip rate counts. `base`
    is only read where there is such a pair of runs. Raises StoreError for a run that is not what was sealed.
    """
    floors: dict[str, NoiseFloor] = {}
    pairs = list(_pairs(loaded.project))
    here = base() if pairs else None
    for once, again, manifest in pairs:
        if here is None or not _same(manifest, here, loaded):
            continue
        runs = load_run(once), load_run(again)
        asked = tuple(suite for suite in loaded.suites if all(_holds(run, suite) for run in runs))
        for floor in noise_floors(replace(loaded, suites=asked), *runs):
            if floor.suite not in floors or _flip_rate(floor) > _flip_rate(floors[floor.suite]):
                floors[floor.suite] = floor
    return floors


def _pairs(project: Project) -> Iterator[tuple[Path, Path, Manifest]]:
    """(first run, second run, the first one's manifest), both sealed."""
    for path in sorted((project.baselines / "runs").glob("*/manifest.json")):
        manifest = read_manifest(path.parent)
        if manifest.adapter is not None or not manifest.batch_policy.startswith(AGAIN) or not is_sealed(path.parent):
            continue
        first = replace(manifest, batch_policy=manifest.batch_policy.removeprefix(AGAIN))
        once = path.parent.parent / run_name(first)
        if is_sealed(once):
            yield once, path.parent, first


def _same(manifest: Manifest, base: ModelFiles, loaded: Loaded) -> bool:
    """Whether a run is of this base, asked with these settings and scored by these scorers."""
    ran = (manifest.base, manifest.tokenizer, manifest.template, manifest.settings)
    return ran == (base.digest, base.tokenizer_digest, base.template_digest, settings_digest(loaded))


def _holds(run: StoredRun, suite: Suite) -> bool:
    given = {id_: outcome.item_digest for id_, outcome in run.outcomes.get(suite.name, {}).items()}
    return given == {item.id: item.digest for item in suite.items}


def _flip_rate(floor: NoiseFloor) -> float:
    return (floor.counts.lost + floor.counts.gained) / floor.counts.n
