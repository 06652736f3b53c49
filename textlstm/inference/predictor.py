"""A trained model at work in torch: texts in, labels and probabilities out, in input order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from textlstm.errors import DataError, ModelError, RecipeError
from textlstm.inference.decisions import Prediction, decide, probabilities_from_logits
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.batching import pad_batch, plan_ordered
from textlstm.text.tokenization import Encoded, encode

BATCH_TOKENS = 16_384
BATCH_ROWS = 256
# A tokenizer saved without a length limit says 1e30; longer texts than this are no single texts.
_NO_LIMIT = 1_000_000
_WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")


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


class Predictor:
    """A classifier with its tokenizer and label names, ready for texts.

    Attributes:
        model: the network, in eval mode.
        tokenizer: the tokenizer that was saved with it.
        label_names: in the order of the model's outputs.
        multi_label: whether a text may get any number of labels.
        max_length: tokens after which a text is cut, at its end.
    """

    model: TextLSTMForSequenceClassification
    tokenizer: PreTrainedTokenizerFast
    label_names: list[str]
    multi_label: bool
    max_length: int

    def __init__(self, model: TextLSTMForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
        """Put a model and its tokenizer to work.

        Args:
            model: the network, on the device to compute on.
            tokenizer: the tokenizer that it was trained with.
        """
        model.train(False)
        self.model, self.tokenizer = model, tokenizer
        names = {int(key): str(name) for key, name in (model.config.id2label or {}).items()}
        self.label_names = [names[key] for key in sorted(names)]
        self.multi_label = model.config.problem_type == "multi_label_classification"
        self.max_length = int(min(tokenizer.model_max_length, _NO_LIMIT))

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto") -> Self:
        """Load a model folder, or a model from the Hub.

        Weights are held in float32, whatever they were saved in.

        Args:
            source: a folder that `textlstm train` wrote, or a Hub id such as "user/model".
            device: as `choose_device` takes it.

        Returns:
            The predictor, on its device.

        Raises:
            ModelError: the folder is missing or incomplete, holds another kind of model, or is damaged; or the Hub has
                no such model, or cannot be reached.
        """
        place = choose_device(device)
        if problem := _problem_with(source):
            raise ModelError(problem)
        try:
            values, _ = TextLSTMConfig.get_config_dict(str(source))
            kind = values.get("model_type")
            if kind != TextLSTMConfig.model_type:
                raise ModelError(
                    f"{source} should hold a {TextLSTMConfig.model_type} model and its config.json says model_type"
                    f" {kind!r}; load that one with transformers' own classes."
                )
            read: Any = TextLSTMForSequenceClassification.from_pretrained(
                str(source), dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
        except (OSError, ValueError, TypeError, RuntimeError, KeyError, SafetensorError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{source} should be a model that textlstm can load and is not: {reason} A local copy is likely damaged"
                " or cut off, save or copy it again; for a Hub id, check the spelling and the network."
            ) from error
        model, loaded = read
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ModelError(
                f"The tokenizer of {source} should be a fast one, with a tokenizer.json, and is a"
                f" {type(tokenizer).__name__}; save the one that the model was trained with."
            )
        if absent := sorted(loaded["missing_keys"]):
            raise ModelError(
                f"The weights of {source} should fill the whole network and lack {len(absent)} of its tensors, first"
                f" {absent[0]}; the file is of another model or version, save or copy it again."
            )
        return cls(model.to(place), tokenizer)

    def __call__(
        self,
        texts: str | Sequence[str] | pa.Array | pa.ChunkedArray,
        *,
        batch_tokens: int = BATCH_TOKENS,
        batch_rows: int = BATCH_ROWS,
    ) -> list[Prediction]:
        """Label texts.

        Args:
            texts: one text or many; a text without any token is judged as one unknown word.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold.

        Returns:
            One prediction a text, in input order.
        """
        encoded = self.encode(texts)
        chances = self.probabilities_of(encoded, batch_tokens=batch_tokens, batch_rows=batch_rows)
        return decide(chances, self.label_names, multi_label=self.multi_label, cut_rows=encoded.cut_rows)

    def probabilities(
        self,
        texts: str | Sequence[str] | pa.Array | pa.ChunkedArray,
        *,
        batch_tokens: int = BATCH_TOKENS,
        batch_rows: int = BATCH_ROWS,
    ) -> NDArray[np.float32]:
        """Give every label's probability.

        Args:
            texts: one text or many.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold.

        Returns:
            (rows, classes) in input order, columns as `label_names`; rows sum to one unless the model is multi-label.
        """
        return self.probabilities_of(self.encode(texts), batch_tokens=batch_tokens, batch_rows=batch_rows)

    def encode(self, texts: str | Sequence[str] | pa.Array | pa.ChunkedArray) -> Encoded:
        """Turn texts into ids; its `truncated` counts the texts that are longer than the model reads.

        Args:
            texts: one text or many.

        Returns:
            The ids, each text cut at `max_length`.

        Raises:
            DataError: a text is not a string.
        """
        rows: Any = [texts] if isinstance(texts, str) else texts
        if not isinstance(rows, pa.Array | pa.ChunkedArray):
            rows = list(rows)
            wrong = next((row for row, text in enumerate(rows) if not isinstance(text, str)), None)
            if wrong is not None:
                raise DataError(
                    f"Every text should be a string, and text {wrong} (counted from 0) is {rows[wrong]!r}; drop it or"
                    " fill it first."
                )
        elif rows.null_count:
            raise DataError(f"Every text should be a string, and {rows.null_count} are null; drop or fill them first.")
        return encode(self.tokenizer, rows, max_length=self.max_length)

    def probabilities_of(
        self, encoded: Encoded, *, batch_tokens: int = BATCH_TOKENS, batch_rows: int = BATCH_ROWS
    ) -> NDArray[np.float32]:
        """Give every label's probability for texts that are ids already.

        Args:
            encoded: what `encode` gave.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold.

        Returns:
            (rows, classes) in input order, as `probabilities` gives them.

        Raises:
            ModelError: the model gives NaN or infinite scores.
        """
        logits = predict_logits(self.model, encoded, batch_tokens=batch_tokens, max_rows=batch_rows)
        chances = probabilities_from_logits(logits, multi_label=self.multi_label)
        if not np.isfinite(chances).all():
            raise ModelError(
                "The model should give finite scores and gave NaN or infinite ones; its weights are damaged or its"
                " training diverged: train it again with a lower learning rate."
            )
        return chances


def _problem_with(source: str | Path) -> str | None:
    """Say what a local model folder lacks, before transformers guesses."""
    folder = Path(source)
    if folder.is_file():
        return f"A model is a folder and {source} is a file; name the folder it lies in."
    if not folder.exists():
        # "user/model" may be a Hub id; anything else can only be a path.
        if isinstance(source, Path) or str(source).count("/") != 1 or str(source).startswith((".", "/", "~")):
            return f"The model folder {source} does not exist; check the spelling and the folder ({Path.cwd()})."
        return None
    wanted = {
        "config.json": ("config.json",),
        "model.safetensors": _WEIGHT_FILES,
        "tokenizer.json": ("tokenizer.json",),
    }
    lacking = [name for name, any_of in wanted.items() if not any((folder / file).is_file() for file in any_of)]
    if not lacking:
        return None
    return (
        f"A model folder has {', '.join(wanted)}, and {folder} lacks {' and '.join(lacking)}; name the folder that"
        " `textlstm train --out` wrote, or train again if it was interrupted."
    )
