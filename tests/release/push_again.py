"""Pushes a folder each time a line comes in: in a fork, whose number is answered, so that a kill costs no new start.

python push_again.py FOLDER USER/REPO      the Hub's address and token are in the environment
"""

import os
import sys
import types
from pathlib import Path

import huggingface_hub.utils._http as http
from huggingface_hub.utils import httpx

from textlstm.release.bundle import Bundle
from textlstm.release.hub import push_bundle


def main(folder, repository):
    # The client without its waits, and without certificates, which take a second to read and loopback has no use for.
    http.time = types.SimpleNamespace(sleep=lambda seconds: None)
    settings = {"event_hooks": {"request": [http.hf_request_event_hook]}, "follow_redirects": True, "timeout": None}
    http._GLOBAL_CLIENT_FACTORY = lambda: httpx.Client(**settings, verify=False)
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    print("ready", flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                push_bundle(Bundle(folder, files, []), repository)
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
