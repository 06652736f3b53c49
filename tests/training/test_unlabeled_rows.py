"""Unlabeled texts beside a batch: none of them is held out, whether the fold is scored or not."""

import pytest

from textlstm.errors import DataError
from textlstm.text.datasets import load_data
from textlstm.text.folds import with_fold
from textlstm.training.preparation import prepare
from textlstm.training.unlabeled_rows import load_unlabeled


def unlabeled(recipe, prepared):
    rows = load_unlabeled(recipe, prepared)
    tokens = prepared.tokenizer.convert_ids_to_tokens
    return rows, [" ".join(tokens(row.tolist())) for row in rows.encoded]


def recipe_with(tiny_recipe, path, **changes):
    return tiny_recipe({"objectives.entropy": 0.5, "objectives.unlabeled": str(path), **changes})


def test_texts_of_held_out_splits_are_left_out_before_they_count(tiny_recipe, tiny_data, planted, tmp_path):
    own = [f"{text} moon" for text in planted(10, 7)[0]]
    held = [tiny_data.splits[name].text_list()[3] for name in ("validation", "test")]
    path = tmp_path / "u.txt"
    path.write_text("\n".join([*(text.upper() for text in held), *own]))
    recipe = recipe_with(tiny_recipe, path, **{"objectives.unlabeled_rows": 8})
    prepared = prepare(recipe, tiny_data)
    rows, texts = unlabeled(recipe, prepared)
    assert len(texts) == 8  # eight that may be read, not eight of which two are passed over
    assert not set(texts) & set(held)
    assert rows.describe().endswith("; 2 others are in a held-out split and were left out")
    path.write_text("\n".join(held))
    with pytest.raises(DataError, match="All 2 texts"):
        load_unlabeled(recipe, prepared)


@pytest.mark.parametrize("score_test", [True, False])
def test_a_fold_is_left_out_also_where_a_search_leaves_it_closed(tiny_recipe, planted, tmp_path, score_test):
    texts, labels = planted(60, 0)
    data = load_data((texts, labels))
    (tmp_path / "u.csv").write_text("text\n" + "\n".join(texts))
    changes = {"data.folds": 3, "data.fold": 1, "data.score_test": score_test}
    recipe = recipe_with(tiny_recipe, tmp_path / "u.csv", **changes)
    prepared = prepare(recipe, data)
    scored = set(with_fold(data, fold=1, folds=3).splits["test"].text_list())
    _, found = unlabeled(recipe, prepared)
    assert found and not set(found) & scored
    prepared.data = data  # as workers of a grid map it, whole
    assert not set(unlabeled(recipe, prepared)[1]) & scored


def test_columns_that_the_data_has_and_the_texts_lack_are_inferred(tiny_recipe, tiny_data, tmp_path):
    (tmp_path / "u.csv").write_text("title,body\nno,good film\n")
    recipe = recipe_with(tiny_recipe, tmp_path / "u.csv", **{"data.text_columns": ["title", "body"]})
    assert unlabeled(recipe, prepare(recipe, tiny_data))[1] == ["<unk> good film"]
    (tmp_path / "u.csv").write_text("review,stars\ngood film,1\n")
    assert unlabeled(recipe, prepare(recipe, tiny_data))[1] == ["good film"]
