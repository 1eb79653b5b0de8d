"""The Hugging Face hub: repositories by name, a cache that also serves without network, and errors after one try."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from docre.core.files import write_atomically
from docre.errors import DocreError, first_line

PREFIX = "hub:"
# What is uploaded and downloaded; no pickle, and no code. The last ones are vocabularies of tokenizers.
FILES = ("*.json", "*.yaml", "*.safetensors", "*.txt", "*.model", "*.codes", "*.spm", "*.vocab")
TIMEOUT = 10.0  # seconds that the hub has for its first answer
KNOWN_PROBLEMS = {
    "RepositoryNotFoundError": "the hub has no such repository, or it is private: log in (hf auth login)",
    "RevisionNotFoundError": "the repository has no such revision",
    "GatedRepoError": "the repository is gated: ask for access on its page, and log in (hf auth login)",
}


class Location(NamedTuple):
    """A repository on the hub, and a branch, tag or commit in it (None: the main branch)."""

    repository: str
    revision: str | None


def parse(name: str) -> Location:
    """The repository that "hub:owner/name" or "hub:owner/name@revision" names. Raises DocreError for anything else."""
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    check_repository(repository, name)
    if "@" in name and not revision:
        raise DocreError(f"{name}: expected a branch, tag or commit after @")
    return Location(repository, revision or None)


def is_name(name: str) -> bool:
    """Whether a repository on the hub may have this name, as in owner/name or, for some old ones, only name."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def check_repository(repository: str, where: str) -> None:
    """Raises DocreError, beginning with `where`, unless `repository` is a name as in owner/name."""
    if repository.count("/") != 1 or not is_name(repository):
        raise DocreError(f"{where}: expected a repository on the hub, as in owner/name, got {repository!r}")


@cache
def problem() -> str | None:
    """Why the hub cannot be used: it was switched off (HF_HUB_OFFLINE), or does not answer. None if it can.

    It is asked once in the life of the process, with one request, since its client tries five times for each file.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return "the hub is switched off by HF_HUB_OFFLINE"
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
    except Exception as error:  # of one of several HTTP libraries, depending on the version of huggingface_hub
        return f"the hub ({constants.ENDPOINT}) cannot be reached: {first_line(error)}"
    return None


def snapshot(name: str) -> Path:
    """The folder of a repository ("hub:owner/name" or "hub:owner/name@revision"), downloaded unless the cache has it.

    Only FILES are downloaded. The folder holds files, not links into the cache as huggingface_hub makes them. Raises
    DocreError if there is no such repository, or it is not in the cache and the hub cannot be reached.
    """
    from huggingface_hub import constants, snapshot_download

    repository, revision = parse(name)
    offline = problem()
    with explained(name, offline):
        linked = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=list(FILES), local_files_only=offline is not None
            )
        )
    folder = Path(constants.HF_HOME, "docre", repository.replace("/", "--"), linked.name)
    materialize(linked, folder)
    return folder


def is_downloaded(name: str) -> bool:
    """Whether `snapshot` downloads a file of this name."""
    return any(fnmatch(name, pattern) for pattern in FILES)


@contextmanager
def explained(name: str, offline: str | None) -> Iterator[None]:
    """Turns an error of huggingface_hub in the block into a DocreError that begins with `name`.

    offline: why the hub is not asked; the block then found nothing in the cache.
    """
    try:
        yield
    except DocreError:
        raise
    except Exception as error:  # of the HTTP library as well
        if offline is not None:
            raise DocreError(
                f"{name}: {offline}, and it is not in the cache: give the path of a folder that holds a copy instead"
            ) from None
        kind = next((text for known, text in KNOWN_PROBLEMS.items() if known in mro(error)), None)
        raise DocreError(f"{name}: {kind or first_line(error)}") from None


def mro(error: Exception) -> set[str]:
    """The names of the classes of an exception."""
    return {cls.__name__ for cls in type(error).__mro__}


def materialize(linked: Path, folder: Path) -> None:
    """Add to `folder` the files that the links in `linked` lead to, unless it has them: as hard links, or as copies
    where these cannot be."""
    for path in (path for path in linked.rglob("*") if path.is_file()):
        target = folder / path.relative_to(linked)
        if target.exists():
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path.resolve(), target)
        except FileExistsError:  # another process was faster
            continue
        except OSError:
            write_atomically(target, partial(shutil.copyfile, path))


class Commit(NamedTuple):
    """A commit on the hub."""

    id: str
    url: str


def upload(repository: str, files: Mapping[str, Path], readme: str, revision: str | None, private: bool) -> Commit:
    """Make the repository hold these files and this README.md, in one commit; create it if it is missing.

    Files of an earlier checkpoint are removed, but what this function would not upload (.gitattributes, images) stays.
    Raises DocreError if the hub cannot be reached, or refuses; for a file that `snapshot` would not download; and where
    a `private` repository is asked for and this one is public.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    if other := next((name for name in files if not is_downloaded(name)), None):
        kinds = ", ".join(FILES)
        raise DocreError(f"{files[other]}: cannot be loaded from the hub ({kinds} can): nothing uploaded")
    offline = problem()
    if offline:
        raise DocreError(f"{repository}: {offline}: nothing uploaded")
    api = HfApi()
    with explained(f"{PREFIX}{repository}", None):
        api.create_repo(repository, private=private or None, exist_ok=True)  # None: as its owner has set
        if private and not api.repo_info(repository).private:  # which existed before
            raise DocreError(f"{repository}: a public repository, which --private does not change: nothing uploaded")
        old = [name for name in api.list_repo_files(repository, revision=revision) if name not in files]
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd("README.md", readme.encode("utf-8")),
            *(CommitOperationAdd(name, path) for name, path in files.items()),
            *(CommitOperationDelete(name) for name in old if is_downloaded(name)),
        ]
        made = api.create_commit(repository, list(operations), commit_message="Checkpoint of docre", revision=revision)
    return Commit(str(made.oid), str(made.commit_url))
