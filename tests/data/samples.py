"""A small file of every format, for the contract tests of readers. A new reader needs one here."""

import json

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
}
