"""CDR and GDA in the tab-separated format of Christopoulou et al. (2019), as ATLOP and its descendants read them."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from docre.core.files import read_text
from docre.data.readers.base import READERS
from docre.data.readers.flat import FlatMention, build_document
from docre.documents import Document, Triple
from docre.errors import DocreError

COLUMNS = 17  # of a pair: label, direction, cross-sentence flag, two closest spans, then 6 of each argument
ARGUMENTS = (slice(5, 11), slice(11, 17))


@READERS.register("cdr")
def read_cdr(path: Path) -> list[Document]:
    """CDR (Li et al. 2016): does this chemical induce this disease? One relation, `CID`. See `read_pairs`."""
    return read_pairs(path, "Chemical", "CID")


@READERS.register("gda")
def read_gda(path: Path) -> list[Document]:
    """GDA (Wu et al. 2019): is this gene associated with this disease? One relation, `GDA`. See `read_pairs`."""
    return read_pairs(path, "Gene", "GDA")


def read_pairs(path: Path, head_type: str, relation: str) -> list[Document]:
    """One document a line: its id, its text (sentences parted by `|`, tokens by spaces), and 17 columns for each pair.

    The candidate pairs are those that the file labels `1:{relation}:2` or `1:NR:2`; `not_include` pairs are none, but
    their mentions stay. The head is the argument of type `head_type`, the tail the disease: the direction column
    (`L2R`, `R2L`) says which of them comes first in the text, not which one is the head. Entities are numbered as the
    file first names them; offsets count tokens from the start of the document. A mention across the end of a sentence
    joins the two sentences. The columns of closest spans and sentence numbers follow from the offsets and are not read.

    Raises DocreError that names file, line and pair for anything else.
    """
    documents = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            documents.append(parse_line(line.removesuffix("\r"), head_type, relation))
        except DocreError as error:
            raise DocreError(f"{path}: line {number}: {error}") from None
    return documents


class Argument(NamedTuple):
    """One side of a pair: an entity with all its mentions."""

    id: str
    type: str
    mentions: tuple[FlatMention, ...]


def parse_line(line: str, head_type: str, relation: str) -> Document:
    """The document of a line."""
    fields = line.split("\t")
    if len(fields) < 2 or (len(fields) - 2) % COLUMNS:
        raise DocreError(f"expected an id, a text and {COLUMNS} columns for each pair, got {len(fields)} columns")
    title, text, *rest = fields
    sentences = [sentence.split(" ") for sentence in text.split("|")]
    tokens = [token for sentence in sentences for token in sentence]
    labels = {f"1:{relation}:2": True, "1:NR:2": False, "not_include": None}
    entities: dict[tuple[str, str], tuple[int, Argument]] = {}
    candidates: dict[tuple[int, int], bool] = {}
    for number, begin in enumerate(range(0, len(rest), COLUMNS)):
        columns, where = rest[begin : begin + COLUMNS], f"document {title!r}: pair {number}"
        if columns[0] not in labels:
            raise DocreError(f"{where}: expected one of {', '.join(labels)}, got {columns[0]!r}")
        index = {}
        for part in ARGUMENTS:
            argument = parse_argument(columns[part], tokens, where)
            known, first = entities.setdefault((argument.id, argument.type), (len(entities), argument))
            if first != argument:
                raise DocreError(f"{where}: {argument.id}: not the mentions that an earlier pair lists")
            index[argument.type] = known
        if set(index) != {head_type, "Disease"}:
            raise DocreError(f"{where}: expected a {head_type} and a Disease, got {columns[7]!r} and {columns[13]!r}")
        label, pair = labels[columns[0]], (index[head_type], index["Disease"])
        if label is not None and candidates.setdefault(pair, label) != label:
            raise DocreError(f"{where}: an earlier pair says otherwise of the same entities")
    triples = [Triple(head, tail, relation) for (head, tail), holds in candidates.items() if holds]
    mentions = [argument.mentions for _, argument in entities.values()]
    return build_document(title, tokens, accumulate(map(len, sentences)), mentions, triples, list(candidates))


def parse_argument(columns: Sequence[str], tokens: Sequence[str], where: str) -> Argument:
    """An argument's six columns: id, names, type, starts, ends, sentence numbers."""
    name, names, type_, starts, ends, _ = columns
    first, last = offsets(starts, f"{where}: {name}: starts"), offsets(ends, f"{where}: {name}: ends")
    if len(first) != len(last):
        raise DocreError(f"{where}: {name}: {len(first)} mention starts, but {len(last)} ends")
    listed = names.split("|")
    if len(listed) != len(first):  # a name with a | in it
        listed = [" ".join(tokens[start:end]) for start, end in zip(first, last, strict=True)]
    mentions = zip(listed, first, last, strict=True)
    return Argument(name, type_, tuple(FlatMention(*mention, type_) for mention in mentions))


def offsets(column: str, where: str) -> list[int]:
    """Offsets joined by colons."""
    parts = column.split(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise DocreError(f"{where}: expected token offsets joined by ':', got {column!r}")
    return [int(part) for part in parts]
