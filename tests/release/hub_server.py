"""A Hub on loopback that the real huggingface_hub client talks to: repositories in memory, and faults on demand.

It speaks what a push and a pull need: who am I, create, branches, metadata check, preupload, LFS batch and upload,
commit, pull requests, tree, history, resolve. Point the client at it as at any self-hosted Hub: `HF_ENDPOINT` in the
environment before Python starts, or `HfApi(endpoint=server.url)`; without Xet, `HF_HUB_DISABLE_XET=1`.
"""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_" + "LoopbackTokenOfNobody" * 2
LFS_NAMES = (".safetensors", ".onnx", ".png")
EMPTY = hashlib.sha1(b"", usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What goes wrong with the next requests that fit.

    `status` answers with it; "reset" breaks the connection while the body is read; "cut" does what was asked and then
    breaks the connection before the answer; "late" does what was asked and answers with 500; "slow" waits and goes on.
    """

    method: str
    path: str
    kind: int | str
    times: int = 1
    headers: dict = field(default_factory=dict)
    seconds: float = 0.1
    seen: int = 0


@dataclass
class Commit:
    oid: str
    files: dict
    title: str
    message: str


@dataclass
class Repo:
    private: bool = False
    branches: dict = field(default_factory=dict)
    proposals: list = field(default_factory=list)

    def find(self, revision):
        """The history behind a branch, a pull request or a commit id, newest first."""
        if revision in self.branches:
            return self.branches[revision]
        for history in self.branches.values():
            for place, commit in enumerate(history):
                if commit.oid == revision:
                    return history[place:]
        return None


class HubServer:
    """Start with `with HubServer() as hub`; the state is in `repos`, what was asked in `requests`."""

    def __init__(self):
        self.repos, self.blobs, self.requests, self.faults = {}, {}, [], []
        self.datasets = {}  # bytes by path, by data set
        self.lock = threading.RLock()
        hub = self

        class Handler(_Handler):
            state = hub

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def fail(self, method, path, kind, **more):
        """Make the next requests fail whose method and path fit."""
        fault = Fault(method, path, kind, **more)
        self.faults.append(fault)
        return fault

    def seed(self, repo_id, files, title):
        """Make a repository of two commits without asking: the empty one and `files`."""
        empty = Commit(_oid(repo_id, {}), {}, "initial commit", "")
        self.repos[repo_id] = Repo(False, {"main": [Commit(_oid(empty.oid, files), dict(files), title, ""), empty]})

    def files(self, repo_id, revision="main"):
        """What a revision holds: bytes by path."""
        repo = self.repos.get(repo_id)
        return None if repo is None else dict(repo.find(revision)[0].files)

    def history(self, repo_id, revision="main"):
        return [commit.title for commit in self.repos[repo_id].find(revision)]

    def snapshot(self):
        """All that anybody could see: files and history of every revision."""
        return {
            (name, branch): [(commit.oid, sorted(commit.files)) for commit in history]
            for name, repo in self.repos.items()
            for branch, history in repo.branches.items()
        }

    def count(self, method, path):
        return sum(1 for one, where in self.requests if one == method and re.search(path, where))


class _Broken(Exception):
    """The connection is to be torn."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubServer

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def serve(self):
        parts = urlsplit(self.path)
        self.route, self.query = unquote(parts.path), parse_qs(parts.query)
        self.raw_route = parts.path
        with self.state.lock:
            self.state.requests.append((self.command, self.route))
            fault = next(
                (
                    one
                    for one in self.state.faults
                    if one.seen < one.times and one.method == self.command and re.search(one.path, self.route)
                ),
                None,
            )
            if fault:
                fault.seen += 1
        try:
            if fault and fault.kind == "reset":
                self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)  # in the midst of the body
                raise _Broken
            self.body = self.read_body()
            if fault and isinstance(fault.kind, int):
                return self.answer(fault.kind, {"error": "as the test wants it"}, fault.headers)
            if fault and fault.kind == "slow":
                time.sleep(fault.seconds)
            with self.state.lock:
                status, body, headers = self.handle_request()
            if fault and fault.kind == "cut":
                raise _Broken
            if fault and fault.kind == "late":
                status, body, headers = 500, {"error": "too late"}, {}
            return self.answer(status, body, headers)
        except _Broken:
            # Linger 0 sends a reset in place of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            self.wfile = self.rfile = _Nowhere()

    def read_body(self):
        """Read a body of known length, or one in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def may_write(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def handle_request(self):
        """Route a request; gives status, body and headers."""
        if not self.may_write() and (self.command in ("POST", "PUT") and not self.route.startswith("/lfs/")):
            return (
                401,
                {"error": "Invalid credentials"},
                {"X-Error-Message": "Invalid credentials in Authorization header"},
            )
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, self.raw_route)
            if method == self.command.replace("HEAD", "GET") and found:
                return handler(self, *map(unquote, found.groups()))
        return 404, {"error": f"no such route {self.route}"}, {}

    def json(self):
        return json.loads(self.body or b"{}")

    def repo(self, name):
        repo = self.state.repos.get(name)
        return repo if repo and (not repo.private or self.may_write()) else None

    def whoami(self):
        if not self.may_write():
            return 401, {"error": "Invalid credentials"}, {}
        return 200, {"type": "user", "name": "someone", "auth": {"type": "access_token"}}, {}

    def create(self):
        given = self.json()
        name = f"{given.get('organization') or 'someone'}/{given['name']}"
        if name.startswith("others/"):
            return 403, {"error": "not yours"}, {"X-Error-Message": "You don't have the rights"}
        if name in self.state.repos:
            return 409, {"error": "exists", "url": f"{self.state.url}/{name}"}, {}
        first = Commit(_oid(name, {}), {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit", "")
        self.state.repos[name] = Repo(given.get("visibility") == "private", {"main": [first]})
        return 200, {"url": f"{self.state.url}/{name}", "id": name, "name": name}, {}

    def info(self, name, revision="main"):
        repo = self.repo(name)
        if repo is None:
            return _no_repo()
        history = repo.find(revision)
        if history is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        siblings = [{"rfilename": path} for path in sorted(history[0].files)]
        return 200, {"_id": "0", "id": name, "sha": history[0].oid, "private": repo.private, "siblings": siblings}, {}

    def validate(self):
        content = self.json()["content"]
        block = re.match(r"---\n(.*?)\n---", content, re.DOTALL)
        try:
            known = yaml.safe_load(block[1]) if block else None
        except yaml.YAMLError as error:
            return 400, {"errors": [{"message": str(error)}], "warnings": []}, {}
        return 200, {"errors": [], "warnings": [] if known else [{"message": "empty or missing yaml metadata"}]}, {}

    def branch(self, name, branch):
        repo = self.repo(name)
        if repo is None:
            return _no_repo()
        if branch in repo.branches:
            return 409, {"error": "reference exists"}, {}
        repo.branches[branch] = list(repo.branches["main"])
        return 200, {}, {}

    def preupload(self, name, revision):
        repo = self.repo(name)
        history = repo and repo.find(revision)
        if not history:
            return _no_repo()
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(LFS_NAMES) else "regular",
                "shouldIgnore": False,
                "oid": _remote_oid(history[0].files.get(one["path"]), one["path"]),
            }
            for one in self.json()["files"]
        ]
        return 200, {"files": files}, {}

    def batch(self, name):
        if self.repo(name) is None:
            return _no_repo()
        objects = []
        for one in self.json()["objects"]:
            there = one["oid"] in self.state.blobs
            actions = {"upload": {"href": f"{self.state.url}/lfs/{one['oid']}"}}
            verify = {"verify": {"href": f"{self.state.url}/lfs-verify"}}
            objects.append({**one, **({} if there else {"actions": actions | verify})})
        return 200, {"transfer": "basic", "objects": objects}, {}

    def upload(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            return 400, {"error": "another content"}, {}
        self.state.blobs[oid] = self.body
        return 200, {}, {}

    def verify(self):
        given = self.json()
        there = len(self.state.blobs.get(given["oid"], b"")) == given["size"]
        return (200, {}, {}) if there else (404, {"error": "no such object"}, {})

    def commit(self, name, revision):
        repo = self.repo(name)
        history = repo and repo.find(revision)
        if not history:
            return _no_repo()
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, history[0].oid):
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        files = dict(history[0].files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.state.blobs:
                    return 400, {"error": "an LFS object is missing"}, {}
                files[value["path"]] = self.state.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                if files.pop(value["path"], None) is None:
                    return 404, {"error": "A file with this name doesn't exist"}, {"X-Error-Code": "EntryNotFound"}
        made = Commit(_oid(history[0].oid, files), files, header["summary"], header["description"])
        answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{self.state.url}/{name}/commit/{made.oid}"}
        if "create_pr" in self.query:
            number = len(repo.proposals) + 1
            repo.proposals.append({"num": number, "title": made.title})
            repo.branches[f"refs/pr/{number}"] = [made, *history]
            answer["pullRequestUrl"] = f"{self.state.url}/{name}/discussions/{number}"
        else:
            repo.branches[revision] = [made, *history]
        return 200, answer, {}

    def tree(self, name, revision):
        repo = self.repo(name)
        history = repo and repo.find(revision)
        if not history:
            return _no_repo()
        entries = []
        for path, content in sorted(history[0].files.items()):
            large = {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
            entry = {"type": "file", "path": path, "size": len(content), "oid": _git(content)}
            entries.append(entry | (large if path.endswith(LFS_NAMES) else {}))
        return 200, entries, {}

    def commits(self, name, revision):
        repo = self.repo(name)
        history = repo and repo.find(revision)
        if not history:
            return _no_repo()
        date = "2026-01-01T00:00:00.000Z"
        shown = [
            {"id": one.oid, "title": one.title, "message": one.message, "date": date, "authors": [{"user": "someone"}]}
            for one in history
        ]
        return 200, shown, {}

    def discussions(self, name):
        repo = self.repo(name)
        if repo is None:
            return _no_repo()
        shown = [
            {
                **one,
                "status": "open",
                "isPullRequest": True,
                "author": {"name": "someone"},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "repo": {"name": name, "type": "model"},
            }
            for one in reversed(repo.proposals)
        ]
        return 200, {"discussions": shown, "count": len(shown), "start": 0}, {}

    def resolve(self, name, revision, path):
        repo = self.repo(name)
        history = repo and repo.find(revision)
        if not history:
            return _no_repo()
        return self.content(path, history[0].files.get(path), history[0].oid)

    def dataset(self, name, _, path):
        files = self.state.datasets.get(name)
        return _no_repo() if files is None else self.content(path, files.get(path), _oid(name, files))

    def content(self, path, content, commit):
        """Answer with a file, or a part of it."""
        if content is None:
            return 404, {"error": "no such entry"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_remote_oid(content, path)}"', "Accept-Ranges": "bytes"}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start:
            rest = content[int(start[1]) :]
            return 206, rest, headers | {"Content-Range": f"bytes {start[1]}-{len(content) - 1}/{len(content)}"}
        return 200, content, headers | {"Content-Length": str(len(content))}


class _Nowhere:
    """Stands in for a torn connection's streams."""

    closed = False

    def flush(self):
        """Do nothing."""

    close = flush


def _oid(parent, files):
    state = json.dumps([parent, {path: _git(content) for path, content in sorted(files.items())}, time.time_ns()])
    return hashlib.sha1(state.encode(), usedforsecurity=False).hexdigest()


def _git(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _remote_oid(content, path):
    if content is None:
        return None
    return hashlib.sha256(content).hexdigest() if path.endswith(LFS_NAMES) else _git(content)


def _no_repo():
    return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.validate),
    ("POST", rf"/api/models/{NAME}/branch/([^/]+)", _Handler.branch),
    ("POST", rf"/api/models/{NAME}/preupload/([^/]+)", _Handler.preupload),
    ("POST", rf"/api/models/{NAME}/commit/([^/]+)", _Handler.commit),
    ("GET", rf"/api/models/{NAME}/tree/([^/]+)/?", _Handler.tree),
    ("GET", rf"/api/models/{NAME}/commits/([^/]+)", _Handler.commits),
    ("GET", rf"/api/models/{NAME}/discussions", _Handler.discussions),
    ("GET", rf"/api/models/{NAME}/revision/([^/]+)", _Handler.info),
    ("GET", rf"/api/models/{NAME}", _Handler.info),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/lfs/(\w+)", _Handler.upload),
    ("POST", r"/lfs-verify", _Handler.verify),
    ("GET", rf"/{NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
    ("GET", rf"/datasets/{NAME}/resolve/([^/]+)/(.+)", _Handler.dataset),
]
