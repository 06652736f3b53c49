"""Scores on benchmarks in the Hub's newer form: written where they apply, and read back by the Hub's own parser."""

import shutil

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from textlstm.errors import HubError
from textlstm.release.evaluation_results import RESULTS_FILE, benchmark_tasks, benchmark_yaml
from textlstm.release.hub import push_to_hub
from textlstm.results import RESULT_FILE, read_run

# httpx2 deprecates how the Hub's client 2.4 hands it a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO, BENCHMARK = "someone/tiny", "someone/benchmark"
DESCRIBED = """
name: A benchmark
evaluation_framework: inspect-ai
tasks:
  - {id: plain, config: default, split: test}
  - {id: other_split, config: default, split: validation}
  - {id: other_config, config: hard, split: test}
  - {id: any_of_it}
"""
COMMIT = "5503434ddd753f426f4b38109466949a1217c2bb"


def scored(trained, *, notes=(), without=(), **data):
    """The run as if it had read a benchmark from the Hub."""
    run = read_run(trained)
    settings = {**run.settings, "data": {**run.settings["data"], "source": BENCHMARK, **data}}
    metrics = {split: figures for split, figures in run.metrics.items() if split not in without}
    used = run.data.model_copy(update={"source": settings["data"]["source"], "notes": list(notes)})
    return run.model_copy(update={"settings": settings, "metrics": metrics, "data": used})


def test_a_score_on_a_benchmark_is_read_back_by_the_hubs_parser(trained):
    run = scored(trained, revision=COMMIT)
    written = benchmark_yaml(run, {BENCHMARK: DESCRIBED}.get)
    entries = parse_eval_result_entries(yaml.safe_load(written))
    assert [(one.dataset_id, one.task_id) for one in entries] == [(BENCHMARK, "plain"), (BENCHMARK, "any_of_it")]
    accuracy = run.metrics["test"].accuracy
    for one in entries:
        assert one.value == round(accuracy.value, 4)
        assert one.dataset_revision == COMMIT
        assert f"{accuracy.low:.4f} to {accuracy.high:.4f}, 40 texts" in one.notes


def test_a_branch_is_no_revision_hash(trained):
    (one, _) = parse_eval_result_entries(
        yaml.safe_load(benchmark_yaml(scored(trained, revision="main"), lambda _: DESCRIBED))
    )
    assert one.dataset_revision is None


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "your-data.csv"},
        {"source": "pydocs"},
        {"pool": True},
        {"folds": 5, "fold": 0},
        {"test": "someone/else"},
        {"on_bad_rows": "drop"},
        {"notes": ["test: 40 of the training rows held out, the same in every run"]},
        {"without": ["test"]},
    ],
    ids=str,
)
def test_other_data_and_parts_of_a_split_are_no_benchmark_and_nobody_is_asked(trained, changes):
    def look_up(dataset):
        raise AssertionError(f"{dataset} was looked up")

    assert benchmark_yaml(scored(trained, **changes), look_up) is None


@pytest.mark.parametrize(
    "described", [None, "", "tasks: 3", "tasks: [3, {split: test}]", "[", "tasks: [{id: a, split: x}]"]
)
def test_what_describes_no_task_of_ours_gets_no_file(trained, described):
    assert benchmark_yaml(scored(trained), lambda _: described) is None


def test_a_task_is_of_one_configuration():
    assert benchmark_tasks(DESCRIBED, config="hard", split="test") == ["other_config", "any_of_it"]
    assert benchmark_tasks(DESCRIBED, config="default", split="validation") == ["other_split", "any_of_it"]


@pytest.fixture
def benchmarked(trained, tmp_path, monkeypatch):
    """The model's folder, as if it had been trained on a benchmark from the Hub."""
    monkeypatch.setattr("textlstm.release.bundle.timed_forms", lambda config, folder: {})
    folder = tmp_path / "benchmarked"
    shutil.copytree(trained, folder)
    (folder / RESULT_FILE).write_text(scored(trained).model_dump_json(), "utf-8")
    return folder


def push(hub, folder):
    said = []
    push_to_hub(folder, REPO, endpoint=hub.url, onnx=False, tell=said.append)
    return hub.files(REPO), said


def test_a_push_looks_the_benchmark_up_and_the_next_one_takes_the_file_away(hub, benchmarked, trained):
    hub.datasets[BENCHMARK] = {"eval.yaml": DESCRIBED.encode(), "train.csv": b""}
    files, said = push(hub, benchmarked)
    assert said == []
    entries = parse_eval_result_entries(yaml.safe_load(files[RESULTS_FILE]))
    assert {one.task_id for one in entries} == {"plain", "any_of_it"}
    in_card = {one.metric_type: one.metric_value for one in ModelCard(files["README.md"].decode()).data.eval_results}
    assert in_card["accuracy"] == entries[0].value
    files, said = push(hub, trained)  # of other data
    assert RESULTS_FILE not in files
    assert hub.count("GET", "/datasets/") == 1


@pytest.mark.parametrize("there", [None, {}], ids=["no such data set", "no eval.yaml"])
def test_other_data_sets_of_the_hub_get_no_file_and_no_word(hub, benchmarked, there):
    if there is not None:
        hub.datasets[BENCHMARK] = there
    files, said = push(hub, benchmarked)
    assert said == []
    assert RESULTS_FILE not in files


@pytest.mark.parametrize("kind", [500, 429, "reset"])
def test_when_nobody_can_say_the_model_is_published_without_and_that_is_said(hub, benchmarked, kind):
    hub.datasets[BENCHMARK] = {"eval.yaml": DESCRIBED.encode()}
    hub.fail("HEAD", "/datasets/", kind, times=99)
    files, said = push(hub, benchmarked)
    assert RESULTS_FILE not in files
    assert len(said) == 1
    assert said[0].startswith(f"{RESULTS_FILE} is left out")


def test_a_file_that_cannot_be_written_is_no_reason_to_fail_either(trained, benchmarked, tmp_path):
    from textlstm.release.bundle import write_bundle

    def look_up(dataset):
        raise HubError("the Hub is away.")

    bundle = write_bundle(benchmarked, tmp_path / "out", repo_id=REPO, onnx=False, look_up=look_up)
    assert RESULTS_FILE not in bundle.files
    assert bundle.notes[0].endswith("the Hub is away.")
