"""Reuse, complete and save tokenizers: pad and unk tokens, truncation inside tokenizer.json, right padding."""

from __future__ import annotations

import json
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textlstm.errors import ModelError, RecipeError, first_line
from textlstm.text.archives import leads_out

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = getLogger(__name__)

PAD_TOKEN, UNK_TOKEN = SPECIAL_TOKENS = ("<pad>", "<unk>")
MODEL_INPUT_NAMES = ["input_ids", "attention_mask"]  # the pipelines send every tokenizer output to the model


def load_tokenizer(source: str | Path, *, max_length: int) -> PreTrainedTokenizerFast:
    """Reuse the tokenizer of a Hub id, of a model folder or of a tokenizer.json.

    It works as its makers meant it: special tokens such as [CLS] are put around every text if it does so. A pad or unk
    token that it lacks is added at the end of its vocabulary, which then grows; a warning says so. (An `eos` token is
    not reused as padding: the model must tell the two apart.)

    Args:
        source: Hub id, folder, or path of a tokenizer.json.
        max_length: tokens after which a text is cut, at its end.

    Returns:
        The tokenizer with pad and unk tokens, truncation and right padding.

    Raises:
        RecipeError: If `max_length` is out of its range.
        ModelError: If there is no tokenizer at that place, or none that the Rust backend can run.
    """
    if max_length < 1:
        raise RecipeError(f"max_length must be at least 1 token; found {max_length}.")
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer: Any
    path = Path(source)
    problem = _file_problem(path)
    if problem:
        raise ModelError(problem)
    try:
        if path.is_file():
            untyped: Any = PreTrainedTokenizerFast
            tokenizer = untyped(tokenizer_file=str(path))
        else:
            local = path.is_dir() or not _hub_answers(str(source))
            tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False, local_files_only=local)
    except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
        reason = first_line(error)
        raise ModelError(
            f"No tokenizer could be loaded from {str(source)!r}: expected a folder with a tokenizer.json, or a Hub id "
            f"that can be reached or is in the local cache. Found: {reason} Check the spelling and the network."
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"The tokenizer of {str(source)!r} is a {type(tokenizer).__name__}, which runs in Python; expected a fast "
            "one (with a tokenizer.json). Convert it, or train a tokenizer on your texts."
        )
    needed = 1 + tokenizer.num_special_tokens_to_add()
    if max_length < needed:
        raise RecipeError(
            f"max_length must be at least {needed} for the tokenizer of {str(source)!r}, which puts {needed - 1} "
            f"special tokens around a text; found {max_length}."
        )
    missing = _missing_tokens(tokenizer)
    before = len(tokenizer)
    if missing:
        tokenizer.add_special_tokens(missing)
    if len(tokenizer) > before:
        names = " and ".join(name.removesuffix("_token") for name in missing)
        logger.warning(
            "The tokenizer of %s lacks %s: vocabulary grows %d -> %d.", source, names, before, len(tokenizer)
        )
    tokenizer.model_max_length = max_length
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    tokenizer.model_input_names = list(MODEL_INPUT_NAMES)
    bake_truncation(tokenizer)
    return tokenizer


def foreign_tokenizer(folder: Path) -> str | None:
    """Look for settings that would make transformers read the tokenizer.json of another place.

    Args:
        folder: of a tokenizer or a model.

    Returns:
        A sentence that names the file; None where it lies in the folder.
    """
    path = folder / "tokenizer_config.json"
    try:
        named = json.loads(path.read_text("utf-8")).get("fast_tokenizer_files") or []
        foreign = next((repr(name) for name in named if not isinstance(name, str) or leads_out(name)), None)
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, TypeError, RecursionError):
        foreign = "nothing that can be read"
    if foreign is None:
        return None
    return (
        f"The tokenizer of {folder} should be a file in it, and the fast_tokenizer_files of {path.name} name {foreign}"
        " (files elsewhere are not read); save the tokenizer again."
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """Save a tokenizer with its truncation inside tokenizer.json.

    Use this and not `save_pretrained`: calling a transformers tokenizer without `truncation=True` switches the
    truncation of its backend off, and the file would then lack it. Readers of tokenizer.json alone (ONNX, JavaScript)
    cut where training cut; in transformers, `pipeline(..., truncation=True)` does.

    Args:
        tokenizer: a tokenizer from this module.
        folder: where to write; made if absent.
    """
    bake_truncation(tokenizer)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    tokenizer.model_input_names = list(MODEL_INPUT_NAMES)
    # transformers stores the present values of what a tokenizer was made with, and nothing else: a reader would pad and
    # name the inputs, as the class does by itself (BERT's has token types, which no model here takes).
    for name in ("padding_side", "truncation_side", "model_input_names"):
        tokenizer.init_kwargs[name] = getattr(tokenizer, name)
    tokenizer.save_pretrained(str(folder))


def vocabulary_size(tokenizer: PreTrainedTokenizerFast) -> int:
    """Rows that an embedding for this tokenizer needs: `len(tokenizer)`, or more where its ids have gaps."""
    return max(len(tokenizer), 1 + max(tokenizer.get_vocab().values()))


def bake_truncation(tokenizer: PreTrainedTokenizerFast) -> None:
    """Switch truncation on in the backend, and padding off: batches are padded by their own longest row."""
    tokenizer.backend_tokenizer.enable_truncation(tokenizer.model_max_length)
    tokenizer.backend_tokenizer.no_padding()


def _hub_answers(repository: str) -> bool:
    """Ask the Hub once; without it the local cache serves, where transformers alone would retry for 50 seconds."""
    from huggingface_hub import HfApi, is_offline_mode, utils

    hub_utils: Any = utils  # the Hub client's own HTTP library, which its types do not export
    if is_offline_mode():
        return False
    try:
        HfApi().model_info(repository, timeout=10)
    except hub_utils.httpx.TransportError:
        return False
    return True


def _missing_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The pad and unk tokens to set: those that a bare tokenizer.json uses without naming them, else new ones."""
    vocabulary = tokenizer.get_vocab()
    missing: dict[str, Any] = {}
    for name, customary in (("pad_token", (PAD_TOKEN, "[PAD]")), ("unk_token", (UNK_TOKEN, "[UNK]"))):
        if getattr(tokenizer, name) is None:
            missing[name] = next((token for token in customary if token in vocabulary), customary[0])
    return missing


def _file_problem(path: Path) -> str | None:
    """What is wrong with a local tokenizer, seen before the Rust backend looks, whose errors are bare Exceptions."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if path.is_dir() and not file.exists() and not any(path.glob("vocab*")) and not any(path.glob("*.model")):
        return (
            f"The folder {path} holds no tokenizer; expected a tokenizer.json in it. Name the folder that a tokenizer "
            "or a model was saved to."
        )
    if path.is_dir() and (foreign := foreign_tokenizer(path)):
        return foreign
    if not file.is_file():
        return None  # a Hub id, or vocabulary files that transformers converts
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"{file} is not a tokenizer.json: {error}. The file is damaged or of another kind."
    if not isinstance(content, dict) or "model" not in content:
        return f"{file} is not a tokenizer.json: it has no 'model' part. Name the file that tokenizers wrote."
    return None
