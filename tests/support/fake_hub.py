"""A hub on this machine: a server that answers as the Hugging Face hub does, for files, gates and what is not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pytest

COMMIT = "0" * 40


@contextmanager
def fake_hub(
    patch: pytest.MonkeyPatch,
    cache: Path,
    files: dict[str, bytes],
    refusals: dict[str, tuple[int, str]] | None = None,
    *,
    dropped: dict[str, int] | None = None,
    hung_up: dict[str, int] | None = None,
) -> Iterator[list[str]]:
    """Have the hub's client of this process ask a server here, with an empty cache.

    Args:
        patch: undoes it.
        cache: folder for the client's cache.
        files: content by path, such as ``owner/name/resolve/main/model.safetensors``.
        refusals: status and the hub's word for it by the start of a path.
        dropped: how often the connection is lost in the middle of a file, by its path; counted down.
        hung_up: how often the connection is closed without an answer, by path; counted down.

    Yields:
        The requests that were made, as ``METHOD path``.
    """
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.lstrip("/").partition("?")[0])
            asked.append(f"{self.command} {path}")
            if (hung_up or {}).get(path, 0) > 0:
                assert hung_up is not None
                hung_up[path] -= 1
                self.close_connection = True
                return None
            for start, (status, word) in (refusals or {}).items():
                if path.startswith(start):
                    return self._reply(status, b"", {"X-Error-Code": word, "X-Error-Message": word}, body=body)
            if path not in files:
                return self._reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
            commit = next((part for part in path.split("/") if len(part) == 40 and part.isdigit()), COMMIT)
            headers = {"X-Repo-Commit": commit, "ETag": f'"{abs(hash(files[path])):x}"'}
            if body and (dropped or {}).get(path, 0) > 0:
                assert dropped is not None
                dropped[path] -= 1
                self.send_response(200)
                for name, value in {**headers, "Content-Length": str(len(files[path]))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(files[path][: len(files[path]) // 2])
                self.close_connection = True
                return None
            start = (
                int(self.headers["Range"].removeprefix("bytes=").partition("-")[0]) if "Range" in self.headers else 0
            )
            if start and body:
                headers["Content-Range"] = f"bytes {start}-{len(files[path]) - 1}/{len(files[path])}"
                return self._reply(206, files[path][start:], headers, body=body)
            return self._reply(200, files[path], headers, body=body)

        def _reply(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # the five of the standard library are fewer than the client's threads

    server = Server(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    from huggingface_hub import constants

    place = f"http://127.0.0.1:{server.server_port}"
    patch.setattr(constants, "ENDPOINT", place)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    for key in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        patch.delenv(key, raising=False)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dataset_repo(name: str, files: dict[str, bytes], *, commit: str = COMMIT) -> dict[str, bytes]:
    """What the hub answers for a dataset repository whose large files it lists with their SHA-256.

    Args:
        name: ``owner/name``.
        files: content by path within the repository.
        commit: that ``main`` points at.
    """
    about = json.dumps({"id": name, "sha": commit, "private": False, "tags": [], "siblings": []}).encode()
    found = {f"api/datasets/{name}/revision/{one}": about for one in ("main", commit)} | {f"api/datasets/{name}": about}
    folders = {"", *(str(parent) for path in files for parent in PurePosixPath(path).parents if str(parent) != ".")}
    for folder in folders:
        below = [path for path in files if path.startswith(f"{folder}/" if folder else "")]
        entries = [
            {
                "type": "file",
                "path": path,
                "size": len(files[path]),
                "oid": "0" * 40,
                "lfs": {"oid": sha256(files[path]).hexdigest(), "size": len(files[path]), "pointerSize": 1},
            }
            for path in below
        ]
        found[f"api/datasets/{name}/tree/{commit}" + (f"/{folder}" if folder else "")] = json.dumps(entries).encode()
    return found | {f"datasets/{name}/resolve/{commit}/{path}": content for path, content in files.items()}
