"""Work that requests share, found once and used for every variant. Numbers only: no model, no tensor.

Sequences are sorted, so that whatever two of them have in common stands side by side. `shared_prefixes` finds the long
beginnings worth computing once (few-shot examples); `pack` lays everything behind such a prefix into rows, each a trie
in preorder: a node is a token, computed once for all sequences that go through it, and sees its ancestors alone. In
preorder node j is an ancestor of node i exactly when j <= i < end[j], which makes the attention mask one comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Keys that share their first `shared` elements, sorted."""

    places: tuple[int, ...]
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One continuation behind one context: `tokens[start:]` are wanted, each predicted by what stands before it."""

    owner: int  # number of the sequence among all that are scored together
    tokens: tuple[int, ...]
    start: int  # >= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A trie in preorder. T nodes, C scored tokens."""

    tokens: Ints  # (T,)
    depth: Ints  # (T,) position behind the prefix
    end: Ints  # (T,) one past the last node below it
    nodes: Ints  # (C,) the node that predicts each scored token
    targets: Ints  # (C,) that token
    owner: Ints  # (C,) whose it is


def shared_prefixes(keys: Sequence[Any], *, overhead: int) -> list[Group]:
    """Split keys (tuples or texts) into groups so that the least is computed when each group's prefix is computed once.

    A group costs `overhead` besides its elements; keys that are better off alone come last, in a group that shares 0.
    Linear after sorting: the intervals of equal longest common prefixes (Abouelhoda et al. 2004, section 3) form a
    tree, and from its leaves up each node is either one group or the best of its children.
    """
    if not keys:
        return []
    order = sorted(range(len(keys)), key=lambda i: (keys[i], i))
    common = [common_prefix(keys[a], keys[b]) for a, b in itertools.pairwise(order)]
    chosen = sorted(_intervals(common, overhead))
    groups = [Group(places=tuple(order[left:right]), shared=depth) for left, right, depth in chosen]
    inside = {place for group in groups for place in group.places}
    alone = tuple(place for place in order if place not in inside)
    return [*groups, Group(places=alone, shared=0)] if alone else groups


def common_prefix(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Length of the longest common prefix; by halves, since slices compare fast."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(slots=True)
class _Open:
    """An interval whose right end is not known yet, and the best grouping of what lies inside it so far."""

    depth: int
    left: int
    saved: int
    inside: list[tuple[int, int, int]]


def _intervals(common: Sequence[int], overhead: int) -> list[tuple[int, int, int]]:
    """(left, right, depth) of the groups that save most."""
    stack = [_Open(0, 0, 0, [])]
    for right, depth in enumerate([*common, -1], start=1):
        left, closed = right - 1, None
        while stack and stack[-1].depth > depth:
            top = stack.pop()
            left = top.left
            own = top.depth * (right - left - 1) - overhead
            closed = _Open(top.depth, left, own, [(left, right, top.depth)]) if own > top.saved else top
            if stack and stack[-1].depth >= depth:
                fewer, more = sorted((stack[-1].inside, closed.inside), key=len)
                more += fewer  # the longer list moves up as it is, through however many levels
                stack[-1].saved, stack[-1].inside = stack[-1].saved + closed.saved, more
                closed = None
        if depth >= 0 and stack[-1].depth < depth:
            stack.append(_Open(depth, left, closed.saved if closed else 0, closed.inside if closed else []))
        elif depth < 0 and closed is not None:
            return closed.inside
    return []


def pack(requests: Sequence[Sequence[tuple[int, ...]]], *, widths: Sequence[int]) -> tuple[int, list[list[int]]]:
    """(width, rows): positions of requests (each a list of token sequences) for rows of about `width` nodes.

    What resembles each other comes into one row. A request that is wider than `width` gets a row of its own. Of the
    widths the one is taken that costs least in padding and in attention among strangers; widest rows come first.
    """
    order = sorted(range(len(requests)), key=lambda i: (requests[i], i))
    sizes = [nodes(sequences) for sequences in requests]
    return min(((width, _rows(order, sizes, width)) for width in widths), key=_cost)


def _rows(order: Sequence[int], sizes: Sequence[int], width: int) -> list[list[int]]:
    rows: list[tuple[int, list[int]]] = [(0, [])]
    for place in order:
        taken, members = rows[-1]
        if members and taken + sizes[place] > width:
            rows.append((sizes[place], [place]))
        else:
            rows[-1] = (taken + sizes[place], [*members, place])
    return [members for _, members in sorted(rows, key=lambda row: -row[0]) if members]


def _cost(packed: tuple[int, list[list[int]]]) -> float:
    """Padded nodes; attention to all others of a row costs as much as everything else at about 2,400 of them."""
    width, rows = packed
    return len(rows) * width * (1.0 + width / 2_400)


def nodes(sequences: Sequence[tuple[int, ...]]) -> int:
    """Nodes of a trie of these alone; the last token of a sequence predicts nothing and needs none."""
    paths = sorted(tokens[:-1] for tokens in sequences)
    return sum(map(len, paths)) - sum(common_prefix(a, b) for a, b in itertools.pairwise(paths))


def trie(sequences: Iterable[Asked]) -> Row:
    """The trie over all sequences, nodes in preorder."""
    tokens: list[int] = []
    depth: list[int] = []
    end: list[int] = []
    nodes: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    path: list[int] = []  # nodes from the root to the last one, whose tokens are `last`
    last: tuple[int, ...] = ()
    for one in sorted(sequences, key=lambda s: (s.tokens[:-1], s.start, s.owner)):
        body = one.tokens[:-1]
        kept, last = common_prefix(last, body), body
        for node in path[kept:]:
            end[node] = len(tokens)
        del path[kept:]
        for token in body[kept:]:
            path.append(len(tokens))
            depth.append(len(path) - 1)
            tokens.append(token)
            end.append(0)
        nodes += path[one.start - 1 :]
        targets += one.tokens[one.start :]
        owner += [one.owner] * (len(one.tokens) - one.start)
    for node in path:
        end[node] = len(tokens)
    parts = (tokens, depth, end, nodes, targets, owner)
    return Row(**{name: np.array(part, dtype=np.int64) for name, part in zip(Row.__slots__, parts, strict=True)})
