"""Readers of CDR and GDA in the tab-separated format of Christopoulou et al. (2019), which ATLOP's code reads too."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from docre.data.readers.base import READERS, reads
from docre.data.readers.records import Record, lines
from docre.documents import Document, Triple
from docre.documents.flat import FlatMention, build_document
from docre.documents.plain import MAX_COVER
from docre.errors import DocreError, prefixed

COLUMNS = 17  # per pair: label, direction, cross-sentence flag, two closest spans, and 6 columns for each argument
ARGUMENTS = (slice(5, 11), slice(11, 17))  # the columns of the two arguments


@READERS.register("cdr")
@reads(lines, (".data", ".tsv", ".txt"))
def read_cdr(record: Record) -> Document:
    """CDR (Li et al. 2016): one relation, `CID`, from a chemical to a disease that it induces. See `read_pairs`."""
    return read_pairs(record, "Chemical", "CID")


@READERS.register("gda")
@reads(lines, (".data", ".tsv", ".txt"))
def read_gda(record: Record) -> Document:
    """GDA (Wu et al. 2019): one relation, `GDA`, from a gene to a disease associated with it. See `read_pairs`."""
    return read_pairs(record, "Gene", "GDA")


def read_pairs(record: Record, head_type: str, relation: str) -> Document:
    """The document in a line, which has its id, its text (sentences separated by `|`, tokens by spaces), and 17 columns
    for each pair.

    Pairs labeled `1:{relation}:2` or `1:NR:2` are the candidate pairs; `not_include` pairs are no candidates, but their
    entities are kept. The head is the argument of type `head_type`, the tail is the disease: the direction column
    (`L2R`, `R2L`) tells which of the two occurs first in the text, not which one is the head. Entities are numbered in
    the order of their first occurrence in the line; offsets count tokens from the start of the document. A mention that
    crosses the end of a sentence joins the two sentences. The columns with the closest spans and the sentence numbers
    are not read, since they follow from the offsets.

    Raises DocreError that names file, line and pair for anything else.
    """
    text = record.text.removesuffix("\r")
    with prefixed(f"{record.path}: line {record.number}"):
        return parse_line(text, head_type, relation)


class Argument(NamedTuple):
    """One argument of a pair: an entity with all its mentions."""

    id: str
    type: str
    mentions: tuple[FlatMention, ...]


def parse_line(line: str, head_type: str, relation: str) -> Document:
    """The document in a line. Raises DocreError that names the pair if the line is malformed."""
    fields = line.split("\t")
    if len(fields) < 2 or (len(fields) - 2) % COLUMNS:
        raise DocreError(f"expected an id, a text and {COLUMNS} columns for each pair, got {len(fields)} columns")
    title, text, *rest = fields
    sentences = [sentence.split(" ") for sentence in text.split("|")]
    tokens = [token for sentence in sentences for token in sentence]
    holds_by_label = {f"1:{relation}:2": True, "1:NR:2": False, "not_include": None}
    room = MAX_COVER * (len(tokens) + 1000)
    entities: dict[tuple[str, str], tuple[int, Argument]] = {}
    candidates: dict[tuple[int, int], bool] = {}
    for number, begin in enumerate(range(0, len(rest), COLUMNS)):
        columns, where = rest[begin : begin + COLUMNS], f"document {title!r}: pair {number}"
        if columns[0] not in holds_by_label:
            raise DocreError(f"{where}: expected one of {', '.join(holds_by_label)}, got {columns[0]!r}")
        index = {}
        for part in ARGUMENTS:
            argument = parse_argument(columns[part], tokens, room, where)
            room -= sum(mention.end - mention.start for mention in argument.mentions)
            position, first = entities.setdefault((argument.id, argument.type), (len(entities), argument))
            if first != argument:
                raise DocreError(f"{where}: {argument.id}: its mentions differ from those in an earlier pair")
            index[argument.type] = position
        if set(index) != {head_type, "Disease"}:
            raise DocreError(f"{where}: expected a {head_type} and a Disease, got {columns[7]!r} and {columns[13]!r}")
        holds, pair = holds_by_label[columns[0]], (index[head_type], index["Disease"])
        if holds is not None and candidates.setdefault(pair, holds) != holds:
            raise DocreError(f"{where}: its label contradicts that of an earlier pair of the same entities")
    triples = [Triple(head, tail, relation) for (head, tail), holds in candidates.items() if holds]
    mentions = [argument.mentions for _, argument in entities.values()]
    return build_document(title, tokens, accumulate(map(len, sentences)), mentions, triples, list(candidates))


def parse_argument(columns: Sequence[str], tokens: Sequence[str], room: int, where: str) -> Argument:
    """The argument in six columns: id, names, type, starts, ends, sentence numbers. Names are joined by `|`, offsets by
    `:`. Raises DocreError if its mentions have more than `room` tokens together."""
    id_, joined_names, type_, start_column, end_column, _ = columns
    starts = parse_offsets(start_column, f"{where}: {id_}: starts")
    ends = parse_offsets(end_column, f"{where}: {id_}: ends")
    if len(starts) != len(ends):
        raise DocreError(f"{where}: {id_}: {len(starts)} mention starts, but {len(ends)} ends")
    if sum(end - start for start, end in zip(starts, ends, strict=True)) > room:
        raise DocreError(f"{where}: {id_}: the mentions of all pairs have {MAX_COVER} times the tokens of the text")
    names = joined_names.split("|")
    if len(names) != len(starts):  # a name contains a |
        names = [" ".join(tokens[start:end]) for start, end in zip(starts, ends, strict=True)]
    mentions = zip(names, starts, ends, strict=True)
    return Argument(id_, type_, tuple(FlatMention(*mention, type_) for mention in mentions))


def parse_offsets(column: str, where: str) -> list[int]:
    """The integers in a column of offsets joined by colons."""
    parts = column.split(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise DocreError(f"{where}: expected token offsets joined by ':', got {column!r}")
    return [int(part) for part in parts]
