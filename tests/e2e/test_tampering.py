"""Evidence that was edited afterwards: refused with exit code 5 and the reason, whatever it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e_projects import ITEMS as ALL_ITEMS
from e2e_projects import digest_of, refused, run_of
from tiny_models import adapter_tensors, write_tensors

from regress.cli import main
from regress.hashing.canonical import digest_json, digest_promise

Tamper = Callable[[Path], None]


def in_log(variant: str, change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    def tamper(project: Path) -> None:
        path = run_of(project, variant) / "outcomes.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return tamper


def flip_a_byte(lines: list[bytes]) -> list[bytes]:
    line = bytearray(lines[7])
    line[len(line) // 2] ^= 1
    return [*lines[:7], bytes(line), *lines[8:]]


def fail_becomes_pass(lines: list[bytes]) -> list[bytes]:
    """The edit that somebody would make who wants a promotion."""
    index = next(k for k, line in enumerate(lines) if b'"outcome":"pass"' in line)
    return [*lines[:index], lines[index].replace(b'"outcome":"pass"', b'"outcome":"fail"'), *lines[index + 1 :]]


def in_json(
    find: Callable[[Path], Path], change: Callable[[dict[str, Any]], None], indent: int | None = None
) -> Tamper:
    def tamper(project: Path) -> None:
        path = find(project)
        value = json.loads(path.read_bytes())
        change(value)
        separators = None if indent else (",", ":")
        text = json.dumps(value, indent=indent, separators=separators, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n")

    return tamper


def lock_of(project: Path) -> Path:
    return project / "baselines" / "lock.json"


def preflight_of(project: Path) -> Path:
    short = digest_of(project / "tiny").removeprefix("sha256:")[:12]
    (found,) = (project / "runs").glob(f"preflight-{short}-*.json")
    return found


def set_margin(lock: dict[str, Any]) -> None:
    lock["promise"]["suites"]["general_words"]["margin"] = "0.5"


def set_margin_and_digest(lock: dict[str, Any]) -> None:
    set_margin(lock)
    lock["digest"] = digest_promise({key: value for key, value in lock.items() if key != "digest"})


def edit_text(name: str, old: str, new: str) -> Tamper:
    def tamper(project: Path) -> None:
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new, 1))

    return tamper


def remove(find: Callable[[Path], Path]) -> Tamper:
    def tamper(project: Path) -> None:
        path = find(project)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return tamper


def overwrite(find: Callable[[Path], Path], text: str) -> Tamper:
    def tamper(project: Path) -> None:
        find(project).write_text(text)

    return tamper


def swap_runs(project: Path) -> None:
    """The base's log in the adapter's folder: nothing lost, for certain."""
    shutil.copyfile(run_of(project, "base") / "outcomes.jsonl", run_of(project, "adapter") / "outcomes.jsonl")


def swap_folders(project: Path) -> None:
    """The harmless adapter's whole runs under the names of the broken one's."""
    for variant in ("adapter", "merged"):
        source, target = run_of(project, variant, "broken"), run_of(project, variant)
        shutil.rmtree(target)
        shutil.copytree(source, target)


def link_log(project: Path) -> None:
    log = run_of(project, "adapter") / "outcomes.jsonl"
    log.rename(project / "elsewhere.jsonl")
    log.symlink_to(project / "elsewhere.jsonl")


def seal_of(project: Path) -> Path:
    return run_of(project, "adapter") / "seal.json"


def manifest_of(project: Path) -> Path:
    return run_of(project, "adapter") / "manifest.json"


SETTINGS = "regress.yaml"
WORDS, ITEMS = "suites/general_words.yaml", "suites/general_words.jsonl"

# name -> (what is done, the reason that must be given). Each is refused by `gate` and by `check`.
BOTH: dict[str, tuple[Tamper, str]] = {
    "one byte of a reply": (in_log("adapter", flip_a_byte), "outcomes.jsonl:8"),
    "one byte of the base": (in_log("base", flip_a_byte), "outcomes.jsonl:8"),
    "an outcome": (in_log("merged", fail_becomes_pass), "the line is not what was written"),
    "a removed line": (in_log("adapter", lambda lines: lines[:5] + lines[6:]), "outcomes.jsonl:6"),
    "a removed last line": (in_log("adapter", lambda lines: lines[:-1]), "number of lines"),
    "two lines exchanged": (in_log("base", lambda lines: [lines[1], lines[0], *lines[2:]]), "outcomes.jsonl:1"),
    "a line twice": (in_log("base", lambda lines: [*lines, lines[-1]]), f"outcomes.jsonl:{1 + ALL_ITEMS}"),
    "half a line more": (in_log("base", lambda lines: [*lines, lines[-1][:50]]), "torn bytes"),
    "an empty log": (in_log("base", lambda lines: []), "number of lines"),
    "the base's log as the adapter's": (swap_runs, "the line is not what was written"),
    "the log is a link": (link_log, "never links"),
    "seal: count": (in_json(seal_of, lambda seal: seal.update(items=129)), "number of items"),
    "seal: head": (in_json(seal_of, lambda seal: seal.update(head="0" * 64)), "head of the chain"),
    "seal: item set": (in_json(seal_of, lambda s: s.update(item_set="sha256:" + "0" * 64)), "digest of the item set"),
    "seal: cut": (overwrite(seal_of, "{}"), "end of the file"),
    "manifest: device": (in_json(manifest_of, lambda m: m["manifest"].update(device="cuda")), "adapter"),
    "manifest: unknown key": (in_json(manifest_of, lambda m: m["manifest"].update(more=1)), "manifest.json"),
    "lock: margin": (in_json(lock_of, set_margin, indent=1), "was edited"),
    "lock: margin and its digest": (in_json(lock_of, set_margin_and_digest, indent=1), "not the last lock"),
    "lock: not JSON": (overwrite(lock_of, "{"), "cannot be read"),
    "lock: gone": (remove(lock_of), "no lock at"),
    "history: gone": (remove(lambda p: p / "baselines" / "history.jsonl"), "not the last lock"),
    "margin": (edit_text(WORDS, "margin: 0.2", "margin: 0.5"), "suite general_words: margin is 0.5, locked 0.2"),
    "scorer": (edit_text(WORDS, "exact_match", "contains"), "suite general_words: scorer is contains"),
    "generation": (edit_text(WORDS, "max_new_tokens: 16", "max_new_tokens: 99"), "generation.max_new_tokens is 99"),
    "role": (edit_text(WORDS, "role: protect", "role: inform"), "suite general_words: role is inform"),
    "item: prompt": (
        edit_text(ITEMS, "Repeat exactly: hill", "Repeat: hill"),
        "1 item changed (first: general_words-0",
    ),
    "item: target": (edit_text(ITEMS, '"target": "hill pencil"', '"target": "hill"'), "1 item changed"),
    "item: id": (
        edit_text(ITEMS, "general_words-0000", "general_words-9999"),
        "1 item missing (first: general_words-0",
    ),
    "policy": (lambda p: settings(p, policy={"alpha": 0.2}), "policy.alpha is 0.2, locked 0.05"),
    "variants": (lambda p: settings(p, variants=["base", "adapter"]), "variants is [base, adapter], locked [base,"),
    "dtype": (lambda p: settings(p, engine={"dtype": "bf16"}), "engine.dtype is bf16, locked auto"),
    "suite file gone": (remove(lambda p: p / WORDS), "suite general_words is gone"),
    "items file gone": (remove(lambda p: p / ITEMS), "there is no such file beside the suite"),
    "all suites gone": (remove(lambda p: p / "suites"), "matches no file"),
    "a suite more": (lambda p: another_suite(p), "suite one_more is new"),
    "template": (edit_text("base/chat_template.jinja", "<|user|>", "User: "), "base.template is sha256:"),
    "tokenizer": (edit_text("base/tokenizer_config.json", "512", "511"), "base.tokenizer is sha256:"),
}
# Only where the model is needed, or where `check` repairs what `gate` refuses.
GATE_ONLY: dict[str, tuple[Tamper, str]] = {
    "a run folder gone": (remove(lambda p: run_of(p, "merged")), "no sealed run of merged under this lock"),
    "the base's run gone": (remove(lambda p: run_of(p, "base")), "no sealed run of base under this lock"),
    "a seal gone": (remove(seal_of), "no sealed run of adapter under this lock"),
    "preflight: a detail": (
        in_json(preflight_of, lambda p: p["checks"][0].update(detail="fine"), indent=1),
        "was edited or belongs to another candidate",
    ),
    "preflight: gone": (remove(preflight_of), "no preflight under this lock"),
    "preflight: not JSON": (overwrite(preflight_of, "["), "cannot be read"),
    "preflight: of another adapter": (lambda p: preflight_of_another(p), "belongs to another candidate"),
    "preflight: no checks": (lambda p: preflight_without_checks(p), "holds no check"),
    "folders exchanged": (swap_folders, "no sealed run of adapter"),
}


def settings(project: Path, **changes: Any) -> None:
    read = yaml.safe_load((project / SETTINGS).read_text())
    (project / SETTINGS).write_text(yaml.safe_dump(read | changes))


def another_suite(project: Path) -> None:
    for ending in ("yaml", "jsonl"):
        text = (project / f"suites/general_words.{ending}").read_text()
        (project / f"suites/one_more.{ending}").write_text(text.replace("general_words", "one_more"))


def preflight_of_another(project: Path) -> None:
    mine = preflight_of(project)
    (other,) = set((project / "runs").glob("preflight-*.json")) - {mine}
    shutil.copyfile(other, mine)


def preflight_without_checks(project: Path) -> None:
    path = preflight_of(project)
    body = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "digest"} | {"checks": []}
    path.write_text(json.dumps(body | {"digest": digest_json(body)}))


@pytest.mark.parametrize("case", [*BOTH, *GATE_ONLY])
def test_gate_refuses(judged: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    tamper, reason = (BOTH | GATE_ONLY)[case]
    tamper(judged)
    assert reason in refused(judged, ["gate", str(judged / "tiny")], capsys)


@pytest.mark.parametrize("case", BOTH)
def test_check_refuses_and_repairs_nothing(judged: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged sealed run is not asked again in silence."""
    tamper, reason = BOTH[case]
    tamper(judged)
    before = stored_files(judged)
    assert reason in refused(judged, ["check", str(judged / "tiny"), "--quiet"], capsys)
    assert stored_files(judged) == before


def stored_files(project: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for parent in (project / "runs", project / "baselines")
        for path in parent.rglob("*")
        if path.is_file() and not path.name.startswith("preflight-")
    }


@pytest.mark.parametrize(
    ("case", "reason"), [("weights", "base.digest is sha256:"), ("config", "base.digest is sha256:")]
)
def test_check_refuses_another_base(judged: Path, case: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`gate` never opens the weights: it judges the runs of the locked base, and says which base that is."""
    if case == "weights":
        path = judged / "base" / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        edit_text("base/config.json", '"rope_theta": 10000.0', '"rope_theta": 10001.0')(judged)
    assert reason in refused(judged, ["check", str(judged / "tiny"), "--quiet"], capsys)


def test_gate_refuses_an_adapter_with_one_other_byte(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs belong to adapter bytes, not to a path."""
    tensors = adapter_tensors(judged / "tiny")
    name = next(iter(tensors))
    tensors[name].flatten()[0] += 1e-3
    write_tensors(judged / "tiny", tensors)
    said = refused(judged, ["gate", str(judged / "tiny")], capsys)
    assert "there is no sealed run of" in said or "no preflight under this lock" in said


def test_check_asks_again_what_is_gone(judged: Path) -> None:
    """A missing run is work to do, not damage."""
    shutil.rmtree(run_of(judged, "adapter"))
    preflight_of(judged).unlink()
    assert main(["check", str(judged / "tiny"), "-C", str(judged), "--quiet"]) == 0
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 0


def test_an_unsealed_run_with_a_bad_line_is_not_resumed(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_log("adapter", flip_a_byte)(judged)
    seal_of(judged).unlink()
    assert "outcomes.jsonl:8" in refused(judged, ["check", str(judged / "tiny"), "--quiet"], capsys)


def test_diff_refuses_a_damaged_run(judged: Path) -> None:
    runs = [str(run_of(judged, variant)) for variant in ("base", "adapter")]
    in_log("adapter", flip_a_byte)(judged)
    assert main(["diff", *runs, "-C", str(judged)]) == 5
