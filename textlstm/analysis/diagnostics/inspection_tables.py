"""Tables of an inspection, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from textlstm.analysis.charts.layers import written_gain
from textlstm.analysis.diagnostics.inspected import Inspection, level_name
from textlstm.analysis.diagnostics.inspected_layers import DepthSummary, ProbeSummary, ReducedSummary
from textlstm.analysis.diagnostics.inspected_signals import GateSummary, ReachSummary, RemedySummary
from textlstm.analysis.figures import Table
from textlstm.analysis.wording import ABSENT, percent, points, with_interval


def level_table(found: Inspection) -> Table:
    """Put what was measured of each level side by side.

    Args:
        found: an inspection.

    Returns:
        A row a level, lowest first; columns of parts that were not looked at are absent.
    """
    levels = range(found.model.layers + 1)
    label = next((probe for probe in found.probes if probe.fact == "label"), None)
    columns: dict[str, list[str]] = {}
    if found.reach is not None:
        columns["gain to the top"] = [_both(_gains(found.reach, level)) for level in levels]
        columns["reach (words)"] = [_both(_until(found.reach, level)) for level in levels]
    if found.gates:
        columns["half-life (words)"] = [_both(_lives(found.gates, level)) for level in levels]
    if label is not None:
        columns["label, by a probe (%)"] = [with_interval(score) for score in label.trained]
    if found.depth is not None:
        columns["new head on it (%)"] = [with_interval(stack.score) for stack in found.depth.prefixes]
    both = "; where two figures stand, forward / backward" if found.model.bidirectional else ""
    return Table(
        title="Level by level",
        headers=["level", *columns],
        rows=[[level_name(level), *(cells[level] for cells in columns.values())] for level in levels],
        note="" if not columns else f"{_COLUMNS}{both}.",
    )


_COLUMNS = (
    "Gain: what arrives at the top of a small change of the level's state at the same word; reach: the distance at"
    " which it has fallen to a tenth"
)


def _both(values: Sequence[str]) -> str:
    """One figure, or one for each direction."""
    return " / ".join(values) if any(value != ABSENT for value in values) else ABSENT


def _gains(reach: ReachSummary, level: int) -> list[str]:
    nearest = [direction[level][0] if direction[level] else None for direction in reach.gains]
    return [ABSENT if gain is None else written_gain(gain) for gain in nearest]


def _until(reach: ReachSummary, level: int) -> list[str]:
    found = [until for until in reach.until if until.level == level]
    return [f"over {until.words}" if until.censored else str(until.words) for until in found] or [ABSENT]


def _lives(gates: Sequence[GateSummary], level: int) -> list[str]:
    return [_life(row.half_life) for row in gates if row.layer == level] or [ABSENT]


def _life(words: float | None) -> str:
    """Write a half-life; None is one without end."""
    return "endless" if words is None else f"{words:.1f}" if words < 100 else f"{words:,.0f}"


def gate_table(gates: Sequence[GateSummary]) -> Table:
    """List memory and units.

    Args:
        gates: by layer and direction.

    Returns:
        The table.
    """
    return Table(
        title="Gates and units",
        headers=["layer", "reading", "forget gate, mean", "half-life (words)", "stuck units (%)", "dead units (%)"],
        rows=[
            [
                str(row.layer),
                row.direction,
                f"{row.forget:.2f}",
                f"{_life(row.half_life)} [{_life(row.half_life_low)}, {_life(row.half_life_high)}]",
                percent(row.saturated),
                percent(row.dead),
            ]
            for row in gates
        ],
        words=(0, 1),
        note="Half-life of the median unit, with the quartiles over units in brackets. Stuck: a gate is open (above"
        " 0.9) or closed (below 0.1) at 95 % of the words; dead: the state's spread over words (standard"
        " deviation) is under 0.01.",
    )


def reach_table(reach: ReachSummary) -> Table:
    """List how far back each level's state still moves the top.

    Args:
        reach: of the stack.

    Returns:
        The table.
    """
    rows = []
    for until in reach.until:
        gains = reach.gains[reach.directions.index(until.direction)][until.level]
        known = [gain for gain in gains if gain is not None]
        rows.append(
            [
                level_name(until.level),
                until.direction,
                written_gain(known[0]) if known else ABSENT,
                written_gain(known[-1]) if known else ABSENT,
                f"over {until.words}" if until.censored else str(until.words),
            ]
        )
    end = sum(gain is not None for gain in reach.gains[0][0]) - 1
    headers = ["from", "reading", "gain, same word", f"gain, {end} words back", "falls to a tenth at (words)"]
    return Table("Gradient reach by level", headers, rows, words=(0, 1))


def center_table(probes: Sequence[ProbeSummary]) -> Table:
    """List where in the stack each fact is held.

    Args:
        probes: by fact.

    Returns:
        The table.
    """
    return Table(
        title="Where each fact is held",
        headers=["fact", "kind", "best level", "score there (%)", "without states (%)", "center", "untrained center"],
        rows=[_center(probe) for probe in probes],
        words=(0, 1, 2),
        note="Center of gravity over levels (0: embeddings) of the score minus that of a control task (Hewitt and Liang"
        " 2019). Scores are accuracies, or R squared for length and position.",
    )


def _center(probe: ProbeSummary) -> list[str]:
    values = [score.value for score in probe.trained]
    best = values.index(max(values))

    def write(figure: float) -> str:
        return f"{figure:.2f}"

    return [
        probe.fact,
        "abstract" if probe.abstract else "surface",
        level_name(best),
        with_interval(probe.trained[best]),
        percent(probe.baseline),
        with_interval(probe.center, write),
        with_interval(probe.untrained_center, write),
    ]


def depth_table(depth: DepthSummary) -> Table:
    """List the stack with fewer of its layers.

    Args:
        depth: new heads on fewer layers.

    Returns:
        The table.
    """
    rows = [_reduced(_kept_words(stack.layers), stack) for stack in depth.prefixes]
    whole = range(1, len(depth.prefixes))
    for stack in depth.without:
        missing = next(layer for layer in whole if layer not in stack.layers)
        rows.append(_reduced(f"without layer {missing}", stack))
    rows.append(["the model's own head", with_interval(depth.own_score), ABSENT, ABSENT, ABSENT])
    return Table(
        title="What is left with fewer layers",
        headers=["kept", "right (%)", "against all layers (points)", "at worst (points)", "can be dropped"],
        rows=rows,
        note=f"A new head is fitted on {depth.fitted:,} texts for each row, and scored on {depth.scored:,}. At worst: a"
        f" lower bound that holds 95 % for all rows together; layers can be dropped where it lies above"
        f" {points(-depth.delta)} points.",
        words=(0, 4),
    )


def _kept_words(layers: Sequence[int]) -> str:
    if not layers:
        return "embeddings only"
    return "layer 1" if len(layers) == 1 else f"layers 1 to {layers[-1]}"


def _reduced(name: str, stack: ReducedSummary) -> list[str]:
    change = ABSENT if stack.difference is None else with_interval(stack.difference, points)
    return [
        name,
        with_interval(stack.score),
        change,
        points(stack.bound),
        ABSENT if stack.difference is None else "yes" if stack.needless else "not shown",
    ]


def remedy_table(remedies: Sequence[RemedySummary]) -> Table:
    """List the remedies that were tried.

    Args:
        remedies: with what they brought.

    Returns:
        The table.
    """

    def orders(value: float) -> str:
        return f"{value:+.2f}".replace("-", "−")

    return Table(
        title="Remedies tried",
        headers=["settings", "score (points)", "reach before training", "reach after training", "seeds"],
        rows=[
            [
                " ".join(row.settings),
                with_interval(row.score, orders),
                with_interval(row.reach_start, orders),
                with_interval(row.reach_end, orders),
                str(row.seeds),
            ]
            for row in remedies
        ],
        note="Changes against the model's own recipe, paired by seed. Reach: gain from layer 1 to the top, in decimal"
        " orders of magnitude.",
    )
