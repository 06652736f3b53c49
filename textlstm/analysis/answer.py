"""The words of a comparison: the answer in two sentences, and how its figures were made."""

from __future__ import annotations

from collections.abc import Sequence

from textlstm.analysis.reading import Grid
from textlstm.analysis.summary import CellSummary, DecisionSummary, DifferenceSummary
from textlstm.analysis.summary_beside import BaselineSummary, CostSummary
from textlstm.analysis.wording import layers_words, points, seeds_words, setting_words, size_words, with_interval
from textlstm.recipe import Recipe


def answer_sentences(
    decision: DecisionSummary | None,
    cells: Sequence[CellSummary],
    differences: Sequence[DifferenceSummary],
    baselines: Sequence[BaselineSummary],
    costs: Sequence[CostSummary],
) -> list[str]:
    """Answer the question that a comparison was run for.

    Args:
        decision: the verdict; None where there is one depth.
        cells: means.
        differences: gains.
        baselines: plain methods on the same rows.
        costs: by depth.

    Returns:
        The verdict and what a layer buys and costs; before them a sentence where a plain method scores higher than
        every depth.
    """
    own = [cell for cell in cells if decision is None or cell.setting == decision.setting] or list(cells)
    size = own[-1].size if decision is None else decision.size
    row = [cell for cell in own if cell.size == size] or own
    best = max(row, key=lambda cell: cell.accuracy.value)
    sentences = _beaten_by(baselines, best, [cell for cell in cells if cell.size == best.size])
    if decision is None:
        score = with_interval(best.accuracy)
        sentences.append(f"{layers_words(best.layers)}: {score} % test accuracy with {size_words(size)} labels.")
        return sentences
    labels = f"{row[0].labels:,}" if decision.size == "full" else f"{decision.size:,}"
    sentences.append(
        f"{decision.words} (That is about {setting_words(decision.setting)} and {labels} labels, at 95 %.)"
    )
    if len(row) > 1 and (row[0].setting, row[0].size) == (decision.setting, decision.size):
        sentences.append(_price(decision, differences, costs))
    return sentences


def _beaten_by(baselines: Sequence[BaselineSummary], best: CellSummary, cells: Sequence[CellSummary]) -> list[str]:
    """Say so first where the strongest plain method scores higher than the best stack of the verdict's setting."""
    rivals = [b for b in baselines if b.size == best.size and b.gain_of_stack is not None]
    if not rivals:
        return []
    rival = max(rivals, key=lambda baseline: baseline.accuracy.value)
    gain = rival.gain_of_stack
    if gain is None or gain.value >= 0:
        return []
    sure = rival.holm is not None and rival.holm < 0.05
    verb = "beats" if sure else "scores higher than"
    others = any(cell.accuracy.value > rival.accuracy.value for cell in cells)
    which = f"every stack of {setting_words(best.setting)}" if others else "every stack here"
    stack = f"the best stack ({layers_words(best.layers)}) {with_interval(best.accuracy)} %"
    words = (
        f"A plain method {verb} {which}: {rival.words} reaches {with_interval(rival.accuracy)} % with"
        f" {size_words(best.size)} labels, {stack}"
    )
    return [f"{words}." if sure else f"{words}; the difference of {with_interval(gain, points)} points may be chance."]


def _price(decision: DecisionSummary, differences: Sequence[DifferenceSummary], costs: Sequence[CostSummary]) -> str:
    """Say what going from the shallowest depth to the most accurate other one buys and costs."""
    rows = {cost.layers: cost for cost in costs if cost.setting == decision.setting}
    low = rows[min(rows)]
    high = max((cost for cost in rows.values() if cost.layers != low.layers), key=lambda cost: cost.accuracy)
    gain = next(
        found
        for found in differences
        if (found.setting, found.size, found.shallow, found.deep)
        == (decision.setting, decision.size, low.layers, high.layers)
    )
    times = [f"{high.train_seconds / low.train_seconds:.1f} times the training time"]
    if low.latency_ms.get("1") and high.latency_ms.get("1"):
        times.append(f"{high.latency_ms['1'][0] / low.latency_ms['1'][0]:.1f} times the latency")
    ratio = high.parameters_without_embeddings / low.parameters_without_embeddings
    times.append(f"{ratio:.1f} times the parameters outside the embeddings")
    price = f"it takes {', '.join(times[:-1])} and {times[-1]}"
    change = with_interval(gain.accuracy, points)
    if decision.kind in ("preview", "not_trained"):
        return (
            f"In these runs, and no more than that, {high.layers} layers changed accuracy by {change} points; {price}."
        )
    return (
        f"The best-scoring deeper stack, {high.layers} layers, gains {change} points over {layers_words(low.layers)}"
        f" (not corrected for that choice), and {price}."
    )


def method_words(grid: Grid, recipe: Recipe) -> dict[str, str]:
    """Explain how the figures were made.

    Args:
        grid: finished runs.
        recipe: of the grid.

    Returns:
        Paragraphs by heading.
    """
    seeds = sorted({len(group.seeds) for group in grid.groups.values()})
    words = {
        "Sizes": (
            "A size counts all labels that training and the choice of the epoch see. Under 500, all rows train for a"
            " fixed number of updates with a decaying rate, and the running mean of the weights is kept; from 500 to"
            " 2,000, 15 % of the rows choose the epoch by log loss; above, 10 %, at least 200 and at most 1,000."
        ),
        "Seeds": (
            f"{seeds_words(seeds)}. A seed draws the rows, the initial weights, the order and the"
            " dropout, each from a stream of its own, so that what two depths have in common starts alike and runs of"
            " one seed are pairs."
        ),
        "Intervals": (
            "95 % t intervals of the mean over seeds and texts, taken as two crossed random factors: the variance is"
            " the seed part plus the text part minus the residual part, and at least the larger of the two, with"
            " Satterthwaite's degrees of freedom. Bands of learning curves hold all sizes at once (sup-t)."
        ),
        "Many comparisons": (
            f"The verdict is about {setting_words(grid.declared[0])} at the largest size alone, with bounds at"
            " alpha / (K - 1) for K depths. Each depth against the shallowest elsewhere is one family under Holm's"
            " correction; everything else is exploratory."
        ),
        "Converged": (
            "A run counts as converged when its log loss on its own training rows is under 90 % of that of naming the"
            " classes' frequencies; one whose loss became no number did not. A run hit the cap when its best epoch was"
            " the last one planned."
        ),
        "Delta": f"A layer is worth having from a gain of {recipe.delta:g} points on; the recipe sets it.",
        "Baselines": (
            "Fitted on the same rows of the same seeds, and scored on the same test texts; TF-IDF reads whole texts."
            " The strength of the logistic regression is chosen without the test split. Comparisons with the stack take"
            " the depth that scored best on these texts, which favors the stack."
        ),
        "Cost": (
            "Training seconds are those of runs that share the machine with other runs of the sweep. Latency is"
            " measured afterwards, all depths in turn, on one thread."
        ),
    }
    if recipe.grid.folds:
        words["Cross-validation"] = (
            f"{recipe.grid.folds} stratified folds, the same for all seeds and depths; rows of one text are in one"
            " fold. Seeds are averaged inside a fold, folds count alike, and intervals of means and of gains"
            " are widened for the training rows that folds share (Nadeau and Bengio 2003)."
        )
    return words
