"""The data report as plain values, the warnings that follow from its numbers, and its form on a terminal."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from textlstm.errors import plain_text
from textlstm.text.overlap import SharedRows

FEW_ROWS = 10
"""A class with fewer training rows is hardly learned, and its score is noise."""

IMBALANCE = 10
"""From this ratio of the largest to the smallest class on, accuracy hides the small ones."""

# Classes beyond these are left out of the table on a terminal; `to_dict` has them all.
_SHOWN_CLASSES = 60


@dataclass(frozen=True)
class DataReport:
    """What the check found, as plain values.

    Attributes:
        source: what the user named.
        fingerprint: of the data; see `TextData`.
        rows: rows of each split.
        label_names: the classes in order.
        multi_label: whether a row may have several labels.
        labels: rows of each class in each split; empty for an unlabeled split.
        lengths: of each split: "mean", "p50", "p90", "p95", "p99" and "max", in tokens (of the `word` kind where no
            tokenizer was given).
        max_length: the cut that `truncated` is about.
        truncated: share of rows of each split that are longer than `max_length`, from 0 to 1; empty without one.
        duplicates: of each split: "repeated" rows (the first of each text not counted), "repeated_exact" (byte
            for byte) and "conflicting" texts (one text, different labels).
        shared: rows of a split whose text is also in another, by "test in train" and so on.
        against: the same for the splits of other data sets; empty where none was named.
        vocabulary: of each split: "types" and "tokens" (words between white space, case-folded, and single
            letters of scripts without spaces), and for the others than train the shares
            "types_in_train" and "tokens_in_train".
        warnings: what may spoil training or its score, in sentences.
        notes: how the data was read.
    """

    source: str
    fingerprint: str
    rows: dict[str, int]
    label_names: list[str]
    multi_label: bool
    labels: dict[str, dict[str, int]]
    lengths: dict[str, dict[str, float]]
    max_length: int | None
    truncated: dict[str, float]
    duplicates: dict[str, dict[str, int]]
    shared: dict[str, int]
    against: list[SharedRows]
    vocabulary: dict[str, dict[str, float]]
    warnings: list[str]
    notes: list[str]

    def to_dict(self) -> dict[str, object]:
        """Give the report as values that JSON can hold."""
        return asdict(self)


def warnings_of(report: DataReport) -> list[str]:
    """Draw the warnings from the numbers of a report.

    Args:
        report: a report whose numbers are filled in.

    Returns:
        One or two sentences a warning, the most harmful to a score first.
    """
    return [*_overlap_warnings(report), *_label_warnings(report), *_text_warnings(report)]


def _overlap_warnings(report: DataReport) -> Iterator[str]:
    """Warn of texts that come twice."""
    for pair, count in report.shared.items():
        later, _, earlier = pair.partition(" in ")
        if count:
            yield (
                f"{_count(count, 'row')} of {later} ({_percent(count / report.rows[later])}) {_have(count)} a text "
                f"that is also in {earlier}: the score on {later} partly measures memory. Remove them from {earlier}."
            )
    for other in dict.fromkeys(line.other for line in report.against):
        lines = [line for line in report.against if line.other == other and line.count]
        if lines:
            places = ", ".join(
                f"{line.count:,} {line.split} {'text' if line.count == 1 else 'texts'} ({_percent(line.share)}) in its"
                f" {line.other_split}"
                for line in lines
            )
            yield (
                f"{other} holds texts of this data set: {places}. Use no text, label, teacher or language model of one "
                f"for the other before these rows are removed."
            )
    for split, found in report.duplicates.items():
        if conflicting := found.get("conflicting", 0):
            yield (
                f"{_count(conflicting, 'text')} in {split} {_have(conflicting)} different labels in different rows: "
                f"no model can be right on all of them."
            )
        repeated = found["repeated"]
        if repeated > report.rows[split] / 100:
            yield (
                f"{_count(repeated, 'row')} of {split} ({_percent(repeated / report.rows[split])}) only "
                f"{'repeats' if repeated == 1 else 'repeat'} an earlier text."
            )


def _label_warnings(report: DataReport) -> Iterator[str]:
    """Warn of classes that are too small, uneven, absent, or spelled in two ways."""
    twins = defaultdict(list)
    for name in report.label_names:
        twins["".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    for names in twins.values():
        if len(names) > 1:
            yield (
                f"The labels {_names(names)} differ only in spelling and count as different classes. "
                f"Unite them if they are one."
            )
    for split, counts in report.labels.items():
        present = [name for name, count in counts.items() if count]
        if counts and len(present) == 1 and len(counts) > 1:
            yield f"All rows of {split} have the label {present[0]!r}: a score on it says little."
    train = report.labels.get("train", {})
    absent = [name for name, count in train.items() if not count]
    if absent:
        yield f"No training row has the label {_names(absent)}: it cannot be learned."
    few = [name for name, count in train.items() if 0 < count < FEW_ROWS]
    if few:
        yield (
            f"{_count(len(few), 'class', 'classes')} {_have(len(few))} fewer than {FEW_ROWS} training rows: "
            f"{_names(few)}. Expect them to be missed; add rows or merge classes."
        )
    filled = {name: count for name, count in train.items() if count}
    if len(filled) > 1 and not report.multi_label:
        largest, smallest = max(filled, key=filled.__getitem__), min(filled, key=filled.__getitem__)
        ratio = filled[largest] / filled[smallest]
        if ratio >= IMBALANCE:
            yield (
                f"The largest class ({largest}) has {ratio:.0f} times the training rows of the smallest ({smallest}): "
                f"look at macro-F1 beside accuracy, and consider class weights."
            )
    for split, counts in report.labels.items():
        missing = [name for name, count in counts.items() if not count and train.get(name)]
        if split != "train" and counts and missing:
            number = _count(len(missing), "class", "classes")
            yield f"{number} of train {_have(len(missing))} no row in {split}: {_names(missing)}."


def _text_warnings(report: DataReport) -> Iterator[str]:
    """Warn of texts that are cut or made of unknown words."""
    for split, share in report.truncated.items():
        if share > 0.1:
            yield (
                f"{_percent(share)} of the {split} texts are longer than {report.max_length} tokens and "
                f"would be cut; 95 % of them have at most {report.lengths[split]['p95']:,}."
            )
    for split, found in report.vocabulary.items():
        if found.get("tokens_in_train", 1.0) < 0.85:
            yield (
                f"Only {_percent(found['tokens_in_train'])} of the words in {split} occur in train: a sub-word "
                f"tokenizer, pretrained vectors or more training text would help."
            )


def format_report(report: DataReport) -> str:
    """Set the report in lines for a terminal.

    Args:
        report: what `check_data` gave.

    Returns:
        Plain text of at most about 110 columns, without a closing line end.
    """
    splits = list(report.rows)
    lines = [f"{report.source}  (fingerprint {report.fingerprint})", ""]
    table = [["", *splits], ["rows", *(f"{report.rows[split]:,}" for split in splits)]]
    measures = [
        ("mean", "mean"),
        ("p50", "median"),
        ("p90", "90 %"),
        ("p95", "95 %"),
        ("p99", "99 %"),
        ("max", "longest"),
    ]
    for key, word in measures:
        table.append([f"tokens, {word}", *(f"{report.lengths[s].get(key, 0):,}" for s in splits)])
    if report.truncated:
        table.append([f"cut at {report.max_length}", *(_percent(report.truncated[s]) for s in splits)])
    table.append(["repeated texts", *(f"{report.duplicates[s]['repeated']:,}" for s in splits)])
    table.append(["texts with two labels", *(f"{report.duplicates[s].get('conflicting', 0):,}" for s in splits)])
    table.append(["different words", *(f"{report.vocabulary[s]['types']:,}" for s in splits)])
    for key, word in (("types_in_train", "of them in train"), ("tokens_in_train", "running words in train")):
        cells = [_percent(v[key]) if key in (v := report.vocabulary[s]) else "" for s in splits]
        if any(cells):
            table.append([word, *cells])
    lines += _aligned(table)
    kind = "labels, several a row" if report.multi_label else "labels"
    labels = [[kind, *splits]]
    for name in report.label_names[:_SHOWN_CLASSES]:
        cells = []
        for split in splits:
            count = report.labels[split].get(name)
            cells.append("?" if count is None else f"{count:,} ({_percent(count / max(1, report.rows[split]))})")
        line = " ".join(name.split())
        labels.append([line if len(line) <= 40 else f"{line[:39]}…", *cells])
    lines += ["", *_aligned(labels)]
    if len(report.label_names) > _SHOWN_CLASSES:
        lines.append(f"... and {len(report.label_names) - _SHOWN_CLASSES} more classes")
    if report.against:
        lines += ["", *_aligned(_against_table(report))]
    for title, sentences in (("Warnings", report.warnings), ("Notes", report.notes)):
        if sentences:
            lines += ["", title, *(f"- {sentence}" for sentence in sentences)]
    if not report.warnings:
        lines += ["", "No warnings."]
    return plain_text("\n".join(lines))


def _against_table(report: DataReport) -> list[list[str]]:
    """Lay out how many rows of each split are in each split of other data sets."""
    counts = {(line.other, line.other_split, line.split): line for line in report.against}
    places = dict.fromkeys((line.other, line.other_split) for line in report.against)
    rows = [
        [
            f"also in {other}, {split}",
            *(f"{(line := counts[other, split, own]).count:,} ({_percent(line.share)})" for own in report.rows),
        ]
        for other, split in places
    ]
    return [["", *report.rows], *rows]


def _aligned(table: list[list[str]]) -> list[str]:
    """Pad the cells of a table: the first column to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in table
    ]


def _percent(share: float) -> str:
    """Write a share; what is not none or all never rounds to it."""
    shown = f"{100 * share:.1f}"
    if shown == "0.0" and share > 0:
        return "<0.1 %"
    if shown == "100.0" and share < 1:
        return ">99.9 %"
    return f"{shown} %"


def _count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _have(number: int) -> str:
    """Give the verb that fits the number."""
    return "has" if number == 1 else "have"


def _names(names: Sequence[str]) -> str:
    """List some names."""
    return ", ".join(map(repr, names[:8])) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
