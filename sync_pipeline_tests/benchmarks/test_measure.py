"""The arithmetic of the benchmarks."""

import json

import pytest
from rich.console import Console

from benchmarks.measure import Figure, Rounds, Span, Subject, Target, lowest_share, timed
from benchmarks.report import in_words, show_verdict, write_json
from benchmarks.served_store import Call


def measured(**walls: list[float]) -> Rounds:
    rounds = Rounds()
    for name, seconds in walls.items():
        for second in seconds:
            rounds.add(name, Span(second, second / 2))
    return rounds


class TestRounds:
    def test_given_several_rounds_when_timed_then_the_median_counts(self):
        assert measured(ours=[9.0, 1.0, 2.0]).wall("ours") == 2.0

    def test_given_one_slow_round_when_both_were_slowed_then_the_ratio_stays(self):
        rounds = measured(ours=[1.0, 10.0, 1.0], theirs=[2.0, 20.0, 2.0])

        assert rounds.ratio(["theirs"], ["ours"]) == 2.0

    def test_given_two_stages_when_divided_then_their_sum_counts(self):
        rounds = measured(enqueue=[1.0], upsert=[3.0], theirs=[2.0])

        assert rounds.ratio(["theirs"], ["enqueue", "upsert"]) == 0.5

    def test_given_cpu_that_cannot_be_seen_when_divided_then_there_is_no_ratio(self):
        rounds = measured(ours=[1.0])
        rounds.add("theirs", Span(1.0, None))

        assert rounds.cpu_ratio(["theirs"], ["ours"]) is None

    def test_given_a_round_that_one_side_missed_when_divided_then_it_is_refused(self):
        with pytest.raises(ValueError, match="zip"):
            measured(ours=[1.0, 2.0], theirs=[1.0]).ratio(["theirs"], ["ours"])

    def test_given_a_block_when_timed_then_its_cpu_is_what_the_clock_moved(self):
        readings = iter([5.0, 7.5])
        rounds = Rounds()

        with timed(rounds, "block", lambda: next(readings)):
            pass

        assert rounds.cpu("block") == 2.5


class TestTarget:
    @pytest.mark.parametrize(
        ("target", "value", "is_met"),
        [
            (Target("≥", 0.9), 0.9, True),
            (Target("≥", 0.9), 0.89, False),
            (Target("≤", 41), 41, True),
            (Target("≤", 41), 42, False),
        ],
    )
    def test_given_a_bound_when_judged_then_the_bound_itself_is_good(self, target, value, is_met):
        assert Figure("one", value, "x", target).is_met is is_met

    def test_given_no_target_when_judged_then_it_is_neither(self):
        assert Figure("one", 1.0, "x").is_met is None


class TestLowestShare:
    def test_given_a_rate_that_falls_when_shared_then_the_lowest_over_the_smallest_size(self):
        assert lowest_share({10_000: 100.0, 100_000: 80.0, 1_000_000: 90.0}) == 0.8

    def test_given_a_rate_that_grows_when_shared_then_nothing_is_lost(self):
        assert lowest_share({10_000: 100.0, 100_000: 120.0}) == 1.0


class TestProbes:
    @pytest.mark.parametrize(
        ("query", "is_probe"),
        [
            ({"_fields": "id", "per_page": "1"}, True),
            ({"_fields": "id", "per_page": "100"}, False),
            ({"_fields": "id,email", "per_page": "1"}, False),
        ],
    )
    def test_given_a_call_when_it_asks_for_one_id_only_then_it_is_a_probe(self, query, is_probe):
        assert Call("/wp-json/wc/v3/orders", query).is_probe is is_probe


class TestReport:
    def test_given_a_missed_target_when_judged_then_it_is_counted_and_named(self, capsys):
        subject = Subject("s", [Figure("slow", 0.5, "x", Target("≥", 0.9)), Figure("i", 1, "x")])

        missed = show_verdict(Console(width=100), [subject], 3.2)

        assert missed == 1
        assert capsys.readouterr().out == "0 of 1 targets met in 3 s; missed: slow\n"

    def test_given_figures_when_written_then_json_holds_value_target_and_verdict(self, tmp_path):
        file = tmp_path / "figures.json"
        subject = Subject("s", [Figure("rate", 0.95, "x", Target("≥", 0.9), "how")], ["remark"])

        write_json(file, {"fsync": "on"}, [subject])

        (figure,) = json.loads(file.read_text())["subjects"][0]["figures"]
        assert figure == {
            "name": "rate",
            "value": 0.95,
            "unit": "x",
            "target": "≥ 0.9",
            "note": "how",
            "is_met": True,
        }

    @pytest.mark.parametrize(
        ("figure", "words"),
        [
            (Figure("r", 0.904, "x"), "0.90 x"),
            (Figure("r", 64321.7, "lines/s"), "64,322 lines/s"),
            (Figure("c", 41, "calls"), "41 calls"),
        ],
    )
    def test_given_a_figure_when_said_then_only_small_ones_have_decimals(self, figure, words):
        assert in_words(figure) == words
