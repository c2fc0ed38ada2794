"""Which files one lm-eval evaluation consists of: `results_DATE.json` and one `samples_TASK_DATE.jsonl` a task.

`--log_samples --output_path OUT` puts them into OUT/MODEL; with `--output_path OUT/x.json` the results are x_DATE.json
and the samples lie beside them. Files of one evaluation carry one date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regress.errors import ResultsError
from regress.foreign.reading import listed
from regress.foreign.records import shown

_DATE = r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d{1,6})?)"
_RESULTS = re.compile(rf".*_{_DATE}\.json\Z")
_SAMPLES = re.compile(rf"samples_(.+)_{_DATE}\.jsonl\Z")
AGAIN = "run lm-eval with --log_samples --output_path FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """One evaluation's files. `results` is None where samples were named that have no results beside them."""

    results: Path | None
    samples: Mapping[str, Path]  # by task
    only: str | None  # the task whose samples were named
    notes: tuple[str, ...] = ()


def is_lm_eval(path: Path) -> bool:
    """Whether `path`, a file or a folder, is, holds, or holds a folder with files named as lm-eval names them."""
    if not path.is_dir():
        return path.suffix == ".jsonl" or _RESULTS.match(path.name) is not None
    return bool(_dates(listed(path)) or _model_folders(path))


def find(path: Path) -> Files:
    """The files of the evaluation that `path` names: a folder, a results file or a samples file.

    Of several dates in a folder the newest is taken. Raises ResultsError.
    """
    if path.is_dir():
        folder = _folder_with_results(path)
        dates = _dates(listed(folder))
        if not any(_RESULTS.match(name) for name in listed(folder)):
            raise ResultsError(
                f"holds samples and no results_DATE.json, which says how they came about: {AGAIN}.", path=folder
            )
        older = f"{folder}: {len(dates)} evaluations, the newest is taken ({dates[-1]})"
        return _of_date(folder, dates[-1], None, (older,) if len(dates) > 1 else ())
    if (found := _SAMPLES.match(path.name)) is not None:
        return _of_date(path.parent, found[2], found[1], ())
    if (found := _RESULTS.match(path.name)) is not None:
        return _of_date(path.parent, found[1], None, ())
    raise ResultsError("is not called samples_TASK_DATE.jsonl, as lm-eval calls it; give it its name back.", path=path)


def _of_date(folder: Path, date: str, only: str | None, notes: tuple[str, ...]) -> Files:
    names = listed(folder)
    samples = {found[1]: folder / name for name in names if (found := _SAMPLES.match(name)) and found[2] == date}
    results = [folder / name for name in names if (found := _RESULTS.match(name)) and found[1] == date]
    if len(results) > 1:
        raise ResultsError(
            f"holds {len(results)} results of {date}; put each evaluation into a folder of its own.", path=folder
        )
    if not results and only is None:
        raise ResultsError(f"holds samples of {date} and no results of that date: {AGAIN}.", path=folder)
    if not results:
        notes = (
            *notes,
            f"{samples[only or '']}: no results file beside it, so task version, shots, limit, template and filters "
            "are known by what was sent only",
        )
    return Files(results=results[0] if results else None, samples=samples, only=only, notes=notes)


def _dates(names: list[str]) -> list[str]:
    """Every evaluation's date in a folder, the newest last."""
    results = {found[1] for name in names if (found := _RESULTS.match(name))}
    return sorted(results | {found[2] for name in names if (found := _SAMPLES.match(name))})


def _model_folders(path: Path) -> list[Path]:
    return [path / name for name in listed(path) if _holds_results(path / name)]


def _holds_results(folder: Path) -> bool:
    return not folder.is_symlink() and folder.is_dir() and bool(_dates(listed(folder)))


def _folder_with_results(path: Path) -> Path:
    if _dates(listed(path)):
        return path
    folders = _model_folders(path)
    if len(folders) != 1:
        names = ", ".join(shown(folder.name) for folder in folders[:5])
        raise ResultsError(f"holds results of {len(folders)} models ({names}); name one of these folders.", path=path)
    return folders[0]
