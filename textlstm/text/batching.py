"""Lengths to batches: plans of row indices by token budget, and the padding of one batch. Only numpy.

The rule of `plan_epoch` is the bucketed shuffle of torchtext's BucketIterator, in whole arrays:

1. all rows are shuffled;
2. the shuffled order is cut into pools of about `POOL_BATCHES` batches each, fewer where the data is small, so that
   there are about two pools at least (one pool would put the same rows together in every epoch);
3. each pool is sorted by length, equal lengths staying in shuffled order;
4. each pool is cut into batches from its longest row down: as many rows as keep rows x longest within the token
   budget, and at most `max_rows`; a short rest is evened out with the batch before it;
5. the order of all batches is shuffled.

So a row meets other neighbors of like length in every epoch, and few cells of a batch are padding: measured at 32 rows
a batch, 2.4 % of the cells on SST-2, 1.4 % on IMDB cut at 400 tokens, 3.3 % on AG News; on 1,000 rows of these sets
7 to 11 %.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

POOL_BATCHES = 64


class FlatRows(Protocol):
    """What `pad_batch` reads: flat ids and the offsets of the rows, as `textlstm.text.encoding.Encoded` has them."""

    @property
    def ids(self) -> np.ndarray:
        """Flat ids, all rows one after another."""

    @property
    def offsets(self) -> np.ndarray:
        """Where each row begins, and where the last one ends, (rows + 1,)."""


def plan_epoch(lengths: np.ndarray, *, batch_tokens: int, max_rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Plan the batches of one training epoch: rows of like length together, shuffled anew by each draw from `rng`.

    Args:
        lengths: (rows,) tokens of each row.
        batch_tokens: budget of a batch in cells, padding counted: rows x longest. A single longer row makes a batch of
            its own.
        max_rows: most rows of a batch.
        rng: the source of randomness; equal generators give equal plans.

    Returns:
        Batches of row numbers (int64), longest row of a batch first; every row is in exactly one.

    Raises:
        ValueError: If `batch_tokens` or `max_rows` is below 1.
    """
    if batch_tokens < 1 or max_rows < 1:
        raise ValueError(f"batch_tokens and max_rows must be at least 1; found {batch_tokens} and {max_rows}.")
    if len(lengths) == 0:
        return []
    cells = np.maximum(np.asarray(lengths, dtype=np.int64), 1)  # an empty row still takes a place
    order = rng.permutation(len(cells))
    batch_rows = int(np.clip(batch_tokens / cells.mean(), 1, max_rows))
    pool_batches = int(np.clip(len(cells) / batch_rows / 2, 2, POOL_BATCHES))
    pool_rows = pool_batches * batch_rows
    pools = max(1, len(cells) // pool_rows)  # the last one takes the rest
    # One sort for all pools: by pool first, then from long to short; lexsort is stable, so ties stay shuffled.
    pool = np.minimum(np.arange(len(cells)) // pool_rows, pools - 1)
    order = order[np.lexsort((-cells[order], pool))]
    batches: list[np.ndarray] = []
    for rows in np.split(order, np.arange(1, pools) * pool_rows):
        batches += _cut(rows, cells, batch_tokens=batch_tokens, max_rows=max_rows)
    return [batches[index] for index in rng.permutation(len(batches))]


def plan_ordered(lengths: np.ndarray, *, batch_tokens: int, max_rows: int) -> list[np.ndarray]:
    """Plan batches for prediction: longest first and no randomness, so that a lack of memory shows at once.

    Args:
        lengths: (rows,) tokens of each row.
        batch_tokens: budget of a batch in cells, padding counted: rows x longest. A single longer row makes a batch of
            its own.
        max_rows: most rows of a batch.

    Returns:
        Batches of row numbers (int64); every row is in exactly one. Equal lengths keep the order of the rows.

    Raises:
        ValueError: If `batch_tokens` or `max_rows` is below 1.
    """
    if batch_tokens < 1 or max_rows < 1:
        raise ValueError(f"batch_tokens and max_rows must be at least 1; found {batch_tokens} and {max_rows}.")
    cells = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    return _cut(np.argsort(-cells, kind="stable"), cells, batch_tokens=batch_tokens, max_rows=max_rows)


def pad_batch(encoded: FlatRows, indices: np.ndarray, *, pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Put rows into one right-padded array.

    Args:
        encoded: flat ids and offsets.
        indices: (rows,) row numbers.
        pad_id: what fills a row behind its end.

    Returns:
        ids (rows, longest) int64, and lengths (rows,) int64.
    """
    starts = encoded.offsets[:-1][indices]
    lengths = (encoded.offsets[1:][indices] - starts).astype(np.int64)
    columns = np.arange(lengths.max(initial=0))
    inside = columns < lengths[:, None]  # (rows, longest)
    padded = np.full(inside.shape, pad_id, dtype=np.int64)
    padded[inside] = encoded.ids[(starts[:, None] + columns)[inside]]
    return padded, lengths


def _cut(order: np.ndarray, cells: np.ndarray, *, batch_tokens: int, max_rows: int) -> list[np.ndarray]:
    """Cut rows that are sorted from long to short into batches within the budget."""
    most = np.clip(batch_tokens // cells[order], 1, max_rows).tolist()  # rows a batch may have that begins here
    starts = []
    start = 0
    while start < len(most):
        starts.append(start)
        start += most[start]
    if len(starts) > 1:
        # The rest may be one row, whose gradient would weigh as much as a full batch's: even out the last two. Neither
        # gets more rows than the last but one had, nor longer ones, so both keep within the budget.
        rows = len(most) - starts[-2]
        starts[-1] = min(starts[-1], starts[-2] + (rows + 1) // 2)
    return np.split(order, starts[1:]) if starts else []
