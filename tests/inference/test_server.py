"""The server, as uvicorn runs it on loopback: the form of the Hub's API, batches, limits, metrics, its description."""

import asyncio
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from huggingface_hub import InferenceClient

from textlstm.errors import DataError
from textlstm.inference.predictor import Predictor
from textlstm.inference.server import Limits, make_server
from textlstm.inference.server_requests import read_question
from textlstm.inference.text_queue import QueueFullError, TextQueue

LIMITS = Limits(body_bytes=2_000, body_seconds=0.5, texts=8, waiting=20, together=8)


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor.load(exported, backend="onnx", threads=1)


class Running:
    """A server in a thread."""

    def __init__(self, predictor, limits=LIMITS):
        app = make_server(predictor, limits)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as response:  # noqa: S310 - loopback
            return response.read().decode()

    def post(self, body):
        """Status and answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(self.url + "/", data=content, timeout=20) as response:  # noqa: S310
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error) | {"retry": error.headers.get("Retry-After")}

    def metric(self, name):
        return float(dict(line.rsplit(" ", 1) for line in self.get("/metrics").splitlines() if line[0] != "#")[name])


@pytest.fixture(scope="module")
def running(predictor):
    started = Running(predictor)
    yield started
    started.server.should_exit = True
    started.thread.join(20)
    assert not started.thread.is_alive()


def test_answers_have_the_form_of_the_hubs_api(running, predictor):
    texts = ["a good film", "", "too dull 🙂 故事"]
    status, answers = running.post({"inputs": texts})
    assert status == 200
    for answer, expected in zip(answers, predictor(texts), strict=True):
        assert [(entry["label"], pytest.approx(entry["score"], abs=1e-5)) for entry in answer] == expected.top(3)
    one = running.post({"inputs": texts[0], "parameters": {"top_k": 1}, "options": {"wait_for_model": True}})
    assert one == (200, [[answers[0][0]]])


def test_the_hubs_own_client_understands_them(running, predictor, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # loopback is no network
    client = InferenceClient(model=running.url)
    expected = predictor("a good film")[0].top(2)
    found = client.text_classification("a good film", top_k=2)
    assert [(entry.label, pytest.approx(entry.score, abs=1e-5)) for entry in found] == expected
    plain = client.text_classification("a good film", function_to_apply="none")
    assert [entry.label for entry in plain[:2]] == [label for label, _ in expected]
    assert sum(entry.score for entry in plain) != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "should be JSON"),
        ({"texts": ["good"]}, 'has no "inputs"'),
        ({"inputs": []}, "a list of at least one"),
        ({"inputs": ["good", 3]}, "a text or a list"),
        ({"inputs": ["good"] * 9}, "may hold 8 texts, and holds 9"),
        ({"inputs": "good", "parameters": {"top_k": 0}}, "from 1 on"),
        ({"inputs": "good", "parameters": {"top_k": True}}, "from 1 on"),
        ({"inputs": "good", "parameters": {"function_to_apply": "relu"}}, "softmax, sigmoid, none"),
        ({"inputs": "good", "parameters": {"temperature": 2}}, "'temperature'"),
        ({"inputs": "good", "parameters": [1]}, "should be an object"),
    ],
)
def test_what_is_wrong_is_said(running, body, words):
    status, answer = running.post(body)
    assert status == 400
    assert words in answer["error"]
    with pytest.raises(DataError, match=r"\.$|\)"):
        read_question(body if isinstance(body, bytes) else json.dumps(body).encode(), most_texts=8)


def test_long_bodies_are_refused_said_or_not(running):
    status, answer = running.post({"inputs": "good " * 500})
    assert (status, "2,000 bytes" in answer["error"]) == (413, True)
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    connection.request("POST", "/", body=iter([b"x" * 1000] * 5), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_does_not_come_is_given_up(running):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "100")
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 408
    assert json.loads(response.read())["error"] == "The body did not arrive in time; send it again."
    connection.close()


def test_metrics_count_and_health_answers(running):
    before = {name: running.metric(name) for name in ("textlstm_texts_total", 'textlstm_requests_total{status="200"}')}
    running.post({"inputs": ["good", "good " * 30]})
    assert running.metric("textlstm_texts_total") == before["textlstm_texts_total"] + 2
    assert (
        running.metric('textlstm_requests_total{status="200"}') == 1 + before['textlstm_requests_total{status="200"}']
    )
    assert running.metric("textlstm_truncated_texts_total") >= 1
    assert running.metric('textlstm_request_seconds_bucket{le="+Inf"}') == running.metric(
        "textlstm_request_seconds_count"
    )
    assert running.metric("textlstm_waiting_texts") == 0
    health = json.loads(running.get("/health"))
    assert (health["status"], health["backend"]) == ("ok", "ONNX Runtime, float32")


def test_the_description_matches_what_it_does(running):
    described = json.loads(running.get("/openapi.json"))
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if method == "get":
                assert running.get(path)
            assert "200" in operation["responses"]
    schema = described["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["inputs"]["oneOf"][1]["maxItems"] == 8
    for name in schema["properties"]["parameters"]["properties"]:  # each of them is taken
        value = {"top_k": 1, "function_to_apply": "sigmoid"}[name]
        assert running.post({"inputs": "good", "parameters": {name: value}})[0] == 200


def test_a_model_of_several_labels_gives_each_a_probability_of_its_own(exported_multi):
    several = Predictor.load(exported_multi, backend="onnx", threads=1)
    started = Running(several)
    try:
        status, (answer,) = started.post({"inputs": "a good film"})
        assert status == 200
        expected = several("a good film")[0].top(3)
        assert [(entry["label"], pytest.approx(entry["score"], abs=1e-5)) for entry in answer] == expected
        assert sum(entry["score"] for entry in answer) != pytest.approx(1, abs=1e-3)
    finally:
        started.server.should_exit = True
        started.thread.join(20)


class Slow:
    """A predictor that waits until it is let go, and notes its batches."""

    def __init__(self, predictor):
        self.predictor, self.calibration = predictor, None
        self.label_names, self.multi_label, self.classifier = predictor.label_names, False, predictor.classifier
        self.go, self.asked, self.broken = threading.Event(), [], False

    def __call__(self, text):
        return self.predictor(text)

    def encode(self, texts):
        self.asked.append(list(texts))
        assert self.go.wait(20)
        if self.broken:
            raise RuntimeError("no memory")
        return self.predictor.encode(texts)

    def logits_of(self, encoded, **batches):
        return self.predictor.logits_of(encoded, **batches)


def test_requests_that_arrive_together_share_a_batch_and_too_many_are_turned_away(predictor):
    slow = Slow(predictor)
    started = Running(slow)
    try:
        with ThreadPoolExecutor(12) as pool:
            first = pool.submit(started.post, {"inputs": "good"})
            while not slow.asked:
                time.sleep(0.01)
            more = [pool.submit(started.post, {"inputs": [f"film {k}", "dull"]}) for k in range(10)]
            while started.metric("textlstm_waiting_texts") < 20:
                time.sleep(0.01)
            status, refused = started.post({"inputs": "bad"})
            assert (status, refused["retry"]) == (503, "1")
            assert refused["error"] == "Too many texts wait for the model; try again in a second."
            assert json.loads(started.get("/health"))["status"] == "ok"  # while the model works
            slow.go.set()
            assert first.result()[0] == 200
            for k, future in enumerate(more):
                status, answer = future.result()
                assert status == 200
                expected = predictor([f"film {k}", "dull"])
                for given, wanted in zip(answer, expected, strict=True):
                    assert given[0]["label"] == wanted.label
                    assert given[0]["score"] == pytest.approx(wanted.score, abs=1e-5)
        assert [len(batch) for batch in slow.asked] == [1, 8, 8, 4]
        slow.broken = True
        status, answer = started.post({"inputs": "good"})
        assert (status, "no memory" in answer["error"]) == (500, True)
        slow.broken = False
        assert started.post({"inputs": "good"})[0] == 200
    finally:
        slow.go.set()
        started.server.should_exit = True
        started.thread.join(20)


def test_a_calibration_is_used_and_the_queue_has_a_limit(exported, predictor):
    hot = Predictor.load(exported, backend="onnx", threads=1)
    hot.calibration = type("Hot", (), {"temperature": 4.0, "thresholds": None})()

    async def ask():
        queue = TextQueue(hot, batch_tokens=100, batch_rows=None, together=4, most_waiting=2)
        worker = asyncio.create_task(queue.work())
        logits = await queue.logits(["good", "dull film"])
        with pytest.raises(QueueFullError):
            await queue.logits(["good"] * 3)
        worker.cancel()
        return logits

    expected = predictor.logits_of(predictor.encode(["good", "dull film"])) / 4
    assert asyncio.run(ask()) == pytest.approx(expected, abs=1e-5)
