"""Reader of PubTator, the format of CDR and BioRED as their authors publish them."""

import re

from docre.data.readers.base import READERS, reads
from docre.data.readers.concepts import Linked, Stated, build
from docre.data.readers.records import Record, blocks
from docre.documents import Document
from docre.errors import DocreError, prefixed

TITLE, ABSTRACT = (re.compile(rf"([^|\t]+)\|{letter}\|(.*)") for letter in "ta")
NUMBER = re.compile(r"[0-9]{1,9}")


@READERS.register("pubtator")
@reads(blocks, (".pubtator", ".txt"))
def read_pubtator(record: Record) -> Document:
    """Read documents that blank lines separate:

        227508|t|title
        227508|a|text
        227508 <tab> start <tab> end <tab> mention <tab> type <tab> identifier
        227508 <tab> relation <tab> identifier of the head <tab> identifier of the tail

    Offsets count characters (Unicode code points) of title and text with one space between them, end excluded; the
    number of the document is its title here. Mentions with one identifier are one entity; for several identifiers in
    one mention, and for none, see docre.data.readers.concepts. Further columns (as BioRED's novelty) are ignored. The
    head is what stands first, which in CDR is the chemical, while BioRED's relations have no direction: whether (tail,
    head) is also to be predicted is up to the user. All ordered pairs are candidates. Raises DocreError that names file
    and line.
    """
    lines = [line.removesuffix("\r") for line in record.text.removesuffix("\n").split("\n")]

    def fail(line: int, message: object) -> DocreError:
        return DocreError(f"{record.path}: line {record.number + line}: {message}")

    title = TITLE.fullmatch(lines[0])
    abstract = ABSTRACT.fullmatch(lines[1]) if len(lines) > 1 else None
    if title is None or abstract is None or title[1] != abstract[1]:
        raise fail(0, "expected two lines, ID|t|TITLE and ID|a|TEXT, with the same ID")
    mentions, relations = [], []
    for number, line in enumerate(lines[2:], 2):
        columns = line.split("\t")
        if columns[0] != title[1]:
            raise fail(number, f"expected a line of document {title[1]!r}; a blank line separates documents")
        where = f"line {record.number + number}: document {title[1]!r}"
        has_offsets = len(columns) > 2 and all(NUMBER.fullmatch(column) for column in columns[1:3])
        if len(columns) >= 5 and has_offsets:
            identifier = columns[5] if len(columns) > 5 else ""
            mentions.append(Linked(int(columns[1]), int(columns[2]), columns[3], columns[4], identifier, where))
        elif len(columns) >= 4 and all(columns[1:4]) and not has_offsets:
            relations.append(Stated(columns[1], [name.strip() for name in columns[2:4]], where))
        else:
            raise fail(number, "expected start, end, mention, type and identifier, or relation, head and tail")
    with prefixed(record.path):
        return build(title[1], f"{title[2]} {abstract[2]}", mentions, relations)
