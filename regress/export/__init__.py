"""Decisions and runs for other tools: one module a format, each the only importer of its library."""
