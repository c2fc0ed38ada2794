"""`regress view` as a real process: what it shows, whom it answers, that it writes nothing, how a browser takes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import ENVIRONMENT, digest_of, process, run_of

from regress.cli import main
from regress.lock.attempts import record_attempt
from regress.lock.lockfile import read_lock
from regress.view.shelf import read_shelf

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
from chromium import browser, find_chromium

HOSTILE = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>{{7*7}}"


class Server:
    """A running `regress view`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, str, Message[str, str]]:
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode(), refusal.headers

    def page(self, path: str) -> str:
        status, text, _ = self.get(path)
        assert status == 200, (path, status, text)
        return text


@contextmanager
def viewing(project: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "regress", "view", "-C", str(project), "--port", "0"]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            said = running.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, said
            yield Server(found[0])
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(30)


@pytest.fixture(scope="module")
def shown(judged_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server over a judged project in which one item's words are hostile, and one run is unfinished."""
    project = tmp_path_factory.mktemp("view") / "project"
    shutil.copytree(judged_once, project)
    unfinished = project / "runs" / "adapter@fp32-000000000000"
    shutil.copytree(run_of(project, "adapter"), unfinished)
    (unfinished / "seal.json").unlink()
    log = unfinished / "outcomes.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:40]) + b"torn")
    note = {"host": socket.gethostname(), "pid": os.getpid()}
    (unfinished / "outcomes.jsonl.lock").write_text(json.dumps(note))
    before = everything(project)
    with viewing(project) as server:
        yield server, project
    assert everything(project) == before, "looking at a project must not change it"


def everything(project: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def short(project: Path, adapter: str) -> str:
    return digest_of(project / adapter).removeprefix("sha256:")[:12]


def test_candidates_stand_in_the_order_of_the_ledger_with_what_was_decided(shown: tuple[Server, Path]) -> None:
    server, project = shown
    page = server.page("/")
    broken, tiny = page.index(f"/candidate/{short(project, 'broken')}"), page.index(short(project, "tiny"))
    assert broken < tiny, "the newest comes first"
    assert page.index("REJECT") < page.index("PROMOTE")
    for suite in ("general_choice", "general_words", "json_records"):
        assert f"<strong>{suite}</strong>" in page
    assert "Nothing was promoted yet." in page
    assert page.count('<g class="mark') == 6


def test_a_candidate_is_the_report_of_the_stored_runs(shown: tuple[Server, Path]) -> None:
    server, project = shown
    page = server.page(f"/candidate/{short(project, 'broken')}")
    assert 'data-ruling="reject"' in page
    assert "Content-Security-Policy" in page
    assert server.get("/candidate/000000000000")[0] == 404


def test_two_runs_are_compared_and_an_item_is_opened(shown: tuple[Server, Path]) -> None:
    server, project = shown
    base, broken = run_of(project, "base").name, run_of(project, "adapter", "broken").name
    page = server.page(f"/compare?a={base}&b={broken}")
    assert "25 → 0 of 25" in page
    href = re.search(r'href="(/item\?suite=json_records&amp;id=[^"]+)"', page)
    assert href
    item = server.page(href[1].replace("&amp;", "&"))
    assert item.count('<article class="answer') == 5, "the base, and two variants of each candidate"
    assert 'class="answer pass"' in item


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/item?suite=json_records&id=nobody", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e%2fapp.py", 404),
        ("/compare?a=../../etc&b=x", 200),
        ("/compare?a=adapter@fp32-000000000000&b=adapter@fp32-000000000000", 409),
    ],
)
def test_what_is_not_there_is_said_so(shown: tuple[Server, Path], path: str, status: int) -> None:
    assert shown[0].get(path)[0] == status


def test_only_this_machine_only_reading_and_no_other_name(shown: tuple[Server, Path]) -> None:
    server, _ = shown
    assert server.get("/", Host="rebound.example")[0] == 400
    assert server.get("/", Host="127.0.0.1.example")[0] == 400
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert server.get("/", method=method)[0] == 405
    for path in ("/", "/nothing", "/live.json", "/static/view.css"):
        headers = server.get(path)[2]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(OSError):
        other.settimeout(2)
        other.connect((outside_address(), port))


def outside_address() -> str:
    """An address of this machine that is not the one it listens on."""
    return "127.0.0.2"


def test_a_running_check_is_followed(shown: tuple[Server, Path]) -> None:
    (one,) = json.loads(shown[0].page("/live.json"))
    assert (one["writing"], one["done"], one["planned"]) == (True, 40, 110)
    for suite in one["suites"]:
        assert suite["asked"] <= suite["planned"]
        low, high = suite["ci90"]
        assert suite["asked"] == 0 or low <= suite["right"] / suite["asked"] <= high


def test_damage_is_shown_and_does_not_take_the_rest_away(judged: Path) -> None:
    log = run_of(judged, "adapter") / "outcomes.jsonl"
    log.write_bytes(log.read_bytes().replace(b"pass", b"fail", 1))
    with viewing(judged) as server:
        page = server.page("/")
        assert "NOT SHOWN" in page
        assert server.get(f"/candidate/{short(judged, 'tiny')}")[0] == 409
        assert "REJECT" in server.page(f"/candidate/{short(judged, 'broken')}")


def test_a_judgement_is_not_held_beyond_what_it_rests_on(judged: Path) -> None:
    """Whatever `gate` refuses now is refused on the page too, though it was shown a moment ago."""
    page = f"/candidate/{short(judged, 'tiny')}"
    with viewing(judged) as server:
        assert "PROMOTE" in server.page("/")
        suite = judged / "suites" / "general_words.jsonl"
        words = suite.read_bytes()
        suite.write_bytes(words.replace(b"Repeat", b"Recite", 1))
        assert "PROMOTE" not in server.page("/")
        assert server.get(page)[0] == 409
        suite.write_bytes(words)
        assert server.get(page)[0] == 200
        outcomes = run_of(judged, "adapter", "tiny") / "outcomes.jsonl"
        outcomes.write_bytes(outcomes.read_bytes().replace(b'"pass"', b'"fail"', 1))
        assert server.get(page)[0] == 409


def test_a_rescued_copy_that_was_judged_whole_is_shown_instead_of_its_half(locked: Path) -> None:
    """Both stand in the ledger and shorten to one name: the half, which has no runs, must not hide the copy."""
    lock, whole = read_lock(locked / "baselines"), "sha256:" + "ab" * 32
    for candidate in (f"{whole}#half", whole, f"sha256:{'cd' * 32}#half"):
        record_attempt(locked / "baselines", lock, candidate, now=datetime(2026, 1, 1, tzinfo=UTC))
    shelf = read_shelf(locked)
    assert [(one.number, one.digest) for one in shelf.candidates] == [(2, whole), (3, f"sha256:{'cd' * 32}#half")]
    found = shelf.candidate("ab" * 6)
    assert found is not None
    assert found.digest == whole


def test_without_a_lock_the_page_says_so(judged: Path) -> None:
    (judged / "baselines" / "lock.json").unlink()
    with viewing(judged) as server:
        assert "no lock" in server.page("/")


def test_a_candidate_is_shown_as_gate_judges_it(judged: Path) -> None:
    """Its training record is read where its folder still holds the bytes; elsewhere nothing is claimed."""
    lock = json.loads((judged / "baselines" / "lock.json").read_text())
    record = {"lock": lock["digest"], "base": lock["promise"]["base"]["digest"]}
    assert main(["gate", str(judged / "broken"), "-C", str(judged)]) == 3  # says where the folder is
    page = f"/candidate/{short(judged, 'broken')}"
    with viewing(judged) as server:
        assert "there is no training record" in server.page(page)
        (judged / "broken" / "regress_training.json").write_text(json.dumps(record))
        assert "its folder is not here" in server.page(page)  # other bytes lie there now


def test_a_folder_without_a_project_and_a_port_that_is_taken(judged: Path, tmp_path: Path) -> None:
    assert process("view", "-C", str(tmp_path)).returncode == 5
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = process("view", "-C", str(judged), "--port", str(taken.getsockname()[1]))
    assert (done.returncode, "is taken" in done.stderr) == (2, True)


@pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")
def test_a_browser_has_nothing_to_complain_about_and_texts_stay_texts(judged: Path) -> None:
    report = judged / "reports" / "verdict.json"
    body: dict[str, Any] = json.loads(report.read_text())
    body["candidate"]["path"] = f"runs/{HOSTILE.replace('/', '|')}"
    report.write_text(json.dumps(body))
    base, broken = run_of(judged, "base").name, run_of(judged, "adapter", "broken").name
    with viewing(judged) as server, browser() as chrome:
        assert "onerror" in server.page("/"), "the hostile name is on the page"
        for path in ("/", f"/compare?a={base}&b={broken}", f"/candidate/{short(judged, 'broken')}"):
            chrome.requests.clear()
            chrome.open(server.url + path)
            assert chrome.run("window.broken") is None
            assert chrome.events == [], path
            assert {url for url in chrome.requests if not url.startswith(("data:", server.url))} == set()
