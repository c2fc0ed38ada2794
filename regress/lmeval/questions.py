"""A task's documents as items: prompts, few-shot examples and choices as lm-eval puts them together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.samplers import ContextSampler
from lm_eval.utils import handle_non_serializable, hash_string

from regress.errors import SuiteError
from regress.lmeval.building import FixedExamples
from regress.schema import Ask, PromptStyle

DEFAULT_NEW_TOKENS = 256  # lm-eval's, of its `hf` model
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
SAMPLING = frozenset({"top_k", "min_p", "typical_p", "top_p", "temperature"})
"""Settings that change nothing while decoding is greedy."""

ASKS = {
    "multiple_choice": Ask.CHOOSE,
    "loglikelihood": Ask.CHOOSE,
    "loglikelihood_rolling": Ask.PERPLEXITY,
    "generate_until": Ask.GENERATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """How many examples stand before a document, and whether they are the same for all."""

    count: int
    fixed: bool
    seed: int


def shots_of(task: Any, name: str, wanted: int | None, *, fixed: bool, seed: int) -> Shots:
    """The number of examples, held against what the task allows; raises SuiteError."""
    own = task.config.num_fewshot
    count = own or 0 if wanted is None else wanted
    if wanted and own == 0:
        raise SuiteError(f"num_fewshot is {wanted}, and the lm-eval task {name!r} fixes it at 0. Leave it out.")
    if count and task.OUTPUT_TYPE == "loglikelihood_rolling":
        raise SuiteError(f"num_fewshot is {count}, and {name!r} scores whole texts, before which nothing stands.")
    if count and count > len(task.sampler.df) - (_examples_split(task) == _asked_split(task)):
        split, pool = _examples_split(task), len(task.sampler.df)
        raise SuiteError(f"num_fewshot is {count}, and the split {split!r} of {name!r} holds {pool} documents.")
    return Shots(count=count, fixed=fixed, seed=seed)


def _asked_split(task: Any) -> str:
    return str(task.config.test_split or task.config.validation_split)


def _examples_split(task: Any) -> str:
    """Where lm-eval draws examples from, where nothing else is said: what was made for training first."""
    config = task.config
    if task.fewshot_cfg.split is None and task.fewshot_cfg.samples is not None:
        return "fewshot_config.samples"
    return str(task.fewshot_cfg.split or config.training_split or config.validation_split or config.test_split)


def prepare(task: Any, shots: Shots) -> None:
    """Seed the drawing of examples as lm-eval does, or fix them."""
    if shots.count and shots.fixed and type(task.sampler) is ContextSampler:
        task.sampler = FixedExamples(task.sampler.df, shots.seed)
    else:
        task.set_fewshot_seed(shots.seed)


def documents(task: Any, name: str, limit: int | None) -> list[dict[str, Any]]:
    """The documents that lm-eval would ask about, in its order, as plain JSON."""
    found = []
    for index, document in enumerate(task.eval_docs):
        if limit is not None and index >= limit:
            break
        found.append(_plain(document, f"document {index} of the lm-eval task {name!r}"))
    if not found:
        raise SuiteError(f"the lm-eval task {name!r} has no document to ask about.")
    return found


def _plain(document: Any, where: str) -> dict[str, Any]:
    try:
        plain = json.loads(json.dumps(dict(document), allow_nan=False))
    except (TypeError, ValueError) as reason:
        raise SuiteError(f"{where} cannot be written down: {reason}. Images, sounds and NaN cannot.") from reason
    if plain != dict(document):
        raise SuiteError(f"{where} changes when it is written as JSON, so it cannot be frozen.")
    return dict(plain)


def ask_of(task: Any, name: str) -> Ask:
    """How the task asks; raises SuiteError for tasks with images or sound."""
    if getattr(task, "MULTIMODAL", False):
        raise SuiteError(f"the lm-eval task {name!r} shows images or plays sound, which our engine cannot.")
    return ASKS[task.OUTPUT_TYPE]


def requests_of(task: Any, name: str, index: int, document: Mapping[str, Any], shots: Shots, chat: bool) -> list[Any]:
    """lm-eval's own requests about a document. In a chat, a context is a list of messages in place of a text."""
    if isinstance(task.sampler, FixedExamples):
        task.sampler.asked = document
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(document)
        if not isinstance(choices, list) or not all(isinstance(choice, str) and choice for choice in choices):
            raise SuiteError(f"{name!r} gives document {index} the choices {choices!r:.80}, which is no list of texts.")
    template = _as_messages if chat else None
    prefix = task.doc_to_prefix(document)
    if chat and prefix:
        raise SuiteError(
            f"{name!r} begins the reply itself (gen_prefix), which a chat template cannot. Use prompt: raw."
        )
    context = task.fewshot_context(
        document,
        num_fewshot=shots.count,
        apply_chat_template=chat,
        fewshot_as_multiturn=True,
        chat_template=template,
        gen_prefix=prefix,
    )
    made: Instance | list[Instance] = task.construct_requests(
        doc=document,
        ctx=context,
        metadata=(name, index, task.config.repeats),
        apply_chat_template=chat,
        chat_template=template,
    )
    return made if isinstance(made, list) else [made]


def _as_messages(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> list[dict[str, str]]:
    """In the place of a chat template: the messages themselves. Which template they get is the model's affair."""
    return messages


def item_of(
    task: Any, name: str, index: int, document: dict[str, Any], requests: Sequence[Any], prompt: PromptStyle
) -> dict[str, Any]:
    """One item in the format of items files, without slice and cluster."""
    target = task.doc_to_target(document)
    source = {
        "task": name,
        "doc_id": index,
        "doc": document,
        "doc_hash": hash_string(
            json.dumps(requests[0].doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
        ),
        "target_hash": hash_string(str(target)),
    }
    if isinstance(question := task.doc_to_text(document), str) and question:
        source["question"] = question
    if prompt is PromptStyle.RAW:  # through a template it would be the model's
        source["prompt_hash"] = hash_string(requests[0].arguments[0])
    return {"id": f"{name}:{index}", **_asked(name, requests), **_right(task, document, target), "source": source}


def _asked(name: str, requests: Sequence[Any]) -> dict[str, Any]:
    kinds = {request.request_type for request in requests}
    first = requests[0].args[0]
    if kinds == {"loglikelihood"}:
        contexts = [request.args[0] for request in requests]
        choices = [request.args[1] for request in requests]
        if isinstance(first, list):  # messages
            if any(context != first for context in contexts):
                raise SuiteError(f"{name!r} asks with another context for each choice. Use prompt: raw.")
            return {"messages": first, "choices": choices}
        alike = all(context == first for context in contexts) and first
        return {"choices": choices, **({"prompt": first} if alike else {"contexts": contexts})}
    if len(requests) != 1 or len(kinds) != 1:
        raise SuiteError(f"{name!r} asks in {len(requests)} ways about one document ({', '.join(sorted(kinds))}).")
    return {"messages": first} if isinstance(first, list) else {"prompt": first}


def _right(task: Any, document: Mapping[str, Any], target: Any) -> dict[str, Any]:
    """What people are shown as the right answer. Scores come from the document, not from here."""
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return {}
    if task.OUTPUT_TYPE == "loglikelihood":
        return {"answer": 0}
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(document)
        gold = task.doc_to_text(document) if task.multiple_input else target
        if isinstance(gold, str) and gold in choices:
            gold = choices.index(gold)
        if isinstance(gold, int) and 0 <= gold < len(choices):
            return {"answer": gold}
        right = [choices[place] for place in gold if 0 <= place < len(choices)] if isinstance(gold, list) else []
        return {"target": right} if right else {}
    texts = [str(each) for each in target] if isinstance(target, list) else [str(target)]
    return {"target": texts} if texts else {}


def generation_of(requests: Sequence[Any], name: str, *, repeats: int, seed: int, most: int | None) -> dict[str, Any]:
    """GenerationSettings as they are kept, from a request's keyword arguments; raises SuiteError for unknown ones."""
    given = dict(requests[0].args[1])
    until = given.pop("until", None) or []
    stops = [text for text in ([until] if isinstance(until, str) else until) if text]
    lengths = [given.pop(key) for key in LENGTHS if key in given]
    sample, heat = given.pop("do_sample", None), given.get("temperature", 0) or 0
    greedy = sample is False or not float(heat)
    if unknown := sorted(given.keys() - (SAMPLING if greedy else {"temperature", "top_p"})):
        raise SuiteError(f"{name!r} generates with {unknown[0]}: {given[unknown[0]]}, which our engine does not know.")
    settings = {
        "max_new_tokens": most or int(next((n for n in lengths if n is not None), DEFAULT_NEW_TOKENS)),
        "stop": list(dict.fromkeys(stops)),
    }
    if greedy:
        return settings
    return settings | {
        "temperature": str(given.get("temperature")),
        "top_p": str(given.get("top_p", 1)),
        "seed": seed,
        "repeats": repeats,
    }


def labelled(items: list[dict[str, Any]], cluster: str | None, tasks: int, few: int) -> Iterator[dict[str, Any]]:
    """Items with slices and clusters: by task, by a field of the documents, and whatever is asked twice.

    A group's tasks are its slices. They are its clusters, too, where there are at least `few` of them: examples and
    description are one task's own, so that its items move together; with fewer, nothing could be decided.
    """
    seen: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        asked = {key: item.get(key) for key in ("prompt", "messages", "contexts", "choices")}
        seen.setdefault(hash_string(json.dumps(asked, ensure_ascii=False)), []).append(place)
    twin = {place: key for key, places in seen.items() if len(places) > 1 for place in places}
    by_task = cluster == "task" or (cluster is None and tasks >= few)
    for place, item in enumerate(items):
        task, document = item["source"]["task"], item["source"]["doc"]
        label = task if by_task else None
        if cluster not in (None, "task", "none"):
            if cluster not in document:
                raise SuiteError(f"cluster is {cluster!r}, which is no field of {task!r}: {', '.join(document)}.")
            label = f"{cluster}:{hash_string(json.dumps(document[cluster], ensure_ascii=False))[:16]}"
        elif label is None and cluster != "none" and place in twin:
            label = f"twin:{twin[place][:16]}"
        item |= {} if tasks == 1 else {"slice": task}
        yield item | ({} if label is None else {"cluster": label})
