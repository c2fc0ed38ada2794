"""What a task would run: Python functions, library code fetched by name, templates that compute.

lm-eval executes whatever a task file names, and renders templates in an environment without a sandbox, where a template
can reach every class of the process. A task that needs only its fields, put into text, runs nothing and needs no trust;
anything else is named, and runs only where somebody said that it may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import lm_eval.api.metrics  # noqa: F401  fills the registry
from jinja2 import nodes
from lm_eval.api.registry import metric_registry
from lm_eval.utils import env

from regress.lmeval.configs import Code, code_in, place_of

TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")
"""Fields that lm-eval renders; also those of `fewshot_config`."""

NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.List, nodes.Tuple),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Call, nodes.Test, nodes.Operand, nodes.Compare),
    *(nodes.Add, nodes.Sub, nodes.Concat, nodes.Neg, nodes.And, nodes.Or, nodes.Not),
    *(nodes.CondExpr, nodes.If, nodes.For, nodes.Assign, nodes.Dict, nodes.Pair),
)
"""Reading fields, joining texts, choosing between two. No multiplication: `'a' * 10**9` is a template, too."""

FILTERS = frozenset(
    {"abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "list", "lower"}
    | {"replace", "reverse", "round", "string", "title", "tojson", "trim", "upper", "wordcount"}
)
METHODS = frozenset(
    {"capitalize", "count", "endswith", "find", "get", "index", "items", "join", "keys", "lower", "lstrip", "replace"}
    | {"rstrip", "split", "splitlines", "startswith", "strip", "title", "upper", "values"}
)
"""Of texts, lists and mappings; `format` is not among them, since it reads attributes."""

TESTS = frozenset({"defined", "undefined", "none", "string", "number", "mapping", "sequence", "odd", "even", "in"})
EXECUTABLE = frozenset({"cache", "eval", "generator", "pandas", "spark", "sql", "webdataset"})
"""Builders of `datasets` that unpickle, or run what they are given."""


def code_of(name: str, config: Mapping[str, Any], beside: Path) -> tuple[str, ...]:
    """One clause for everything that this task would run, in the order of its configuration; empty for plain data.

    Files are named as `configs.place_of` does: within lm-eval, or from the folder `beside`.
    """
    found = [f"{at} is {_named(code, beside)}" for at, code in code_in(dict(config))]
    if config.get("unsafe_code"):
        found.append("unsafe_code is set: it executes what a model writes")
    if config.get("use_prompt"):
        found.append(f"use_prompt loads {config['use_prompt']!r} from promptsource")
    if config.get("dataset_path") in EXECUTABLE:
        found.append(f"dataset_path {config['dataset_path']!r} can execute what it reads")
    if (config.get("dataset_kwargs") or {}).get("trust_remote_code") and int(version("datasets").split(".")[0]) < 4:
        found.append("dataset_kwargs.trust_remote_code runs the data set's own loading script")
    found += _fetched_metrics(config)
    found += [f"{at} computes: {why}" for at, template in _templates(config) if (why := computes(template)) is not None]
    return tuple(f"{name}: {clause}" for clause in found)


def _named(code: Code, beside: Path) -> str:
    return f"{code.name} ({place_of(code.file, beside) if code.file else 'a Python module'})"


def _fetched_metrics(config: Mapping[str, Any]) -> Iterator[str]:
    for entry in config.get("metric_list") or ():
        metric = entry.get("metric") if isinstance(entry, dict) else None
        fetched = isinstance(metric, str) and (entry.get("hf_evaluate") or metric not in metric_registry)
        if fetched and config.get("process_results") is None:
            yield f"metric {metric!r} is loaded by the library `evaluate`, as code from the hub"


def _templates(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fewshot = config.get("fewshot_config")
    for prefix, section in (("", config), ("fewshot_config.", fewshot if isinstance(fewshot, dict) else {})):
        for key in TEMPLATES:
            if isinstance(value := section.get(key), str):
                yield f"{prefix}{key}", value


def computes(template: str) -> str | None:
    """What a template does beyond reading fields and joining texts; None where it does nothing else."""
    try:
        tree = env.parse(template)
    except jinja2.TemplateSyntaxError as reason:
        return f"it is no template ({reason.message})"
    return next(filter(None, map(_objection, _all_nodes(tree))), None)


def _all_nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _all_nodes(child)


def _objection(node: nodes.Node) -> str | None:
    """Why this node needs trust. Names with an underscore lead from data to classes, and from there anywhere."""
    if not isinstance(node, NODES):
        return f"{type(node).__name__.lower()} in line {node.lineno}"
    match node:
        case nodes.Getattr(attr=attr) if attr.startswith("_"):
            return f".{attr}"
        case nodes.Getitem(arg=nodes.Const(value=str(key))) if key.startswith("_"):
            return f"[{key!r}]"
        case nodes.Name(name=name) if name.startswith("_"):
            return name
        case nodes.Test(name=name) if name not in TESTS:
            return f"the test {name}"
        case nodes.Filter(name=name) if name not in FILTERS or _reads_attributes(node):
            return f"the filter {name}"
        case nodes.Call():
            return _call_objection(node)
        case _:
            return None


def _call_objection(node: nodes.Call) -> str | None:
    if isinstance(node.node, nodes.Getattr) and node.node.attr in METHODS and not (node.dyn_args or node.dyn_kwargs):
        return None
    called = node.node
    name = called.name if isinstance(called, nodes.Name) else getattr(called, "attr", "an expression")
    return f"a call of {name}"


def _reads_attributes(node: nodes.Filter) -> bool:
    """`join` takes an attribute's path as its second argument; nothing harmless is given by name."""
    most = {"join": 1}.get(node.name, 3)
    return len(node.args) > most or bool(node.kwargs or node.dyn_args or node.dyn_kwargs)
