"""The orders in which a report goes through a comparison: settings, sizes, depths, plain methods."""

from __future__ import annotations

from textlstm.analysis.summary import CellSummary, Comparison
from textlstm.analysis.summary_beside import BaselineSummary


def settings_in_order(comparison: Comparison) -> list[str]:
    """List the settings, the one that the verdict is about first.

    Args:
        comparison: a grid's outcome.

    Returns:
        Labels of settings that have cells.
    """
    first = [comparison.decision.setting] if comparison.decision else []
    present = [cell.setting for cell in comparison.cells]
    ordered = dict.fromkeys([*first, *comparison.settings, *present])
    return [setting for setting in ordered if setting in present]


def depths_in_order(comparison: Comparison) -> list[int]:
    """List every depth of the grid, from the shallowest.

    Args:
        comparison: a grid's outcome.

    Returns:
        Numbers of layers.
    """
    return sorted({cell.layers for cell in comparison.cells})


def sizes_in_order(comparison: Comparison) -> list[tuple[int | str, int]]:
    """List the sizes, from the smallest.

    Args:
        comparison: a grid's outcome.

    Returns:
        Each size with the number of labels that it stands for.
    """
    labels: dict[int | str, int] = {}
    for cell in comparison.cells:
        labels[cell.size] = max(cell.labels, labels.get(cell.size, 0))
    return sorted(labels.items(), key=lambda item: (item[1], isinstance(item[0], str)))


def cells_of(comparison: Comparison, setting: str) -> list[CellSummary]:
    """Pick the cells of a setting, by size and then by depth.

    Args:
        comparison: a grid's outcome.
        setting: label of the setting.

    Returns:
        Its cells.
    """
    order = {size: place for place, (size, _) in enumerate(sizes_in_order(comparison))}
    chosen = (cell for cell in comparison.cells if cell.setting == setting)
    return sorted(chosen, key=lambda cell: (order[cell.size], cell.layers))


def baselines_in_order(comparison: Comparison) -> dict[str, list[BaselineSummary]]:
    """Group the plain methods by name, in the order of the summary, each by size.

    Args:
        comparison: a grid's outcome.

    Returns:
        Name to its sizes, from the smallest.
    """
    groups: dict[str, list[BaselineSummary]] = {}
    for baseline in comparison.baselines:
        groups.setdefault(baseline.name, []).append(baseline)
    return {name: sorted(group, key=lambda baseline: baseline.labels) for name, group in groups.items()}
