"""The action, the GitLab component and the examples: every script in them is run here, against stand-ins."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from regress import __version__

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
SPEC, COMPONENT = yaml.safe_load_all((ROOT / "templates" / "regress.yml").read_text())
GITHUB: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "ci" / "github.yml").read_text())
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "ci" / "gitlab.yml").read_text())
MODELS = {"torch", "transformers", "peft", "bitsandbytes", "accelerate", "safetensors", "huggingface-hub"}


def step(name: str) -> dict[str, Any]:
    """A step of the action."""
    found: dict[str, Any] = next(one for one in ACTION["runs"]["steps"] if one["name"] == name)
    return found


def heredoc(script: str) -> str:
    """The Python program in a shell script."""
    found = re.search(r"<<'PYTHON'\n(.*)^PYTHON$", script, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


# --- the files themselves ---------------------------------------------------------------------------------------------


def test_every_input_is_declared_and_used() -> None:
    used = set(re.findall(r"\binputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    _, _, jobs = (ROOT / "templates" / "regress.yml").read_text().partition("\n---\n")
    assert set(re.findall(r"\$\[\[ inputs\.([\w-]+) ]]", jobs)) == set(SPEC["spec"]["inputs"])


def test_the_examples_use_what_is_declared() -> None:
    uses = [one for job in GITHUB["jobs"].values() for one in job["steps"] if "regress@" in one.get("uses", "")]
    assert [one["with"]["mode"] for one in uses] == ["lock", "check", "gate"]
    assert all(set(one["with"]) <= set(ACTION["inputs"]) for one in uses)
    (include,) = GITLAB["include"]
    assert set(include["inputs"]) <= set(SPEC["spec"]["inputs"])
    assert {name for name, one in SPEC["spec"]["inputs"].items() if "default" not in one} <= set(include["inputs"])
    assert GITLAB["deploy"]["needs"] == ["regress-gate"]


def test_they_name_this_version() -> None:
    assert SPEC["spec"]["inputs"]["version"]["default"] == __version__
    assert {
        match
        for name in ("github", "gitlab")
        for match in re.findall(r"regress@v?([\d.]+)", (ROOT / "examples" / "ci" / f"{name}.yml").read_text())
    } == {__version__}


def test_no_expression_is_pasted_into_a_script() -> None:
    """Whatever a branch, a title or an input says reaches a script as a variable, never as its text."""
    for one in ACTION["runs"]["steps"]:
        assert "${{" not in one.get("run", "") + one.get("with", {}).get("script", "")


def test_an_auditor_of_actions_finds_nothing(tmp_path: Path) -> None:
    """zizmor reads action and workflow as GitHub does; by major version only, since a pin is for whoever pastes it."""
    config = tmp_path / "zizmor.yml"
    config.write_text('rules: {unpinned-uses: {config: {policies: {"actions/*": ref-pin, "your-org/*": ref-pin}}}}\n')
    command = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--no-progress", "--config", str(config)]
    files = [str(ROOT / "action.yml"), str(ROOT / "examples" / "ci" / "github.yml")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the light installation -------------------------------------------------------------------------------------------


def dependencies() -> list[str]:
    """All but the model libraries, as pyproject.toml has them."""
    declared: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [one for one in declared if re.split(r"[<>=]", one)[0] not in MODELS]


@pytest.mark.parametrize("server", ["github", "gitlab"])
def test_the_light_installation_takes_all_but_model_libraries(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That `gate` needs none of these is a test in tests/e2e/test_no_model_library.py."""
    script = step("Install regress")["run"] if server == "github" else heredoc(COMPONENT[".regress-light"][0])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    as_installed = [*declared, 'ruff>=0.8; extra == "dev"']
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: as_installed)
    for name, value in {"INSTALL": "auto", "MODE": "gate", "SOURCE": "/action"}.items():
        monkeypatch.setenv(name, value)
    exec(compile(script, server, "exec"), {})
    assert asked[-1] == [sys.executable, "-m", "pip", "install", "--quiet", *dependencies()]


@pytest.mark.parametrize(
    ("kind", "mode", "light"),
    [("auto", "check", False), ("auto", "lock", True), ("full", "gate", False), ("light", "check", True)],
)
def test_when_the_action_installs_lightly(kind: str, mode: str, light: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command[5:]))
    for name, value in {"INSTALL": kind, "MODE": mode, "SOURCE": "/action"}.items():
        monkeypatch.setenv(name, value)
    exec(compile(step("Install regress")["run"], "action.yml", "exec"), {})
    assert asked[0] == (["--no-deps", "/action"] if light else ["/action"])


# --- the action's shell script ----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run the step with a `regress` that writes down its arguments; returns (exit code, arguments, output)."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "regress").write_text('#!/bin/bash\nprintf "%s\\n" "$@" > "$TOLD"\n')
    (tools / "regress").chmod(0o755)

    def call(folder: Path, **inputs: str) -> tuple[int, list[str], str]:
        environment = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "TOLD": str(tmp_path / "told"),
            "SINCE": str(tmp_path / "since"),
            **dict.fromkeys(("ADAPTER", "ARGUMENTS", "HEAD_SHA"), ""),
            "PROJECT": ".",
            **inputs,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step("Run regress")["run"]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        told = tmp_path / "told"
        return done.returncode, told.read_text().splitlines() if told.exists() else [], done.stdout + done.stderr

    return call


def test_adapters_and_arguments_reach_the_command_one_a_line(run: Any, tmp_path: Path) -> None:
    inputs = {"ADAPTER": "runs/one\nruns/$(touch owned) two\n", "ARGUMENTS": "--stop-early\n"}
    code, told, _ = run(tmp_path, MODE="check", PROJECT="my gate", **inputs)
    assert code == 0
    assert told == ["check", "--project", "my gate", "runs/one", "runs/$(touch owned) two", "--stop-early"]
    assert not (tmp_path / "owned").exists()


def test_an_unknown_mode_is_usage(run: Any, tmp_path: Path) -> None:
    code, told, said = run(tmp_path, MODE="judge")
    assert (code, told) == (2, [])
    assert "mode is lock, check or gate" in said


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | GIT_ALONE,
    )
    return done.stdout.strip()


GIT_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def write_log(folder: Path, text: str) -> None:
    path = folder / "gate" / "baselines" / "history.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as it is now")


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """What `actions/checkout` leaves of a pull request: its merge into a target that has moved on."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    write_log(folder, "first\n")
    git(folder, "checkout", "-q", "-b", "change")
    (folder / "suite.yaml").write_text("changed")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a change")
    git(folder, "checkout", "-q", "main")
    write_log(folder, "first\nsecond\n")
    git(folder, "merge", "-q", "--no-ff", "-m", "merged", "change")
    return folder


def test_lock_compares_with_the_target_branch(run: Any, merged: Path, tmp_path: Path) -> None:
    code, told, said = run(merged, MODE="lock", PROJECT="gate", HEAD_SHA=git(merged, "rev-parse", "change"))
    assert code == 0, said
    assert told == ["lock", "--check", "--project", "gate", "--since", str(tmp_path / "since")]
    assert {path.name: path.read_text() for path in (tmp_path / "since").iterdir()} == {
        "history.jsonl": "first\nsecond\n"
    }


def test_lock_refuses_to_compare_with_anything_else(run: Any, merged: Path) -> None:
    """A checkout of the pull request's own head holds no target: its parent is the author's to choose."""
    head = git(merged, "rev-parse", "change")
    git(merged, "checkout", "-q", "change")
    code, told, said = run(merged, MODE="lock", PROJECT="gate", HEAD_SHA=head)
    assert (code, told) == (5, [])
    assert "fetch-depth 2" in said


def test_lock_outside_of_a_pull_request_compares_with_nothing(run: Any, merged: Path) -> None:
    assert run(merged, MODE="lock", PROJECT="gate")[:2] == (0, ["lock", "--check", "--project", "gate"])


# --- the comment on a pull request ------------------------------------------------------------------------------------

STAND_IN = """
const told = [], comments = JSON.parse(process.env.COMMENTS)
const context = { repo: { owner: 'o', repo: 'r' }, issue: { number: 7 } }
const core = { info: (text) => told.push(['info', text]) }
const issues = {
  listComments: 'list',
  createComment: async (given) => told.push(['create', given]),
  updateComment: async (given) => told.push(['update', given]),
}
const github = { rest: { issues }, paginate: async () => comments }
const require = (await import('node:module')).createRequire('/')
const AsyncFunction = (async () => {}).constructor
const names = ['github', 'context', 'core', 'require']
await new AsyncFunction(...names, process.env.SCRIPT)(github, context, core, require)
console.log(JSON.stringify(told))
"""


def comment(folder: Path, *comments: dict[str, Any], project: str = ".") -> list[Any]:
    """What the script does where these comments stand."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    environment = {"PATH": os.environ["PATH"], "SCRIPT": step("Comment on the pull request")["with"]["script"]}
    done = subprocess.run(
        [node, "--input-type=module", "-e", STAND_IN],
        cwd=folder,
        env=environment | {"PROJECT": project, "COMMENTS": json.dumps(comments)},
        capture_output=True,
        text=True,
        check=True,
    )
    told: list[Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def reported(tmp_path: Path) -> Path:
    """A folder with a comment to post; what looks like a pattern or a marker in it is text."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "comment.md").write_text("<!-- regress-gate -->\n# REJECT\n\n$& <!-- regress-gate -->\n")
    return tmp_path


BODY = "<!-- regress-gate . -->\n# REJECT\n\n$& <!-- regress-gate -->\n"
OTHERS: list[dict[str, Any]] = [
    {"id": 1, "user": {"type": "User"}, "body": "<!-- regress-gate . -->\nsomebody's"},
    {"id": 2, "user": {"type": "Bot"}, "body": "about <!-- regress-gate . -->"},
    {"id": 3, "user": {"type": "Bot"}, "body": "<!-- regress-gate other -->\nanother project's"},
    {"id": 4, "user": None, "body": None},
]


def test_the_first_comment_is_made(reported: Path) -> None:
    assert comment(reported, *OTHERS) == [["create", {"owner": "o", "repo": "r", "issue_number": 7, "body": BODY}]]


def test_the_next_one_replaces_it(reported: Path) -> None:
    known = {"id": 9, "user": {"type": "Bot"}, "body": "<!-- regress-gate . -->\n# PROMOTE"}
    assert comment(reported, *OTHERS, known) == [["update", {"owner": "o", "repo": "r", "comment_id": 9, "body": BODY}]]


def test_without_a_report_nothing_is_posted(tmp_path: Path) -> None:
    assert comment(tmp_path) == [["info", "there is nothing to comment"]]


# --- the note on a merge request --------------------------------------------------------------------------------------


class GitLab(BaseHTTPRequestHandler):
    """Notes on two pages, and a record of what was asked."""

    pages: ClassVar[dict[str, list[dict[str, Any]]]] = {}
    asked: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        assert self.headers["PRIVATE-TOKEN"] == "secret"
        page = self.path.rpartition("page=")[2]
        found: Any = {"id": 42} if self.path.endswith("/user") else self.pages.get(page, [])
        if self.command != "GET":
            self.asked.append((self.command, self.path, body))
        reply = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("X-Next-Page", "2" if page == "1" else "")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_POST = answer  # noqa: N815  as http.server calls them

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gitlab() -> Iterator[str]:
    GitLab.pages, GitLab.asked = {"1": [], "2": []}, []
    with HTTPServer(("127.0.0.1", 0), GitLab) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/v4"
        server.shutdown()
        thread.join()


def note(folder: Path, api: str, **changes: str) -> str:
    environment = {
        "CI_API_V4_URL": api,
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "6",
        "PROJECT": ".",
        "REGRESS_NOTE_TOKEN": "secret",
    }
    (script,) = COMPONENT["regress-gate"]["after_script"]
    done = subprocess.run(
        [sys.executable, "-c", heredoc(script)],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | environment | changes,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_the_first_note_is_made(reported: Path, gitlab: str) -> None:
    note(reported, gitlab)
    assert GitLab.asked == [("POST", "/api/v4/projects/5/merge_requests/6/notes", {"body": BODY})]


def test_the_next_note_replaces_it_on_whichever_page(reported: Path, gitlab: str) -> None:
    """A note that somebody else wrote is not ours, whatever it begins with."""
    GitLab.pages = {
        "1": [{"id": 1, "author": {"id": 41}, "body": BODY}],
        "2": [{"id": 9, "author": {"id": 42}, "body": BODY}],
    }
    note(reported, gitlab)
    assert GitLab.asked == [("PUT", "/api/v4/projects/5/merge_requests/6/notes/9", {"body": BODY})]


def test_without_a_token_or_a_decision_there_is_no_note(reported: Path, gitlab: str) -> None:
    assert "no note" in note(reported, gitlab, REGRESS_NOTE_TOKEN="")
    assert "no note" in note(reported, gitlab, PROJECT="elsewhere")
    assert GitLab.asked == []


@pytest.mark.parametrize("job", ["regress-lock", "regress-gate"])
def test_shell_scripts_of_the_component_can_be_read(job: str) -> None:
    lines = [line for part in COMPONENT[job]["script"] for line in (part if isinstance(part, list) else [part])]
    for line in lines:
        done = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
