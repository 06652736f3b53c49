"""Push and pull against a Hub on loopback, with the real client, through every fault at every step."""

import threading

import pytest
from hub_server import TOKEN

from textlstm.errors import HubError, ModelError, RecipeError, RunFolderError
from textlstm.release.hub import MESSAGE, push_bundle, push_to_hub
from textlstm.release.hub_client import check_repo_id
from textlstm.release.hub_pull import pull_from_hub

# httpx2 deprecates how the Hub's client 2.4 hands it a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO = "someone/tiny"


def push(hub, bundle, **more):
    said = []
    return push_bundle(bundle, REPO, endpoint=hub.url, tell=said.append, **more), said


def published(bundle):
    return {name: (bundle.folder / name).read_bytes() for name in bundle.files}


def own(files):
    return {name: content for name, content in (files or {}).items() if name != ".gitattributes"}


def test_a_push_is_one_commit_with_all_files(hub, fake_bundle):
    bundle = fake_bundle()
    done, said = push(hub, bundle)
    assert own(hub.files(REPO)) == published(bundle)
    assert hub.history(REPO) == [MESSAGE, "initial commit"]
    assert hub.count("POST", "/commit/") == 1
    assert (done.changed, done.url, said) == (True, f"{hub.url}/{REPO}/commit/{done.commit}", [])


def test_the_same_push_again_changes_nothing(hub, fake_bundle):
    push(hub, fake_bundle())
    before = hub.snapshot()
    done, _ = push(hub, fake_bundle())
    assert not done.changed
    assert hub.snapshot() == before


def test_another_model_leaves_nothing_of_the_first(hub, fake_bundle):
    """What an earlier push left would be of other weights, and a calibration would even be used; own files stay."""
    of_one = [
        "charts/reliability.png",
        "calibration.json",
        "metrics.json",
        "recipe.yaml",
        ".eval_results/textlstm.yaml",
    ]
    push(hub, fake_bundle("one", **dict.fromkeys(of_one, "of one")))
    hub.repos[REPO].branches["main"][0].files["notes.txt"] = b"mine"
    bundle = fake_bundle("two", **{"onnx/model.onnx": None})
    push(hub, bundle)
    assert own(hub.files(REPO)) == published(bundle) | {"notes.txt": b"mine"}


def test_a_new_branch_and_a_pull_request_leave_main_alone(hub, fake_bundle):
    push(hub, fake_bundle("one"))
    two, three = fake_bundle("two"), fake_bundle("three")
    push(hub, two, revision="try/this")
    done, _ = push(hub, three, create_pr=True, message="Better")
    assert own(hub.files(REPO)) == published(fake_bundle("one"))
    assert own(hub.files(REPO, "try/this")) == published(two)
    assert own(hub.files(REPO, "refs/pr/1")) == published(three)
    assert done.url == f"{hub.url}/{REPO}/discussions/1"
    assert hub.history(REPO, "refs/pr/1")[0] == "Better"


def test_private_is_private_and_never_lands_in_public(hub, fake_bundle):
    push(hub, fake_bundle(), private=True)
    assert hub.repos[REPO].private
    hub.repos[REPO].private = False
    before = hub.snapshot()
    with pytest.raises(HubError, match="exists and is public"):
        push(hub, fake_bundle("two"), private=True)
    assert hub.snapshot() == before


STEPS = {
    "create": ("POST", "/api/repos/create"),
    "info": ("GET", "/api/models/[^/]+/[^/]+$"),
    "tree": ("GET", "/tree/"),
    "preupload": ("POST", "/preupload/"),
    "batch": ("POST", "/objects/batch"),
    "upload": ("PUT", "/lfs/"),
    "verify": ("POST", "/lfs-verify"),
    "metadata": ("POST", "/validate-yaml"),
    "commit": ("POST", "/commit/"),
}
FAULTS = {
    "500": {"kind": 500},
    "503": {"kind": 503, "headers": {"Retry-After": "7"}},
    "429": {"kind": 429, "headers": {"Retry-After": "3"}},
    "reset": {"kind": "reset"},
    "cut": {"kind": "cut"},
    "late": {"kind": "late"},
    "401": {"kind": 401, "headers": {"X-Error-Message": "Invalid credentials in Authorization header"}},
    "403": {"kind": 403, "headers": {"X-Error-Message": "Forbidden"}},
    "409": {"kind": 409},
    "slow": {"kind": "slow"},
}


# Faults that the client does not try again after are the same once and always.
STUBBORN = ("500", "503", "429", "reset", "cut", "late")
CASES = [
    pytest.param(
        step,
        fault,
        times,
        id=f"{step}-{fault}-{'once' if times == 1 else 'always'}",
        marks=() if times == 1 and step in ("upload", "commit") else pytest.mark.slow,
    )
    for step in STEPS
    for fault in FAULTS
    for times in ((1, 99) if fault in STUBBORN else (1,))
]


@pytest.mark.parametrize(("step", "fault", "times"), CASES)
def test_after_a_fault_the_repository_is_as_before_or_as_wanted(hub, fake_bundle, step, fault, times):
    second = fake_bundle("two")
    hub.seed(REPO, published(fake_bundle("one")), MESSAGE)
    before = hub.snapshot()
    injected = hub.fail(*STEPS[step], **FAULTS[fault], times=times)
    try:
        done, _ = push(hub, second)
    except HubError as error:
        done = None
        assert TOKEN not in str(error)
        assert str(error).rstrip()[-1] in ".?", error
    assert injected.seen >= 1
    files = own(hub.files(REPO))
    if done is None:
        # A commit that nobody may look at afterwards may be there; the text then says that it is not known.
        assert hub.snapshot() == before or files == published(second)
    else:
        assert files == published(second)
    assert hub.history(REPO).count(MESSAGE) == 1 + (files == published(second))
    assert set(hub.repos[REPO].branches) == {"main"}
    hub.faults.clear()
    push(hub, second)  # whatever was left, the next push ends well, without a commit too many
    assert own(hub.files(REPO)) == published(second)
    assert hub.history(REPO).count(MESSAGE) == 2


@pytest.mark.parametrize("times", [1, 99])
def test_an_upload_broken_off_halfway_shows_in_no_revision(hub, fake_bundle, times):
    """Weights of 6 MB, which no buffer on the way holds, so that the reset comes while they are being sent."""
    hub.seed(REPO, published(fake_bundle("one")), MESSAGE)
    before = hub.snapshot()
    bundle = fake_bundle("two", **{"model.safetensors": "six bytes " * 600_000})
    broken = hub.fail("PUT", "/lfs/", "reset", times=times)
    if times == 1:
        push(hub, bundle)
        assert own(hub.files(REPO)) == published(bundle)
    else:
        with pytest.raises(HubError, match="what is uploaded already is not sent twice"):
            push(hub, bundle)
        assert hub.snapshot() == before
        assert hub.count("POST", "/commit/") == 0
    assert (broken.seen == 1) == (times == 1)


@pytest.mark.parametrize("kind", ["cut", "late", "reset", 500, 503])
def test_an_unclear_commit_is_looked_at_and_never_made_twice(hub, fake_bundle, kind):
    hub.fail("POST", "/commit/", kind)
    done, said = push(hub, fake_bundle())
    arrived = kind in ("cut", "late")
    assert hub.history(REPO) == [MESSAGE, "initial commit"]
    assert hub.count("POST", "/commit/") == (1 if arrived else 2)
    assert done.commit == hub.repos[REPO].branches["main"][0].oid
    assert len(said) == 1
    assert ("; it did." in said[0]) == arrived


@pytest.mark.parametrize("kind", ["cut", "late", "reset", 500])
def test_an_unclear_pull_request_is_never_made_twice(hub, fake_bundle, kind):
    push(hub, fake_bundle("one"))
    hub.fail("POST", "/commit/", kind)
    if kind in ("cut", "late"):
        done, _ = push(hub, fake_bundle("two"), create_pr=True)
        assert done.url.endswith("/discussions/1")
    else:
        with pytest.raises(HubError):
            push(hub, fake_bundle("two"), create_pr=True)
    assert len(hub.repos[REPO].proposals) == (kind in ("cut", "late"))


def test_when_looking_fails_too_the_user_is_told_to_look(hub, fake_bundle):
    hub.fail("POST", "/commit/", "cut", times=9)
    hub.fail("GET", "/commits/", 403, times=9)
    with pytest.raises(HubError, match=f"is not known.*{REPO}/commits/main"):
        push(hub, fake_bundle())


def test_somebody_elses_commit_in_between_is_not_overwritten(hub, fake_bundle):
    push(hub, fake_bundle("one"))
    bundle = fake_bundle("two")
    hub.fail("POST", "/validate-yaml", "slow", seconds=1.0)
    rival = threading.Timer(0.4, lambda: push_bundle(fake_bundle("rival"), REPO, endpoint=hub.url, message="Rival"))
    rival.start()
    with pytest.raises(HubError, match="was changed since the push began"):
        push(hub, bundle)
    rival.join()
    assert hub.history(REPO)[0] == "Rival"
    assert own(hub.files(REPO)) == published(fake_bundle("rival"))


def test_the_clients_own_retries_wait_as_long_as_the_server_asks(hub, fake_bundle):
    hub.fail("PUT", "/lfs/", 503, headers={"Retry-After": "7"})
    push(hub, fake_bundle())
    assert hub.naps == [8.0]  # the client adds a second


def test_without_a_token_nothing_is_asked(hub, fake_bundle, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(HubError, match="hf auth login"):
        push(hub, fake_bundle())
    with pytest.raises(HubError, match="hf auth login"):
        push_to_hub(tmp_path, REPO, endpoint=hub.url)  # before anybody looks whether a model is there
    assert hub.requests == []


def test_offline_says_what_is_set(hub, fake_bundle, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        push(hub, fake_bundle())


def test_a_server_that_is_not_there(fake_bundle, hub):
    with pytest.raises(HubError, match=r"127\.0\.0\.1:9 could not be reached"):
        push_bundle(fake_bundle(), REPO, endpoint="http://127.0.0.1:9")


def test_other_peoples_repositories_are_refused(hub, fake_bundle):
    with pytest.raises(HubError, match=r"may not push to others/tiny \(403\).*You don't have the rights"):
        push_bundle(fake_bundle(), "others/tiny", endpoint=hub.url)
    assert hub.repos == {}


def test_a_token_that_the_server_repeats_is_not_shown(hub, fake_bundle):
    hub.fail("POST", "/api/repos/create", 403, headers={"X-Error-Message": f"Bearer {TOKEN} may not"})
    with pytest.raises(HubError) as caught:
        push(hub, fake_bundle())
    assert TOKEN not in str(caught.value)
    assert "<token>" in str(caught.value)


def test_a_token_of_another_form_and_a_password_in_an_address_are_not_shown_either(hub, fake_bundle):
    """A server of one's own has tokens of its own; given by hand, only we know it."""
    given = "own-server-secret"
    hub.fail("POST", "/api/repos/create", 403, headers={"X-Error-Message": f"{given} may not"})
    with pytest.raises(HubError, match="<token> may not") as caught:
        push(hub, fake_bundle(), token=given)
    assert given not in str(caught.value)
    with pytest.raises(HubError, match=r"http://127\.0\.0\.1:9 could not be reached") as caught:
        push_bundle(fake_bundle(), REPO, endpoint="http://ann:open-sesame@127.0.0.1:9")
    assert "open-sesame" not in str(caught.value)


def test_metadata_that_the_hub_does_not_take_stops_the_push(hub, fake_bundle):
    with pytest.raises(HubError, match=r"Invalid metadata in README\.md"):
        push(hub, fake_bundle(**{"README.md": "---\ntags: [\n---\n"}))
    assert hub.history(REPO) == ["initial commit"]


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "", "../up", "a b/c", "someone/tiny.git"])
def test_what_is_no_repository_is_said_before_anything_is_done(name):
    with pytest.raises(RecipeError, match="USER/NAME"):
        check_repo_id(name)


def test_pull_brings_back_what_was_pushed(hub, fake_bundle, tmp_path):
    bundle = fake_bundle()
    push(hub, bundle)
    push(hub, fake_bundle("two"), revision="other")
    folder = pull_from_hub(REPO, tmp_path / "pulled", endpoint=hub.url)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert files == published(bundle)
    other = pull_from_hub(REPO, tmp_path / "other", revision="other", endpoint=hub.url)
    assert (other / "README.md").read_bytes() == published(fake_bundle("two"))["README.md"]


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "401", "403", "slow"])
@pytest.mark.parametrize("step", [("GET", "/api/models/"), ("HEAD", "/resolve/"), ("GET", "/resolve/")])
def test_a_pull_is_whole_or_not_there(hub, fake_bundle, tmp_path, fault, step):
    push(hub, fake_bundle())
    hub.fail(*step, **FAULTS[fault], times=99)
    out = tmp_path / "pulled"
    try:
        pull_from_hub(REPO, out, endpoint=hub.url)
    except HubError as error:
        assert TOKEN not in str(error)
        assert not out.exists()
    else:
        assert len(list(out.rglob("*.*"))) == 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".textlstm")] == []


@pytest.mark.parametrize(
    "name", ["../escaped.json", "onnx/../../../escaped.json", "{}/escaped.json", "..\\escaped.json"]
)
def test_a_hub_whose_files_are_named_out_of_the_folder_is_not_followed(hub, tmp_path, name):
    hub.seed(REPO, {"config.json": b'{"model_type": "textlstm"}', name.format(tmp_path): b"{}"}, "evil")
    with pytest.raises(HubError, match="escaped"):
        pull_from_hub(REPO, tmp_path / "deep" / "pulled", endpoint=hub.url)
    assert not [path for path in tmp_path.rglob("*escaped*") if "hub-cache" not in path.parts]
    assert not (tmp_path / "deep" / "pulled").exists()


def test_a_pull_of_what_is_not_there_or_not_ours(hub, fake_bundle, tmp_path):
    with pytest.raises(HubError, match="has no someone/nothing"):
        pull_from_hub("someone/nothing", tmp_path / "a", endpoint=hub.url)
    push(hub, fake_bundle(**{"config.json": '{"model_type": "bert"}'}))
    with pytest.raises(ModelError, match="model_type 'bert'"):
        pull_from_hub(REPO, tmp_path / "a", endpoint=hub.url)
    for damaged in ("{broken", "[1]", "\xff"):
        hub.repos[REPO].branches["main"][0].files["config.json"] = damaged.encode("latin-1")
        with pytest.raises(ModelError, match=r"config\.json cannot be read"):
            pull_from_hub(REPO, tmp_path / "a", endpoint=hub.url)
    with pytest.raises(HubError, match="has no someone/tiny at that revision"):
        pull_from_hub(REPO, tmp_path / "a", revision="elsewhere", endpoint=hub.url)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(RunFolderError, match="holds something"):
        pull_from_hub(REPO, tmp_path / "full", endpoint=hub.url)
    assert not (tmp_path / "a").exists()


def test_without_xet_storage_a_push_falls_back_and_says_so(hub, fake_bundle, monkeypatch):
    """The server has no Xet: the client's own upload fails, and the push goes on by plain HTTP."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    bundle = fake_bundle()
    _, said = push(hub, bundle)
    assert own(hub.files(REPO)) == published(bundle)
    assert len(said) == 1
    assert "HF_HUB_DISABLE_XET=1" in said[0]
    assert constants.HF_HUB_DISABLE_XET is False
