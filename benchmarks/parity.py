"""Our engine and scorer against lm-eval's own `hf` model, on the same documents, request by request.

    python benchmarks/parity.py --model path/to/model --data path/to/data [--limit 100]

Tasks are written as YAML into a temporary folder over whatever of the public data is there (arc_easy, piqa, lambada,
winogrande, boolq, copa, MMLU, GSM8K, IFEval, TruthfulQA as described in `sources`); what is not there is skipped, and
said. Ours: each task frozen as a suite with `fewshot: per_document`, answered by our engine, scored by `lm_eval`; the
figures once more through `simple_evaluate(model=EngineLM(engine))`. Theirs: `simple_evaluate(model=HFLM(...))`.
Exit code 1 where a log-likelihood is more than 1e-3 nats apart, a prediction or a figure differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from parity_tasks import CODE, Source, sources, write

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

NEAR = 1e-3  # nats, one request
RELATIVE = 1e-4  # of a figure that is no count
PER_TEXT = 1e-5  # nats a token, of texts of several windows


# --- both sides -------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Found:
    """How one task came out."""

    task: str
    kind: str
    documents: int = 0
    requests: int = 0
    apart: float | None = None  # the most, nats a request (or a token, of whole texts)
    same: int = 0  # documents with the same prediction
    figures: tuple[float, float] = (0.0, 0.0)  # ours, theirs
    metric: str = ""
    wrapped: bool = True  # whether EngineLM gives the same figures
    seconds: tuple[float, float] = (0.0, 0.0)
    hashes: bool = True
    faults: list[str] = field(default_factory=list)

    def note(self, apart: float) -> None:
        self.apart = max(apart, self.apart or 0.0)


class Sides:
    """The engine and lm-eval's own model, loaded once."""

    def __init__(self, model: Path, tasks: Path, project: Path, batch_size: int) -> None:
        import torch
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        from regress.backends.hf import HFEngine
        from regress.lmeval.model import EngineLM
        from regress.schema import Precision

        self.project = project
        self.manager = TaskManager(include_path=str(tasks), include_defaults=False)
        self.hf = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=batch_size)
        self.engine = HFEngine(model, Precision.FP32, torch.device("cpu"), None)
        self.wrapped = EngineLM(self.engine)

    def evaluate(self, model: Any, task: str, limit: int) -> dict[str, Any]:
        from lm_eval import simple_evaluate

        names: list[Any] = [task]
        found = simple_evaluate(
            model=model, tasks=names, task_manager=self.manager, limit=limit, bootstrap_iters=0, log_samples=True
        )
        return dict(found or {})

    def suite(self, source: Source, limit: int) -> Any:
        """The task frozen as a suite of ours."""
        from regress.lmeval.freeze import freeze
        from regress.suite import read_suite

        section = {"task": f"parity_{source.name}", "include_path": "tasks", "limit": limit, "fewshot": "per_document"}
        settings = {"name": source.name, "version": 1, "category": "capability", "margin": 0.05, "lm_eval": section}
        path = self.project / f"{source.name}.yaml"
        path.write_text(yaml.safe_dump(settings))
        freeze(path, self.project, trust=source.trusted)
        return read_suite(path)


def compare(sides: Sides, source: Source, limit: int) -> Found:
    from regress.lmeval.scoring import scoring_code, with_tasks
    from regress.scorers import bind

    suite = sides.suite(source, limit)
    options = suite.scorer.options
    found = Found(task=source.name, kind=str(source.config["output_type"]), metric=options["metric"])
    code = scoring_code(suite)
    scorer = with_tasks([suite], {suite.name: bind(suite)}, trusted=[code.digest] if code else [])[suite.name]
    started = time.perf_counter()
    requests = sides.engine.render(suite)
    ready = sides.engine.answers(suite, sides.engine.batches(suite, requests))
    replies = {place: reply for part in ready for place, reply in part}
    scores = [scorer.score(replies[place], item) for place, item in enumerate(suite.items)]
    middle = time.perf_counter()
    theirs = sides.evaluate(sides.hf, f"parity_{source.name}", limit)
    found.seconds = (middle - started, time.perf_counter() - middle)
    logged = [sample for leaf in source.leaves for sample in theirs["samples"][f"parity_{leaf.name}"]]
    samples = [sample for sample in logged if sample["filter"] == options["filter"]]
    if len(samples) != len(suite.items):
        raise SystemExit(f"{source.name}: {len(suite.items)} items and {len(samples)} samples.")
    for place, (sample, item) in enumerate(zip(samples, suite.items, strict=True)):
        look_at(found, sample, item, replies[place], scores[place], options)
    known = theirs["results"][f"parity_{source.name}"]
    found.figures = (figure(suite, replies, scores), known[f"{found.metric},{options['filter']}"])
    again = sides.evaluate(sides.wrapped, f"parity_{source.name}", limit)["results"][f"parity_{source.name}"]
    found.wrapped = all(near(again[key], value) for key, value in known.items() if isinstance(value, float))
    check(found)
    return found


def look_at(found: Found, sample: dict[str, Any], item: Any, reply: Any, score: Any, options: Any) -> None:
    """One document on both sides."""
    hashes = ("doc_hash", "prompt_hash", "target_hash")
    found.hashes = found.hashes and all(item.source[key] == sample[key] for key in hashes)
    found.documents += 1
    if found.kind == "generate_until":
        found.requests += 1
        found.same += reply.text == sample["resps"][0][0]
    elif found.kind == "loglikelihood_rolling":
        found.requests += len(reply.logprobs)
        found.note(abs(sum(reply.logprobs) - float(sample["resps"][0][0])) / reply.reply_tokens)
        found.same += 1
    else:
        pairs = [(float(value), str(greedy) == "True") for ((value, greedy),) in sample["resps"]]
        found.requests += len(pairs)
        found.note(max(abs(a - b) for a, (b, _) in zip(reply.logprobs, pairs, strict=True)))
        values = [value for value, _ in pairs]
        picked = reply.logprobs.index(max(reply.logprobs)) == values.index(max(values))
        found.same += picked and list(reply.greedy) == [greedy for _, greedy in pairs]
    if options["measure"] == "right" and (score.outcome == "pass") != (float(sample[options["metric"]]) == 1.0):
        found.faults.append(f"{item.id}: {score} against {sample[options['metric']]}")


def figure(suite: Any, replies: Mapping[int, Any], scores: Sequence[Any]) -> float:
    """The suite's figure as lm-eval would aggregate it."""
    if suite.scorer.options["measure"] == "byte_probability":
        sizes = [len(item.prompt.encode()) for item in suite.items]
        total = sum(sum(replies[place].logprobs) for place in range(len(sizes)))
        return float(2.718281828459045 ** (-total / sum(sizes)))
    values = [float(score.outcome == "pass") if score.value is None else score.value for score in scores]
    return sum(values) / len(values)


def near(a: float, b: float) -> bool:
    return abs(a - b) <= RELATIVE * max(abs(a), abs(b), 1e-9)


def check(found: Found) -> None:
    limit = PER_TEXT if found.kind == "loglikelihood_rolling" else NEAR
    if found.apart is not None and not found.apart <= limit:
        found.faults.append(f"log-likelihoods {found.apart:.1e} nats apart")
    if found.same != found.documents:
        found.faults.append(f"{found.documents - found.same} predictions differ")
    if not near(*found.figures):
        found.faults.append(f"{found.metric} {found.figures[0]} against {found.figures[1]}")
    if not found.wrapped:
        found.faults.append("EngineLM gives other figures")
    if not found.hashes:
        found.faults.append("hashes of documents, prompts or targets differ")


# --- the report -------------------------------------------------------------------------------------------------------

HEAD = (
    "| task | output type | documents | requests | at most apart, nats | same answer | metric | ours | lm-eval "
    "| s | lm-eval s |"
)


def row(f: Found) -> str:
    apart = "–" if f.apart is None else f"{f.apart:.1e}" + (" a token" if f.kind == "loglikelihood_rolling" else "")
    cells = [f.task, f.kind, str(f.documents), str(f.requests), apart, f"{f.same}/{f.documents}", f.metric]
    cells += [f"{f.figures[0]:.4f}", f"{f.figures[1]:.4f}", f"{f.seconds[0]:.1f}", f"{f.seconds[1]:.1f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("../shared/reference/model"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--limit", type=int, default=100, help="documents a task")
    parser.add_argument("--batch-size", type=int, default=16, help="lm-eval's")
    parser.add_argument("--only", nargs="*", default=[], help="tasks by name")
    options = parser.parse_args()
    if not options.model.is_dir():
        print(f"no model at {options.model}: nothing to compare.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="parity-") as name:
        os.environ["HF_DATASETS_CACHE"] = str(Path(name) / "cache")
        wanted, skipped = [], []
        tasks = Path(name) / "tasks"
        tasks.mkdir()
        (tasks / "code.py").write_text(CODE)
        for make in sources(options.data.resolve()):
            try:
                source = make()
            except FileNotFoundError as reason:
                skipped.append(f"skipped: {reason.filename} is not there.")
                continue
            if not options.only or source.name in options.only:
                write(tasks, source)
                wanted.append(source)
        if wanted:
            sides = Sides(options.model.resolve(), tasks, Path(name), options.batch_size)
        rows_found = []
        for source in wanted:
            found = compare(sides, source, max(1, options.limit // 3) if source.few else options.limit)
            rows_found.append(found)
            print(f"· {source.name}: {'; '.join(found.faults) or 'the same'}", file=sys.stderr, flush=True)
    print("\n".join([*skipped, "", HEAD, "|---|---|--:|--:|--:|--:|---|--:|--:|--:|--:|", *map(row, rows_found)]))
    return 1 if any(found.faults for found in rows_found) else 0


if __name__ == "__main__":
    sys.exit(main())
