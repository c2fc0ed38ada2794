"""Features of texts against a plain forward pass of the embedded model, one text at a time."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from regress.backends.hidden import TOKENS, HiddenStates
from regress.demo.project import MODEL
from regress.schema import Precision

TEXTS = ["Which word is red?", "", "a " * 3 * TOKENS, "Name the day after Monday, in one word.", "Which word is red?"]


@pytest.fixture(scope="module")
def states() -> HiddenStates:
    return HiddenStates(MODEL, Precision.FP32, "cpu")


def test_each_is_the_mean_of_the_middle_layer_whatever_is_in_the_batch(states: HiddenStates) -> None:
    ticks: list[int] = []
    found = states.features(TEXTS, ticks.append)
    assert sum(ticks) == len(TEXTS)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(MODEL),
    )
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    for place in (0, 1, 3):
        ids = [first, *tokenizer(TEXTS[place], add_special_tokens=False).input_ids]
        with torch.inference_mode():
            layers = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        expected = layers[(len(layers) - 1) // 2][0].mean(dim=0).numpy()
        assert found[place] == pytest.approx(expected, abs=1e-4)
    assert np.allclose(found[0], found[4], atol=1e-5)


def test_of_a_long_text_both_ends_are_seen(states: HiddenStates) -> None:
    long = "word " * 4 * TOKENS
    plain, changed, middle = states.features(
        [long, f"{long} and red", f"{long[: len(long) // 2]} red {long[len(long) // 2 :]}"], lambda _: None
    )
    assert not np.allclose(plain, changed, atol=1e-3)
    assert np.allclose(plain, middle, atol=1e-4), "and nothing between"
