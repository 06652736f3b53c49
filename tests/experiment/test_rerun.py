"""A run repeated from its folder: equal to the bit where nothing changed, refused where its inputs did."""

import csv
import json
import shutil
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlstm.errors import DataError, RecipeError, RunFolderError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.rerun import prepare_rerun, rerun
from textlstm.experiment.rerun_comparison import Rerun, SplitComparison, compare_rerun
from textlstm.results import PREDICTIONS_FILE, RESULT_FILE, read_run
from textlstm.text.protocol import load_recipe_data, with_test_split
from textlstm.training.finetuning import train_into


def write_csv(path, texts, labels):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory, planted, tiny_recipe):
    """A trained model and the cells of a grid with its held-out test split, on files."""
    place = tmp_path_factory.mktemp("rerun")
    source = write_csv(place / "train.csv", *planted(60, 0))
    given = {"data.source": source, "training.epochs": 2}
    test = write_csv(place / "test.csv", *planted(30, 2))
    recipe = tiny_recipe({**given, "data.test": test, "model.num_layers": 2})
    train_into(place / "model", recipe)
    grid = tiny_recipe({**given, "grid.layers": [1], "grid.sizes": [20]})
    run_cell = TrainCell(with_test_split(load_recipe_data(grid)))
    (cell,) = plan_cells(grid)
    run_cell(cell, place / "cell")
    trial = cell.recipe.override({"data.score_test": False})
    run_cell(replace(cell, recipe=trial), place / "trial")
    return place


@pytest.fixture
def copied(place, tmp_path):
    """Copies a run's folder, to be changed."""
    return lambda name: shutil.copytree(place / name, tmp_path / name)


@pytest.mark.parametrize("name", ["model", "cell", "trial"])
def test_a_run_is_repeated_to_the_last_bit_and_its_folder_is_left_alone(place, name):
    before = {path: path.read_bytes() for path in (place / name).rglob("*") if path.is_file()}
    found = rerun(prepare_rerun(place / name))
    assert (found.verdict, found.metrics_equal, found.history_equal) == ("bit-equal", True, True)
    assert found.weights_equal is (True if name == "model" else None)
    assert found.changed == {}
    assert {split: (part.rows, part.equal) for split, part in found.splits.items()} == {
        split: (rows, rows) for split, rows in read_run(place / name).data.rows.items()
    }
    assert {path: path.read_bytes() for path in (place / name).rglob("*") if path.is_file()} == before


def test_a_repetition_that_is_kept_is_a_run_of_its_own_and_can_be_repeated(place, tmp_path):
    rerun(prepare_rerun(place / "model"), out=tmp_path / "again")
    assert rerun(prepare_rerun(tmp_path / "again")).verdict == "bit-equal"
    with pytest.raises(RunFolderError, match="finished model already"):
        rerun(prepare_rerun(place / "model"), out=tmp_path / "again")


class Stored:
    """What `compare_rerun` takes of a training, from a folder."""

    def __init__(self, folder):
        self.run = read_run(folder)
        table = pq.read_table(folder / PREDICTIONS_FILE)
        names = table["split"].unique().to_pylist()
        self.predictions = {
            name: table.filter(pa.compute.equal(table["split"], name)).drop_columns(["split"]) for name in names
        }

    def moved(self, split, by):
        """Probabilities of a split changed by a function of the array of them."""
        table = self.predictions[split]
        flat = np.array(table["probabilities"].to_pylist(), dtype=np.float32)
        flat = by(flat).astype(np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
        self.predictions[split] = table.set_column(
            table.schema.get_field_index("probabilities"), "probabilities", column
        )
        return self


@pytest.mark.parametrize(
    ("by", "verdict", "equal", "relabeled"),
    [
        (lambda chances: chances, "bit-equal", 30, 0),
        (lambda chances: np.nextafter(chances, np.float32(1)), "within rounding", 0, 0),
        (lambda chances: chances + 9e-5, "within rounding", 0, 0),
        (lambda chances: chances + 2e-4, "different", 0, 0),
        (lambda chances: chances[:, ::-1], "different", 0, 30),
    ],
)
def test_the_verdict_follows_from_probabilities_and_labels(place, by, verdict, equal, relabeled):
    found = compare_rerun(place / "cell", read_run(place / "cell"), Stored(place / "cell"))
    assert found.verdict == "bit-equal"
    rows = found.splits["test"].rows
    found = compare_rerun(place / "cell", read_run(place / "cell"), Stored(place / "cell").moved("test", by))
    assert found.verdict == verdict
    assert (found.splits["test"].equal, found.splits["test"].relabeled) == (min(equal, rows), min(relabeled, rows))
    assert found.describe()[0].startswith(verdict)


def test_another_chosen_epoch_other_rows_and_an_absent_split_are_different(place):
    run = read_run(place / "cell")
    epoch, rows, absent = Stored(place / "cell"), Stored(place / "cell"), Stored(place / "cell")
    epoch.run = epoch.run.model_copy(update={"best_epoch": 7.0})
    rows.predictions["test"] = rows.predictions["test"].slice(1)
    del absent.predictions["test"]
    for trained in (epoch, rows, absent):
        assert compare_rerun(place / "cell", run, trained).verdict == "different"


def test_a_figure_that_moved_is_not_bit_equal_although_predictions_are(place):
    run = read_run(place / "cell")
    history = [run.history[0].model_copy(update={"train_loss": 9.0}), *run.history[1:]]
    found = compare_rerun(place / "cell", run.model_copy(update={"history": history}), Stored(place / "cell"))
    assert (found.verdict, found.history_equal) == ("within rounding", False)


def test_versions_and_threads_that_differ_are_named(place, copied):
    folder = copied("cell")
    record = json.loads((folder / RESULT_FILE).read_text())
    record["environment"] |= {"torch": "1.0", "gone": "yes"}
    (folder / RESULT_FILE).write_text(json.dumps(record))
    found = rerun(prepare_rerun(folder))
    assert found.verdict == "bit-equal"
    assert found.changed == {"torch": ("1.0", version("torch")), "gone": ("yes", "not recorded")}
    assert any("torch: 1.0 before" in line for line in found.describe())


def test_changed_data_is_refused_and_moved_data_is_found(place, copied, planted, tmp_path):
    other = write_csv(tmp_path / "other.csv", *planted(60, 7))
    with pytest.raises(DataError, match=r"takes the same data, and the content had the digest \w+ and has \w+"):
        prepare_rerun(place / "cell", data=other)
    moved = shutil.copy(place / "train.csv", tmp_path / "moved.csv")
    assert rerun(prepare_rerun(place / "cell", data=str(moved))).verdict == "bit-equal"
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        prepare_rerun(place / "cell", data=str(tmp_path / "nowhere.csv"))


def test_an_edited_recipe_is_refused_and_an_absent_one_is_not_needed(copied):
    folder = copied("cell")
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("epochs: 2", "epochs: 3"))
    with pytest.raises(RecipeError, match=r"was changed after the run \(training.epochs was 2, is 3\)"):
        prepare_rerun(folder)
    (folder / "recipe.yaml").unlink()
    assert rerun(prepare_rerun(folder)).verdict == "bit-equal"


@pytest.mark.parametrize("name", [RESULT_FILE, PREDICTIONS_FILE, "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{", b"PAR1 half"])
def test_a_damaged_part_is_named_before_anything_is_trained(copied, name, content, monkeypatch):
    monkeypatch.setattr("textlstm.training.finetuning.train", None)
    folder = copied("model")
    (folder / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=name):
        prepare_rerun(folder)


def test_a_folder_of_several_runs_names_one_of_them(place, tmp_path):
    with pytest.raises(RunFolderError, match=r"is a folder of 3; name one of them, such as .*cell"):
        prepare_rerun(place)
    with pytest.raises(RunFolderError, match="was not run to its end"):
        prepare_rerun(tmp_path)


def test_data_that_was_in_memory_is_to_be_named(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"data.source": "data in memory", "training.epochs": 1})
    train_into(tmp_path / "run", recipe, tiny_data)
    with pytest.raises(
        DataError, match="was trained on data in memory, which is gone; write it to a file, and name it"
    ):
        prepare_rerun(tmp_path / "run")


def test_another_encoder_is_refused(place, tmp_path, tiny_recipe):
    shutil.copytree(place / "model", tmp_path / "encoder")
    changes = {"data.source": str(place / "train.csv"), "transfer.encoder": str(tmp_path / "encoder")}
    train_into(tmp_path / "run", tiny_recipe({**changes, "training.epochs": 1, "model.num_layers": 2}))
    assert rerun(prepare_rerun(tmp_path / "run")).verdict == "bit-equal"
    weights = tmp_path / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="takes the same encoder, and the content had the digest"):
        prepare_rerun(tmp_path / "run")


def test_whatever_differs_is_said_in_a_line_of_its_own():
    split = SplitComparison(rows=30, accuracy=(0.9, 0.8))
    found = Rerun(
        verdict="different",
        run="runs/x",
        splits={"test": split},
        metrics_equal=False,
        history_equal=False,
        weights_equal=False,
        best_epoch=(2, 3),
        changed={},
    )
    assert found.describe() == [
        "different: the repetition ended elsewhere",
        "  test: other rows or labels than the 30 of before; accuracy 90.00 %, now 80.00 %",
        "  chosen epoch: 2 before, 3 now",
        "  the records of the epochs (losses, rates, gradient norms) are not all the same",
        "  stored weights: other numbers",
        "  no version and no fact of the machine that a run records differs",
    ]
