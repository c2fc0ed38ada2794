"""Rendering only: a Decision and its comparisons in, text out. One file a format."""
