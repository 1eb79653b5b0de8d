"""The spaCy component "docre": relations between the entities of a Doc.

nlp.add_pipe("docre", config={"checkpoint": "runs/mine"})

doc._.rel:   {(head_start, tail_start): {relation: score}}, as in spaCy's tutorial on relation extraction: keys are the
             first tokens of two of `doc.ents`, the nearest to each other of the two entities; a score is the triple's
             confidence, or without a calibration the logistic function of its margin, which is above 0.5.
doc._.docre: the docre.extraction.Extraction: entities with all mentions, triples with evidence, confidence, margin.
"""

import json
import math
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import srsly
from pydantic import TypeAdapter
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.util import filter_spans, minibatch

from docre.core.location import find_checkpoint
from docre.core.manifests import check_folder, write_folder
from docre.documents.plain import mark
from docre.errors import DocreError, first_line
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.text.spacy import entities_of

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor

# Keys of doc.user_data. The values are JSON, since Doc.from_bytes reads no dicts with tuples as keys.
EXTRACTION, REL = "docre", "docre_rel"
Relations = dict[tuple[int, int], dict[str, float]]
BYTES = TypeAdapter(dict[str, bytes])
lock = threading.RLock()


def register_extensions() -> None:
    """Make `doc._.rel` and `doc._.docre` known, unless they are. An attribute `rel` with only a default value, as in
    spaCy's tutorial, is replaced. Raises DocreError for one that other code computes."""
    with lock:
        if getter_of("rel") is not relations_of:
            if getter_of("rel"):
                raise DocreError("doc._.rel belongs to another component; Doc.remove_extension('rel') makes place")
            Doc.set_extension("rel", getter=relations_of, setter=set_relations, force=True)
        if getter_of("docre") is not extraction_of:
            Doc.set_extension("docre", getter=extraction_of, force=True)


def getter_of(name: str) -> Any:
    """The function that computes an attribute of Docs; None if there is none."""
    return Doc.get_extension(name)[2] if Doc.has_extension(name) else None


def extraction_of(doc: Doc) -> Extraction:
    """What was extracted from a Doc; nothing if the component has not seen it."""
    saved = doc.user_data.get(EXTRACTION)
    return Extraction.from_json(saved) if saved else Extraction(title_of(doc), doc.text)


def relations_of(doc: Doc) -> Relations:
    """`doc._.rel`, for the tokens that the Doc has now."""
    starts = [token.idx for token in doc]
    found: Relations = {}
    for *places, scores in json.loads(doc.user_data.get(REL, "[]")):
        head, tail = (bisect_right(starts, place) - 1 for place in places)
        found.setdefault((head, tail), {}).update(scores)
    return found


def set_relations(doc: Doc, rel: Relations) -> None:
    """Set `doc._.rel`; saved are the first characters of tokens, which may be merged later."""
    doc.user_data[REL] = json.dumps([[doc[head].idx, doc[tail].idx, scores] for (head, tail), scores in rel.items()])


def title_of(doc: Doc) -> str:
    """The title in `doc.user_data`, or else "text"."""
    title = doc.user_data.get("title")
    return title if isinstance(title, str) else "text"


@Language.factory(
    "docre",
    assigns=["doc._.rel", "doc._.docre"],
    default_config={"checkpoint": None, "set_ents": False, "tagger": None},
)
def make_component(
    nlp: Language, name: str, checkpoint: str | None, set_ents: bool, tagger: str | dict[str, Any] | None
) -> "DocreComponent":
    """The component of a config.

    checkpoint: a checkpoint or the folder of a run; loaded when it is first needed. A saved pipeline has its own copy.
    set_ents:   find the entities with docre where no component of the pipeline has set `doc.ents`, and set it.
    tagger:     what finds them, as for `Predictor.extract`; by default what the checkpoint has.
    """
    return DocreComponent(name, checkpoint, set_ents, tagger)


class DocreComponent(Pipe):
    """Extracts relations between `doc.ents`; those with one name, or in one coreference cluster, are one entity."""

    def __init__(
        self,
        name: str = "docre",
        checkpoint: str | Path | None = None,
        set_ents: bool = False,
        tagger: str | dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.checkpoint = checkpoint
        self.set_ents = set_ents
        self.tagger = tagger
        self._predictor: Predictor | None = None
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        register_extensions()

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is pickled for another process: without the model, and with the files of a checkpoint that is deleted
        with this component."""
        state = {**self.__dict__, "_predictor": None, "_unpacked": None}
        return unpickled, (type(self), state, None if self._unpacked is None else self.to_bytes())

    @property
    def predictor(self) -> "Predictor":
        """The loaded checkpoint. Raises DocreError if there is none."""
        with lock:
            if self._predictor is None:
                from docre.inference.checkpoint import load

                self._predictor = load(self._folder())
            return self._predictor

    def _folder(self) -> Path:
        if self.checkpoint is None:
            raise DocreError(f"spaCy component {self.name!r}: no checkpoint: config={{'checkpoint': DIR}}")
        return find_checkpoint(self.checkpoint)

    def __call__(self, doc: Doc) -> Doc:
        """Set `doc._.rel` and `doc._.docre`. Raises DocreError where that fails, which spaCy gives to the error handler
        of the pipeline."""
        self._annotate([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 16) -> Iterator[Doc]:
        """The same for many, in batches. If a batch fails, each of its Docs is tried alone; one that fails goes to the
        error handler of the pipeline."""
        handle = self.get_error_handler()
        for docs in minibatch(stream, size=batch_size):
            try:
                self._annotate(docs)
            except Exception:
                for doc in docs:
                    try:
                        self._annotate([doc])
                    except Exception as error:
                        handle(self.name, self, [doc], error)
                    else:
                        yield doc
            else:
                yield from docs

    def _annotate(self, docs: Sequence[Doc]) -> None:
        marked, found = [], []
        for doc in docs:
            if not doc.text.strip():
                save(doc, Extraction(title_of(doc), doc.text))
            elif doc.has_annotation("ENT_IOB"):
                marked.append(doc)
            elif self.set_ents:
                found.append(doc)
            else:
                raise DocreError(
                    f"spaCy component {self.name!r}: no component before it sets doc.ents: add one, or set_ents=True"
                )
        from docre.inference.extract import extract

        documents = [mark(title_of(doc), doc.text, entities_of(doc)) for doc in marked]
        extractions = extract(self.predictor, documents) if documents else []
        for doc, extraction in zip(marked, extractions, strict=True):
            save(doc, extraction)
        texts = [(title_of(doc), doc.text) for doc in found]
        extractions = extract(self.predictor, texts, self.tagger) if texts else []
        for doc, extraction in zip(found, extractions, strict=True):
            set_ents(doc, extraction)
            save(doc, extraction)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Copy the checkpoint to a folder."""
        source, target = self._folder(), Path(path)
        if source.resolve() == target.resolve():
            return
        check_folder(source)
        files = read_files(source)

        def fill(temporary: Path) -> None:
            write_files(files, temporary)

        write_folder(target, fill)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "DocreComponent":
        """Take the checkpoint in a folder from now on."""
        with lock:
            self.checkpoint, self._predictor = Path(path), None
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The files of the checkpoint."""
        return srsly.msgpack_dumps(read_files(self._folder()))

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "DocreComponent":
        """Take the checkpoint in the bytes of `to_bytes`. Raises DocreError for anything else."""
        unpacked = tempfile.TemporaryDirectory(prefix="docre-")
        try:
            write_files(BYTES.validate_python(srsly.msgpack_loads(data)), Path(unpacked.name))
        except (ValueError, TypeError, OSError) as error:  # of msgpack, pydantic and the file system
            raise DocreError(
                f"spaCy component {self.name!r}: expected the bytes of a checkpoint: {first_line(error)}"
            ) from None
        with lock:
            self._unpacked = unpacked  # it is deleted with this component
            self.checkpoint, self._predictor = Path(unpacked.name), None
        return self


def unpickled(kind: "type[DocreComponent]", state: dict[str, Any], files: bytes | None) -> "DocreComponent":
    """The component that was pickled."""
    component = kind()
    component.__dict__.update(state)
    return component if files is None else component.from_bytes(files)


def read_files(folder: Path) -> dict[str, bytes]:
    """The content of each file in a folder, by its path there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """The reverse of `read_files`. Raises DocreError for a path that leads out of the folder."""
    for name, content in files.items():
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise DocreError(f"{name!r} is not the name of a file of a checkpoint")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def set_ents(doc: Doc, extraction: Extraction) -> None:
    """Set `doc.ents` to the mentions, in whole tokens; of overlapping ones the longest."""
    spans = [
        doc.char_span(mention.start, mention.end, label=entity.type or "ENTITY", alignment_mode="expand")
        for entity in extraction.entities
        for mention in entity.mentions
    ]
    doc.ents = filter_spans([span for span in spans if span is not None])


def save(doc: Doc, extraction: Extraction) -> None:
    """Set `doc._.docre` and `doc._.rel`."""
    doc.user_data[EXTRACTION] = json.dumps(extraction.to_json())
    named = {(ent.start, ent.end) for ent in doc.ents}
    rel: Relations = {}
    for triple in extraction.triples:
        head, tail = extraction.entities[triple.head], extraction.entities[triple.tail]
        pair = first_token(doc, triple.head_mention, head, named), first_token(doc, triple.tail_mention, tail, named)
        scores = rel.setdefault(pair, {})
        label = triple.relation_name or triple.relation
        scores[label] = max(score_of(triple), scores.get(label, 0.0))
    doc._.rel = rel


def first_token(doc: Doc, mention: Span, entity: ExtractedEntity, named: Collection[tuple[int, int]]) -> int:
    """The first token of a mention if it is one of `doc.ents`, the (start, end) of which are `named`, or else of the
    entity's nearest mention that is."""

    def tokens(span: Span) -> tuple[int, int]:
        whole = doc.char_span(span.start, span.end, alignment_mode="expand")
        return whole.start, whole.end

    return min(
        (places for places in map(tokens, entity.mentions) if places in named),
        key=lambda places: abs(doc[places[0]].idx - mention.start),
        default=tokens(mention),
    )[0]


def score_of(triple: ExtractedTriple) -> float:
    """The confidence, or else the logistic function of the margin."""
    if triple.confidence is not None:
        return triple.confidence
    return 1 / (1 + math.exp(-min(max(triple.margin, -700.0), 700.0)))
