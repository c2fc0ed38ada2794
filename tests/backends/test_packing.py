"""Shared work found once: groups that really share, rows that hold every sequence, no more nodes than beginnings."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.backends.packing import Asked, Group, Row, _intervals, common_prefix, nodes, pack, shared_prefixes, trie

Key = tuple[int, ...]

TOKENS = st.lists(st.integers(0, 2), max_size=9).map(tuple)
KEYS = st.lists(TOKENS, max_size=9)
OVERHEADS = st.integers(0, 12)


def spent(keys: Sequence[Key], groups: Sequence[Group], overhead: int) -> int:
    """Elements that are computed, and `overhead` for every group that shares something."""
    behind = sum(len(keys[place]) - group.shared for group in groups for place in group.places)
    return behind + sum(group.shared + overhead for group in groups if group.shared)


def shared_by(keys: Sequence[Key]) -> int:
    return common_prefix(min(keys), max(keys)) if keys else 0


def least(keys: Sequence[Key], overhead: int) -> int:
    """By recursion over the tree of beginnings: all of a node's keys as one group, or each branch by itself."""
    if len(keys) < 2:
        return sum(map(len, keys))
    depth = shared_by(keys)
    ended = [key for key in keys if len(key) == depth]
    branches = [list(branch) for _, branch in itertools.groupby(sorted(keys)[len(ended) :], lambda key: key[depth])]
    apart = sum(map(len, ended)) + sum(least(branch, overhead) for branch in branches)
    together = depth + overhead + sum(len(key) - depth for key in keys)
    return min(apart, together)


@given(KEYS, OVERHEADS)
@settings(max_examples=500, deadline=None)
def test_every_key_is_in_one_group_and_its_group_shares_what_it_says(keys: list[Key], overhead: int) -> None:
    groups = shared_prefixes(keys, overhead=overhead)
    assert sorted(place for group in groups for place in group.places) == list(range(len(keys)))
    for group in groups:
        members = [keys[place] for place in group.places]
        assert members == sorted(members)
        assert {key[: group.shared] for key in members} == {members[0][: group.shared]}
    assert [group.shared for group in groups].index(0) == len(groups) - 1 if 0 in [g.shared for g in groups] else True


@given(KEYS, OVERHEADS)
@settings(max_examples=500, deadline=None)
def test_no_grouping_along_the_tree_of_beginnings_costs_less(keys: list[Key], overhead: int) -> None:
    cost = spent(keys, shared_prefixes(keys, overhead=overhead), overhead)
    assert cost == least(keys, overhead)
    assert cost <= sum(map(len, keys))
    depth = shared_by(keys)
    assert cost <= sum(len(key) - depth for key in keys) + depth + overhead


@given(st.lists(st.text("ab", max_size=6), max_size=8), OVERHEADS)
@settings(deadline=None)
def test_texts_are_grouped_as_their_characters(texts: list[str], overhead: int) -> None:
    numbers = [tuple(map(ord, text)) for text in texts]
    assert shared_prefixes(texts, overhead=overhead) == shared_prefixes(numbers, overhead=overhead)


def test_twenty_thousand_nested_keys_are_one_walk() -> None:
    keys = ["a" * length for length in range(1, 20_001)]
    groups = shared_prefixes(keys, overhead=16)
    assert sorted(place for group in groups for place in group.places) == list(range(len(keys)))
    assert spent(keys, groups, 16) < sum(map(len, keys)) // 2 + 20_016  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [1, -1])
def test_groups_are_carried_up_through_many_levels_without_being_copied(step: int) -> None:
    """40,000 pairs below 20,000 levels, none of which is worth a group."""
    levels, pairs = 20_000, 40_000
    common = [*range(1, levels + 1), *itertools.chain.from_iterable([(levels * pairs, levels)] * pairs)]
    begun = time.perf_counter()
    assert len(_intervals(common[::step], 16)) == pairs
    assert time.perf_counter() - begun < 1.5  # 0.1 s measured, 3.4 s where every level copies its groups


@given(TOKENS, TOKENS)
def test_the_common_prefix_is_the_longest(one: Key, other: Key) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == min(len(one), len(other))


ASKED = st.lists(
    st.lists(st.integers(0, 2), min_size=2, max_size=9).flatmap(
        lambda tokens: st.tuples(st.just(tuple(tokens)), st.integers(1, len(tokens) - 1))
    ),
    min_size=1,
    max_size=10,
).map(lambda pairs: [Asked(owner=n, tokens=tokens, start=start) for n, (tokens, start) in enumerate(pairs)])


def ancestors(row: Row, node: int) -> list[int]:
    """What a node sees, by the comparison that is the attention mask."""
    return [j for j in range(len(row.tokens)) if j <= node < row.end[j]]


@given(ASKED)
@settings(max_examples=300, deadline=None)
def test_a_row_holds_every_sequence_along_its_ancestors(asked: list[Asked]) -> None:
    row = trie(asked)
    for one in asked:
        places = np.flatnonzero(row.owner == one.owner)
        assert row.targets[places].tolist() == list(one.tokens[one.start :])
        for place, position in zip(places, range(one.start, len(one.tokens)), strict=True):
            path = ancestors(row, row.nodes[place])
            assert row.tokens[path].tolist() == list(one.tokens[:position])
            assert row.depth[path].tolist() == list(range(position))


@given(ASKED)
@settings(max_examples=300, deadline=None)
def test_a_node_is_computed_once_for_all_that_go_through_it(asked: list[Asked]) -> None:
    beginnings = {one.tokens[:length] for one in asked for length in range(1, len(one.tokens))}
    row = trie(asked)
    assert len(row.tokens) == len(beginnings) == nodes([one.tokens for one in asked])
    assert len({tuple(row.tokens[ancestors(row, node)]) for node in range(len(row.tokens))}) == len(beginnings)


def test_sequences_that_are_alike_are_each_answered() -> None:
    row = trie([Asked(owner=owner, tokens=(5, 6, 7), start=1) for owner in (2, 0)])
    assert (row.tokens.tolist(), row.end.tolist()) == ([5, 6], [2, 2])
    assert (row.owner.tolist(), row.targets.tolist(), row.nodes.tolist()) == ([0, 0, 2, 2], [6, 7, 6, 7], [0, 1, 0, 1])


REQUESTS = st.lists(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=12).map(tuple), min_size=1, max_size=3))


@given(REQUESTS, st.lists(st.integers(1, 40), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_rows_hold_every_request_once_and_no_more_than_their_width(
    requests: list[list[Key]], widths: list[int]
) -> None:
    width, rows = pack(requests, widths=widths)
    assert width in widths
    assert sorted(place for row in rows for place in row) == list(range(len(requests)))
    sizes = [sum(nodes(requests[place]) for place in row) for row in rows]
    assert all(size <= width or len(row) == 1 for size, row in zip(sizes, rows, strict=True))
    assert sizes == sorted(sizes, reverse=True)
    assert all(rows)


def test_requests_that_resemble_each_other_share_a_row() -> None:
    requests = [[(first, *range(8))] for first in (1, 2, 1, 2, 1, 2)]
    _, rows = pack(requests, widths=[24])
    assert sorted(map(sorted, rows)) == [[0, 2, 4], [1, 3, 5]]


def test_the_width_that_wastes_least_is_taken() -> None:
    requests = [[tuple(range(n, n + 101))] for n in range(10)]
    assert pack(requests, widths=[150, 200, 290])[0] == 200
    assert pack(requests, widths=[150, 290])[0] == 150
