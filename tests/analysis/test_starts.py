"""Gains of depth with and without transfer: what is planted is found and said, and one alone says nothing."""

import shutil

import pytest

from textlstm.analysis.comparison import compare_runs
from textlstm.analysis.report_sections import later_sections
from textlstm.analysis.starts import judgment
from textlstm.stats.paired import Difference

KEY = "embeddings.source"
AXES = {"grid.layers": [1, 2], "grid.sizes": [100], "grid.seeds": 6, f"grid.{KEY}": ["/here/glove.txt", None]}


def compared(fake_grid, skills, **changes):
    """Skills by (with, layers)."""

    def skill(cell):
        return skills[cell.others[KEY] is not None, cell.layers]

    return compare_runs(fake_grid({**AXES, **changes}, skill=skill, rows=600))


CASES = {
    "here it removes the need for depth": {(False, 1): 0.6, (False, 2): 0.75, (True, 1): 0.85, (True, 2): 0.85},
    "here it does not remove the need for depth": {(False, 1): 0.6, (False, 2): 0.75, (True, 1): 0.7, (True, 2): 0.85},
    "here depth was not needed without it either": {(False, 1): 0.6, (False, 2): 0.6, (True, 1): 0.8, (True, 2): 0.8},
    "here depth is of use with it": {(False, 1): 0.6, (False, 2): 0.6, (True, 1): 0.7, (True, 2): 0.85},
}


@pytest.mark.parametrize("words", CASES)
def test_what_is_planted_is_said(fake_grid, words):
    skills = CASES[words]
    found = compared(fake_grid, skills, **{"delta": 2.0})
    (row,) = found.starts
    assert words in row.words and found.answer[-1] == row.words
    truth = {place: 100 * skill for place, skill in skills.items()}
    without, given = truth[False, 2] - truth[False, 1], truth[True, 2] - truth[True, 1]
    assert 100 * row.gain_without.value == pytest.approx(without, abs=3)
    assert 100 * row.gain_with.value == pytest.approx(given, abs=3)
    assert row.change.value == pytest.approx(row.gain_with.value - row.gain_without.value)
    assert row.change.low <= row.change.value <= row.change.high
    assert 100 * row.shallow_with_minus_deep_without.value == pytest.approx(truth[True, 1] - truth[False, 2], abs=3)
    assert (row.seeds, row.setting, row.without) == (
        6,
        "fixed_width, embeddings.source=/here/glove.txt",
        "fixed_width, embeddings.source=None",
    )


def test_every_depth_counts_before_need_is_said_to_be_gone(fake_grid):
    """Three layers no longer gain, and two still do."""
    skills = {(False, 1): 0.6, (False, 2): 0.62, (False, 3): 0.75, (True, 1): 0.7, (True, 2): 0.85, (True, 3): 0.7}
    found = compared(fake_grid, skills, **{"grid.layers": [1, 2, 3], "delta": 2.0})
    assert [row.deep for row in found.starts] == [2, 3]
    best = found.starts[1]
    assert found.answer[-1] == best.words  # the depth that scored best without
    assert best.gain_with.high < 0.02 and "does not remove the need for depth" in best.words


def test_nothing_is_judged_where_runs_are_not_trained_to_the_end_or_are_a_preview(fake_grid, tmp_path):
    skills = CASES["here it removes the need for depth"]

    def skill(cell):
        return skills[cell.others[KEY] is not None, cell.layers]

    folder = fake_grid(AXES, skill=skill, rows=600, loss=lambda cell: 0.69 if cell.layers == 2 else 0.1)
    assert "not trained to the end, so that the need for depth cannot be judged" in compare_runs(folder).answer[-1]
    shutil.rmtree(folder)
    (row,) = compare_runs(fake_grid({**AXES, "preview": True}, skill=skill, rows=600)).starts
    assert "a preview, with too few rows" in row.words


def test_each_kind_of_transfer_is_named_where_there_are_several(fake_grid):
    several = {**AXES, f"grid.{KEY}": ["/here/glove.txt", "/here/other.txt", None]}
    found = compare_runs(fake_grid(several, skill=lambda cell: 0.7, rows=600))
    assert [sentence.partition(":")[0] for sentence in found.answer[-2:]] == [f"{KEY}=glove.txt", f"{KEY}=other.txt"]


def difference(value, error):
    """A difference of many seeds and texts with some standard error."""
    return Difference(
        value=value,
        low=value - 1.96 * error,
        high=value + 1.96 * error,
        standard_error=error,
        freedom=1000.0,
        seeds=10,
        examples=1000,
        seed_share=0.5,
        example_share=0.5,
        residual_share=0.0,
        seed_correlation=0.5,
        paired=True,
        limit=error,
        text_error=error,
        discordant=100,
    )


@pytest.mark.parametrize(
    ("without", "given", "change", "words"),
    [
        ((0.02, 0.006), (0.005, 0.002), (-0.015, 0.004), "here it removes the need for depth"),
        # Shown without and not shown with: the gains may be one and the same.
        ((0.02, 0.006), (0.005, 0.002), (-0.015, 0.01), "that it gained more without is not shown"),
        ((0.005, 0.002), (0.004, 0.002), (-0.001, 0.0001), "here depth was not needed without it either"),
        ((0.02, 0.02), (0.005, 0.002), (-0.015, 0.02), "is not decided by these runs"),
    ],
)
def test_the_need_is_removed_where_the_gains_are_shown_to_differ(without, given, change, words):
    assert words in judgment([(difference(*without), difference(*given), difference(*change))], 0.01)


def test_few_seeds_give_figures_and_no_judgment(fake_grid):
    skills = CASES["here it removes the need for depth"]
    (row,) = compared(fake_grid, skills, **{"grid.seeds": 3}).starts
    assert "a first look, too few seeds" in row.words and "removes the need for depth here" not in row.words


def test_the_report_has_a_section_of_it_in_readable_words(fake_grid):
    found = compared(fake_grid, CASES["here it removes the need for depth"])
    section = next(section for section in later_sections(found) if section.name == "starts")
    assert section.notes == [found.starts[0].words]
    (table,) = section.tables
    assert table.rows[0][2] == "fixed width, embeddings.source=glove.txt"
    assert len(table.rows[0]) == len(table.headers) == 9


def test_without_such_an_axis_nothing_is_said(fake_grid):
    found = compare_runs(fake_grid({"grid.layers": [1, 2], "grid.seeds": 4}, skill=lambda cell: 0.7))
    assert found.starts == []
    assert "starts" not in {section.name for section in later_sections(found)}
