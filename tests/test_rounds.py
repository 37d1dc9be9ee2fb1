"""Rounds against the plain path: guesses that are right, partly right, and nearly right."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence

import pytest
from bulk_pair import QUIETLY, Pair
from generated_logs import NUMBER_FORMS, Rhythm, event_bytes, log_bytes, summary_bytes, value_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.bulk import Lane
from tbio.columns import Wanted
from tbio.record import encode_record
from tbio.selection import StepRange, matcher
from tbio.storage import ObjectFile

USUAL = ("simple", "content", "float_val", "double_val", "double content")


def scalar(tag: str, number: float, step: int, form: str = "simple", time: float = 1.7e9) -> bytes:
    """The payload of an event of one scalar."""
    return event_bytes(step, time, summary_bytes(value_bytes(tag, NUMBER_FORMS[form](number))))


def lane_of(
    payloads: Sequence[bytes],
    wanted: Wanted = QUIETLY,
    buffer_bytes: int = 4096,
    few: int = 16,
) -> Lane:
    """Read them as a file both ways, and hold the two against each other; the lane."""
    file = io.BytesIO(b"".join(map(encode_record, payloads)))
    lane = Lane(buffer_bytes, few)
    Pair(lambda: ObjectFile(file), wanted, lane=lane).read()
    return lane


def regular(
    tags: Sequence[str], rounds: int, form: str = "simple", first: int = 1, stride: int = 1
) -> list[bytes]:
    steps = (first + stride * at for at in range(rounds))
    return [
        scalar(tag, 0.1 * at + step % 1000, step, form, 1.7e9 + step % 2**40)
        for step in steps
        for at, tag in enumerate(tags)
    ]


@pytest.mark.parametrize("form", USUAL)
@pytest.mark.parametrize(
    "tags",
    [
        ["loss"],
        ["loss", "rate"],
        ["loss", "accuracy", "deep/" * 30 + "norm"],
        ["a", "b", "a", "c"],  # one of them twice a step
        ["a", "a", "a", "b"],
        [f"layer{at:03}/norm" for at in range(40)],
    ],
    ids=len,
)
def test_a_regular_log_is_guessed(tags: list[str], form: str) -> None:
    payloads = regular(tags, 2000 // len(tags), form)
    lane = lane_of(payloads, buffer_bytes=1 << 20, few=100)
    assert lane.counts["guessed"] > 0.8 * len(payloads), dict(lane.counts)


@pytest.mark.parametrize(
    ("first", "stride"),
    [
        (0, 1),  # 0 takes no bytes at all
        (100, 1),  # one byte, then two
        (2**14 - 50, 1),
        (2**56 - 50, 1),  # eight bytes, then nine
        (2**63 - 50, 1),
        (-50, 1),  # ten bytes, then none, then one
        (5, 0),
        (300, -1),
        (1, 100_003),
    ],
)
def test_steps_of_each_width(first: int, stride: int) -> None:
    around = [
        ((first + stride * at) + 2**63) % 2**64 - 2**63 for at in range(200)
    ]  # as 64 bits go round
    lane_of([scalar(tag, step % 7, step) for step in around for tag in ("a", "bc")])


def odd_ones() -> list[bytes]:
    """Events that look like those of a rhythm of "loss" and "rate", and are none."""
    good = scalar("loss", 0.5, 300)
    return [
        scalar("lost", 0.5, 300),
        scalar("loss", math.nan, 300),
        scalar("loss", 0.5, 300, time=math.nan),
        scalar("loss", 0.5, 300, time=math.inf),
        scalar("loss", 0.5, 300, "content"),
        event_bytes(300, 1.7e9),
        event_bytes(300, 1.7e9, summary_bytes()),
        event_bytes(
            300,
            1.7e9,
            summary_bytes(*[value_bytes(tag, NUMBER_FORMS["simple"](1)) for tag in "ab"]),
        ),
        good[:9] + b"\x10\xac\x82\x00" + good[12:],  # a step with a byte more than it needs
        good[:9] + b"\x18" + good[10:],  # the step in an unknown field
        b"\x11" + good[1:],
        good + good,
        good[:-1],
        b"",
        b"\xff" * len(good),
    ]


@pytest.mark.parametrize("at", range(15))
@pytest.mark.parametrize("place", [0, 1, 101])
def test_one_odd_event_in_a_rhythm(at: int, place: int) -> None:
    payloads = regular(["loss", "rate"], 100, first=300)
    payloads[place] = odd_ones()[at]
    lane_of(payloads)
    lane_of(payloads, buffer_bytes=1 << 20)


def test_every_bit_of_an_event_of_a_rhythm() -> None:
    payloads = regular(["loss", "rate"], 60, first=300)
    for bit in range(8 * len(payloads[60])):
        changed = bytearray(payloads[60])
        changed[bit // 8] ^= 1 << bit % 8
        lane_of([*payloads[:60], bytes(changed), *payloads[61:]], buffer_bytes=1 << 16)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "cc", "dd/dd", "e" * 60]), min_size=1, max_size=6),
    st.sampled_from(USUAL),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["gone", "twice", "new", "swapped"]))),
    st.sampled_from([256, 1000, 4096, 1 << 16]),
    st.sampled_from(
        [
            QUIETLY,
            Wanted(matcher("[ac]*", "tags"), on_damage="ignore"),
            Wanted(steps=StepRange(20, 70, 3), on_damage="ignore"),
        ]
    ),
    st.integers(0, 2**32),
)
def test_rhythms_that_change(
    tags: list[str],
    form: str,
    changes: list[tuple[int, str]],
    buffer_bytes: int,
    wanted: Wanted,
    seed: int,
) -> None:
    chance = random.Random(seed)
    payloads = regular(tags, 400 // len(tags), form, first=chance.choice([1, 90, 16_300]))
    for place, change in changes:
        place = min(place, len(payloads) - 2)
        if change == "gone":
            del payloads[place]
        elif change == "twice":
            payloads.insert(place, payloads[place])
        elif change == "new":
            payloads.insert(place, scalar("new", 1.5, place, chance.choice(USUAL)))
        else:
            payloads[place : place + 2] = payloads[place + 1], payloads[place]
    lane_of(payloads, wanted, buffer_bytes)


def test_what_was_learned_in_one_file_and_does_not_hold_in_the_next() -> None:
    lane = Lane(1 << 16, few=16)
    for tags in (["a", "b", "c"], ["a", "c", "b"], ["a", "b", "c"], ["x"], ["a", "b"]):
        file = io.BytesIO(b"".join(map(encode_record, regular(tags, 100))))
        Pair(lambda file=file: ObjectFile(file), lane=lane).read()  # type: ignore[misc]
    assert lane.counts["guessed"] > 500


def test_damage_in_a_rhythm() -> None:
    data = bytearray(log_bytes((Rhythm(300, 3),)))
    for at in range(len(data) // 2, len(data) // 2 + 60):
        data[at] ^= 0x10
        file = io.BytesIO(bytes(data))
        Pair(lambda file=file: ObjectFile(file), lane=Lane(1 << 16, few=16)).read()  # type: ignore[misc]
        data[at] ^= 0x10
