"""A loopback Hub, a token that nobody owns, a client without waits, and a small trained model."""

import shutil
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import TOKEN, HubServer

from textlstm.inference.calibration import calibrate_model
from textlstm.release.bundle import Bundle, write_bundle
from textlstm.text.protocol import load_recipe_data
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
def trained(tmp_path_factory, tiny_recipe, planted):
    """A folder that training wrote from files; 250 validation rows are enough to call an 8-bit graph good."""
    place = tmp_path_factory.mktemp("release")
    for split, rows, seed in (("train", 60, 0), ("validation", 250, 1), ("test", 40, 2)):
        table = pa.table(dict(zip(("text", "label"), planted(rows, seed), strict=True)))
        pq.write_table(table, place / f"{split}.parquet")
    recipe = tiny_recipe({"data.source": str(place), "name": "tiny"})
    finetune(recipe, load_recipe_data(recipe), out=place / "model")
    return place / "model"


@pytest.fixture(scope="session")
def tagged(tmp_path_factory, tiny_recipe, planted):
    """A folder of a model that may give several labels, with its calibration."""
    place = tmp_path_factory.mktemp("tagged")
    for split, rows, seed in (("train", 150, 0), ("validation", 300, 1), ("test", 60, 2)):
        texts, labels = planted(rows, seed)
        long = [["long"] if len(text.split()) > 6 else [] for text in texts]
        sets = [[label, *more] if row % 9 else [] for row, (label, more) in enumerate(zip(labels, long, strict=True))]
        pq.write_table(pa.table({"text": texts, "label": sets}), place / f"{split}.parquet")
    recipe = tiny_recipe({"data.source": str(place), "name": "tagged", "training.epochs": 8})
    finetune(recipe, load_recipe_data(recipe), out=place / "model")
    calibrate_model(place / "model")
    return place / "model"


@pytest.fixture(scope="session")
def bundle(trained, tmp_path_factory):
    """The folder to publish, made once."""
    return write_bundle(trained, tmp_path_factory.mktemp("bundle") / "out", repo_id="someone/tiny", license="mit")


@pytest.fixture(scope="session")
def exported(trained, bundle, tmp_path_factory):
    """The model's folder with its graphs."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(trained, folder)
    shutil.copytree(bundle.folder / "onnx", folder / "onnx")
    return folder


@pytest.fixture
def fake_bundle(tmp_path):
    """Makes a folder of published names with content as small as can be."""

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
