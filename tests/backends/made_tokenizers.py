"""Tokenizers of every kind that models come with, trained in a moment on a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from regress.demo.project import MODEL

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "Question: which of these is the number of apples in the basket? Answer: seven apples and 12345 stones.",
    "the quick brown fox jumps over the lazy dog    and then\n\n\tsits down; naïve café, übermäßig, 東京 東京都 😀😀",
    "def main(argument):\n    return argument + 1\n\n\nclass Thing:\n        pass\n" + "-" * 40 + "0 0 0 1 0 0 1 1 0 0",
    "x = {'a': [1, 2, 3], \"b\": null}  // comment -- comment == comment ......... aaaa aaaa abababab  abab",
] * 4
SPECIAL = ["<s>", "</s>", "<|im_end|>"]


def _fast(tokenizer: Tokenizer, **names: str) -> Any:
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def _framed(tokenizer: Tokenizer, single: str) -> None:
    ids = [(text, tokenizer.token_to_id(text)) for text in single.split() if text != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)


def _trained(tokenizer: Tokenizer, trainer: Any) -> Tokenizer:
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _bytes_trainer() -> Any:
    return trainers.BpeTrainer(
        vocab_size=520,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIAL,
        show_progress=False,
    )


def embedded() -> Any:
    return AutoTokenizer.from_pretrained(str(MODEL), local_files_only=True)


def gpt2() -> Any:
    """Bytes behind GPT-2's expression; offsets leave the white space out, as GPT-2's do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    return _fast(_trained(tokenizer, _bytes_trainer()), eos_token="</s>")


def llama3() -> Any:
    """Bytes behind Llama 3's expression, BOS in front."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _framed(_trained(tokenizer, _bytes_trainer()), "<s> $A")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>")


def qwen() -> Any:
    """Composed characters (NFC), each digit by itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3.replace("{1,3}", "")), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return _fast(_trained(tokenizer, _bytes_trainer()), eos_token="</s>")


def _sentencepiece_bpe() -> Tokenizer:
    """Llama 2's: the whole text is one word, an underscore in front of it, bytes where a character is unknown."""
    trainer = trainers.BpeTrainer(
        vocab_size=170,
        special_tokens=["<unk>", *SPECIAL],
        show_progress=False,
        limit_alphabet=60,
        max_token_length=12,
    )
    learned = Tokenizer(models.BPE(unk_token="<unk>"))
    learned.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")  # learns pieces of words alone
    model = json.loads(_trained(learned, trainer).to_str())["model"]
    for byte in range(256):
        model["vocab"][f"<0x{byte:02X}>"] = len(model["vocab"])
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab=model["vocab"], merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def llama2() -> Any:
    tokenizer = _sentencepiece_bpe()
    _framed(tokenizer, "<s> $A")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def llama2_with_end() -> Any:
    """As some fine-tuned models are saved: an end token behind every text."""
    tokenizer = _sentencepiece_bpe()
    _framed(tokenizer, "<s> $A </s>")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram() -> Any:
    """T5's and XLM-R's way: the most probable pieces of each word, among which there are ties."""
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", *SPECIAL], unk_token="<unk>", show_progress=False
    )
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace()
    return _fast(_trained(tokenizer, trainer), bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def wordpiece() -> Any:
    """BERT's: longest pieces first, a word of more than a hundred characters is unknown, marks around every text."""
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["<unk>", *SPECIAL], show_progress=False)
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _framed(_trained(tokenizer, trainer), "<s> $A </s>")
    return _fast(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


KINDS: dict[str, Callable[[], Any]] = {
    made.__name__: made for made in (embedded, gpt2, llama3, qwen, llama2, llama2_with_end, unigram, wordpiece)
}
