"""The command `run`: its table, its folder, going on after an interruption, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from textlstm import cli_progress
from textlstm.cli_grid import repeatable_command
from textlstm.errors import RecipeError
from textlstm.results import read_run


def test_run_shows_a_table_of_layers_by_sizes_and_leaves_a_folder_of_runs(finished):
    out, said = finished
    head = next(line for line in said.out.splitlines() if "20 labels" in line)
    assert head.index("layers") < head.index("20 labels") < head.index("all labels")
    rows = [line.split("│")[1].strip() for line in said.out.splitlines() if line.startswith("│")]
    assert [row for row in rows if row] == ["1 x 8", "2 x 8"]
    assert str(out) in said.out
    assert len(list(out.rglob("result.json"))) == 4
    left = {"plan.json", "summary.json", "results.parquet", "results.csv", "report.html", "report.md", "cost.json"}
    assert left <= {path.name for path in out.iterdir()}
    assert [line.split(":")[0] for line in said.err.splitlines() if line.startswith("[")] == [
        "[1/4] layers=1/size=20/seed=0",
        "[2/4] layers=2/size=20/seed=0",
        "[3/4] layers=1/size=full/seed=0",
        "[4/4] layers=2/size=full/seed=0",
    ]


def test_running_again_keeps_the_cells_and_json_is_alone_on_stdout(folder, finished, succeed):
    before = {path: path.stat().st_mtime_ns for path in finished[0].rglob("result.json")}
    done = succeed("run", folder / "mine.yaml", "--out", finished[0], "--json")
    summary = json.loads(done.out)
    assert [(cell["layers"], cell["size"]) for cell in summary["cells"]] == [(1, 20), (2, 20), (1, "full"), (2, "full")]
    assert done.err.count("kept from before") == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    quiet = succeed("run", folder / "mine.yaml", "--out", finished[0], "--quiet")
    assert quiet.err == ""
    assert quiet.out == finished[1].out


def test_a_changed_recipe_or_changed_data_is_refused_and_nothing_is_touched(
    folder, finished, planted, tmp_path, fail, write_csv
):
    arguments = ["run", folder / "mine.yaml", "--out", finished[0]]
    before = {path: path.stat().st_mtime_ns for path in finished[0].rglob("*")}
    assert "training.epochs was 1, is 2" in fail(2, *arguments, "--set", "training.epochs=2")
    other = write_csv(tmp_path / "train.csv", *planted(60, 9))
    assert "data.source was" in fail(2, *arguments, "--set", f"data.source={other}")
    assert "layers=1/size=20/seed=0" in fail(2, *arguments, "--set", f"data.test={other}")
    assert {path: path.stat().st_mtime_ns for path in finished[0].rglob("*")} == before


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
def test_what_cannot_run_is_said_before_the_first_cell(folder, tmp_path, setting, words, fail):
    assert words in fail(2, "run", folder / "mine.yaml", "--out", tmp_path / "runs", "--set", setting)
    assert not list(tmp_path.rglob("result.json"))


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest(fail):
    assert "did you mean quickstart?" in fail(2, "run", "quikstart")


def test_a_diverging_run_exits_with_1_and_names_its_step(folder, tmp_path, fail):
    changes = ["--set", "training.learning_rate=1e38", "--set", "training.warmup=0"]
    said = fail(1, "run", folder / "mine.yaml", "--out", tmp_path / "runs", "--workers", "0", *changes)
    assert "All 4 runs failed; the first: " in said
    assert "at step " in said
    assert "lower training.learning_rate" in said


def test_a_damaged_cell_is_named(folder, finished, tmp_path, fail):
    path = tmp_path / "layers=1" / "size=20" / "seed=0" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert str(path) in fail(2, "run", folder / "mine.yaml", "--out", tmp_path)


def test_ctrl_c_says_how_to_go_on_and_the_same_command_finishes(
    folder, finished, tmp_path, monkeypatch, invoke, succeed
):
    def press(self, cell, run, finished_before):
        raise KeyboardInterrupt

    arguments = ["run", folder / "mine.yaml", "--out", tmp_path / "runs", "--workers", "0"]
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


@pytest.mark.slow
def test_a_real_signal_ends_the_process_cleanly(folder, tmp_path):
    command = [sys.executable, "-c", "from textlstm.cli import main; main()"]
    settings = ["--workers", "2", "--set", "training.epochs=25"]
    arguments = ["run", folder / "mine.yaml", "--out", tmp_path / "runs", *settings]
    began = time.monotonic()
    # A terminal sends Ctrl-C to the whole group, so the workers get it too.
    popen = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([*command, *arguments], **popen) as process:
        for line in process.stderr:
            if line.startswith("[1/4]"):
                break
            assert time.monotonic() - began < 300
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert "Interrupted; what is finished is in" in rest
    assert "Traceback" not in rest
    assert len(list(tmp_path.rglob("result.json"))) >= 1


def test_an_out_that_is_a_file_is_refused_at_once(folder, tmp_path, fail):
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/below"):
        assert "is a file; name another" in fail(2, "run", folder / "mine.yaml", "--out", tmp_path / out)
        assert "is a file; name another" in fail(2, "train", folder / "train.csv", "--out", tmp_path / out)


def test_a_full_disk_is_one_sentence(folder, finished, monkeypatch, fail):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "summary.json")

    monkeypatch.setattr("textlstm.analysis.comparison.write_results", full)
    said = fail(1, "run", folder / "mine.yaml", "--out", finished[0])
    assert "No space left on device" in said


def test_a_failed_cell_is_told_and_the_others_are_reported(folder, tmp_path, invoke, monkeypatch):
    from textlstm.experiment.cells import TrainCell

    train = TrainCell.__call__

    def fail_once_deep(self, cell, into):
        if cell.layers == 2 and cell.size == 20:
            raise MemoryError
        return train(self, cell, into)

    monkeypatch.setattr(TrainCell, "__call__", fail_once_deep)
    done = invoke("run", folder / "mine.yaml", "--out", tmp_path, "--workers", "0")
    assert done.code == 1
    assert "1 run failed; textlstm status" in done.err
    assert "2 x 8" in done.out
    assert "memory" in (tmp_path / "report.md").read_text()
    monkeypatch.undo()
    assert invoke("run", folder / "mine.yaml", "--out", tmp_path, "--workers", "0").code == 0
    assert not list(tmp_path.rglob("failure.json"))


def test_a_dry_run_counts_and_writes_nothing(folder, tmp_path, succeed):
    said = succeed("run", folder / "mine.yaml", "--out", tmp_path / "runs", "--dry-run").out
    assert "4 cells" in said
    plan = json.loads(succeed("run", folder / "mine.yaml", "--out", tmp_path / "runs", "--dry-run", "--json").out)
    assert (plan["runs"], plan["finished"]) == (4, 0)
    assert [(row["layers"], row["cells"]) for row in plan["rows"]] == [(n, {"20": 1, "full": 1}) for n in (1, 2)]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["run", "sst2", "--out", "runs/x", "--workers", "2", "--quiet"], "textlstm run sst2"),
        (["run", "/home/me/mine.yaml", "--set", "grid.seeds=5", "--json"], "textlstm run mine.yaml --set grid.seeds=5"),
        (["compare", "my data.csv", "--out=x", "--layers", "1-3"], "textlstm compare 'my data.csv' --layers 1-3"),
    ],
)
def test_the_command_that_repeats_a_grid_names_no_place(given, kept):
    assert repeatable_command(given) == kept


def test_debug_shows_the_traceback(folder, invoke):
    with pytest.raises(RecipeError, match="quikstart"):
        invoke("run", "quikstart", "--debug")
