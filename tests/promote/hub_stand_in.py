"""A stand-in for the hub on a local port: the part of its HTTP interface that a registry needs, over commits in memory.

Kept as close to the real one as huggingface_hub's client demands: it is that client, unchanged, which talks to it.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


@dataclass
class Hub:
    """Repositories by name: commits by id, and what `main` and the tags lead to."""

    commits: dict[str, dict[str, Files]] = field(default_factory=dict)
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    uploads: Files = field(default_factory=dict)  # large files by SHA-256, before a commit names them
    large: int = 10**9  # from how many bytes on a file goes the way of large ones
    fail: set[str] = field(default_factory=set)  # parts of paths that are answered with 500
    url: str = ""

    def create(self, name: str) -> None:
        if name not in self.refs:
            self.refs[name], self.commits[name] = {}, {}
            self.commit(name, {".gitattributes": b""})

    def commit(self, name: str, files: Files) -> str:
        oid = sha1(json.dumps([len(self.commits[name]), sorted(files)]).encode()).hexdigest()
        self.commits[name][oid] = files
        self.refs[name]["main"] = oid
        return oid

    def at(self, name: str, revision: str) -> tuple[str, Files] | None:
        oid = self.refs.get(name, {}).get(revision, revision)
        found = self.commits.get(name, {}).get(oid)
        return None if found is None else (oid, found)


@contextmanager
def hub_stand_in() -> Iterator[Hub]:
    """Serve a new, empty hub while the block runs."""
    hub = Hub()

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"")

    def do_PUT(self) -> None:
        self._answer(self._body())

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        if any(part in path for part in self.served.fail):
            self._send(403, {"error": "the stand-in was told to fail"})  # 5xx would be tried again for minutes
        elif path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.served.create(name)
            self._send(200, {"url": f"{self.served.url}/{name}", "name": name})
        elif path.startswith("/upload/"):
            self.served.uploads[path.removeprefix("/upload/")] = body
            self._send(200, {})
        elif path.startswith("/api/models/"):
            self._api(*path.removeprefix("/api/models/").split("/"), body=body)
        elif "/info/lfs/objects/batch" in path:
            self._large(json.loads(body))
        elif "/resolve/" in path:
            name, _, rest = path.lstrip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            self._file(name, revision, file)
        else:
            self._send(404, {"error": path})

    def _api(self, owner: str, model: str, *rest: str, body: bytes) -> None:
        hub, name = self.served, f"{owner}/{model}"
        if name not in hub.refs:
            self._send(404, {"error": "Repository not found"}, "RepoNotFound")
            return
        what, revision = rest[0] if rest else "revision", "/".join(rest[1:]) or "main"
        found = hub.at(name, revision)
        if found is None:
            self._send(404, {"error": "Revision not found"}, "RevisionNotFound")
            return
        match what:
            case "revision":
                files = [{"rfilename": file} for file in sorted(found[1])]
                self._send(200, {"id": name, "modelId": name, "sha": found[0], "private": True, "siblings": files})
            case "preupload":
                asked = json.loads(body)["files"]
                self._send(200, {"files": [self._mode(file) for file in asked]})
            case "commit":
                self._commit(name, found, [json.loads(line) for line in body.splitlines()])
            case "tag":
                tag = json.loads(body)["tag"]
                if tag in hub.refs[name]:
                    self._send(409, {"error": "Tag already exists"})
                else:
                    hub.refs[name][tag] = found[0]
                    self._send(200, {})
            case "tree":
                self._send(200, [_entry(file, data) for file, data in sorted(found[1].items())])
            case _:
                self._send(404, {"error": what})

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["size"] >= self.served.large else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}

    def _large(self, asked: dict[str, Any]) -> None:
        objects = [
            {
                "oid": entry["oid"],
                "size": entry["size"],
                "actions": {"upload": {"href": f"{self.served.url}/upload/{entry['oid']}", "header": {}}},
            }
            for entry in asked["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _commit(self, name: str, head: tuple[str, Files], lines: list[dict[str, Any]]) -> None:
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != head[0]:
            self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        files = dict(head[1])
        for line in lines[1:]:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.served.uploads[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        oid = self.served.commit(name, files)
        self._send(200, {"commitUrl": f"{self.served.url}/{name}/commit/{oid}", "commitOid": oid, "success": True})

    def _file(self, name: str, revision: str, file: str) -> None:
        found = self.served.at(name, revision)
        if found is None or file not in found[1]:
            self._send(404, {"error": "Entry not found"}, "EntryNotFound" if found else "RevisionNotFound")
            return
        data = found[1][file]
        headers = {"ETag": f'"{sha256(data).hexdigest()}"', "X-Repo-Commit": found[0]}
        self._send_bytes(200, data, headers | {"Content-Type": "application/octet-stream"})

    def _send(self, status: int, value: object, code: str | None = None) -> None:
        headers = {"Content-Type": "application/json"} | ({"X-Error-Code": code} if code else {})
        self._send_bytes(status, json.dumps(value).encode(), headers)

    def _send_bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, text in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(key, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _entry(file: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": file, "size": len(data), "oid": sha1(data).hexdigest()}
