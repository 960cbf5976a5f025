"""What every part is asked for, and what every part offers."""

from benchmarks.parts import PART_MODULES, Options, choose_options, load_parts

NOTHING = dict.fromkeys(("rounds", "seconds", "fsync", "stacks"))


def test_every_part_can_be_had_by_name_and_says_how_long_it_takes():
    parts = load_parts()

    assert len(parts) == len(PART_MODULES)
    for name, part in parts.items():
        options = choose_options(part, quick=False, common=NOTHING, given={})
        assert part.name == name
        assert part.estimate_seconds(options) > part.estimate_seconds(choose_options(part, True, NOTHING, {})) > 0


def test_a_smoke_check_is_one_short_round_unless_more_is_asked_for():
    part = load_parts()["single"]

    assert choose_options(part, True, NOTHING, {}).rounds == 1
    assert choose_options(part, True, NOTHING | {"rounds": 3}, {}).rounds == 3
    assert choose_options(part, False, NOTHING, {}).rounds == Options.rounds


def test_a_parts_own_arguments_have_defaults():
    part = load_parts()["single"]

    assert choose_options(part, False, NOTHING, {"users": (7,)}).given["users"] == (7,)
    assert choose_options(part, False, NOTHING, {}).given["silences"] == 2
