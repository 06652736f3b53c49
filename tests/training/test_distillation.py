"""The loss against a slow reference, what each key changes, interrupted runs, and a student that learns much of it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

from textlstm.recipe_transfer import AugmentationSection, DistillationSection
from textlstm.text.datasets import load_data
from textlstm.training.distillation import TeacherTerm, soft_losses
from textlstm.training.finetuning import train
from textlstm.training.preparation import build_config, build_model, prepare

ROWS, CLASSES = 6, 3


def scores(seed):
    return np.random.default_rng(seed).normal(size=(2, ROWS, CLASSES)) * 3


def losses(student, teacher, **options):
    return soft_losses(torch.tensor(student), torch.tensor(teacher), **options).numpy()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(0.5, 8))
def test_kl_is_the_divergence_of_softened_probabilities(seed, temperature):
    student, teacher = scores(seed)
    p, q = softmax(teacher / temperature, axis=1), log_softmax(student / temperature, axis=1)
    expected = temperature**2 * (p * (np.log(p) - q)).sum(axis=1)
    options = {"loss": "kl", "temperature": temperature, "multi_label": False}
    np.testing.assert_allclose(losses(student, teacher, **options), expected, atol=1e-9)
    shifted = student + np.arange(ROWS)[:, None]
    np.testing.assert_allclose(losses(shifted, teacher, **options), expected, atol=1e-9)
    yes, own = expit(teacher / temperature), expit(student / temperature)
    binary = yes * np.log(yes / own) + (1 - yes) * np.log((1 - yes) / (1 - own))
    options["multi_label"] = True
    np.testing.assert_allclose(losses(student, teacher, **options), temperature**2 * binary.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_who_says_the_same_has_no_loss_and_no_gradient(loss, multi_label):
    student, teacher = scores(0)
    options = {"loss": loss, "temperature": 2.0, "multi_label": multi_label}
    logits = torch.tensor(teacher, requires_grad=True)
    found = soft_losses(logits, torch.tensor(teacher), **options)
    found.sum().backward()
    np.testing.assert_allclose(found.detach().numpy(), 0, atol=1e-12)
    np.testing.assert_allclose(logits.grad.numpy(), 0, atol=1e-12)
    assert (losses(student, teacher, **options) > 0).all()


def test_mse_heeds_a_shift_only_where_each_logit_stands_for_itself():
    student, teacher = scores(1)
    options = {"loss": "mse", "temperature": 2.0}
    centered = [part - part.mean(axis=1, keepdims=True) for part in (student, teacher)]
    expected = ((centered[0] - centered[1]) ** 2).mean(axis=1)
    np.testing.assert_allclose(losses(student + 5, teacher, multi_label=False, **options), expected)
    plain = losses(student + 5, teacher, multi_label=True, **options)
    np.testing.assert_allclose(plain, ((student + 5 - teacher) ** 2).mean(axis=1))


@pytest.fixture(scope="module")
def network(tiny_recipe, tiny_data):
    recipe = tiny_recipe({"model.label_smoothing": 0.1, "training.class_weights": "balanced"})
    return build_model(build_config(recipe, prepare(recipe, tiny_data)), seed=0)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_labeled_rows_share_and_others_belong_to_the_teacher(network, weight):
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, ROWS, 2)).astype(np.float32)
    labeled = np.array([True, False, True, True, False, True])
    part = DistillationSection(teacher=["t"], hard_weight=weight, unlabeled="x")
    term = TeacherTerm(teacher, labeled, part, multi_label=False)
    rows, labels = np.array([4, 0, 2]), np.array([1, 1, 0])

    def value(labels):
        batch = {"rows": torch.tensor(rows), "labels": torch.tensor(labels)}
        return float(term(network, batch, SimpleNamespace(logits=torch.tensor(student[:3]))))

    soft = losses(student[:3], teacher[rows], loss="kl", temperature=2.0, multi_label=False)
    hard = float(network.label_loss(torch.tensor(student[1:3]), torch.tensor(labels[1:])))
    expected = (soft[0] + (1 - weight) * soft[1:].sum() + 2 * weight * hard) / 3
    assert value(labels) == pytest.approx(expected, rel=1e-5)
    assert value(np.array([0, 1, 0])) == value(labels)  # a placeholder says nothing
    assert (value(np.array([1, 0, 0])) == value(labels)) == (weight == 0)


BASE = {"training.epochs": 1, "data.size": 30, "augmentation.copies": 2}
VECTORS = "good 1 0\nbad 0.9 0.1\nfilm 0 1\nmovie 0.1 1\nstory 0.2 1\nplot 0.3 1\n"
AUGMENTATION = {
    "copies": 3,
    "rules": ["typos"],
    "strength": 0.9,
    "vectors": "{vectors}",
    "similarity": 0.999,
    "protected": ["the", "film", "a", "of"],
}
DISTILLATION = {
    "teacher": ["{encoder}", "{classifier}"],
    "labels": {"neg": "pos", "pos": "neg"},
    "loss": "mse",
    "temperature": 5.0,
    "hard_weight": 0.1,
    "unlabeled": "{texts}",
    "unlabeled_rows": 3,
    "rest": True,
}
ALONG = {
    "similarity": {"augmentation.vectors": "{vectors}"},
    "labels": {"distillation.teacher": ["{classifier}"]},
    "unlabeled_rows": {"distillation.unlabeled": "{texts}"},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, encoder, make_classifier):
    folder = tmp_path_factory.mktemp("places")
    (folder / "vectors.txt").write_text(VECTORS)
    (folder / "texts.txt").write_text(
        "\n".join(f"a {word} film of {word}s" for word in "good bad new old long".split())
    )
    named = {"vectors": folder / "vectors.txt", "texts": folder / "texts.txt"}
    return {**named, "encoder": encoder, "classifier": make_classifier(["neg", "pos"])}


def filled(value, places):
    """Put paths where their names stand."""
    if isinstance(value, str):
        return value.format(**places)
    if isinstance(value, list):
        return [filled(one, places) for one in value]
    return {key: filled(one, places) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.fixture(scope="module")
def outcome(tiny_recipe, tiny_data, places):
    """Trains with changes, once for each of them."""
    known = {}

    def run(changes):
        named = {key: filled(value, places) for key, value in changes.items()}
        if (name := repr(sorted(named.items()))) not in known:
            done = train(tiny_recipe(named), tiny_data)
            known[name] = done.run.history, done.predictions
        return known[name]

    return run


@pytest.mark.parametrize("key", AUGMENTATION)
def test_every_augmentation_key_changes_the_run(outcome, key):
    base = {**BASE, **ALONG.get(key, {})}
    if key in ("vectors", "similarity"):
        base["augmentation.rules"] = ["insertion"]
    changed = {**base, f"augmentation.{key}": AUGMENTATION[key]}
    assert outcome(base) != outcome(changed)


@pytest.mark.parametrize("key", DISTILLATION)
def test_every_distillation_key_changes_the_run(outcome, key):
    base = {**BASE, "distillation.teacher": ["{encoder}"], **ALONG.get(key, {})}
    changed = {**base, f"distillation.{key}": DISTILLATION[key]}
    assert outcome(base) != outcome(changed)


def test_every_key_is_tried():
    assert set(AUGMENTATION) == set(AugmentationSection.model_fields)
    assert set(DISTILLATION) == set(DistillationSection.model_fields)


class Stop(Exception):
    pass


@pytest.mark.parametrize("accumulation", [1, 2])
def test_an_interrupted_lesson_ends_like_an_undisturbed_one(
    tiny_recipe, tiny_data, encoder, tmp_path, assert_same_run, checkpoint_every_update, accumulation
):
    changes = {
        "data.size": 40,
        "augmentation.copies": 2,
        "augmentation.rules": ["swap", "ngrams", "typos"],
        "distillation.teacher": str(encoder),
        "distillation.rest": True,
        "training.epochs": 2,
        "training.gradient_accumulation": accumulation,
    }
    recipe = tiny_recipe(changes)
    reference = train(recipe, tiny_data)
    steps = reference.run.history[-1].step

    def listener(report):
        if report.step == steps // 2:
            raise Stop

    with pytest.raises(Stop):
        train(recipe, tiny_data, checkpoints=tmp_path, listener=listener)
    assert_same_run(train(recipe, tiny_data, checkpoints=tmp_path), reference)


def test_a_teacher_who_knows_the_rule_makes_few_labels_enough(tiny_recipe, planted, encoder):
    data = load_data(planted(300, 0), test=planted(200, 1))
    few = {"data.size": 6, "training.epochs": 4, "training.min_updates": 150, "seed": 1}
    alone = train(tiny_recipe(few), data).run
    lesson = {**few, "distillation.teacher": str(encoder), "distillation.rest": True}
    taught = train(tiny_recipe(lesson), data).run
    assert taught.score > 0.95 > alone.score
    assert taught.data.further_rows > 200 and alone.data.further_rows == 0
    assert taught.data.teacher is not None and alone.data.teacher is None
    assert taught.data.labels_used == alone.data.labels_used == 6
    assert taught.metrics["train"].rows == 6
    assert any("right on" in note for note in taught.data.notes)


def test_several_labels_a_text_are_taught_too(tiny_recipe, planted, encoder):
    texts, labels = planted(60, 3)
    several = [[label, "long"] if len(text) > 30 else [label] for text, label in zip(texts, labels, strict=True)]
    data = load_data((texts, several), test=(texts[:9], several[:9]))
    changes = {"distillation.teacher": str(encoder), "data.size": 30, "distillation.rest": True}
    for loss in ("kl", "mse"):
        run = train(tiny_recipe({**changes, "distillation.loss": loss}), data).run
        assert run.data.multi_label and np.isfinite(run.history[-1].train_loss)
        assert run.history[-1].train_loss < run.history[0].train_loss
