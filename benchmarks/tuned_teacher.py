"""A stronger teacher: the encoder of the `bench` extra, tuned as a classifier on training rows.

`benchmarks/targets.py` makes one for each row that is taught by `tuned`. No test row has a part in it: it learns from
the training split of the data that it is given, with transformers' Trainer and for a fixed number of epochs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from textlstm.text.datasets import TextData

LEARNING_RATE = 1e-4
BATCH = 32
MOST_TOKENS = 256


class Rows(Dataset[dict[str, Any]]):
    """Rows of word pieces with their labels; padding is left to the collator."""

    def __init__(self, pieces: list[list[int]], labels: list[int]) -> None:
        self.pieces, self.labels = pieces, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.pieces[row], "labels": self.labels[row]}


def tune_teacher(encoder: str, data: TextData, folder: Path, *, seed: int, epochs: int) -> str:
    """Tune the encoder on the training rows, or leave what stands there.

    Args:
        encoder: folder of the encoder and its tokenizer.
        data: its training split is learned from, its label names are given to the model.
        folder: of the finished classifier; it is written when the last epoch has ended.
        seed: of the head's first weights and of the order of rows.
        epochs: passes over the rows, the rate falling to nothing in a line after a tenth of them.

    Returns:
        The folder, as `distillation.teacher` takes it.
    """
    if folder.exists():
        return str(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    train = data.splits["train"]
    assert train.labels is not None
    set_seed(seed)
    names = data.label_names
    tokenizer: Any = AutoTokenizer.from_pretrained(encoder, local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder,
        local_files_only=True,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)},
        dtype=torch.float32,
    )
    pieces = tokenizer(train.text_list(), truncation=True, max_length=MOST_TOKENS)["input_ids"]
    steps = epochs * -(-len(pieces) // BATCH)
    arguments = TrainingArguments(
        output_dir=str(partial),
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=steps // 10,
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Rows(pieces, train.labels.tolist()),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    tokenizer.save_pretrained(partial)
    trainer.save_model(str(partial))
    partial.rename(folder)  # not before all of it is there
    return str(folder)
