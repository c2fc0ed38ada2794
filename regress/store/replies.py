"""Replies found again by content: what was asked of the same weights in the same way is not asked twice.

The request digest covers the exact tokens and the generation settings, the manifest's `REUSE_FIELDS` whoever answered
and how. So an amended lock, a new scorer or another adapter never asks the base again, and no variant is ever served
another's reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from regress.errors import StoreError
from regress.schema import Manifest, Outcome, Reply
from regress.store.runs import read_manifest, read_partial

REUSE_FIELDS = ("base", "adapter", "variant", "tokenizer", "backend", "device", "batch_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCache(Mapping[str, Reply]):
    """Replies by request digest. `skipped` says, by folder name, why a run was not used; report it."""

    replies: Mapping[str, Reply]
    skipped: Mapping[str, str]

    @classmethod
    def build(cls, folders: Iterable[Path], manifest: Manifest) -> ReplyCache:
        """Gather replies from every run in `folders`, sealed or not, that agrees with `manifest` in REUSE_FIELDS.

        Each run is verified whole; a damaged one is skipped and named. An ERROR is never reused. Where runs disagree on
        a reply, the first folder by name wins.
        """
        replies: dict[str, Reply] = {}
        skipped: dict[str, str] = {}
        for folder in sorted(folders):
            try:
                for request, reply in _replies(folder, manifest):
                    replies.setdefault(request, reply)
            except StoreError as error:
                skipped[folder.name] = str(error)
        return cls(replies=replies, skipped=skipped)

    def __getitem__(self, request_digest: str) -> Reply:
        return self.replies[request_digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self.replies)

    def __len__(self) -> int:
        return len(self.replies)


def _replies(folder: Path, manifest: Manifest) -> list[tuple[str, Reply]]:
    """A list, so that nothing of a run is used before all of it is verified."""
    stored = read_manifest(folder)
    if any(getattr(stored, name) != getattr(manifest, name) for name in REUSE_FIELDS):
        return []
    outcomes = read_partial(folder).outcomes.values()
    return [(o.request_digest, o.reply) for o in outcomes if o.outcome is not Outcome.ERROR]
