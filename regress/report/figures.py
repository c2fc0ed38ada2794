"""Serving figures by name and in their units."""

from __future__ import annotations

from collections.abc import Callable

from regress.schema import Figure, FigureChange


def _count(value: float) -> str:
    return f"{value:,.1f}"


def _percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1.0 else f"{value * 1000:.3g} ms"


def _bytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:,.0f} MiB"


NAMES: dict[Figure, str] = {
    Figure.REPLY_TOKENS: "tokens a reply",
    Figure.END_OF_TEXT: "ended by itself",
    Figure.CUT: "cut at the limit",
    Figure.FIRST_TOKEN: "first token",
    Figure.LATENCY: "whole reply",
    Figure.LATENCY_P50: "whole reply, p50",
    Figure.LATENCY_P95: "whole reply, p95",
    Figure.TOKENS_PER_SECOND: "tokens a second",
    Figure.PEAK_MEMORY: "peak memory",
    Figure.ACCEPTANCE: "draft proposes",
}

_UNITS: dict[Figure, Callable[[float], str]] = {
    Figure.REPLY_TOKENS: _count,
    Figure.TOKENS_PER_SECOND: _count,
    Figure.END_OF_TEXT: _percent,
    Figure.CUT: _percent,
    Figure.ACCEPTANCE: _percent,
    Figure.PEAK_MEMORY: _bytes,
}


def shown(figure: Figure, value: float) -> str:
    """41.2, 98.5 %, 1.20 s, 412 MiB"""
    return _UNITS.get(figure, _seconds)(value)


def figure_movement(change: FigureChange) -> str:
    """412 ms → 1.20 s"""
    return f"{shown(change.figure, change.base)} → {shown(change.figure, change.candidate)}"
