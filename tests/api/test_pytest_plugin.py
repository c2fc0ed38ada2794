"""`regress_gate` in somebody's own tests: decisions, explanations, settings, and no trace where it is not used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import regress

pytest_plugins = ["pytester"]
ROOT = Path(regress.__file__).parents[1]


@pytest.fixture(autouse=True)
def _this_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[dict[str, int], str]:
    """In a process of its own, as a user's tests run."""
    given = () if importable_as_installed() else ("-p", "regress.pytest_plugin")
    result = pytester.runpytest_subprocess(*given, "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)
    return result.parseoutcomes(), result.stdout.str()


def importable_as_installed() -> bool:
    """Whether this environment's metadata names the plug-in already, so that pytest loads it by itself."""
    from importlib.metadata import entry_points

    return any(entry.value == "regress.pytest_plugin" for entry in entry_points(group="pytest11"))


def test_decisions_in_a_users_tests(pytester: pytest.Pytester, stored: Path) -> None:
    broken = stored.parent / "broken"
    broken.mkdir()
    (broken / "regress.yaml").write_text("base: {model: base}\nsuites: [suites/*.yaml]\n")
    pytester.makepyfile(
        f"""
        def test_careful(regress_gate):
            decision = regress_gate({str(stored / "careful")!r}, project={str(stored)!r})
            assert decision.promoted

        def test_careless(regress_gate):
            assert regress_gate({str(stored / "careless")!r}, project={str(stored)!r}).promoted

        def test_refused(regress_gate):
            regress_gate({str(stored / "careful")!r}, project={str(broken)!r})

        def test_without():
            pass
        """
    )
    outcomes, shown = run(pytester, "--junitxml=junit.xml")
    assert outcomes == {"passed": 2, "failed": 2}
    assert "where False = <REJECT: " in shown
    assert shown.count("- regress -") == 1  # what passes says nothing, and what is refused has no table
    assert "60 → 30 of 60" in shown
    assert "lost, for example" in shown
    assert "::error::" not in shown  # items are untrusted text
    assert "REFUSED  " in shown
    assert "matches no file" in shown
    assert "pytest_plugin.py" not in shown
    junit = (pytester.path / "junit.xml").read_text()
    assert [junit.count(f'<property name="regress" value="{ruling}"') for ruling in ("PROMOTE", "REJECT")] == [1, 1]


@pytest.mark.parametrize("way", ["ini", "option", "rootdir"])
def test_the_project_is_a_setting_and_paths_start_at_the_root(
    pytester: pytest.Pytester, stored: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "." if way == "rootdir" else "gate"
    if way == "rootdir":
        for path in stored.iterdir():
            path.rename(pytester.path / path.name)
    else:
        stored.rename(pytester.path / place)
    pytester.makeini("[pytest]\n" + ("regress_project = gate\n" if way == "ini" else ""))
    code = f"def test_adapter(regress_gate):\n    assert regress_gate('{place}/careful').promoted\n"
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_it.py").write_text(code)
    monkeypatch.chdir(pytester.path / "tests")
    assert run(pytester, *(["--regress-project", place] if way == "option" else []))[0] == {"passed": 1}


@pytest.mark.parametrize(("ini", "options"), [("regress_check = true", []), ("", ["--regress-check"])])
def test_it_evaluates_only_when_told_to(pytester: pytest.Pytester, stored: Path, ini: str, options: list[str]) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makepyfile(
        f"""
        import regress

        def test_adapter(regress_gate):
            asked = []
            judged = regress.judge({str(stored / "careful")!r}, {str(stored)!r})
            regress.check = lambda adapter, _: asked.append(adapter.name) or judged
            assert regress_gate("trained", project={str(stored)!r}).promoted
            assert asked == ["trained"]
        """
    )
    assert run(pytester, *options)[0] == {"passed": 1}


def test_it_stands_in_the_distribution_and_costs_nothing_unused() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["entry-points"]["pytest11"] == {"regress": "regress.pytest_plugin"}
    code = (
        "import sys, pytest, regress.pytest_plugin;"
        "print(sorted(m for m in sys.modules if m.startswith(('regress', 'rich', 'numpy'))))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "['regress', 'regress.pytest_plugin']"
