"""Sentences that become JSON objects, each with its own JSON Schema (Draft 2020-12)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from regress.demo.tasks.row import Row, Split, distinct

NAMES = [
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Elsa",
    "Finn",
    "Greta",
    "Hugo",
    "Ida",
    "Jonas",
    "Karla",
    "Leo",
    "Mara",
    "Nils",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tina",
    "Udo",
    "Vera",
    "Will",
    "Yara",
    "Zoe",
]
CITIES = [
    "Berlin",
    "Paris",
    "Rome",
    "Madrid",
    "Oslo",
    "Lisbon",
    "Vienna",
    "Prague",
    "Dublin",
    "Athens",
    "Zurich",
    "Milan",
    "Porto",
    "Ghent",
    "Malmo",
    "Turin",
]
JOBS = [
    "baker",
    "pilot",
    "nurse",
    "teacher",
    "farmer",
    "painter",
    "driver",
    "lawyer",
    "cook",
    "tailor",
    "plumber",
    "singer",
]
GOODS = ["lamps", "chairs", "books", "pens", "bags", "cups", "plates", "boxes", "coats", "rugs", "bikes", "tents"]
ROOMS = ("single", "double", "suite")
EXTRAS = ("breakfast", "parking", "sauna", "dinner")
TEAMS = ["sales", "support", "finance", "research", "logistics", "design"]
FAULTS = ["printer", "screen", "router", "keyboard", "phone", "server", "badge", "projector"]
LEVELS = ("low", "medium", "high")

_ASK = (
    "Turn this into JSON with the keys {keys}: {text}",
    "Write a JSON object with the keys {keys} for this text: {text}",
    "Extract {keys} as JSON. {text}",
    "JSON please ({keys}): {text}",
)

Kind = tuple[str, dict[str, Any], dict[str, Any]]  # sentence, object, properties of its schema


def rows(rng: Random, count: int, split: Split) -> list[Row]:
    """`count` rows over four kinds of records; slices name the kind."""
    return distinct(_draw, rng, count, split)


def _draw(rng: Random) -> Row:
    name, make = rng.choice((("person", _person), ("order", _order), ("booking", _booking), ("ticket", _ticket)))
    text, value, properties = make(rng)
    prompt = rng.choice(_ASK).format(keys=", ".join(value), text=text)
    return Row(prompt=prompt, answer=json.dumps(value), slice=name, schema=_closed(properties))


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def _person(rng: Random) -> Kind:
    value = {
        "name": rng.choice(NAMES),
        "age": rng.randrange(18, 90),
        "city": rng.choice(CITIES),
        "job": rng.choice(JOBS),
    }
    form = rng.choice(
        (
            "{name} is {age}, lives in {city} and works as a {job}.",
            "The {job} {name} from {city} is {age} years old.",
            "In {city} there is a {job} called {name}, aged {age}.",
        )
    )
    properties = {"name": _TEXT, "age": {"type": "integer", "minimum": 0}, "city": _TEXT, "job": _TEXT}
    return form.format(**value), value, properties


def _order(rng: Random) -> Kind:
    value = {
        "customer": rng.choice(NAMES),
        "item": rng.choice(GOODS),
        "quantity": rng.randrange(2, 60),
        "express": rng.random() < 0.5,
    }
    speed = "by express" if value["express"] else "by normal mail"
    form = rng.choice(
        (
            "{customer} orders {quantity} {item}, sent {speed}.",
            "Please send {quantity} {item} to {customer} {speed}.",
            "Order for {customer}: {quantity} {item} {speed}.",
        )
    )
    properties = {
        "customer": _TEXT,
        "item": _TEXT,
        "quantity": {"type": "integer", "minimum": 1},
        "express": {"type": "boolean"},
    }
    return form.format(speed=speed, **value), value, properties


def _booking(rng: Random) -> Kind:
    extras = rng.sample(EXTRAS, rng.randint(1, 2))
    value = {"guest": rng.choice(NAMES), "room": rng.choice(ROOMS), "nights": rng.randrange(1, 15), "extras": extras}
    form = rng.choice(
        (
            "{guest} books a {room} room for {nights} nights with {listed}.",
            "A {room} room, {nights} nights, {listed}, for {guest}.",
        )
    )
    properties = {
        "guest": _TEXT,
        "room": {"enum": list(ROOMS)},
        "nights": {"type": "integer", "minimum": 1},
        "extras": {"type": "array", "items": {"enum": list(EXTRAS)}, "minItems": 1},
    }
    return form.format(listed=" and ".join(extras), **value), value, properties


def _ticket(rng: Random) -> Kind:
    reporter = {"name": rng.choice(NAMES), "team": rng.choice(TEAMS)}
    value = {"fault": rng.choice(FAULTS), "severity": rng.choice(LEVELS), "reporter": reporter}
    form = rng.choice(
        (
            "{name} from {team} reports a broken {fault}, severity {severity}.",
            "Broken {fault} ({severity}), reported by {name}, {team} team.",
        )
    )
    text = form.format(fault=value["fault"], severity=value["severity"], **reporter)
    properties = {
        "fault": _TEXT,
        "severity": {"enum": list(LEVELS)},
        "reporter": _closed({"name": _TEXT, "team": _TEXT}),
    }
    return text, value, properties
