"""One folder a run: `manifest.json` (what was asked of whom), `outcomes.jsonl` (a hash-chained log), `seal.json` last.

The log's chain starts from the manifest's digest, so neither file can be exchanged without the other. A run is evidence
only when sealed; an unsealed one is resumed: every stored outcome but an ERROR is kept, the rest is asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from regress.errors import StoreError
from regress.hashing.canonical import digest_json
from regress.schema import ItemOutcome, Manifest, Outcome
from regress.store.atomic import make_folder, read_regular, write_atomic
from regress.store.chain import Chain, ChainWriter, read_chain
from regress.store.codec import (
    ManifestFile,
    Seal,
    decode_manifest,
    decode_outcomes,
    decode_seal,
    encode_file,
    manifest_digest,
    to_json,
)

MANIFEST = "manifest.json"
LOG = "outcomes.jsonl"
SEAL = "seal.json"

Key = tuple[str, str]  # suite, item id

_MAX_SMALL_FILE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A sealed run, verified: outcomes by suite, then by item id."""

    folder: Path
    manifest: Manifest
    outcomes: Mapping[str, Mapping[str, ItemOutcome]]
    seal: Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRun:
    """What a run holds whether sealed or not: the latest outcome of each item, ERROR included."""

    folder: Path
    manifest: Manifest
    outcomes: Mapping[Key, ItemOutcome]
    sealed: bool


def run_name(manifest: Manifest) -> str:
    """The folder's name: the variant and the first 12 hexadecimal digits of the manifest's digest."""
    return f"{manifest.variant}-{manifest_digest(manifest).removeprefix('sha256:')[:12]}"


def is_sealed(folder: Path) -> bool:
    """Whether the run says it is complete; `load_run` is what verifies it."""
    return (folder / SEAL).is_file()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run; raises StoreError where it is missing or not what was written."""
    path = folder / MANIFEST
    try:
        return decode_manifest(read_regular(path, _MAX_SMALL_FILE), str(path))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} is no run: {MANIFEST} is missing; delete the folder and run again.") from error


def load_run(folder: Path) -> StoredRun:
    """Read a sealed run and verify all of it: manifest, chain, every outcome, count, head and item set.

    Raises StoreError where it is not sealed, naming how to go on, and for anything that is not what was written.
    """
    manifest = read_manifest(folder)
    try:
        seal = decode_seal(read_regular(folder / SEAL, _MAX_SMALL_FILE), str(folder / SEAL))
    except FileNotFoundError as error:
        raise StoreError(
            f"run {folder} is not complete: it has no seal. `regress run {manifest.variant}` resumes it and asks only"
            " what is missing."
        ) from error
    latest = _verify_sealed(folder, manifest, seal)
    return StoredRun(folder=folder, manifest=manifest, outcomes=_by_suite(latest.values()), seal=seal)


def _verify_sealed(folder: Path, manifest: Manifest, seal: Seal) -> dict[Key, ItemOutcome]:
    log = _read_log(folder, manifest)
    _check_seal(folder, "manifest digest", seal.manifest, manifest_digest(manifest))
    _check_seal(folder, "number of lines", seal.lines, len(log.bodies))
    _check_seal(folder, "head of the chain", seal.head, log.head)
    _check_seal(folder, "number of torn bytes", 0, log.torn)
    latest = _decode_all(log, folder / LOG)
    for outcome in latest.values():
        if outcome.outcome is Outcome.ERROR:
            raise StoreError(f"{folder} is sealed with an error of the harness at {_named(outcome)}; run again.")
    _check_seal(folder, "number of items", seal.items, len(latest))
    _check_seal(folder, "digest of the item set", seal.item_set, _item_set(latest.values()))
    return latest


def read_partial(folder: Path) -> PartialRun:
    """Read a run without asking for its seal; of an unsealed log a torn last line is left out.

    Raises StoreError for anything else that is not what was written. A sealed run is verified as `load_run` does.
    """
    if is_sealed(folder):
        run = load_run(folder)
        merged = {(suite, item): outcome for suite, items in run.outcomes.items() for item, outcome in items.items()}
        return PartialRun(folder=folder, manifest=run.manifest, outcomes=merged, sealed=True)
    manifest = read_manifest(folder)
    latest = _decode_all(_read_log(folder, manifest), folder / LOG)
    return PartialRun(folder=folder, manifest=manifest, outcomes=latest, sealed=False)


class RunWriter:
    """The one writer of an unsealed run. Leaving the `with` block commits and gives the lock back; it never seals."""

    def __init__(self, folder: Path, manifest: Manifest, log: ChainWriter) -> None:
        self.folder = folder
        self.manifest = manifest
        self._log = log
        self._done: dict[Key, ItemOutcome] = {}
        self._errors: dict[Key, ItemOutcome] = {}
        for key, outcome in _decode_all(log.found, folder / LOG).items():
            (self._errors if outcome.outcome is Outcome.ERROR else self._done)[key] = outcome
        self._taken = set(self._done)  # what is done or pending
        self._pending: list[ItemOutcome] = []

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, *, allow_network: bool = False) -> Self:
        """Create the run or resume it.

        Raises StoreError where the folder holds another manifest or a sealed run, where somebody else is writing it,
        for a damaged log, and for a network file system unless `allow_network`.
        """
        try:
            make_folder(folder)
        except OSError as error:
            raise StoreError(f"cannot make the run's folder {folder}: {error.strerror}.") from error
        _check_resumable(folder, manifest)  # before the log, whose chain says nothing of what differs
        log = ChainWriter.open(folder / LOG, _label(manifest), allow_network=allow_network)
        try:
            _check_resumable(folder, manifest)  # and under the lock, where nobody else can change it
            _write_manifest(folder, manifest, log)
            return cls(folder, manifest, log)
        except BaseException:
            log.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._log.__exit__(kind, error, at)

    @property
    def done(self) -> Mapping[Key, ItemOutcome]:
        """Durable outcomes by (suite, item id); an item whose only outcome is ERROR is not among them."""
        return MappingProxyType(self._done)

    @property
    def errors(self) -> Mapping[Key, ItemOutcome]:
        """Durable outcomes that are ERROR: to be asked again."""
        return MappingProxyType(self._errors)

    def append(self, outcome: ItemOutcome) -> None:
        """Add an outcome; `done` shows it once it is durable (32 outcomes, 250 ms, or `commit`).

        Raises StoreError for an item that has an outcome other than ERROR already, and when the log cannot be written.
        """
        key = (outcome.suite, outcome.item)
        if key in self._taken:
            raise StoreError(f"{_named(outcome)} has an outcome in {self.folder} already; ask only what is not done.")
        self._log.append(to_json(outcome))
        if outcome.outcome is not Outcome.ERROR:
            self._taken.add(key)
        self._pending.append(outcome)
        self._settle()

    def commit(self) -> None:
        """Make everything appended durable; raises StoreError when that fails, and then nothing pending is done."""
        self._log.commit()
        self._settle()

    def seal(self, expected: Mapping[str, Sequence[tuple[str, str]]]) -> Seal:
        """Close the run for good; `expected` holds every suite's (item id, item digest) pairs.

        Raises StoreError where an expected item is missing or was asked in another version, where there is one that
        nobody expects, one expected twice, none at all, or one whose outcome is ERROR.
        """
        self.commit()
        latest = self._done | self._errors
        _check_complete(self.folder, latest, expected)
        seal = Seal(
            manifest=manifest_digest(self.manifest),
            lines=self._log.committed,
            items=len(latest),
            head=self._log.head,
            item_set=_item_set(latest.values()),
        )
        try:
            write_atomic(self.folder / SEAL, encode_file(seal))
        except OSError as error:
            raise StoreError(f"cannot seal {self.folder}: {error.strerror}; run again to seal it.") from error
        self._log.close()
        return seal

    def _settle(self) -> None:
        if self._log.pending:
            return
        for outcome in self._pending:
            key = (outcome.suite, outcome.item)
            if outcome.outcome is Outcome.ERROR:
                self._errors[key] = outcome
            else:
                self._done[key] = outcome
                self._errors.pop(key, None)
        self._pending.clear()


def _label(manifest: Manifest) -> str:
    return f"regress run log of {manifest_digest(manifest)}"


def _named(outcome: ItemOutcome) -> str:
    return f"item {outcome.item!r} of suite {outcome.suite!r}"


def _check_resumable(folder: Path, manifest: Manifest) -> None:
    if is_sealed(folder):
        raise StoreError(f"run {folder} is sealed and takes no more outcomes; load it, or delete it to run again.")
    if not (folder / MANIFEST).exists():
        return
    stored, asked = asdict(read_manifest(folder)), asdict(manifest)
    differing = [
        f"{name}: {stored[name]!r} stored, {asked[name]!r} now" for name in asked if stored[name] != asked[name]
    ]
    if differing:
        raise StoreError(f"{folder} holds another run ({'; '.join(differing)}); give this one a folder of its own.")


def _write_manifest(folder: Path, manifest: Manifest, log: ChainWriter) -> None:
    path = folder / MANIFEST
    if path.exists():
        return
    if log.committed:
        raise StoreError(f"{path} is missing although outcomes are stored; restore it, or delete the folder.")
    try:
        write_atomic(path, encode_file(ManifestFile(manifest=manifest)))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}.") from error


def _read_log(folder: Path, manifest: Manifest) -> Chain:
    path = folder / LOG
    try:
        return read_chain(path, _label(manifest))
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; restore it, or delete the folder and run again.") from error


def _decode_all(log: Chain, path: Path) -> dict[Key, ItemOutcome]:
    """The latest outcome of each item; only an ERROR may be followed by another line for its item."""
    latest: dict[Key, ItemOutcome] = {}
    for number, outcome in enumerate(decode_outcomes(log.bodies, str(path)), start=1):
        key = (outcome.suite, outcome.item)
        if key in latest and latest[key].outcome is not Outcome.ERROR:
            raise StoreError(
                f"{path}:{number}: a second outcome of {_named(outcome)}; delete the run's folder and run again."
            )
        latest[key] = outcome
    return latest


def _by_suite(outcomes: Iterable[ItemOutcome]) -> dict[str, dict[str, ItemOutcome]]:
    suites: dict[str, dict[str, ItemOutcome]] = {}
    for outcome in outcomes:
        suites.setdefault(outcome.suite, {})[outcome.item] = outcome
    return suites


def _item_set(outcomes: Iterable[ItemOutcome]) -> str:
    """Over one flat list, suite, item id and item digest in turn, sorted by the triple."""
    triples = sorted((outcome.suite, outcome.item, outcome.item_digest) for outcome in outcomes)
    return digest_json(list(chain.from_iterable(triples)))


def _check_seal(folder: Path, what: str, sealed: object, found: object) -> None:
    if sealed != found:
        raise StoreError(
            f"{folder} is not the run that was sealed: {what} {sealed} in the seal, {found} now; restore the folder"
            " from a copy, or delete it and run again."
        )


def _check_complete(
    folder: Path, latest: Mapping[Key, ItemOutcome], expected: Mapping[str, Sequence[tuple[str, str]]]
) -> None:
    pairs = [((suite, item), digest) for suite, items in expected.items() for item, digest in items]
    digests = dict(pairs)
    problems = {
        "expected twice": [key for key, times in Counter(key for key, _ in pairs).items() if times > 1],
        "without an outcome": [key for key in digests if key not in latest],
        "that nobody expects": [key for key in latest if key not in digests],
        "asked in another version": [k for k, o in latest.items() if digests.get(k, o.item_digest) != o.item_digest],
        "with an error of the harness": [key for key, outcome in latest.items() if outcome.outcome is Outcome.ERROR],
    }
    found = [f"{len(keys)} {what} (first: {' / '.join(min(keys))})" for what, keys in problems.items() if keys]
    if not digests:
        found.append("no item is expected at all")
    if found:
        raise StoreError(f"run {folder} cannot be sealed: {'; '.join(found)}. Ask what is missing, then seal again.")
