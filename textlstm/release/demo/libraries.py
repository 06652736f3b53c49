"""The two libraries that a demo's page runs on: pinned, checked by hash, from a public CDN or beside the page.

onnxruntime-web runs the graph by WebAssembly; Hugging Face's @huggingface/tokenizers reads the tokenizer.json.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from textlstm.errors import HubError, RecipeError

VENDOR_FOLDER = "vendor"
_CDN = "https://cdn.jsdelivr.net/npm"
_NPM_SECONDS = 300


@dataclass(frozen=True)
class LibraryFile:
    """One file of a package on npm.

    Attributes:
        role: "runtime", "wasm" or "tokenizers".
        package: name and version.
        path: inside the package.
        sha384: of its bytes, base64, as the browser checks it.
        size: bytes.
        gzipped: bytes once compressed, as servers send it.
    """

    role: str
    package: str
    path: str
    sha384: str
    size: int
    gzipped: int

    @property
    def url(self) -> str:
        """Where a public CDN has it."""
        return f"{_CDN}/{self.package}/{self.path}"

    @property
    def vendored(self) -> str:
        """Where `vendor_libraries` puts it: the large one compressed, since not every server compresses it."""
        name = self.path.rpartition("/")[2]
        return f"{VENDOR_FOLDER}/{name}.gz" if self.role == "wasm" else f"{VENDOR_FOLDER}/{name}"


LIBRARY_FILES = (
    LibraryFile(
        "runtime",
        "onnxruntime-web@1.30.0",
        "dist/ort.wasm.bundle.min.mjs",
        "PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
        73_054,
        24_608,
    ),
    LibraryFile(
        "wasm",
        "onnxruntime-web@1.30.0",
        "dist/ort-wasm-simd-threaded.wasm",
        "vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
        14_239_897,
        3_659_955,
    ),
    LibraryFile(
        "tokenizers",
        "@huggingface/tokenizers@0.2.0",
        "dist/tokenizers.min.mjs",
        "Tl2lMbeE3RCGFLOUGQ7LhvaagysxiOw/9dulz2sD6jxNa1MckRJQBbYdVHhOoqEs",
        36_601,
        11_484,
    ),
)
_READS = {
    "normalizer": {
        "BertNormalizer", "Precompiled", "Sequence", "Replace", "NFC", "NFD", "NFKC", "NFKD", "Strip", "StripAccents",
        "Lowercase", "Prepend",
    },
    "pre_tokenizer": {
        "BertPreTokenizer", "Sequence", "Whitespace", "WhitespaceSplit", "Metaspace", "ByteLevel", "Split",
        "Punctuation", "Digits", "Replace", "FixedLength",
    },
    "post_processor": {"TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing", "Sequence"},
    "model": {"WordPiece", "Unigram", "BPE", "WordLevel"},
}  # fmt: skip
"""Kinds of parts that @huggingface/tokenizers 0.2 knows."""


def unreadable_parts(tokenizer: dict[str, object]) -> list[str]:
    """List what a tokenizer has that the library in the browser does not know.

    Args:
        tokenizer: a tokenizer.json.

    Returns:
        Such as "pre_tokenizer UnicodeScripts"; empty where all is known.
    """
    return [
        f"{place} {kind}"
        for place, known in _READS.items()
        for kind in _kinds(tokenizer.get(place))
        if kind not in known
    ]


def _kinds(part: object) -> list[str]:
    """The kinds of a part and of the parts inside it."""
    if not isinstance(part, dict):
        return []
    inner = [one for key in ("normalizers", "pretokenizers", "processors") for one in part.get(key, [])]
    return [str(part.get("type")), *(kind for one in inner for kind in _kinds(one))]


def vendor_libraries(folder: Path) -> None:
    """Fetch the libraries with npm, from the registry that it is set to, and put them beside a page.

    Args:
        folder: of the page; they go into its `vendor/`, with the tokenizers' license.

    Raises:
        RecipeError: npm is not installed.
        HubError: npm could not fetch them, or what it fetched is not what this page was made for.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RecipeError(
            "--vendor fetches onnxruntime-web and @huggingface/tokenizers with npm, and npm is not on the path; install"
            " Node.js, or leave --vendor out: the page then takes them from cdn.jsdelivr.net."
        )
    (folder / VENDOR_FOLDER).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="textlstm-demo-") as scratch:
        for package in dict.fromkeys(file.package for file in LIBRARY_FILES):
            with tarfile.open(_pack(npm, package, Path(scratch))) as archive:
                for file in LIBRARY_FILES:
                    if file.package == package:
                        _put(_content(archive, file.path), file, folder)
                if "package/LICENSE" in archive.getnames():
                    name = package.rpartition("@")[0].rpartition("/")[2]
                    (folder / VENDOR_FOLDER / f"{name}.LICENSE").write_bytes(_content(archive, "LICENSE"))


def _pack(npm: str, package: str, scratch: Path) -> Path:
    """Let npm fetch one package, without its dependencies; gives the archive."""
    before = set(scratch.glob("*.tgz"))
    try:
        done = subprocess.run(  # noqa: S603 - the program is npm by its full path, the packages are constants
            [npm, "pack", package, "--silent", "--pack-destination", str(scratch)],
            capture_output=True,
            text=True,
            timeout=_NPM_SECONDS,
            cwd=scratch,
            check=False,
        )
        said = (done.stderr or done.stdout).strip().splitlines()
    except subprocess.TimeoutExpired:
        said = [f"no answer in {_NPM_SECONDS} s"]
    new = sorted(set(scratch.glob("*.tgz")) - before)
    if not new:
        reason = said[0] if said else "it did not say why"
        raise HubError(
            f"npm could not fetch {package} ({reason}); check the network and npm's registry, or leave --vendor out."
        )
    return new[0]


def _content(archive: tarfile.TarFile, path: str) -> bytes:
    """Read one file of a package; nothing is unpacked to disk by its own name."""
    try:
        file = archive.extractfile(f"package/{path}")
    except KeyError:
        file = None
    if file is None:
        raise HubError(f"What npm fetched has no {path}; its registry serves another package, set npm to the real one.")
    return file.read()


def _put(content: bytes, file: LibraryFile, folder: Path) -> None:
    """Check a file and put it in its place."""
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    if digest != file.sha384:
        raise HubError(
            f"{file.path} of {file.package} should have the SHA-384 {file.sha384}, and npm fetched one with {digest};"
            " the registry changed it, do not use it."
        )
    packed = gzip.compress(content, 9, mtime=0) if file.role == "wasm" else content
    (folder / file.vendored).write_bytes(packed)
