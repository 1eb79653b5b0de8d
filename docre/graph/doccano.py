"""JSON lines of doccano's projects of sequence labelling with relations."""

from collections.abc import Iterable
from pathlib import Path

from docre.extraction import Extraction
from docre.graph.annotations import details, links, regions
from docre.graph.base import EXPORTERS, writes
from docre.graph.nodes import known, to_json


@EXPORTERS.register("doccano")
@writes(".doccano.jsonl")
def write_doccano(extractions: Iterable[Extraction], path: Path) -> None:
    """One document per line, as doccano imports and exports it, for people to correct:

        {"title", "text", "entities": [{"id", "label", "start_offset", "end_offset"}],
         "relations": [{"id", "from_id", "to_id", "type"}]}

    Relations of the type COREFERENCE join the mentions of one entity. The reader `doccano` reads what doccano exports.
    The project, of sequence labeling, needs "Allow overlapping spans" (doccano drops such spans without it, and then
    fails at their relations) and "Use relation labeling". Ids of spans are different in the whole file.
    """
    number = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for extraction in extractions:
            spans = regions(extraction, number)
            number += len(spans)
            entities = [
                {"id": r.id, "label": r.label, "start_offset": r.span.start, "end_offset": r.span.end}
                | known(entity=extraction.entities[r.entity].name, score=r.span.score)
                for r in spans
            ]
            relations = [
                {"id": link.id, "from_id": link.head, "to_id": link.tail, "type": link.label}
                | details(extraction, link.triple)
                for link in links(extraction, spans)
            ]
            document = {"title": extraction.title, "text": extraction.text}
            file.write(to_json(document | {"entities": entities, "relations": relations}) + "\n")
