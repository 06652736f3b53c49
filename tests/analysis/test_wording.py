"""Figures in words: rounding, signs, units, and names that are safe as files."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis import wording
from textlstm.results import Estimate

shares = st.floats(0, 1)
differences = st.floats(-1, 1)


@given(shares)
def test_percent_has_one_decimal_and_is_near(share):
    text = wording.percent(share)
    assert re.fullmatch(r"\d+\.\d", text)
    assert abs(float(text) - 100 * share) <= 0.05 + 1e-9


@given(differences)
def test_points_carry_their_sign_and_zero_has_none(difference):
    text = wording.points(difference)
    assert "-" not in text  # a true minus
    value = float(text.replace("−", "-"))
    assert abs(value - 100 * difference) <= 0.05 + 1e-9
    assert text[0] == ("+" if value > 0 else "−" if value < 0 else "0")
    assert not text.startswith(("−0.0", "+0.0"))


@given(st.floats(1e-3, 1e7))
def test_durations_keep_two_digits(seconds):
    number, unit = wording.duration(seconds).split()
    worth = {"s": 1, "min": 60, "h": 3600}[unit]
    assert abs(float(number) * worth / seconds - 1) < 0.06 or abs(float(number) * worth - seconds) <= 0.0051
    assert unit != "min" or float(number) >= 2
    assert unit != "h" or float(number) >= 1.9


@given(st.floats(0, 1e12))
def test_counts_are_short_and_near(number):
    text = wording.count(number)
    digits, _, unit = text.partition(" ")
    value = float(digits.replace(",", "")) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]
    assert abs(value - number) <= max(0.5, 0.051 * number)
    assert len(digits) <= 7


@given(st.floats(1e-4, 1e6))
def test_measures_have_about_three_digits(value):
    written = float(wording.measure(value).replace(",", ""))
    assert abs(written - value) <= max(0.00051, 0.0051 * value)


def test_what_is_absent_has_a_dash_and_never_a_nan():
    for write in (wording.percent, wording.points, wording.nats, wording.signed_nats, wording.count, wording.duration):
        assert [write(value) for value in (None, math.nan, math.inf)] == [wording.ABSENT] * 3
    assert wording.measure(math.nan) == wording.chance(None) == wording.ABSENT
    assert wording.interval(Estimate(value=0.5, low=0.4)) == ""
    assert wording.interval(Estimate(value=0.5, low=math.nan, high=0.6)) == ""


def test_intervals_follow_the_unit_of_their_value():
    assert wording.with_interval(Estimate(value=0.873, low=0.861, high=0.885)) == "87.3 [86.1, 88.5]"
    assert wording.with_interval(Estimate(value=-0.003, low=-0.01, high=0.004), wording.points) == "−0.3 [−1.0, +0.4]"


@given(st.lists(st.text(), max_size=4))
def test_file_names_are_safe_as_files_and_ids(parts):
    assert re.fullmatch(r"[a-z0-9_-]{0,80}", wording.file_name(*parts))


@given(st.text())
def test_plain_text_has_nothing_that_hides_or_turns_text(text):
    kept = wording.plain_text(text)
    assert len(kept) == len(text)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]", kept)
    kept.encode()  # no half of a surrogate pair is left


def test_settings_and_sizes_are_named_for_readers():
    assert wording.setting_words("matched_parameters_deepest, model.join=a_b") == (
        "matched parameters (deepest), model.join=a_b"
    )
    assert wording.setting_words("fixed_width") == "fixed width"
    teachers = "fixed_width, distillation.teacher=['/here/a', '/here/b'], model.join=residual"
    assert wording.setting_words(teachers) == "fixed width, distillation.teacher=['a', 'b'], model.join=residual"
    assert wording.setting_words("fixed_width, embeddings.source=~/v.txt") == "fixed width, embeddings.source=v.txt"
    assert [wording.size_words(*size) for size in ((2000,), ("full", 5452), ("full",))] == ["2,000", "all 5,452", "all"]
    assert [wording.layers_words(layers) for layers in (1, 3)] == ["1 layer", "3 layers"]
