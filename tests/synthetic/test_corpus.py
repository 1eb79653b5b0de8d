"""The committed corpus is what the generator writes, and has the properties that data/README.md describes."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import pytest

from docre.commands.synthetic import main
from docre.data.schema import load_schema
from docre.errors import DocreError
from docre.synthetic.generate import Counts, to_lines
from docre.synthetic.generate import corpus as generate
from docre.synthetic.knobs import Knobs
from tests.conftest import ROOT
from tests.synthetic.conftest import SPLITS

FILES = ("train.json", "dev.json", "test.json", "rel_info.json")
FUNCTIONAL = ("P17", "P19", "P20", "P22", "P25", "P26", "P36", "P50", "P57", "P159", "P569", "P570", "P571", "P577")


def names(entity):
    return {mention.name for mention in entity.mentions}


def sentences(entity):
    return {mention.sentence for mention in entity.mentions}


def facts(document):
    """For each label, its facts by the names of the entities."""
    for t in document.triples:
        head, tail = document.entities[t.head], document.entities[t.tail]
        yield {(h, t.relation, u) for h in names(head) for u in names(tail)}


def test_the_command_writes_the_committed_files(tmp_path):
    main(["--output", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (ROOT / "data" / "synthetic" / name).read_bytes(), name
    assert sum((tmp_path / name).stat().st_size for name in FILES) < 2.5e6


def test_another_process_with_another_hash_seed_writes_the_same_without_torch(tmp_path):
    code = (
        "import sys; from docre.commands.synthetic import main; main(sys.argv[1:]); "
        "sys.exit(any(name in sys.modules for name in ('torch',  'docre.models', 'docre.losses')))"
    )
    options = ["--output", str(tmp_path), "--seed", "5", "--train", "12", "--dev", "4", "--test", "6"]
    environment = {**os.environ, "PYTHONHASHSEED": "1234"}
    subprocess.run([sys.executable, "-c", code, *options], check=True, cwd=ROOT, env=environment)
    for split, documents in generate(5, Counts(12, 4, 6), Knobs()).items():
        assert (tmp_path / f"{split}.json").read_text(encoding="utf-8") == to_lines(documents)


def test_seeds_and_counts(corpus):
    few = generate(66, Counts(20, 1, 1), Knobs())
    assert to_lines(few["train"]) == to_lines(corpus["train"][:20])
    assert to_lines(generate(67, Counts(20, 1, 1), Knobs())["train"]) != to_lines(few["train"])


@pytest.mark.parametrize("option", ["--train", "--dev", "--test"])
def test_an_empty_split_is_refused(tmp_path, option):
    with pytest.raises(DocreError, match=f"{option}: expected at least 1 document, got 0"):
        main(["--output", str(tmp_path / "new"), option, "0"])
    assert not (tmp_path / "new").exists()


def test_relations_are_those_of_docred(shared):
    schema = load_schema(ROOT / "data" / "synthetic" / "rel_info.json")
    docred = json.loads((shared / "data" / "meta" / "rel_info.json").read_text())
    assert {r: schema.name(r) for r in schema.relations} == {r: docred[r] for r in schema.relations}


def test_every_relation_is_used(corpus):
    schema = load_schema(ROOT / "data" / "synthetic" / "rel_info.json")
    assert len(schema.relations) >= 12
    for split, least in (("train", 30), ("test", 5)):
        count = Counter(t.relation for d in corpus[split] for t in d.triples)
        assert set(count) == set(schema.relations)
        assert min(count.values()) >= least, (split, count)


def test_sizes(corpus, documents):
    assert {split: len(corpus[split]) for split in SPLITS} == asdict(Counts())
    for document in documents:
        assert 3 <= len(document.sentences) <= 10
        assert 5 <= len(document.entities) <= 18
        assert sum(map(len, document.sentences)) <= 130


def test_entities(documents):
    types = {mention.type for d in documents for entity in d.entities for mention in entity.mentions}
    assert types == {"PER", "LOC", "ORG", "MISC", "TIME", "NUM"}
    for document in documents:
        owner = {}
        for e, entity in enumerate(document.entities):
            assert len({mention.type for mention in entity.mentions}) == 1
            for mention in entity.mentions:
                tokens = document.sentences[mention.sentence][mention.start : mention.end]
                assert " ".join(tokens) == mention.name
                for i in range(mention.start, mention.end):
                    assert owner.setdefault((mention.sentence, i), e) == e  # mentions do not overlap
        assert len(owner) == sum(m.end - m.start for entity in document.entities for m in entity.mentions)
        by_name = [name for entity in document.entities for name in names(entity)]
        assert len(by_name) == len(set(by_name)), "a name for two entities"


def test_entities_have_several_names(corpus):
    for split in SPLITS:
        again = [e for d in corpus[split] for e in d.entities if len(e.mentions) > 1 and e.type in ("PER", "ORG")]
        assert sum(len(names(entity)) > 1 for entity in again) > 0.5 * len(again)
        other = {name for entity in again for name in names(entity) - {entity.name}}
        assert any(name.isupper() and " " not in name for name in other)  # NGW
        assert any(name[1:3] == ". " for name in other)  # A. Keller
        surnames = {entity.name.split()[-1] for entity in again if entity.type == "PER"}
        assert surnames & other


def test_most_pairs_have_no_relation_and_some_have_several(corpus):
    for split in SPLITS:
        per_pair = Counter((d.title, t.head, t.tail) for d in corpus[split] for t in d.triples)
        assert len(per_pair) < 0.1 * sum(len(d.candidate_pairs) for d in corpus[split])
        assert sum(count > 1 for count in per_pair.values()) > 0.04 * len(per_pair)
        labels = {(d.title, t.head, t.tail) for d in corpus[split] for t in d.triples}
        together = {
            (d.title, h, t)
            for d in corpus[split]
            for h, t in d.candidate_pairs
            if sentences(d.entities[h]) & sentences(d.entities[t])
        }
        assert len(together - labels) > 2 * len(together & labels)  # most that merely co-occur have none


def test_facts_that_only_two_sentences_state(corpus):
    for split in SPLITS:
        triples = [(d, t) for d in corpus[split] for t in d.triples]
        two = [(d, t) for d, t in triples if len(t.evidence) == 2]
        assert all(1 <= len(t.evidence) <= 2 for _, t in triples)
        assert 0.08 < len(two) / len(triples) < 0.3
        apart = [t for d, t in two if not sentences(d.entities[t.head]) & sentences(d.entities[t.tail])]
        assert len(apart) > 0.6 * len(two)
        for d, t in two:  # an entity of the pair, or the one that bridges them, is in both sentences or referred to
            first, second = t.evidence
            shared = {e for e, entity in enumerate(d.entities) if {first, second} <= sentences(entity)}
            assert shared or second == first + 1, (d.title, t)


def test_inverse_relations(documents):
    for d in documents:
        labels = {(t.head, t.relation, t.tail): t.evidence for t in d.triples}
        for (h, r, t), evidence in labels.items():
            for inverses in (("P36", "P1376"), ("P131", "P150"), ("P355", "P749"), ("P26",) * 2, ("P3373",) * 2):
                if r in inverses:
                    assert labels[t, inverses[r == inverses[0]], h] == evidence
            if r in ("P22", "P25"):
                assert labels[t, "P40", h] == evidence
            if r == "P40":
                assert evidence in [labels.get((t, parent, h)) for parent in ("P22", "P25")]


def test_no_document_contradicts_itself(documents):
    for d in documents:
        tails = Counter((t.head, t.relation) for t in d.triples if t.relation in FUNCTIONAL)
        assert not [key for key, count in tails.items() if count > 1], d.title
        assert all(t.head != t.tail for t in d.triples)
        family = {(t.head, t.tail): t.relation for t in d.triples if t.relation in ("P26", "P3373", "P40")}
        assert len(family) == sum(t.relation in ("P26", "P3373", "P40") for t in d.triples)


def test_splits_share_facts_but_no_document(corpus, documents):
    texts = [" ".join(" ".join(sentence) for sentence in d.sentences) for d in documents]
    assert len(set(texts)) == len(texts)
    assert len({d.title for d in documents}) == len(documents)
    known = {fact for d in corpus["train"] for fact_names in facts(d) for fact in fact_names}
    trained = [{" ".join(sentence) for sentence in d.sentences} for d in corpus["train"]]
    for split in ("dev", "test"):
        shared = [bool(fact_names & known) for d in corpus[split] for fact_names in facts(d)]
        assert 0.05 < sum(shared) / len(shared) < 0.4
        for d in corpus[split]:
            own = {" ".join(sentence) for sentence in d.sentences}
            assert max(len(own & other) for other in trained) <= 1
