"""regress.yaml: what is judged, on what, by which policy."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from suite_samples import PROJECT, SUITE, write_suite, yaml_text

from regress.errors import ProjectError
from regress.schema import Policy, Precision, Variant, VariantKind
from regress.suite import read_project
from regress.suite.project import parse_variant


def write_project(folder: Path, **changes: str | None) -> Path:
    (folder / "regress.yaml").write_text(yaml_text(PROJECT, **changes))
    return folder


def test_two_keys_are_enough(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suites", yaml_text(SUITE))
    project = read_project(write_project(tmp_path))
    assert project.policy == Policy()
    assert list(map(str, project.variants)) == ["base", "adapter", "merged"]
    assert project.suite_paths() == [suite]
    assert (project.baselines, project.runs, project.reports) == tuple(
        tmp_path / name for name in ("baselines", "runs", "reports")
    )


def test_every_key_of_the_design_is_read(tmp_path: Path) -> None:
    project = read_project(
        write_project(
            tmp_path,
            base="{model: org/model, revision: abc}",
            draft="{model: org/small}",
            variants="[base, base@nf4, adapter@nf4, merged@bf16]",
            policy="{alpha: 0.01, power: 0.9, zero_tolerance: [probes], require_training_record: true}",
            engine="{device: 'cuda:1', dtype: bf16, batch_tokens: 4096}",
            train="{method: qlora, data: d.jsonl, output: runs/t, r: 8, learning_rate: 2e-4, epochs: 1}",
            registry="{kind: local, path: registry}",
        )
    )
    assert project.policy == Policy(
        alpha=Decimal("0.01"), power=Decimal("0.9"), zero_tolerance=("probes",), require_training_record=True
    )
    assert project.variants[2] == Variant(kind=VariantKind.ADAPTER, precision=Precision.NF4)
    assert (project.file.base.revision, project.file.engine.batch_tokens) == ("abc", 4096)
    assert project.file.draft is not None
    assert project.file.draft.model == "org/small"
    assert project.file.train.learning_rate == Decimal("0.0002")


@pytest.mark.parametrize(
    ("changes", "line", "message"),
    [
        ({"base": None}, 1, "the key 'base' is missing"),
        ({"base": "{}"}, 1, "the key 'base.model' is missing"),
        ({"base": "{model: ''}"}, 1, "base.model is ''"),
        ({"base": "model"}, 1, "base is 'model'"),
        ({"suites": None}, 1, "the key 'suites' is missing"),
        ({"suites": "[]"}, 2, "suites is []"),
        ({"suites": "a.yaml"}, 2, "suites is 'a.yaml'"),
        ({"polcy": "{}"}, 3, "unknown key 'polcy'. Did you mean 'policy'? Known keys: base, draft, variants"),
        # a policy that requires nothing
        ({"policy": "{}"}, 3, "the policy is empty. Leave the key out for the defaults"),
        ({"policy": ""}, 3, "the policy is empty"),
        ({"policy": "[]"}, 3, "policy is []"),
        ({"policy": "{alfa: 0.05}"}, 3, "unknown key 'policy.alfa'. Did you mean 'alpha'?"),
        ({"policy": "{alpha: 0}"}, 3, "policy.alpha is 0"),
        ({"policy": "{alpha: 0.3}"}, 3, "policy.alpha is 0.3"),  # promoting three losers in ten is no gate
        ({"policy": "{alpha: 1e-17}"}, 3, "policy.alpha: 1E-17 has more than 15 decimals"),
        ({"policy": "{alpha: 1}"}, 3, "policy.alpha is 1"),
        ({"policy": "{alpha: nan}"}, 3, "policy.alpha: 'nan' is text"),
        ({"policy": "{alpha: '0.05'}"}, 3, "policy.alpha: '0.05' is text; write a number without quotes"),
        ({"policy": "{power: 1}"}, 3, "policy.power is 1"),
        ({"policy": "{zero_tolerance: probes}"}, 3, "policy.zero_tolerance is 'probes'"),
        ({"policy": "{require_training_record: no}"}, 3, "policy.require_training_record is 'no'"),  # not False
        ({"policy": "{require_training_record: 0}"}, 3, "policy.require_training_record is 0"),
        # variants
        ({"variants": "[adapter, merged]"}, 1, "variants needs base and at least one of adapter and merged"),
        ({"variants": "[base, base@bf16]"}, 1, "variants needs base and at least one"),
        ({"variants": "[base]"}, 3, "variants is ['base']"),
        ({"variants": "base"}, 3, "variants is 'base'"),
        ({"variants": "[base, adapter, adapter]"}, 1, "variants names one of them twice"),
        ({"variants": "[base, adapter@int8]"}, 1, "variant 'adapter@int8' is not base, adapter or merged"),
        ({"variants": "[base, adapter@auto]"}, 1, "variant 'adapter@auto' is not"),
        ({"variants": "[base, lora]"}, 1, "variant 'lora' is not"),
        # the engine and the rest
        ({"engine": "{dtype: fp64}"}, 3, "engine.dtype is 'fp64'; choices: 'auto', 'fp32', 'bf16' or 'nf4'"),
        ({"engine": "{device: gpu}"}, 3, "engine.device is 'gpu'"),
        ({"engine": "{device: 'cuda:0; rm'}"}, 3, "engine.device is 'cuda:0; rm'"),
        ({"engine": "{batch_tokens: many}"}, 3, "engine.batch_tokens is 'many'"),
        ({"engine": "{temperatur: 0}"}, 3, "unknown key 'engine.temperatur'"),
        ({"train": "{method: dpo}"}, 3, "train.method is 'dpo'; choices: 'qlora' or 'lora'"),
        ({"train": "{learning_rate: 0}"}, 3, "train.learning_rate is 0"),
        ({"registry": "{kind: s3}"}, 3, "registry.kind is 's3'; choices: 'local', 'mlflow' or 'hub'"),
        ({"registry": "{kind: mlflow}"}, 3, "registry: kind mlflow needs a name: the registered model"),
        ({"registry": "{kind: hub}"}, 3, "registry: kind hub needs a name: the repository"),
        ({"registry": "{kind: hub, name: ../x}"}, 3, "registry.name is '../x'"),
        ({"policy": "{waivable_safety: no}"}, 3, "policy.waivable_safety is 'no'"),
    ],
)
def test_a_project_is_refused(tmp_path: Path, changes: dict[str, str | None], line: int, message: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(write_project(tmp_path, **changes))
    assert str(caught.value).startswith(f"{tmp_path / 'regress.yaml'}:{line}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("suites/*.yml", "suites: 'suites/*.yml' matches no file"),
        ("suites", "suites: 'suites' matches no file"),  # a folder is none
        ("../other/*.yaml", "suites: '../other/*.yaml' leaves the project folder"),
        ("suites/../../other/*.yaml", "leaves the project folder"),
        ("/etc/*.yaml", "suites: '/etc/*.yaml' leaves the project folder"),
        ("", "suites: '' is no pattern"),
        (".", "suites: '.' is no pattern"),
        ("**x", "suites: '**x' is no pattern"),
    ],
)
def test_a_pattern_finds_suites_in_the_project(tmp_path: Path, pattern: str, message: str) -> None:
    home = tmp_path / "home"
    write_suite(home / "suites", yaml_text(SUITE))
    write_suite(tmp_path / "other", yaml_text(SUITE))
    project = read_project(write_project(home, suites=f"[suites/*.yaml, '{pattern}']"))
    with pytest.raises(ProjectError) as caught:
        project.suite_paths()
    assert str(caught.value).startswith(f"{home / 'regress.yaml'}: ")
    assert message in str(caught.value)


def test_a_suite_that_two_patterns_find_is_read_once(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "suites", yaml_text(SUITE))
    project = read_project(write_project(tmp_path, suites="[suites/*.yaml, suites/sums.yaml]"))
    assert project.suite_paths() == [path]


@pytest.mark.parametrize("kind", ["absent", "a folder"])
def test_a_folder_without_a_project_says_how_to_begin(tmp_path: Path, kind: str) -> None:
    if kind == "a folder":
        (tmp_path / "regress.yaml").mkdir()
    with pytest.raises(ProjectError, match=r"no regress.yaml in .* Run `regress init` there"):
        read_project(tmp_path)


@pytest.mark.parametrize("text", ["base", "adapter", "merged", "merged@bf16", "base@nf4", "adapter@fp32"])
def test_a_variant_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_variant(text)) == text


@pytest.mark.parametrize(
    "text", ["", "Base", "adapter@", "adapter@auto", "adapter@fp16", "base\n", " base", "base@nf4@x"]
)
def test_another_word_is_no_variant(text: str) -> None:
    with pytest.raises(ValueError, match="is not base, adapter or merged"):
        parse_variant(text)
