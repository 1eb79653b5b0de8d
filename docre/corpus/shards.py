"""The folder that a corpus is predicted into: one file a unit, which is there as a whole or not at all.

manifest.json          what is predicted with what; `complete` and the totals once all is done
part-00000-00000.jsonl (or .parquet) what was predicted of the documents of a unit: this file commits the unit
units/00000-00000.json the counts of a unit, and what was rejected, or could not be read; written before its part
rejected.jsonl         all of that, once all is done
"""

import importlib.util
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import orjson

from docre.core.files import parse_json
from docre.core.listing import names_in
from docre.core.manifests import LEFTOVER
from docre.core.storage import read_content, remove, write_bytes
from docre.corpus.columns import Columns, to_arrow
from docre.corpus.units import Rejected
from docre.errors import DocreError

MANIFEST, REJECTED, PART = "manifest.json", "rejected.jsonl", "part-"
PART_FILE = re.compile(rf"{PART}\d+-\d+\.(?:jsonl|parquet)")
OWN = frozenset({"docre", "checkpoints", "inputs", "complete"})  # which every manifest of a corpus has
UNIT = re.compile(r"\d+-\d+\.json")


@dataclass(frozen=True)
class Counts:
    """What was done: documents that were predicted (of which `cut` had mentions beyond the length limit), their pairs
    and triples, documents that were rejected, bytes of input, files that could not be read to their end (`unread`), and
    the pairs of long texts that were not scored (`apart`, see docre.extraction.Extraction).
    """

    documents: int = 0
    cut: int = 0
    pairs: int = 0
    triples: int = 0
    rejected: int = 0
    size: int = 0
    unread: int = 0
    apart: int = 0

    @property
    def failed(self) -> int:
        """Documents that were rejected, and files that could not be read to their end."""
        return self.rejected + self.unread

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Output:
    """A folder for the parts, in a format: "jsonl" or "parquet"."""

    folder: str
    format: str

    def path(self, name: str) -> str:
        """The path or address of a file in the folder."""
        return path_in(self.folder, name)

    def committed(self) -> set[str]:
        """The names of the units that are done."""
        end = f".{self.format}"
        parts = (name for name in names_in(self.folder) if name.startswith(PART) and name.endswith(end))
        return {name[len(PART) : -len(end)] for name in parts}

    def commit(
        self,
        name: str,
        digest: str,
        rows: Sequence[Mapping[str, Any]],
        columns: Columns,
        counts: Counts,
        rejected: Sequence[Rejected],
    ) -> None:
        """Write what was done of a unit. The last step puts its part in place, as a whole."""
        content = {"digest": digest, "counts": asdict(counts), "rejected": [asdict(each) for each in rejected]}
        write_bytes(self.path(f"units/{name}.json"), orjson.dumps(content))
        write_bytes(self.path(f"{PART}{name}.{self.format}"), FORMATS[self.format](rows, columns))

    def report(self, name: str) -> Any:
        """The `digest` and `counts` of a unit that is done, and what was `rejected`."""
        path = self.path(f"units/{name}.json")
        content = read_content(path)
        if content is None:
            raise DocreError(f"{path}: missing, though its part is there")
        return parse_json(content, path)

    def manifest(self) -> dict[str, Any] | None:
        """What the manifest says; None if there is none. Raises DocreError if the folder holds anything else."""
        path = self.path(MANIFEST)
        content = read_content(path)
        if content is None:
            if any(name != ".lock" and not LEFTOVER.fullmatch(name) for name in names_in(self.folder)):
                raise DocreError(f"{self.folder}: has other files, and no {MANIFEST}: choose another folder")
            return None
        before = parse_json(content, path)
        if not isinstance(before, dict) or not OWN.issubset(before):
            raise DocreError(f"{path}: not that of a corpus: choose another folder")
        return before

    def reports(self) -> dict[str, Any]:
        """The report of each unit that is done, in whatever format, by name."""
        parts = (name for name in names_in(self.folder) if name.startswith(PART))
        return {name: self.report(name) for name in set(map(unit_of, parts))}

    def start(self, plan: Mapping[str, Any], before: Mapping[str, Any] | None, predicted: bool) -> Counts | None:
        """Begin, or go on with, a corpus that is predicted into this folder; return the totals if it is complete.

        plan:      what is predicted with what. Raises DocreError if it is another one than before; but a plan with
                   which no document was predicted yet is replaced.
        before:    what the manifest says (see docre.corpus.precision); None if there is none.
        predicted: whether any document is predicted yet.
        """
        path = self.path(MANIFEST)
        if before is not None:
            other = next((k for k, value in parse_json(dump(plan), path).items() if before.get(k) != value), None)
            if other is None and before.get("complete"):
                return Counts(**before["totals"])
            if other is not None:
                if predicted:
                    was, now = (json.dumps(each)[:200] for each in (before.get(other), plan[other]))
                    raise DocreError(f"{self.folder}: {other} was {was}, now it is {now}: choose another folder")
                self.clear()
        write_bytes(path, dump({**plan, "complete": False}))
        return None

    def finish(self, plan: Mapping[str, Any], reports: Mapping[str, Any]) -> Counts:
        """Collect what was rejected, and say that all is done, with the totals; `reports`: of all units, by name."""
        total, lines = Counts(), []
        for _, report in sorted(reports.items()):
            total += Counts(**report["counts"])
            lines += [orjson.dumps({**each["place"], "reason": each["reason"]}) + b"\n" for each in report["rejected"]]
        write_bytes(self.path(REJECTED), b"".join(lines))
        write_bytes(self.path(MANIFEST), dump({**plan, "complete": True, "totals": asdict(total)}))
        return total

    def clear(self) -> None:
        """Remove all parts, and the reports of units."""
        for name in names_in(self.folder):
            if name.startswith(PART):
                remove(self.path(name))
        for name in filter(UNIT.fullmatch, names_in(self.path("units"))):
            remove(self.path(f"units/{name}"))


def path_in(folder: str, name: str) -> str:
    """The path or address of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def unit_of(file: str) -> str:
    """The name of the unit whose part or report a file is, by the name of the file."""
    return file.removeprefix(PART).partition(".")[0]


def parts_in(folder: str) -> list[str]:
    """The paths or addresses of the parts in a folder, in their order. Raises DocreError if there are none, the
    folder's manifest says that more will come, or the part of a unit that was done is not there."""
    found = sorted(filter(PART_FILE.fullmatch, names_in(folder)))
    if not found:
        raise DocreError(f"{folder}: no parts of a corpus there ({PART}*.jsonl or {PART}*.parquet)")
    path = path_in(folder, MANIFEST)
    content = read_content(path)
    manifest = {} if content is None else parse_json(content, path)
    if isinstance(manifest, dict) and manifest.get("complete") is False:
        raise DocreError(f"{folder}: not complete: run the command that began it again, which goes on where it stopped")
    units = set(map(unit_of, filter(UNIT.fullmatch, names_in(path_in(folder, "units")))))
    if lost := units - set(map(unit_of, found)):
        raise DocreError(f"{folder}: {PART}{min(lost)} is missing, though its documents were predicted")
    return [path_in(folder, name) for name in found]


def dump(value: Any) -> bytes:
    """As JSON."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def jsonl(rows: Sequence[Mapping[str, Any]], columns: Columns) -> bytes:
    """One JSON object a line."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def parquet(rows: Sequence[Mapping[str, Any]], columns: Columns) -> bytes:
    """A Parquet file. `columns`: see docre.corpus.columns."""
    import pyarrow
    from pyarrow.parquet import write_table

    file = io.BytesIO()
    write_table(pyarrow.Table.from_pylist(list(rows), pyarrow.schema(to_arrow(columns))), file)
    return file.getvalue()


def check_format(name: str) -> None:
    """Raises DocreError if parts cannot be written in this format here."""
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise DocreError("--format parquet needs pyarrow: pip install 'docre[scale]'")


FORMATS = {"jsonl": jsonl, "parquet": parquet}
