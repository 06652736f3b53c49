"""Objectives beside the labels: each does what its paper says, none breaks a resumed run, each key has an effect."""

import numpy as np
import pytest
import torch

from textlstm.errors import RecipeError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.recipe_pretraining import ObjectivesSection
from textlstm.recipe_transfer import DistillationSection
from textlstm.text.encoding import Encoded
from textlstm.training.distillation import TeacherTerm
from textlstm.training.finetuning import train
from textlstm.training.objectives import Objective
from textlstm.training.semi_supervised import (
    adversarial,
    build_objective,
    divergence,
    entropy,
    mixup,
    r_drop,
    virtual_adversarial,
)
from textlstm.training.unlabeled_rows import UnlabeledRows

DROPOUTS = ("embedding_dropout", "input_dropout", "layer_dropout", "output_dropout")


def network_of(*, dropout=0.0, several=False):
    torch.manual_seed(0)
    config = TextLSTMConfig(
        vocab_size=30,
        embedding_size=6,
        hidden_size=5,
        num_labels=3,
        head_init_std=1.0,
        problem_type="multi_label_classification" if several else "single_label_classification",
        **dict.fromkeys(DROPOUTS, dropout),
    )
    return TextLSTMForSequenceClassification(config).train()


def batch_of(*, several=False):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 30, (8, 6), generator=generator)
    ids[2, 3:] = 0
    labels = torch.randint(0, 3, (8,), generator=generator)
    if several:
        labels = torch.nn.functional.one_hot(labels, 3).float()
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels, "rows": torch.arange(8)}


def value(term, network, batch):
    loss, output = Objective()(network, network, batch)
    return term(network, batch, output).item(), loss.item(), output


@pytest.mark.parametrize("several", [False, True])
def test_a_move_against_the_label_costs_more_than_a_random_one_and_more_the_longer_it_is(several):
    network, batch = network_of(several=several), batch_of(several=several)
    short, plain, _ = value(adversarial(0.01), network, batch)
    long, _, _ = value(adversarial(0.5), network, batch)
    assert plain < short < long
    embedded = network.lstm.embedding(batch["input_ids"]).detach()
    typical = embedded.norm(dim=2).sum(dim=1) / batch["attention_mask"].sum(dim=1)
    noise = torch.randn(40, *embedded.shape) * batch["attention_mask"].unsqueeze(2)
    noise *= (0.5 * typical / noise.flatten(2).norm(dim=2))[:, :, None, None]
    given = {name: batch[name] for name in ("attention_mask", "labels")}
    worst = max(network(inputs_embeds=embedded + move, **given).loss.item() for move in noise)
    assert long > worst


@pytest.mark.parametrize("several", [False, True])
def test_the_virtual_move_changes_the_answer_more_than_random_ones(several):
    network, batch = network_of(several=several), batch_of(several=several)
    found, _, output = value(virtual_adversarial(0.5, None), network, batch)
    embedded = network.lstm.embedding(batch["input_ids"]).detach()
    typical = embedded.norm(dim=2).sum(dim=1) / batch["attention_mask"].sum(dim=1)
    noise = torch.randn(40, *embedded.shape) * batch["attention_mask"].unsqueeze(2)
    noise *= (0.5 * typical / noise.flatten(2).norm(dim=2))[:, :, None, None]
    logits = [network(inputs_embeds=embedded + move, attention_mask=batch["attention_mask"]).logits for move in noise]
    changes = torch.stack([divergence(network, output.logits, moved) for moved in logits])
    assert found > changes.mean() + changes.std()
    assert network.training


@pytest.mark.parametrize("several", [False, True])
def test_a_divergence_is_nought_from_an_answer_to_itself_and_never_negative(several):
    network = network_of(several=several)
    one, other = torch.randn(2, 20, 3)
    assert divergence(network, one, one).abs() < 1e-6
    assert divergence(network, one, other) > 0


@pytest.mark.parametrize("several", [False, True])
def test_entropy_is_largest_for_even_answers(several):
    network, batch = network_of(several=several), batch_of(several=several)
    unsure = torch.log(torch.tensor(2.0)) * 3 if several else torch.log(torch.tensor(3.0))
    with torch.no_grad():
        network.classifier.weight.zero_()
    even, _, _ = value(entropy(None), network, batch)
    assert even == pytest.approx(unsure.item(), rel=1e-5)
    with torch.no_grad():
        network.classifier.bias.copy_(torch.tensor([9.0, -9.0, -9.0]))
    sure, _, _ = value(entropy(None), network, batch)
    assert sure < 0.01


def test_r_drop_without_dropout_adds_the_same_loss_and_with_it_more():
    still, plain, _ = value(r_drop(5.0), network_of(), batch_of())
    assert still == pytest.approx(plain, rel=1e-5)
    network, batch = network_of(dropout=0.5), batch_of()
    torch.manual_seed(3)
    light = value(r_drop(1.0), network, batch)[0]
    torch.manual_seed(3)
    assert value(r_drop(5.0), network, batch)[0] > light


def test_r_drop_holds_both_passes_against_a_teacher_where_there_is_one():
    network, batch = network_of(), batch_of()
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)).numpy()
    unlabeled = np.zeros(8, dtype=bool)
    taught = TeacherTerm(logits, unlabeled, DistillationSection(teacher=["t"], unlabeled="x"), multi_label=False)
    twice, plain, output = value(r_drop(5.0, taught), network, batch)
    assert twice == pytest.approx(taught(network, batch, output).item(), rel=1e-5)
    assert twice != pytest.approx(plain, rel=1e-2)
    whole = build_objective(ObjectivesSection(r_drop=5.0), None, taught)
    assert whole.terms[0](network, batch, output).item() == pytest.approx(twice, rel=1e-5)


@pytest.mark.parametrize("on_embeddings", [False, True])
def test_mixup_of_texts_with_themselves_is_the_loss_itself(on_embeddings, monkeypatch):
    network, batch = network_of(), batch_of()
    monkeypatch.setattr(torch, "randperm", torch.arange)
    mixed, plain, _ = value(mixup(0.4, on_embeddings=on_embeddings), network, batch)
    assert mixed == pytest.approx(plain, rel=1e-5)


def test_padding_does_not_change_an_objective():
    network, batch = network_of(), batch_of()
    padded = {**batch, **{n: torch.nn.functional.pad(batch[n], (0, 3)) for n in ("input_ids", "attention_mask")}}
    for term in (adversarial(0.3), entropy(None), mixup(0.4, on_embeddings=True)):
        torch.manual_seed(5)
        before = value(term, network, batch)[0]
        torch.manual_seed(5)
        assert value(term, network, padded)[0] == pytest.approx(before, rel=1e-4)


def test_unlabeled_rows_are_drawn_from_all_texts():
    encoded = Encoded(torch.arange(1, 31).numpy().astype("int32"), torch.arange(0, 31, 3).numpy())
    rows = UnlabeledRows(encoded, pad_id=0, rows=4, source="x")
    torch.manual_seed(0)
    seen = {int(first) for _ in range(40) for first in rows.draw(torch.device("cpu"))["input_ids"][:, 0]}
    assert seen == set(range(1, 31, 3))


ALL = {
    "objectives.adversarial": 1.0,
    "objectives.virtual_adversarial": 1.0,
    "objectives.entropy": 0.5,
    "objectives.r_drop": 1.0,
    "objectives.mixup": 0.4,
}


@pytest.fixture(scope="module")
def unlabeled(tmp_path_factory, planted):
    path = tmp_path_factory.mktemp("unlabeled") / "u.txt"
    path.write_text("\n".join(planted(40, 9)[0]))
    return str(path)


class Stop(Exception):
    pass


def test_a_resumed_run_with_every_objective_ends_like_an_undisturbed_one(
    tiny_recipe, tiny_data, unlabeled, tmp_path, assert_same_run, checkpoint_every_update
):
    recipe = tiny_recipe({**ALL, "objectives.unlabeled": unlabeled, "training.epochs": 2})

    def listener(report):
        if report.step == 5:
            raise Stop

    reference = train(recipe, tiny_data)
    with pytest.raises(Stop):
        train(recipe, tiny_data, checkpoints=tmp_path / "c", listener=listener)
    assert_same_run(train(recipe, tiny_data, checkpoints=tmp_path / "c"), reference)
    assert any(note.startswith("unlabeled: 40 texts of") for note in reference.run.data.notes)


@pytest.fixture(scope="module")
def weights_of(tiny_data):
    """Weights that a recipe's training leaves; each recipe is trained once."""
    known = {}

    def weights(recipe):
        key = recipe.fingerprint()
        if key not in known:
            known[key] = train(recipe, tiny_data).model.state_dict()
        return known[key]

    return weights


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives.adversarial": 1.0},
        {"objectives.virtual_adversarial": 1.0},
        {"objectives.virtual_adversarial": 1.0, "objectives.perturbation": 2.0},
        {"objectives.entropy": 0.5},
        {"objectives.entropy": 0.5, "objectives.unlabeled": "U"},
        {"objectives.entropy": 0.5, "objectives.unlabeled": "U", "objectives.unlabeled_rows": 5},
        {"objectives.entropy": 0.5, "objectives.unlabeled": "U", "objectives.unlabeled_batch": 5},
        {"objectives.r_drop": 1.0},
        {"objectives.mixup": 0.4},
        {"objectives.mixup": 0.4, "objectives.mixup_on": "embeddings"},
    ],
)
def test_every_option_has_an_effect(changes, tiny_recipe, weights_of, unlabeled):
    changes = {key: unlabeled if value == "U" else value for key, value in changes.items()}
    *before, last = changes.items()
    one = tiny_recipe({"training.epochs": 1, **dict(before)})
    first, second = weights_of(one), weights_of(one.override(dict([last])))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_unlabeled_texts_that_nothing_reads_are_refused(tiny_recipe):
    with pytest.raises(RecipeError, match="give one a weight"):
        tiny_recipe({"objectives.unlabeled": "x"})
