"""What may not leave with a published model: local paths, user names, tokens, texts, and files of unknown kind."""

from __future__ import annotations

import functools
import getpass
import json
import re
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textlstm.errors import HubError
from textlstm.recipe import Recipe
from textlstm.results import Run
from textlstm.text.corpora import CORPORA
from textlstm.text.files import COMPRESSIONS, KIND_OF_SUFFIX

OWN_DATA = "your-data"
"""Stands where a recipe named data on the author's machine."""

_PLACES = (
    ("data", "exclude", "your-data"),
    ("tokenizer", "source", "your-tokenizer"),
    ("embeddings", "source", "your-vectors"),
    ("augmentation", "vectors", "your-vectors"),
    ("distillation", "teacher", "your-teacher"),
    ("distillation", "unlabeled", "your-texts"),
    ("transfer", "encoder", "your-encoder"),
    ("objectives", "unlabeled", "your-texts"),
)
"""Keys of a recipe, beside the sources of `data`, that may name a place on the author's machine, and what stands in."""

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_PUBLISHED = (
    r"README\.md|config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
    r"|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|metrics\.json|recipe\.yaml|calibration\.json"
    r"|[a-z_]+\.py|onnx/[\w-]+\.(onnx|json)|charts/[\w-]+\.png|\.eval_results/[\w-]+\.yaml"
)
# Vocabularies and remote code hold words that anybody's name may be; weights hold bytes that may spell anything.
_NAMES_ARE_WORDS = re.compile(r"tokenizer\.json|.*\.(safetensors|onnx|png|py)")
_HOMES = re.compile(rb"(?<![\w/.])(/home/|/Users/|/root/|[A-Za-z]:\\{1,2}Users\\{1,2})[\w.-]+")
_TOKENS = re.compile(rb"(?<!\w)hf_[A-Za-z0-9]{20,}|(?<!\w)gh[pousr]_[A-Za-z0-9]{30,}")
# Names that many machines share say nothing about a person.
_SHARED_NAMES = {"root", "user", "admin", "ubuntu", "runner", "jovyan", "home", "localhost", "docker", "node", "python"}


def public_source(source: str, beside: Path | None = None) -> str:
    """Name data as it may be published: an embedded corpus or a Hub id as it is, anything local by its kind alone.

    Args:
        source: `data.source`, `data.validation` or `data.test` of a recipe.
        beside: as for `hub_dataset`.

    Returns:
        Such as "CogComp/trec", "pydocs" or "your-data.csv".
    """
    if source.partition(":")[0] in CORPORA or hub_dataset(source, beside):
        return source
    suffix = "".join(part for part in Path(source).suffixes[-2:] if part in KIND_OF_SUFFIX or part in COMPRESSIONS)
    return OWN_DATA + suffix


def hub_dataset(source: str, beside: Path | None = None) -> str | None:
    """Tell whether data came from the Hub.

    Args:
        source: as the recipe names it.
        beside: the model's folder: `data/mine` may have been a path below one of its parents, from where it was
            trained, and not below the folder that we are in.

    Returns:
        The Hub id; None for a path, an embedded corpus and data in memory.
    """
    if not _HUB_ID.fullmatch(source) or Path(source).suffix.lower() in {*KIND_OF_SUFFIX, *COMPRESSIONS}:
        return None
    folders = [Path.cwd(), *(beside.absolute().parents if beside else ())]
    return None if any((folder / source).exists() for folder in folders) else source


def public_recipe(settings: dict[str, Any], beside: Path | None = None) -> dict[str, Any]:
    """Take what is local out of a recipe's settings.

    Args:
        settings: `Run.settings`.
        beside: as for `hub_dataset`.

    Returns:
        A recipe's settings still, with data, models and vectors on the author's machine named by their kind.
    """
    public = {key: dict(value) if isinstance(value, dict) else value for key, value in settings.items()}
    data = public.get("data", {})
    for key in ("source", "validation", "test"):
        if data.get(key):
            data[key] = public_source(str(data[key]), beside)
    if str(data.get("source", "")).startswith(OWN_DATA):
        data["mirror"] = None  # a folder's name on the author's machine
    for section, key, stand_in in _PLACES:
        value = public.get(section, {}).get(key)
        if isinstance(value, list):  # several teachers
            public[section][key] = [_public_place(str(one), stand_in, beside) for one in value]
        elif value:
            public[section][key] = _public_place(str(value), stand_in, beside)
    return public


def _public_place(value: str, stand_in: str, beside: Path | None) -> str:
    """Keep what is on the Hub or embedded, and put a word in the place of anything else."""
    known = value.startswith("hf://") or value.partition(":")[0] in CORPORA or hub_dataset(value, beside) is not None
    return value if known else stand_in


def public_run(run: Run, beside: Path | None = None) -> Run:
    """Take what is local out of a run: paths in settings and data, and notes that could quote a path or a text.

    Args:
        run: as it was trained.
        beside: as for `hub_dataset`.

    Returns:
        The same figures.
    """
    settings = public_recipe(run.settings, beside)
    source = public_source(run.data.source, beside)
    hidden = _taken_out(run.settings, settings) | ({run.data.source} if source != run.data.source else set())
    mentioned = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in hidden) or r"(?!)")
    notes = [note for note in run.data.notes if not re.search(r"[/\\'\"“”‘’]", note) and not mentioned.search(note)]
    data = run.data.model_copy(update={"source": source, "notes": notes})
    return run.model_copy(update={"settings": settings, "data": data})


def _taken_out(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Name the places that `public_recipe` took out of settings, whole and by their last part, as notes do."""
    keys = [("data", key) for key in ("source", "validation", "test", "mirror")] + [place[:2] for place in _PLACES]
    found: set[str] = set()
    for section, key in keys:
        old, new = (settings.get(section, {}).get(key) for settings in (before, after))
        if old != new:
            found |= set(map(str, old if isinstance(old, list) else [old]))
    return {name for place in found for name in (place, Path(place).name) if len(name) > 1}


def public_recipe_yaml(run: Run) -> str:
    """Write the recipe that goes along.

    Args:
        run: as `public_run` gives it.

    Returns:
        YAML that `textlstm recipes validate` takes.
    """
    return Recipe.model_validate(run.settings).to_yaml()


def refuse_private(
    folder: Path, *, places: Iterable[Path] = (), own_names: Iterable[str] = (), published: str = _PUBLISHED
) -> None:
    """Look through every file that is about to be published, and refuse all of them if one may not leave.

    Looked for: files of other kinds than a published model has; paths of home folders and of this machine; the names of
    the user, of the home folder and of the machine; access tokens. Names are looked for in card, metrics, recipe and
    settings, not in vocabularies, where a name may be a word; nor is a name that is a word of every card or recipe, as
    of somebody who is called Max, since `pooling: max` says nothing about him. A token is never part of the message.

    Args:
        folder: what is to be published.
        places: paths of this machine beside the usual ones, such as where the model lies.
        own_names: names that are public already, such as the account that is pushed to.
        published: pattern of the files that may be there, by their paths below `folder`.

    Raises:
        HubError: something may not be published; the text says what and in which file.
    """
    local = {str(path).encode() for path in _local_paths(places)}
    names = {name for name in _user_names() if name.lower() not in {own.lower() for own in own_names}}
    names = {name for name in names if name.lower() not in _words_of_ours()}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or re.fullmatch(published, relative)):
            raise HubError(
                f"{relative} is no file of a published model; nothing was published. Remove it from the folder, or"
                " publish it by hand."
            )
        if path.is_dir():
            continue
        content = path.read_bytes()
        found = _private(content, local, set() if _NAMES_ARE_WORDS.fullmatch(relative) else names)
        if found:
            raise HubError(
                f"{relative} should hold nothing of this machine and its user, and holds {found}; nothing was"
                " published. Take it out of the recipe's name, description or file names, and push again."
            )


def _private(content: bytes, local: set[bytes], names: set[str]) -> str | None:
    """Say what may not be published of a file's bytes."""
    if _TOKENS.search(content):
        return "an access token"
    if home := _HOMES.search(content):
        return f"the path {home[0].decode(errors='replace')}"
    for path in local:
        if re.search(rb"(?<![\w/.-])" + re.escape(path) + rb"(?!\w)", content):
            return f"the path {path.decode(errors='replace')}"
    text = content.decode("utf-8", "replace") if names else ""
    for name in names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            return f"the name {name!r}, which is the user's, the home folder's or the machine's"
    return None


@functools.cache
def _words_of_ours() -> set[str]:
    """Words that cards, recipes and metrics consist of, whoever publishes them."""
    pages = (path.read_text("utf-8") for path in (Path(__file__).parent / "templates").iterdir())
    schemas = (json.dumps(kind.model_json_schema()) for kind in (Recipe, Run))
    return set(re.findall(r"\w+", " ".join([*pages, *schemas]).lower()))


def _local_paths(places: Iterable[Path]) -> set[Path]:
    """Folders of this machine that are long enough not to turn up in weights by chance."""
    found = {Path.home(), Path.cwd(), Path(tempfile.gettempdir()), Path(__file__).parents[2], *places}
    whole = {path.absolute() for path in found} | {path.resolve() for path in found}
    return {path for path in whole if len(str(path)) > 4}


def _user_names() -> set[str]:
    """What this user and this machine are called."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for its user
        user = ""
    found = {user, Path.home().name, socket.gethostname().partition(".")[0]}
    return {name for name in found if len(name) > 2 and name.lower() not in _SHARED_NAMES}
