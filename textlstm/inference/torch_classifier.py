"""A trained model at work in torch: ids in, logits out, on any device."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from textlstm.errors import ModelError, RecipeError, first_line
from textlstm.inference.model_files import BATCH_ROWS, BATCH_TOKENS
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.batching import pad_batch, plan_ordered
from textlstm.text.encoding import Encoded, set_for_encoding
from textlstm.text.reused_tokenizer import vocabulary_size

# A tokenizer saved without a length limit says 1e30; longer texts than this are no single texts.
_NO_LIMIT = 1_000_000


def predict_logits(
    model: PreTrainedModel,
    encoded: Encoded,
    *,
    batch_tokens: int = BATCH_TOKENS,
    max_rows: int = BATCH_ROWS,
    autocast_dtype: torch.dtype | None = None,
) -> NDArray[np.float32]:
    """Run a model over encoded texts, in batches of similar length.

    Args:
        model: a sequence classifier, on its device; put into eval mode for the while, and left as it was.
        encoded: the texts' ids.
        batch_tokens: padded tokens a batch may hold, rows times the longest; a longer row makes a batch of its own.
        max_rows: rows a batch may hold.
        autocast_dtype: compute in this lower precision where torch's autocast allows; None computes as the weights are.

    Returns:
        (rows, classes) logits in input order.
    """
    classes = model.config.num_labels or 0  # the type of a config allows None
    logits = np.empty((len(encoded), classes), dtype=np.float32)
    if len(encoded) == 0:
        return logits
    batches = plan_ordered(encoded.lengths, batch_tokens=batch_tokens, max_rows=max_rows)
    device = model.device
    precision = nullcontext() if autocast_dtype is None else torch.autocast(device.type, dtype=autocast_dtype)
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        with torch.inference_mode(), precision:
            parts = []
            for rows in batches:
                ids, lengths = pad_batch(encoded, rows, pad_id=model.config.pad_token_id)
                mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
                output = model(
                    input_ids=torch.from_numpy(ids).to(device, non_blocking=True),
                    attention_mask=torch.from_numpy(mask).to(device, non_blocking=True),
                )
                # Kept on the device: fetching each batch would make a GPU wait for the padding of the next one.
                parts.append(output.logits.float())
            logits[np.concatenate(batches)] = torch.cat(parts).cpu().numpy()
    finally:
        for module, training in modes:  # one by one: a caller may hold frozen parts in eval mode
            module.training = training
    return logits


def choose_device(name: str = "auto") -> torch.device:
    """Find the device to compute on.

    Args:
        name: "auto" for CUDA, else MPS, else CPU; or a device as torch names it, such as "cpu" or "cuda:1".

    Returns:
        The device.

    Raises:
        RecipeError: torch does not know the name, or this machine lacks the device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(
            f"A device is auto, cpu, cuda, cuda:1 or mps, and {name!r} was found; check the spelling."
        ) from None
    here = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not here.get(device.type, False):
        raise RecipeError(
            f"The device {name!r} was asked for, and torch {torch.__version__} finds none here; use --device auto, or"
            " install a torch build for that device."
        )
    return device


class TorchClassifier:
    """A classifier in torch with its tokenizer, ready for ids.

    Attributes:
        model: the network, in eval mode.
        tokenizer: the tokenizer that was saved with it.
        backend: the tokenizer's Rust part, a copy, set to cut texts as the model reads them.
        unk_id: the id of which a text without any token is made.
        label_names: in the order of the model's outputs.
        multi_label: whether a text may get any number of labels.
        max_length: tokens after which a text is cut, at its end.
        name: what runs, for messages.
        batch_rows: rows a batch holds, unless told otherwise.
    """

    name = "torch"
    batch_rows = BATCH_ROWS

    def __init__(self, model: TextLSTMForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
        """Put a model and its tokenizer to work.

        Args:
            model: the network, on the device to compute on.
            tokenizer: the tokenizer that it was trained with.

        Raises:
            ModelError: the tokenizer has no unk token.
        """
        model.train(False)
        self.model, self.tokenizer = model, tokenizer
        names = {int(key): str(name) for key, name in (model.config.id2label or {}).items()}
        self.label_names = [names[key] for key in sorted(names)]
        self.multi_label = model.config.problem_type == "multi_label_classification"
        self.max_length = int(min(tokenizer.model_max_length, _NO_LIMIT))
        unk = tokenizer.unk_token_id
        if unk is None:
            raise ModelError("The tokenizer has no unk token, which an empty text needs; load it by load_tokenizer.")
        self.unk_id = unk
        # A copy: whoever calls the tokenizer itself switches its truncation on and off.
        self.backend = set_for_encoding(
            copy.deepcopy(tokenizer.backend_tokenizer),
            max_length=self.max_length,
            split_special_tokens=tokenizer.split_special_tokens,
        )

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Load a model folder; weights are held in float32, whatever they were saved in.

        Args:
            folder: of `textlstm train`, or a downloaded one.
            device: as `choose_device` takes it.

        Returns:
            The classifier, on its device.

        Raises:
            ModelError: the folder is incomplete, holds another kind of model, or is damaged.
        """
        place = choose_device(device)
        try:
            values, _ = TextLSTMConfig.get_config_dict(str(folder))
            kind = values.get("model_type")
            if kind != TextLSTMConfig.model_type:
                raise ModelError(
                    f"{folder} should hold a {TextLSTMConfig.model_type} model and its config.json says model_type"
                    f" {kind!r}; load that one with transformers' own classes."
                )
            read: Any = TextLSTMForSequenceClassification.from_pretrained(
                str(folder), use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        except ModelError:
            raise
        except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
            reason = first_line(error)
            raise ModelError(
                f"{folder} should be a model that textlstm can load and is not: {reason} The files are likely damaged"
                " or cut off, save or copy them again."
            ) from error
        model, loaded = read
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ModelError(
                f"The tokenizer of {folder} should be a fast one, with a tokenizer.json, and is a"
                f" {type(tokenizer).__name__}; save the one that the model was trained with."
            )
        if absent := sorted(loaded["missing_keys"]):
            raise ModelError(
                f"The weights of {folder} should fill the whole network and lack {len(absent)} of its tensors, first"
                f" {absent[0]}; the file is of another model or version, save or copy it again."
            )
        if (words := vocabulary_size(tokenizer)) > model.config.vocab_size:
            raise ModelError(
                f"The tokenizer of {folder} has {words:,} tokens and the model's embeddings only"
                f" {model.config.vocab_size:,}, so it is another model's; copy the tokenizer.json that the model was"
                " trained with."
            )
        return cls(model.to(place), tokenizer)

    def logits(self, encoded: Encoded, *, batch_tokens: int, batch_rows: int) -> NDArray[np.float32]:
        """Run the model over ids, in batches of similar length.

        Args:
            encoded: rows of ids.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold.

        Returns:
            (rows, classes) in input order.
        """
        return predict_logits(self.model, encoded, batch_tokens=batch_tokens, max_rows=batch_rows)
