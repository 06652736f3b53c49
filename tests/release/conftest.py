"""A loopback Hub, a token that nobody owns, a client without waits, and a small trained model."""

import types
from pathlib import Path

import pytest
from hub_server import TOKEN, HubServer

from textlstm.training.finetuning import finetune


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server; the client finds its token in the environment, does not wait between tries, and uses no Xet."""
    import huggingface_hub.utils._http as http
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session, httpx

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    naps = []
    monkeypatch.setattr(http, "time", types.SimpleNamespace(sleep=naps.append))
    # The client's own, without the certificates that loopback has no use for: it opens a new one after each break.
    settings = {"event_hooks": {"request": [http.hf_request_event_hook]}, "follow_redirects": True, "timeout": None}
    monkeypatch.setattr(http, "_GLOBAL_CLIENT_FACTORY", lambda: httpx.Client(**settings, verify=False))
    close_session()
    with HubServer() as server:
        server.naps = naps
        yield server
        close_session()


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny_recipe, tiny_data):
    """A folder that training wrote."""
    folder = tmp_path_factory.mktemp("release") / "model"
    finetune(tiny_recipe(), tiny_data, out=folder)
    return folder


@pytest.fixture(scope="session")
def bundle(trained, tmp_path_factory):
    """The folder to publish, made once."""
    from textlstm.release.bundle import write_bundle

    return write_bundle(trained, tmp_path_factory.mktemp("bundle") / "out", repo_id="someone/tiny", onnx=False)


@pytest.fixture
def fake_bundle(tmp_path):
    """Makes a folder of published names with content as small as can be."""
    from textlstm.release.bundle import Bundle

    def make(word="one", **more):
        folder = tmp_path / f"bundle-{word}"
        contents = {
            "README.md": f"---\ntags: [textlstm]\n---\n# {word}\n",
            "config.json": '{"model_type": "textlstm"}',
            "model.safetensors": f"weights of {word}" * 1000,
            "onnx/model.onnx": f"graph of {word}" * 1000,
            **more,
        }
        for name, content in contents.items():
            if content is not None:
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        files = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        return Bundle(folder, files, [])

    return make
