"""Cells on a real Ray cluster of two nodes on this machine, one of which may go away in the middle."""

import sys
import threading
import time
from pathlib import Path

import pytest
from fast_grid import FastCell, fast_recipe, told

from textlstm.errors import MissingExtraError, RecipeError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.openings import count_openings
from textlstm.experiment.ray_executor import RayCluster
from textlstm.experiment.sweep import run_grid
from textlstm.results import read_predictions, read_run


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'textlstm\[ray\]'"):
        run_grid(fast_recipe(), tmp_path, run_cell=FastCell(tmp_path / "log"), executor=RayCluster())


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of two logical processors."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where workers find fast_grid
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=options)
    second = made.add_node(num_cpus=2, object_store_memory=100 * 2**20)
    made.wait_for_nodes()
    ray.init(made.address, log_to_driver=False, logging_level="error")
    yield made, second
    ray.shutdown()
    made.shutdown()


@pytest.mark.ray
def test_all_cells_are_run_on_two_nodes_and_come_back_whole(tmp_path, cluster):
    recipe, log = fast_recipe(layers=6, seeds=4), tmp_path / "log"
    bad = str(plan_cells(recipe)[3].path)
    worse = str(plan_cells(recipe)[5].path)
    run_cell = FastCell(log, 0.1, {bad: ("kill", 1), worse: ("nan", 9)})
    sweep = run_grid(recipe, tmp_path / "runs", run_cell=run_cell, executor=RayCluster())
    assert len(sweep.runs) == 23
    assert [(str(cell.path), failure.kind, failure.attempts) for cell, failure in sweep.failures] == [
        (worse, "non_finite_loss", 2)
    ]
    for cell in plan_cells(recipe):
        if str(cell.path) != worse:
            assert read_run(tmp_path / "runs" / cell.path).cell == cell.coordinates
            assert len(read_predictions(tmp_path / "runs" / cell.path, "test")) == 4
    assert not list((tmp_path / "runs").rglob("*.partial"))
    begun = [line.split()[0] for line in told(log, "begin")]
    assert begun.count(bad) == 2
    assert len(begun) == 26


@pytest.mark.ray
def test_a_node_that_goes_away_in_the_middle_costs_no_cell(tmp_path, cluster):
    made, second = cluster
    recipe, log = fast_recipe(layers=6, seeds=4), tmp_path / "log"

    def remove():
        while len(told(log, "done")) < 6:
            time.sleep(0.02)
        made.remove_node(second, allow_graceful=False)

    thread = threading.Thread(target=remove)
    thread.start()
    sweep = run_grid(recipe, tmp_path / "runs", run_cell=FastCell(log, 0.4), executor=RayCluster())
    thread.join()
    assert len(sweep.runs) == 24
    assert sweep.failures == []


@pytest.mark.ray
def test_training_on_a_cluster_of_this_machine_alone_gives_what_training_here_gives(tmp_path, tiny_recipe, tiny_data):
    """Without an address a cluster is started, and ended with the sweep."""
    recipe = tiny_recipe({"grid.layers": [1], "grid.sizes": [20], "training.epochs": 1})
    here = run_grid(recipe, tmp_path / "here", run_cell=TrainCell(tiny_data), executor=serial)
    with TrainCell(tiny_data, root=tmp_path / "there") as run_cell:
        there = run_grid(recipe, tmp_path / "there", run_cell=run_cell, executor=RayCluster())
    import ray

    assert not ray.is_initialized()
    assert there.failures == []
    assert [(run.metrics, run.history) for run in there.runs] == [(run.metrics, run.history) for run in here.runs]
    path = plan_cells(recipe)[0].path
    assert read_predictions(tmp_path / "there" / path, "test") == read_predictions(tmp_path / "here" / path, "test")
    assert count_openings(tmp_path / "there") == 1


class FakeRay:
    """Takes note of how it is started; a cluster at an address is not there."""

    def __init__(self):
        self.started = []

    def is_initialized(self):
        return False

    def init(self, address, **_):
        self.started.append(address)
        if address != "local":
            raise ConnectionError("nobody answers\nsecond line")

    def put(self, what):
        return what

    def remote(self, **_):
        return lambda function: None

    def nodes(self):
        return [
            {"Alive": True, "Resources": {"CPU": 2.0}},
            {"Alive": False, "Resources": {"CPU": 64.0}},
            {"Alive": True, "Resources": {}},
        ]

    def cluster_resources(self):
        return {"CPU": 66.0}

    def shutdown(self):
        self.started.append("end")


@pytest.fixture
def fake_ray(monkeypatch):
    fake = FakeRay()
    monkeypatch.setattr("textlstm.experiment.ray_executor._import_ray", lambda: fake)
    return fake


def test_no_cluster_is_started_for_nothing_to_run(fake_ray, tmp_path):
    assert list(RayCluster()(iter([]), FastCell(tmp_path / "log"))) == []
    assert fake_ray.started == []


def test_a_cluster_that_cannot_be_reached_is_one_sentence(fake_ray, tmp_path):
    executor = RayCluster("10.0.0.1:1")
    with pytest.raises(RecipeError, match=r"'10\.0\.0\.1:1' cannot be reached \(nobody answers\)"):
        run_grid(fast_recipe(), tmp_path, run_cell=FastCell(tmp_path / "log"), executor=executor)
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize("address", [None, "local"])
def test_a_local_cluster_is_our_own_and_runs_wider_than_any_node_are_refused(fake_ray, tmp_path, address):
    recipe = fast_recipe().override({"threads": 3})
    with pytest.raises(RecipeError, match="3 threads, and the largest node of the Ray cluster has 2 processors"):
        run_grid(recipe, tmp_path, run_cell=FastCell(tmp_path / "log"), executor=RayCluster(address))
    assert fake_ray.started == ["local", "end"]
