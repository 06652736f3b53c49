"""One vector a text from somebody else's model, untouched: the mean of an encoder's states, or of a table's rows.

Two kinds of folder are read, safetensors weights only:

- an encoder of transformers: the mean of its last states over the text's tokens, its special tokens included, as
  sentence-transformers pools by default (Reimers & Gurevych 2019, "Sentence-BERT", section 3); or the state of the
  first token, where the folder's 1_Pooling/config.json asks for it; other poolings and further modules are refused;
- a static model, one table of token embeddings and a tokenizer.json (model2vec, sentence-transformers'
  StaticEmbedding): the mean of the rows of the text's tokens, weighted where the file has weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import ModelError, brief, first_line
from textlstm.inference.model_files import foreign_parts
from textlstm.text.batching import plan_ordered
from textlstm.text.encoding import read_backend

Vectors = NDArray[np.float32]

_TABLES = ("embeddings", "embedding.weight")  # what model2vec and sentence-transformers call theirs
_INNER_FOLDERS = (".", "0_StaticEmbedding")
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize", "StaticEmbedding", "Dropout")
_BATCH_TOKENS = 8192
_FILES = ["*.json", "*.txt", "*.model", "model*.safetensors", "0_StaticEmbedding/*", "1_Pooling/config.json"]


def find_encoder(source: str, *, option: str = "grid.encoder") -> Path:
    """Find an encoder's folder, fetching it from the Hub where it is no folder here.

    Args:
        source: path of a folder, or a Hub id.
        option: the recipe key that names it, for messages.

    Returns:
        A folder with weights.

    Raises:
        ModelError: there is no such folder or Hub model, or it has no safetensors weights, or names some elsewhere.
    """
    folder = Path(source)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError

        try:
            folder = Path(snapshot_download(source, allow_patterns=_FILES))
        except (OSError, ValueError, HFValidationError) as error:
            reason = first_line(error)
            raise ModelError(
                f"{option} should be a folder or a Hub id that can be reached, and {source!r} is neither"
                f" ({reason}); check the spelling and the network."
            ) from None
    if not _weights(folder):
        raise ModelError(
            f"{option}: a model's folder has safetensors weights, and {source} has none; save the model with"
            " safe_serialization, or name another one (pickled weights are not read)."
        )
    if foreign := foreign_parts(folder):
        raise ModelError(f"{option}: {foreign}")
    return folder


def encoder_digest(folder: Path) -> str:
    """Hash an encoder's weights and settings, so that another model at the same path is noticed.

    Args:
        folder: from `find_encoder`.

    Returns:
        16 hexadecimal digits.
    """
    content = hashlib.sha256()
    with suppress(ModelError):  # whoever encodes with it says what is wrong
        if _pooling(folder) == ("cls", True):
            content.update(b"first token")  # such settings were once not understood, and answers by the mean kept
    parts = {*folder.rglob("*.json"), *_weights(folder)}
    if not (folder / "tokenizer.json").is_file():  # else the vocabulary is in there
        parts |= {path for pattern in ("vocab.txt", "merges.txt", "*.model") for path in folder.glob(pattern)}
    for path in sorted(parts):
        content.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()[:16]


def encode_frozen(
    folder: Path, texts: Sequence[str], *, max_length: int, threads: int = 1, device: str = "cpu"
) -> Vectors:
    """Turn texts into vectors.

    Args:
        folder: from `find_encoder`.
        texts: any number.
        max_length: tokens of a text that are read, at most; an encoder's own limit may be lower.
        threads: CPU threads.
        device: where an encoder of transformers runs, as torch names it.

    Returns:
        (texts, width); a text without any known token gets zeros from a static model.

    Raises:
        ModelError: the folder is incomplete or of another kind.
    """
    static = _static_folder(folder)
    if static is not None:
        return _mean_of_rows(static, texts, max_length=max_length, normalize=_normalizes(folder))
    return _mean_of_states(folder, texts, max_length=max_length, threads=threads, device=device)


def is_static(folder: Path) -> bool:
    """Say whether an encoder is a table of embeddings, whose unknown tokens do not count.

    Args:
        folder: from `find_encoder`.

    Returns:
        Whether there is no network.

    Raises:
        ModelError: the weights are damaged.
    """
    return _static_folder(folder) is not None


def _static_folder(folder: Path) -> Path | None:
    return next((inner for name in _INNER_FOLDERS if (inner := folder / name) and _is_static(inner)), None)


def _weights(folder: Path) -> list[Path]:
    return [path for name in _INNER_FOLDERS for path in (folder / name).glob("model*.safetensors")]


def _is_static(folder: Path) -> bool:
    """Whether a folder holds one table of embeddings and nothing that would need a network."""
    path = folder / "model.safetensors"
    if not path.is_file() or not (folder / "tokenizer.json").is_file():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
    except SafetensorError as error:
        raise ModelError(f"{path} should be a safetensors file and is damaged ({error}); copy it again.") from None
    return len(names & set(_TABLES)) == 1 and names <= {*_TABLES, "weights", "mapping"}


def _normalizes(folder: Path) -> bool:
    """Whether a static model's settings ask for vectors of length 1."""
    path = folder / "config.json"
    return path.is_file() and bool(json.loads(path.read_text("utf-8")).get("normalize", False))


def _mean_of_rows(folder: Path, texts: Sequence[str], *, max_length: int, normalize: bool) -> Vectors:
    """Average a table's rows over each text's tokens; special and unknown tokens do not count."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    table = next(tensors[name] for name in _TABLES if name in tensors).astype(np.float32)
    weights, mapping = tensors.get("weights"), tensors.get("mapping")
    tokenizer = read_backend(folder / "tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    unknown = json.loads(tokenizer.to_str())["model"].get("unk_token")
    unknown_id = None if unknown is None else tokenizer.token_to_id(unknown)
    vectors = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    for row, encoding in enumerate(tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)):
        ids = np.array([token for token in encoding.ids if token != unknown_id], dtype=np.int64)
        if len(ids):
            rows = table[ids if mapping is None else mapping[ids]]
            vectors[row] = (rows if weights is None else rows * weights[ids, None]).mean(axis=0)
    if normalize:
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def _modules(folder: Path) -> list[dict[str, Any]]:
    """The modules of which sentence-transformers makes a text's vector; none of a plain encoder."""
    listed = _settings(folder / "modules.json", [])
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _settings(path: Path, absent: object) -> Any:  # noqa: ANN401 - JSON holds anything
    """Read settings beside the weights."""
    if not path.is_file():
        return absent
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} should be JSON and is damaged ({first_line(error)}); copy it again.") from None


def _pooling(folder: Path) -> tuple[str, bool]:
    """Tell how sentence-transformers pools, and whether the settings say so in the form that version 6 writes.

    Args:
        folder: of the encoder.

    Returns:
        "mean" or "cls", and whether the form is the newer one.

    Raises:
        ModelError: the vectors are made in a way that is not read.
    """
    place = "1_Pooling"
    for module in _modules(folder):
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in _KNOWN_MODULES:
            raise ModelError(
                f"{folder} makes its vectors by a module {brief(kind)} of sentence-transformers, and of its modules"
                f" {', '.join(_KNOWN_MODULES)} are read; name another encoder."
            )
        if kind == "Pooling":
            place = str(module.get("path") or place)
    values = _settings(folder / place / "config.json", {})
    values = values if isinstance(values, dict) else {}
    older = [key.removeprefix("pooling_mode_") for key, on in values.items() if key.startswith("pooling_mode_") and on]
    newer = values.get("pooling_mode")
    modes = [str(mode) for mode in (newer if isinstance(newer, list) else [newer])] if newer else older
    named = {mode.removesuffix("_token").removesuffix("_tokens") for mode in modes} or {"mean"}
    if len(named) > 1 or not named <= {"mean", "cls"}:
        raise ModelError(
            f"{folder} pools by {', '.join(sorted(named))}, and encoders that take the mean or the first token are"
            " read; name another encoder."
        )
    return named.pop(), bool(newer)


def _mean_of_states(folder: Path, texts: Sequence[str], *, max_length: int, threads: int, device: str) -> Vectors:
    """Average an encoder's last states over each text's tokens, in batches of similar length."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
        model = AutoModel.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
        reason = first_line(error)
        raise ModelError(
            f"{folder} should be an encoder that transformers can load, or a table of embeddings with a tokenizer.json,"
            f" and is neither ({reason}); name another encoder."
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    positions = getattr(model.config, "max_position_embeddings", None) or max_length
    limit = min(max_length, tokenizer.model_max_length, positions)
    ids = tokenizer(list(texts), truncation=True, max_length=limit, add_special_tokens=True)["input_ids"]
    vectors = np.zeros((len(texts), 0), dtype=np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    model.train(False)
    model.to(device)
    first = _pooling(folder)[0] == "cls"
    try:
        with torch.inference_mode():
            lengths = np.array([len(row) for row in ids])
            for rows in plan_ordered(lengths, batch_tokens=_BATCH_TOKENS, max_rows=256):
                batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt").to(device)
                states = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(2).to(states.dtype)
                means = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
                if not vectors.shape[1]:  # hidden_size is no sure word for it: some models count one direction
                    vectors = np.zeros((len(texts), states.shape[2]), dtype=np.float32)
                vectors[rows] = (states[:, 0] if first else means).cpu().numpy()
    finally:
        torch.set_num_threads(before)
    return vectors
