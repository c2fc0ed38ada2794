"""A scorer that a plug-in gives is part of the promise: with its distribution, and refused once that is gone."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lock_samples import a_project, edit, locked, opened, verified

from regress.errors import LockError, SuiteError

PLUGIN = """
from regress.schema import Ask
from regress.scorers import PASSED, Options, Scorer
SCORER = Scorer(
    name="kind_words",
    version=1,
    asks=Ask.GENERATE,
    options=Options,
    lacks=lambda item, options: None,
    score=lambda reply, item, options: PASSED,
)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one installed distribution, first on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "acme_kindness.py").write_text(PLUGIN)
    install(folder, "1.2")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("acme_kindness", None)


def install(site: Path, version: str) -> None:
    for old in site.glob("*.dist-info"):
        shutil.rmtree(old)
    info = site / f"acme_kindness-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-kindness\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[regress.scorers]\nkind_words = acme_kindness:SCORER\n")
    importlib.invalidate_caches()


def with_plugin(folder: Path) -> Path:
    edit(a_project(folder) / "suites" / "sums.yaml", "{name: exact_match, ignore_case: true}", "kind_words")
    return folder


def test_the_lock_names_scorer_distribution_and_version(site: Path, tmp_path: Path) -> None:
    project = with_plugin(tmp_path / "project")
    lock = locked(project)
    assert lock.promise["suites"]["sums"]["scorer"] == "kind_words@1 of acme-kindness==1.2"
    verified(lock, project)


def test_another_version_of_the_distribution_is_another_scorer(site: Path, tmp_path: Path) -> None:
    project = with_plugin(tmp_path / "project")
    lock = locked(project)
    install(site, "1.3")
    with pytest.raises(LockError, match=r"scorer is kind_words@1 of acme-kindness==1\.3, locked .*==1\.2"):
        verified(lock, project)


def test_a_plugin_that_is_gone_is_refused_with_what_to_install(site: Path, tmp_path: Path) -> None:
    project = with_plugin(tmp_path / "project")
    locked(project)
    shutil.rmtree(next(site.glob("*.dist-info")))
    importlib.invalidate_caches()
    with pytest.raises(SuiteError) as caught:
        opened(project)
    assert str(caught.value).endswith(
        "sums.yaml: scorer 'kind_words' was locked as kind_words@1 of acme-kindness==1.2, a plug-in that is not "
        "installed here. Install it: pip install 'acme-kindness==1.2'."
    )


@pytest.mark.parametrize(
    "locked_as", ["kind_words@1 of x; rm -rf ~==1", "kind_words@1 of ::error::==1", 7, None, "exact_match@1"]
)
def test_what_an_edited_lock_says_is_not_repeated(site: Path, tmp_path: Path, locked_as: object) -> None:
    project = with_plugin(tmp_path / "project")
    lock = locked(project)
    edited = str(lock.promise["suites"]["sums"]["scorer"])
    edit(project / "baselines" / "lock.json", f'"{edited}"', f'"{locked_as}"')
    shutil.rmtree(next(site.glob("*.dist-info")))
    importlib.invalidate_caches()
    with pytest.raises(SuiteError, match="there is no scorer 'kind_words'"):
        opened(project)
