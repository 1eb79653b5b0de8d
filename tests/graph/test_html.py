"""The HTML view: one self-contained file, tried in headless Chromium with 1,000 words and 60 entities."""

import re
from pathlib import Path

import pytest

from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.graph import export
from tests.chromium import dump, needs_chromium, probed
from tests.graph.test_contract import EVIL
from tests.test_extraction import GOOD


def long_extraction() -> Extraction:
    """60 entities of four types, each in one of 60 sentences of 17 words, and a triple from each to one of the next."""
    text, mentions, sentences = "", [], []
    for i in range(60):
        start = len(text)
        text += "😀 it is said in many an old book of those years that "
        mentions.append(Span(len(text), len(text) + len(f"Entity_{i} Surname"), 0.9))
        text += f"Entity_{i} Surname was there."
        sentences.append(Span(start, len(text)))
        text += " " if i % 5 else "\n"
    types = ("PER", "LOC", "ORG", "TIME")
    entities = tuple(ExtractedEntity(text[m.start : m.end], types[i % 4], (m,), 0.9) for i, m in enumerate(mentions))
    triples = tuple(
        ExtractedTriple(
            i, j, f"P{i + 1}", f"relation {i}", mentions[i], mentions[j], (sentences[i], sentences[j]), 1, 0.5
        )
        for i in range(58)
        for j in [(i * 7 + 1) % 60]
        if i != j
    )
    return Extraction("Sixty entities", text, entities, triples)


LONG = long_extraction()


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    export([LONG, EVIL], tmp_path / "f.html")
    text = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:,")[^"]*"', text)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "default-src 'none'" in text and text.count("</script>") == 2
    assert len(LONG.text.split()) > 1000 and len(LONG.entities) == 60


PROBE = """<!doctype html><iframe src="f.html" style="width: %dpx; height: 844px; border: 0"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow, found = { errors: [] };
  const all = (selector) => [...page.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((e) => e.textContent);
  const key = (name, on) => on.dispatchEvent(new view.KeyboardEvent("keydown", { key: name, bubbles: true }));
  view.onerror = (message) => found.errors.push(message);
  try {
    found.text = page.getElementById("text").textContent;
    const rows = all("#triples button");
    found.rows = rows.length; found.nodes = all(".node").length; found.edges = all(".edge").length;
    found.visible = all(".node text").filter((e) => view.getComputedStyle(e).visibility === "visible").length;
    found.outside = all(".node circle").filter((e) => { const box = e.getBoundingClientRect(),
      svg = page.querySelector("#graph svg").getBoundingClientRect();
      return box.left < svg.left || box.right > svg.right || box.top < svg.top || box.bottom > svg.bottom; }).length;
    found.close = 0;
    const at = all(".node circle").map((c) => [Number(c.getAttribute("cx")), Number(c.getAttribute("cy"))]);
    at.forEach(([x, y], i) => at.slice(0, i).forEach(([u, v]) => { found.close += Math.hypot(x - u, y - v) < 6; }));
    found.lines = all(".edge path:not(.near)").map((e) => e.getAttribute("d"));
    found.labels = all("text.relation").map((e) => [Number(e.getAttribute("x")), Number(e.getAttribute("y"))]);
    found.at_first = texts(".evidence");
    rows[3].dispatchEvent(new view.PointerEvent("pointerenter"));
    found.pointed = [texts(".evidence").join(""), texts("#text .on"), all(".edge.on").length, all(".node.on").length];
    rows[3].dispatchEvent(new view.PointerEvent("pointerleave"));
    found.left = texts(".evidence").length;
    rows[0].focus(); key("ArrowDown", rows[0]);
    found.focused = [rows.indexOf(page.activeElement), texts(".evidence").join(""), texts("#status")];
    page.activeElement.click(); rows[1].blur();
    found.pinned = [rows[1].getAttribute("aria-pressed"), texts(".evidence").join(""),
      view.getComputedStyle(rows[1].querySelector("q")).display];
    key("Escape", page.body);
    found.released = [rows[1].getAttribute("aria-pressed"), texts(".evidence").length];
    const node = all(".node")[5] || all(".node")[0]; node.focus(); key("Enter", node);
    found.entity = [page.activeElement === node, texts("#text .on"), node.getAttribute("aria-label")];
    key("Escape", page.body);
    found.stops = all("[tabindex='0']").length;
    found.inner = view.innerWidth; found.width = page.documentElement.scrollWidth;
    page.querySelector("details").open = true;
    found.cut = all("h1, p, button, select, summary").filter((e) => e.offsetParent
      && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > view.innerWidth)).length;
    const select = page.getElementById("document");
    const measure = view.SVGGraphicsElement.prototype.getBBox, set = view.Element.prototype.setAttribute;
    let moved = false; found.measured = [0, 0]; // boxes: in all, and after the first name was moved
    view.SVGGraphicsElement.prototype.getBBox = function () {
      found.measured[0] += 1; found.measured[1] += moved; return measure.call(this); };
    view.Element.prototype.setAttribute = function (name, value) {
      moved = moved || (name === "y" && this.isConnected); set.call(this, name, value); };
    select.dispatchEvent(new view.Event("change"));
    found.moved = moved;
    select.value = "1"; select.dispatchEvent(new view.Event("change"));
    found.other = [page.getElementById("text").textContent, texts("#triples p"), page.documentElement.scrollWidth];
  } catch (error) { found.errors.push(String(error.stack)); }
  const made = document.createElement("pre"); made.id = "probe"; made.textContent = JSON.stringify(found);
  document.body.append(made);
};
</script>"""


def probe(folder: Path, width: int) -> dict:
    (folder / "outer.html").write_text(PROBE % width)
    return probed((folder / "outer.html").as_uri(), folder / "c")


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_the_viewer_with_60_entities(width, tmp_path):
    export([LONG, Extraction("none", "No one."), EVIL], tmp_path / "f.html")
    found = probe(tmp_path, width)
    assert found["errors"] == []
    assert found["text"] == LONG.text
    assert found["rows"] == found["edges"] == len(LONG.triples)
    assert found["nodes"] == len({e for t in LONG.triples for e in (t.head, t.tail)}) > 50
    assert found["visible"] >= 10 and found["outside"] == found["close"] == 0
    assert found["measured"] == [2 * found["nodes"], 0] and found["moved"]  # each time costs a layout of the page

    def evidence(t: int) -> str:
        return "".join(LONG.part(span) for span in sorted(LONG.triples[t].evidence, key=lambda span: span.start))

    def ends(t: int) -> list[str]:
        return [LONG.entities[e].name for e in sorted((LONG.triples[t].head, LONG.triples[t].tail))]

    assert found["at_first"] == [] and found["pointed"] == [evidence(3), ends(3), 1, 2] and found["left"] == 0
    assert found["focused"][:2] == [1, evidence(1)] and "relation 1" in found["focused"][2][0]
    assert found["pinned"] == ["true", evidence(1), "block"] and found["released"] == ["false", 0]
    focused, marked, label = found["entity"]
    assert focused and len(marked) == 1 and label.startswith(marked[0]) and "triples" in label
    assert found["stops"] == 4  # of the Tab key: text, triples, graph, entities
    assert found["inner"] == found["width"] == found["other"][2] == width and found["cut"] == 0
    assert found["other"][:2] == ["No one.", ["Nothing was found."]]


@needs_chromium
def test_no_triple_is_drawn_upon_another(tmp_path):
    """Whatever the directions of those between the same two entities."""
    ends = [
        (0, 1),
        (0, 1),
        (1, 0),
        (1, 0),
        (2, 3),
        (3, 2),
        (2, 3),
        (3, 2),
        (5, 4),
        (4, 5),
        (5, 5),
        (5, 5),
        (6, 5),
        (6, 5),
    ]
    text = "A B C D E F G"
    mentions = [Span(2 * i, 2 * i + 1) for i in range(7)]
    triples = tuple(ExtractedTriple(h, t, "P1", "one", mentions[h], mentions[t]) for h, t in ends)
    entities = tuple(ExtractedEntity(text[m.start], "X", (m,)) for m in mentions)
    export([Extraction("t", text, entities, triples), EVIL], tmp_path / "f.html")
    found = probe(tmp_path, 1280)
    assert found["errors"] == [] and found["edges"] == len(ends)
    controls = [re.findall(r"-?[0-9.]+", d)[2:4] for d in found["lines"]]  # where each is bent to
    assert len({tuple(round(float(c)) for c in control) for control in controls}) == len(ends)
    assert len({tuple(round(c) for c in label) for label in found["labels"]}) == len(ends)
    assert all(y > 10 for _, y in found["labels"])


@needs_chromium
def test_odd_texts_are_shown_as_they_are(tmp_path):
    export([EVIL, GOOD], tmp_path / "f.html")
    found = probe(tmp_path, 390)
    assert found["text"].replace("\r", "") == EVIL.text.replace("\r", "")
    assert found["errors"] == [] and found["inner"] == found["width"]


@needs_chromium
def test_light_and_dark(tmp_path):
    """Each has its own background and ink, far enough from each other to read."""
    export([GOOD], tmp_path / "f.html")
    ask = (
        '<pre id="probe"></pre><script>const style = getComputedStyle(document.body);'
        'document.getElementById("probe").textContent ='
        "JSON.stringify([style.backgroundColor, style.color].map((c) => c.match(/[0-9]+/g).map(Number)));</script>"
    )
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    (tmp_path / "f.html").write_text(page.replace("</body>", f"{ask}</body>"), encoding="utf-8")
    light, dark = (probed((tmp_path / "f.html").as_uri(), tmp_path / scheme, scheme) for scheme in ("light", "dark"))
    assert all(paper - ink > 150 for paper, ink in zip(*light, strict=True))
    assert all(ink - paper > 150 for paper, ink in zip(*dark, strict=True))


@needs_chromium
def test_no_documents(tmp_path):
    export([], tmp_path / "f.html")
    page = dump((tmp_path / "f.html").as_uri(), tmp_path / "c")
    assert "There are no documents." in page.split("<script", 1)[0]
