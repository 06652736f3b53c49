"""What a run trains on: rows as padded batches, and the batches of all epochs, planned before the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch.utils.data import Dataset

from textlstm.text.batching import pad_batch, plan_epoch
from textlstm.text.tokenization import Encoded


class TokenRows(Dataset[dict[str, torch.Tensor]]):
    """Encoded rows with labels; a list of row indices comes back as one padded batch."""

    def __init__(self, encoded: Encoded, labels: np.ndarray, *, pad_id: int) -> None:
        """Hold rows without copying them.

        Args:
            encoded: ids of all rows.
            labels: (rows,) int64, or (rows, classes) bool for multi-label.
            pad_id: id that fills short rows.
        """
        self.encoded, self.pad_id = encoded, pad_id
        self.labels = torch.from_numpy(labels.astype(np.float32 if labels.ndim == 2 else np.int64))

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Pad the rows of one batch: `input_ids` and `attention_mask` (batch, time), `labels`, `rows`."""
        rows = np.asarray(indices)
        ids, lengths = pad_batch(self.encoded, rows, pad_id=self.pad_id)
        mask = np.arange(ids.shape[1])[None, :] < lengths[:, None]
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "labels": self.labels[torch.from_numpy(rows)],
            "rows": torch.from_numpy(rows.astype(np.int64)),
        }


class EpochPlan:
    """The batches of all epochs, one after another; a batch sampler for a DataLoader.

    Attributes:
        borders: (epochs,) number of batches after each epoch.
    """

    # What accelerate asks of a sampler: batches are of any size, so they are dealt out whole to several processes.
    drop_last = False
    batch_size = None

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_size: int,
        epochs: int,
        min_batches: int,
        seed: int,
        share: float = 1.0,
        processes: int = 1,
    ) -> None:
        """Plan every epoch.

        Args:
            lengths: (rows,) tokens of each row.
            batch_size: rows a batch on average: the token budget is this times the mean length.
            epochs: passes over the rows.
            min_batches: passes are added until there are so many batches.
            seed: of the order.
            share: the number of batches that comes of this is multiplied by it; the last pass may then be cut off.
            processes: the batches are dealt out to so many, and all get equally many: up to `processes - 1` are left
                out at the end.
        """
        # A budget under the longest row would leave that row alone in its batch; it may, so the mean decides.
        self.batch_tokens = int(np.ceil(batch_size * float(lengths.mean())))
        self._rows = batch_size
        self._lengths, self._seed = lengths, seed
        borders: list[int] = []
        total = 0
        while len(borders) < epochs or total < min_batches:
            total += len(self._epoch(len(borders)))
            borders.append(total)
        planned = max(1, round(share * total))
        planned = max(processes, planned - planned % processes)
        while borders[-1] < planned:
            borders.append(borders[-1] + len(self._epoch(len(borders))))
        borders = [border for border in borders if border < planned]
        borders.append(planned)
        self.borders = np.array(borders)

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        """Cut one epoch into batches; the same epoch gives the same batches."""
        rng = np.random.default_rng([self._seed, epoch])
        return plan_epoch(self._lengths, batch_tokens=self.batch_tokens, max_rows=4 * self._rows, rng=rng)

    def __len__(self) -> int:
        return int(self.borders[-1])

    def tokens(self, first: int, last: int) -> int:
        """Count the tokens, without padding, of the batches from `first` up to `last`."""
        return sum(int(self._lengths[batch].sum()) for batch in islice(self, first, last))

    def __iter__(self) -> Iterator[list[int]]:
        start = 0
        for epoch, border in enumerate(self.borders.tolist()):
            for batch in self._epoch(epoch)[: border - start]:
                yield batch.tolist()
            start = border
