"""SIGKILL of a push at any of its requests: the next push gives the repository of an undisturbed one, in one commit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import TOKEN, HubServer

from textlstm.release.hub import MESSAGE

REPO = "someone/tiny"


class Pushes:
    """A process that pushes a folder to a Hub as often as it is told to."""

    def __init__(self, folder, hub):
        place = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-W", "ignore", Path(__file__).parent / "push_again.py", folder, REPO]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(list(map(str, command)), env={**os.environ, **place}, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def own(files):
    return {name: content for name, content in (files or {}).items() if name != ".gitattributes"}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_a_push_killed_at_any_request_is_whole_after_the_next(fake_bundle, kills):
    moments, killed = random.Random(kills), 0
    with HubServer() as hub:
        hub.http.handle_error = lambda *_: None  # connections that a kill has torn
        folders = [fake_bundle(word).folder for word in ("one", "two")]
        pushes = [Pushes(folder, hub) for folder in folders]
        try:
            pushes[0].begin()
            assert pushes[0].end() == 0
            asked = len(hub.requests)
            published = {
                name: {
                    path.relative_to(folder).as_posix(): path.read_bytes()
                    for path in folder.rglob("*")
                    if path.is_file()
                }
                for name, folder in zip(("one", "two"), folders, strict=True)
            }
            assert own(hub.files(REPO)) == published["one"]
            for _ in range(kills):
                before, commits = len(hub.requests), len(hub.history(REPO))
                child = pushes[1].begin()
                until, deadline = moments.randint(1, max(1, asked - 3)), time.monotonic() + 60
                while len(hub.requests) < before + until and time.monotonic() < deadline:
                    time.sleep(0.002)
                time.sleep(moments.choice([0, 0.002, 0.01]))
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:  # it was quicker
                    pass
                killed += pushes[1].end() == -signal.SIGKILL
                time.sleep(0.05)  # the server answers what it has got
                files = own(hub.files(REPO))
                assert files in published.values()  # the old model or the new one, never some of each
                assert len(hub.history(REPO)) <= commits + 1
                pushes[1].begin()
                assert pushes[1].end() == 0
                assert own(hub.files(REPO)) == published["two"]
                assert len(hub.history(REPO)) == commits + 1  # one commit, whoever made it
                hub.seed(REPO, published["one"], MESSAGE)
                hub.blobs.clear()  # so that the next one uploads, too
            assert killed >= kills / 2
        finally:
            for one in pushes:
                one.close()
