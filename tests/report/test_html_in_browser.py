"""report.html in a real browser: it asks nobody for anything, nothing breaks out of it, its items can be browsed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_exhibits import hostile_audit
from chromium import Browser, browser, find_chromium
from exhibit_samples import a_promise, an_answer, an_item, exhibits, lost_item, many_items, rejected
from hostile import payloads
from report_samples import a_flip

from regress.report.html.page import render
from regress.report.html.texts import seen
from regress.schema import (
    Amendment,
    Check,
    Curve,
    CurvePoint,
    Decision,
    Exhibits,
    Outcome,
    ShownAudit,
    SliceCounts,
    SuiteComparison,
)

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")

READY = "document.documentElement.dataset.ready === 'true'"
TRAP = """
window.pwned = () => { window.broken = true };
addEventListener("securitypolicyviolation", (e) => (window.violations ??= []).push(e.violatedDirective));
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=TRAP)
        yield opened


def show(chrome: Browser, path: Path, page: bytes, *, address: str = "", until: str = READY) -> None:
    """Open the page from disk with nothing noted so far."""
    path.write_bytes(page)
    chrome.call("Page.navigate", url="about:blank")
    chrome.events.clear()
    chrome.requests.clear()
    chrome.open(path.as_uri() + address, until)


def quiet(chrome: Browser, path: Path) -> None:
    """It said nothing, asked for nothing but itself (and the drawing in its own address line), and nothing ran."""
    asked = {url.partition("#")[0] for url in chrome.requests if not url.startswith("data:")}
    assert asked == {path.as_uri()}
    assert chrome.events == []
    assert chrome.run("[window.broken ?? null, window.violations ?? null]") == [None, None]


def rows(chrome: Browser) -> list[str]:
    found: list[str] = chrome.run("[...document.querySelectorAll('#rows .item')].map((row) => row.textContent)")
    return found


def texts(chrome: Browser) -> list[str]:
    """The replies of the item that is shown."""
    found: list[str] = chrome.run("[...document.querySelectorAll('#detail .reply .text')].map((p) => p.textContent)")
    return found


def choose(chrome: Browser, control: str, value: str) -> None:
    chrome.run(
        f"(() => {{ const c = document.getElementById({json.dumps(control)}); c.value = {json.dumps(value)};"
        " c.dispatchEvent(new Event('input')) })()"
    )


def wait_for_count(chrome: Browser, text: str) -> None:
    chrome.wait(f"document.getElementById('count').textContent === {json.dumps(text)}")


WRONG = an_answer(Outcome.FAIL, "no, never", kind="wrong")
EMPTY = an_answer(Outcome.NO_ANSWER, "", kind="empty")
ITEMS = (
    an_item("same"),
    lost_item("lost one", "yes and no", slice="left"),
    lost_item("lost two", slice="right", suite="words"),
    an_item("gained", WRONG, an_answer(text="yes, ever"), WRONG, slice="left"),
    an_item("worded", an_answer(text="yes"), an_answer(text="yes!"), an_answer(text="yes")),
    an_item("silent", WRONG, EMPTY, EMPTY, suite="words"),
    an_item("a/b c%2F#?&\"'", prompt="an odd name"),
    an_item("picked", an_answer(right=-1.0), an_answer(right=-3.5), an_answer(right=-1.0), suite="choice"),
    an_item("picked too", an_answer(right=-2.0), an_answer(right=-1.5), an_answer(right=-2.0), suite="choice"),
)


@pytest.fixture
def small(chrome: Browser, tmp_path: Path) -> Browser:
    show(chrome, tmp_path / "report.html", render(*rejected(), exhibits(*ITEMS, promised=a_promise())))
    return chrome


def test_it_loads_without_a_word_and_without_a_request(small: Browser, tmp_path: Path) -> None:
    quiet(small, tmp_path / "report.html")
    assert small.run("document.querySelector('h1').textContent") == "broken must not replace the base."


@pytest.mark.parametrize(
    ("key", "name", "found"),
    [
        ("1", "lost", ["prompt of lost one", "prompt of lost two"]),
        ("2", "gained", ["prompt of gained"]),
        ("3", "changed", ["lost one", "lost two", "gained", "worded", "silent"]),
        ("4", "errors", ["prompt of silent"]),
        ("5", "all", [item.prompt for item in ITEMS]),
    ],
)
def test_filters(small: Browser, key: str, name: str, found: Sequence[str]) -> None:
    small.press(key)
    wait_for_count(small, f"{len(found)} of {len(ITEMS)} items")
    assert [part in row for part, row in zip(found, rows(small), strict=True)] == [True] * len(found)
    assert small.run("[...document.querySelectorAll('[aria-pressed=true]')].map((b) => b.dataset.filter)") == [name]
    assert small.run(f"document.querySelector('[data-filter={name}] b').textContent") == str(len(found))


@pytest.mark.parametrize(
    ("control", "value", "count"),
    [
        ("suite", "1", 2),  # words
        ("slice", "0", 2),  # left
        ("kind", "1", 1),  # empty
        ("search", "YES AND", 1),  # in a reply, whatever its case
        ("search", "odd name", 1),
        ("search", "lost two", 1),
        ("search", "nowhere", 0),
    ],
)
def test_choosing_and_searching(small: Browser, control: str, value: str, count: int) -> None:
    small.press("5")
    choose(small, control, value)
    wait_for_count(small, f"{count} of {len(ITEMS)} items")


def test_another_variant_has_other_changes(small: Browser) -> None:
    small.press("2")
    wait_for_count(small, f"1 of {len(ITEMS)} items")
    choose(small, "variant", "2")
    wait_for_count(small, f"0 of {len(ITEMS)} items")
    assert rows(small) == ["nothing fits"]


def test_sorting_by_log_probability_puts_those_without_last(small: Browser) -> None:
    small.press("5")
    for order, first in (("down", ["picked", "picked too"]), ("up", ["picked too", "picked"])):
        choose(small, "order", order)
        assert [row.startswith(f"prompt of {name}choice") for name, row in zip(first, rows(small), strict=False)]
        assert ["−2.50" in row or "+0.50" in row for row in rows(small)][:3] == [True, True, False]


def test_keys_walk_and_the_difference_is_marked(small: Browser) -> None:
    small.press("3")
    wait_for_count(small, f"5 of {len(ITEMS)} items")
    for _ in range(3):
        small.press("j")
    assert texts(small) == ["yes", "yes!", "yes"]
    assert small.run("[...document.querySelectorAll('#detail .new')].map((s) => s.textContent)") == ["!"]
    small.press("d")
    assert small.run("document.querySelectorAll('#detail .new, #detail .gone').length") == 0
    small.press("k")
    assert texts(small) == ["no, never", "yes, ever", "no, never"]


def test_a_slash_searches_and_keys_are_then_letters(small: Browser) -> None:
    small.press("/")
    assert small.run("document.activeElement.id") == "search"
    small.press("j")
    wait_for_count(small, f"0 of {len(ITEMS)} items")
    small.press("Escape")
    wait_for_count(small, f"2 of {len(ITEMS)} items")


@pytest.mark.parametrize("item", [item for item in ITEMS if item.item in ("same", "lost two", "a/b c%2F#?&\"'")])
def test_an_address_opens_one_item(chrome: Browser, tmp_path: Path, item: Any) -> None:
    path, page = tmp_path / "report.html", render(*rejected(), exhibits(*ITEMS))
    show(chrome, path, page)
    chrome.press("5")
    chrome.run(
        f"[...document.querySelectorAll('#rows .item')].find((r) => r.textContent.includes({json.dumps(item.prompt)}))"
        ".click()"
    )
    chrome.wait("location.hash.startsWith('#item=')")
    address = chrome.run("location.hash")
    show(chrome, path, page, address=address)
    assert chrome.run("document.querySelector('#detail h3').textContent") == item.item
    assert chrome.run("document.querySelectorAll('.item[aria-selected=true]').length") == 1
    quiet(chrome, path)


@pytest.mark.parametrize("address", ["#item=none/such", "#item=", "#item=%", "#item=__proto__/x", "#nowhere"])
def test_an_address_that_names_nothing_is_let_be(chrome: Browser, tmp_path: Path, address: str) -> None:
    show(chrome, tmp_path / "report.html", render(*rejected(), exhibits(*ITEMS)), address=address)
    assert chrome.run("document.querySelector('#detail h3').textContent") == "lost one"
    quiet(chrome, tmp_path / "report.html")


def test_a_new_address_in_the_open_page(small: Browser) -> None:
    small.run("location.hash = '#item=words/silent'")
    small.wait("document.querySelector('#detail h3').textContent === 'silent'")


def test_ten_thousand_items_are_a_few_rows(chrome: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    show(chrome, path, render(*rejected(), exhibits(*many_items(10_000, words=30))))
    chrome.press("5")
    wait_for_count(chrome, "10,000 of 10,000 items")
    assert len(rows(chrome)) < 60
    chrome.run("document.getElementById('list').scrollTop = 1e9")
    chrome.wait("document.querySelector('#rows .item:last-child').getAttribute('aria-posinset') === '10000'")
    assert len(rows(chrome)) < 60
    spent = chrome.run(
        "(() => { const t = performance.now(); const s = document.getElementById('suite');"
        " for (const v of ['1', '2', '-1']) { s.value = v; s.dispatchEvent(new Event('input')) }"
        " return performance.now() - t })()"
    )
    assert spent < 3_000  # three filters; 60 ms on an idle machine
    quiet(chrome, path)


# --- what models write ------------------------------------------------------------------------------------------------


def hostile_everywhere() -> tuple[Decision, Sequence[SuiteComparison], Exhibits]:
    """Every payload as an item's texts, and dozens wherever else a text of others is shown."""
    evil = payloads()
    items = [
        an_item(
            f"{number} {text[:80]}",
            an_answer(text=text),
            an_answer(Outcome.FAIL, f"{text} now", kind=f"k{text[:60]}", detail=text[:200]),
            an_answer(Outcome.FAIL, f"{text} now", kind="wrong"),
            prompt=text,
            expected=text,
            slice=text[:60],
        )
        for number, text in enumerate(evil)
    ]
    decision, comparisons = rejected()
    few = evil[::9]
    comparisons = [
        replace(
            comparison,
            flips=tuple(a_flip(f"q{n}", prompt=t, base_reply=t, candidate_reply=t) for n, t in enumerate(few)),
            slices=tuple(SliceCounts(slice=text, counts=comparison.counts, p_lost=0.01) for text in few),
        )
        for comparison in comparisons
    ]
    assert decision.candidate is not None
    decision = replace(
        decision,
        candidate=replace(decision.candidate, path="runs/" + few[3].replace("/", "")),
        checks=tuple(Check(name="c", ok=False, detail=text) for text in few),
        reasons=tuple(few),
    )
    curve = CurvePoint(step=1, delta=-0.2, forgotten=True)
    return (
        decision,
        comparisons,
        exhibits(
            *items,
            promised=a_promise(
                zero_tolerance=tuple(few),
                history=tuple(Amendment(lock="x", created=t, why=t, changes=(t,)) for t in few),
            ),
            audit=ShownAudit(place=few[0], is_locked=True, audit=hostile_audit(few)),
            curves=tuple(Curve(suite=t, role="protect", n=1, margin=0.01, points=(curve,)) for t in few),
            notes=tuple(few),
        ),
    )


def test_no_payload_breaks_out(chrome: Browser, tmp_path: Path) -> None:
    """900 payloads: each is looked at, none runs, loads, hides or becomes an element."""
    path = tmp_path / "report.html"
    show(chrome, path, render(*hostile_everywhere()))
    evil = payloads()
    assert len(evil) >= 600
    chrome.press("5")
    wait_for_count(chrome, f"{len(evil)} of {len(evil)} items")
    walked = chrome.run(
        """(async () => {
          const found = [];
          const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
          press(document.getElementById("list"), "Home");
          for (let n = 0; n < COUNT; n++) {
            found.push([
              document.querySelector("#detail .prompt").textContent,
              ...[...document.querySelectorAll("#detail .reply .text")].map((p) => p.textContent)]);
            press(document.body, "j");
            if (n % 100 === 0) await new Promise((done) => setTimeout(done));
          }
          return found;
        })()""".replace("COUNT", str(len(evil)))
    )
    for text, shown in zip(evil, walked, strict=True):
        assert shown == [seen(text), seen(text), f"{seen(text)} now", f"{seen(text)} now"]
    tags = chrome.run("[...new Set([...document.body.querySelectorAll('*')].map((e) => e.localName))]")
    dangerous = {
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "meta",
        "link",
        "audio",
        "video",
        "math",
        "marquee",
    }
    assert not dangerous & set(tags)
    assert chrome.run("document.scripts.length") == 2
    assert chrome.run("document.querySelectorAll('style').length") == 1
    attributes = chrome.run("[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].map((a) => a.name))")
    assert not [name for name in attributes if name.startswith("on")]
    assert chrome.run("document.title").startswith("REJECT")
    quiet(chrome, path)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False)])
def test_nothing_sticks_out_of_a_phone(chrome: Browser, tmp_path: Path, width: int, dark: bool) -> None:
    chrome.view(width, 844, dark=dark)
    show(chrome, tmp_path / "report.html", render(*hostile_everywhere()))
    assert chrome.run("document.documentElement.scrollWidth") <= width
    paper = chrome.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 23, 26)") is dark


def test_the_policy_stops_what_the_page_never_does(small: Browser) -> None:
    """Were there a hole, the policy would still hold: no inline script, no style, no image from outside, no markup."""
    blocked = small.run(
        """(async () => {
          const tried = [];
          try { document.body.innerHTML = '<b>x</b>'; tried.push('markup'); } catch {}
          try { eval('1'); tried.push('eval'); } catch {}
          try { await fetch('http://evil.invalid/'); tried.push('fetch'); } catch {}
          const image = document.createElement('img'); image.src = 'http://evil.invalid/i';
          document.body.append(image);
          await new Promise((done) => setTimeout(done, 50));
          return tried;
        })()"""
    )
    assert blocked == []
    violated = set(small.run("window.violations"))
    assert {"require-trusted-types-for", "connect-src", "img-src"} <= violated
