"""Files of texts in, files with labels out: every kind, every row, every column, in input order."""

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.inference.prediction_files import predict_file
from textlstm.inference.predictor import Predictor
from textlstm.text.reading import open_writer, read_table

KINDS = ["csv", "csv.gz", "tsv", "json", "jsonl", "parquet", "arrow"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory, make_model):
    return Predictor.load(make_model(tmp_path_factory.mktemp("model")), device="cpu")


@pytest.fixture(scope="module")
def multi(tmp_path_factory, make_model):
    return Predictor.load(make_model(tmp_path_factory.mktemp("multi"), multi_label=True), device="cpu")


def write(path, columns, metadata=None):
    table = pa.table(columns).replace_schema_metadata(metadata)
    with open_writer(path) as writer:
        for batch in table.to_batches():
            writer.write(batch)
    return path


ROWS = {
    "id": ["01", "2", "x,3", "4"],
    "text": ["a good film", 'very "dull",\nnot good', "  story  ", "bright 故事 ends"],
}


@pytest.mark.parametrize("output_kind", KINDS)
@pytest.mark.parametrize("input_kind", KINDS)
def test_every_kind_goes_round(tmp_path, predictor, input_kind, output_kind):
    source = write(tmp_path / f"in.{input_kind}", ROWS)
    seen = []
    counts = predict_file(predictor, source, tmp_path / f"out.{output_kind}", window_rows=3, progress=seen.append)
    table = read_table(tmp_path / f"out.{output_kind}")
    assert table.column_names == ["id", "text", "label", "score"]
    assert table.select(["id", "text"]).to_pydict() == ROWS
    expected = predictor(ROWS["text"])
    assert table["label"].to_pylist() == [p.label for p in expected]
    assert [float(s) for s in table["score"].to_pylist()] == pytest.approx([p.score for p in expected], abs=1e-5)
    assert (counts.rows, counts.unlabeled, counts.truncated) == (4, 0, 0)
    assert (counts.text_columns, counts.new_columns) == (("text",), ("label", "score"))
    assert seen[-1] == 4


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(1, 20))
@settings(deadline=None, max_examples=25)
def test_order_is_kept_whatever_the_window(tmp_path_factory, predictor, lengths, window_rows):
    folder = tmp_path_factory.mktemp("order")
    texts = [" ".join(["good", "dull", "film"][k % 3] for k in range(n, 2 * n + 1)) for n in lengths]
    source = write(folder / "in.parquet", {"n": np.arange(len(texts)), "text": texts})
    predict_file(predictor, source, folder / "out.parquet", window_rows=window_rows, probabilities=True)
    table = pq.read_table(folder / "out.parquet")
    assert table["n"].to_pylist() == list(range(len(texts)))
    chances = np.array([list(row.values()) for row in table["probabilities"].to_pylist()])
    np.testing.assert_allclose(chances, predictor.probabilities(texts), atol=1e-5)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_multi_label_files_hold_lists(tmp_path, multi, kind):
    source = write(tmp_path / "in.csv", ROWS)
    predict_file(multi, source, tmp_path / f"out.{kind}", probabilities=True)
    labels = read_table(tmp_path / f"out.{kind}")["label"].to_pylist()
    expected = [list(p.labels) for p in multi(ROWS["text"])]
    if kind == "csv":
        assert all(cell.startswith("[") for cell in labels)
    else:
        assert labels == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_without_text_stop_or_stay_unlabeled(tmp_path, predictor, kind):
    source = write(tmp_path / f"in.{kind}", {"text": ["good", " ", "", "bad", "dull"], "k": list("abcde")})
    output = tmp_path / f"out.{kind}"
    with pytest.raises(DataError, match="data row 2"):
        predict_file(predictor, source, output)
    assert not output.exists()
    counts = predict_file(predictor, source, output, on_bad_rows="keep", window_rows=2, probabilities=True)
    table = read_table(output)
    assert counts.unlabeled == 2
    assert table["k"].to_pylist() == list("abcde")
    assert [bool(label) for label in table["label"].to_pylist()] == [True, False, False, True, True]
    assert [cell in (None, "") for cell in table["score"].to_pylist()] == [False, True, True, False, False]
    assert [cell in (None, "") for cell in table["probabilities"].to_pylist()] == [False, True, True, False, False]


def test_the_line_of_a_row_without_text_is_named(tmp_path, predictor):
    (tmp_path / "in.csv").write_text('text,k\n"two\nlines",1\n"",2\n')
    with pytest.raises(DataError, match=r"data row 2 \(line 4\)"):
        predict_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv")


def test_null_rows_of_a_list_column_stay_null(tmp_path, multi):
    source = write(tmp_path / "in.parquet", {"text": pa.array(["good", None], pa.string())})
    predict_file(multi, source, tmp_path / "out.parquet", on_bad_rows="keep")
    assert pq.read_table(tmp_path / "out.parquet")["label"].to_pylist()[1] is None


@pytest.mark.parametrize("prefix", ["", "predicted_"])
def test_a_taken_name_under_a_given_prefix_is_refused(tmp_path, predictor, prefix):
    source = write(tmp_path / "in.csv", {"text": ["good"], "label": ["neg"], "predicted_score": ["1"]})
    with pytest.raises(DataError, match="pass another prefix"):
        predict_file(predictor, source, tmp_path / "out.csv", prefix=prefix)
    with pytest.raises(DataError, match="already has a column 'predicted_score'"):
        predict_file(predictor, source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_taken_name_gives_the_new_columns_a_prefix_and_a_note(tmp_path, predictor):
    source = write(tmp_path / "in.csv", {"text": ["good"], "label": ["neg"]})
    counts = predict_file(predictor, source, tmp_path / "out.csv")
    assert ["called 'predicted_label' and 'predicted_score'" in note for note in counts.notes] == [True]
    assert counts.new_columns == ("predicted_label", "predicted_score")
    assert read_table(tmp_path / "out.csv")["label"].to_pylist() == ["neg"]


def test_several_text_columns_are_joined_as_in_training(tmp_path, predictor):
    source = write(tmp_path / "in.jsonl", {"title": ["good", None], "body": ["film", "dull"]})
    output = tmp_path / "out.jsonl"
    counts = predict_file(predictor, source, output, text_columns=["title", "body"])
    assert counts.text_columns == ("title", "body")
    expected = predictor(["good\nfilm", "dull"])
    assert read_table(output)["score"].to_pylist() == pytest.approx([p.score for p in expected], abs=1e-5)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"id": ["1"], "anything": ["good"]}, "anything"),
        ({"Review Text": ["good"], "other": ["bad"]}, "Review Text"),
        ({"text": ["good"], "title": ["bad"]}, "text"),
    ],
)
def test_text_columns_are_found(tmp_path, predictor, columns, found):
    source = write(tmp_path / "in.parquet", columns)
    assert predict_file(predictor, source, tmp_path / "out.parquet").text_columns == (found,)


@pytest.mark.parametrize(
    ("columns", "named", "message"),
    [
        ({"one": ["good"], "two": ["bad"]}, None, "pass --text-column"),
        ({"number": [1.5]}, None, "pass --text-column"),
        ({"text": ["good"]}, ["txet"], "Did you mean 'text'"),
    ],
)
def test_an_unclear_text_column_is_asked_for(tmp_path, predictor, columns, named, message):
    source = write(tmp_path / "in.parquet", columns)
    with pytest.raises(DataError, match=message):
        predict_file(predictor, source, tmp_path / "out.parquet", text_columns=named)


def test_a_file_without_a_header_is_recognized(tmp_path, predictor):
    (tmp_path / "in.csv").write_text("a good film and a very bright story\nbad\n")
    with pytest.raises(DataError, match="looks like data"):
        predict_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv")


def test_plain_lines_and_other_encodings_are_read(tmp_path, predictor):
    (tmp_path / "in.txt").write_bytes("good\nbad caf\xe9\n".encode("cp1252"))
    with pytest.raises(DataError, match="cp1252"):
        predict_file(predictor, tmp_path / "in.txt", tmp_path / "out.csv")
    predict_file(predictor, tmp_path / "in.txt", tmp_path / "out.csv", encoding="cp1252")
    assert read_table(tmp_path / "out.csv")["text"].to_pylist() == ["good", "bad café"]


@pytest.mark.parametrize("kind", ["txt", "txt.gz"])
def test_lines_give_lines(tmp_path, predictor, multi, kind):
    """Also an empty one, a text with a tab in it, and several labels; so that both files can be pasted together."""
    texts = ["a good film", " ", "too\tdull", "bright"]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n")
    for model in (predictor, multi):
        output = tmp_path / f"out-{model.multi_label}.{kind}"
        done = predict_file(model, tmp_path / "in.txt", output, on_bad_rows="keep", window_rows=3)
        assert (done.rows, done.unlabeled, done.new_columns) == (4, 1, ("label", "score"))
        lines = [line.split("\t") for line in read_table(output)["text"].to_pylist()]
        assert lines[1] == ["", ""]
        for row in (0, 2, 3):
            expected = model(texts[row])[0]
            assert lines[row][0] == ", ".join(expected.labels)
            assert float(lines[row][1]) == pytest.approx(expected.score, abs=1e-5)


def test_columns_are_not_lost_in_lines(tmp_path, predictor):
    source = write(tmp_path / "in.csv", ROWS)
    with pytest.raises(DataError, match="has columns that would be lost"):
        predict_file(predictor, source, tmp_path / "out.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_input_is_never_overwritten(tmp_path, predictor):
    source = write(tmp_path / "in.csv", ROWS)
    with pytest.raises(DataError, match="the input itself"):
        predict_file(predictor, source, source)
    assert read_table(source).to_pydict() == ROWS


def test_no_rows_give_the_columns_alone(tmp_path, predictor):
    (tmp_path / "in.csv").write_text("text,k\n")
    counts = predict_file(predictor, tmp_path / "in.csv", tmp_path / "out.parquet", probabilities=True)
    assert counts.rows == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["text", "k", "label", "score", "probabilities"]


@pytest.mark.parametrize("labels", ["one", "many"])
def test_class_names_of_a_datasets_file_survive(tmp_path, predictor, multi, labels):
    features = datasets.Features({"text": datasets.Value("string"), "gold": datasets.ClassLabel(names=["no", "yes"])})
    table = datasets.Dataset.from_dict({"text": ["good", "bad"], "gold": [0, 1]}, features=features).data.table
    source = write(tmp_path / "in.parquet", dict(zip(table.column_names, table.columns, strict=True)),
                   features.arrow_schema.metadata)  # fmt: skip
    model = predictor if labels == "one" else multi
    predict_file(model, source, tmp_path / "out.parquet", probabilities=True)
    schema = pq.read_schema(tmp_path / "out.parquet")
    kept = datasets.Features.from_arrow_schema(schema)
    assert kept["gold"].names == ["no", "yes"]
    assert list(kept) == schema.names
    assert kept["probabilities"]["pos"].dtype == "float32"


def test_cut_texts_are_counted(tmp_path, predictor):
    source = write(tmp_path / "in.csv", {"text": ["good " * 12, "good " * 13, "dull"]})
    assert predict_file(predictor, source, tmp_path / "out.csv", window_rows=2).truncated == 1
