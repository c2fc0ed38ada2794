"""Items as token ids: what the model is sent is what the tokenizer makes of prompt and choice together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from asking import a_suite

from regress.backends.rendering import Renderer
from regress.demo.project import MODEL
from regress.errors import BackendError, ModelError
from regress.schema import GenerationSettings, PromptStyle, ScorerSpec


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(MODEL, 512, frozenset({1}))


@pytest.mark.parametrize("prompt", ["The day is", "The day is ", "The day is   ", "Answer:\n", "1 + 1 ="])
@pytest.mark.parametrize("choice", ["seven", " seven", "7", "s", "is blue"])
def test_prompt_and_choice_are_the_tokens_of_the_whole_text(renderer: Renderer, prompt: str, choice: str) -> None:
    """Whatever merges across the cut: the ids joined are those of the text joined; no choice is empty."""
    suite = a_suite([prompt], [[choice, "other"]])
    request = renderer.render(suite)[0]
    joined = renderer.tokenizer(prompt + choice)["input_ids"]
    assert list(request.choices[0]) == joined[len(request.prompt) :]
    assert all(request.choices)
    if renderer.tokenizer.decode(list(request.prompt)) == prompt.rstrip(" "):
        assert [*request.prompt, *request.choices[0]][-len(request.choices[0]) :] == joined[len(request.prompt) :]


def test_chat_prompts_go_through_the_template_once(renderer: Renderer) -> None:
    suite = a_suite(["Hello"], prompt=PromptStyle.CHAT)
    request = renderer.render(suite)[0]
    assert renderer.tokenizer.decode(list(request.prompt)) == "<|user|>Hello<|end|><|assistant|>"


def test_the_digest_covers_tokens_settings_and_end_tokens(renderer: Renderer) -> None:
    suite = a_suite(["Hello"])
    others = [
        a_suite(["Hello."]),
        a_suite(["Hello"], max_new_tokens=13),
        a_suite(["Hello"], stop=("x",)),
        a_suite(["Hello"], [["a", "b"]]),
        a_suite(["Hello"], prompt=PromptStyle.CHAT),
    ]
    digests = {renderer.render(other)[0].digest for other in [suite, *others]}
    more_ends = Renderer(MODEL, 512, frozenset({1, 7}))
    digests.add(more_ends.render(suite)[0].digest)
    assert len(digests) == 7
    again = replace(suite, name="another", items=(replace(suite.items[0], id="q9"),))
    assert renderer.render(again)[0].digest == renderer.render(suite)[0].digest


def test_a_reply_that_may_be_cut_behind_its_document_is_no_other_suites_reply(renderer: Renderer) -> None:
    """By its digest a stored reply is found again: `contains` has to see what was written behind the document."""
    suite = a_suite(["Hello"])
    digests = {
        renderer.render(replace(suite, scorer=ScorerSpec(name=name)))[0].digest
        for name in ("exact_match", "contains", "json_schema", "json_equal")
    }
    assert len(digests) == 2


def test_a_stop_text_that_is_a_special_token_ends_by_its_id(renderer: Renderer) -> None:
    """Decoded texts leave special tokens out, so nobody would find it there."""
    assert renderer.ends(a_suite(["Hello"])) == {1}
    assert renderer.ends(a_suite(["Hello"], stop=("<|user|>", "\n", "the"))) == {1, 2}


def test_the_context_window_is_used_to_the_last_token(renderer: Renderer) -> None:
    suite = a_suite(["Hello"])
    length = len(renderer.render(suite)[0].prompt)
    fits = replace(suite, generation=GenerationSettings(max_new_tokens=512 - length))
    assert renderer.render(fits)[0].item == "q0"
    too_long = replace(suite, generation=GenerationSettings(max_new_tokens=513 - length))
    with pytest.raises(BackendError, match="context window holds 512"):
        renderer.render(too_long)[0]


def without_template(folder: Path, template: str | None) -> Renderer:
    shutil.copytree(MODEL, folder)
    (folder / "chat_template.jinja").unlink()
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return Renderer(folder, 512, frozenset({1}))


@pytest.mark.parametrize(
    ("template", "reason"),
    [(None, "the base has none"), ("{{ raise_exception('no system role') }}", "fails on item 'q0'")],
)
def test_a_template_that_is_missing_or_fails_is_refused(tmp_path: Path, template: str | None, reason: str) -> None:
    suite = a_suite(["Hello"], prompt=PromptStyle.CHAT)
    with pytest.raises(ModelError, match=reason):
        without_template(tmp_path / "base", template).render(suite)[0]


def test_an_empty_prompt_is_refused(renderer: Renderer) -> None:
    suite = a_suite([""])
    with pytest.raises(BackendError, match="renders to no token"):
        renderer.render(suite)[0]


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer that can be loaded"):
        Renderer(tmp_path, 512, frozenset())
