"""Runs on disk: a hash-chained log an outcome a line, sealed when complete; replies found again by content."""
