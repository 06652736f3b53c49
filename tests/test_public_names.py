"""The package's surface: every name resolves, in alphabetical order, and a type checker sees the same names."""

import ast
from pathlib import Path

import pytest

import textlstm


@pytest.mark.parametrize("name", textlstm.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    assert getattr(textlstm, name).__doc__


def test_names_are_sorted_and_equal_those_that_a_type_checker_sees():
    tree = ast.parse(Path(textlstm.__file__).read_text("utf-8"))
    checked = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert textlstm.__all__ == sorted(textlstm.__all__)
    assert checked - {"annotations", "TYPE_CHECKING", "import_module"} == set(textlstm.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = textlstm.nothing
