"""A hub on this machine: a server that answers as the Hugging Face hub does, for files, gates and what is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0" * 40


@contextmanager
def fake_hub(
    patch: pytest.MonkeyPatch, cache: Path, files: dict[str, bytes], refusals: dict[str, tuple[int, str]] | None = None
) -> Iterator[list[str]]:
    """Have the hub's client of this process ask a server here, with an empty cache.

    Args:
        patch: undoes it.
        cache: folder for the client's cache.
        files: content by path, such as ``owner/name/resolve/main/model.safetensors``.
        refusals: status and the hub's word for it by the start of a path.

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
            path = self.path.lstrip("/").partition("?")[0]
            asked.append(f"{self.command} {path}")
            for start, (status, word) in (refusals or {}).items():
                if path.startswith(start):
                    return self._reply(status, b"", {"X-Error-Code": word, "X-Error-Message": word}, body=body)
            if path not in files:
                return self._reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{abs(hash(files[path])):x}"'}
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
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
