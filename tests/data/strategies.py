"""Hypothesis strategies: random documents, and random damage to JSON values."""

import json

from hypothesis import strategies as st

from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError

WORDS = st.sampled_from(["Ada", "was", "born", "in", "London", ".", "東京", "naïve", "it's", '"', "\\", "x" * 20, "😀"])
TEXT = st.text('ab é東😀\n"\\', max_size=5)  # an alphabet of its own: hypothesis takes seconds to list all of Unicode
RELATION_NAMES = st.sampled_from(["P17", "P27", "born in"])


@st.composite
def documents(draw):
    """Any valid document, including those without sentences or entities, and entities without mentions."""
    sentences = draw(st.lists(st.lists(WORDS, max_size=6), max_size=4))
    places = [
        (s, i, j) for s, words in enumerate(sentences) for i in range(len(words)) for j in range(i + 1, len(words) + 1)
    ]
    mention = st.sampled_from(places or [None]).map(
        lambda p: Mention(" ".join(sentences[p[0]][p[1] : p[2]]), *p, "PER")
    )
    mentions = st.lists(mention, max_size=3) if places else st.just([])
    entities = [Entity(tuple(m)) for m in draw(st.lists(mentions, max_size=4))]
    triples = pairs = None
    index = st.integers(0, len(entities) - 1)
    if draw(st.booleans()):
        evidence = st.lists(st.integers(0, len(sentences) - 1), max_size=2).map(tuple) if sentences else st.just(())
        triples = (
            draw(st.lists(st.builds(Triple, index, index, RELATION_NAMES, evidence), max_size=5)) if entities else []
        )
    if draw(st.booleans()):
        pairs = draw(st.lists(st.tuples(index, index), max_size=5)) if entities else []
    return Document(draw(TEXT), sentences, entities, triples, pairs)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.just(10**30)
    | st.floats()
    | TEXT
    | st.sampled_from(["\ud800", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw, value):
    """A copy of a JSON value in which one element, at any depth, is replaced, removed or added."""
    value = json.loads(json.dumps(value))
    holder = {"root": value}
    place, key = holder, "root"
    while isinstance(place[key], (list, dict)) and place[key] and draw(st.integers(0, 5)):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    action = draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "remove" and place is not holder:
        del place[key]
    elif action == "add" and isinstance(place[key], list):
        place[key].append(draw(JSON))
    else:
        place[key] = draw(JSON)
    return holder["root"]


def documents_or_one_line(read, path):
    """The documents in a file, or None if the reader raises DocreError; checks that its message is one line that names
    the file."""
    try:
        return read(path)
    except DocreError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
        return None
