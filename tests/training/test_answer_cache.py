"""Answers on disk: asked once a text, the same bits again, damage survived, writers side by side."""

import numpy as np
import pytest

from textlstm.training.answer_cache import CACHE, cache_folder, cached_answers


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path))
    return tmp_path


class Asked:
    def __init__(self):
        self.texts = []

    def __call__(self, texts):
        self.texts += texts
        return np.array([[len(text), hash(text) % 97] for text in texts], dtype=np.float32)


def test_a_text_is_asked_about_once_and_answers_come_in_order():
    asked = Asked()
    first = cached_answers("model", ["b", "a", "b"], asked)
    assert sorted(asked.texts) == ["a", "b"]
    assert np.array_equal(first[0], first[2])
    again = cached_answers("model", ["c", "a", "\udc80", "b"], asked)
    assert sorted(asked.texts) == ["a", "b", "c", "\udc80"]
    assert np.array_equal(again[[3, 1]], first[:2])
    cached_answers("other model", ["a"], asked)
    assert asked.texts.count("a") == 2


def test_another_process_that_wrote_the_same_texts_does_no_harm(own_folder):
    cached_answers("model", ["a", "b"], Asked())
    (shard,) = (own_folder / "teachers" / "model").iterdir()
    copy = shard.read_bytes()
    cached_answers("model", ["b", "c"], Asked())
    (shard.parent / "same.safetensors").write_bytes(copy)
    asked = Asked()
    assert cached_answers("model", ["a", "b", "c"], asked).shape == (3, 2)
    assert asked.texts == []


def test_a_damaged_file_counts_as_absent(own_folder):
    before = cached_answers("model", ["a", "b"], Asked())
    (shard,) = (own_folder / "teachers" / "model").iterdir()
    shard.write_bytes(shard.read_bytes()[:-3])
    asked = Asked()
    assert np.array_equal(cached_answers("model", ["a", "b"], asked), before)
    assert asked.texts == ["a", "b"]
    assert np.array_equal(cached_answers("model", ["b"], asked), before[1:])
    assert len(asked.texts) == 2


def test_the_folder_is_the_users_own(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "textlstm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "textlstm")
