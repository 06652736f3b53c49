"""One split of a data set, and the two ways to part it: a stratified hold-out and nested stratified subsets.

Both come from one idea: an order of the rows in which every prefix has about the class shares of the whole.
For several labels a row the order is built label by label, after Sechidis, Tsoumakas & Vlahavas 2011,
"On the Stratification of Multi-Label Data" (ECML PKDD), with the first rows of a seeded shuffle standing for chance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError

_CANDIDATES = 8  # rows that a due label may choose from: more balance better and take longer


@dataclass(frozen=True, eq=False)
class Split:
    """Texts with their labels, in source order.

    Attributes:
        texts: (rows,) of Arrow type large_string, without nulls.
        labels: (rows,) int64 class numbers, or (rows, classes) bool for multi-label; None when unlabeled.
        rows: (rows,) int64, the 0-based row numbers in the source, for reports and predictions.
    """

    texts: pa.ChunkedArray | pa.Array
    labels: np.ndarray | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: np.ndarray) -> Split:
        """Pick rows, in the given order.

        Args:
            indices: (picked,) positions in this split.

        Returns:
            A split of those rows; their source row numbers travel along.
        """
        labels = None if self.labels is None else self.labels[indices]
        return Split(self.texts.take(pa.array(indices, pa.int64())), labels, self.rows[indices])

    def text_list(self) -> list[str]:
        """Give the texts as Python strings."""
        texts: list[str] = self.texts.to_pylist()
        return texts

    def digest(self) -> bytes:
        """Hash texts and labels, whatever their chunks: equal content gives equal bytes."""
        content = hashlib.sha256()
        chunks = self.texts.chunks if isinstance(self.texts, pa.ChunkedArray) else [self.texts]
        lengths = hashlib.sha256(len(self).to_bytes(8, "little"))
        for chunk in chunks:
            if len(chunk):
                _, offsets_buffer, data = chunk.buffers()
                offsets = np.frombuffer(offsets_buffer, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
                lengths.update(np.diff(offsets).tobytes())
                if data is not None:
                    content.update(data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        content.update(lengths.digest())
        content.update(b"unlabeled" if self.labels is None else np.ascontiguousarray(self.labels).tobytes())
        return content.digest()


def hold_out(split: Split, *, rows: int, seed: int, multi_label: bool = False) -> tuple[Split, Split]:
    """Part off a stratified sample, such as a validation split from the training rows.

    Each class gives its share; the last row of a class always stays, so a class with one row is not lost to training.

    Args:
        split: the rows to part.
        rows: how many to hold out.
        seed: decides which; the same seed and rows give the same parts.
        multi_label: whether the labels are a matrix.

    Returns:
        The kept rows and the held-out rows, both in source order.

    Raises:
        DataError: when there are not that many rows to spare.
    """
    if not 0 < rows < len(split):
        raise DataError(
            f"{rows} rows cannot be held out of {len(split)}: at least one row must be on each side. "
            f"Give a validation set, or more data."
        )
    rng = np.random.default_rng([seed, 0x686F6C64])  # its own stream, apart from the subsets'
    if split.labels is None:
        order = rng.permutation(len(split))
    elif multi_label:
        order = _by_label_deficit(split.labels, rng, keep_last=True, limit=rows)
    else:
        order = _by_class_share(split.labels, rng, keep_last=True)
    held = np.zeros(len(split), dtype=bool)
    held[order[:rows]] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def nested_subset(split: Split, *, size: int, seed: int) -> Split:
    """Take the first rows of one seeded stratified order, so that a smaller subset lies inside every larger one.

    Each class comes up once before the class shares are filled, the most frequent first.

    Args:
        split: the rows to choose from.
        size: how many to take.
        seed: decides the order.

    Returns:
        `size` rows, in source order.

    Raises:
        DataError: when `size` is below 1 or above the number of rows.
    """
    if not 0 < size <= len(split):
        raise DataError(
            f"a subset of {size} rows was asked for and there are {len(split)}; name a size from 1 to that."
        )
    return split.take(np.sort(stratified_order(split.labels, rows=len(split), seed=seed, limit=size)))


def stratified_order(labels: np.ndarray | None, *, rows: int, seed: int, limit: int | None = None) -> np.ndarray:
    """Order rows so that every prefix is balanced: each class as early as possible, then by the classes' shares.

    Args:
        labels: (rows,) class numbers, (rows, classes) bool, or None for a plain shuffle.
        rows: the number of rows.
        seed: decides among equals.
        limit: how many of the first rows are needed; all when None.

    Returns:
        (limit,) different row numbers; a smaller limit gives the beginning of a larger one.
    """
    rng = np.random.default_rng([seed, 0x73756273])
    limit = rows if limit is None else limit
    if labels is None:
        return rng.permutation(rows)[:limit]
    if labels.ndim == 1:
        return _by_class_share(labels, rng, keep_last=False)[:limit]
    return _by_label_deficit(labels, rng, keep_last=False, limit=limit)[:limit]


def _due_times(counts: np.ndarray, keep_last: bool) -> list[np.ndarray]:
    """Say when the k-th row of each class is due, as a share of the whole: (k + 1/2) / count.

    Without `keep_last` the first row of each class is due at once; with it, the last one never is.
    """
    due = [(np.arange(count) + 0.5) / count for count in counts]
    for times in due:
        if len(times):
            times[-1 if keep_last else 0] = np.inf if keep_last else -1.0
    return due


def _by_class_share(labels: np.ndarray, rng: np.random.Generator, *, keep_last: bool) -> np.ndarray:
    """Order rows of one label each."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class by class, shuffled inside
    counts = np.bincount(labels)
    due = np.concatenate(_due_times(counts, keep_last))
    # Classes that are due together come in order of size at the start, and by chance later.
    size = np.repeat(counts, counts)
    chance = rng.permutation(len(labels))
    tie = np.where(due < 0, -size, chance)
    return by_class[np.lexsort((chance, tie, due))]


def _by_label_deficit(labels: np.ndarray, rng: np.random.Generator, *, keep_last: bool, limit: int) -> np.ndarray:
    """Order rows of several labels each: when a label is due and was seen too rarely, a row with it comes next.

    Of the next few rows with that label, the one is taken whose other labels are least ahead of their time.
    """
    # A row without any label counts as having one of its own, or it would never be due.
    labels = np.column_stack([labels, ~labels.any(axis=1)])
    sums = labels.sum(axis=0)
    shuffled = rng.permutation(len(labels))
    due = np.concatenate(_due_times(sums, keep_last))
    which = np.repeat(np.arange(len(sums)), sums)
    nth = np.concatenate([np.arange(count) for count in sums])
    size = np.repeat(sums, sums)
    # Holding out starts with the rare labels, which have the fewest rows to choose from.
    events = np.lexsort((rng.permutation(len(due)), size if keep_last else -size, due))
    waiting = [shuffled[labels[shuffled, label]].tolist()[::-1] for label in range(len(sums))]
    carried = [np.flatnonzero(row).tolist() for row in labels]
    counts: list[int] = sums.tolist()
    seen = [0] * len(counts)
    used = [False] * len(labels)
    order: list[int] = []
    last: list[int] = []
    for label, number, time in zip(which[events].tolist(), nth[events].tolist(), due[events].tolist(), strict=True):
        if len(order) >= limit:
            break
        if seen[label] > number:  # rows that came for other labels brought this one along
            continue
        share = len(order) / len(labels)
        candidates: list[int] = []
        passed: list[int] = []
        while waiting[label] and len(candidates) < _CANDIDATES:
            row = waiting[label].pop()
            if used[row]:
                continue
            passed.append(row)
            if keep_last and time < 1.0 and any(seen[mine] + 1 >= counts[mine] for mine in carried[row]):
                used[row] = True  # the only row left with one of its labels: it stays
                last.append(row)
            else:
                candidates.append(row)
        if candidates:
            ahead = [
                sum((seen[mine] + 0.5 - share * counts[mine]) / counts[mine] ** 0.5 for mine in carried[row])
                for row in candidates
            ]
            chosen = candidates[ahead.index(min(ahead))]
            used[chosen] = True
            order.append(chosen)
            for mine in carried[chosen]:
                seen[mine] += 1
        waiting[label].extend(row for row in reversed(passed) if not used[row])
    return np.array(order + last, dtype=np.int64)
