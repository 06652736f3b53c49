"""The command line as a user meets it: help, usage, errors in one sentence, and the commands train and check."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer
from typer.testing import CliRunner

from textlstm import cli, cli_progress
from textlstm.recipe_files import load_recipe
from textlstm.results import read_run

COMMANDS = ["run", "train", "evaluate", "predict", "check", "recipes"]


@pytest.mark.parametrize(
    "command",
    [[], *[[name] for name in COMMANDS], *[["recipes", name] for name in ("list", "show", "copy", "validate")]],
    ids=" ".join,
)
def test_every_command_has_help_that_describes_every_option(command, succeed):
    text = succeed(*command, "--help").out
    assert text.startswith("Usage: textlstm")  # however it was started
    lines = text.partition("\nOptions:\n")[2].splitlines()
    assert any("--help" in line for line in lines)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("  -") and len(line.split("  ")) < 3:  # a long option has its words on the next line
            assert following.startswith("   "), line


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["train", "--help"], {"torch", "transformers", "datasets", "numpy", "pyarrow"}),
        # The first help reads names from a table: no command, no recipe, no pydantic.
        (["--help"], {"numpy", "pydantic", "yaml", "textlstm.recipe", "textlstm.cli_options", "textlstm.cli_train"}),
    ],
)
def test_help_needs_no_heavy_import(arguments, heavy):
    code = f"import sys\nfrom textlstm.cli import main\nsys.argv = ['textlstm', *{arguments}]\ntry:\n    main()\n"
    code += f"except SystemExit:\n    print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_first_help_is_that_of_the_whole_command_line():
    """The one is made from a table, the other from the commands."""
    lines = cli._list_of_commands(), cli.app
    first, whole = (CliRunner().invoke(line, ["--help"]).output for line in lines)
    assert first == whole


@pytest.mark.parametrize(
    ("words", "place"), [(["inspect", "\ud83d", "data.csv"], 2), (["train", "data.csv", "--out", "a\ud800"], 4)]
)
def test_half_a_character_among_the_words_is_one_sentence(words, place, monkeypatch, capsys):
    """A shell cannot pass it, a program can; bytes that are no UTF-8 come as other halves, and are paths like any."""
    monkeypatch.setattr(sys, "argv", ["textlstm", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"textlstm: Word {place} after textlstm, ")


def test_the_version_is_printed(succeed):
    from importlib.metadata import version

    assert succeed("--version").out.strip() == version("textlstm")


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["run"], ["run", "quickstart", "--nonsense"], ["train", "x"], ["train", "x", "--layers", "a"]],
)
def test_wrong_usage_exits_with_2(arguments, invoke):
    done = invoke(*arguments)
    assert done.code == 2
    assert "Usage:" in done.err
    assert done.out == ""


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


def test_train_refuses_a_finished_folder(model, folder, fail):
    before = {file: file.stat().st_mtime_ns for file in model[0].iterdir()}
    assert "holds a finished model already" in fail(2, "train", folder / "train.csv", "--out", model[0])
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_train_goes_on_after_ctrl_c_and_refuses_to_mix_runs(
    folder, tmp_path, monkeypatch, invoke, succeed, fail, tiny_options
):
    out = tmp_path / "model"
    arguments = ["train", folder / "train.csv", "--out", out, *tiny_options]
    update = cli_progress.TrainProgress.update

    def press(self, report):
        update(self, report)
        if report.step == 10:
            raise KeyboardInterrupt

    whole = json.loads(succeed(*arguments[:3], tmp_path / "whole", *tiny_options, "--json").out)
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
        (["--set", "trackers=[tensorboard]"], "tensorboard"),
        (["--validation", "absent.csv"], "absent.csv"),
        (["--encoding", "utf-99"], "utf-99"),
    ],
)
def test_train_refuses_what_is_wrong(folder, tmp_path, arguments, words, monkeypatch, fail, tiny_options):
    monkeypatch.setattr("importlib.util.find_spec", _none_for_trackers())
    assert words in fail(2, "train", folder / "train.csv", "--out", tmp_path / "m", *tiny_options, *arguments)


def _none_for_trackers():
    import importlib.util

    find = importlib.util.find_spec
    return lambda name, package=None: None if name.startswith("tensorboard") else find(name, package)


def test_a_tokenizer_that_is_not_there_is_named(folder, tmp_path, fail):
    arguments = ["--out", tmp_path / "m", "--epochs", "1", "--tokenizer", "/no/such/tokenizer"]
    assert "/no/such/tokenizer" in fail(2, "train", folder / "train.csv", *arguments)


def test_data_of_one_class_is_refused(tmp_path, planted, fail, write_csv):
    texts, _ = planted(20, 0)
    said = fail(2, "train", write_csv(tmp_path / "one.csv", texts, ["same"] * 20), "--out", tmp_path / "m")
    assert "'same'" in said


def test_check_reports_in_words_and_in_json(folder, succeed, fail):
    report = json.loads(succeed("check", folder / "train.csv", "--json", "--max-length", "5").out)
    assert report
    text = succeed("check", folder, "--max-length", "5")
    assert "60" in text.out and "neg" in text.out
    assert "absent.csv" in fail(2, "check", folder / "absent.csv")


def test_check_looks_for_the_texts_in_other_data(planted, tmp_path, succeed, write_csv):
    texts, labels = planted(30, 0)
    others = planted(30, 1)
    clean = write_csv(tmp_path / "clean.csv", [f"other {row}" for row in range(30)], labels)
    ours = write_csv(tmp_path / "ours.csv", texts, labels)
    theirs = write_csv(tmp_path / "theirs.csv", [texts[4].upper() + " !", *others[0][1:]], others[1])
    report = json.loads(succeed("check", ours, "--against", theirs, "--against", clean, "--json").out)
    assert [(line["other"], line["count"]) for line in report["against"]] == [(str(theirs), 1), (str(clean), 0)]
    assert f"also in {theirs}, train" in succeed("check", ours, "--against", theirs).out


def test_other_columns_and_kinds_of_files_train_too(planted, tmp_path, succeed, tiny_options):
    texts, labels = planted(60, 0)
    pq.write_table(pa.table({"sentence": texts, "category": labels}), tmp_path / "data.parquet")
    done = succeed("train", tmp_path / "data.parquet", "--out", tmp_path / "a", *tiny_options, "--json")
    out = json.loads(done.out)
    assert [line.split(",")[0] for line in done.err.splitlines() if line.startswith("epoch")] == ["epoch 1", "epoch 2"]
    assert out["data"]["label_names"] == ["neg", "pos"]
    assert out["data"]["rows"] == {"train": 60}
