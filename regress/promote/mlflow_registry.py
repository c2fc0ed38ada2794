"""The registry that is an MLflow registered model: a model version a promotion, and the alias `production`.

The history stands in the registered model's tags, one hash-chained line each. MLflow has no compare-and-swap: a lock
file of the project keeps other processes of this machine out, and a line that another machine wrote in between is seen
and refused before the alias moves.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from regress.errors import PromotionError
from regress.promote.history import HISTORY_LABEL, Event, Line, read_line, written
from regress.promote.local import one_at_a_time
from regress.promote.registry import RECORD, read_record
from regress.store.atomic import make_folder
from regress.store.chain import verify_chain

try:
    import mlflow
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.exceptions import MlflowException
except ImportError as absent:
    raise PromotionError(
        "the registry is of kind mlflow, whose client is not installed: pip install 'regress-harness[mlflow]'."
    ) from absent

PRODUCTION = "production"
RECORD_TAG = "regress.record"
EVENT_TAG = "regress.event."

_ARTIFACTS = "promotion"
_EVENT = re.compile(re.escape(EVENT_TAG) + r"([0-9]{6})")


class MlflowRegistry:
    """One registered model, on a server or in a local store; `uri` None means what MLflow is configured for."""

    def __init__(self, name: str, uri: str | None, lock: Path) -> None:
        self._name = name
        self._uri = uri
        self._lock = lock
        self._client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._read: tuple[bytes, ...] = ()

    @property
    def where(self) -> str:
        return f"MLflow's registered model {self._name}"

    @contextmanager
    def writing(self) -> Iterator[Path]:
        make_folder(self._lock.parent)
        with one_at_a_time(self._lock, self.where), tempfile.TemporaryDirectory(prefix="regress-promote-") as scratch:
            with _answering(self.where):
                if self._tags() is None:
                    self._client.create_registered_model(self._name)
            yield Path(scratch)

    def line(self) -> Line:
        with _answering(self.where):
            lines = self._lines()
            production = self._production()
        bodies = verify_chain(b"".join(line + b"\n" for line in lines), HISTORY_LABEL, Path(self.where)).bodies
        self._read = lines
        return read_line(bodies, production, self.where)

    def record(self, digest: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="regress-record-") as scratch:
            data = read_record(self._fetched(digest, Path(scratch), f"/{RECORD}"))
        if _digest(data) != digest:
            raise PromotionError(f"the record {digest[:19]}… in {self.where} is not the one that was put there.")
        return data

    def version(self, digest: str, scratch: Path) -> Path:
        return self._fetched(digest, scratch, "")

    def publish(self, version: Path, digest: str) -> Path:
        with _answering(self.where):
            experiment = self._client.get_experiment_by_name(self._name)
            number = self._client.create_experiment(self._name) if experiment is None else experiment.experiment_id
            run = self._client.create_run(number, run_name=f"promotion {digest[7:19]}")
            self._client.log_artifacts(run.info.run_id, str(version), _ARTIFACTS)
            self._client.create_model_version(
                self._name,
                source=f"{run.info.artifact_uri}/{_ARTIFACTS}",
                run_id=run.info.run_id,
                tags={RECORD_TAG: digest},
            )
            self._client.set_terminated(run.info.run_id)
        return version

    def point(self, version: Path, events: tuple[Event, ...]) -> None:
        with _answering(self.where):
            if self._lines() != self._read:
                raise PromotionError(f"another promotion or rollback in {self.where} came in between; run again.")
            lines = tuple(written(b"".join(line + b"\n" for line in self._read), events).splitlines())
            for number in range(len(self._read), len(lines)):
                tag = f"{EVENT_TAG}{number + 1:06d}"
                self._client.set_registered_model_tag(self._name, tag, lines[number].decode("utf-8"))
            self._read = lines
            if self._lines() != self._read:
                raise PromotionError(f"another promotion or rollback in {self.where} came in between; look there.")
            found = self._model_version(events[-1].record)
            self._client.set_registered_model_alias(self._name, PRODUCTION, found.version)

    def _tags(self) -> dict[str, str] | None:
        try:
            return dict(self._client.get_registered_model(self._name).tags)
        except MlflowException as reason:
            if reason.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _lines(self) -> tuple[bytes, ...]:
        """The history's lines in order; a number that is missing breaks the chain."""
        events = {int(m[1]): text for tag, text in (self._tags() or {}).items() if (m := _EVENT.fullmatch(tag))}
        return tuple(events[number].encode("utf-8") for number in sorted(events))

    def _production(self) -> str | None:
        try:
            found = self._client.get_model_version_by_alias(self._name, PRODUCTION)
        except MlflowException as reason:
            if reason.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return str(found.tags.get(RECORD_TAG))

    def _model_version(self, digest: str) -> ModelVersion:
        for found in self._client.search_model_versions(f"name = '{self._name}'", max_results=10_000):
            if found.tags.get(RECORD_TAG) == digest:
                return found
        raise PromotionError(f"{self.where} has no version of the promotion {digest[:19]}…; somebody deleted it.")

    def _fetched(self, digest: str, scratch: Path, inside: str) -> Path:
        with _answering(self.where):
            source = self._model_version(digest).source
            folder = scratch / "fetched"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            return Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{source}{inside}", dst_path=str(folder), tracking_uri=self._uri
                )
            )


@contextmanager
def _answering(where: str) -> Iterator[None]:
    """MLflow's own complaints as refusals."""
    try:
        yield
    except (MlflowException, OSError) as reason:
        first = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
        raise PromotionError(f"{where} does not answer as it should: {first[:300]}") from reason


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
