"""The command distill: three rows that add up, a folder that serves, and errors before anything is trained."""

import json
import shutil

import pytest

from textlstm.cli_options import TEACHER_KEYS, recipe_for
from textlstm.errors import RecipeError
from textlstm.results import read_run


@pytest.fixture(scope="module")
def lesson(folder, model, succeed, tiny_options, tmp_path_factory):
    out = tmp_path_factory.mktemp("lesson") / "student"
    (folder / "more.txt").write_text("a good film\na bad plot of it\ngood good story\n")
    given = ["--validation", folder / "validation.csv", "--test", folder / "test.csv"]
    command = ["distill", folder / "train.csv", "--teacher", model[0], "--out", out, *given, *tiny_options]
    command += ["--unlabelled", folder / "more.txt", "--set", "augmentation.copies=2", "--quiet"]
    return out, command, succeed(*command)


def test_three_rows_are_shown_with_what_parts_them(lesson):
    out, _, done = lesson
    lines = [line for line in done.out.splitlines() if line.startswith(("student", "teacher"))]
    assert [line[:15].strip() for line in lines] == ["student alone", "student taught", "teacher"]
    assert "test (30 rows)" in done.out
    assert "Taught minus alone:" in done.out and "times as fast as its teacher" in done.out
    kept = json.loads((out / "lesson.json").read_text())
    alone, taught, teacher = kept["pupils"]
    right = [round(30 * pupil["metrics"]["accuracy"]["value"]) for pupil in kept["pupils"]]
    assert kept["gain"]["value"] == pytest.approx((right[1] - right[0]) / 30)
    assert kept["gap"]["value"] == pytest.approx((right[2] - right[1]) / 30)
    assert teacher["updates"] is None and alone["updates"] == read_run(out / "alone").history[-1].step
    assert taught["parameters"] == read_run(out).cost.parameters
    assert all(pupil["texts_per_second"] > 0 and pupil["disk_mb"] > 0 for pupil in kept["pupils"])
    assert any("3 texts without labels" in note for note in kept["notes"])


def test_the_student_alone_differs_in_the_teacher_alone(lesson):
    out = lesson[0]
    alone, taught = read_run(out / "alone").settings, read_run(out).settings
    assert alone.pop("distillation")["teacher"] is None
    assert taught.pop("distillation")["teacher"] is not None
    assert alone == taught


def test_the_taught_model_predicts(lesson, succeed):
    label, score = succeed("predict", lesson[0], "--input", "a good film").out.split()
    assert label in ("neg", "pos") and 0.5 <= float(score) <= 1


def test_a_finished_lesson_is_kept_and_a_cut_off_one_goes_on(lesson, fail, succeed, tmp_path):
    out, command, _ = lesson
    assert "holds a finished lesson" in fail(2, *command)
    half = tmp_path / "half"
    shutil.copytree(out, half)
    for name in ("lesson.json", "result.json"):
        (half / name).unlink()
    before = {path: path.stat().st_mtime_ns for path in (half / "alone" / "result.json", half / "teacher.json")}
    again = [half if part == out else part for part in command]
    shown = json.loads(succeed(*again, "--json").out)
    kept = json.loads((out / "lesson.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in before} == before  # read, not scored again
    assert [pupil["metrics"] for pupil in shown["pupils"]] == [pupil["metrics"] for pupil in kept["pupils"]]
    (half / "lesson.json").unlink()
    assert "other settings or data (" in fail(2, *again, "--layers", "2")
    written = json.loads((half / "result.json").read_text())
    for changes, words in (
        (
            {"teachers": ["0" * 16]},
            f"another teacher: {written['settings']['distillation']['teacher'][0]} had the content",
        ),
        (
            {"teachers": [], "teacher": "0" * 16},
            "another teacher, other files beside it, or other texts without labels",
        ),  # of a former version
    ):
        other = {**written, "data": {**written["data"], **changes}}
        (half / "result.json").write_text(json.dumps(other))
        assert f"holds a finished model that learned from {words}" in " ".join(fail(2, *again).split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give --teacher MODEL"),
        (["--teacher", "/nowhere/at/all"], "is neither"),
        (["--teacher", "x", "--teacher-labels", "neg"], "pairs such as LABEL_0=negative"),
        (["--teacher", "x", "--set", "distillation.loss=mse", "--set", "distillation.temperature=4"], "no effect"),
    ],
)
def test_what_cannot_be_taught_is_said_first(folder, fail, tmp_path, options, words):
    assert words in fail(2, "distill", folder / "train.csv", "--out", tmp_path / "out", "--quiet", *options)
    assert not (tmp_path / "out").exists()


def test_labels_of_a_teacher_that_do_not_match_are_asked_for(folder, model, fail, tmp_path):
    words = ["--teacher", model[0], "--teacher-labels", "neg=good,pos=bad", "--quiet"]
    assert "names bad, good" in fail(2, "distill", folder / "train.csv", "--out", tmp_path / "out", *words)


def test_each_option_sets_its_key():
    given = {"teacher": ["a", "b"], "teacher_labels": "L0=neg, L1 = pos", "unlabeled": "more.txt"}
    assert set(given) == set(TEACHER_KEYS)
    part = recipe_for("data", given, name="x").distillation
    assert (part.teacher, part.labels, part.unlabeled) == (["a", "b"], {"L0": "neg", "L1": "pos"}, "more.txt")
    with pytest.raises(RecipeError, match="pairs"):
        recipe_for("data", {"teacher_labels": "a=,b"}, name="x")
