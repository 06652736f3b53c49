"""`textlstm advise` at the command line: budgets in words, a whole small study, errors in one sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.cli_advise import budget_seconds
from textlstm.errors import RecipeError


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_a_budget_is_the_sum_of_its_parts(hours, minutes, seconds):
    assert budget_seconds(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds
    assert budget_seconds(f" {seconds}M ") == 60 * seconds
    assert budget_seconds(f"{minutes}.5h") == 3600 * (minutes + 0.5)


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "-5m", "20 minutes", "5m1h", "nan"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(RecipeError, match="20m, 90s or 1h30m"):
        budget_seconds(text)


@pytest.fixture
def study_file(tmp_path, planted):
    texts, labels = planted(60, 0)
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=True)))
    return path


@pytest.mark.slow
def test_a_small_study_ends_in_advice_that_can_be_followed(succeed, study_file, tmp_path, tiny_options):
    options = ["--max-layers", "2", "--budget", "5m", "--workers", "0", "--out", tmp_path / "study", *tiny_options]
    done = succeed("advise", study_file, *options)
    assert "Take " in done.out
    assert f"textlstm train {study_file}" in done.out
    assert "Now: 1 layer, before the first look" in done.err
    again = succeed("advise", study_file, *options, "--json", "--quiet")
    advice = json.loads(again.out)
    assert again.err == ""
    assert advice["layers"] in (1, 2)
    assert advice == json.loads((tmp_path / "study" / "advice.json").read_text("utf-8"))
    assert (tmp_path / "study" / "advice.html").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--budget", "soon"], "--budget takes a time"),
        (["--delta", "0"], "delta"),
        (["--delta", "60"], "delta"),
        (["--vectors", "nowhere.vec", "--workers", "0"], "nowhere.vec"),
        (["--encoder", "./nowhere", "--workers", "0"], "nowhere"),
    ],
)
def test_errors_are_one_sentence(fail, study_file, tmp_path, tiny_options, options, words):
    assert words in fail(2, "advise", study_file, "--out", tmp_path / "study", *tiny_options, *options)


def test_a_setting_that_no_run_survives_is_told_after_the_first(fail, study_file, tmp_path, tiny_options):
    options = [*tiny_options, "--hidden", "0", "--workers", "0"]
    assert "hidden_size must be at least 1" in fail(1, "advise", study_file, "--out", tmp_path / "study", *options)
    assert len(list((tmp_path / "study").glob("runs/layers=*"))) == 1


def test_too_few_rows_are_refused_before_anything_is_run(fail, tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("text,label\na,x\nb,y\nc,x\n")
    assert "needs 40 labeled rows or more" in fail(2, "advise", path, "--out", tmp_path / "study")
    assert not list((tmp_path / "study").glob("runs/*"))
