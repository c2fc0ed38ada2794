"""The model card of a promoted adapter: what the record says, for people and, as `model-index`, for the hub."""

from __future__ import annotations

from collections.abc import Sequence

from huggingface_hub import EvalResult, ModelCardData

from regress.promote.record import Figures, PromotionRecord

LOCK = "regress_lock"


def card(name: str, record: PromotionRecord) -> str:
    """README.md: metadata between lines of dashes, then the figures.

    Free text that people wrote (a waiver's reason) stays in the record, where nothing renders it.
    """
    data = ModelCardData(
        model_name=name,
        library_name="peft",
        tags=["lora", "regress"],
        eval_results=eval_results(record.facts.suites, record.lock),
    )
    short = record.digest.removeprefix("sha256:")[:16]
    lines = [
        f"---\n{data.to_yaml()}\n---\n",
        f"# {name}\n",
        f"Promoted by `regress` on {record.facts.made}, record `{short}`, under the lock `{record.lock}`.",
        "The adapter lies in `adapter/`, exactly as it was judged; `promotion.json` is the signed record of it.",
        "Verify before you load it: `regress verify adapter --trust trust.json`.\n",
        *table(record.facts.suites, record.waived),
        *(f"\nWaived: {waiver.suite}, until {waiver.expires}." for waiver in record.facts.waivers),
    ]
    return "\n".join(lines) + "\n"


def eval_results(suites: Sequence[Figures], lock: str | None) -> list[EvalResult]:
    """The candidate's share of right items by suite and variant, as the hub's `model-index` has them.

    The lock stands among each one's arguments. Serving figures are no evaluation of answers and stay out.
    """
    return [_result(figures, lock) for figures in suites if figures.measured is None]


def table(suites: Sequence[Figures], waived: Sequence[str] = ()) -> list[str]:
    """A Markdown table, base beside candidate."""
    return [
        "| suite | variant | base | candidate | verdict |",
        "|---|---|--:|--:|---|",
        *(_row(figures, figures.suite in waived) for figures in suites),
    ]


def _result(figures: Figures, lock: str | None) -> EvalResult:
    return EvalResult(
        task_type="text-generation",
        dataset_type=figures.suite,
        dataset_name=f"{figures.suite} ({figures.variant})",
        dataset_config=figures.variant,  # the hub would take two of one dataset and configuration for one
        dataset_args={LOCK: lock or "none"},
        metric_type="accuracy",
        metric_name=f"right of {figures.n}",
        metric_value=figures.candidate_pass / figures.n if figures.n else None,
    )


def _row(figures: Figures, waived: bool) -> str:
    verdict = f"{figures.verdict}, waived" if waived else str(figures.verdict)
    base, candidate = figures.measured or (f"{k} of {figures.n}" for k in (figures.base_pass, figures.candidate_pass))
    return f"| {figures.suite} | {figures.variant} | {base} | {candidate} | {verdict} |"
