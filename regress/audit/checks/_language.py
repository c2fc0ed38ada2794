"""Which language a text is in, by its script and its most frequent words: enough to see that two are mixed.

A library would bring a model of megabytes to tell apart what stands here in forty lines; texts too short to say are
counted as unknown, not guessed.
"""

from __future__ import annotations

import re
from collections import Counter

from regress.audit.words import words

MAX_CHARS = 1_000
MIN_HITS = 2
MIN_SHARE = 0.12  # of a text's words; below it a text quotes a language rather than being in it

UNKNOWN = "unknown"

SCRIPTS: tuple[tuple[str, str], ...] = (  # a text in kana and Han is Japanese, so kana come first
    ("Japanese", r"[\u3040-\u30ff]"),
    ("Chinese", r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    ("Korean", r"[\u1100-\u11ff\uac00-\ud7af]"),
    ("Cyrillic", r"[\u0400-\u052f]"),
    ("Greek", r"[\u0370-\u03ff]"),
    ("Hebrew", r"[\u0590-\u05ff]"),
    ("Arabic", r"[\u0600-\u06ff\u0750-\u077f]"),
    ("Indic", r"[\u0900-\u0dff]"),
    ("Thai", r"[\u0e00-\u0e7f]"),
)
_SCRIPTS = tuple((name, re.compile(pattern)) for name, pattern in SCRIPTS)
_LETTER = re.compile(r"[^\W\d_]")

FREQUENT: dict[str, frozenset[str]] = {
    name: frozenset(listed.split())
    for name, listed in {
        "English": "the of and to in is you that it for on are with as this be at have from or what how my your i can "
        "do an if not when which would we they was there does will has me about please",
        "German": "der die das und ist nicht ein eine zu den von mit auf für ich sie es im dem wie was bei auch oder "
        "wird sind kann mein meine habe wenn nach aus des einen",
        "French": "le la les des et est un une que qui dans pour pas sur avec je vous il elle ce au du ne mon ma mes "
        "comment sont nous plus cette être aux ou où",
        "Spanish": "el la los las de que y en un una es por con para no se mi como está del al lo su más pero cómo qué "
        "este esta son tengo puedo",
        "Portuguese": "o os as de que e em um uma é por com para não se meu minha como está do da no na ao mais mas "
        "são você isso posso dos das",
        "Italian": "il lo gli di che e è un una in per con non si mi come sono del della dei nel al più ma questo "
        "questa ho posso mio mia le",
        "Dutch": "de het een en van is dat niet ik op te in met voor zijn wat hoe mijn ook er aan om maar bij naar kan "
        "heb deze dit je",
        "Swedish": "och att det som en ett är inte på för med jag av den till om har hur min vad kan från vi mig eller",
        "Danish": "og at det som en et er ikke på for med jeg af den til om har hvordan min hvad kan fra vi mig eller",
        "Polish": "i w na z nie się do to jest że jak o co dla od moje mój czy po ale przez jestem tak może są",
        "Turkish": "ve bir bu için ne ile mi da de çok nasıl var değil ben olarak benim gibi daha olan kadar",
        "Indonesian": "yang dan di itu dengan untuk tidak ini dari dalam saya akan adalah ke pada bisa apa bagaimana",
        "Vietnamese": "và là của có không tôi cho được một các này trong để với người những bạn như khi đã",
    }.items()
}


def language(text: str) -> str:
    """The name of a language, or of a script where several use it; UNKNOWN where the text does not tell."""
    text = text[:MAX_CHARS]
    if not text.isascii():
        letters = len(_LETTER.findall(text))
        for name, pattern in _SCRIPTS:
            if len(pattern.findall(text)) > (0.1 if name == "Japanese" else 0.4) * max(1, letters):
                return name
    found = words(text)
    hits = Counter({name: sum(word in listed for word in found) for name, listed in FREQUENT.items()})
    (best, most), (_, second) = hits.most_common(2)
    clear = most >= MIN_HITS and most > second and most >= MIN_SHARE * len(found)
    return best if clear else UNKNOWN
