"""One whole `regress check` against the three `lm_eval` runs that it stands for: seconds, memory, and the same answers?

    python benchmarks/versus_lm_eval.py --model MODEL --adapter ADAPTER --items 200 --task both --rounds 3

Who judges an adapter with lm-evaluation-harness starts it three times: on the base, on the base with `peft=ADAPTER`, and
on a merged checkpoint. `regress check` gives those answers in one process, with a decision on top. The script asks both
the same items and compares whole processes, start-up included, by the clock of whoever waits.

What is kept equal: items, prompts, choices, stop texts, token limit, fp32, CPU, threads. Nothing is cached: each of our
rounds starts from a project that holds a lock and no run; lm-eval has no request cache. What happens before the clock:
the lock (a project has one anyway), the merged checkpoint (a gift to lm-eval, which needs one on disk), the chat template
(lm-eval's tasks hold the rendered text), and one small run of each (warm file caches). Rounds alternate, so that whatever
else the machine does hits both; processor seconds stand beside the clock's for the same reason.

What is compared, for every variant: the choice picked, each choice's log-likelihood (at most 1e-3 nats apart), the text
written, the accuracy. The exit code is 1 when anything differs. Equal answers do not show that both are right, but the
two have no code in common between the tokenizer and the figure.

The items are made here from a seed: cards with four facts, in front of which a few worked examples stand. `sentences`
asks for the log-likelihood of four whole sentences, `letters` for that of four letters, `records` lets the model write.
Whether the model is any good at them does not matter. `--suite FILE` compares on suite files of your own instead.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from regress.schema import Outcome
from regress.store.runs import load_run

SEED = 11
TOLERANCE = 1e-3  # nats, summed over a choice's tokens
VARIANTS = ("base", "adapter", "merged")
PREFIX = "regress_"  # of lm-eval's task names, none of which begins so
DECIDED = (0, 3, 4)  # PROMOTE, REJECT, INCONCLUSIVE: the check went through
NO_FACTS = {"doc_to_text": "prompt", "dataset_path": "json", "test_split": "test", "target_delimiter": ""}

# What needs torch runs in processes of its own: this one stays small, since a child's peak memory, as the system counts
# it, begins with that of the process that started it.
RENDER = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for line in sys.stdin:
    text = tokenizer.apply_chat_template(json.loads(line), tokenize=False, add_generation_prompt=True)
    bare = tokenizer(text, add_special_tokens=False)["input_ids"]
    bos = tokenizer.bos_token
    assert (bos and text.startswith(bos)) or tokenizer(text)["input_ids"] == bare, (
        "lm-eval adds special tokens to this template's text and regress does not: compare --task choice")
    print(json.dumps(text))
"""
MERGE = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
PeftModel.from_pretrained(base, sys.argv[2]).merge_and_unload().save_pretrained(sys.argv[3])
AutoTokenizer.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[3])
"""
LOAD = """
import json, resource, sys, torch
import regress.backends.hf
from transformers import AutoModelForCausalLM
imports = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
weights = sum(p.numel() * p.element_size() for p in model.parameters())
print(json.dumps({"imports": imports, "loaded": loaded, "weights": weights}))
"""


# --- what is asked ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A suite file's content and its items, as they stand in the files."""

    file: dict[str, Any]
    items: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return str(self.file["name"])

    @property
    def chooses(self) -> bool:
        return bool(self.file["ask"] == "choose")

    def first(self, count: int) -> Task:
        return Task(file=self.file, items=self.items[:count])


Card = dict[str, str]
FACTS = {
    "name": "Noah Anna Paul Clara Omar Ingrid Hugo Mina Pedro Ruth Ivan Leila Kofi Greta Tomas Yuki".split(),
    "age": [str(age) for age in range(19, 90)],
    "job": "pilot baker nurse lawyer farmer singer tailor plumber dentist waiter painter miner".split(),
    "city": "Rome Lima Oslo Cairo Paris Dublin Tokyo Vienna Quito Lagos Prague Boston".split(),
}


def made_up_tasks(kind: str, count: int) -> list[Task]:
    """`choice` is sentences and letters, `generate` is records."""
    rng = random.Random(SEED)
    tasks = []
    if kind in ("choice", "both"):
        tasks += [Task(file=suite_file(name, "choose"), items=choice_items(rng, name, count)) for name in CHOICES]
    if kind in ("generate", "both"):
        tasks.append(Task(file=suite_file("records", "generate"), items=[record_item(rng, i) for i in range(count)]))
    return tasks


def suite_file(name: str, ask: str) -> dict[str, Any]:
    file = {"name": name, "version": 1, "category": "capability", "items": f"{name}.jsonl", "ask": ask, "margin": 0.03}
    if ask == "choose":
        return file | {"prompt": "raw", "scorer": "choice"}
    return file | {"prompt": "chat", "scorer": "exact_match", "generation": {"max_new_tokens": 64, "stop": []}}


def card(rng: random.Random) -> Card:
    return {key: rng.choice(values) for key, values in FACTS.items()}


def told(facts: Card) -> str:
    return f"{facts['name']} is a {facts['age']}-year-old {facts['job']} from {facts['city']}."


def sentence_question(facts: Card, options: Sequence[Card]) -> tuple[str, list[str]]:
    """Four sentences of about seven words to choose from."""
    listed = "; ".join(f"{key} {value}" for key, value in facts.items())
    return f"Card: {listed}.\nSentence:", [f" {told(option)}" for option in options]


def letter_question(facts: Card, options: Sequence[Card]) -> tuple[str, list[str]]:
    """The same choice, but the sentences stand in the question and the answer is a letter."""
    prompt, sentences = sentence_question(facts, options)
    listed = "".join(f"\n{letter}.{text}" for letter, text in zip("ABCD", sentences, strict=True))
    return f"{prompt.removesuffix('Sentence:')}Which is right?{listed}\nAnswer:", [f" {letter}" for letter in "ABCD"]


CHOICES = {"sentences": (sentence_question, 5), "letters": (letter_question, 2)}  # with so many worked examples


def choice_items(rng: random.Random, name: str, count: int) -> list[dict[str, Any]]:
    """Items that share their worked examples, as few-shot benchmarks do."""
    ask, shots = CHOICES[name]
    shown = ""
    items: list[dict[str, Any]] = []
    for index in range(-shots, count):
        facts = card(rng)
        wrong = {key: rng.choice([v for v in values if v != facts[key]]) for key, values in FACTS.items()}
        options = [facts, *({**facts, key: wrong[key]} for key in rng.sample(sorted(FACTS), 3))]
        rng.shuffle(options)
        (prompt, choices), answer = ask(facts, options), options.index(facts)
        if index < 0:
            shown += f"{prompt}{choices[answer]}\n\n"
        else:
            items.append({"id": f"{name}-{index}", "prompt": shown + prompt, "choices": choices, "answer": answer})
    return items


def record_item(rng: random.Random, index: int) -> dict[str, Any]:
    facts = card(rng)
    keys = rng.sample(sorted(facts), len(facts))
    target = json.dumps({key: int(facts[key]) if key == "age" else facts[key] for key in keys})
    prompt = f"Fill a JSON object with the keys {', '.join(keys)} from this text: {told(facts)}"
    return {"id": f"records-{index}", "prompt": prompt, "target": target}


def read_task(path: Path, count: int) -> Task:
    """A suite file of the user's with its first items."""
    file = yaml.safe_load(path.read_text())
    lines = (path.parent / file["items"]).read_text().splitlines()
    return Task(file=file | {"items": f"{file['name']}.jsonl"}, items=[json.loads(line) for line in lines[:count]])


# --- the same tasks for both ------------------------------------------------------------------------------------------


def write_project(folder: Path, model: Path, tasks: Sequence[Task]) -> Path:
    """A locked regress project without any run."""
    suites = folder / "suites"
    suites.mkdir(parents=True)
    settings = {"base": {"model": str(model)}, "suites": ["suites/*.yaml"], "engine": {"device": "cpu", "dtype": "fp32"}}
    (folder / "regress.yaml").write_text(yaml.safe_dump(settings))
    for task in tasks:
        (suites / f"{task.name}.yaml").write_text(yaml.safe_dump(task.file, sort_keys=False))
        write_lines(suites / f"{task.name}.jsonl", task.items)
    helper("-m", "regress", "lock", "--project", str(folder))
    return folder


def write_lm_eval_tasks(folder: Path, model: Path, tasks: Sequence[Task]) -> Path:
    folder.mkdir()
    for task in tasks:
        prompts = rendered(model, task)
        rows = [lm_eval_row(task, item, prompt) for item, prompt in zip(task.items, prompts, strict=True)]
        write_lines(folder / f"{task.name}.jsonl", rows)
        data = {"data_files": {"test": str(folder / f"{task.name}.jsonl")}}
        file = {"task": PREFIX + task.name, "dataset_kwargs": data, **NO_FACTS, **lm_eval_kind(task)}
        (folder / f"{task.name}.yaml").write_text(yaml.safe_dump(file, sort_keys=False))
    return folder


def rendered(model: Path, task: Task) -> list[str]:
    """Prompts as text: raw as they are, chat through the model's template."""
    asked = [item.get("messages") or [{"role": "user", "content": item["prompt"]}] for item in task.items]
    if task.file.get("prompt", "chat") == "raw":
        return ["\n".join(message["content"] for message in messages) for messages in asked]
    lines = "".join(json.dumps(messages) + "\n" for messages in asked)
    return [json.loads(line) for line in helper("-c", RENDER, str(model), stdin=lines).splitlines()]


def lm_eval_row(task: Task, item: dict[str, Any], prompt: str) -> dict[str, Any]:
    row = {"id": item["id"], "prompt": prompt}
    if task.chooses:
        return row | {"choices": item["choices"], "answer": item["answer"]}
    target = item.get("target", "")
    return row | {"target": target if isinstance(target, str) else target[0]}


def lm_eval_kind(task: Task) -> dict[str, Any]:
    metric = {"metric": "acc" if task.chooses else "exact_match", "aggregation": "mean", "higher_is_better": True}
    if task.chooses:
        return {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [metric],
        }
    generation = {"max_new_tokens": 128, "stop": []} | task.file.get("generation", {})
    settings = {"until": generation["stop"], "max_gen_toks": generation["max_new_tokens"], "do_sample": False}
    return {
        "output_type": "generate_until",
        "doc_to_target": "target",
        "generation_kwargs": settings,
        "metric_list": [metric],
    }


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process took; a sum of runs peaks where its largest does."""

    seconds: float
    processor: float
    peak: float  # MB

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            seconds=self.seconds + other.seconds,
            processor=self.processor + other.processor,
            peak=max(self.peak, other.peak),
        )


def environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def megabytes(maxrss: int) -> float:
    return maxrss / 2**20 if sys.platform == "darwin" else maxrss / 2**10


def helper(*arguments: str, stdin: str = "") -> str:
    """An untimed step; its standard output. A failure ends the script with what the step said."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment(), check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(arguments)[:200]} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return ended.stdout


def timed(*arguments: str, log: Path, accept: Sequence[int] = (0,)) -> Usage:
    """A timed process, its output in `log`. Any exit code that is not accepted ends the script."""
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output, env=environment())
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in accept:
        sys.exit(f"{' '.join(arguments)[:200]} ended with {code}:\n{log.read_text()[-3000:]}")
    return Usage(seconds=seconds, processor=used.ru_utime + used.ru_stime, peak=megabytes(used.ru_maxrss))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where everything lies. `locked` and `tasks` hold the questions, `merged` is for lm-eval."""

    model: Path
    adapter: Path
    merged: Path
    locked: Path
    tasks: Path
    names: tuple[str, ...]
    batch_size: str

    def ours(self, folder: Path) -> Usage:
        """One `regress check` in a new copy of the locked project."""
        project = shutil.copytree(self.locked, folder / "project")
        check = ("-m", "regress", "check", str(self.adapter), "--project", str(project), "--quiet")
        return timed(*check, log=folder / "regress.log", accept=DECIDED)

    def theirs(self, folder: Path) -> Usage:
        """Three `lm_eval` runs, one after another."""
        models = {
            "base": [f"pretrained={self.model}"],
            "adapter": [f"pretrained={self.model}", f"peft={self.adapter}"],
            "merged": [f"pretrained={self.merged}"],
        }
        total = Usage(seconds=0.0, processor=0.0, peak=0.0)
        for variant in VARIANTS:
            total += self._lm_eval(folder, variant, models[variant])
        return total

    def _lm_eval(self, folder: Path, variant: str, model: Sequence[str]) -> Usage:
        command = ["-m", "lm_eval", "run", "--model", "hf", "--model_args", *model, "dtype=float32", "--device", "cpu"]
        command += ["--batch_size", self.batch_size, "--include_path", str(self.tasks)]
        command += ["--tasks", *(PREFIX + name for name in self.names)]
        command += ["--log_samples", "--output_path", str(folder / variant)]
        return timed(*command, log=folder / f"{variant}.log")


def prepare(options: argparse.Namespace, work: Path, tasks: Sequence[Task], name: str) -> Bench:
    """Project, lock, lm-eval tasks and the merged checkpoint, under `work`."""
    model, adapter = options.model.resolve(), options.adapter.resolve()
    project = write_project(work / f"{name}-project", model, tasks)
    return Bench(
        model=model,
        adapter=adapter,
        merged=merge(model, adapter, work, options.merged_by),
        locked=project,
        tasks=write_lm_eval_tasks(work / f"{name}-tasks", model, tasks),
        names=tuple(task.name for task in tasks),
        batch_size=options.batch_size,
    )


def merge(model: Path, adapter: Path, work: Path, by: str) -> Path:
    """The merged checkpoint in fp32, written by PEFT (another's arithmetic than ours) or by regress."""
    target = work / "merged"
    if target.exists():
        return target
    if by == "peft":
        helper("-c", MERGE, str(model), str(adapter), str(target))
    else:
        project = write_project(work / "merge", model, [task.first(1) for task in made_up_tasks("choice", 1)])
        where = ("--adapter", str(adapter), "--write-merged", str(target), "--project", str(project))
        helper("-m", "regress", "run", "merged", *where)
    return target


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item's reply from either side: log-likelihoods of the choices, or a text."""

    scores: tuple[float, ...]
    text: str | None
    passed: bool

    @property
    def picked(self) -> str | int | None:
        """The text, or the first of the likeliest choices."""
        return self.scores.index(max(self.scores)) if self.scores else self.text


Answers = dict[tuple[str, str], dict[str, Answer]]
"""(variant, task) -> item id -> answer"""


def our_answers(folder: Path) -> Answers:
    answers: Answers = {}
    for run in (folder / "project").glob("**/manifest.json"):
        stored = load_run(run.parent)
        variant = stored.manifest.variant.partition("@")[0]
        for suite, outcomes in stored.outcomes.items():
            answers[variant, suite] = {
                item: Answer(scores=o.reply.logprobs, text=o.reply.text, passed=o.outcome is Outcome.PASS)
                for item, o in outcomes.items()
            }
    return answers


def their_answers(folder: Path, names: Sequence[str]) -> Answers:
    answers: Answers = {}
    for variant in VARIANTS:
        for name in names:
            (path,) = (folder / variant).glob(f"**/samples_{PREFIX}{name}_*.jsonl")
            samples = [json.loads(line) for line in path.open()]
            answers[variant, name] = {sample["doc"]["id"]: their_answer(sample) for sample in samples}
    return answers


def their_answer(sample: dict[str, Any]) -> Answer:
    """lm-eval logs each choice as [log-likelihood, is greedy], both as text, and a generation as its text."""
    if "acc" in sample:
        scores = tuple(float(value[0]) for value in sample["filtered_resps"])
        return Answer(scores=scores, text=None, passed=sample["acc"] == 1.0)
    return Answer(scores=(), text=sample["filtered_resps"][0], passed=sample["exact_match"] == 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often both said the same on one task and variant, over the union of their items."""

    task: str
    variant: str
    n: int
    same: int
    apart: float | None  # largest difference of two log-likelihoods, nats; infinite where a side has none
    ours_passed: int
    theirs_passed: int
    scored_alike: bool  # both sides' accuracy means the same
    first: str  # item on which they differ

    @property
    def ok(self) -> bool:
        accuracy = self.ours_passed == self.theirs_passed or not self.scored_alike
        return self.same == self.n and (self.apart is None or self.apart <= TOLERANCE) and accuracy


def compare(task: Task, variant: str, ours: Mapping[str, Answer], theirs: Mapping[str, Answer]) -> Agreement:
    ids = [str(item["id"]) for item in task.items]
    assert set(ids) == ours.keys() == theirs.keys(), f"{task.name}: the two sides answered other items"
    differ = [i for i in ids if ours[i].picked != theirs[i].picked]
    pairs = [pair for i in ids for pair in zip(ours[i].scores, theirs[i].scores, strict=True)]
    single = all(isinstance(item.get("target", ""), str) for item in task.items)
    return Agreement(
        task=task.name,
        variant=variant,
        n=len(ids),
        same=len(ids) - len(differ),
        apart=max((abs(a - b) if math.isfinite(a - b) else math.inf for a, b in pairs), default=None),
        ours_passed=sum(answer.passed for answer in ours.values()),
        theirs_passed=sum(answer.passed for answer in theirs.values()),
        scored_alike=task.file["scorer"] in ("choice", "exact_match") and single,
        first="" if not differ else f"{differ[0]}: {ours[differ[0]].picked!r} / {theirs[differ[0]].picked!r}",
    )


# --- the measurement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    ours: Usage
    theirs: Usage
    agreements: list[Agreement]


def one_round(bench: Bench, tasks: Sequence[Task], folder: Path) -> Round:
    folder.mkdir()
    ours, theirs = bench.ours(folder), bench.theirs(folder)
    mine, others = our_answers(folder), their_answers(folder, bench.names)
    keys = [(task, variant) for task in tasks for variant in VARIANTS]
    agreements = [compare(t, v, mine[v, t.name], others[v, t.name]) for t, v in keys]
    print(f"· {folder.name}: ours {ours.seconds:.1f} s, lm-eval {theirs.seconds:.1f} s", file=sys.stderr, flush=True)
    return Round(ours=ours, theirs=theirs, agreements=agreements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peak MB of four processes that hold more and more, and the size of the fp32 weights."""

    weights: float
    imports: float
    loaded: float
    base_run: float
    check: float

    @property
    def bases(self) -> float:
        """Resident bases that a check holds, after the libraries and what answering costs for the base alone."""
        return (self.check - self.imports - (self.base_run - self.loaded)) / self.weights


def measure_memory(bench: Bench, folder: Path, check: float) -> Memory:
    """The base alone, loaded and answering, beside the whole check's peak."""
    loaded = json.loads(helper("-c", LOAD, str(bench.model)))
    project = shutil.copytree(bench.locked, folder / "base-alone")
    run = timed("-m", "regress", "run", "base", "--project", str(project), "--quiet", log=folder / "base-alone.log")
    return Memory(
        weights=loaded["weights"] / 2**20,
        imports=megabytes(loaded["imports"]),
        loaded=megabytes(loaded["loaded"]),
        base_run=run.peak,
        check=check,
    )


# --- the report -------------------------------------------------------------------------------------------------------


def report(options: argparse.Namespace, tasks: Sequence[Task], small: Round, rounds: list[Round], memory: Memory) -> str:
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in conditions(options, tasks)), ""]
    lines += ["| round | ours, s | lm-eval ×3, s | ratio | ours, processor s | lm-eval | ours, peak MB | lm-eval |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|--:|", round_row("2 items a task (start-up)", small)]
    lines += [round_row(str(number), each) for number, each in enumerate(rounds, start=1)]
    wall = [each.theirs.seconds / each.ours.seconds for each in rounds]
    processor = [each.theirs.processor / each.ours.processor for each in rounds]
    lines += ["", f"**Ratio: {spread(wall)}** by the clock, {spread(processor)} in processor seconds.", ""]
    lines += ["| task | variant | same answer | log-likelihoods apart | accuracy ours / lm-eval |", "|---|---|--:|--:|--:|"]
    lines += [agreement_row(each) for each in worst(rounds)]
    lines += ["", memory_line(memory)]
    lines += [f"DIFFERS: {a.task} ({a.variant}) {a.first}" for a in worst(rounds) if not a.ok]
    return "\n".join(lines)


def conditions(options: argparse.Namespace, tasks: Sequence[Task]) -> list[tuple[str, str]]:
    packages = ("regress-harness", "lm_eval", "torch", "transformers", "peft")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    items = ", ".join(f"{task.name} {len(task.items)} ({shape(task)})" for task in tasks)
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return [
        ("machine", f"{processor_name()}, {len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS {threads}"),
        ("versions", f"{versions}, Python {platform.python_version()}"),
        ("model, adapter", f"{options.model.name}, {options.adapter.name}, fp32, cpu"),
        ("items", items),
        ("ours", "one `regress check` (base, adapter, merged), locked before, nothing stored"),
        ("lm-eval", f"`hf` on base, `peft=`, merged (by {options.merged_by}), `--batch_size {options.batch_size}`"),
    ]


def shape(task: Task) -> str:
    if not task.chooses:
        return "generated text"
    words = [len(choice.split()) for item in task.items for choice in item["choices"]]
    return f"choices of {min(words)}-{max(words)} words" if max(words) > 1 else "one-word choices"


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed: from the source tree)"


def processor_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def round_row(name: str, each: Round) -> str:
    ours, theirs = each.ours, each.theirs
    times = f"{ours.seconds:.1f} | {theirs.seconds:.1f} | {theirs.seconds / ours.seconds:.2f}"
    return f"| {name} | {times} | {ours.processor:.1f} | {theirs.processor:.1f} | {ours.peak:.0f} | {theirs.peak:.0f} |"


def spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def worst(rounds: Sequence[Round]) -> list[Agreement]:
    """Of each task and variant the round in which the two agreed least."""
    columns = zip(*(each.agreements for each in rounds), strict=True)
    return [min(column, key=lambda a: (a.ok, a.same, -(a.apart or 0.0))) for column in columns]


def agreement_row(a: Agreement) -> str:
    apart = "–" if a.apart is None else f"at most {a.apart:.1e}"
    accuracy = f"{a.ours_passed} / {a.theirs_passed}" if a.scored_alike else "scored otherwise"
    return f"| {a.task} | {a.variant} | {a.same} of {a.n} | {apart} | {accuracy} |"


def memory_line(m: Memory) -> str:
    return (
        f"Our peak memory, MB: libraries {m.imports:.0f}, base loaded {m.loaded:.0f} (weights {m.weights:.0f}), base alone "
        f"answering {m.base_run:.0f}, three variants {m.check:.0f}: {m.check / m.base_run:.2f} × the base alone; without "
        f"libraries and activations {m.bases:.2f} resident bases (wanted: at most 1.30)."
    )


def main() -> int:
    options = arguments()
    tasks = [read_task(path, options.items) for path in options.suite]
    tasks = tasks or made_up_tasks(options.task, options.items)
    with tempfile.TemporaryDirectory(prefix="versus-") as name:
        work = Path(name)
        os.environ["HF_HOME"] = str(work / "hf")  # data sets that lm-eval has converted; the same for all rounds
        small = one_round(prepare(options, work, [task.first(2) for task in tasks], "small"), [], work / "warm-up")
        bench = prepare(options, work, tasks, "full")
        rounds = [one_round(bench, tasks, work / f"round-{number}") for number in range(1, options.rounds + 1)]
        memory = measure_memory(bench, work, max(each.ours.peak for each in rounds))
    print(report(options, tasks, small, rounds, memory))
    return 0 if all(agreement.ok for each in rounds for agreement in each.agreements) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a causal LM")
    parser.add_argument("--adapter", type=Path, required=True, help="folder of a PEFT adapter for it")
    parser.add_argument("--items", type=int, default=200, help="for each task (200)")
    parser.add_argument("--task", choices=("choice", "generate", "both"), default="choice")
    parser.add_argument("--suite", type=Path, action="append", default=[], help="a suite file instead; repeatable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", default="64", help="of lm-eval (64)")
    parser.add_argument("--merged-by", choices=("peft", "regress"), default="peft", help="who writes lm-eval's checkpoint")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
