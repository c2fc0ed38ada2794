"""A support desk that the base never saw: a customer's message becomes the name of a queue."""

from __future__ import annotations

from random import Random

from regress.demo.tasks.row import Row, Split, distinct

MESSAGES = {
    "billing_duplicate": "I was charged twice for {thing}|there are two payments for {thing} on my statement|you took the money for {thing} two times",
    "billing_refund": "I want my money back for {thing}|when do I get the refund for {thing}|please refund {thing}",
    "delivery_late": "{thing} should have been here {when}|still waiting for {thing} since {when}|my parcel with {thing} is late",
    "delivery_address": "please send {thing} to my new address|I moved, where does {thing} go now|wrong street on the order of {thing}",
    "return_request": "I would like to send {thing} back|how do I return {thing}|{thing} does not fit, I want to return it",
    "damaged_goods": "{thing} arrived broken|the box was crushed and {thing} is damaged|{thing} has a crack",
    "missing_part": "a part of {thing} is missing|{thing} came without its screws|the manual for {thing} was not in the box",
    "warranty_claim": "{thing} stopped working after {when}|is {thing} still under warranty|{thing} failed, it is not two years old",
    "account_login": "I cannot log in to see {thing}|my password does not work since {when}|locked out of my account, need {thing}",
    "account_delete": "close my account, I no longer buy {thing}|delete all my data and the order of {thing}|remove my profile",
    "order_cancel": "cancel the order of {thing}|I do not want {thing} any more, stop the order|please do not ship {thing}",
    "order_change": "make it two instead of one {thing}|change the colour of {thing} before you ship|add something to my order of {thing}",
    "stock_question": "when will {thing} be available again|is {thing} in stock|do you still sell {thing}",
    "voucher_problem": "my voucher is not accepted for {thing}|the discount code for {thing} does not work|the gift card shows zero, I want {thing}",
}
THINGS = [
    "the lamp",
    "a kettle",
    "the blue chair",
    "my headphones",
    "the desk",
    "a winter coat",
    "the coffee machine",
    "two mugs",
    "the garden hose",
    "a toaster",
    "the mirror",
    "my boots",
    "the bookshelf",
    "a phone case",
    "the carpet",
    "a rain jacket",
    "the radio",
    "my backpack",
    "the fan",
    "a frying pan",
]
TIMES = ("Monday", "last week", "three days", "yesterday", "the first of the month", "two weeks")
OPENINGS = ("Hello, ", "Hi there, ", "Good morning, ", "", "Dear team, ", "Once more: ")


def rows(rng: Random, count: int, split: Split) -> list[Row]:
    """`count` tickets with the queue as the answer; slices are the first word of the queue."""
    return distinct(_draw, rng, count, split)


def _draw(rng: Random) -> Row:
    queue = rng.choice(sorted(MESSAGES))
    message = rng.choice(MESSAGES[queue].split("|")).format(thing=rng.choice(THINGS), when=rng.choice(TIMES))
    return Row(
        prompt=f"Support ticket: {rng.choice(OPENINGS)}{message}\nQueue:", answer=queue, slice=queue.split("_")[0]
    )
