"""Latency: more work takes longer, the size is that of the saved file, and the process is left as it was."""

import torch

from textlstm.inference.latency import measure_latency
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification


def config_of(layers, **options):
    return TextLSTMConfig(
        **{"vocab_size": 200, "embedding_size": 16, "hidden_size": 32, "num_layers": layers, **options}
    )


def test_deep_stacks_and_large_batches_take_longer_and_percentiles_are_in_order():
    before = torch.get_num_threads()
    found = measure_latency({"1": config_of(1), "6": config_of(6)}, tokens=30, repeats=12)
    assert torch.get_num_threads() == before
    assert set(found) == {"1", "6"}
    for latency in found.values():
        assert set(latency.milliseconds) == {1, 32}
        for median, late in latency.milliseconds.values():
            assert 0 < median <= late
    # Six times the work: a busy machine may blur this, not turn it around.
    assert found["6"].milliseconds[32][0] > 1.5 * found["1"].milliseconds[32][0]


def test_models_answer_in_turns_in_changing_order_and_warm_up_is_dropped(monkeypatch):
    calls = []
    forward = TextLSTMForSequenceClassification.forward

    def counted(self, input_ids, attention_mask):
        calls.append((self.config.num_layers, tuple(input_ids.shape), self.training, torch.is_inference_mode_enabled()))
        assert attention_mask.all()
        return forward(self, input_ids, attention_mask)

    monkeypatch.setattr(TextLSTMForSequenceClassification, "forward", counted)
    found = measure_latency({str(n): config_of(n) for n in (1, 2, 3)}, tokens=4, batch_sizes=[2], repeats=20)
    assert {shape for _, shape, _, _ in calls} == {(2, 4)}
    assert all(inference and not training for _, _, training, inference in calls)
    rounds = [tuple(layers for layers, *_ in calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert len(rounds) > 20
    assert all(sorted(order) == [1, 2, 3] for order in rounds)
    assert len(set(rounds)) > 3
    assert set(found["1"].milliseconds) == {2}


def test_slow_models_get_fewer_rounds(monkeypatch):
    calls = []
    forward = TextLSTMForSequenceClassification.forward
    monkeypatch.setattr(
        TextLSTMForSequenceClassification, "forward", lambda self, **given: calls.append(1) or forward(self, **given)
    )
    measure_latency({"1": config_of(1)}, tokens=4, batch_sizes=[1], repeats=500, seconds=0.0)
    assert 10 <= len(calls) < 20


def test_the_size_is_that_of_the_weights_file(tmp_path):
    config = config_of(2, join="residual", pooling="attention", layer_norm=True, hidden_size=[20, 30])
    TextLSTMForSequenceClassification(config).save_pretrained(tmp_path)
    saved = (tmp_path / "model.safetensors").stat().st_size
    (latency,) = measure_latency({"x": config}, tokens=2, batch_sizes=[1], repeats=1).values()
    assert abs(latency.disk_mb * 2**20 - saved) < 8192  # the header
