"""From a judged adapter to a verified deployment, with the real commands on real runs."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import ENVIRONMENT, digest_of, plant_promotion, process, run_of, take_suite, write_settings
from interrupted_writer import DIED, DONE, How, every_interruption
from test_no_model_library import AND_THEN_SAY, HEAVY

import regress.promote.promoting
from regress.cli import main
from regress.lock.lockfile import read_lock, write_training_record
from regress.promote import verify_adapter
from regress.promote.keys import load_key, make_key
from regress.promote.local import LocalRegistry
from regress.promote.promoting import Wish, promote
from regress.promote.reviewing import review
from regress.promote.trust import read_trust
from regress.run.stored import judge_stored
from regress.suite import read_project

UNRECORDED = "--allow-unrecorded-training"


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made at the first use; no project trusts it yet."""
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    make_key(path)
    return path


@pytest.fixture(autouse=True)
def signing(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRESS_KEY", str(key))
    monkeypatch.setitem(ENVIRONMENT, "REGRESS_KEY", str(key))


@pytest.fixture
def trusted(judged: Path, key: Path) -> Path:
    """A judged project that believes the key."""
    assert main(["keys", "add", f"{key}.pub", "-C", str(judged)]) == 0
    return judged


def run(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The command's exit code and what it said, white space folded."""
    capsys.readouterr()
    code = main([*arguments, "-C", str(project)])
    return code, " ".join(capsys.readouterr().err.split())


def weights_in_production(project: Path) -> bytes:
    return (project / "registry" / "production" / "adapter" / "adapter_model.safetensors").read_bytes()


def test_the_whole_way_in_real_processes(judged: Path, tmp_path: Path) -> None:
    """keys init, promote, verify by bytes and in place, a private copy, history, a second promotion, rollback."""
    here, secret = ["-C", str(judged)], {"REGRESS_KEY": str(tmp_path / "mine.pem")}
    assert process("keys", "init", "--out", secret["REGRESS_KEY"], *here).returncode == 0
    done = process("promote", str(judged / "tiny"), UNRECORDED, "--json", *here, **secret)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["decision"], record["attempt"], record["trained_under_lock"]) == ("PROMOTE", 1, False)
    assert record["adapter"] == digest_of(judged / "tiny")
    assert record["configuration"]["lock"] == read_lock(judged / "baselines").digest
    assert {name for name in record["configuration"] if name.startswith("seal")} == {
        f"seal {variant}@fp32" for variant in ("base", "adapter", "merged")
    }
    assert process("verify", str(judged / "tiny"), "--production", *here).returncode == 0
    copy = tmp_path / "deploy"
    assert process("verify", "--to", str(copy), "--max-age", "1", *here).returncode == 0
    assert digest_of(copy) == record["adapter"]
    assert process("promote", str(judged / "tiny"), UNRECORDED, *here, **secret).returncode == 0
    back = process("rollback", "--why", "just trying", *here)
    assert back.returncode == 0, back.stderr
    assert "50 of 50" in back.stderr
    told = json.loads(process("history", "--json", *here).stdout)
    assert [event["move"] for event in told["events"]] == ["promote", "promote", "rollback"]
    assert told["production"] == record["record"]
    assert (
        verify_adapter(
            judged / "registry" / "production" / "adapter", trust=judged / "trust.json", now=datetime.now(UTC)
        ).digest
        == told["production"]
    )


def test_only_what_the_gate_promotes(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant_promotion(trusted)  # a verdict that somebody wrote by hand counts for nothing
    code, said = run(trusted, capsys, "promote", str(trusted / "broken"), UNRECORDED)
    assert (code, "the decision is REJECT: " in said) == (5, True)
    assert not (trusted / "registry" / "production").exists()


def test_a_training_record_or_somebody_who_takes_the_responsibility(
    trusted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no training record" in run(trusted, capsys, "promote", str(trusted / "tiny"))[1]
    lock = read_lock(trusted / "baselines")
    write_training_record(lock, trusted / "tiny", data="sha256:0", started=datetime.now(UTC))
    code, said = run(trusted, capsys, "promote", str(trusted / "tiny"))
    assert (code, "no preflight under this lock" in said) == (5, True)  # other bytes than those that were judged
    assert main(["check", str(trusted / "tiny"), "-C", str(trusted), "--quiet"]) == 0
    code, said = run(trusted, capsys, "promote", str(trusted / "tiny"))
    assert (code, "trained under the lock" in said) == (0, True)


def change_weights(project: Path) -> None:
    path = project / "tiny" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def amend_lock(project: Path) -> None:
    take_suite(project, "json_records", 25, margin=0.3)
    assert main(["lock", "--amend", "--why", "a wider margin", "-C", str(project)]) == 0


def widen_margin(project: Path) -> None:
    take_suite(project, "json_records", 25, margin=0.3)


def forget_a_run(project: Path) -> None:
    shutil.rmtree(run_of(project, "merged"))


def break_a_seal(project: Path) -> None:
    path = run_of(project, "adapter") / "outcomes.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"outcome":"pass"', b'"outcome":"fail"', 1))


def stray_file(project: Path) -> None:
    (project / "tiny" / "notes.py").write_text("x")


def linked_weights(project: Path) -> None:
    path = project / "tiny" / "adapter_model.safetensors"
    path.rename(project / "elsewhere")
    path.symlink_to(project / "elsewhere")


def no_trust_root(project: Path) -> None:
    (project / "trust.json").unlink()


def unknown_key(project: Path) -> None:
    root = json.loads((project / "trust.json").read_text())
    (project / "trust.json").write_text(json.dumps(root | {"keys": []}))


def expired_key(project: Path) -> None:
    root = json.loads((project / "trust.json").read_text())
    root["keys"][0]["expires"] = "2020-01-01"
    (project / "trust.json").write_text(json.dumps(root))


def revoked_key(project: Path) -> None:
    assert main(["keys", "revoke", "release", "--reason", "lost", "-C", str(project)]) == 0


def a_file_for_a_registry(project: Path) -> None:
    write_settings(project, registry={"kind": "local", "path": "tiny/adapter_config.json"})


AFTER_THE_CHECK: dict[str, tuple[Any, str]] = {
    "the adapter changed": (change_weights, "no preflight under this lock"),
    "the lock changed": (amend_lock, "no preflight under this lock"),
    "a suite changed": (widen_margin, "is not the locked one"),
    "a run is gone": (forget_a_run, "no sealed run of merged"),
    "an outcome was edited": (break_a_seal, "not what was written"),
    "a stray file": (stray_file, "does not belong in an adapter folder"),
    "linked weights": (linked_weights, "not a regular file"),
    "no trust root": (no_trust_root, "no trust root"),
    "an unknown key": (unknown_key, "is not in the trust root"),
    "an expired key": (expired_key, "expired after 2020-01-01"),
    "a revoked key": (revoked_key, "was revoked on"),
    "no registry can be made": (a_file_for_a_registry, "cannot make the registry"),
}


@pytest.mark.parametrize("case", AFTER_THE_CHECK)
def test_what_happens_after_the_check_is_refused_and_production_stays(
    trusted: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    assert run(trusted, capsys, "promote", str(trusted / "tiny"), UNRECORDED)[0] == 0
    before, line = weights_in_production(trusted), LocalRegistry(trusted / "registry").line()
    change, reason = AFTER_THE_CHECK[case]
    change(trusted)
    code, said = run(trusted, capsys, "promote", str(trusted / "tiny"), UNRECORDED)
    assert (code, reason in said) == (5, True), said
    assert weights_in_production(trusted) == before
    assert LocalRegistry(trusted / "registry").line() == line


def test_without_a_key(trusted: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGRESS_KEY", str(trusted / "nowhere.pem"))
    code, said = run(trusted, capsys, "promote", str(trusted / "tiny"), UNRECORDED)
    assert (code, "there is no key at" in said, "regress keys init" in said) == (5, True, True)


SWAP = """
import sys
from pathlib import Path
import regress.promote.promoting as promoting
original = promoting.judge_stored
def swap(project, folder):
    judged = original(project, folder)
    {what}
    return judged
promoting.judge_stored = swap
from regress.cli import main
sys.exit(main(sys.argv[1:]))
"""
SWAPS = {
    "the copy": ("(folder / 'README.md').write_text('x')", "'README.md' was added"),
    "the copy's weights": ("(folder / 'adapter_model.safetensors').write_bytes(b'x')", "changed since it was hashed"),
    "the lock": (
        "main = __import__('regress.cli').cli.main; "
        "p = Path(project.folder) / 'suites/json_records.yaml'; p.write_text(p.read_text().replace('0.25', '0.3')); "
        "main(['lock', '--amend', '--why', 'x', '-C', str(project.folder)])",
        "the lock changed while",
    ),
}


@pytest.mark.parametrize("what", SWAPS)
def test_what_is_exchanged_between_judging_and_signing_is_seen(trusted: Path, what: str) -> None:
    code, reason = SWAPS[what]
    done = process("promote", str(trusted / "tiny"), UNRECORDED, "-C", str(trusted), code=SWAP.format(what=code))
    assert done.returncode == 5, done.stderr
    assert reason in " ".join(done.stderr.split())
    assert not (trusted / "registry" / "production").exists()


def test_the_adapter_may_be_exchanged_meanwhile_since_the_copy_was_judged(trusted: Path) -> None:
    original = (trusted / "tiny" / "adapter_model.safetensors").read_bytes()
    code = f"(Path({str(trusted / 'tiny')!r}) / 'adapter_model.safetensors').write_bytes(b'x')"
    done = process("promote", str(trusted / "tiny"), UNRECORDED, "-C", str(trusted), code=SWAP.format(what=code))
    assert done.returncode == 0, done.stderr
    assert weights_in_production(trusted) == original


def test_two_processes_at_once(trusted: Path) -> None:
    """One wins, the other is refused or comes after it; each record names the one that it really replaced."""
    command = [sys.executable, "-m", "regress", "promote", str(trusted / "tiny"), UNRECORDED, "-C", str(trusted)]
    racing = [subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in racing]
    codes = [code for _, code in ends]
    assert set(codes) <= {0, 5}
    assert 0 in codes
    assert all("under way" in " ".join(said.split()) or "is being written" in said for said, code in ends if code == 5)
    told = json.loads(process("history", "--json", "-C", str(trusted)).stdout)
    assert len(told["events"]) == codes.count(0)
    assert all(event["valid"] for event in told["events"])


def test_killed_at_every_file_operation_production_is_the_old_or_the_new(
    trusted: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promotion itself, with the judgement of these very runs made once and not a hundred times."""
    project, signing_key, root = read_project(trusted), load_key(key), read_trust(trusted / "trust.json")
    judgement = judge_stored(project, trusted / "tiny")
    monkeypatch.setattr(regress.promote.promoting, "judge_stored", lambda *_: judgement)

    def go(folder: Path) -> int:
        wish = Wish(unrecorded_training=True)
        now = datetime.now(UTC)
        promote(project, trusted / "tiny", LocalRegistry(folder), key=signing_key, trust=root, wish=wish, now=now)
        return DONE

    old = go(tmp_path / "template") or LocalRegistry(tmp_path / "template").line().production
    moved: list[bool] = []

    def check(folder: Path, status: int) -> None:
        assert status in (DONE, DIED)
        line = LocalRegistry(folder).line()
        verify_adapter(folder / "production" / "adapter", trust=trusted / "trust.json", now=datetime.now(UTC))
        moved.append(line.production != old)
        assert line.standing[0] == old
        assert moved[-1] or status == DIED
        assert go(folder) == DONE
        assert all(
            entry.complaint is None for entry in review(LocalRegistry(folder), root, now=datetime.now(UTC)).entries
        )

    operations = every_interruption(go, tmp_path / "template", tmp_path, How.KILL, check)
    assert operations > 20
    assert moved.count(False) > 20
    assert moved[-1]


def test_a_project_that_promotes_to_mlflow(trusted: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (the extra of that name)")
    pytest.importorskip("sqlalchemy", reason="MLflow's local database needs sqlalchemy and alembic")
    write_settings(trusted, registry={"kind": "mlflow", "name": "desk", "uri": f"sqlite:///{tmp_path / 'store.db'}"})
    with contextlib.chdir(tmp_path):  # where MLflow puts artifacts unless told otherwise
        for _ in range(2):
            assert run(trusted, capsys, "promote", str(trusted / "tiny"), UNRECORDED)[0] == 0
        assert run(trusted, capsys, "verify", str(trusted / "tiny"), "--production")[0] == 0
        assert run(trusted, capsys, "verify", "--to", str(tmp_path / "deploy"))[0] == 0
        assert digest_of(tmp_path / "deploy") == digest_of(trusted / "tiny")
        assert run(trusted, capsys, "rollback")[0] == 0
        assert run(trusted, capsys, "rollback")[0] == 5
        assert main(["history", "--json", "-C", str(trusted)]) == 0
    assert [event["move"] for event in json.loads(capsys.readouterr().out)["events"]] == [
        "promote",
        "promote",
        "rollback",
    ]


@pytest.fixture
def undecided(trusted: Path) -> Path:
    """One suite is too small for its margin, so the decision is INCONCLUSIVE because of it alone."""
    take_suite(trusted, "json_records", 25, margin=0.02)
    for name in ("general_choice", "general_words"):
        take_suite(trusted, name, {"general_choice": 50, "general_words": 35}[name], margin=0.25)
    assert main(["lock", "--amend", "--why", "stricter", "-C", str(trusted)]) == 0
    assert main(["check", str(trusted / "tiny"), "-C", str(trusted), "--quiet"]) == 4
    return trusted


def test_waivers(undecided: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """INCONCLUSIVE because of one suite alone; waived by name, seen everywhere, over when its day is over."""

    def promote(*suites: str, expires: str = str((datetime.now(UTC) + timedelta(days=3)).date())) -> tuple[int, str]:
        words = [word for suite in suites for word in ("--waive", suite)]
        told = ["--reason", "no JSON is asked for here", "--by", "Mara", "--expires", expires]
        return run(undecided, capsys, "promote", str(undecided / "tiny"), UNRECORDED, *words, *told)

    assert (
        "the decision is INCONCLUSIVE: json_records"
        in run(undecided, capsys, "promote", str(undecided / "tiny"), UNRECORDED)[1]
    )
    assert promote()[0] == 2  # a reason without a suite
    assert run(undecided, capsys, "promote", str(undecided / "tiny"), "--waive", "json_records")[0] == 2
    for suites, reason in (
        (["no_such_suite"], "there is no such suite"),
        (["general_words"], "it passes, so there is nothing to waive"),
        (["json_records", "json_records"], "waived twice"),
        (["json_records", "general_words"], "it passes"),
    ):
        code, said = promote(*suites)
        assert (code, reason in said) == (5, True), said
    assert "expired after 2020-01-01" in promote("json_records", expires="2020-01-01")[1]
    assert "no day such as" in promote("json_records", expires="soon")[1]
    assert not (undecided / "registry" / "production").exists()
    code, said = promote("json_records")
    assert (code, "waived: json_records until" in said) == (0, True), said
    code, said = run(undecided, capsys, "verify")
    assert (code, "by Mara: no JSON is asked for here" in said) == (0, True)
    assert "json_record" in run(undecided, capsys, "history")[1]  # folded where the terminal is narrow
    capsys.readouterr()
    assert main(["verify", "--json", "-C", str(undecided)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["decision"], record["judged"]) == ("PROMOTE", "INCONCLUSIVE")
    assert [waiver["suite"] for waiver in record["waivers"]] == ["json_records"]


def test_everything_waived_requires_nothing(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waived = ("general_choice", "general_words", "json_records")
    words = [word for suite in waived for word in ("--waive", suite)]
    told = ["--reason", "x", "--by", "x", "--expires", "2099-12-31"]
    code, said = run(trusted, capsys, "promote", str(trusted / "broken"), UNRECORDED, *words, *told)
    assert (code, "every protected suite is waived" in said) == (5, True), said
    code, said = run(trusted, capsys, "promote", str(trusted / "broken"), UNRECORDED, *words[:4], *told)
    assert (code, "the decision is REJECT even without general_choice, general_words: json_records" in said) == (
        5,
        True,
    )


NO_NETWORK = """
import sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto", "socket.gethostbyname"):
        raise RuntimeError(event)
sys.addaudithook(hook)
"""


@pytest.mark.parametrize("command", ["promote", "verify", "history", "rollback", "keys"])
def test_without_model_libraries_and_without_a_network(trusted: Path, command: str) -> None:
    assert process("promote", str(trusted / "tiny"), UNRECORDED, "-C", str(trusted)).returncode == 0
    words = {
        "promote": [str(trusted / "tiny"), UNRECORDED],
        "verify": [str(trusted / "tiny")],
        "keys": ["show"],
    }.get(command, [])
    done = process(command, *words, "-C", str(trusted), code=NO_NETWORK + AND_THEN_SAY)
    assert done.returncode == (5 if command == "rollback" else 0), done.stderr  # nothing to go back to
    imported = set(done.stdout.splitlines()[-1].split())
    assert "regress" in imported
    heavy = HEAVY | {"huggingface_hub", "mlflow"}
    assert imported & (heavy - {"scipy"} if command == "promote" else heavy) == set()  # what gate needs, promote does


def test_verify_outside_a_project(trusted: Path, tmp_path: Path) -> None:
    """Who deploys has the adapter, its record and a pinned trust root, and nothing else."""
    assert process("promote", str(trusted / "tiny"), UNRECORDED, "-C", str(trusted)).returncode == 0
    version = (trusted / "registry" / "production").resolve()
    elsewhere = Path(shutil.copytree(version, tmp_path / "elsewhere"))
    pinned = ["--trust", str(trusted / "trust.json"), "-C", str(tmp_path)]
    assert process("verify", str(elsewhere / "adapter"), *pinned).returncode == 0
    moved = shutil.move(elsewhere / "promotion.json", tmp_path / "record.json")
    assert process("verify", str(elsewhere / "adapter"), *pinned).returncode == 2
    assert process("verify", str(elsewhere / "adapter"), "--record", str(moved), *pinned).returncode == 0
    (elsewhere / "adapter" / "extra").touch()
    done = process("verify", str(elsewhere / "adapter"), "--record", str(moved), *pinned)
    assert (done.returncode, "'extra' lies in it" in " ".join(done.stderr.split())) == (5, True)
