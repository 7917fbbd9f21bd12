"""Fetching from the hub, against a server that answers as the hub does, in a process with its environment."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.system.hub import resolve_reference

CONTENT = b"weights"
# Of each repository: the status, and the headers by which the hub says what it means.
ANSWERS = {
    "owner/gated": (401, {"X-Error-Code": "GatedRepo"}),
    "owner/awaiting": (403, {"X-Error-Code": "GatedRepo"}),
    "owner/absent": (401, {"X-Error-Code": "RepoNotFound"}),
    "owner/expired": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
    "owner/scope": (403, {"X-Error-Message": "enable access to public gated repositories for this token"}),
    "owner/empty": (404, {"X-Error-Code": "EntryNotFound"}),
    "owner/broken": (500, {}),
}
RESOLVE = """
import json, sys, time
time.sleep = lambda seconds: None  # the library waits between its tries
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.system.hub import resolve_reference
results = {}
for reference in sys.argv[1:]:
    try:
        results[reference] = ["path", str(resolve_reference(reference))]
    except DinoFlowError as error:
        results[reference] = [type(error).__name__, str(error)]
print(json.dumps(results))
"""


class _Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        owner, name = self.path.split("/")[1:3]
        status, headers = ANSWERS.get(f"{owner}/{name}", (200, {"ETag": '"1"', "X-Repo-Commit": "0" * 40}))
        self.send_response(status)
        self.send_header("Content-Length", str(len(CONTENT) if status == 200 else 0))
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET" and status == 200:
            self.wfile.write(CONTENT)

    do_GET = do_HEAD  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as the base class has it
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _resolve(cache: Path, endpoint: str, *references: str, **environment: str) -> dict[str, list[str]]:
    inherited = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith("HF_")}
    settings = {"HF_HOME": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, *references],
        env=inherited | settings | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    results: dict[str, list[str]] = json.loads(done.stdout)
    return results


@pytest.fixture(scope="module")
def answers(hub: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What becomes of a file of each repository, and of references that cannot be."""
    references = [f"hub:{repository}/model.safetensors" for repository in (*ANSWERS, "owner/good")]
    return _resolve(tmp_path_factory.mktemp("hub"), hub, *references, "hub:owner/a--b/file", "hub:a b/c/file")


@pytest.mark.parametrize(
    ("repository", "status"),
    [("gated", 401), ("awaiting", 403), ("absent", 401), ("expired", 401), ("scope", 403)],
)
def test_a_refusal_says_how_to_get_access_and_how_to_do_without(answers, repository, status):
    kind, message = answers[f"hub:owner/{repository}/model.safetensors"]
    assert kind == "HubError"
    assert f"the hub refuses owner/{repository} (HTTP {status})" in message
    assert f"accept its terms on https://huggingface.co/owner/{repository}" in message
    assert "hf auth login" in message
    assert "--backbone-weights or --head" in message
    assert "\n" not in message


def test_a_file_that_is_not_there(answers):
    kind, message = answers["hub:owner/empty/model.safetensors"]
    assert (kind, message) == ("HubError", "owner/empty on the hub has no file model.safetensors")


def test_a_hub_that_fails(answers):
    kind, message = answers["hub:owner/broken/model.safetensors"]
    assert kind == "HubError"
    assert "owner/broken/model.safetensors is not in the local hub cache and cannot be fetched" in message
    assert "HTTP 500" in message
    assert "--backbone-weights or --head" in message


@pytest.mark.parametrize("reference", ["hub:owner/a--b/file", "hub:a b/c/file"])
def test_a_name_the_hub_cannot_have(answers, reference):
    kind, message = answers[reference]
    assert kind == "InputError"
    assert f"'{reference}' is no hub reference" in message


def test_a_file_is_fetched_once_and_then_read_from_the_cache(hub, tmp_path):
    reference = "hub:owner/good/folder/model.safetensors"
    kind, path = _resolve(tmp_path, hub, reference)[reference]
    assert kind == "path"
    assert Path(path).is_relative_to(tmp_path)
    assert Path(path).read_bytes() == CONTENT
    other = "hub:owner/good/other.safetensors"
    offline = _resolve(tmp_path, hub, reference, other, HF_HUB_OFFLINE="1")
    assert offline[reference] == ["path", path]
    kind, message = offline[other]
    assert kind == "HubError"
    assert "owner/good/other.safetensors is not in the local hub cache and cannot be fetched" in message


def test_a_hub_that_cannot_be_reached(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        reference = "hub:owner/good/model.safetensors"
        kind, message = _resolve(tmp_path, endpoint, reference)[reference]
        assert kind == "HubError"
        assert "cannot be fetched" in message
        assert "check the connection to the hub" in message
        # Through a proxy that is not there: an error of another class.
        kind, message = _resolve(tmp_path, "http://hub.invalid", reference, HTTP_PROXY=endpoint)[reference]
        assert kind == "HubError"
        assert "cannot be fetched" in message


@pytest.mark.parametrize(
    "reference", ["hub:", "hub:owner", "hub:owner/name", "hub:owner/name/", "hub://file"]
)
def test_a_reference_lacks_a_part(reference):
    with pytest.raises(InputError, match="it is written hub:owner/name/file"):
        resolve_reference(reference)


def test_a_local_file(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(
        FileFormatError, match=r"no file .*model\.safetensors: a file on the hub is written hub:"
    ):
        resolve_reference(path)
    path.write_bytes(CONTENT)
    assert resolve_reference(path) == path
    assert resolve_reference(str(path)) == path
    with pytest.raises(FileFormatError, match="is a folder: pass the file"):
        resolve_reference(tmp_path)
