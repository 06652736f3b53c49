"""The model card: metadata that the Hub's own parser takes, every part that was promised, and words that stay words."""

import itertools
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import EvalResult

from textlstm.analysis.report_markdown import escape
from textlstm.analysis.summary import SUMMARY_FILE
from textlstm.errors import RunFolderError
from textlstm.recipe import Recipe, validate
from textlstm.release.bundle import find_comparison, write_bundle
from textlstm.release.card import CardContent, model_card
from textlstm.release.card_programs import fenced, training_command
from textlstm.release.card_tables import comparison_table, size_words
from textlstm.release.pictures import depth_figure, write_pictures
from textlstm.results import read_run

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
from fake_comparisons import rich


@pytest.fixture(scope="module")
def card(bundle):
    return (bundle.folder / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def metrics(bundle):
    return json.loads((bundle.folder / "metrics.json").read_text("utf-8"))


def test_the_hubs_parser_reads_the_metadata_offline(card):
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert (data.library_name, data.pipeline_tag, data.license) == ("transformers", "text-classification", "mit")
    assert {"textlstm", "lstm", "bilstm", "custom_code", "onnx"} <= set(data.tags)
    assert data.metrics == ["accuracy", "f1"]


def test_the_model_index_has_the_test_scores(card, metrics):
    data = ModelCard(card).data
    assert data.model_name == "tiny"
    assert all(isinstance(one, EvalResult) for one in data.eval_results)
    values = {one.metric_type: one.metric_value for one in data.eval_results}
    test = metrics["metrics"]["test"]
    assert values["accuracy"] == round(test["accuracy"]["value"], 4)
    assert values["f1"] == round(test["macro_f1"]["value"], 4)
    assert {one.dataset_split for one in data.eval_results} == {"test"}
    assert {one.task_type for one in data.eval_results} == {"text-classification"}


@pytest.mark.parametrize(
    "part",
    [
        "## Labels", "## How to use it", "trust_remote_code=True", "pipeline(", "InferenceSession", "Predictor.load(",
        "## Training data", "## Evaluation", "95 % interval", "### By class", "### Calibration",
        "charts/reliability.png",
        "## Size and speed", "model_quantized.onnx", "95th percentile", "## Limits", "## How it was made",
        "textlstm train", "## Citation", "@software",
    ],
)  # fmt: skip
def test_every_part_is_there(card, part):
    assert part in card.replace("\\_", "_")


def test_figures_data_and_pictures_are_those_of_the_run(card, bundle, metrics):
    assert metrics["data"]["fingerprint"] in card
    assert metrics["fingerprint"] in card
    for label in metrics["data"]["label_names"]:
        assert re.search(rf"^\| {label} \| [\d,]+ \|", card, re.MULTILINE), f"no row for {label}"
    for place in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", card):
        assert bundle.files[place] > 1000
    for name, size in bundle.files.items():
        if name.endswith((".safetensors", ".onnx")):
            assert f"| {size_words(size)} |" in card


def test_the_command_in_the_card_makes_the_same_recipe(bundle):
    """Its settings, read back by the command line's own way, have the fingerprint that the card names."""
    recipe = Recipe.model_validate(json.loads((bundle.folder / "metrics.json").read_text())["settings"])
    run = type("Run", (), {"settings": recipe.model_dump(mode="json")})()
    words = shlex.split(training_command(run))
    assert words[:2] == ["textlstm", "train"]
    settings = dict(one.split("=", 1) for flag, one in itertools.pairwise(words) if flag == "--set")
    base = validate({"name": recipe.name, "data": {"source": words[2]}}, origin="the command")
    again = base.override({key: json.loads(value) for key, value in settings.items()})
    assert again.fingerprint() == recipe.fingerprint()


def test_the_published_recipe_is_one(bundle):
    from textlstm.recipe_files import load_recipe

    assert load_recipe(bundle.folder / "recipe.yaml").data.source == "your-data"


def write_summary(comparison, folder):
    folder.mkdir()
    (folder / SUMMARY_FILE).write_text(comparison.model_dump_json(), "utf-8")


CONFIG = {
    "num_layers": 2,
    "hidden_size": 8,
    "embedding_size": 8,
    "bidirectional": True,
    "problem_type": "single_label_classification",
    "id2label": {"0": "<img src=x>", "1": "a|b\n# title", "2": "`code` [link](http://x)"},
}


def test_labels_with_markup_stay_words():
    card = model_card(CardContent(repo_id="someone/x", config=CONFIG, max_length=64))
    assert "<img" not in card
    assert "\n# title" not in card
    assert "[link](http" not in card
    assert ModelCard(card, ignore_metadata_errors=False).data.eval_results is None
    assert "No record of its training came along" in card


def test_a_program_cannot_leave_its_fence():
    block = fenced("print('```')\n````\nx", "python")
    assert block.startswith("`````python\n") and block.endswith("\n`````")


@pytest.mark.parametrize(("size", "words"), [(412, "412 B"), (71_200, "71.2 kB"), (2_470_000, "2.47 MB")])
def test_sizes_in_powers_of_ten(size, words):
    assert size_words(size) == words


def test_the_depth_comparison_is_shown_where_there_was_one(trained, metrics, tmp_path):
    """A comparison of the same data beside the model is found, of other data is not; card and chart show it."""
    comparison = rich(depths=(1, 2), seeds=3)
    run = read_run(trained)
    model = tmp_path / "model"
    shutil.copytree(trained, model)
    write_summary(comparison, tmp_path / "other-data")
    assert find_comparison(model, run) is None
    with pytest.raises(RunFolderError, match="fingerprint"):
        find_comparison(model, run, tmp_path / "other-data")
    write_summary(comparison.model_copy(update={"fingerprint": run.data.fingerprint}), tmp_path / "grid")
    found = find_comparison(model, run)
    assert found is not None
    assert find_comparison(model, run, tmp_path / "grid") == found
    figure = depth_figure(found)
    pictures = write_pictures([figure], tmp_path, depths=2)
    assert (tmp_path / pictures[figure.name]).read_bytes().startswith(b"\x89PNG")
    content = CardContent(
        repo_id="someone/x",
        config=CONFIG,
        max_length=64,
        comparison=found,
        figures={figure.name: figure},
        pictures=pictures,
    )
    text = model_card(content)
    assert "## Was the depth worth it?" in text
    assert f"]({pictures[figure.name]})" in text
    assert all(escape(sentence) in text for sentence in found.answer)
    for row in comparison_table(found).rows:
        cells = ("<br>".join(map(escape, filter(None, cell.split("\n")))) for cell in row)
        assert f"| {' | '.join(cells)} |" in text


def test_a_model_that_a_comparison_chose_is_published_with_it(trained, tmp_path):
    """The grid is named, as by --grid; its chart is a file of the bundle, and its answer and table are in the card."""
    comparison = rich(depths=(1, 2), seeds=3).model_copy(update={"fingerprint": read_run(trained).data.fingerprint})
    write_summary(comparison, tmp_path / "grid")
    options = {"repo_id": "someone/x", "grid": tmp_path / "grid", "onnx": False, "measure_speed": False}
    bundle = write_bundle(trained, tmp_path / "out", **options)
    text = (bundle.folder / "README.md").read_text("utf-8")
    charts = [name for name in bundle.files if name.startswith("charts/") and name != "charts/reliability.png"]
    assert len(charts) == 1
    assert f"]({charts[0]})" in text
    assert (bundle.folder / charts[0]).read_bytes().startswith(b"\x89PNG")
    assert all(escape(sentence) in text for sentence in comparison.answer)
    assert str(tmp_path) not in text
