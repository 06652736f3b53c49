"""Further rows: from training rows and given texts alone, the same when made again, and labeled as they should be."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from textlstm.text.augmentation import MASK
from textlstm.text.datasets import load_data
from textlstm.text.overlap import text_keys
from textlstm.text.tokenization import save_tokenizer, train_tokenizer
from textlstm.text.vectors import source_digest
from textlstm.training import teachers
from textlstm.training.finetuning import train_into
from textlstm.training.further_texts import held_out_splits
from textlstm.training.preparation import prepare
from textlstm.training.teacher_models import mask_word
from textlstm.training.transfer_set import collect_texts


def further_texts(prepared):
    """The further rows as words; the tiny recipe's vocabulary knows all but masks."""
    tokens = prepared.tokenizer.convert_ids_to_tokens
    return [" ".join(tokens(row.tolist())) for row in prepared.transfer.encoded]


def prepared_equal(one, other):
    mine, its = one.transfer, other.transfer
    assert np.array_equal(mine.encoded.ids, its.encoded.ids)
    assert np.array_equal(mine.encoded.offsets, its.encoded.offsets)
    assert np.array_equal(mine.owners, its.owners)
    assert np.array_equal(mine.labeled, its.labeled)
    assert mine.digest == its.digest and mine.notes == its.notes
    assert (mine.logits is None) == (its.logits is None)
    assert mine.logits is None or np.array_equal(mine.logits, its.logits)


def test_copies_by_other_vectors_are_other_content(tiny_recipe, tiny_data, tmp_path):
    path = tmp_path / "words.vec"
    words = sorted({word for text in tiny_data.splits["train"].text_list() for word in text.split()})
    changes = {"augmentation.copies": 1, "augmentation.rules": ["insertion"], "augmentation.vectors": str(path)}
    found = []
    for order in (words, words[::2] + words[1::2]):  # neighbors stand beside each other on a quarter of a circle
        angles = np.linspace(0, np.pi / 2, len(order))
        rows = zip(order, np.cos(angles), np.sin(angles), strict=True)
        path.write_text("".join(f"{word} {x:.4f} {y:.4f}\n" for word, x, y in rows))
        found.append(prepare(tiny_recipe(changes), tiny_data))
        assert found[-1].transfer.neighbors == source_digest(str(path))
    assert found[0].fingerprint != found[1].fingerprint  # so that no checkpoint of the one goes on as the other


def test_without_copies_and_teacher_there_are_none(tiny_recipe, tiny_data):
    prepared = prepare(tiny_recipe(), tiny_data)
    assert prepared.transfer is None
    assert prepared.learned[0] is prepared.encoded["train"]
    assert prepared.fingerprint == tiny_data.fingerprint


def test_copies_stand_behind_their_rows_with_their_labels(tiny_recipe, tiny_data):
    plain = prepare(tiny_recipe(), tiny_data)
    prepared = prepare(tiny_recipe({"augmentation.copies": 3}), tiny_data)
    encoded, labels = prepared.learned
    rows, transfer = len(plain.encoded["train"]), prepared.transfer
    assert np.array_equal(encoded.take(np.arange(rows)).ids, plain.encoded["train"].ids)
    assert np.array_equal(labels[:rows], prepared.rows.train.labels)
    assert np.array_equal(labels[rows:], prepared.rows.train.labels[transfer.owners])
    assert len(encoded) == rows + len(transfer.owners) > 2 * rows
    assert transfer.labeled.all() and transfer.logits is None and transfer.digest == ""
    # Nothing else changes: the same vocabulary, and every other split as it was.
    assert prepared.tokenizer.get_vocab() == plain.tokenizer.get_vocab()
    assert prepared.encoded.keys() == plain.encoded.keys()
    assert all(np.array_equal(prepared.encoded[name].ids, plain.encoded[name].ids) for name in plain.encoded)


CASES = [
    {"augmentation.copies": "auto"},
    {"augmentation.copies": 2, "augmentation.strength": 0.5, "data.size": 20},
    {"distillation.rest": True, "data.size": 20, "augmentation.copies": 2, "augmentation.rules": ["ngrams", "swap"]},
]


@pytest.mark.parametrize("changes", CASES)
def test_further_rows_are_made_again_to_the_last_bit_and_another_seed_makes_others(
    tiny_recipe, tiny_data, encoder, changes
):
    named = {"distillation.teacher": str(encoder), **changes} if "distillation.rest" in changes else changes
    one = prepare(tiny_recipe(named), tiny_data)
    prepared_equal(one, prepare(tiny_recipe({**named, "model.num_layers": 2}), tiny_data))
    other = prepare(tiny_recipe({**named, "seed": 1}), tiny_data)
    assert further_texts(one) != further_texts(other)


@pytest.mark.parametrize("changes", CASES)
def test_no_held_out_text_is_learned_from(tiny_recipe, planted, encoder, changes):
    texts, labels = planted(60, 0)
    # Held out: some of the training texts themselves, and all that deletion could make of one.
    words = texts[0].split()
    near = [" ".join(words[:k] + words[k + 1 :]) for k in range(len(words))]
    data = load_data(
        (texts, labels),
        validation=(near, labels[: len(near)]),
        test=([text.upper() for text in texts[5:30]], labels[5:30]),
    )
    named = {"distillation.teacher": str(encoder), **changes} if "distillation.rest" in changes else changes
    prepared = prepare(tiny_recipe(named), data)
    guarded = np.concatenate([text_keys(split.texts) for split in held_out_splits(data, prepared.rows)])
    made = further_texts(prepared)
    assert made
    assert not np.isin(text_keys(pa.array(made, pa.large_string())), guarded).any()


def test_the_rest_of_a_subset_comes_without_labels_and_brings_its_words(tiny_recipe, planted, encoder):
    texts, labels = planted(60, 0)
    new = ["".join(pair) for pair in product("qxzvkw", "qxzvkwjpyg")]
    texts = [f"{text} {word}" for text, word in zip(texts, new, strict=True)]
    data = load_data((texts, labels), test=planted(20, 1))
    changes = {"data.size": 20, "distillation.teacher": str(encoder), "distillation.rest": True}
    prepared = prepare(tiny_recipe(changes), data)
    transfer = prepared.transfer
    assert len(transfer.owners) == 40
    assert (transfer.owners == -1).all() and not transfer.labeled.any()
    assert set(new) <= set(prepared.tokenizer.get_vocab())
    assert sorted([*further_texts(prepared), *prepared.rows.train.text_list()]) == sorted(texts)
    assert transfer.logits.shape == (60, 2)
    # The teacher is right about texts whose labels it has not seen.
    by_text = dict(zip(texts, data.splits["train"].labels.tolist(), strict=True))
    right = [by_text[text] for text in further_texts(prepared)]
    assert transfer.logits[20:].argmax(axis=1).tolist() == right


def test_given_texts_are_counted_drawn_and_cleared_of_test_texts(tiny_recipe, tiny_data, encoder, tmp_path):
    test, train = (tiny_data.splits[name].text_list() for name in ("test", "train"))
    own = [f"good film {word}" for word in "abcdefgh"]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join([*test, *train, *own, *own]))
    changes = {"distillation.teacher": str(encoder), "distillation.unlabeled": str(path)}
    prepared = prepare(tiny_recipe(changes), tiny_data)
    assert sorted(further_texts(prepared)) == sorted(own)
    assert any("left out, because their texts are in a protected split" in note for note in prepared.transfer.notes)
    few = prepare(tiny_recipe({**changes, "distillation.unlabeled_rows": 3}), tiny_data)
    assert len(few.transfer.owners) == 3 and set(further_texts(few)) < set(own)
    other = prepare(tiny_recipe({**changes, "distillation.unlabeled_rows": 3, "seed": 4}), tiny_data)
    assert further_texts(other) != further_texts(few)
    assert len({prepared.fingerprint, few.fingerprint, tiny_data.fingerprint}) == 3


def test_with_a_teacher_ngrams_are_short_and_lose_their_label(tiny_recipe, tiny_data, encoder):
    changes = {"augmentation.copies": 6, "augmentation.rules": ["ngrams", "swap"]}
    alone = prepare(tiny_recipe(changes), tiny_data).transfer
    taught = prepare(tiny_recipe({**changes, "distillation.teacher": str(encoder)}), tiny_data).transfer
    assert alone.labeled.all()
    assert 0 < taught.labeled.sum() < len(taught.labeled)
    assert taught.encoded.lengths[~taught.labeled].max() <= 5


def test_a_teacher_is_asked_about_each_text_once(tiny_recipe, tiny_data, encoder, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTLSTM_CACHE_DIR", str(tmp_path))
    asked = []

    def counted(folder, texts, **settings):
        asked.extend(texts)
        return encode(folder, texts, **settings)

    encode = teachers.encode_frozen
    monkeypatch.setattr(teachers, "encode_frozen", counted)
    recipe = tiny_recipe({"distillation.teacher": str(encoder), "augmentation.copies": 2})
    one = prepare(recipe, tiny_data)
    assert len(set(asked)) == len(asked) > 60
    before = len(asked)
    prepared_equal(one, prepare(recipe, tiny_data))
    assert len(asked) == before


def test_a_teacher_that_is_worse_than_guessing_is_told(tiny_recipe, tiny_data, tmp_path):
    train_into(tmp_path, tiny_recipe(), tiny_data)
    swapped = {"distillation.labels": {"neg": "pos", "pos": "neg"}}
    notes = [
        prepare(tiny_recipe({"distillation.teacher": str(tmp_path), **changes}), tiny_data).transfer.notes[-1]
        for changes in ({}, swapped)
    ]
    assert all("right on" in note for note in notes)
    assert ["likely of another task" in note for note in notes] == [False, True]


def bert_tokens(folder, *, mask):
    """A tokenizer that deletes U+FFFD, as BERT's does."""
    words = ["[PAD]", "[UNK]", "good", "bad", "[MASK]"]
    backend = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    named = {"mask_token": "[MASK]"} if mask else {}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", **named)
    tokenizer.save_pretrained(folder)


MASKING = {"augmentation.copies": 2, "augmentation.rules": ["masking"], "augmentation.strength": 0.3}


@pytest.mark.parametrize("mask", [True, False])
def test_teacher_and_student_are_asked_about_the_same_masked_text(
    tiny_recipe, tiny_data, make_classifier, tmp_path, mask
):
    folder = make_classifier(["neg", "pos"])
    bert_tokens(folder, mask=mask)
    bert_tokens(tmp_path, mask=False)
    reads = {"tokenizer": {"kind": "pretrained", "source": str(tmp_path)}}
    prepared = prepare(tiny_recipe({**MASKING, **reads, "distillation.teacher": str(folder)}), tiny_data)
    copies = collect_texts(tiny_recipe(MASKING), tiny_data, prepared.rows).copies.texts
    assert copies and all(MASK in text for text in copies)
    (teacher,) = teachers.load_teachers(
        tiny_recipe({"distillation.teacher": str(folder)}), tiny_data, prepared.rows.train
    )
    asked = teacher.answer([text.replace(MASK, "[MASK]" if mask else "[UNK]") for text in copies])
    asked -= asked.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(prepared.transfer.logits[len(prepared.rows.train) :], asked, atol=1e-5)
    for text, ids in zip(copies, prepared.transfer.encoded, strict=True):
        known = [{"good": 2, "bad": 3}.get(word, 1) for word in text.split()]
        assert ids.tolist() == known


def test_an_own_teacher_reads_masks_as_unknown_words_too(tiny_recipe, tiny_data, tmp_path):
    bert_tokens(tmp_path / "tokens", mask=False)
    reads = {"tokenizer": {"kind": "pretrained", "source": str(tmp_path / "tokens")}, "training.epochs": 1}
    train_into(tmp_path / "own", tiny_recipe(reads), tiny_data)
    taught = tiny_recipe({**MASKING, "distillation.teacher": str(tmp_path / "own")})
    prepared = prepare(taught, tiny_data)
    copies = collect_texts(taught, tiny_data, prepared.rows).copies.texts
    (teacher,) = teachers.load_teachers(taught, tiny_data, prepared.rows.train)
    asked = teacher.answer([text.replace(MASK, "unheardof") for text in copies])
    asked -= asked.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(prepared.transfer.logits[len(prepared.rows.train) :], asked, atol=1e-5)
    bare = teacher.answer(copies)  # without the masked words
    assert np.abs(asked - bare + bare.mean(axis=1, keepdims=True)).max() > 1e-4


def test_a_table_of_embeddings_leaves_masks_out_and_what_reads_them_is_told_nothing(encoder, tmp_path):
    assert mask_word(encoder, "encoder") == MASK
    save_tokenizer(train_tokenizer(["good film"] * 2), tmp_path)
    assert mask_word(tmp_path, "textlstm") == MASK
