"""Reader of what doccano exports from a project of sequence labelling with relations (JSONL with relations)."""

from docre.data.readers.annotations import Link, Region, build
from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.fields import check_keys, get, get_optional
from docre.data.readers.records import Record, lines
from docre.documents import Document
from docre.errors import DocreError, prefixed


@READERS.register("doccano")
@reads(lines, JSON)
def read_doccano(record: Record) -> Document:
    """Read one document per line:

        {"title": "...", "text": "...", "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 12}],
         "relations": [{"id": 1, "from_id": 1, "to_id": 2, "type": "P19"}]}

    Offsets count characters (Unicode code points), end excluded. Spans that relations of the type COREFERENCE join are
    one entity, others an entity each. The default title is `<file>:<line>`. Raises DocreError that names file, line and
    field.
    """
    item, path = record.parse_json(), record.path
    with prefixed(f"{path}: line {record.number}"):
        check_keys(item, ("title", "text", "entities", "relations"), "document")
        regions = {}
        for e, entity in enumerate(get(item, "entities", list, "document")):
            where = f"entities[{e}]"
            start, end = (get(entity, key, int, where) for key in ("start_offset", "end_offset"))
            id_ = str(get(entity, "id", int, where))
            if id_ in regions:
                raise DocreError(f"{where}: two spans have the id {id_}")
            regions[id_] = Region(get(entity, "label", str, where), start, end, where)
        links = []
        for r, relation in enumerate(get(item, "relations", list, "document")):
            where = f"relations[{r}]"
            head, tail = (str(get(relation, key, int, where)) for key in ("from_id", "to_id"))
            links.append(Link(head, tail, get(relation, "type", str, where), where))
        title = get_optional(item, "title", str, "document", record.default_title)
        return build(title, get(item, "text", str, "document"), regions, links)
