"""Figures as a reader sees them: shares in %, differences in signed points, counts and seconds in short units."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textlstm.errors import plain_text as plain_text
from textlstm.results import Estimate

if TYPE_CHECKING:
    from typing_extensions import TypeIs

ABSENT = "–"
"""Stands where there is no figure."""


def percent(share: float | None) -> str:
    """Write a share in % with one decimal.

    Args:
        share: from 0 to 1.

    Returns:
        Such as "87.3".
    """
    return ABSENT if not _is_finite(share) else f"{100 * share:.1f}"


def points(difference: float | None) -> str:
    """Write a difference of shares in points, with its sign.

    Args:
        difference: of two shares.

    Returns:
        Such as "+1.2" or "−0.3"; "0.0" has no sign.
    """
    return ABSENT if not _is_finite(difference) else _signed(100 * difference, 1)


def nats(value: float | None) -> str:
    """Write a log loss with three decimals.

    Args:
        value: in nats.

    Returns:
        Such as "0.412".
    """
    return ABSENT if not _is_finite(value) else f"{value:.3f}"


def signed_nats(value: float | None) -> str:
    """Write a difference in log loss with its sign.

    Args:
        value: in nats.

    Returns:
        Such as "−0.021".
    """
    return ABSENT if not _is_finite(value) else _signed(value, 3)


def interval(estimate: Estimate, write: Callable[[float], str] = percent) -> str:
    """Write the interval of an estimate.

    Args:
        estimate: a value with or without an interval.
        write: how each end is written.

    Returns:
        Such as "[86.1, 88.5]"; empty where there is none.
    """
    if not _is_finite(estimate.low) or not _is_finite(estimate.high):
        return ""
    return f"[{write(estimate.low)}, {write(estimate.high)}]"


def with_interval(estimate: Estimate, write: Callable[[float], str] = percent) -> str:
    """Write an estimate with its interval behind it.

    Args:
        estimate: a value with or without an interval.
        write: how each figure is written.

    Returns:
        Such as "87.3 [86.1, 88.5]".
    """
    return f"{write(estimate.value)} {interval(estimate, write)}".strip()


def count(number: float | None) -> str:
    """Write a count in thousands (k), millions (M) or billions (G).

    Args:
        number: a count.

    Returns:
        Such as "49 k" or "1.24 M".
    """
    if not _is_finite(number):
        return ABSENT
    if number >= 999.5e6:
        return f"{number / 1e9:.2f} G"
    if number >= 999_500:
        return f"{number / 1e6:.2f} M"
    return f"{number / 1e3:.0f} k" if number >= 9_999.5 else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it.

    Args:
        seconds: a time.

    Returns:
        Such as "0.42 s", "8.5 s", "94 s", "12 min" or "3.4 h".
    """
    if not _is_finite(seconds):
        return ABSENT
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    if seconds < 7_170:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def measure(value: float | None) -> str:
    """Write a measured quantity with about three digits.

    Args:
        value: milliseconds or MiB.

    Returns:
        Such as "0.512", "4.81", "38.2" or "1,204".
    """
    if not _is_finite(value):
        return ABSENT
    return f"{value:,.{max(0, min(3, 2 - math.floor(math.log10(abs(value)))))}f}" if value else "0"


def chance(p: float | None) -> str:
    """Write a p value.

    Args:
        p: from 0 to 1.

    Returns:
        Such as "0.012" or "<0.001".
    """
    if not _is_finite(p):
        return ABSENT
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def size_words(size: int | str, labels: int | None = None) -> str:
    """Name a size.

    Args:
        size: labeled rows, or "full".
        labels: what "full" stands for.

    Returns:
        Such as "2,000" or "all 5,452".
    """
    if isinstance(size, int):
        return f"{size:,}"
    return f"all {labels:,}" if labels is not None else "all"


def layers_words(layers: int) -> str:
    """Name a depth.

    Args:
        layers: stacked layers.

    Returns:
        Such as "1 layer" or "3 layers".
    """
    return f"{layers} layer{'s' if layers != 1 else ''}"


def seeds_words(counts: Iterable[int]) -> str:
    """Say how many seeds there are, where cells may have different numbers.

    Args:
        counts: of seeds, one or more.

    Returns:
        Such as "1 seed", "5 seeds" or "3 to 5 seeds".
    """
    present = sorted(set(counts))
    if len(present) > 1:
        return f"{present[0]:,} to {present[-1]:,} seeds"
    return f"{present[0]:,} seed{'s' if present[0] != 1 else ''}"


def setting_words(setting: str) -> str:
    """Name a setting for a reader.

    Args:
        setting: label such as "matched_parameters_deepest, model.join=residual".

    Returns:
        Such as "matched parameters (deepest), model.join=residual".
    """
    control, *axes = setting_parts(setting)
    named = re.sub(r"^(matched parameters) (\w+)$", r"\1 (\2)", control.replace("_", " "))
    return ", ".join([named, *map(axis_words, axes)])


def setting_parts(setting: str) -> list[str]:
    """Part a setting's label, whose values may be lists.

    Args:
        setting: as in `CellSummary`.

    Returns:
        The control, then each axis with its value, such as "distillation.teacher=['a', 'b']".
    """
    return re.split(r", (?=[\w.]+=)", setting)


def axis_words(axis: str) -> str:
    """Name a point of an axis for a reader.

    Args:
        axis: key and value, such as "model.join=residual".

    Returns:
        The same; "no embeddings.source" where the value is none, and of a path its last part alone.
    """
    key, equals, value = axis.partition("=")
    if value == "None":
        return f"no {key}"
    return key + equals + re.sub(r"(?:^|(?<=['\"]))[/~][^'\"]*", lambda found: Path(found[0]).name, value)


BASELINES: dict[str, tuple[str, str]] = {
    "majority": ("majority", "always the commonest class"),
    "tfidf": ("TF-IDF", "TF-IDF of words and word pairs, logistic regression"),
    "bag": ("bag of vectors", "mean of word embeddings, linear"),
    "one_directional": ("one direction", "one LSTM layer that reads forward only"),
    "encoder": ("frozen encoder", "frozen encoder, mean of its states, logistic regression"),
}
"""Each plain method in short and at length, weakest first."""


def baseline_words(name: str) -> str:
    """Name a plain method in the room beside a line.

    Args:
        name: as in the summary.

    Returns:
        Such as "TF-IDF"; an unknown name as it is.
    """
    return BASELINES[name][0] if name in BASELINES else name


def baseline_sentence(name: str) -> str:
    """Say what a plain method is.

    Args:
        name: as in the summary.

    Returns:
        Such as "mean of word embeddings, linear"; an unknown name as it is.
    """
    return BASELINES[name][1] if name in BASELINES else name


def file_name(*parts: str) -> str:
    """Make a name that is safe as a file and as an HTML id.

    Args:
        *parts: words in any letters; empty ones are passed over.

    Returns:
        Lower-case letters, digits, hyphens and underscores, at most 80 characters.
    """
    words = (re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-") for part in parts)
    return "-".join(word for word in words if word)[:80]


def _is_finite(value: float | None) -> TypeIs[float]:
    """Whether there is a number to write."""
    return value is not None and math.isfinite(value)


def _signed(value: float, decimals: int) -> str:
    """Write a number with a sign, a true minus, and no sign on zero."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "−") + text
