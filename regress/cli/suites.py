"""`regress suites list|show|check|freeze`: look at what is asked, as the model will see it, before it is locked."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from regress.cli.console import put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption
from regress.cli.task_suites import TrustOption, freeze, remember_trust
from regress.errors import Refused, UsageError
from regress.hashing.models import locate_model
from regress.run.task_scorers import ready_scorers
from regress.schema import Ask, Exit, Item, Suite
from regress.scorers import bind
from regress.suite import Project, read_project, read_suite, read_suite_file
from regress.suite.project import FILE_NAME

if TYPE_CHECKING:
    from regress.backends.protocol import Request

app = typer.Typer(no_args_is_help=True, help="The project's suites and lm-eval's tasks: list, show, check, freeze.")
UNLIMITED = 10**9
SuiteArgument = Annotated[str, typer.Argument(help="The suite's name.", metavar="SUITE")]


@app.command("list")
def list_suites(
    pattern: Annotated[
        str | None, typer.Argument(help="Also lm-eval's tasks that match, such as 'arc*'.", metavar="[PATTERN]")
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """The project's suites, and with a pattern lm-eval's tasks, groups and tags that match it."""
    rows = _project_rows(project)
    tasks: list[tuple[str, str]] = []
    if pattern is not None:
        from regress.lmeval.catalog import matching

        say("· reading lm-eval's tasks, some eight seconds")
        tasks = matching(pattern)
    if rows:
        say(_table(rows))
    for name, kind in tasks:
        say(f"{kind:<6} {name}")
    if pattern is not None:
        say(f"{len(tasks):,} of lm-eval's tasks, groups and tags match. Use one: lm_eval: {{task: NAME}} in a suite.")
    if json:
        put_json({"suites": rows, "lm_eval": [{"name": name, "kind": kind} for name, kind in tasks]})
    return 0


@app.command()
def show(
    name: SuiteArgument,
    items: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 5,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Render a suite's first items as the model will see them, special tokens included.

    Whole, also where the context window is smaller: an lm-eval task is then cut from the left, others are refused.
    """
    opened = read_project(project)
    suite = read_suite(_path_of(opened, name))
    few = replace(suite, items=suite.items[:items])
    shown = _rendered(opened, few)
    for item, request, texts in shown:
        say(Text(f"── {item.id} · {len(request.prompt):,} tokens", style="bold"))
        for text in texts:
            say(text)
        say(Text(_right(item), style="dim"))
    say(Text(_how(suite), style="dim"))
    if json:
        put_json([{"id": i.id, "prompt_tokens": len(r.prompt), "texts": texts} for i, r, texts in shown])
    return 0


@app.command()
def check(trust_task_code: TrustOption = False, project: ProjectOption = HERE, json: JsonOption = False) -> int:
    """Read every suite as `lock` would: keys, items, scorers, frozen tasks. Exit code 5 where one is refused."""
    opened = read_project(project)
    found: list[dict[str, Any]] = []
    for path in opened.suite_paths():
        try:
            suite = read_suite(path)
            remember_trust(opened, [suite], trust=trust_task_code)
            ready_scorers(opened, [suite], {suite.name: bind(suite, check_items=True)})
            found.append({"suite": suite.name, "ok": True, "items": len(suite.items), "detail": _how(suite)})
        except Refused as reason:
            found.append({"suite": path.stem, "ok": False, "items": 0, "detail": str(reason)})
    for row in found:
        mark = ("ok  ", "green") if row["ok"] else ("FAIL", "bold red")
        count = f"{row['items']:,} items, " if row["ok"] else ""
        say(Text.assemble(mark, f"  {row['suite']:<20} {count}{row['detail']}"))
    if json:
        put_json(found)
    return 0 if all(row["ok"] for row in found) else Exit.REFUSED


@app.command("freeze")
def freeze_suites(
    names: Annotated[list[str], typer.Argument(help="Suites with `lm_eval:`.", metavar="SUITE...")],
    trust_task_code: TrustOption = False,
    project: ProjectOption = HERE,
) -> int:
    """Write an lm-eval task's items beside its suite file, again where they are there already. Then lock."""
    opened = read_project(project)
    paths = [_path_of(opened, name) for name in names]
    for path in paths:
        freeze(path, opened.folder, trust=trust_task_code)
    remember_trust(opened, map(read_suite, paths), trust=trust_task_code)
    return 0


# --- helpers ----------------------------------------------------------------------------------------------------------


def _path_of(project: Project, name: str) -> Path:
    """The suite's file; raises UsageError with the close names."""
    paths = {read_suite_file(path)[0].name: path for path in project.suite_paths()}
    if name in paths:
        return paths[name]
    near = difflib.get_close_matches(name, paths, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"there is no suite {name!r}.{hint} Suites: {', '.join(sorted(paths))}.")


def _project_rows(folder: Path) -> list[dict[str, Any]]:
    """What the suite files say, frozen or not; nothing outside a project."""
    if not (folder / FILE_NAME).is_file():
        return []
    rows = []
    for path in read_project(folder).suite_paths():
        file, _ = read_suite_file(path)
        source = file.items if file.lm_eval is None else f"lm_eval: {file.lm_eval.task}"
        rows.append({"suite": file.name, "category": file.category.value, "role": file.role.value, "items": source})
    return rows


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    return table


def _rendered(project: Project, suite: Suite) -> list[tuple[Item, Request, list[str]]]:
    """Items with their requests and the texts that the tokens stand for: what is asked, then what is answered."""
    from regress.backends.rendering import Renderer

    base = locate_model(project.file.base.model, project.file.base.revision, project.folder)
    renderer = Renderer(base, UNLIMITED, frozenset())
    decode = renderer.tokenizer.decode
    found = []
    for item, request in zip(suite.items, renderer.render(suite), strict=True):
        prompt = [] if request.contexts else [decode(list(request.prompt))]
        sequences = [
            f"  {decode(list(context)) if request.contexts else ''}▸{decode(list(choice))}"
            for context, choice in request.sequences
        ]
        found.append((item, request, [*prompt, *sequences]))
    return found


def _right(item: Item) -> str:
    if item.answer is not None and len(item.choices) > 1:
        return f"right: number {item.answer}, {item.choices[item.answer]!r}"
    return f"right: {' or '.join(map(repr, item.targets))}" if item.targets else ""


def _how(suite: Suite) -> str:
    """In a line: how it is asked and scored."""
    options = suite.scorer.options
    scorer = f"{suite.scorer.name} {options['metric']}" if "metric" in options else suite.scorer.name
    stop = f", at most {suite.generation.max_new_tokens} tokens" if suite.ask is Ask.GENERATE else ""
    return f"ask {suite.ask}, prompt {suite.prompt}, scorer {scorer}{stop}"
