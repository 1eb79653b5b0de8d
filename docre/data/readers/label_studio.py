"""Reader of what Label Studio exports (JSON): tasks with annotations."""

from typing import Any

from docre.data.readers.annotations import Link, Region, build
from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.fields import check_keys, get, get_optional
from docre.data.readers.records import Record, elements
from docre.documents import Document
from docre.errors import DocreError, prefixed

DIRECTIONS = {"right": (1,), "left": (-1,), "bi": (1, -1)}  # the steps through from_id and to_id


@READERS.register("label_studio")
@reads(elements, JSON)
def read_label_studio(record: Record) -> Document:
    """Read a JSON list of tasks:

        [{"data": {"title": "...", "text": "..."}, "annotations": [{"result": [
            {"id": "a", "type": "labels", "value": {"start": 0, "end": 12, "text": "...", "labels": ["PER"]}},
            {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right", "labels": ["P19"]}]}]}]

    The last annotation that was not cancelled counts; without any, the last of `predictions`. Offsets count characters
    (Unicode code points), end excluded. Spans that relations called COREFERENCE join are one entity, others an entity
    each. The direction of a relation may be right, left or bi (both). The default title is `<file>:<position>`. Raises
    DocreError that names file, task and field.
    """
    item, path = record.parse_json(), record.path
    with prefixed(f"{path}: task {record.number}"):
        check_keys(item, ("data", "annotations", "predictions"), "task")
        data = get(item, "data", dict, "task")
        check_keys(data, ("title", "text"), "data")
        title = get_optional(data, "title", str, "data", record.default_title)
        text = get(data, "text", str, "data")
        regions: dict[str, Region] = {}
        links: list[Link] = []
        for i, result in enumerate(get(chosen(item), "result", list, "annotations")):
            add(result, f"result[{i}]", text, regions, links)
        return build(title, text, regions, links)


def chosen(item: dict[str, Any]) -> Any:
    """The annotation of a task that counts. Raises DocreError if there is none."""
    for key in ("annotations", "predictions"):
        made = get_optional(item, key, list, "task", [])
        valid = [each for each in made if not (isinstance(each, dict) and each.get("was_cancelled") is True)]
        if valid:
            return valid[-1]
    raise DocreError("task: expected at least one annotation or prediction in 'annotations' or 'predictions'")


def add(result: Any, where: str, text: str, regions: dict[str, Region], links: list[Link]) -> None:
    """Add a result, of an annotation of `text`, to the regions or to the links; other types of results are ignored."""
    type_ = get(result, "type", str, where)
    if type_ == "labels":
        id_ = get(result, "id", str, where)
        if id_ in regions:
            raise DocreError(f"{where}: two spans have the id {id_!r}")
        value = get(result, "value", dict, where)
        start, end = (get(value, key, int, f"{where}.value") for key in ("start", "end"))
        quoted = get_optional(value, "text", str, f"{where}.value", text[start:end])
        if quoted != text[start:end]:
            raise DocreError(f"{where}.value: 'text' is {quoted!r}, but [start, end) is {text[start:end]!r}")
        regions[id_] = Region(label(value, f"{where}.value"), start, end, f"{where}.value")
    elif type_ == "relation":
        ends = [get(result, key, str, where) for key in ("from_id", "to_id")]
        direction = get_optional(result, "direction", str, where, "right")
        if direction not in DIRECTIONS:
            raise DocreError(f"{where}: expected one of {', '.join(DIRECTIONS)} in 'direction', got {direction!r}")
        labels = get_optional(result, "labels", list, where, [])
        if not labels:
            raise DocreError(f"{where}: a relation without a label")
        for head, tail in (ends[::step] for step in DIRECTIONS[direction]):
            links.extend(Link(head, tail, label({"labels": [each]}, where), where) for each in labels)


def label(value: dict[str, Any], where: str) -> str:
    """The only label in `labels`."""
    labels = get(value, "labels", list, where)
    if len(labels) != 1 or not isinstance(labels[0], str):
        raise DocreError(f"{where}: expected one string in 'labels'")
    return str(labels[0])
