"""Strict readers of a user's files: the project, its suites and their items."""

from regress.suite.project import Project, read_project
from regress.suite.suite_file import read_suite, read_suite_file, read_suites

__all__ = ["Project", "read_project", "read_suite", "read_suite_file", "read_suites"]
