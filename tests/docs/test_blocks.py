"""What pages show is read by the real readers: YAML and JSON as suites, items and settings, Python by the compiler."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from doc_blocks import ROOT, Block, pages, read_page

from regress.suite import read_project, read_suite_file
from regress.suite.items import read_items

BLOCKS = [block for page in pages() for block in read_page(page)[0]]
MOST_EXCLUDED = 2
"""Blocks that are not run. Raise it with a reason, in the comment above the block and in the review."""


def of(*languages: str) -> list[pytest.param]:  # type: ignore[valid-type]
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language in languages]


def test_hardly_any_block_is_excluded_and_each_says_why() -> None:
    excluded = [block for block in BLOCKS if block.not_run is not None]
    assert all(len((block.not_run or "").split()) >= 5 for block in excluded)
    assert len(excluded) <= MOST_EXCLUDED


def test_every_page_with_commands_is_seen() -> None:
    counts = Counter(block.page for block in BLOCKS if block.language == "bash")
    assert counts["README.md"] >= 8
    assert counts["docs/tutorial.md"] >= 6
    assert sum(counts.values()) >= 35


@pytest.mark.parametrize("block", of("", "sh", "shell", "console", "yml", "jsonc"))
def test_languages_are_the_ones_that_are_checked(block: Block) -> None:
    raise AssertionError(f"{block.place}: write bash, yaml, json, python, toml or text, not {block.language!r}")


@pytest.mark.parametrize("block", of("yaml"))
def test_yaml_is_what_its_reader_takes(block: Block, tmp_path: Path) -> None:
    value = yaml.safe_load(block.text)
    if isinstance(value, dict) and {"name", "version", "category"} <= set(value):
        path = tmp_path / "suite.yaml"
        path.write_text(block.text)
        read_suite_file(path)
    elif isinstance(value, dict) and set(value) <= {
        "train",
        "audit",
        "policy",
        "engine",
        "registry",
        "draft",
        "variants",
    }:
        (tmp_path / "regress.yaml").write_text("base: {model: base}\nsuites: [suites/*.yaml]\n" + block.text)
        read_project(tmp_path)
    else:
        assert_known_elsewhere(block, value)


def assert_known_elsewhere(block: Block, value: object) -> None:
    """Steps of a workflow name inputs that the action has; a scorer alone is part of a suite."""
    if isinstance(value, dict) and set(value) == {"scorer"}:
        return
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert isinstance(value, list), block.place
    ours = [step["with"] for step in value if "regress@" in step.get("uses", "")]
    assert ours, block.place
    assert all(set(given) <= set(inputs) for given in ours)


@pytest.mark.parametrize("block", of("json"))
def test_json_is_an_item_or_at_least_json(block: Block, tmp_path: Path) -> None:
    value = json.loads(block.text)
    if "prompt" in value:
        (tmp_path / "items.jsonl").write_text(json.dumps(value) + "\n")
        assert read_items(tmp_path / "items.jsonl")


@pytest.mark.parametrize("block", of("python"))
def test_python_parses_and_imports_what_exists(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "regress":
            spec = importlib.util.find_spec(node.module or "")
            assert spec is not None and spec.origin is not None
            source = Path(spec.origin).read_text()
            assert all(alias.name in source or module_exists(f"{node.module}.{alias.name}") for alias in node.names)
        if isinstance(node, ast.Import):
            assert all(module_exists(alias.name) for alias in node.names)


def module_exists(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_tests_and_benchmarks_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"\b((?:tests|benchmarks)/[\w./-]*\w)", page.read_text()))
    assert {name for name in named if not (ROOT / name).exists()} == set()
