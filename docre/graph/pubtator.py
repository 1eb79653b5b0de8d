"""PubTator, the format of biomedical corpora and of PubTator Central."""

import re
from collections.abc import Iterable
from pathlib import Path

from docre.extraction import Extraction
from docre.graph.base import EXPORTERS, writes
from docre.graph.nodes import Numbered, digest
from docre.segmentation import sentence_starts

BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")  # what would end a line or a column


@EXPORTERS.register("pubtator")
@writes(".pubtator")
def write_pubtator(extractions: Iterable[Extraction], path: Path) -> None:
    """Per document its title and text, its mentions and its relations, in lines that begin with its id:

        1234567|t|title
        1234567|a|text
        1234567 <tab> start <tab> end <tab> mention <tab> type <tab> entity
        1234567 <tab> relation <tab> head <tab> tail <tab> confidence and evidence, as in 0.8 0-23;40-58

    Offsets count from the beginning of the title, and one character lies between title and text. The fifth column of a
    relation, which programs may use as they like, has `-` for a confidence that is not known. Tabs and line breaks
    become spaces, and the title has none around it. The format has no place for scores of mentions and for names of
    entities.

    The title of a document is its id if it is one word, as a PMID is, that no document before has. Then the line of the
    title has the first sentence of the text, and that of the text the rest, so that offsets are those in the text: what
    the reader `pubtator` has read, whose documents have their id as the title, gets the offsets that it had.
    """
    numbered = Numbered()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for extraction in extractions:
            title = extraction.title
            word = title if re.fullmatch(r"[A-Za-z0-9_.-]+", title) else digest(title, extraction.text)
            file.write("\n".join(lines(extraction, numbered(word))) + "\n\n")


def lines(extraction: Extraction, document: str) -> Iterable[str]:
    """The lines of a document."""
    title, text = flat(extraction.title).strip(), flat(extraction.text)
    shift = 0 if document == title else len(title) + 1
    first, rest = (title, text) if shift else divided(extraction.text)
    yield f"{document}|t|{first}"
    yield f"{document}|a|{rest}"
    mentions = [
        (span.start, span.end, entity.type, e)
        for e, entity in enumerate(extraction.entities)
        for span in entity.mentions
    ]
    for start, end, type_, e in sorted(mentions, key=lambda mention: mention[:2]):
        columns = [str(start + shift), str(end + shift), text[start:end], flat(type_) or "Entity", f"E{e}"]
        yield "\t".join([document, *columns])
    for triple in extraction.triples:
        confidence = "-" if triple.confidence is None else repr(triple.confidence)
        evidence = ";".join(f"{span.start + shift}-{span.end + shift}" for span in triple.evidence)
        about = f"{confidence} {evidence}".rstrip()
        yield "\t".join([document, flat(triple.relation), f"E{triple.head}", f"E{triple.tail}", about])


def divided(text: str) -> tuple[str, str]:
    """The text on one line, in two parts that had one space between them: the first sentence, if a space follows it,
    and the rest."""
    line, sentence = flat(text), next(sentence_starts(text), len(text))
    end = line.find(" ", sentence - 1)
    return (line, "") if end < 0 else (line[:end], line[end + 1 :])


def flat(text: str) -> str:
    """The text with as many characters, on one line and in one column."""
    return BREAKS.sub(" ", text)
