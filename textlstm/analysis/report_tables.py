"""The report's tables of what depth buys and costs: scores by depth and size, gains, crossings, cost."""

from __future__ import annotations

from dataclasses import replace

from textlstm.analysis.figures import Table
from textlstm.analysis.orders import (
    baselines_in_order,
    cells_of,
    settings_in_order,
    sizes_in_order,
)
from textlstm.analysis.summary import CellSummary, Comparison
from textlstm.analysis.wording import (
    ABSENT,
    baseline_words,
    chance,
    count,
    duration,
    interval,
    layers_words,
    measure,
    nats,
    percent,
    points,
    seeds_words,
    setting_words,
    signed_nats,
    size_words,
    with_interval,
)


def main_tables(comparison: Comparison) -> list[Table]:
    """Lay scores out, depths by sizes, with the plain methods below.

    Args:
        comparison: a grid's outcome.

    Returns:
        One table a setting; those after the first are folded.
    """
    return [
        _main_table(comparison, setting, first=place == 0)
        for place, setting in enumerate(settings_in_order(comparison))
    ]


def _main_table(comparison: Comparison, setting: str, *, first: bool) -> Table:
    """The scores of one setting."""
    cells = cells_of(comparison, setting)
    sizes = [item for item in sizes_in_order(comparison) if any(cell.size == item[0] for cell in cells)]
    at = {(cell.layers, cell.size): cell for cell in cells}
    rows = []
    for layers in sorted({cell.layers for cell in cells}):
        widths = next(cell.widths for cell in cells if cell.layers == layers)
        placed = [at.get((layers, size)) for size, _ in sizes]
        rows.append([f"{layers_words(layers)}\n{widths} units", *(_score(cell) if cell else ABSENT for cell in placed)])
    if first:
        for name, group in baselines_in_order(comparison).items():
            by_size = {baseline.size: baseline for baseline in group}
            plain = [by_size.get(size) for size, _ in sizes]
            rows.append(
                [
                    f"{baseline_words(name)}\nplain method",
                    *(
                        f"{percent(item.accuracy.value)}\n{interval(item.accuracy)}" if item else ABSENT
                        for item in plain
                    ),
                ]
            )
    several = seeds_words(cell.seeds for cell in cells)
    banded = "[95 % interval over seeds and texts], " if any(interval(cell.accuracy) for cell in cells) else ""
    words = comparison.settings.get(setting, "")
    return Table(
        f"Test accuracy in %: {setting_words(setting)}" + (f" ({words})" if words else ""),
        ["", *(f"{size_words(size, labels)} labels" for size, labels in sizes)],
        rows,
        note=f"Mean of {several}, {banded}parameters, training time of one run.",
        folded=not first,
    )


def _score(cell: CellSummary) -> str:
    """One place of the main table."""
    return (
        f"{percent(cell.accuracy.value)}\n{interval(cell.accuracy)}\n{count(cell.parameters)}"
        f" · {duration(cell.train_seconds)}"
    )


def other_scores(comparison: Comparison) -> Table | None:
    """List macro-F1, log loss and calibration of every cell.

    Args:
        comparison: a grid's outcome.

    Returns:
        A folded table; None without cells.
    """
    rows = [
        [
            layers_words(cell.layers),
            size_words(cell.size, cell.labels),
            setting_words(cell.setting),
            with_interval(cell.macro_f1),
            with_interval(cell.log_loss, nats),
            percent(cell.ece),
            nats(cell.brier),
            f"{cell.seeds}",
            percent(cell.converged),
            percent(cell.capped),
        ]
        for setting in settings_in_order(comparison)
        for cell in cells_of(comparison, setting)
    ]
    headers = ["depth", "labels", "setting", "macro-F1 (%)", "log loss (nats)", "calibration (points)"]
    headers += ["Brier", "seeds", "converged (%)", "at the cap (%)"]
    note = (
        "Calibration: the debiased root-mean-square calibration error. At the cap: the best epoch was the last one"
        " planned, so longer training might have helped."
    )
    return (
        Table("Other scores on the test split", headers, rows, words=(0, 2), note=note, folded=True) if rows else None
    )


def neighbor_gains(comparison: Comparison) -> Table | None:
    """List all paired gains, with where their uncertainty comes from.

    Args:
        comparison: a grid's outcome.

    Returns:
        A folded table; None without differences.
    """
    labels = dict(sizes_in_order(comparison))
    rows = [
        [
            f"{item.shallow} → {item.deep}",
            size_words(item.size, labels.get(item.size)),
            setting_words(item.setting),
            with_interval(item.accuracy, points),
            with_interval(item.macro_f1, points),
            with_interval(item.log_loss, signed_nats),
            chance(item.p),
            chance(item.holm),
            item.family,
            percent(item.seed_share),
            percent(item.example_share),
            percent(item.residual_share),
            ABSENT if item.seed_correlation is None else f"{item.seed_correlation:.2f}",
            points(item.limit).removeprefix("+"),
        ]
        for item in comparison.differences
    ]
    headers = ["layers", "labels", "setting", "accuracy (points)"]
    headers += [
        "macro-F1 (points) (exploratory)",
        "log loss (nats) (exploratory)",
        "p",
        "p (Holm)",
        "family",
        "from seeds (%)",
        "from texts (%)",
        "from both (%)",
        "seed correlation",
        "limit (points)",
    ]
    note = (
        "From seeds, from texts, and from both (less with more of either): shares of the variance of the mean. Limit:"
        " the half-width that would be left with infinitely many seeds. The confirmatory family has no Holm column: the"
        " verdict corrects it."
    )
    return _lean(Table("Every paired gain", headers, rows, words=(0, 2, 8), note=note, folded=True)) if rows else None


def verdict_bounds(comparison: Comparison) -> Table | None:
    """List the bounds that the verdict was read from, and what each pair of depths says.

    Args:
        comparison: a grid's outcome.

    Returns:
        A folded table; None without a verdict or without bounds.
    """
    decision = comparison.decision
    if decision is None or not decision.bounds:
        return None
    depths = {depth for pair in decision.bounds for depth in pair[:2]}
    least = points(decision.delta).removeprefix("+")
    rows = []
    for shallow, deep, low, high in decision.bounds:
        above, below = low is not None and low > 0, high is not None and high < decision.delta
        said = {
            (True, True): f"deeper is better, by under {least}",
            (True, False): "deeper is better",
            (False, True): f"deeper gains under {least}",
            (False, False): "open",
        }[above, below]
        rows.append([f"{shallow} → {deep}", points(low), points(high), said])
    others = len(depths) - 1
    note = (
        f"Points of accuracy: {setting_words(decision.setting)}, {size_words(decision.size)} labels. Each bound is"
        f" one-sided, at 5 %{f' over {others}, the number of other depths' if others > 1 else ''}; so it is no end of"
        " the two-sided intervals elsewhere on this page."
    )
    headers = ["layers", "gains at least", "gains at most", "which says"]
    return Table("Bounds that the verdict rests on", headers, rows, words=(0, 3), note=note, folded=True)


def curve_facts(comparison: Comparison) -> list[Table]:
    """List what a doubling of the labels brings, and where depths cross.

    Args:
        comparison: a grid's outcome.

    Returns:
        Up to two tables.
    """
    doublings = [
        [layers_words(curve.layers), setting_words(curve.setting), with_interval(curve.gain_per_doubling, points)]
        for curve in comparison.curves
        if curve.gain_per_doubling is not None
    ]
    crossings = [
        [
            f"{layers_words(item.deep)} and {item.shallow}",
            setting_words(item.setting),
            item.words,
            "; ".join(f"{low:,.0f} to {high:,.0f}" for low, high in item.intervals) or "none",
        ]
        for item in comparison.crossings
    ]
    tables = []
    if doublings:
        tables.append(
            _lean(
                Table("What twice the labels bring", ["depth", "setting", "points a doubling"], doublings, words=(0, 1))
            )
        )
    if crossings:
        headers = ["depths", "setting", "where their curves cross", "labels at which they cannot be told apart"]
        tables.append(_lean(Table("Where depths cross", headers, crossings, words=(0, 1, 2, 3))))
    return tables


def cost_table(comparison: Comparison) -> Table | None:
    """List all costs by depth.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None where no cost was gathered.
    """
    batches = sorted({batch for cost in comparison.costs for batch in cost.latency_ms}, key=lambda name: name.zfill(9))
    rows = [
        [
            layers_words(cost.layers),
            setting_words(cost.setting),
            count(cost.parameters),
            count(cost.parameters_without_embeddings),
            count(cost.flops_per_token),
            duration(cost.train_seconds),
            count(cost.tokens_per_second),
            *(" / ".join(map(measure, cost.latency_ms[b])) if b in cost.latency_ms else ABSENT for b in batches),
            measure(cost.peak_memory_mb),
            measure(cost.disk_mb),
        ]
        for setting in settings_in_order(comparison)
        for cost in sorted(comparison.costs, key=lambda cost: cost.layers)
        if cost.setting == setting
    ]
    if not rows:
        return None
    headers = ["depth", "setting", "parameters", "without embeddings", "operations a token", "training", "tokens/s"]
    headers += [f"latency, batch {batch} (ms)" for batch in batches] + ["peak memory (MiB)", "disk (MiB)"]
    tokens = next((cost.tokens for cost in comparison.costs if cost.tokens), None)
    note = "Peak memory is that of the whole process."
    if batches and tokens:
        note = f"Latency: median / 95th percentile, texts of {tokens} tokens. {note}"
    return _lean(Table("Cost by depth at the largest size", headers, rows, words=(0, 1), note=note))


def _lean(table: Table) -> Table:
    """Leave the column of settings out where all rows have the same."""
    column = table.headers.index("setting")
    if len({row[column] for row in table.rows}) > 1:
        return table
    return replace(
        table,
        headers=[*table.headers[:column], *table.headers[column + 1 :]],
        rows=[[*row[:column], *row[column + 1 :]] for row in table.rows],
        words=tuple(place - (place > column) for place in table.words if place != column),
    )
