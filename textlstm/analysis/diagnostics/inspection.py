"""A look inside one trained stack on some texts: every diagnosis in turn, and what follows, as one value."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textlstm.analysis.diagnostics import inspected as value
from textlstm.analysis.diagnostics import verdicts, verdicts_layers
from textlstm.analysis.diagnostics.gradients import Remedy
from textlstm.analysis.diagnostics.inspected_signals import RemedySummary
from textlstm.analysis.diagnostics.inspection_data import InspectedRows, load_inspected
from textlstm.analysis.diagnostics.look import FULL, QUICK, Effort, Look, unknown_share
from textlstm.analysis.diagnostics.look_layers import look_at_depth, look_at_probes, look_at_similarity
from textlstm.analysis.diagnostics.look_signals import (
    look_at_distance,
    look_at_gates,
    look_at_reach,
    training_summary,
)
from textlstm.analysis.diagnostics.look_words import look_at_words
from textlstm.analysis.diagnostics.notes import NOTES_FILE, Notes, read_notes
from textlstm.analysis.diagnostics.states import choose_texts, untrained_like
from textlstm.errors import DataError, MissingExtraError, ModelError, RecipeError
from textlstm.inference.predictor import Predictor
from textlstm.model.configuration_textlstm import per_layer
from textlstm.recipe import Recipe, validate
from textlstm.results import RESULT_FILE, Run, read_run
from textlstm.training.cost import count_parameters, describe_environment

TEXTS = 12
"""Texts explained word by word."""
_PADDING = 64
"""Rows that an embedding may have beyond its tokenizer's tokens: some round its size up."""


def inspect_model(
    model: str | Path,
    data: Recipe | str | Path,
    *,
    split: str | None = None,
    parts: Sequence[value.Part] | None = None,
    texts: int = TEXTS,
    inputs: Sequence[str] | None = None,
    quick: bool = False,
    delta: float = 1.0,
    remedy_seeds: int = 0,
    remedy: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    tell: Callable[[str], None] = lambda _: None,
) -> value.Inspection:
    """Look inside a trained stack.

    Args:
        model: a folder that `textlstm train` wrote, or a Hub id.
        data: names the texts, or a recipe whose `data:` part does.
        split: rows to look at; None takes test when there is one, else the only split.
        parts: what to look at; None takes all that can be had and says what could not.
        texts: rows to explain word by word.
        inputs: texts of one's own to explain in place of rows.
        quick: fewer texts and draws, for a first look.
        delta: smallest loss in points of accuracy that matters when a layer is left out.
        remedy_seeds: pairs of training runs with and without a remedy for the model's gradients; 0 tries none.
        remedy: recipe keys by dotted name with their new values; None takes the first remedy that the verdict names.
        seed: of every draw.
        device: as `choose_device` takes it.
        tell: called with a few words before each part.

    Returns:
        The inspection.

    Raises:
        ModelError: the model cannot be loaded, or is of another kind.
        DataError: the data cannot be read, or a part was asked for that it cannot serve.
        RecipeError: an unknown part was asked for, or a remedy for a model whose recipe is not known.
        MissingExtraError: attributions were asked for, and Captum is not installed.
    """
    started = time.perf_counter()
    wanted = _wanted(parts)
    predictor = Predictor.load(model, backend="torch", device=device)
    _check_tokenizer(predictor, model)
    run = read_run(Path(model)) if (Path(model) / RESULT_FILE).is_file() else None
    if remedy_seeds and run is None:
        raise RecipeError(
            f"A remedy is tried by training the model's own recipe again, and {model} has no {RESULT_FILE} that holds"
            " it; name a folder of `textlstm train`, or leave --try-remedy out."
        )
    if not isinstance(data, Recipe):
        data = validate({"name": "inspect", "data": {"source": str(data)}}, origin="the data")
    recipe = data.override({"data.label_names": predictor.label_names})
    found = load_inspected(recipe, split=split)
    look = _draw(predictor, found, QUICK if quick else FULL, run=run, seed=seed)
    measured = _Measured(look, run, _notes_of(Path(model)), texts=texts, inputs=inputs, delta=delta / 100)
    for part in wanted:
        tell(value.PART_WORDS[part])
        try:
            measured.measure(part)
        except (DataError, ModelError, MissingExtraError) as error:
            if parts is not None:
                raise
            measured.left_out.append(f"{value.PART_WORDS[part].capitalize()}: {error}")
    if look.rows.labels is None and "probes" in wanted:
        measured.left_out.append(f"The label among the probes: {look.unlabeled}")
    if remedy_seeds and run is not None:
        measured.try_remedy(run, remedy, remedy_seeds, tell)
    return measured.close(str(model), found, quick=quick, seconds=time.perf_counter() - started)


def _check_tokenizer(predictor: Predictor, model: str | Path) -> None:
    """Refuse a tokenizer of other size than the embeddings; those that are too large were refused in loading."""
    words, rows = len(predictor.tokenizer), int(predictor.model.config.vocab_size)
    if rows - words >= _PADDING:
        raise ModelError(
            f"The tokenizer of {model} should have a token for each of the {rows:,} rows of the model's embeddings, and"
            f" has {words:,}, so it is likely another model's; copy the tokenizer.json that the model was trained with."
        )


def _notes_of(folder: Path) -> Notes | None:
    """What `textlstm train --watch` left; None where the training was not watched."""
    return read_notes(folder) if (folder / NOTES_FILE).is_file() else None


def _wanted(parts: Sequence[value.Part] | None) -> Sequence[value.Part]:
    """The parts in the order of the page."""
    if unknown := [part for part in parts or () if part not in value.PARTS]:
        raise RecipeError(f"Parts of an inspection are {', '.join(value.PARTS)}, and {unknown[0]!r} was asked for.")
    return [part for part in value.PARTS if parts is None or part in parts]


def _draw(predictor: Predictor, found: InspectedRows, effort: Effort, *, run: Run | None, seed: int) -> Look:
    """Draw texts, encode them, and set an untrained stack beside the model."""
    rows = found.rows.take(choose_texts(len(found.rows), most=effort.texts, seed=seed))
    fit = found.fit
    if fit is not None:
        fit = fit.take(choose_texts(len(fit), most=effort.fit_texts, seed=seed))
    return Look(
        predictor=predictor,
        # The model's own seed, where it is known: its run set out from those weights.
        untrained=untrained_like(predictor.model, seed=int(run.settings["seed"]) if run else seed),
        rows=rows,
        encoded=predictor.encode(rows.texts),
        fit=fit,
        fit_encoded=None if fit is None else predictor.encode(fit.texts),
        unlabeled=found.unlabeled,
        effort=effort,
        seed=seed,
    )


class _Measured:
    """Parts as they come in."""

    def __init__(
        self,
        look: Look,
        run: Run | None,
        notes: Notes | None,
        *,
        texts: int,
        inputs: Sequence[str] | None,
        delta: float,
    ) -> None:
        self.look, self.run, self.watched = look, run, notes
        self.texts, self.inputs, self.delta = texts, inputs, delta
        self.values: dict[str, Any] = {}  # fields of an Inspection, each of its own type; pydantic checks them
        self.statements: list[value.Statement] = []
        self.left_out: list[str] = []
        self.notes: list[str] = []
        self.remedies: list[Remedy] = []

    def measure(self, part: value.Part) -> None:
        """Measure one part, and say what follows."""
        look, config = self.look, self.look.model.config
        if part == "reach":
            reach, measured = look_at_reach(look)
            record = None if self.watched is None else self.watched.record
            said, self.remedies = verdicts.on_reach(config, measured, record)
            self._take(said, reach=reach)
        elif part == "memory":
            gates = look_at_gates(look)
            self._take(verdicts.on_gates(gates, config.hidden_sizes), gates=gates)
        elif part == "distance":
            distance = look_at_distance(look)
            self._take(verdicts.on_distance(distance), distance=distance)
        elif part == "probes":
            probes, stack = look_at_probes(look)
            self.notes += stack.notes
            self._take(verdicts_layers.on_probes(probes, stack.gained), probes=probes, probe_order=stack.gained)
        elif part == "similarity":
            self._take([], similarity=look_at_similarity(look))
        elif part == "depth":
            depth = look_at_depth(look, delta=self.delta)
            self._take(verdicts_layers.on_depth(depth), depth=depth)
        else:
            words = look_at_words(look, texts=self.texts, source=self.inputs)
            self._take(verdicts_layers.on_words(words), words=words)

    def _take(self, statements: Sequence[value.Statement], **values: object) -> None:
        self.statements += statements
        self.values |= values

    def try_remedy(self, run: Run, remedy: Mapping[str, Any] | None, seeds: int, tell: Callable[[str], None]) -> None:
        """Train the model's recipe with and without a remedy."""
        from textlstm.analysis.diagnostics.gradients import remedy_effect

        if remedy is None and not self.remedies:
            self.notes.append(
                "No remedy was tried: gradient reach was not looked at, or shows nothing to mend; --remedy KEY=VALUE"
                " names one all the same."
            )
            return
        changes = dict(remedy if remedy is not None else self.remedies[0].settings)
        recipe = validate({**run.settings, "name": run.name}, origin=RESULT_FILE)
        found = remedy_effect(recipe, changes, seeds=range(seeds), tell=tell)
        summary = RemedySummary(
            settings=[f"{key}={setting}" for key, setting in changes.items()],
            reach_start=found.reach_start,
            reach_end=found.reach_end,
            score=found.score,
            split=found.split,
            seeds=found.seeds,
        )
        self._take([verdicts.on_remedy(summary)], remedies=[summary])

    def close(self, source: str, found: InspectedRows, *, quick: bool, seconds: float) -> value.Inspection:
        """Put everything together."""
        look, config = self.look, self.look.model.config
        encoded = look.encoded
        training = training_summary(self.run, self.watched)
        if training is not None and (training.watched is None or "reach" not in self.values):
            self.statements += verdicts.on_training(training)
        if not look.whole_words:
            self.notes.append("What is called a word here is a token of the model, of which a word may have several.")
        unknown = unknown_share(look)
        if unknown > verdicts.MANY_UNKNOWN:
            self.notes.append(
                f"The tokenizer does not know {100 * unknown:.0f} % of the tokens of these texts; the model has seen"
                " too few texts to know more words, or these are of another kind or language, or the tokenizer is"
                " another model's."
            )
        if found.split == "train":
            self.notes.append(
                "The rows are a training split; where the model was trained on them, scores and probes flatter it."
            )
        order = {"act": 0, "open": 1, "fine": 2}
        return value.Inspection(
            model=value.ModelFacts(
                source=source,
                layers=config.num_layers,
                widths=config.hidden_sizes,
                bidirectional=config.bidirectional,
                join=config.join,
                layer_norm=config.layer_norm,
                pooling=config.pooling,
                activation=per_layer(config.activation, config.num_layers),
                embedding_size=config.embedding_size,
                parameters=count_parameters(look.model)[0],
                label_names=look.predictor.label_names,
                multi_label=look.predictor.multi_label,
            ),
            data=value.DataFacts(
                source=found.source,
                split=found.split,
                rows=len(found.rows),
                looked_at=len(look.rows),
                fit_rows=0 if look.fit is None else len(look.fit),
                labeled=look.rows.labels is not None,
                truncated=encoded.truncated / max(1, len(encoded)),
                unknown=unknown,
                fingerprint=found.fingerprint,
            ),
            quick=quick,
            fresh_start=self.run is not None and self.run.data.vectors is None,
            own_texts=self.inputs is not None,
            seed=look.seed,
            statements=sorted(self.statements, key=lambda said: order[said.kind]),
            left_out=self.left_out,
            notes=[*self.notes, *found.notes],
            training=training,
            versions=describe_environment(look.model.device),
            seconds=seconds,
            **self.values,
        )
