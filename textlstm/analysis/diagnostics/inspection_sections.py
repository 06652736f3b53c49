"""The sections of the inspection's page: one a part, with its charts, its tables and how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from textlstm.analysis.charts.layers import Series, gain_map, gain_span, lines_by_level, square_map
from textlstm.analysis.charts.signals import distance_profile, norms_by_step
from textlstm.analysis.diagnostics.inspected import Inspection, level_name
from textlstm.analysis.diagnostics.inspected_layers import ProbeSummary, WordsSummary
from textlstm.analysis.diagnostics.inspected_signals import ReachSummary, TrainingSummary
from textlstm.analysis.diagnostics.inspection_tables import (
    center_table,
    depth_table,
    gate_table,
    level_table,
    reach_table,
    remedy_table,
)
from textlstm.analysis.figures import Figure, Section, Table
from textlstm.analysis.wording import file_name, percent, with_interval

Maps = list[list[list[float | None]]]

MOMENTS = {"start": "before training", "middle": "halfway", "end": "after training"}


def sections_of(found: Inspection) -> list[Section]:
    """Lay an inspection out.

    Args:
        found: an inspection.

    Returns:
        The sections that have something to show, but for the words behind predictions and the notes.
    """
    labels = [level_name(level) for level in range(found.model.layers + 1)]
    sections = [Section("levels", "Level by level", tables=[level_table(found)])]
    if found.reach is not None:
        sections.append(_reach(found, found.reach))
    if found.training is not None:
        sections.append(_training(found.training))
    if found.remedies:
        sections.append(Section("remedies", "Remedies tried", tables=[remedy_table(found.remedies)]))
    if found.gates:
        sections.append(Section("memory", "What the gates keep", tables=[gate_table(found.gates)]))
    if found.distance is not None:
        profile = distance_profile(
            found.distance.distances,
            found.distance.moved,
            end=found.distance.counted_from,
            effective=found.distance.effective,
        )
        sections.append(
            Section("distance", "How far back a word counts", notes=[found.distance.meaning], figures=[profile])
        )
    if found.probes:
        figures = [_probe_figure(probe, labels) for probe in found.probes]
        sections.append(
            Section("probes", "What can be read off each level", [_PROBES], figures, [center_table(found.probes)])
        )
    if found.depth is not None:
        sections.append(_depth(found, labels))
    if found.similarity is not None:
        caption = "Debiased CKA on one token of each text: near 0 for unrelated levels, 1 for equal ones."
        maps = [
            square_map(f"likeness-{name}", f"Likeness of levels, {words}", labels, values, caption)
            for name, words, values in (
                ("trained", "this stack", found.similarity.trained),
                ("untrained", "untrained", found.similarity.untrained),
            )
        ]
        sections.append(
            Section("similarity", "How alike the levels are", ["A picture, and no verdict on any layer."], maps)
        )
    return sections


_PROBES = (
    "Linear probes on texts that they have not seen. The control is a task with answers of the same kind that are no"
    " property of the text: what a probe can only learn by heart. The untrained stack has fresh weights."
)


def _reach(found: Inspection, reach: ReachSummary) -> Section:
    """Maps of the gain before and after training, and halfway where that was watched."""
    watched = None if found.training is None else found.training.watched
    maps: dict[str, Maps] = {"untrained": reach.untrained, "after training": reach.gains}
    notes = [
        "Each square is the gain of a small change of a level's state, so many words before the direction's last one,"
        " on its way to the end of the top layer: blue above 1, orange below. No loss and no pooling takes part."
    ]
    if watched is not None:
        maps = {MOMENTS[moment]: gains for moment, gains in watched.moments.items()}
        notes.append("The maps were taken on training texts while the model was trained; the table is of these texts.")
    elif found.fresh_start:
        maps = {"before training": reach.untrained, "after training": reach.gains}
        notes.append("Before training: the weights that the run set out from, made again from its seed.")
    span = gain_span([level for gains in maps.values() for level in gains])
    figures = [
        gain_map(f"{direction}, {words}", gains[number], small=True, span=span)
        for number, direction in enumerate(reach.directions)
        for words, gains in maps.items()
    ]
    return Section("reach", "Gradient reach", notes, figures, [reach_table(reach)])


def _training(training: TrainingSummary) -> Section:
    """Gradient norms by part where the run was watched, and by epoch."""
    table = Table(
        title="Gradients by epoch",
        headers=["epoch", "mean norm before clipping", "clipped (%)"],
        rows=[
            [f"{epoch:g}", f"{norm:.3g}", percent(clipped)]
            for epoch, norm, clipped in zip(training.epochs, training.norms, training.clipped, strict=True)
        ],
        note=f"Gradients are scaled down to a norm of {training.limit:g}.",
        folded=training.watched is not None and len(training.epochs) > 12,
    )
    watched = training.watched
    if watched is None:
        note = "By epoch, as the training left it; textlstm train --watch keeps norms by layer, and reach halfway, too."
        return Section("training", "Gradients in training", [note], [], [table])
    figures = [norms_by_step(watched.parts, watched.steps, watched.norms)] if watched.steps else []
    note = (
        f"{percent(watched.clipped)} % of the updates were clipped. Watching took {percent(watched.watching)} % of the"
        " time of training."
    )
    return Section("training", "Gradients in training", [note], figures, [table])


def _probe_figure(probe: ProbeSummary, labels: Sequence[str]) -> Figure:
    share = probe.measure == "accuracy"
    return lines_by_level(
        file_name("probe", probe.fact),
        probe.fact.capitalize(),
        labels,
        [Series("stack", probe.trained), Series("control", probe.control), Series("untrained", probe.untrained)],
        axis="accuracy (%)" if share else "R squared",
        caption=f"{'Abstract' if probe.abstract else 'Surface'} fact, of each {probe.about}; {probe.samples:,} scored.",
        scale=100.0 if share else 1.0,
        decimals=1 if share else 2,
    )


def _depth(found: Inspection, labels: Sequence[str]) -> Section:
    depth = found.depth
    assert depth is not None  # noqa: S101 - asked with it only
    own = [None] * (len(labels) - 1)
    figure = lines_by_level(
        "kept",
        "Score with only the first layers",
        labels,
        [Series("new head", [stack.score for stack in depth.prefixes]), Series("own head", [*own, depth.own_score])],
        axis="right (%)",
        scale=100.0,
        decimals=1,
        small=False,
    )
    return Section("depth", "What each layer is worth", figures=[figure], tables=[depth_table(depth)])


def agreement_tables(words: WordsSummary) -> list[Table]:
    """Lay out how far the levels agree on the words.

    Args:
        words: of an inspection.

    Returns:
        One table, or none where too few texts had words enough.
    """
    found = words.agreement
    if found is None:
        return []

    def write(value: float) -> str:
        return f"{value:.2f}".replace("-", "−")

    return [
        Table(
            title="Agreement between levels",
            headers=["level", *found.names],
            rows=[
                [name, *(write(value) for value in row)]
                for name, row in zip(found.names, found.correlation, strict=True)
            ],
            note=f"Rank correlation of the words' values (Spearman), mean over {found.texts:,} texts; between"
            f" {found.names[0]} and {found.names[-1]} {with_interval(found.first_to_last, write)}.",
        )
    ]
