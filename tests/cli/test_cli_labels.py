"""Labels as people have them: what `check` says of each odd kind, and that `train` learns them or says why not."""

import json

import pytest

FEW = 12


def rows_of(labels, texts=None):
    return [(f"film {row} is {label}", label) for row, label in enumerate(labels)]


PAIR = ["neg", "pos"] * FEW
CASES = {
    "one class": (["pos"] * FEW, 2, "has only the label 'pos'; a classifier needs two classes or more"),
    "no label": ([""] * FEW, 2, "no label"),
    "one example a class": ([f"c{n}" for n in range(5)], 0, "5 classes have fewer than 10 training rows"),
    "as many classes as rows": ([f"c{n}" for n in range(60)], 2, "so it does not hold classes"),
    "10,000 classes": ([f"c{n:05d}" for n in range(10_000)] * 3, 0, "10000 classes have fewer than 10 training rows"),
    "numbers": (["2", "10", "1"] * FEW, 0, None),
    "numbers with zeros before": (["01", "1", "02"] * FEW, 0, None),
    "numbers with a point": (["1.0", "2.0"] * FEW, 0, None),
    "blanks around": ([" pos", "pos ", "neg"] * FEW, 0, "blanks around 24 labels were removed"),
    "twins in case": (["Pos", "pos", "neg"] * FEW, 0, "'Pos', 'pos' differ only in spelling"),
    "twins in width": (["ｐｏｓ", "pos", "neg"] * FEW, 0, "differ only in spelling"),
    "a blank inside": (["very good", "very  good", "bad"] * FEW, 0, "differ only in spelling"),
    "words of nothing": (["NA", "null", "None", "nan"] * FEW, 0, None),
    "a line end inside": (["two\nlines", "one"] * FEW, 0, None),
    "controls": (["\x1b[31mred", "plain"] * FEW, 0, None),
    "right to left": (["שלילי", "חיובי"] * FEW, 0, None),
}
ORDER = {
    "numbers": ["1", "2", "10"],
    "numbers with zeros before": ["01", "1", "02"],
    "numbers with a point": ["1.0", "2.0"],
    "blanks around": ["neg", "pos"],
    "words of nothing": ["NA", "nan", "None", "null"],
    "right to left": ["חיובי", "שלילי"],
}


@pytest.mark.parametrize("name", CASES)
def test_check_says_what_is_odd_about_labels(tmp_path, write_csv, invoke, name):
    labels, code, words = CASES[name]
    path = write_csv(tmp_path / "data.csv", [text for text, _ in rows_of(labels)], labels)
    done = invoke("check", path)
    assert done.code == code, done.err
    said = done.err if code else done.out
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert words is None or words in said.replace("10,000", "10000")
    if code == 0:
        assert len(done.out.splitlines()) < 120  # ten thousand classes are not ten thousand lines
        found = json.loads(invoke("check", path, "--json").out)["label_names"]
        assert name not in ORDER or found == ORDER[name]


@pytest.mark.parametrize("name", ["one class", "no label", "as many classes as rows"])
def test_train_refuses_what_check_refuses(tmp_path, write_csv, fail, tiny_options, name):
    labels, _, words = CASES[name]
    path = write_csv(tmp_path / "data.csv", [text for text, _ in rows_of(labels)], labels)
    assert words in fail(2, "train", path, "--out", tmp_path / "model", *tiny_options)
    assert not (tmp_path / "model" / "result.json").exists()


LEARNED = ["one example a class", "numbers with zeros before", "blanks around", "twins in case", "words of nothing"]


@pytest.mark.parametrize("name", [*LEARNED, "a line end inside", "controls", "right to left"])
def test_train_learns_what_check_only_warns_of(tmp_path, write_csv, succeed, tiny_options, name):
    labels = CASES[name][0]
    path = write_csv(tmp_path / "data.csv", [text for text, _ in rows_of(labels)], labels)
    done = succeed("train", path, "--out", tmp_path / "model", *tiny_options)
    assert "\x1b" not in done.out
    names = json.loads((tmp_path / "model" / "config.json").read_text())["id2label"].values()
    assert sorted(names) == sorted({label.strip() for label in labels})


@pytest.mark.parametrize("classes", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_classes_are_learned_and_predicted(tmp_path, write_csv, succeed, tiny_options, classes):
    """Two texts a class: the model has an output for each, and prints no line for each."""
    labels = [f"c{n:05d}" for n in range(classes)] * 2
    path = write_csv(tmp_path / "data.csv", [f"film {label}" for label in labels], labels)
    few = ["--epochs", "1", "--batch-size", "2000", "--hidden", "4", "--set", "training.min_updates=0"]
    done = succeed("train", path, "--out", tmp_path / "model", *tiny_options, *few)
    assert len(done.out.splitlines()) < 120
    assert len(json.loads((tmp_path / "model" / "config.json").read_text())["id2label"]) == classes
    answers = json.loads(succeed("predict", tmp_path / "model", "--input", "film c00007", "--json").out)
    assert set(json.dumps(answers).split('"')) & set(labels)


def test_a_label_that_training_does_not_know(tmp_path, write_csv, fail, succeed, tiny_options):
    """A new label in the test split is named with the known ones; dropped rows are counted."""
    train = write_csv(tmp_path / "train.csv", [text for text, _ in rows_of(PAIR)], PAIR)
    test = write_csv(tmp_path / "test.csv", ["a film", "another", "third"], ["pos", "neutral", "neg"])
    for command in (["check", train], ["train", train, "--out", tmp_path / "model", *tiny_options]):
        said = fail(2, *command, "--test", test)
        assert "1 row has an unknown label: test.csv row 2 (line 3). The known labels are neg, pos" in said
    done = succeed("check", train, "--test", test, "--on-bad-rows", "drop")
    assert "dropped 1 row with an unknown label (row 2)" in done.out
