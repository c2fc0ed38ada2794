"""The split: whole clusters, even slices, the same for everybody, and nothing of anybody's answers in it."""

from __future__ import annotations

from collections import Counter

import pytest
from rescue_samples import item_of, suite_of

from regress.errors import SuiteError
from regress.rescue.halves import split


def test_slices_are_even_and_every_item_is_in_one_half() -> None:
    items = [item_of(f"q{k}", slice_=("en", "de", "fr")[k % 3]) for k in range(99)]
    halves = split([suite_of(items)])
    select, confirm = halves.select["colours"].items, halves.confirm["colours"].items
    assert {i.id for i in select} | {i.id for i in confirm} == {i.id for i in items}
    assert not {i.id for i in select} & {i.id for i in confirm}
    assert abs(len(select) - len(confirm)) <= 1
    for language in ("en", "de", "fr"):
        sides = [sum(i.slice == language for i in half) for half in (select, confirm)]
        assert abs(sides[0] - sides[1]) <= 1


def test_clusters_stay_together_and_large_ones_do_not_tip_the_scales() -> None:
    sizes = [40, 25, 20, 15, *[3] * 20]
    items = [item_of(f"c{c}-{k}", cluster=f"c{c}") for c, size in enumerate(sizes) for k in range(size)]
    halves = split([suite_of(items)])
    sides = [{i.cluster for i in half["colours"].items} for half in (halves.select, halves.confirm)]
    assert not sides[0] & sides[1]
    select, confirm = halves.sizes["colours"]
    assert abs(select - confirm) <= 3


def test_neither_order_of_the_file_nor_other_suites_change_it() -> None:
    items = [item_of(f"q{k}", slice_=str(k % 4)) for k in range(40)]
    one = split([suite_of(items)])
    other = split([suite_of(items, name="before"), suite_of(items[::-1])])
    assert {i.id for i in one.select["colours"].items} == {i.id for i in other.select["colours"].items}
    assert one.digest != split([suite_of(items[1:])]).digest
    ids = [i.id for i in one.select["colours"].items]
    assert ids == sorted(ids, key=lambda id_: int(id_[1:]))  # the suite's own order


def test_it_is_a_draw_and_not_the_first_half() -> None:
    """Over many suites each item is as often on one side as on the other."""
    items = [item_of(f"q{k:02}") for k in range(20)]
    times = Counter(
        item.id for n in range(400) for item in split([suite_of(items, name=f"s{n}")]).select[f"s{n}"].items
    )
    assert min(times.values()) > 150
    assert max(times.values()) < 250


def test_one_cluster_cannot_be_split() -> None:
    with pytest.raises(SuiteError, match="cannot be split"):
        split([suite_of([item_of(f"q{k}", cluster="one") for k in range(9)])])
