"""The command line as a user meets it: help, exit codes, one sentence for an error, JSON alone on stdout, going on."""

import contextlib
import csv
import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from transformers import AutoTokenizer
from transformers.utils import logging

from textlstm import cli_progress
from textlstm.cli import main
from textlstm.cli_options import OPTION_KEYS, recipe_for, run_name
from textlstm.errors import DataError, RecipeError
from textlstm.recipe import flatten, load_recipe, shipped_recipes
from textlstm.results import read_run
from textlstm.text.reading import read_batches

COMMANDS = ["run", "train", "evaluate", "predict", "check", "recipes"]
TINY = [
    *("--hidden", "8", "--epochs", "2", "--batch-size", "8", "--learning-rate", "0.02", "--threads", "1"),
    *("--set", "model.embedding_size=8", "--set", "tokenizer.min_frequency=1"),
]


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def invoke(*arguments, stdin=""):
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, verbosity = (sys.argv, sys.stdin), logging.get_verbosity()
    sys.argv, sys.stdin = ["textlstm", *map(str, arguments)], io.StringIO(stdin)
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.argv, sys.stdin = before
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())


def succeed(*arguments, stdin=""):
    done = invoke(*arguments, stdin=stdin)
    assert done.code == 0, done.err
    return done


def fail(code, *arguments):
    """The one sentence of an error, which is all that stderr holds of it."""
    done = invoke(*arguments)
    assert done.code == code, (done.out, done.err)
    assert "Traceback" not in done.err + done.out
    *before, last = done.err.rstrip("\n").split("textlstm: ")
    assert before, done.err
    assert last.rstrip().endswith((".", "?")) or "\n  " in last
    return last


def write_csv(path, texts, labels, **names):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([names.get("text", "text"), names.get("label", "label")])
        writer.writerows(zip(texts, labels, strict=True))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, planted):
    """train.csv, validation.csv and test.csv, and a recipe that compares two depths on them."""
    folder = tmp_path_factory.mktemp("cli")
    for seed, (name, rows) in enumerate({"train": 60, "validation": 30, "test": 30}.items()):
        write_csv(folder / f"{name}.csv", *planted(rows, seed))
    recipe = {
        "name": "mine",
        "data": {"source": str(folder / "train.csv"), "test": str(folder / "test.csv")},
        "tokenizer": {"min_frequency": 1},
        "model": {"embedding_size": 8, "hidden_size": 8},
        "training": {"epochs": 1, "min_updates": 0, "batch_size": 8},
        "grid": {"layers": [1, 2], "sizes": [20, "full"], "seeds": 1},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    """A model that `train` left, with what the command said."""
    given = ["--validation", folder / "validation.csv", "--test", folder / "test.csv"]
    return folder / "model", succeed("train", folder / "train.csv", "--out", folder / "model", *given, *TINY)


@pytest.fixture(scope="module")
def finished(folder):
    """A finished grid, with what the command said."""
    return folder / "runs", succeed("run", folder / "mine.yaml", "--out", folder / "runs")


# Help and versions.


@pytest.mark.parametrize(
    "command",
    [[], *[[name] for name in COMMANDS], *[["recipes", name] for name in ("list", "show", "copy", "validate")]],
    ids=" ".join,
)
def test_every_command_has_help_that_describes_every_option(command):
    text = succeed(*command, "--help").out
    lines = [line for line in text.splitlines() if line.startswith("  -")]
    assert text.startswith("Usage: textlstm")
    assert lines
    for number, line in enumerate(text.splitlines()):
        if line.startswith("  -") and len(line.split("  ")) < 3:  # a long option has its words on the next line
            assert text.splitlines()[number + 1].startswith("   "), line


def test_help_needs_no_heavy_import():
    code = "import sys\nfrom textlstm.cli import main\nsys.argv = ['textlstm', 'train', '--help']\ntry:\n    main()\n"
    code += (
        "except SystemExit:\n    print(*{'torch', 'transformers', 'datasets', 'numpy', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_version_is_printed():
    from importlib.metadata import version

    assert succeed("--version").out.strip() == version("textlstm")


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["run"], ["run", "quickstart", "--nonsense"], ["train", "x"], ["train", "x", "--layers", "a"]],
)
def test_wrong_usage_exits_with_2(arguments):
    done = invoke(*arguments)
    assert done.code == 2
    assert "Usage:" in done.err
    assert done.out == ""


# Options and recipe keys.

VALUES = {
    "text_column": ("t", ["t"]),
    "label_column": ("l", "l"),
    "label_names": ("b, a", ["b", "a"]),
    "label_separator": (";", ";"),
    "encoding": ("cp1252", "cp1252"),
    "validation": ("v.csv", "v.csv"),
    "test": ("t.csv", "t.csv"),
    "on_bad_rows": ("drop", "drop"),
    "layers": ("3", 3),
    "hidden": ("17", 17),
    "join": ("dense", "dense"),
    "pooling": ("attention", "attention"),
    "max_length": ("33", 33),
    "epochs": ("7", 7),
    "batch_size": ("5", 5),
    "learning_rate": ("0.125", 0.125),
    "seed": ("9", 9),
    "device": ("cpu", "cpu"),
    "threads": ("1", 1),
}


@pytest.fixture
def seen(monkeypatch):
    """Stops a command where it has made its recipe, and keeps that."""
    found = []

    def stop(recipe):
        found.append(recipe)
        raise DataError("seen.")

    monkeypatch.setattr("textlstm.text.protocol.load_recipe_data", stop)
    monkeypatch.setattr(cli_progress, "available_threads", lambda: 2)
    return found


@pytest.mark.parametrize("option", OPTION_KEYS)
def test_every_option_sets_its_recipe_key_and_nothing_else(option, seen, tmp_path):
    word, value = VALUES[option]
    assert fail(2, "train", "data", "--out", tmp_path / "m") == "seen."
    fail(2, "train", "data", "--out", tmp_path / "m", f"--{option.replace('_', '-')}", word)
    plain, changed = (flatten(recipe.model_dump(mode="json")) for recipe in seen)
    also = {"training.min_updates"} if option == "epochs" else set()
    assert {key for key in plain if plain[key] != changed[key]} - also == {OPTION_KEYS[option]}
    assert changed[OPTION_KEYS[option]] == value


def test_options_that_may_be_repeated_add_up_and_set_wins(seen, tmp_path):
    words = ["--text-column", "a", "--text-column", "b", "--layers", "2", "--set", "model.num_layers=4"]
    fail(2, "train", "data", "--out", tmp_path / "m", *words, "--set", "model.layer_norm=true")
    assert seen[0].data.text_columns == ["a", "b"]
    assert (seen[0].model.num_layers, seen[0].model.layer_norm) == (4, True)


@pytest.mark.parametrize(
    ("word", "kind", "source"),
    [("bpe", "bpe", None), ("unigram", "unigram", None), ("some/where", "pretrained", "some/where")],
)
def test_a_tokenizer_is_a_kind_or_a_source(word, kind, source):
    part = recipe_for("data", {"tokenizer": word}, name="x").tokenizer
    assert (part.kind, part.source) == (kind, source)


def test_epochs_mean_at_most_that_many():
    recipe = recipe_for("data", {"epochs": 3}, name="x")
    assert (recipe.training.epochs, recipe.training.min_updates) == (3, 0)
    again = recipe_for("data", {"epochs": 3, "settings": ["training.min_updates=50"]}, name="x")
    assert again.training.min_updates == 50


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my model", "my-model"),
        ("_hidden", "hidden"),
        ("Modell für Oma", "Modell-f-r-Oma"),
        ("模型", "model"),
        ("v1.2", "v1.2"),
    ],
)
def test_a_run_is_named_after_its_folder_whatever_that_is_called(tmp_path, folder, name):
    assert run_name(tmp_path / folder) == name
    recipe_for("data", {}, name=run_name(tmp_path / folder))


# run


def test_run_shows_a_table_of_layers_by_sizes_and_leaves_a_folder_of_runs(finished):
    out, said = finished
    head = next(line for line in said.out.splitlines() if "20 labels" in line)
    assert head.index("layers") < head.index("20 labels") < head.index("all labels")
    rows = [line.split("│")[1].strip() for line in said.out.splitlines() if line.startswith("│")]
    assert [row for row in rows if row] == ["1", "2"]
    assert str(out) in said.out
    assert len(list(out.rglob("result.json"))) == 4
    assert {"summary.json", "results.parquet"} <= {path.name for path in out.iterdir()}
    assert [line.split(":")[0] for line in said.err.splitlines() if line.startswith("[")] == [
        "[1/4] layers=1 size=20 seed=0",
        "[2/4] layers=2 size=20 seed=0",
        "[3/4] layers=1 size=full seed=0",
        "[4/4] layers=2 size=full seed=0",
    ]


def test_running_again_keeps_the_cells_and_json_is_alone_on_stdout(folder, finished):
    before = {path: path.stat().st_mtime_ns for path in finished[0].rglob("result.json")}
    done = succeed("run", folder / "mine.yaml", "--out", finished[0], "--json")
    summary = json.loads(done.out)
    assert [(cell["layers"], cell["size"]) for cell in summary["cells"]] == [(1, 20), (2, 20), (1, "full"), (2, "full")]
    assert done.err.count("kept from before") == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    quiet = succeed("run", folder / "mine.yaml", "--out", finished[0], "--quiet")
    assert quiet.err == ""
    assert quiet.out == finished[1].out


def test_a_changed_recipe_or_changed_data_is_refused_and_nothing_is_touched(folder, finished, planted, tmp_path):
    arguments = ["run", folder / "mine.yaml", "--out", finished[0]]
    assert "training.epochs was 1, is 2" in fail(2, *arguments, "--set", "training.epochs=2")
    other = write_csv(tmp_path / "train.csv", *planted(60, 9))
    assert "data.source was" in fail(2, *arguments, "--set", f"data.source={other}")
    assert "layers=1/size=20/seed=0" in fail(2, *arguments, "--set", f"data.test={other}")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("grid.sizes=[20,5000]", "A subset of 5000 rows was asked for and the training split"),
        ("model.hidden_size=[8,8]", "at 1 layers, model.hidden_size"),
        ("data.label_column=nothing", "nothing"),
        ("data.source=nowhere.csv", "nowhere.csv"),
        ("modle.num_layers=1", "did you mean model?"),
        ("training.epochs=many", "training.epochs"),
        ("training.epochs", "--set takes KEY=VALUE"),
    ],
)
def test_what_cannot_run_is_said_before_the_first_cell(folder, tmp_path, setting, words):
    assert words in fail(2, "run", folder / "mine.yaml", "--out", tmp_path / "runs", "--set", setting)
    assert not list(tmp_path.rglob("result.json"))


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest():
    assert "did you mean quickstart?" in fail(2, "run", "quikstart")


def test_a_diverging_run_exits_with_1_and_names_its_step(folder, tmp_path):
    changes = ["--set", "training.learning_rate=1e38", "--set", "training.warmup=0"]
    said = fail(1, "run", folder / "mine.yaml", "--out", tmp_path / "runs", *changes)
    assert "at step " in said
    assert "lower training.learning_rate" in said


def test_a_damaged_cell_is_named(folder, finished, tmp_path):
    path = tmp_path / "layers=1" / "size=20" / "seed=0" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert str(path) in fail(2, "run", folder / "mine.yaml", "--out", tmp_path)


def test_ctrl_c_says_how_to_go_on_and_the_same_command_finishes(folder, finished, tmp_path, monkeypatch):
    def press(self, cell, run, finished_before):
        raise KeyboardInterrupt

    arguments = ["run", folder / "mine.yaml", "--out", tmp_path / "runs"]
    with monkeypatch.context() as patched:
        patched.setattr(cli_progress.GridProgress, "cell_done", press)
        done = invoke(*arguments)
    assert done.code == 1
    assert (
        f"Interrupted; what is finished is in {tmp_path / 'runs'}, and the same command goes on from there." in done.err
    )
    assert "Traceback" not in done.err
    again = succeed(*arguments)
    assert again.err.count("kept from before") == 1
    for path in finished[0].rglob("result.json"):
        whole, cut = read_run(path.parent), read_run(tmp_path / "runs" / path.parent.relative_to(finished[0]))
        assert (whole.metrics, whole.history) == (cut.metrics, cut.history)


def test_a_real_signal_ends_the_process_cleanly(folder, tmp_path):
    command = [sys.executable, "-c", "from textlstm.cli import main; main()"]
    arguments = ["run", folder / "mine.yaml", "--out", tmp_path / "runs", "--set", "training.epochs=400"]
    began = time.monotonic()
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("[1/4]"):
                break
            assert time.monotonic() - began < 60
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert "Interrupted; what is finished is in" in rest
    assert "Traceback" not in rest
    assert len(list(tmp_path.rglob("result.json"))) >= 1


def test_an_out_that_is_a_file_is_refused_at_once(folder, tmp_path):
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/below"):
        assert "is a file; name another" in fail(2, "run", folder / "mine.yaml", "--out", tmp_path / out)
        assert "is a file; name another" in fail(2, "train", folder / "train.csv", "--out", tmp_path / out)


def test_a_full_disk_is_one_sentence(folder, finished, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "summary.json")

    monkeypatch.setattr("textlstm.analysis.comparison.write_summary", full)
    said = fail(1, "run", folder / "mine.yaml", "--out", finished[0])
    assert "No space left on device" in said


def test_debug_shows_the_traceback(folder):
    with pytest.raises(RecipeError, match="quikstart"):
        invoke("run", "quikstart", "--debug")


# train, predict, evaluate, check


def test_train_says_what_it_did_and_leaves_model_and_run(model):
    path, said = model
    assert "validation (30 rows)" in said.out and "test (30 rows)" in said.out
    assert "accuracy" in said.out and "tokens/s" in said.out
    assert f"textlstm predict {path}" in said.out
    assert [line.split(",")[0] for line in said.err.splitlines() if line.startswith("epoch")] == ["epoch 1", "epoch 2"]
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "recipe.yaml",
        "result.json",
        "predictions.parquet",
    } <= {file.name for file in path.iterdir()}
    assert not (path / "checkpoints").exists()
    run = read_run(path)
    assert run.history[-1].epoch == 2
    assert load_recipe(path / "recipe.yaml").fingerprint() == run.fingerprint
    AutoTokenizer.from_pretrained(path)


def test_train_refuses_a_finished_folder(model, folder):
    before = {file: file.stat().st_mtime_ns for file in model[0].iterdir()}
    assert "holds a finished model already" in fail(2, "train", folder / "train.csv", "--out", model[0])
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_train_goes_on_after_ctrl_c_and_refuses_to_mix_runs(folder, tmp_path, monkeypatch):
    out = tmp_path / "model"
    arguments = ["train", folder / "train.csv", "--out", out, *TINY]
    update = cli_progress.TrainProgress.update

    def press(self, report):
        update(self, report)
        if report.step == 10:
            raise KeyboardInterrupt

    whole = json.loads(succeed(*arguments[:3], tmp_path / "whole", *TINY, "--json").out)
    with monkeypatch.context() as patched:
        patched.setattr(cli_progress.TrainProgress, "update", press)
        ticks = iter(range(0, 10**9, 1000))
        patched.setattr("textlstm.training.progress.time.monotonic", lambda: next(ticks))
        done = invoke(*arguments)
    assert done.code == 1
    assert f"goes on from the last checkpoint in {out}" in done.err
    assert list((out / "checkpoints").glob("checkpoint-*"))
    assert "training.learning_rate was 0.02, is 0.5" in fail(2, *arguments, "--set", "training.learning_rate=0.5")
    again = json.loads(succeed(*arguments, "--json").out)
    assert (again["metrics"], again["history"]) == (whole["metrics"], whole["history"])
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label-column", "lable"], "lable"),
        (["--text-column", "body"], "body"),
        (["--set", "traning.epochs=3"], "did you mean training?"),
        (["--pooling", "maximum"], "model.pooling"),
        (["--hidden", "0"], "hidden_size"),
        (["--device", "tpu"], "device"),
        (["--tokenizer", "/no/such/tokenizer"], "/no/such/tokenizer"),
        (["--set", "trackers=[tensorboard]"], "tensorboard"),
        (["--validation", "absent.csv"], "absent.csv"),
        (["--encoding", "utf-99"], "utf-99"),
    ],
)
def test_train_refuses_what_is_wrong(folder, tmp_path, arguments, words, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", _none_for_trackers())
    assert words in fail(2, "train", folder / "train.csv", "--out", tmp_path / "m", *TINY, *arguments)


def _none_for_trackers():
    import importlib.util

    find = importlib.util.find_spec
    return lambda name, package=None: None if name.startswith("tensorboard") else find(name, package)


def test_data_of_one_class_is_refused(tmp_path, planted):
    texts, _ = planted(20, 0)
    said = fail(2, "train", write_csv(tmp_path / "one.csv", texts, ["same"] * 20), "--out", tmp_path / "m")
    assert "'same'" in said


def rows_of(path):
    return pa.Table.from_batches(list(read_batches(path))).to_pylist()


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "arrow"])
def test_predict_writes_every_kind_and_reads_it_back(model, folder, tmp_path, kind):
    source = tmp_path / "in.csv"
    texts = [row["text"] for row in rows_of(folder / "test.csv")]
    write_csv(source, texts, range(len(texts)), label="number")
    first, second = tmp_path / f"out.{kind}", tmp_path / f"again.{kind}"
    done = succeed("predict", model[0], source, "-o", first, "--probabilities")
    assert done.out == ""
    assert f"30 rows written to {first}" in done.err
    succeed("predict", model[0], first, "-o", second, "--prefix", "second_", "--quiet")
    rows = rows_of(second)
    assert [row["text"] for row in rows] == texts
    assert [int(row["number"]) for row in rows] == list(range(30))
    assert all(row["label"] == row["second_label"] in ("neg", "pos") for row in rows)
    assert all(float(row["score"]) == pytest.approx(float(row["second_score"]), abs=1e-6) for row in rows)


def test_predict_takes_single_texts_lines_and_stdin_alike(model, folder, tmp_path):
    texts = ["a good film", "it was bad", "the plot"]
    by_input = succeed("predict", model[0], *[word for text in texts for word in ("--input", text)])
    by_stdin = succeed("predict", model[0], stdin="\n".join(texts) + "\n")
    by_dash = succeed("predict", model[0], "-", stdin="\r\n".join(texts) + "\r\n")
    assert by_input.out == by_stdin.out == by_dash.out
    assert len(by_input.out.splitlines()) == 3
    shown = [
        json.loads(line)
        for line in succeed("predict", model[0], "--json", "--probabilities", stdin="\n".join(texts)).out.splitlines()
    ]
    assert [row["text"] for row in shown] == texts
    assert [row["labels"][0] for row in shown] == [line.split("\t")[0] for line in by_input.out.splitlines()]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-6) for row in shown)
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n")
    counts = json.loads(succeed("predict", model[0], tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", "--json").out)
    assert counts == {"rows": 3, "unlabeled": 0, "truncated": 0, "output": str(tmp_path / "out.jsonl")}
    assert succeed("predict", model[0], stdin="").out == ""


def test_predict_overwrites_only_when_told(model, folder, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert "nothing is overwritten" in fail(2, "predict", model[0], folder / "validation.csv", "-o", out)
    assert out.read_text() == "mine"
    said = fail(2, "predict", model[0], folder / "validation.csv", "-o", out, "--overwrite")
    assert "already has a column 'label'" in said
    succeed("predict", model[0], folder / "validation.csv", "-o", out, "--overwrite", "--prefix", "p_")
    assert len(rows_of(out)) == 30


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["test.csv"], "needs a file to write"),
        (["test.csv", "--input", "x"], "takes either INPUT or --input"),
        (["absent.csv", "-o", "out.csv"], "absent.csv"),
        (["test.csv", "-o", "out.docx"], "out.docx"),
        (["test.csv", "-o", "out.csv", "--prefix", "p_", "--text-column", "body"], "body"),
    ],
)
def test_predict_refuses_what_is_wrong(model, folder, tmp_path, arguments, words, monkeypatch):
    (tmp_path / "test.csv").write_bytes((folder / "test.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert words in fail(2, "predict", model[0], *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["test.csv"]


@pytest.mark.parametrize("command", [["predict", "--input", "x"], ["evaluate", "train.csv"]])
def test_a_model_that_is_none_is_said(folder, tmp_path, command):
    rest = [str(folder / word) if word.endswith(".csv") else word for word in command[1:]]
    assert "does not exist" in fail(2, command[0], tmp_path / "absent", *rest)
    assert "lacks config.json" in fail(2, command[0], tmp_path, *rest)


def test_evaluate_scores_as_training_did(model, folder):
    metrics = json.loads(succeed("evaluate", model[0], folder / "test.csv", "--json").out)
    stored = read_run(model[0]).metrics["test"]
    assert metrics["accuracy"] == stored.accuracy.model_dump()
    assert metrics["rows"] == 30
    text = succeed("evaluate", model[0], folder / "test.csv").out
    assert "30 rows" in text and "macro-F1" in text and "95 % interval" in text
    assert "--split dev was asked for" in fail(2, "evaluate", model[0], folder / "test.csv", "--split", "dev")
    both = succeed("evaluate", model[0], folder, "--split", "validation", "--json")
    assert json.loads(both.out)["rows"] == 30


def test_labels_that_the_model_does_not_know_are_said(model, planted, tmp_path):
    texts, labels = planted(10, 0)
    path = write_csv(tmp_path / "x.csv", texts, [*labels[:-1], "other"])
    assert "unknown label" in fail(2, "evaluate", model[0], path)
    metrics = json.loads(succeed("evaluate", model[0], path, "--on-bad-rows", "drop", "--json").out)
    assert metrics["rows"] == 9


def test_check_reports_in_words_and_in_json(folder):
    report = json.loads(succeed("check", folder / "train.csv", "--json", "--max-length", "5").out)
    assert report
    text = succeed("check", folder, "--max-length", "5")
    assert "60" in text.out and "neg" in text.out
    assert "absent.csv" in fail(2, "check", folder / "absent.csv")


def test_other_columns_and_kinds_of_files_train_too(planted, tmp_path):
    texts, labels = planted(60, 0)
    pq.write_table(pa.table({"sentence": texts, "category": labels}), tmp_path / "data.parquet")
    done = succeed("train", tmp_path / "data.parquet", "--out", tmp_path / "a", *TINY, "--json")
    out = json.loads(done.out)
    assert [line.split(",")[0] for line in done.err.splitlines() if line.startswith("epoch")] == ["epoch 1", "epoch 2"]
    assert out["data"]["label_names"] == ["neg", "pos"]
    assert out["data"]["rows"] == {"train": 60}


# recipes


def test_recipes_are_listed_in_words_and_in_json():
    text = succeed("recipes", "list").out
    found = json.loads(succeed("recipes", "list", "--json").out)
    assert set(found) == set(shipped_recipes())
    assert [line.split()[0] for line in text.splitlines()] == list(found)
    assert all(found.values())


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_shown_as_written_in_full_and_are_valid(name):
    assert succeed("recipes", "show", name).out == shipped_recipes()[name].read_text()
    full = yaml.safe_load(succeed("recipes", "show", name, "--full").out)
    assert full == load_recipe(name).model_dump(mode="json")
    changed = yaml.safe_load(succeed("recipes", "show", name, "--set", "model.num_layers=3").out)
    assert changed["model"]["num_layers"] == 3
    assert f"{name} is valid: " in succeed("recipes", "validate", name).out


def test_validate_finds_what_only_some_cells_would_trip_over(folder):
    said = fail(2, "recipes", "validate", folder / "mine.yaml", "--set", "model.hidden_size=[8,8]")
    assert "at 1 layers, model.hidden_size" in said
    assert "at 2 layers" not in said


def test_a_recipe_is_copied_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = succeed("recipes", "copy", "quickstart").out
    assert "textlstm run quickstart.yaml" in said
    assert load_recipe(tmp_path / "quickstart.yaml") == load_recipe("quickstart")
    (tmp_path / "quickstart.yaml").write_text("mine")
    assert "nothing is overwritten" in fail(2, "recipes", "copy", "quickstart")
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"
    (tmp_path / "sub").mkdir()
    succeed("recipes", "copy", "quickstart", tmp_path / "sub")
    assert (tmp_path / "sub" / "quickstart.yaml").exists()
    assert "cannot be written" in fail(2, "recipes", "copy", "quickstart", tmp_path / "no" / "where.yaml")
    assert "did you mean quickstart?" in fail(2, "recipes", "copy", "quickstrat")
