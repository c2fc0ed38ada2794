"""A decision on an adapter folder from what is stored, without loading anything."""

from __future__ import annotations

from pathlib import Path

from regress.backends.adapter_files import read_training_record
from regress.backends.candidate_files import form_of, refuse_unexpected
from regress.diff import check_comparable, compare
from regress.errors import AdapterError, LockError, StoreError
from regress.hashing.files import digest_bytes, digest_files
from regress.hashing.models import chat_template, tokenizer_files
from regress.lock.lockfile import RELOCK, Lock, read_lock, verify
from regress.lock.promise import Loaded, differences, load
from regress.run.judge import Judgement, judge
from regress.run.kept_checks import load_preflight
from regress.run.trained import trained_as_audited, trained_under_lock
from regress.run.wanted import refuse_unanswerable
from regress.schema import Candidate, SuiteComparison
from regress.store.atomic import read_regular
from regress.store.runs import load_run
from regress.strict_json import JsonFault, parse
from regress.suite import Project, read_suites

MAX_VERDICT_BYTES = 16 * 2**20


def judge_stored(project: Project, adapter: Path) -> Judgement:
    """The decision on these very adapter bytes under the lock; raises Refused where evidence is missing."""
    loaded, lock = opened(project)
    _verify_base_texts(project, lock)
    candidate = candidate_in(adapter, project, lock)
    return judge(loaded, lock, candidate, load_preflight(project, lock, candidate.digest))


def opened(project: Project) -> tuple[Loaded, Lock]:
    """Suites and lock, verified against each other; raises Refused."""
    loaded = load(project, read_suites(project.suite_paths()), check_items=False)
    lock = read_lock(project.baselines)
    verify(lock, loaded, None)
    return loaded, lock


def candidate_in(adapter: Path, project: Project, lock: Lock) -> Candidate:
    """Whose bytes lie in the folder, and what its training record says; raises AdapterError and LockError."""
    refuse_unexpected(adapter)
    files = digest_files(adapter, [path.name for path in adapter.iterdir()], refuse=AdapterError)
    form = form_of(adapter)
    refuse_unanswerable(form, project.variants)
    record = read_training_record(adapter)
    return Candidate(
        kind=form.kind,
        digest=files.digest,
        path=str(adapter),
        trained_under_lock=trained_under_lock(record, lock),
        trained_as_audited=trained_as_audited(record, lock),
    )


def told_candidate(verdict: Path, project: Path) -> tuple[str, Path]:
    """Digest and folder of the candidate that a verdict.json speaks of: a name for people, never evidence.

    The folder was named from where `check` or `gate` was called; that is tried from here, then from the project.
    Raises StoreError where the file names none.
    """
    try:
        candidate = parse(read_regular(verdict, MAX_VERDICT_BYTES)).value["candidate"]
        digest, path = str(candidate["digest"]), Path(str(candidate["path"]))
    except (OSError, JsonFault, KeyError, TypeError) as reason:
        raise StoreError(f"{verdict} names no candidate.") from reason
    from_project = project / path
    return digest, path if path.is_dir() or not from_project.is_dir() else from_project


def _verify_base_texts(project: Project, lock: Lock) -> None:
    """Where the base's folder lies on this machine, its tokenizer and chat template must be the locked ones.

    The weights are left to `check`: what is judged here are runs whose manifests name the locked weights, and hashing
    gigabytes would take longer than everything else together.
    """
    folder = project.folder / project.file.base.model
    if not folder.is_dir():
        return
    template = chat_template(folder)
    found = {
        "tokenizer": tokenizer_files(folder).digest,
        "template": None if template is None else digest_bytes(template.encode("utf-8")),
    }
    locked = {name: lock.promise["base"][name] for name in found}
    changed = differences({"base": locked, "suites": {}}, {"base": found, "suites": {}})
    if changed:
        raise LockError(f"the project is not the locked one: {'; '.join(changed)}. {RELOCK}")


def compare_stored(project: Project, base: Path, candidate: Path) -> list[SuiteComparison]:
    """Two sealed runs of this project's suites; raises StoreError or ComparisonError."""
    loaded = load(project, read_suites(project.suite_paths()), check_items=False)
    a, b = load_run(base), load_run(candidate)
    check_comparable(a.manifest, b.manifest)
    return [
        compare(
            suite,
            a.outcomes.get(suite.name, {}),
            b.outcomes.get(suite.name, {}),
            variant=b.manifest.variant,
            against=a.manifest.variant,
        )
        for suite in loaded.suites
    ]
