"""The sealed runs that a decision rests on, found by what their manifests say and verified against the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

from regress.backends.protocol import settled_precision
from regress.early import look_sizes
from regress.errors import ComparisonError, Refused, StoreError
from regress.lock.lockfile import Lock
from regress.lock.promise import ITEM_ORDER_SEED, Loaded
from regress.plan import item_order
from regress.run.looks import LOOKS, SCREEN, may_stop
from regress.run.session import settings_digest
from regress.schema import Manifest, Policy, Precision, Suite, Variant, VariantKind
from regress.store.runs import StoredRun, is_sealed, load_run, read_manifest
from regress.suite import Project
from regress.suite.project import parse_variant


def run_folders(project: Project) -> list[Path]:
    """Every run folder of the project: the base's beside the lock, the candidates' under runs/."""
    parents = (project.baselines / "runs", project.runs)
    return sorted(path.parent for parent in parents if parent.is_dir() for path in parent.glob("*/manifest.json"))


def find_runs(
    loaded: Loaded,
    lock: Lock,
    adapter: str,
    variants: Sequence[Variant],
    known: Mapping[Variant, StoredRun] = MappingProxyType({}),
) -> dict[Variant, StoredRun]:
    """One verified run for each of the variants. Where several fit, the one that was sealed last.

    Those that are comparable to the ones chosen before, and to what is `known`, are preferred.
    """
    available: list[tuple[Path, Manifest]] = []
    for folder in run_folders(loaded.project):
        manifest = read_manifest(folder)
        if manifest.lock == lock.digest and manifest.adapter in (None, adapter):
            available.append((folder, manifest))
    found: dict[Variant, StoredRun] = {}
    for variant in sorted(variants, key=lambda v: v.kind is VariantKind.BASE):  # candidates first
        fitting = [
            (folder, manifest)
            for folder, manifest in available
            if is_sealed(folder) and _fits(_settled(variant, manifest, loaded), manifest, adapter)
        ]
        if not fitting:
            raise StoreError(
                f"there is no sealed run of {variant} under this lock. Run `regress check` for this adapter."
            )
        best = max(
            fitting,
            key=lambda entry: (
                _machine_fits(entry[1], {**known, **found}),
                (entry[0] / "seal.json").stat().st_mtime_ns,
            ),
        )
        found[variant] = load_locked(best[0], loaded, lock)
    return found


def _settled(variant: Variant, manifest: Manifest, loaded: Loaded) -> Variant:
    """The variant at the precision that `auto` means on the manifest's device."""
    dtype = loaded.project.file.engine.dtype if variant.precision is Precision.AUTO else variant.precision
    return replace(variant, precision=settled_precision(dtype, manifest.device))


def _fits(wanted: Variant, manifest: Manifest, adapter: str) -> bool:
    same_weights = manifest.adapter == (None if wanted.kind is VariantKind.BASE else adapter)
    return same_weights and parse_variant(manifest.variant) == wanted


def _machine_fits(manifest: Manifest, found: Mapping[Variant, StoredRun]) -> bool:
    """Whether this run is comparable to those already chosen (another machine's base may lie beside ours)."""
    mine = asdict(manifest)
    return all(
        mine[field] == value
        for run in found.values()
        for field, value in asdict(run.manifest).items()
        if field not in ("variant", "adapter")
    )


def load_locked(folder: Path, loaded: Loaded, lock: Lock) -> StoredRun:
    """A run whose base, items and settings are exactly the locked ones."""
    run = load_run(folder)
    locked = lock.promise["base"]
    for field, digest in (("base", "digest"), ("tokenizer", "tokenizer"), ("template", "template")):
        if getattr(run.manifest, field) != locked[digest]:
            raise ComparisonError(
                f"{folder} was made with another base than the locked one: its {field} is "
                f"{getattr(run.manifest, field)}, locked is {locked[digest]}. Run it again."
            )
    if run.manifest.settings != settings_digest(loaded):
        raise ComparisonError(f"{folder} was made with other generation settings or scorers. Run it again.")
    for suite in loaded.suites:
        given = {id_: outcome.item_digest for id_, outcome in run.outcomes.get(suite.name, {}).items()}
        if given not in _complete(suite, run.manifest, loaded.project.policy):
            raise StoreError(f"{folder} does not hold exactly the items of suite {suite.name}. Run it again.")
    unknown = sorted(set(run.outcomes) - {suite.name for suite in loaded.suites})
    if unknown:
        raise StoreError(f"{folder} answers {unknown[0]}, which is no suite of this project. Run it again.")
    return run


def _complete(suite: Suite, manifest: Manifest, policy: Policy) -> list[dict[str, str]]:
    """The item sets that a complete run may hold: everything, or everything up to one of the looks."""
    everything = [{item.id: item.digest for item in suite.items}]
    if not manifest.batch_policy.startswith((LOOKS, SCREEN)) or manifest.adapter is None or not may_stop(suite, policy):
        return everything
    order = item_order(suite, ITEM_ORDER_SEED)
    return [{item.id: item.digest for item in order[:size]} for size in look_sizes(len(order))]


def other_runs(
    loaded: Loaded, lock: Lock, adapter: str, runs: Mapping[Variant, StoredRun]
) -> tuple[dict[Variant, StoredRun], list[str]]:
    """The latest sealed run of every further variant of this candidate and its base that may be compared with these.

    And why one of them cannot be read: nothing of it may stop the decision.
    """
    found: dict[Variant, StoredRun] = {}
    unread: list[str] = []
    folders = [folder for folder in run_folders(loaded.project) if is_sealed(folder)]
    for folder in sorted(folders, key=lambda f: -(f / "seal.json").stat().st_mtime_ns):
        manifest = read_manifest(folder)
        variant = parse_variant(manifest.variant)
        theirs = manifest.lock == lock.digest and manifest.adapter in (None, adapter)
        if not theirs or variant in runs or variant in found or not _machine_fits(manifest, runs):
            continue
        try:
            found[variant] = load_locked(folder, loaded, lock)
        except Refused as refusal:
            unread.append(f"{variant} is not told apart: {refusal}")
    return found, unread
