"""The embedded corpora: labels are right, splits apart, nothing leaks, and equal options give equal texts."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from textlstm.errors import DataError
from textlstm.text import pydocs
from textlstm.text.corpora import CORPORA, generate, is_corpus, nesting_depth
from textlstm.text.tokenization import encode, train_tokenizer

SMALL = {"listops": "train=300,validation=40,test=50", "recall": "train=300,validation=40,test=50"}
NAMES = ("pydocs", *(f"{name}:{options}" for name, options in SMALL.items()))


made = functools.cache(generate)


@pytest.fixture(scope="module", autouse=True)
def docstrings():
    """Those of this Python, read once: the corpus is made of these."""
    read = pydocs.read_docstrings
    kept = functools.cache(lambda: list(read()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pydocs, "read_docstrings", lambda *library: read(*library) if library else iter(kept()))
        yield kept


@pytest.fixture(scope="module")
def docs(docstrings):
    return made("pydocs")


def accuracy(vectorizer, train, test, labels):
    """Test accuracy of logistic regression; by SGD, since lbfgs takes minutes over 90,000 features."""
    regression = SGDClassifier(loss="log_loss", alpha=2e-6, max_iter=15, tol=None, random_state=0)
    model = make_pipeline(vectorizer, regression).fit(train, labels[0])
    assert model.score(train, labels[0]) > np.bincount(labels[0]).max() / len(labels[0])
    return model.score(test, labels[1])


@pytest.mark.parametrize("spec", NAMES)
def test_splits_are_complete_and_apart(spec):
    splits, label_names = made(spec)
    assert list(splits) == ["train", "validation", "test"]
    texts = [" ".join(text.split()).casefold() for split, _ in splits.values() for text in split]
    assert len(set(texts)) == len(texts)
    for split, labels in splits.values():
        assert len(split) == len(labels)
        assert all(0 <= label < len(label_names) for label in labels)
    assert len(set(splits["train"][1])) == len(label_names) == len(set(label_names))


@pytest.mark.parametrize("spec", NAMES)
def test_another_process_makes_the_same_texts(spec):
    code = f"import json; from textlstm.text.corpora import generate; print(json.dumps(generate({spec!r})))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(answer.stdout) == json.loads(json.dumps(made(spec)))


def test_generated_texts_never_change():
    # Equal on every platform and version: a changed digest means changed data under old names.
    digests = {
        name: hashlib.sha256(json.dumps(generate(f"{name}:{options}")).encode()).hexdigest()[:12]
        for name, options in SMALL.items()
    }
    assert digests == {"listops": "cec49d24ab19", "recall": "780409720bcd"}


def value_of(text, max_args=9):
    """An evaluator of its own: a stack machine over the tokens."""
    stack = []
    for piece in text.split():
        if piece == "]":
            arguments = []
            while isinstance(stack[-1], int):
                arguments.append(stack.pop())
            operator = stack.pop()
            assert 2 <= len(arguments) <= max_args
            stack.append(int({"[MIN": min, "[MAX": max, "[MED": np.median, "[SM": sum}[operator](arguments)) % 10)
        else:
            stack.append(int(piece) if piece.isdigit() else piece)
    (value,) = stack
    return value


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 60), st.integers(0, 9))
def test_listops_keeps_its_options_and_its_labels_are_right(max_depth, max_args, extra, seed):
    length = 3 * max_depth + 1 + extra
    splits, names = generate(
        f"listops:train=60,validation=5,test=5,max_depth={max_depth},max_args={max_args},max_length={length},seed={seed}"
    )
    assert names == list("0123456789")
    depths = Counter()
    for texts, labels in splits.values():
        for text, label in zip(texts, labels, strict=True):
            assert value_of(text, max_args) == label
            assert len(text.split()) <= length
            depths[nesting_depth(text)] += 1
    assert max(depths) <= max_depth
    assert sum(depths.values()) == 70


def test_listops_covers_every_depth_and_digit():
    texts, labels = generate("listops:train=3000,validation=0,test=0,max_depth=5")[0]["train"]
    assert min(Counter(map(nesting_depth, texts)).values()) > 300
    assert min(Counter(labels).values()) > 150


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(2, 5), st.integers(1, 3), st.integers(2, 9), st.integers(3, 40))
def test_recall_answers_from_its_pairs_at_its_distance(distance, values, times, extra_keys, fillers):
    pairs = values * times
    splits, names = generate(
        f"recall:train=10,validation=2,test=2,distance={distance},values={values},pairs={pairs},"
        f"keys={pairs + extra_keys},fillers={fillers}"
    )
    for texts, labels in splits.values():
        for text, label in zip(texts, labels, strict=True):
            words = text.split()
            held = {word: words[place + 1] for place, word in enumerate(words[:-2]) if word.startswith("k")}
            assert len(held) == pairs
            assert Counter(held.values()) == dict.fromkeys(names, times)
            assert words[-2] == "query"
            assert held[words[-1]] == names[label]
            last_value = max(place for place, word in enumerate(words) if word in names)
            assert len(words) - 1 - last_value == distance


@pytest.mark.parametrize("options", ["", ",pairs=8", ",values=2,pairs=2", ",distance=2"])
def test_recall_is_at_chance_for_words_and_bigrams(options):
    splits, names = generate("recall:train=3000,test=1000" + options)
    (train, train_labels), (test, test_labels) = splits["train"], splits["test"]
    chance = 1 / len(names)
    margin = 3 * np.sqrt(chance * (1 - chance) / len(test))
    for ngrams in ((1, 1), (1, 2)):
        score = accuracy(TfidfVectorizer(ngram_range=ngrams), train, test, (train_labels, test_labels))
        assert abs(score - chance) < margin


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece", "unigram"])
def test_every_tokenizer_keeps_generated_texts_apart(kind):
    for name, options in SMALL.items():
        texts = generate(f"{name}:{options}")[0]["train"][0]
        encoded = encode(train_tokenizer(texts, kind=kind, vocab_size=500), texts, max_length=400)
        assert 1 not in encoded.ids
        assert len({row.tobytes() for row in encoded}) == len(texts)


def test_pydocs_is_a_corpus_of_some_thousand_texts(docs):
    splits, names = docs
    sizes = [len(texts) for texts, _ in splits.values()]
    assert 5_500 < sum(sizes) < 9_000
    assert 0.78 < sizes[0] / sum(sizes) < 0.82
    assert len(names) == 11
    assert min(Counter(splits["train"][1]).values()) > 100
    assert max(Counter(splits["train"][1]).values()) < 0.25 * sizes[0]
    for texts, _ in splits.values():
        assert all(len(text.split()) >= pydocs.MINIMUM_WORDS and text == " ".join(text.split()) for text in texts)


def test_the_chapter_table_names_each_module_once():
    modules = " ".join(pydocs.CHAPTERS.values()).split()
    assert len(set(modules)) == len(modules)
    # Public modules of this Python that have source files and are in no chapter are left out on purpose.
    library = Path(json.__file__).parents[1]
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    written = {name for name in public if (library / name).is_dir() or (library / f"{name}.py").is_file()}
    assert written - set(modules) <= {
        *("antigravity", "this", "idlelib", "encodings", "turtledemo", "pydoc_data", "test"),
        *("annotationlib", "msilib"),
    }


@pytest.mark.parametrize(
    ("text", "module", "masked"),
    [
        ("Tarfile opens a TarFile, tarfiles; not mytarfiler", "tarfile", "___ opens a ___, ___s; not mytarfiler"),
        ("HTTPConnection of a client, HTTP.CLIENT", "http.client", "___Connection of a ___, ___.___"),
        ("os.path closes OSError and macOS and _os_", "os", "___.path closes ___Error and mac___ and _____"),
        ("A Decimal number", "_pydecimal", "A ___ number"),
        ("abc of collections", "_collections_abc", "___ of ___"),
    ],
)
def test_own_names_are_masked(text, module, masked):
    assert pydocs.mask_names(text, module) == masked


def test_no_text_mentions_its_own_module(docstrings):
    for _, module, docstring in docstrings():
        left = re.findall(r"[a-z]+", pydocs.mask_names(docstring, module).casefold())
        own = {part.casefold() for part in module.split(".") if not part.startswith("_")}
        assert own.isdisjoint(left)


def test_pydocs_baselines_say_that_names_do_not_give_the_label_away(docs, docstrings):
    splits, _ = docs
    train, test = splits["train"][0], splits["test"][0]
    labels = (splits["train"][1], splits["test"][1])
    origin = {pydocs.mask_names(text, module).casefold(): (text, module) for _, module, text in docstrings()}

    def unmasked(text):
        return origin[text.casefold()][0]

    def masked_out(text):
        source, module = origin[text.casefold()]
        return " ".join(part for part in module.split(".") if part.strip("_").casefold() in source.casefold()) * (
            pydocs.MASK in text
        )

    def names_in(text):
        return re.findall(r"[a-z_0-9]+", text.casefold())

    words = {"ngram_range": (1, 2), "sublinear_tf": True}
    modules = sorted({name.strip("_").casefold() for name in " ".join(pydocs.CHAPTERS.values()).split()})
    still_there = CountVectorizer(vocabulary=modules, analyzer=names_in)
    majority = np.mean(np.array(labels[1]) == np.bincount(labels[0]).argmax())
    figures = {
        "majority": majority,
        "TF-IDF": accuracy(TfidfVectorizer(**words), train, test, labels),
        "TF-IDF, nothing masked": accuracy(
            TfidfVectorizer(**words), list(map(unmasked, train)), list(map(unmasked, test)), labels
        ),
        "the masked-out names alone": accuracy(
            CountVectorizer(analyzer=str.split), list(map(masked_out, train)), list(map(masked_out, test)), labels
        ),
        "names of modules still there, alone": accuracy(still_there, train, test, labels),
    }
    print(sys.version.split()[0], {name: f"{100 * value:.1f} %" for name, value in figures.items()})
    assert figures["TF-IDF"] > 0.7
    assert figures["names of modules still there, alone"] < majority + 0.15
    assert figures["the masked-out names alone"] > figures["names of modules still there, alone"]


def test_a_python_without_sources_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="zip file"):
        list(pydocs.read_docstrings(tmp_path / "python311.zip"))


def test_names_and_options():
    assert {"pydocs", "listops", "recall"} == set(CORPORA)
    assert CORPORA["pydocs"] == {}
    assert CORPORA["listops"]["max_depth"] == 6
    assert is_corpus("recall:distance=9")
    assert not is_corpus("recall.csv")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("listop", "did you mean listops"),
        ("listops:max_dept=5", "did you mean max_depth"),
        ("pydocs:seed=1", "no options"),
        ("recall:distance=far", "whole number"),
        ("recall:distance", "whole number"),
        ("recall:seed=1,seed=2", "twice"),
        ("recall:pairs=5", "multiple"),
        ("recall:keys=3", "keys"),
        ("recall:seed=-1", "seed"),
        ("listops:train=0", "at least 1 training text"),
        ("listops:max_length=9", "max_length"),
        ("listops:max_depth=1,max_args=2,max_length=4,train=401", "different texts"),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec, message):
    with pytest.raises(DataError, match=message) as caught:
        generate(spec)
    assert "\n" not in str(caught.value)
