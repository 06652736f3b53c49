"""Tables on the terminal: no wider than their figures, and explained once below."""

from io import StringIO

import pytest
from fake_comparisons import minimal, rich
from rich.console import Console

from textlstm.analysis.tables import comparison_tables, explain_tables


def printed(table):
    console = Console(width=200, record=True, file=StringIO())
    console.print(table)
    return console.export_text().splitlines()


@pytest.mark.parametrize("comparison", [rich(), rich(sizes={100: 100}), minimal()])
def test_titles_take_one_line_and_do_not_stretch_the_table(comparison):
    for number, table in enumerate(comparison_tables(comparison)):
        lines = printed(table)
        assert lines[1].startswith(("┏", "╭", "┌"))  # the frame: the title above it was not broken
        assert len(lines[1].strip()) <= 60 or len(table.columns) > 4
        assert (comparison.name in lines[0]) == (number == 0)


def test_each_control_is_explained_once():
    comparison = rich()
    axes = {
        "fixed_width, model.join=sum": "every layer has 64 units; model.join=sum",
        "fixed_width, model.join=residual": "every layer has 64 units; model.join=residual",
    }
    words = explain_tables(comparison.model_copy(update={"settings": axes}))
    assert words.splitlines()[1:] == ["fixed width: every layer has 64 units."]
    assert len(explain_tables(comparison).splitlines()) == 1 + len(comparison.settings)


def test_numbers_of_seeds_are_a_range():
    comparison = rich()
    cells = [cell.model_copy(update={"seeds": 3 + place % 3}) for place, cell in enumerate(comparison.cells)]
    assert "mean of 3 to 5 seeds [" in explain_tables(comparison.model_copy(update={"cells": cells}))
    assert "mean of 1 seed;" in explain_tables(minimal())
