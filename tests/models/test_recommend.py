"""Which model is recommended where, in what time, and what never is."""

from __future__ import annotations

import dataclasses
import json

import pytest

from clvs_core.cli import models
from clvs_core.models import memory
from clvs_core.models.memory import GB, Place, Size
from clvs_core.models.recommend import ANSWER, BEARABLE, TEXT, Speed, duration, measure, recommend, seconds, usable
from clvs_core.models.registry import CARDS

LAPTOP = Speed(160e9, 20e9)  # four cores
DESKTOP = Speed(400e9, 40e9)
GPU = Speed(60e12, 500e9)


def chosen(total, free=None, speed=LAPTOP, device="cpu", kept="float32", cards=CARDS, **options):
    place = Place(device, "here", int((total * 0.75 if free is None else free) * 1e9), int(total * 1e9))
    return recommend([place], cards.values(), kept, lambda: speed, **options)


def name(*args, **options):
    found = chosen(*args, **options)
    return found.card.name if found else None


@pytest.mark.parametrize(("total", "speed", "expected"), [
    (17.2, DESKTOP, "qwen3-vl-2b"), (8.6, LAPTOP, "smolvlm-500m"), (4.3, LAPTOP, "smolvlm-256m"),
    (2.1, LAPTOP, None), (64, Speed(1e9, 1e9), None),
])  # fmt: skip
def test_machines_without_a_gpu(total, speed, expected):
    assert name(total, speed=speed) == expected


@pytest.mark.parametrize(("total", "expected"), [(8, "qwen3-vl-2b"), (16, "qwen3-vl-4b"), (24, "llava-1.5-7b"),
                                                 (80, "llava-1.5-7b")])  # fmt: skip
def test_gpus(total, expected):
    assert name(total, free=total * 0.97, speed=GPU, device="cuda:0", kept="bfloat16") == expected


def test_what_is_free_counts_and_what_could_be_freed():
    assert name(17.2, free=4, speed=DESKTOP) == "smolvlm-500m"
    assert name(17.2, free=4, speed=DESKTOP, spare=9 * GB) == "qwen3-vl-2b"


def test_a_slow_machine_gets_a_smaller_one_though_memory_abounds():
    assert name(64, speed=DESKTOP) != (slow := name(64, speed=Speed(120e9, 15e9)))
    assert seconds(CARDS[slow], "float32", Speed(120e9, 15e9)) <= BEARABLE


def test_where_nothing_is_bearable_it_is_the_fastest_and_says_how_slow_it_is():
    """A busy or old machine is no reason to send somebody with a photograph away."""
    found = recommend(
        [Place("cpu", "this machine", 20 * GB, 24 * GB)], CARDS.values(), "float32", lambda: Speed(4e10, 5e9)
    )
    assert found.card.name == "smolvlm-256m"
    assert found.seconds > BEARABLE
    assert (
        found.reason
        == "the fastest of those made for photographs; it gives its first answer in about 3 minutes, by estimate"
    )


def test_quantized_weights_count_as_they_are_kept():
    assert name(10, free=9.8, speed=GPU, device="cuda:0", kept="4bit") == "llava-1.5-7b"


def test_nobody_is_sent_to_what_is_gated_or_not_free_or_not_for_photographs():
    refused = {card.name for card in CARDS.values() if not usable(card)}
    assert {"scenes", "gemma-3-4b", "gemma-3-12b", "qwen2.5-vl-3b"} <= refused
    assert {"llava-1.5-7b", "qwen2.5-vl-7b", "qwen3-vl-2b", "smolvlm-500m", "smolvlm-256m"}.isdisjoint(refused)
    for change in ({"gated": True}, {"licence": "Own (not commercial)"}, {"licence": ""}, {"photographs": False}):
        cards = CARDS | {"smolvlm-500m": dataclasses.replace(CARDS["smolvlm-500m"], **change)}
        assert name(8.6, cards=cards) == "smolvlm-256m"


def test_the_roomiest_place_decides_and_no_speed_is_measured_for_nothing():
    places = [Place("cuda:0", "small", 4 * GB, 4 * GB), Place("cuda:1", "large", 24 * GB, 24 * GB)]
    assert recommend(places, CARDS.values(), "bfloat16", lambda: GPU).card.name == "llava-1.5-7b"
    assert recommend([Place("cpu", "tiny", GB, GB)], CARDS.values(), "float32", pytest.fail) is None


def test_the_time_is_multiplications_and_reading():
    card = dataclasses.replace(CARDS["llava-1.5-7b"], size=Size(7.063, 0.263, 262.1, 576))
    assert seconds(dataclasses.replace(card, name="unknown"), "bfloat16", GPU) is None
    slow, fast = (seconds(card, "bfloat16", Speed(rate, 1e30)) for rate in (1e12, 2e12))
    assert slow == pytest.approx(2 * fast)
    reading = seconds(card, "bfloat16", Speed(1e30, 1e9))
    assert slow / reading == pytest.approx(
        2 * (6.476 * (576 + TEXT) + 0.324 * 576) / 1e3 / (ANSWER * 2 * 7.063), rel=1e-6
    )


def test_every_card_of_the_hub_has_a_tower_smaller_than_itself():
    for card in CARDS.values():
        if card.photographs:
            assert seconds(card, "float32", LAPTOP) > 0
            assert seconds(card, "float32", Speed(1e30, 1e9)) < seconds(card, "float32", Speed(1e9, 1e9))


@pytest.mark.parametrize(("given", "told"), [
    (0.2, "about a second"), (4.4, "about 4 seconds"), (23, "about 25 seconds"), (57, "about 55 seconds"),
    (61, "about a minute"), (100, "about 2 minutes"), (301, "about 5 minutes"),
])  # fmt: skip
def test_times_are_no_more_exact_than_they_are(given, told):
    assert duration(given) == told


def test_this_machine_is_measured_once():
    speed = measure("cpu", "float32")
    assert 1e8 < speed.operations < 1e14
    assert 1e8 < speed.reading < 1e13
    assert measure("cpu", "float32") is speed


def test_the_command_models_begins_with_it(monkeypatch, capsys):
    from clvs_core.cli import main as cli

    place = Place("cpu", "this machine", 6 * GB, 8 * 2**30)
    monkeypatch.setattr(memory, "places", lambda device="auto": [place])
    monkeypatch.setattr(models, "measure", lambda device, kept: LAPTOP)
    assert cli.main(["models"]) in (0, None)
    second = capsys.readouterr().out.splitlines()[1]
    assert second.startswith("Recommended here: smolvlm-500m (SmolVLM 500M, Apache 2.0), the largest that leaves room")
    cli.main(["models", "--json"])
    told = json.loads(capsys.readouterr().out)["recommended"]
    assert told["name"] == "smolvlm-500m"
    assert told["seconds"] == pytest.approx(seconds(CARDS["smolvlm-500m"], "float32", LAPTOP))
