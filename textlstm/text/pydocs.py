"""The corpus `pydocs`: docstrings of Python's own standard library, labeled by the subject of their module.

Every CPython carries it, so it needs no network. The source files are read with `ast`; no module is imported. The label
is the chapter of the Library Reference that documents the module (small neighboring chapters are joined: `CHAPTERS` is
the one table). Docstrings of modules, classes, methods and top-level functions are taken, their blanks collapsed, those
under `MINIMUM_WORDS` words left out. Each module's own name and the parts of its dotted path are replaced by `___` in
its docstrings, whatever their case, also inside CamelCase words. Texts that are equal but for case are kept once, and
dropped where their labels differ. The split is by a hash of the text alone: 80 % train, 10 % validation, 10 % test.

What to know when reading scores: texts of one module share vocabulary and sit in all three splits, so a score says how
well the subject of a *known* module is told, not that of a new one. Counts and scores depend on the Python version,
and on distributions that package Tk apart; compare runs of one Python only.

Measured on Python 3.11.7 (`pytest tests/text/test_corpora.py -k baselines -s`): 7,141 texts, 5,707 / 721 / 713, 11
classes, median 16 words, made in 3 seconds; 6,864 on 3.12.1 and 6,560 on 3.13.0. Test accuracy: majority class 13.0 %,
TF-IDF over words and pairs with logistic regression 82.2 %. What names give away: the names that were masked, alone,
28.1 % (22 % of the texts had one); with nothing masked, TF-IDF reaches 83.0 %; the names of library modules that the
masked texts still mention, alone, 22.4 %.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from textlstm.errors import DataError

MASK = "___"
MINIMUM_WORDS = 4
FEWEST_TEXTS = 1_000

# Chapter -> the modules and packages that it documents, each with the files that implement it (`decimal` is written in
# `_pydecimal.py`). Modules that newer Pythons lack are listed under the chapter that last had them. Left out: tests,
# demonstrations, IDLE, and `encodings`, whose docstrings are one sentence repeated a hundred times.
CHAPTERS: dict[str, str] = {
    "text and data types": """
        string _string re sre_compile sre_constants sre_parse difflib textwrap stringprep rlcompleter codecs struct
        datetime _pydatetime _strptime zoneinfo calendar collections _collections_abc heapq bisect weakref _weakrefset
        types copy pprint reprlib enum graphlib""",
    "numeric and functional": """
        numbers decimal _pydecimal _pylong fractions random statistics functools operator""",
    "files and formats": """
        pathlib posixpath ntpath genericpath nturl2path fileinput stat filecmp tempfile glob fnmatch linecache shutil
        pickle copyreg _compat_pickle shelve dbm sqlite3 gzip bz2 lzma _compression compression zipfile tarfile csv
        configparser tomllib netrc plistlib xdrlib wave aifc chunk sunau sndhdr imghdr colorsys""",
    "operating system": """
        os io _pyio argparse getopt optparse logging getpass curses platform ctypes hashlib hmac secrets crypt pty tty
        pipes gettext locale _osx_support _aix_support cmd shlex""",
    "concurrency": """
        threading _threading_local multiprocessing concurrent subprocess sched queue contextvars""",
    "networking": """
        asyncio socket ssl selectors signal asyncore asynchat""",
    "internet data": """
        email json mailbox mailcap mimetypes base64 quopri uu html _markupbase xml""",
    "internet protocols": """
        webbrowser cgi cgitb wsgiref urllib http ftplib poplib imaplib nntplib smtplib smtpd telnetlib uuid socketserver
        xmlrpc ipaddress""",
    "graphical interfaces": """
        tkinter turtle""",
    "development tools": """
        typing pydoc doctest unittest lib2to3 bdb pdb profile cProfile pstats timeit trace tracemalloc distutils
        ensurepip venv zipapp""",
    "runtime and imports": """
        sysconfig warnings dataclasses contextlib abc _py_abc traceback __future__ inspect site _sitebuiltins code
        codeop _pyrepl zipimport pkgutil modulefinder runpy importlib imp ast symtable token keyword tokenize tabnanny
        pyclbr py_compile compileall dis opcode pickletools""",
}
_NO_SUBJECT = {"test", "tests", "__main__"}


def read_docstrings(library: Path | None = None) -> Iterator[tuple[str, str, str]]:
    """Read the docstrings of the documented modules.

    Args:
        library: folder of the standard library; by default that of the running Python.

    Yields:
        Chapter, dotted module name and docstring with its blanks collapsed, in the order of chapters, files and lines.

    Raises:
        DataError: If the library's source files are not in a folder.
    """
    library = Path(sysconfig.get_path("stdlib")) if library is None else library
    if not (library / "ast.py").is_file():
        raise DataError(
            f"pydocs is read from the source files of Python's standard library, and {library} holds none; this Python "
            "keeps them in a zip file or compiled. Use a Python that has its .py files, as most installations do."
        )
    for chapter, names in CHAPTERS.items():
        for name in names.split():
            package = library / name
            files = sorted(package.rglob("*.py")) if package.is_dir() else [package.with_suffix(".py")]
            for file in filter(Path.is_file, files):
                module = file.relative_to(library).with_suffix("").parts
                if not _NO_SUBJECT.intersection(module):
                    for docstring in _docstrings(file):
                        yield chapter, ".".join(module).removesuffix(".__init__"), " ".join(docstring.split())


def mask_names(text: str, module: str) -> str:
    """Replace a module's own name, and each part of its dotted path, by a neutral token.

    A part counts where it stands alone or as a piece of a CamelCase or underscored word, whatever its case: with
    `http.client`, "HTTPConnection" becomes "___Connection" and "a client" becomes "a ___".

    Args:
        text: a docstring of the module.
        module: dotted name, such as `concurrent.futures.thread`.

    Returns:
        The text without these names.
    """
    parts = chain.from_iterable(
        part.strip("_").removeprefix("py").split("_") if part.startswith("_") else [part] for part in module.split(".")
    )
    names = "|".join(sorted({re.escape(part) for part in parts if part}, key=lambda name: (-len(name), name)))
    # A name begins behind no letter, between "a" and "B", or between "A" and "Bc"; behind it comes no letter, or one
    # plural s, or a capital.
    begin = r"(?:(?<![^\W\d_])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]))"
    pattern = rf"{begin}(?i:{names})(?=s?(?![^\W\d_])|[A-Z])"
    return re.sub(pattern, MASK, text)


def make_pydocs() -> tuple[dict[str, tuple[list[str], list[int]]], list[str]]:
    """Make the corpus from the running Python.

    Returns:
        Split name -> (texts, labels), for train, validation and test, ordered by a hash of the text; and label names.

    Raises:
        DataError: If the library's source files cannot be found, or hold no docstrings.
    """
    names = list(CHAPTERS)
    texts: dict[str, tuple[str, set[int]]] = {}  # normalized text -> first spelling, labels
    for chapter, module, docstring in read_docstrings():
        text = mask_names(docstring, module)
        if len(text.split()) >= MINIMUM_WORDS:
            texts.setdefault(text.casefold(), (text, set()))[1].add(names.index(chapter))
    if len(texts) < FEWEST_TEXTS:
        raise DataError(
            f"pydocs needs the docstrings of Python's standard library and found only {len(texts)}; the sources of "
            "this Python are stripped of them. Use an ordinary Python."
        )
    splits: dict[str, tuple[list[str], list[int]]] = {name: ([], []) for name in ("train", "validation", "test")}
    hashed = ((hashlib.sha256(key.encode()).digest(), *value) for key, value in texts.items())
    for digest, text, labels in sorted(hashed, key=lambda row: row[0]):
        if len(labels) == 1:
            tenth = digest[-1] * 10 // 256  # the last byte: the order comes from the first ones
            kept_texts, kept_labels = splits[("test", "validation")[tenth] if tenth < 2 else "train"]
            kept_texts.append(text)
            kept_labels.extend(labels)
    return splits, names


def _docstrings(file: Path) -> Iterator[str]:
    """Docstrings of a module, its classes, methods and top-level functions, in the order of their lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes such as "\\d" in the library's own strings
        try:
            tree = ast.parse(file.read_bytes(), filename=str(file))
        except SyntaxError:  # templates and examples of errors are no modules
            return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
