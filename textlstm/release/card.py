"""The model card: what the model is, how it scores and where it ends, with metadata that the Hub reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textlstm.analysis.figures import Figure
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import count, measure, nats, percent
from textlstm.inference.calibration import Calibration
from textlstm.release.card_programs import fenced, snippets, training_command
from textlstm.release.card_tables import class_table, comparison_table, score_table, size_table, speed_table
from textlstm.release.evaluation_results import model_index
from textlstm.release.privacy import OWN_DATA, hub_dataset
from textlstm.release.speed import TOKENS, Timed
from textlstm.results import Run

_TEMPLATE = "model_card.md.j2"
_CITATION = """@software{textlstm,
  title   = {textlstm: stacked bidirectional LSTM text classifiers, and what each layer buys and costs},
  author  = {{The textlstm developers}},
  year    = {2026},
  license = {Apache-2.0}
}"""
SPLITS = ("test", "holdout", "validation", "train")
"""Splits by how much a score on them says: the first that a run has is the card's."""


@dataclass(frozen=True)
class CardContent:
    """What a card is written from; a part that is absent has no section.

    Attributes:
        repo_id: where the model will be, such as "user/model".
        config: the model's config.json.
        max_length: tokens that the model reads of a text.
        run: how it was trained and what it scores, as `public_run` gives it.
        sizes: bytes by published file.
        speed: what it takes on this machine's CPU, as `measure_speed` gives it.
        comparison: the grid that its depth was chosen from.
        pictures: path of each picture by its chart's name.
        figures: the charts.
        license: identifier, such as "apache-2.0".
        languages: codes, such as "en".
        onnx: whether the ONNX files are there.
        notes: a sentence on each ONNX file.
        calibration: the temperature that was fitted for the model.
    """

    repo_id: str
    config: dict[str, Any]
    max_length: int
    run: Run | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    speed: Timed = field(default_factory=dict)
    comparison: Comparison | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    license: str | None = None
    languages: tuple[str, ...] = ()
    onnx: bool = False
    notes: tuple[str, ...] = ()
    calibration: Calibration | None = None

    @property
    def labels(self) -> list[str]:
        """Label names in the order of the outputs."""
        names = {int(key): str(name) for key, name in self.config["id2label"].items()}
        return [names[key] for key in sorted(names)]

    @property
    def multi_label(self) -> bool:
        """Whether a text may get several labels."""
        return bool(self.config.get("problem_type") == "multi_label_classification")

    @property
    def split(self) -> str:
        """The split whose figures the card shows; empty without a run."""
        return next((name for name in SPLITS if self.run and name in self.run.metrics), "")


def model_card(content: CardContent) -> str:
    """Write the card.

    Args:
        content: what is known of the model.

    Returns:
        The text of README.md: metadata in YAML, then Markdown in which labels and names stay letters.
    """
    return f"---\n{_metadata(content).to_yaml()}\n---\n\n{_body(content)}"


def _metadata(content: CardContent) -> Any:  # noqa: ANN401 - the Hub client's own type, imported where it is needed
    """The block that the Hub reads, evaluation results included."""
    from huggingface_hub import ModelCardData

    dataset = hub_dataset(content.run.data.source) if content.run else None
    tags = ["textlstm", "lstm", "bilstm", "custom_code", *(["onnx"] if content.onnx else [])]
    return ModelCardData(
        license=content.license,
        language=list(content.languages) or None,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=tags,
        datasets=[dataset] if dataset else None,
        metrics=["accuracy", "f1"] if content.split else None,
        model_name=content.repo_id.rpartition("/")[2],
        eval_results=model_index(content.run, content.split) or None,
    )


def _body(content: CardContent) -> str:
    """Fill the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from textlstm.analysis.report_markdown import escape

    environment = Environment(
        loader=PackageLoader("textlstm.release"),
        autoescape=False,  # noqa: S701 - Markdown, not HTML: every value passes through `md`, `code` or `literal`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "md": escape,
        "code": fenced,
        "percent": percent,
        "count": count,
        "measure": measure,
        "nats": nats,
    }
    run = content.run
    return environment.get_template(_TEMPLATE).render(
        content=content,
        run=run,
        metrics=run.metrics.get(content.split) if run else None,
        dataset=hub_dataset(run.data.source) if run else None,
        own_data=run is not None and run.data.source.startswith(OWN_DATA),
        scores=score_table(run.metrics[content.split]) if run and content.split else None,
        classes=class_table(run.metrics[content.split]) if run and content.split else None,
        comparison_table=comparison_table(content.comparison),
        sizes=size_table(content.sizes),
        speed=speed_table(content.speed),
        tokens=TOKENS,
        command=training_command(run) if run else "",
        snippets=snippets(content.repo_id, multi_label=content.multi_label),
        limits=_limits(content),
        body=_what_it_is(content),
        title=content.repo_id.rpartition("/")[2],
        trained_with=_versions(run),
        citation=_CITATION,
    )


def _what_it_is(content: CardContent) -> str:
    """Name the parts that the model is built of."""
    config = content.config
    depth, width = config["num_layers"], config["hidden_size"]
    direction = "bidirectional " if config["bidirectional"] else ""
    stack = f"{depth} stacked {direction}LSTM layers" if depth > 1 else f"one {direction}LSTM layer"
    if depth and config["bidirectional"]:
        stack += f" ({width} units in each direction)"
    elif depth:
        stack += f" ({width} units)"
    vectors = (content.run.settings.get("embeddings") or {}).get("source") if content.run else None
    start = "that started from pretrained vectors" if vectors else "trained from scratch"
    embeddings = f"embeddings of {config['embedding_size']} numbers{f' {start}' if content.run else ''}"
    return f"{stack} on {embeddings}" if depth else f"pooled {embeddings}, without an LSTM layer"


def _versions(run: Run | None) -> str:
    """Name what it was trained with."""
    if run is None:
        return ""
    names = ("textlstm", "torch", "transformers", "tokenizers", "python", "processor", "device")
    return ", ".join(f"{name} {run.environment[name]}" for name in names if name in run.environment)


def _limits(content: CardContent) -> list[str]:
    """Say where the figures end, from what is known of this very model."""
    reads = f"It reads the first {content.max_length:,} tokens of a text; what comes after them changes nothing."
    said = [
        reads,
        "A text without any word is an unknown word to textlstm and no word at all to the other programs above: their"
        " answers to it differ, and mean nothing.",
        "It knows the words and the kind of text that it was trained on; other languages, topics and times were not"
        " tested.",
    ]
    if not content.multi_label:
        said.append("It always names one of its labels, for texts that belong to none of them, too.")
    if content.run is None:
        return [*said, "No record of its training came along, so nothing is known here of how well it works."]
    metrics, split = content.run.metrics, content.split
    rows = metrics[split].rows
    if split == "train":
        said.append("It was never scored on texts that it had not learned from; the figures above flatter it.")
    elif split == "validation":
        said.append(
            "There was no test split: the figures are of the texts that chose the epoch, and are a little too good."
        )
    if rows < 1_000 and split != "train":
        said.append(f"Its figures rest on {rows:,} texts, and the intervals show how little that settles.")
    rare = [one.label for one in metrics[split].per_class if one.rows < 30]
    if rare:
        names = ", ".join(rare[:10]) + (f" and {len(rare) - 10} more" if len(rare) > 10 else "")
        said.append(f"Fewer than 30 of those texts have the label {names}: its row in the table is a rough guess.")
    if "train" in metrics and split not in ("", "train"):
        gap = metrics["train"].accuracy.value - metrics[split].accuracy.value
        if gap > 0.1:
            said.append(
                f"It is right on {percent(metrics['train'].accuracy.value)} % of its training rows and on"
                f" {percent(metrics[split].accuracy.value)} % of the {split} rows: it has learned some by heart."
            )
    return said
