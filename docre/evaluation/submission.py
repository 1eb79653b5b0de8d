"""Submission files: `result.json` as the DocRED leaderboard takes it, and `result.zip`, which contains it.

The file is a JSON list of {title, h_idx, t_idx, r, evidence?}: a document's title, the indices of the head and the tail
entity in its `vertexSet`, the relation's id, and the indices of the evidence sentences.
"""

import io
import json
import reprlib
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docre.core.files import parse_json, read_bytes, write_atomically
from docre.core.storage import COMPRESSED
from docre.documents import Prediction
from docre.errors import DocreError
from docre.formats import PREDICTIONS, hint

MEMBER = "result.json"
LARGEST_MEMBER = 64 * 2**20  # bytes, unpacked: DocRED's test set takes 2 MB; JSON can grow 30-fold when it is parsed
EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that zip has; a fixed time makes equal files equal bytes


def write_submission(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Write the predictions, in their order, to a JSON file, or to a zip with `result.json` if the path ends in .zip.

    The file is written completely or not at all; equal predictions give equal bytes. Raises DocreError if it cannot be
    written.
    """
    content = ",\n".join(json.dumps(_to_entry(prediction)) for prediction in predictions)
    data = f"[\n{content}\n]\n".encode()
    if _is_zip(path):
        data = _compress(data)
    write_atomically(path, lambda temporary: temporary.write_bytes(data))


def read_submission(path: str | Path) -> list[Prediction]:
    """The predictions of a .json file, or of the `result.json` in a .zip file (decompressed in memory, not to disk).

    Keys that the format does not have are ignored. Raises DocreError, which names the file, the entry and the field, if
    something is missing, has the wrong type or cannot be read, or if `result.json` is larger than 64 MiB.
    """
    if Path(path).suffix.lower() in COMPRESSED:
        raise DocreError(f"{path}: compressed: expected a .json file, or a .zip file that contains {MEMBER}")
    if _is_zip(path):
        return _parse_predictions(_read_member(path), f"{path}: {MEMBER}")
    try:
        return _parse_predictions(read_bytes(path), str(path))
    except DocreError as error:
        raise DocreError(f"{error}{hint(path, PREDICTIONS)}") from None


def _is_zip(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".zip"


def _to_entry(prediction: Prediction) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "title": prediction.title,
        "h_idx": prediction.head,
        "t_idx": prediction.tail,
        "r": prediction.relation,
    }
    if prediction.evidence:
        entry["evidence"] = list(prediction.evidence)
    return entry


def _parse_predictions(data: bytes, where: str) -> list[Prediction]:
    content = parse_json(data, where)
    if not isinstance(content, list):
        raise DocreError(f"{where}: expected a JSON list of {{title, h_idx, t_idx, r}}, got {reprlib.repr(content)}")
    return [_parse_prediction(entry, f"{where}: entry {i}") for i, entry in enumerate(content)]


def _parse_prediction(entry: Any, where: str) -> Prediction:
    if not isinstance(entry, dict):
        raise DocreError(f"{where}: expected an object {{title, h_idx, t_idx, r}}, got {reprlib.repr(entry)}")
    evidence = entry.get("evidence")
    if evidence is None:
        evidence = []
    if not isinstance(evidence, list) or not all(type(sentence) is int for sentence in evidence):
        raise DocreError(f"{where}: expected a list of integers in 'evidence', got {reprlib.repr(evidence)}")
    return Prediction(
        _string_field(entry, "title", where),
        _integer_field(entry, "h_idx", where),
        _integer_field(entry, "t_idx", where),
        _string_field(entry, "r", where),
        evidence=tuple(evidence),
    )


def _integer_field(entry: dict[str, Any], key: str, where: str) -> int:
    value = entry.get(key)
    if type(value) is not int:
        raise DocreError(f"{where}: {_mismatch('an integer', key, entry)}")
    return value


def _string_field(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise DocreError(f"{where}: {_mismatch('a string', key, entry)}")
    return value


def _mismatch(expected: str, key: str, entry: dict[str, Any]) -> str:
    return f"expected {expected} in {key!r}, got {reprlib.repr(entry[key]) if key in entry else 'nothing'}"


def _compress(data: bytes) -> bytes:
    buffer = io.BytesIO()
    member = zipfile.ZipInfo(MEMBER, EARLIEST_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3  # Unix, on every system
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, data)
    return buffer.getvalue()


def _read_member(path: str | Path) -> bytes:
    """The content of `result.json` in a zip file. Raises DocreError if it is larger than LARGEST_MEMBER bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            names = archive.namelist()
            if MEMBER not in names:
                found = ", ".join(map(repr, names[:3])) or "nothing"
                raise DocreError(f"{path}: expected {MEMBER} in the zip, found {found}")
            if names.count(MEMBER) > 1:
                raise DocreError(f"{path}: has two files called {MEMBER}")
            member = archive.getinfo(MEMBER)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DocreError(f"{path}: {MEMBER}: expected plain zip compression (deflate)")
            with archive.open(member) as stream:
                data = stream.read(LARGEST_MEMBER + 1)
    except DocreError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError) as error:
        raise DocreError(f"{path}: not a readable zip file: {error}") from None
    if len(data) > LARGEST_MEMBER:
        raise DocreError(f"{path}: {MEMBER}: larger than {LARGEST_MEMBER // 2**20} MiB unpacked")
    return data
