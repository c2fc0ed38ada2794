"""A candidate's folder, whatever its form: an adapter's or a whole model's."""

from __future__ import annotations

from pathlib import Path

from regress.backends import adapter_files, model_files
from regress.backends.adapter_files import AdapterFiles, open_adapter, read_config
from regress.backends.model_files import CheckpointFiles, is_checkpoint, open_checkpoint
from regress.schema import Form

CandidateFiles = AdapterFiles | CheckpointFiles


def refuse_unexpected(source: Path) -> None:
    """Say plainly what does not belong in the folder, before anything is copied; raises AdapterError."""
    if source.is_dir() and is_checkpoint(source):
        model_files.refuse_unexpected(source)
    else:
        adapter_files.refuse_unexpected(source)


def open_candidate(source: Path, private: Path) -> CandidateFiles:
    """A private copy of the folder, hashed and its configuration checked; raises AdapterError."""
    return open_checkpoint(source, private) if is_checkpoint(source) else open_adapter(source, private)


def form_of(source: Path) -> Form:
    """What the folder's files make of the candidate; raises AdapterError as opening it does."""
    if is_checkpoint(source):
        return Form.MODEL
    return adapter_files.form_of(read_config(source))
