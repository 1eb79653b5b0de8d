"""The review page, in headless Chromium."""

import json

from docre.audit import Suggestion, Suggestions, read_suggestions
from docre.audit.review import review_page
from docre.documents import Document, Entity, Mention
from tests.chromium import needs_chromium, probed

EVIL = Document(
    "</script><b>title",
    [["Ada", "<i>was</i>", "born", "in", "London", "."], ["She", "wrote", "to", "Babbage", "."]],
    [
        Entity((Mention("Ada", 0, 0, 1, "PER"), Mention("She", 1, 0, 1, "PER"))),
        Entity((Mention("London", 0, 4, 5, "LOC"),)),
        Entity((Mention("Babbage", 1, 3, 4, ""),)),
    ],
)
NAMES = ("Ada", "London", "Babbage")


def suggestion(
    kind: str, head: int, tail: int, relation: str, probability: float, evidence, agreement: float | None = 0.5
) -> Suggestion:
    names = NAMES[head], NAMES[tail], {"P19": "place of birth"}.get(relation, "")
    return Suggestion(kind, 0, EVIL.title, head, tail, relation, probability, agreement, evidence, *names)


LISTED = [
    suggestion("missing", 0, 1, "P19", 0.9, (0,)),
    suggestion("missing", 0, 2, "P22", 0.8, (1,)),
    suggestion("wrong", 2, 1, "P19", 0.7, (0, 1)),
    suggestion("wrong", 1, 0, "P22", 0.1, (0,), agreement=None),
]
SUGGESTIONS = Suggestions("train.json", "ab" * 32, "docred", LISTED)

PROBE = """<!doctype html><iframe src="review.html" style="width: 390px; height: 844px; border: 0"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = async () => {
  const page = frame.contentDocument, view = frame.contentWindow, found = { errors: [] };
  view.onerror = (message) => found.errors.push(message);
  const text = (id) => page.getElementById(id).textContent;
  const key = (name) => page.body.dispatchEvent(new view.KeyboardEvent("keydown", { key: name, bubbles: true }));
  const choose = (id, value) => {
    page.getElementById(id).value = value;
    page.getElementById(id).dispatchEvent(new view.Event("change"));
  };
  const of = (selector) => [...page.querySelectorAll(selector)].map((e) => e.textContent);
  try {
    found.first = { question: text("question"), about: text("about"), document: text("document"),
      head: of("#text .head"), tail: of("#text .tail"), evidence: of("#text .evidence"),
      listed: of("#list button").length };
    key("a");
    found.afterAccept = text("question");
    key("R"); key("u");
    found.progress = text("progress");
    key("k"); key("r"); key("k"); key("j"); key("ArrowDown");
    found.last = text("question");
    found.alone = text("about");
    key("u"); key("u"); // taken back
    choose("kind", "missing");
    found.missing = of("#list button").length;
    choose("state", "undecided");
    found.none = { listed: of("#list button").length, hidden: page.getElementById("one").hidden };
    key("a"); // nothing is shown, so nothing happens
    choose("kind", ""); choose("state", ""); choose("relation", "P19");
    found.relation = of("#list button").length;
    let blob = null, name = null;
    view.URL.createObjectURL = (made) => { blob = made; return "#saved"; };
    view.HTMLAnchorElement.prototype.click = function () { name = this.download; };
    page.getElementById("save").click();
    found.name = name;
    found.saved = JSON.parse(await blob.text());
    found.wide = page.documentElement.scrollWidth;
  } catch (error) { found.errors.push(String(error)); }
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = JSON.stringify(found);
  document.body.replaceChildren(pre);
};
</script>"""


@needs_chromium
def test_review(tmp_path):
    (tmp_path / "review.html").write_text(review_page(SUGGESTIONS, [EVIL], 500), encoding="utf-8")
    (tmp_path / "probe.html").write_text(PROBE)
    found = probed((tmp_path / "probe.html").as_uri(), tmp_path / "profile")
    assert found["errors"] == []
    first = found["first"]
    assert first["question"] == "Ada (PER) → place of birth → London (LOC)"
    assert first["about"] == "Is this label missing? Probability 90%; 50% of the models predict it."
    assert first["document"] == EVIL.title and first["head"] == ["Ada", "She"] and first["tail"] == ["London"]
    assert first["evidence"] == ["Ada <i>was</i> born in London . "] and first["listed"] == 4
    assert found["afterAccept"] == "Ada (PER) → P22 → Babbage"
    assert found["progress"] == "3 of 4 decided: 1 accepted, 1 rejected, 1 unsure"
    assert found["last"] == "London (LOC) → P22 → Ada (PER)"
    assert found["alone"] == "Is this label wrong? Probability 10%."  # by one model, which agrees with itself
    assert found["missing"] == 2 and found["none"] == {"listed": 0, "hidden": True} and found["relation"] == 2
    assert found["name"] == "decisions.json" and found["wide"] <= 390
    (tmp_path / "decisions.json").write_text(json.dumps(found["saved"]))
    decided = read_suggestions(tmp_path / "decisions.json")
    assert [s.decision for s in decided.suggestions] == ["accept", "reject", "reject", None]
    assert [s.agreement for s in decided.suggestions] == [0.5, 0.5, 0.5, None]
    assert decided.digest == SUGGESTIONS.digest


def test_the_page_is_one_file_without_a_network():
    text = review_page(SUGGESTIONS, [EVIL], 1)
    assert text.count("</script>") == 2 and "<i>was" not in text and "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")
    assert '"probability":0.9' in text and '"probability":0.7' in text  # the first of each kind
    assert '"probability":0.8' not in text and '"probability":0.1' not in text
