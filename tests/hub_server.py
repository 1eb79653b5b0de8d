"""A stand-in of the Hugging Face hub on this machine: the part of its HTTP interface that models need."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse


class Hub:
    """The commits of each repository, oldest first: (id, {file name: content}); and all requests, as "METHOD path"."""

    def __init__(self) -> None:
        self.repositories: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.private: set[str] = set()
        self.large: dict[str, bytes] = {}  # uploaded beside git, by SHA-256
        self.requests: list[str] = []
        self.url = ""

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        commits = self.repositories.setdefault(repository, [])
        id_ = hashlib.sha1(repr((len(commits), sorted(files))).encode()).hexdigest()
        commits.append((id_, files))
        return id_

    def find(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.repositories.get(repository, [])
        return next((c for c in reversed(commits) if revision in ("main", c[0])), None)


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty hub on the loopback interface."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments) -> None:
            pass

        def answer(self, value=None, content=b"", status=200, **headers) -> None:
            content = content if value is None else json.dumps(value).encode()
            self.send_response(status)
            for name, text in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def missing(self, code: str) -> None:
            self.answer({"error": code}, status=404, X_Error_Code=code, X_Error_Message=code)

        def do_GET(self) -> None:
            path = unquote(urlparse(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            if path == "/":
                return self.answer({})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(?:revision|tree)/(.+))?", path):
                return self.about(found[1], found[2] or "main", "/tree/" in path)
            found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            if not found or found[1] not in hub.repositories:
                return self.missing("RepoNotFound")
            commit = hub.find(found[1], found[2])
            if commit is None or found[3] not in commit[1]:
                return self.missing("EntryNotFound" if commit else "RevisionNotFound")
            content = commit[1][found[3]]
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self.answer(content=content, ETag=tag, X_Repo_Commit=commit[0], X_Linked_Size=str(len(content)))

        do_HEAD = do_GET

        def about(self, repository: str, revision: str, tree: bool) -> None:
            if repository not in hub.repositories:
                return self.missing("RepoNotFound")
            commit = hub.find(repository, revision)
            if commit is None and hub.repositories[repository]:
                return self.missing("RevisionNotFound")
            id_, files = commit or ("0" * 40, {})
            if tree:
                listed = [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in files.items()
                ]
                return self.answer(listed)
            siblings = [{"rfilename": name} for name in files]
            about = {"id": repository, "sha": id_, "private": repository in hub.private}
            return self.answer(about | {"tags": [], "siblings": siblings})

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_PUT(self) -> None:
            content = self.body()
            hub.requests.append(f"PUT {self.path}")
            hub.large[hashlib.sha256(content).hexdigest()] = content
            self.answer({})

        def do_POST(self) -> None:
            path, content = unquote(urlparse(self.path).path), self.body()
            hub.requests.append(f"POST {path}")
            if path == "/api/repos/create":
                asked = json.loads(content)
                name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                if name in hub.repositories:
                    return self.answer({"error": "exists", "url": f"{hub.url}/{name}"}, status=409)
                hub.repositories[name] = []
                if asked.get("private") or asked.get("visibility") == "private":
                    hub.private.add(name)
                return self.answer({"url": f"{hub.url}/{name}", "name": name})
            if path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            if path.endswith(".git/info/lfs/objects/batch"):
                objects = [
                    one | {"actions": {"upload": {"href": f"{hub.url}/large/{one['oid']}"}}}
                    for one in json.loads(content)["objects"]
                ]
                return self.answer({"transfer": "basic", "objects": objects})
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/.+", path):
                files = [
                    {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular"}
                    | {"shouldIgnore": False}
                    for f in json.loads(content)["files"]
                ]
                return self.answer({"files": files})
            found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.+", path)
            if not found:
                return self.missing("EntryNotFound")
            return self.apply(found[1], [json.loads(line) for line in content.splitlines()])

        def apply(self, repository: str, operations: list[dict]) -> None:
            commit = hub.find(repository, "main")
            files = dict(commit[1]) if commit else {}
            for operation in operations:
                value = operation["value"]
                if operation["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif operation["key"] == "lfsFile":
                    files[value["path"]] = hub.large[value["oid"]]
                elif operation["key"] == "deletedFile":
                    del files[value["path"]]
            id_ = hub.commit(repository, files)
            self.answer({"commitOid": id_, "commitUrl": f"{hub.url}/{repository}/commit/{id_}", "pullRequestUrl": None})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
