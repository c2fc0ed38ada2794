"""One whole `regress check` against the three `lm_eval` runs that it stands for: seconds, memory, the same answers?

    python benchmarks/speed.py --model MODEL --adapter ADAPTER --items 200 --task both --rounds 3

To judge an adapter with lm-evaluation-harness one starts it three times: on the base, on the base with `peft=ADAPTER`
and on a merged checkpoint. `regress check` gives those answers in one process, and a decision on top. Both are asked
the same items here, and whole processes are compared, start-up included, by the clock of whoever waits.

A second check of the same candidate, with the base's run stored and its own removed, is what every adapter after the
first one costs.

What is equal: items, prompts, choices, stop texts, token limit, fp32, CPU, threads. Nothing is cached: each of our
rounds begins with a project that holds a lock and no run, and lm-eval's request cache is off. Done before the clock:
the lock, which a project has anyway; for lm-eval the merged checkpoint and the chat template (its tasks hold rendered
text); a small run of each, which warms the file caches. Rounds alternate, since a machine's speed drifts.

Measure on an idle machine. How many cores other programs used meanwhile stands in the table; where that is more than a
tenth of a core, the ratio by the clock says little. Processor seconds suffer less, and least with OMP_NUM_THREADS=1:
threads that wait for one another spin, and that counts as work.

What is compared, for every variant: the choice picked, each choice's log-likelihood (at most 1e-3 nats apart), the text
written, the accuracy. Both use transformers' layers; splitting, batching, caching, the merge (PEFT's for lm-eval) and
the scores are each side's own work. The exit code is 1 when anything differs.

The items are made here from a seed: cards with four facts, behind a few worked examples. `sentences` asks for the
likelihood of four whole sentences, `letters` for that of four letters; `records` lets the model write JSON through the
chat template, `documents` behind five worked examples. Whether the model is any good at them does not matter.
`--suite FILE` takes suite files of your own instead; where a prompt of `ask: choose` ends with a line break, as chat
templates do, lm-eval counts the break as part of every choice, so that log-likelihoods differ by its own.
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
DECIDED = (0, 3, 4)  # PROMOTE, REJECT, INCONCLUSIVE: the check went through
PREFIX = "regress_"  # of lm-eval's task names, none of which begins so

# What needs torch runs in processes of its own. This one stays small, since a process's peak memory, as the system
# counts it, begins with that of the process that started it.
RENDER = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for line in sys.stdin:
    text = tokenizer.apply_chat_template(json.loads(line), tokenize=False, add_generation_prompt=True)
    begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    if not begun and tokenizer(text)["input_ids"] != tokenizer(text, add_special_tokens=False)["input_ids"]:
        sys.exit("lm-eval would add special tokens to this chat template's text, and regress does not.")
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
libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([libraries, loaded, sum(p.numel() * p.element_size() for p in model.parameters())]))
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
FACTS: dict[str, list[str]] = {
    "name": ["Noah", "Anna", "Paul", "Clara", "Omar", "Ingrid", "Hugo", "Mina", "Pedro", "Ruth", "Ivan", "Leila"],
    "age": [str(age) for age in range(19, 90)],
    "job": ["pilot", "baker", "nurse", "lawyer", "farmer", "singer", "tailor", "plumber", "dentist", "waiter", "miner"],
    "city": ["Rome", "Lima", "Oslo", "Cairo", "Paris", "Dublin", "Tokyo", "Vienna", "Quito", "Lagos", "Prague"],
}
SHOTS = {
    "sentences": 5,
    "letters": 2,
    "documents": 5,
}  # worked examples, the same for all items, as few-shot benchmarks have them


KINDS = {
    "choice": ("sentences", "letters"),
    "sentences": ("sentences",),
    "letters": ("letters",),
    "generate": ("records",),
    "documents": ("documents",),
    "both": ("sentences", "letters", "records", "documents"),
}


def made_up_tasks(kind: str, count: int) -> list[Task]:
    """The tasks that KINDS names, with `count` items each."""
    rng = random.Random(SEED)
    shared = {"version": 1, "category": "capability", "margin": 0.03}
    choose = shared | {"ask": "choose", "prompt": "raw", "scorer": "choice"}
    generation = {"max_new_tokens": 64, "stop": ["\n\n"]}
    write = shared | {"ask": "generate", "prompt": "chat", "scorer": "exact_match", "generation": generation}
    tasks = []
    for name in KINDS[kind]:
        if name == "records":
            tasks.append(Task(file={"name": name, **write}, items=[record_item(rng, i) for i in range(count)]))
        elif name == "documents":
            tasks.append(Task(file={"name": name, **write, "prompt": "raw"}, items=document_items(rng, count)))
        else:
            tasks.append(Task(file={"name": name, **choose}, items=choice_items(rng, name, count)))
    return tasks


def card(rng: random.Random) -> Card:
    return {key: rng.choice(values) for key, values in FACTS.items()}


def told(facts: Card) -> str:
    return f"{facts['name']} is a {facts['age']}-year-old {facts['job']} from {facts['city']}."


def question(name: str, facts: Card, options: Sequence[Card]) -> tuple[str, list[str]]:
    """Prompt and choices: four sentences of seven words, or the letters of four sentences that the prompt lists."""
    listed = f"Card: {'; '.join(f'{key} {value}' for key, value in facts.items())}.\n"
    if name == "sentences":
        return f"{listed}Sentence:", [f" {told(option)}" for option in options]
    lines = [f"{letter}. {told(option)}\n" for letter, option in zip("ABCD", options, strict=True)]
    return f"{listed}Which is right?\n{''.join(lines)}Answer:", [f" {letter}" for letter in "ABCD"]


def choice_items(rng: random.Random, name: str, count: int) -> list[dict[str, Any]]:
    shown = ""
    items: list[dict[str, Any]] = []
    for index in range(-SHOTS[name], count):
        facts = card(rng)
        wrong = {key: rng.choice([value for value in FACTS[key] if value != facts[key]]) for key in FACTS}
        options = [facts, *({**facts, key: wrong[key]} for key in rng.sample(sorted(FACTS), 3))]
        rng.shuffle(options)
        (prompt, choices), answer = question(name, facts, options), options.index(facts)
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


def document_items(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """The same behind worked examples, as text."""
    shown = ""
    items: list[dict[str, Any]] = []
    for index in range(-SHOTS["documents"], count):
        record = record_item(rng, index)
        prompt = f"{record['prompt']}\nJSON:"
        if index < 0:
            shown += f"{prompt} {record['target']}\n\n"
        else:
            items.append({"id": f"documents-{index}", "prompt": shown + prompt, "target": record["target"]})
    return items


def read_task(path: Path, count: int) -> Task:
    """A suite file of the user's with its first items."""
    file = yaml.safe_load(path.read_text())
    lines = (path.parent / file["items"]).read_text().splitlines()
    return Task(file=file, items=[json.loads(line) for line in lines[:count]])


# --- the same tasks for both ------------------------------------------------------------------------------------------


def write_project(folder: Path, model: Path, tasks: Sequence[Task]) -> Path:
    """A locked regress project without any run."""
    (folder / "suites").mkdir(parents=True)
    engine = {"device": "cpu", "dtype": "fp32"}
    write_yaml(folder / "regress.yaml", {"base": {"model": str(model)}, "suites": ["suites/*.yaml"], "engine": engine})
    for task in tasks:
        write_yaml(folder / "suites" / f"{task.name}.yaml", task.file | {"items": f"{task.name}.jsonl"})
        write_lines(folder / "suites" / f"{task.name}.jsonl", task.items)
    helper("-m", "regress", "lock", "--project", str(folder))
    return folder


def write_lm_eval_tasks(folder: Path, model: Path, tasks: Sequence[Task]) -> Path:
    """A folder for `--include_path`: a task file and its data for each task."""
    folder.mkdir()
    for task in tasks:
        data = folder / f"{task.name}.jsonl"
        prompts = rendered(model, task)
        write_lines(data, [lm_eval_row(item, prompt) for item, prompt in zip(task.items, prompts, strict=True)])
        write_yaml(folder / f"{task.name}.yaml", lm_eval_task(task, data))
    return folder


def rendered(model: Path, task: Task) -> list[str]:
    """Prompts as text: raw as they are, chat through the model's template."""
    asked = [item.get("messages") or [{"role": "user", "content": item["prompt"]}] for item in task.items]
    if task.file.get("prompt") == "raw":
        return ["\n".join(message["content"] for message in messages) for messages in asked]
    lines = "".join(json.dumps(messages) + "\n" for messages in asked)
    return [json.loads(line) for line in helper("-c", RENDER, str(model), stdin=lines).splitlines()]


def lm_eval_row(item: dict[str, Any], prompt: str) -> dict[str, Any]:
    row = {"id": item["id"], "prompt": prompt}
    if "choices" in item:
        return row | {"choices": item["choices"], "answer": item["answer"]}
    target = item.get("target", "")
    return row | {"target": target if isinstance(target, str) else target[0]}


def lm_eval_task(task: Task, data: Path) -> dict[str, Any]:
    """https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md"""
    file: dict[str, Any] = {"task": PREFIX + task.name, "dataset_path": "json", "test_split": "test"}
    file |= {"dataset_kwargs": {"data_files": {"test": str(data)}}, "doc_to_text": "prompt", "target_delimiter": ""}
    metric = {"metric": "acc" if task.chooses else "exact_match", "aggregation": "mean", "higher_is_better": True}
    file["metric_list"] = [metric]
    if task.chooses:
        return file | {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "answer"}
    generation = {"max_new_tokens": 128, "stop": []} | task.file.get("generation", {})
    settings = {"until": generation["stop"], "max_gen_toks": generation["max_new_tokens"], "do_sample": False}
    return file | {"output_type": "generate_until", "doc_to_target": "target", "generation_kwargs": settings}


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False))


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process took, or several one after another, which peak where the largest does."""

    seconds: float
    processor: float
    peak: float  # MB
    disturbance: float  # processor seconds that the rest of the machine took meanwhile

    @property
    def others(self) -> float:
        """Cores that other programs used, on average."""
        return self.disturbance / self.seconds


def environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def megabytes(maxrss: int) -> float:
    """ru_maxrss is in kilobytes, on macOS in bytes."""
    return maxrss / 2**20 if sys.platform == "darwin" else maxrss / 2**10


def machine_seconds() -> float:
    """Processor seconds of the whole machine so far, those that a hypervisor took away included; 0 without /proc."""
    if not Path("/proc/stat").exists():
        return 0.0
    user, nice, system, _idle, _waiting, hard, soft, stolen = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, hard, soft, stolen))) / os.sysconf("SC_CLK_TCK")


def helper(*arguments: str, stdin: str = "") -> str:
    """An untimed step; returns its standard output. A failure ends the script with what the step said."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment(), check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(arguments)[:200]} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return ended.stdout


def timed(*arguments: str, log: Path, accept: Sequence[int] = (0,)) -> Usage:
    """A timed process, its output in `log`. An exit code that is not accepted ends the script."""
    with log.open("wb") as output:
        started, before = time.perf_counter(), machine_seconds()
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output, env=environment())
        _, status, used = os.wait4(process.pid, 0)
        seconds, everybody = time.perf_counter() - started, machine_seconds() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        sys.exit(f"{' '.join(arguments)[:200]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    own = used.ru_utime + used.ru_stime
    disturbance = max(0.0, everybody - own)
    return Usage(seconds=seconds, processor=own, peak=megabytes(used.ru_maxrss), disturbance=disturbance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The same questions in a locked project and in a folder of lm-eval tasks, and the models that answer."""

    model: Path
    adapter: Path
    merged: Path
    project: Path
    tasks: Path
    names: tuple[str, ...]
    batch_size: str

    def ours(self, folder: Path) -> Usage:
        """One `regress check` in a new copy of the locked project."""
        return self._check(shutil.copytree(self.project, folder / "project"), folder / "check.log")

    def ours_cached(self, folder: Path) -> Usage:
        """The same where the base's run is stored, as for every adapter after the first."""
        project = shutil.copytree(folder / "project", folder / "cached")
        shutil.rmtree(project / "runs")
        return self._check(project, folder / "cached.log")

    def _check(self, project: Path, log: Path) -> Usage:
        check = ("-m", "regress", "check", str(self.adapter), "--project", str(project), "--quiet")
        return timed(*check, log=log, accept=DECIDED)

    def theirs(self, folder: Path) -> Usage:
        """Three `lm_eval` runs, one after another."""
        base = f"pretrained={self.model}"
        models = {"base": [base], "adapter": [base, f"peft={self.adapter}"], "merged": [f"pretrained={self.merged}"]}
        runs = [self._lm_eval(folder, variant, models[variant]) for variant in VARIANTS]
        return Usage(
            seconds=sum(run.seconds for run in runs),
            processor=sum(run.processor for run in runs),
            peak=max(run.peak for run in runs),
            disturbance=sum(run.disturbance for run in runs),
        )

    def _lm_eval(self, folder: Path, variant: str, model: Sequence[str]) -> Usage:
        command = ["-m", "lm_eval", "run", "--model", "hf", "--model_args", *model, "dtype=float32", "--device", "cpu"]
        command += ["--batch_size", self.batch_size, "--include_path", str(self.tasks), "--tasks"]
        command += [*(PREFIX + name for name in self.names), "--log_samples", "--output_path", str(folder / variant)]
        return timed(*command, log=folder / f"{variant}.log")


def prepare(options: argparse.Namespace, folder: Path, tasks: Sequence[Task], merged: Path) -> Bench:
    return Bench(
        model=options.model,
        adapter=options.adapter,
        merged=merged,
        project=write_project(folder / "locked", options.model, tasks),
        tasks=write_lm_eval_tasks(folder / "tasks", options.model, tasks),
        names=tuple(task.name for task in tasks),
        batch_size=options.batch_size,
    )


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item's reply from either side: log-likelihoods of the choices, or a text."""

    scores: tuple[float, ...] = ()
    text: str | None = None
    passed: bool

    @property
    def picked(self) -> str | int | None:
        """The text, or the first of the likeliest choices."""
        return self.scores.index(max(self.scores)) if self.scores else self.text


Answers = dict[tuple[str, str], dict[str, Answer]]
"""(task, variant) -> item id -> answer"""


def our_answers(folder: Path) -> Answers:
    answers: Answers = {}
    for path in (folder / "project").glob("**/manifest.json"):
        run = load_run(path.parent)
        for suite, outcomes in run.outcomes.items():
            answers[suite, run.manifest.variant.partition("@")[0]] = {
                item: Answer(scores=o.reply.logprobs, text=o.reply.text, passed=o.outcome is Outcome.PASS)
                for item, o in outcomes.items()
            }
    return answers


def their_answers(folder: Path, names: Sequence[str]) -> Answers:
    answers: Answers = {}
    for name, variant in ((name, variant) for name in names for variant in VARIANTS):
        (path,) = (folder / variant).glob(f"**/samples_{PREFIX}{name}_2*.jsonl")
        samples = [json.loads(line) for line in path.open()]
        answers[name, variant] = {sample["doc"]["id"]: their_answer(sample) for sample in samples}
    return answers


def their_answer(sample: dict[str, Any]) -> Answer:
    """lm-eval logs each choice as (log-likelihood, is greedy), both as text, and a generation as its text."""
    if "acc" in sample:
        return Answer(scores=tuple(float(pair[0]) for pair in sample["filtered_resps"]), passed=sample["acc"] == 1.0)
    return Answer(text=sample["filtered_resps"][0], passed=sample["exact_match"] == 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often both said the same on one task and variant."""

    task: str
    variant: str
    n: int
    same: int
    apart: float | None  # largest difference of two log-likelihoods, nats
    passed: tuple[int, int] | None  # ours, theirs; None where the two score by different rules
    first: str  # difference, to look at

    @property
    def ok(self) -> bool:
        scored = self.passed is None or self.passed[0] == self.passed[1]
        return scored and self.same == self.n and (self.apart is None or self.apart <= TOLERANCE)


def compare(task: Task, variant: str, ours: Mapping[str, Answer], theirs: Mapping[str, Answer]) -> Agreement:
    """Item by item; a missing or additional item on either side ends the script."""
    ids = [str(item["id"]) for item in task.items]
    if not set(ids) == ours.keys() == theirs.keys():
        sys.exit(f"{task.name} ({variant}): {len(ids)} items were asked, {len(ours)} and {len(theirs)} answered.")
    differ = [i for i in ids if ours[i].picked != theirs[i].picked]
    pairs = [pair for i in ids for pair in zip(ours[i].scores, theirs[i].scores, strict=True)]
    one_target = all(isinstance(item.get("target", ""), str) for item in task.items)
    passed = (sum(a.passed for a in ours.values()), sum(a.passed for a in theirs.values()))
    return Agreement(
        task=task.name,
        variant=variant,
        n=len(ids),
        same=len(ids) - len(differ),
        apart=max((abs(a - b) if math.isfinite(a - b) else math.inf for a, b in pairs), default=None),
        passed=passed if task.file["scorer"] in ("choice", "exact_match") and one_target else None,
        first=f"{differ[0]}: {ours[differ[0]].picked!r} against {theirs[differ[0]].picked!r}" if differ else "",
    )


# --- the measurement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    ours: Usage
    cached: Usage  # ours with the base stored
    theirs: Usage
    agreements: list[Agreement]


def one_round(bench: Bench, tasks: Sequence[Task], folder: Path) -> Round:
    folder.mkdir()
    ours, cached, theirs = bench.ours(folder), bench.ours_cached(folder), bench.theirs(folder)
    times = f"ours {ours.seconds:.1f} s, base cached {cached.seconds:.1f} s, lm-eval {theirs.seconds:.1f} s"
    print(f"· {folder.name}: {times}", file=sys.stderr, flush=True)
    a, b = our_answers(folder), their_answers(folder, bench.names)
    agreements = [compare(t, v, a[t.name, v], b[t.name, v]) for t in tasks for v in VARIANTS]
    return Round(ours=ours, cached=cached, theirs=theirs, agreements=agreements)


def worst(rounds: Sequence[Round]) -> list[Agreement]:
    """For each task and variant the round in which the two agreed least."""
    columns = zip(*(each.agreements for each in rounds), strict=True)
    return [min(column, key=lambda a: (a.ok, a.same, -(a.apart or 0.0))) for column in columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Our peak MB: libraries only, with the base loaded, the base alone answering, three variants answering."""

    weights: float
    libraries: float
    loaded: float
    base: float
    check: float

    @property
    def bases(self) -> float:
        """A check in units of one loaded base, without the libraries and without what the base's answers take."""
        return (self.check - self.libraries - (self.base - self.loaded)) / (self.loaded - self.libraries)


def measure_memory(bench: Bench, folder: Path, check: float) -> Memory:
    libraries, loaded, weights = json.loads(helper("-c", LOAD, str(bench.model)))
    project = shutil.copytree(bench.project, folder / "base-alone")
    run = timed("-m", "regress", "run", "base", "--project", str(project), "--quiet", log=folder / "base-alone.log")
    return Memory(
        weights=weights / 2**20, libraries=megabytes(libraries), loaded=megabytes(loaded), base=run.peak, check=check
    )


# --- the report -------------------------------------------------------------------------------------------------------


def conditions(options: argparse.Namespace, tasks: Sequence[Task]) -> dict[str, str]:
    packages = {"lm_eval": "lm-eval", "torch": "torch", "transformers": "transformers", "peft": "peft"}
    versions = [f"{name} {importlib.metadata.version(package)}" for name, package in packages.items()]
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    return {
        "machine": f"{processor_name()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads} for both",
        "versions": f"{', '.join(versions)}, Python {platform.python_version()}",
        "model and adapter": f"{options.model.name} and {options.adapter.name}, float32, cpu",
        "items": "; ".join(f"{task.name} {len(task.items)} ({shape(task)})" for task in tasks),
        "ours": "one `regress check` of base, adapter and merged; locked before, nothing stored",
        "lm-eval": f"three `lm_eval run --model hf --batch_size {options.batch_size}`: base, `peft=`, merged",
    }


def shape(task: Task) -> str:
    if not task.chooses:
        return "text"
    words = [len(choice.split()) for item in task.items for choice in item["choices"]]
    return f"choices of up to {max(words)} words" if max(words) > 1 else "choices of one letter or word"


def processor_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


ROUND_HEAD = (
    "| round | s | lm-eval s | ratio | base cached s | ratio | processor s | lm-eval's | others' cores "
    "| peak MB | lm-eval's |"
)


def round_row(name: str, each: Round) -> str:
    a, b = each.ours, each.theirs
    times = f"{a.seconds:.1f} | {b.seconds:.1f} | {b.seconds / a.seconds:.2f}"
    times += f" | {each.cached.seconds:.1f} | {b.seconds / each.cached.seconds:.2f}"
    times += f" | {a.processor:.1f} | {b.processor:.1f}"
    return f"| {name} | {times} | {a.others:.1f}, {b.others:.1f} | {a.peak:.0f} | {b.peak:.0f} |"


def spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def agreement_row(a: Agreement) -> str:
    apart = "–" if a.apart is None else f"{a.apart:.1e}"
    passed = "scored by other rules" if a.passed is None else f"{a.passed[0]} and {a.passed[1]}"
    return f"| {a.task} | {a.variant} | {a.same}/{a.n} | {apart} | {passed} |"


def memory_text(m: Memory) -> str:
    return (
        f"Our peak memory, MB: libraries {m.libraries:.0f}; base loaded {m.loaded:.0f} (weights {m.weights:.0f}); "
        f"base alone answering {m.base:.0f}; three variants answering {m.check:.0f}. That is {m.check / m.base:.2f} × "
        f"the base alone and, without libraries and activations, {m.bases:.2f} × one loaded base (wanted: <= 1.30)."
    )


def report(
    options: argparse.Namespace, tasks: Sequence[Task], small: Round, rounds: Sequence[Round], memory: Memory
) -> str:
    wall = spread([each.theirs.seconds / each.ours.seconds for each in rounds])
    cached = spread([each.theirs.seconds / each.cached.seconds for each in rounds])
    processor = spread([each.theirs.processor / each.ours.processor for each in rounds])
    found = worst(rounds)
    lines = [
        *("| | |", "|---|---|"),
        *(f"| {name} | {value} |" for name, value in conditions(options, tasks).items()),
        *("", ROUND_HEAD, "|---|" + 10 * "--:|", round_row("1 item a task: start-up", small)),
        *(round_row(str(number), each) for number, each in enumerate(rounds, start=1)),
        *(
            "",
            f"**Ratio, median [least, most]: {wall}** by the clock, {processor} in processor seconds; **{cached} with "
            "the base's run stored**.",
        ),
        *("", "| task | variant | same answer | log-likelihoods at most apart, nats | passed, ours and lm-eval's |"),
        *("|---|---|--:|--:|--:|", *map(agreement_row, found)),
        *("", memory_text(memory)),
        *(f"DIFFERENT: {a.task} ({a.variant}) {a.first}" for a in found if not a.ok),
    ]
    return "\n".join(lines)


def main() -> int:
    options = arguments()
    tasks = [read_task(path, options.items) for path in options.suite] or made_up_tasks(options.task, options.items)
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        work = Path(name)
        os.environ["HF_HOME"] = str(work / "hf")  # data sets as lm-eval converts them; kept from round to round
        merged = options.merged or work / "merged"
        if not merged.exists():
            helper("-c", MERGE, str(options.model), str(options.adapter), str(merged))
        few = [task.first(1) for task in tasks]
        bench = prepare(options, work / "few", few, merged)
        one_round(bench, few, work / "warm-up")
        small = one_round(bench, few, work / "start-up")
        bench = prepare(options, work / "all", tasks, merged)
        rounds = [one_round(bench, tasks, work / f"round-{number}") for number in range(1, options.rounds + 1)]
        memory = measure_memory(bench, work, statistics.median(each.ours.peak for each in rounds))
    print(report(options, tasks, small, rounds, memory))
    return 0 if all(agreement.ok for agreement in worst(rounds)) else 1


def arguments() -> argparse.Namespace:
    def folder(text: str) -> Path:
        path = Path(text).resolve()
        if not path.is_dir():
            raise argparse.ArgumentTypeError(f"{text} is no folder")
        return path

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=folder, required=True, help="folder of a causal LM")
    parser.add_argument("--adapter", type=folder, required=True, help="folder of a PEFT adapter for it")
    parser.add_argument("--items", type=int, default=200, help="at most so many a task (200)")
    parser.add_argument("--task", choices=KINDS, default="choice", help="made-up items")
    parser.add_argument("--suite", type=Path, action="append", default=[], help="a suite file instead; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", default="64", help="lm-eval's; a number or auto (64)")
    parser.add_argument("--merged", type=folder, help="the merged checkpoint (default: PEFT merges in float32)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
