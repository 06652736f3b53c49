"""A model's scores in the two forms that a Hub reads: the card's model index, and files below `.eval_results/`.

The index stands in the metadata of every card. The newer form is for scores on benchmarks: data sets whose repository
has an eval.yaml that names tasks, each a configuration and a split (https://huggingface.co/docs/hub/eval-results). A
Hub shows the result on the model's page and on the benchmark's leaderboard; for other data sets there is nothing that
such a file could be of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textlstm.errors import HubError
from textlstm.release.hub_errors import client_errors, explain, without_tokens
from textlstm.release.privacy import hub_dataset
from textlstm.results import Run

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry, HfApi

RESULTS_FILE = ".eval_results/textlstm.yaml"
BENCHMARK_FILE = "eval.yaml"

LookUp = Callable[[str], str | None]
"""Gives the eval.yaml of a data set by its Hub id; None where it has none. Raises HubError where it cannot tell."""


def model_index(run: Run | None, split: str) -> list[EvalResult]:
    """Write the scores as a model index has them; intervals stand in the card's text.

    Args:
        run: as `public_run` gives it.
        split: whose figures the card shows; empty without a run.

    Returns:
        One result a figure; none for a score on the training rows, which is no evaluation.
    """
    from huggingface_hub import EvalResult

    if run is None or split in ("", "train"):
        return []
    source, metrics = run.data.source, run.metrics[split]
    data = run.settings.get("data", {})
    place = {
        "task_type": "text-classification",
        "task_name": "Text Classification",
        "dataset_type": hub_dataset(source) or source.partition(":")[0],
        "dataset_name": source,
        "dataset_config": data.get("config"),
        "dataset_revision": data.get("revision"),
        "dataset_split": split,
    }
    named = (
        ("accuracy", "Accuracy", metrics.accuracy, None),
        ("f1", "F1 (macro)", metrics.macro_f1, {"average": "macro"}),
        ("log_loss", "Log loss (nats)", metrics.log_loss, None),
        ("ece", "Expected calibration error", metrics.ece, None),
    )
    return [
        EvalResult(**place, metric_type=kind, metric_name=name, metric_value=round(figure.value, 4), metric_args=given)
        for kind, name, figure, given in named
    ]


def benchmark_yaml(run: Run, look_up: LookUp) -> str | None:
    """Write the scores as `.eval_results/*.yaml` has them, where they are of a benchmark's own split.

    Args:
        run: as `public_run` gives it.
        look_up: gives a data set's eval.yaml.

    Returns:
        The file's text; None where it does not apply: the data is not from the Hub, is no benchmark, has no task of
        this configuration and split, or the scored rows are not that whole split.

    Raises:
        HubError: whether the data is a benchmark could not be looked up.
    """
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    dataset = hub_dataset(run.data.source)
    if dataset is None or not _whole_test_split(run):
        return None
    described = look_up(dataset)
    if described is None:
        return None
    tasks = benchmark_tasks(described, config=run.settings["data"].get("config"), split="test")
    entries = [_entry(run, dataset, task) for task in tasks]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False) if entries else None


def benchmark_tasks(described: str, *, config: str | None, split: str) -> list[str]:
    """Find the tasks of a benchmark that a split is scored for.

    Args:
        described: the benchmark's eval.yaml.
        config: configuration of the data set; None is its default one.
        split: such as "test".

    Returns:
        Their ids. A task without a configuration or a split takes any; a file that is no eval.yaml has no tasks.
    """
    import yaml

    try:
        content = yaml.safe_load(described)
    except yaml.YAMLError:
        return []
    tasks = content.get("tasks") if isinstance(content, dict) else None
    wanted = {"config": config or "default", "split": split}

    def fits(task: object) -> bool:
        return isinstance(task, dict) and "id" in task and all(task.get(key, one) == one for key, one in wanted.items())

    return [str(task["id"]) for task in (tasks if isinstance(tasks, list) else []) if fits(task)]


def look_up_at(api: HfApi) -> LookUp:
    """Look eval.yaml up on a Hub.

    Args:
        api: its client.

    Returns:
        The function that does so.
    """
    from huggingface_hub import errors

    def look_up(dataset: str) -> str | None:
        try:
            path = api.hf_hub_download(dataset, BENCHMARK_FILE, repo_type="dataset")
        except (errors.RemoteEntryNotFoundError, errors.RepositoryNotFoundError):
            return None
        except client_errors() as error:
            token = api.token if isinstance(api.token, str) else None
            raise HubError(without_tokens(explain(error, dataset, api.endpoint, doing="look up"), token)) from None
        return Path(path).read_text("utf-8", errors="replace")

    return look_up


def _whole_test_split(run: Run) -> bool:
    """Tell whether the scored rows are the data set's own test split, all of it."""
    data: dict[str, Any] = run.settings.get("data", {})
    held_out = any(note.startswith("test: ") for note in run.data.notes)  # rows of training, since there was no test
    parted = data.get("pool") or data.get("folds") or data.get("test") or data.get("on_bad_rows") == "drop"
    return "test" in run.metrics and not held_out and not parted


def _entry(run: Run, dataset: str, task: str) -> EvalResultEntry:
    """One result; its date is the commit's, as the form has it where none is given."""
    from huggingface_hub import EvalResultEntry

    accuracy, rows = run.metrics["test"].accuracy, run.metrics["test"].rows
    revision = str(run.settings["data"].get("revision") or "")
    between = "" if accuracy.low is None else f", 95 % interval {accuracy.low:.4f} to {accuracy.high:.4f}"
    return EvalResultEntry(
        dataset_id=dataset,
        task_id=task,
        value=round(accuracy.value, 4),
        dataset_revision=revision if re.fullmatch(r"[0-9a-f]{40}", revision) else None,
        notes=f"accuracy as a share{between}, {rows:,} texts; trained with textlstm",
    )
