"""Cells on a real Ray cluster of two nodes, one of which may go away in the middle; and, quickly, on a stand-in."""

import sys
import threading
import time
from pathlib import Path

import pytest
from fake_ray import LocalRay, OutOfMemoryError, RayError
from fast_grid import FastCell, fast_recipe, told

from textlstm.atomic_files import replace_file
from textlstm.errors import MissingExtraError, RecipeError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.openings import count_openings
from textlstm.experiment.ray_executor import RayCluster
from textlstm.experiment.sweep import run_grid
from textlstm.results import RESULT_FILE, read_predictions, read_run


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


@pytest.fixture
def local_ray(monkeypatch):
    """Puts a stand-in, made with options, in Ray's place."""

    def make(**options):
        fake = LocalRay(**options)
        monkeypatch.setitem(sys.modules, "ray", fake)
        return fake

    return make


def test_what_a_cell_wrote_comes_back_whole_with_its_result_last(tmp_path, local_ray, monkeypatch):
    written = []

    def note_and_replace(path, content):
        written.append(path.name)
        replace_file(path, content)

    monkeypatch.setattr("textlstm.experiment.ray_executor.replace_file", note_and_replace)
    ray = local_ray()
    recipe = fast_recipe(layers=3, seeds=2)
    sweep = run_grid(recipe, tmp_path / "runs", run_cell=FastCell(tmp_path / "log"), executor=RayCluster())
    assert len(sweep.runs) == 6 and sweep.failures == []
    for cell in plan_cells(recipe):
        assert read_run(tmp_path / "runs" / cell.path).cell == cell.coordinates
    assert written[3::4] == [RESULT_FILE] * 6 and RESULT_FILE not in written[0::4] + written[1::4] + written[2::4]
    assert ray.ended


@pytest.mark.parametrize(("processors", "threads", "most"), [(4, 1, 4), (4, 2, 2), (3, 2, 2), (2, 2, 1)])
def test_as_many_cells_are_under_way_as_processors_allow(tmp_path, local_ray, processors, threads, most):
    ray = local_ray(processors=processors)
    recipe = fast_recipe(layers=3, seeds=2).override({"threads": threads})
    assert len(run_grid(recipe, tmp_path, run_cell=FastCell(tmp_path / "log"), executor=RayCluster()).runs) == 6
    assert (ray.most, set(ray.asked)) == (most, {threads})


def test_a_cell_that_is_lost_with_its_node_comes_again_and_one_without_memory_is_recorded(tmp_path, local_ray):
    lost, full = RayError("the node\n  is gone " + "x" * 900), OutOfMemoryError("killed")
    local_ray(processors=1, losses=[lost, full, None, full, None])
    told = []
    sweep = run_grid(
        fast_recipe(layers=3, seeds=1),
        tmp_path,
        run_cell=FastCell(tmp_path / "log"),
        executor=RayCluster(),
        on_failure=lambda cell, failure, again: told.append((cell.layers, failure.kind, again, failure.reason)),
    )
    assert [run.cell["layers"] for run in sweep.runs] == [2, 3]
    kinds = [(kind, again) for _, kind, again, _ in told]
    assert kinds == [("killed_worker", True), ("out_of_memory", True), ("out_of_memory", False)]
    assert "killed worker (its process or its node was lost: the node is gone xxx" in told[0][3]
    assert len(told[0][3]) < 400
    assert told[1][3] == "Ray ended the run, because its node was running out of memory."
    ((_, failure),) = sweep.failures
    assert (failure.kind, failure.attempts) == ("out_of_memory", 2)


def test_what_is_under_way_when_a_sweep_is_given_up_is_cancelled_and_a_cluster_of_others_stays(tmp_path, local_ray):
    ray = local_ray(processors=3, connected=True)
    cells = [(cell, tmp_path / cell.path) for cell in plan_cells(fast_recipe(layers=3, seeds=2))]
    outcomes = RayCluster()(iter(cells), FastCell(tmp_path / "log"))
    next(outcomes)
    under_way = list(ray.waiting)
    outcomes.close()
    assert len(under_way) == 2 and ray.cancelled == under_way
    assert ray.connected and not ray.ended


class Traveller:
    """Has its data with it only when it is made ready to travel; hears at home of what was done elsewhere."""

    def __init__(self, run_cell=None):
        self.run_cell, self.heard = run_cell, []

    def __call__(self, cell, folder):
        return self.run_cell(cell, folder)

    def with_data(self):
        return Traveller(self.ready)

    def arrived(self, cell, run):
        self.heard.append((cell.path, run.cell))


def test_a_cell_takes_its_data_along_and_its_driver_hears_of_every_run(tmp_path, local_ray):
    local_ray()
    at_home = Traveller()
    failing = plan_cells(fast_recipe())[1]
    at_home.ready = FastCell(tmp_path / "log", faults={str(failing.path): ("data", 9)})
    sweep = run_grid(fast_recipe(), tmp_path / "runs", run_cell=at_home, executor=RayCluster())
    assert [(cell.path, failure.final) for cell, failure in sweep.failures] == [(failing.path, True)]
    assert at_home.heard == [(cell.path, cell.coordinates) for cell in plan_cells(fast_recipe()) if cell != failing]
