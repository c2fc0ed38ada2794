"""Which files make a model, where it is found, and what is refused."""

import json
import os
from pathlib import Path

import huggingface_hub
import pytest

from regress.errors import ModelError
from regress.hashing.models import chat_template, locate_model, read_model, tokenizer_files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "base"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def test_a_folder_is_found_relative_to_the_project(model: Path, tmp_path: Path) -> None:
    assert locate_model("models/base", None, tmp_path) == model.resolve()
    assert locate_model(str(model), None, tmp_path / "elsewhere") == model.resolve()


@pytest.mark.parametrize(
    ("name", "revision", "match"),
    [
        ("models/base", "main", "has no revision 'main'"),
        ("models/none/deeper", None, "no folder at .* and no hub id"),
        ("../base", None, "no folder at"),
        ("./base", None, "no folder at"),
        ("models/base/config.json", None, "no folder at"),
    ],
)
def test_what_cannot_be_located(model: Path, tmp_path: Path, name: str, revision: str | None, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        locate_model(name, revision, tmp_path)


def test_a_hub_id_is_fetched_without_pickle_or_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def snapshot_download(repo: str, **options: object) -> str:
        asked.append((repo, options))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert locate_model("org/model", "abc123", tmp_path) == tmp_path
    patterns = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]
    options = {"revision": "abc123", "allow_patterns": patterns, "ignore_patterns": ["*/*"]}
    assert asked == [("org/model", options)]


def test_a_hub_that_does_not_answer_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match=r"org/model \(revision main\) cannot be fetched"):
        locate_model("org/model", None, tmp_path)


def test_weights_and_tokenizer_have_digests_of_their_own(model: Path) -> None:
    before = read_model(model)
    assert list(before.weights.files) == ["config.json", "model.safetensors"]
    assert list(before.tokenizer.files) == ["tokenizer.json", "tokenizer_config.json"]
    (model / "README.md").write_text("nothing to do with it")
    assert read_model(model) == before
    (model / "tokenizer.json").write_text('{"version": "1.1"}')
    after = read_model(model)
    assert (after.digest, after.tokenizer_digest != before.tokenizer_digest) == (before.digest, True)
    (model / "generation_config.json").write_text("{}")
    assert read_model(model).digest != before.digest


def test_links_are_followed_as_in_the_hubs_cache(model: Path) -> None:
    before = read_model(model)
    (model / "model.safetensors").rename(model.parent / "blob")
    (model / "model.safetensors").symlink_to("../blob")
    assert read_model(model).digest == before.digest
    (model.parent / "blob").unlink()
    with pytest.raises(ModelError, match="leads nowhere"):
        read_model(model)


def test_shards_that_the_index_names_must_be_there(model: Path) -> None:
    shards = {"a": "model.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ModelError, match=r"lacks 2 of its weight files \(first: model-2.safetensors\)"):
        read_model(model)
    (model / "model-2.safetensors").write_bytes(b"2")
    (model / "model-3.safetensors").write_bytes(b"3")
    assert len(read_model(model).weights.files) == 5
    index.write_text("{}")
    with pytest.raises(ModelError, match="no weight_map"):
        read_model(model)


def test_pickled_weights_alone_are_refused(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights only \(pytorch_model.bin\)"):
        read_model(model)
    (model / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"no \*.safetensors weights"):
        read_model(model)


@pytest.mark.parametrize(("missing", "match"), [("config.json", "no config.json"), ("tokenizer", "no tokenizer")])
def test_a_model_is_whole_or_refused(model: Path, missing: str, match: str) -> None:
    for file in model.glob(f"{missing}*"):
        file.unlink()
    with pytest.raises(ModelError, match=match):
        read_model(model)


def test_a_weight_file_that_is_a_pipe_does_not_hang(model: Path) -> None:
    (model / "model.safetensors").unlink()
    os.mkfifo(model / "model.safetensors")
    with pytest.raises(ModelError, match="not a regular file"):
        read_model(model)


@pytest.mark.parametrize(
    ("config", "file", "found"),
    [
        ({}, None, None),
        ({"chat_template": "in config"}, None, "in config"),
        ({"chat_template": "in config"}, "in file", "in file"),
        ({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}, None, "d"),
    ],
)
def test_where_the_chat_template_comes_from(model: Path, config: object, file: str | None, found: str | None) -> None:
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    if file is not None:
        (model / "chat_template.jinja").write_text(file)
    assert chat_template(model) == found
    assert (read_model(model).template_digest is None) == (found is None)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ('{"chat_template": [{"name": "tool_use", "template": "t"}]}', "no chat template called 'default'"),
        ('{"chat_template": 3}', "no chat template"),
        ("[]", "no JSON object"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_tokenizer_config_is_refused(model: Path, config: str, match: str) -> None:
    (model / "tokenizer_config.json").write_text(config)
    with pytest.raises(ModelError, match=match):
        chat_template(model)


def test_a_folder_without_tokenizer_config_has_no_template(model: Path) -> None:
    (model / "tokenizer_config.json").unlink()
    assert chat_template(model) is None
    assert list(tokenizer_files(model).files) == ["tokenizer.json"]
