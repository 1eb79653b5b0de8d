"""A small file of every format, for the contract tests of readers. A new reader needs one here."""

import json
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tests.data.test_cdr import line

DOCRED = {
    "title": "Ada Lovelace",
    "sents": [["Ada", "Lovelace", "was", "born", "in", "London", "."], ["She", "died", "there", "."]],
    "vertexSet": [
        [
            {"name": "Ada Lovelace", "sent_id": 0, "pos": [0, 2], "type": "PER"},
            {"name": "She", "sent_id": 1, "pos": [0, 1], "type": "PER"},
        ],
        [{"name": "London", "sent_id": 0, "pos": [5, 6], "type": "LOC"}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P19", "evidence": [0]}, {"h": 0, "t": 1, "r": "P20", "evidence": [0, 1]}],
}
JSONL = {
    "title": "Ada Lovelace",
    "text": "Ada Lovelace was born in London. She died there.",
    "entities": [
        {"type": "PER", "mentions": [[0, 12], [33, 36]]},
        {"type": "LOC", "mentions": [[25, 31]]},
    ],
    "relations": [[0, "P19", 1, [[13, 31]]], {"head": 0, "relation": "P20", "tail": 1}],
}
LABEL_STUDIO = {
    "data": {"title": "Ada Lovelace", "text": JSONL["text"]},
    "annotations": [
        {
            "result": [
                {"id": "a", "type": "labels", "value": {"start": 0, "end": 12, "labels": ["PER"]}},
                {"id": "b", "type": "labels", "value": {"start": 33, "end": 36, "text": "She", "labels": ["PER"]}},
                {"id": "c", "type": "labels", "value": {"start": 25, "end": 31, "text": "London", "labels": ["LOC"]}},
                {"type": "relation", "from_id": "b", "to_id": "a", "direction": "right", "labels": ["COREFERENCE"]},
                {"type": "relation", "from_id": "c", "to_id": "b", "direction": "left", "labels": ["P19", "P20"]},
            ],
        }
    ],
}
DOCCANO = {
    "title": "Ada Lovelace",
    "text": JSONL["text"],
    "entities": [
        {"id": 7, "label": "PER", "start_offset": 0, "end_offset": 12},
        {"id": 8, "label": "PER", "start_offset": 33, "end_offset": 36},
        {"id": 9, "label": "LOC", "start_offset": 25, "end_offset": 31},
    ],
    "relations": [
        {"id": 1, "from_id": 7, "to_id": 8, "type": "COREFERENCE"},
        {"id": 2, "from_id": 8, "to_id": 9, "type": "P19"},
        {"id": 3, "from_id": 7, "to_id": 9, "type": "P20"},
    ],
}
PUBTATOR = """\
1|t|Ada Lovelace was born in London.
1|a|She died there.
1\t0\t12\tAda Lovelace\tPerson\tD1
1\t25\t31\tLondon\tPlace\tD2
1\t33\t36\tShe\tPerson\tD1
1\tP19\tD1\tD2
1\tP20\tD1\tD2\tNovel

2|t|Nothing
2|a|holds here.
"""
BIOC = {
    "id": "1",
    "infons": {},
    "passages": [
        {
            "infons": {"type": "title"},
            "offset": 0,
            "text": "Ada Lovelace was born in London.",
            "annotations": [
                {
                    "id": "a",
                    "infons": {"type": "Person", "identifier": "D1"},
                    "text": "Ada Lovelace",
                    "locations": [{"offset": 0, "length": 12}],
                },
                {
                    "id": "b",
                    "infons": {"type": "Place", "identifier": "D2"},
                    "text": "London",
                    "locations": [{"offset": 25, "length": 6}],
                },
            ],
        },
        {
            "infons": {"type": "abstract"},
            "offset": 33,
            "text": "She died there.",
            "annotations": [
                {
                    "id": "c",
                    "infons": {"type": "Person", "identifier": "D1"},
                    "text": "She",
                    "locations": [{"offset": 33, "length": 3}],
                },
            ],
        },
    ],
    "relations": [
        {"id": "R1", "infons": {"type": "P19", "entity1": "D1", "entity2": "D2", "novel": "No"}},
        {"id": "R2", "infons": {"type": "P20"}, "nodes": [{"refid": "c", "role": ""}, {"refid": "b", "role": ""}]},
    ],
}
OTHER = {"id": "2", "passages": [{"offset": 0, "text": "Nothing"}, {"offset": 8, "text": "holds here."}]}


ATTRIBUTES = {"annotation": ["id"], "relation": ["id"], "node": ["refid", "role"], "location": ["offset", "length"]}


def bioc_xml(documents: list[dict]) -> str:
    """BioC JSON documents as XML."""

    def element(name: str, value: Any) -> str:
        if not isinstance(value, dict):
            return f"<{name}>{escape(str(value))}</{name}>"
        attributes = "".join(f" {key}={quoteattr(str(value[key]))}" for key in ATTRIBUTES.get(name, []))
        infons = value.get("infons", {}).items()
        inside = [f"<infon key={quoteattr(key)}>{escape(text)}</infon>" for key, text in infons]
        for key, inner in value.items():
            if isinstance(inner, list):
                inside += [element(key[:-1], child) for child in inner]
            elif key != "infons" and key not in ATTRIBUTES.get(name, []):
                inside.append(element(key, inner))
        return f"<{name}{attributes}>{''.join(inside)}</{name}>"

    inside = "\n".join(element("document", document) for document in documents)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    return f"{head}<collection><source>by hand</source><date/><key/>{inside}</collection>\n"


TEXT = [["Aspirin", "causes", "headache", "."], ["It", "does", "."]]


def columns(head_type: str, relation: str) -> str:
    """A line of Christopoulou et al.'s format, with one pair."""
    entities = [("D1", head_type, [(0, 1), (4, 5)]), ("D2", "Disease", [(2, 3)])]
    return line("1", TEXT, entities, [("1:CID:2", 0, 1)], relation) + "\n"


# for each reader the text of a file
SAMPLES = {
    "docred": json.dumps([DOCRED, DOCRED | {"title": "no relation", "labels": []}]),
    "docgnre": json.dumps([DOCRED | {"gpt_labels": [{"h": 1, "t": 0, "r": "P1", "score": 0.5}]}]),
    "jsonl": json.dumps(JSONL) + "\n" + json.dumps(JSONL | {"title": "no relation", "relations": []}) + "\n",
    "label_studio": json.dumps([LABEL_STUDIO, LABEL_STUDIO | {"annotations": [{"result": []}]}]),
    "doccano": json.dumps(DOCCANO) + "\n" + json.dumps(DOCCANO | {"title": "no relation", "relations": []}) + "\n",
    "cdr": columns("Chemical", "CID"),
    "gda": columns("Gene", "GDA"),
    "dwie": json.dumps([DOCRED, DOCRED | {"title": "no relation", "labels": []}]),
    "pubtator": PUBTATOR,
    "bioc_json": json.dumps({"documents": [BIOC, OTHER]}),
    "bioc_xml": bioc_xml([BIOC, OTHER]),
}
