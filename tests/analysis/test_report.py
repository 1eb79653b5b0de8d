"""docre report: one self-contained file, whose viewer is tried in headless Chromium."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import docre
from docre.analysis.page import _pack, page
from docre.analysis.plots import available
from docre.commands import analyze, report
from docre.core.manifests import MANIFEST, write_manifest
from docre.data.readers.docred import write_docred
from docre.documents import Triple
from docre.errors import DocreError, DocreWarning
from docre.inference.probe import margin_table
from tests.chromium import needs_chromium, probed

pytestmark = pytest.mark.skipif(not available(), reason="needs matplotlib: pip install 'docre[plots]'")


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    report.main([*map(str, runs), "--documents", "5", "--output", str(file)])
    return file


LONG = "redocred500_minilm_adaptive_thresholding_seed_66_epochs_30_encoder_lr_1e-4_evaluated_on_the_test_set"


@pytest.fixture(scope="module")
def named(runs, tmp_path_factory) -> Path:
    """A report with long names, one of which matplotlib would leave out of the legend and read as mathematics."""
    file = tmp_path_factory.mktemp("report") / "named.html"
    report.main([f"{LONG}={runs[0]}", f"_alpha=4, $x & $y={runs[1]}", "--documents", "5", "--output", str(file)])
    return file


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def test_nothing_is_loaded_from_elsewhere(written):
    text = written.read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:,")[^"]*"', re.sub(r"xlink:href", "x", text))
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)
    assert text.count("<svg ") == 5 and "{{" not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_scores_are_those_of_the_runs(written, runs):
    text = written.read_text()
    found = re.search(r"<td>F1</td><td>([\d.]+)</td><td>([\d.]+)</td>", text)
    for run, shown in zip(runs, found.groups(), strict=True):
        assert f"{100 * json.loads((run / 'metrics.json').read_text())['test']['f1']:.2f}" == shown


def test_models_are_compared_over_seeds(runs, tmp_path):
    """A copy of a run stands in for a second seed: runs whose configs differ only in the seed are of one model."""
    again = tmp_path / "again"
    shutil.copytree(runs[0], again)
    for path in (again / "config.yaml", again / "best" / "config.yaml"):
        path.write_text(path.read_text().replace("seed: 66", "seed: 67"))
    (again / "best" / MANIFEST).unlink()
    write_manifest(again / "best")
    report.main([*map(str, runs), f"again={again}", "--output", str(tmp_path / "r.html"), "--documents", "1"])
    text = (tmp_path / "r.html").read_text()
    f1 = [100 * json.loads((run / "metrics.json").read_text())["test"]["f1"] for run in runs]
    assert f"<td>2</td><td>{f1[0]:.2f} ± 0.00</td>" in text and f"<td>1</td><td>{f1[1]:.2f}</td>" in text
    assert "Models over seeds" in text and "difference: F1 minus that of" in text


def test_labels(named, runs, tmp_path, monkeypatch):
    text = named.read_text()
    assert data_of(text)["runs"] == [LONG, "_alpha=4, $x & $y"]
    assert f"<title>docre: {LONG}, _alpha=4, $x &amp; $y</title>" in text
    assert text.count(LONG[:70]) > 8 and len(re.findall(r"_alpha=4, \$x &amp; \$y", text.split("<svg", 1)[1])) == 5
    monkeypatch.chdir(tmp_path)
    for path in ("a", "lr=1", "b=2/c"):
        Path(path).mkdir(parents=True)
    assert report.labeled(["a", "lr=1"]) == {"a": Path("a"), "lr=1": Path("lr=1")}
    assert report.labeled(["x=a", "x=y=lr=1", "b=2/c"]) == {
        "x": Path("a"),
        "x=y": Path("lr=1"),
        "b=2/c": Path("b=2/c"),
    }
    assert report.labeled(["missing=", "x=" + 300 * "n"]) == {
        "missing=": Path("missing="),
        "x=" + 300 * "n": Path("x=" + 300 * "n"),
    }
    with pytest.raises(DocreError, match="two runs are called 'x'"):
        report.labeled(["x=a", "x=lr=1"])


def test_a_model_that_predicts_nothing_is_named(named, runs, corpus, capsys, tmp_path):
    """Of the two runs, the second predicts nothing."""
    assert [len(json.loads((run / "result.json").read_text())) > 0 for run in runs] == [True, False]
    said = "predicts nothing for these documents, which is why its scores are 0"
    assert (
        named.read_text().count("predicts nothing") == 1 and f"<p>_alpha=4, $x &amp; $y {said}</p>" in named.read_text()
    )
    common = ["--data", str(corpus / "test.json"), "--against", str(runs[0]), "--output", str(tmp_path)]
    analyze.main(["--checkpoint", str(runs[1]), *common])
    assert re.findall("note: .*", capsys.readouterr().out) == [f"note: {runs[1]} {said}"]


def test_viewer_has_what_the_models_say(written, runs, corpus):
    data = data_of(written.read_text())
    documents = docre.read(corpus / "test.json")[:5]
    assert data["runs"] == ["atgl", "atl"] and [d["title"] for d in data["documents"]] == [d.title for d in documents]
    for r, run in enumerate(runs):
        table = margin_table(docre.load(run, device="cpu"), documents)
        for p in range(len(table.head)):
            d = table.document[p]
            doc = data["documents"][d]
            place = doc["pairs"].index([table.head[p], table.tail[p]])
            entries = {e[0]: e[1:] for e in doc["runs"][r]["pairs"][place]}
            assert set(entries) >= set(np.nonzero(table.labels[p] | table.predicted[p])[0])
            assert int(table.margins[p].argmax()) in entries
            for relation, (margin, predicted, gold) in entries.items():
                assert margin == pytest.approx(table.margins[p, relation], abs=1e-3)
                assert (predicted, gold) == (table.predicted[p, relation], table.labels[p, relation])


def test_labels_of_relations_that_the_model_does_not_know(runs, corpus, tmp_path):
    document = docre.read(corpus / "test.json")[0]
    other = replace(document, triples=[*document.triples, Triple(0, 1, "P9999")])
    write_docred(tmp_path / "other.json", [other])
    output = tmp_path / "report.html"
    with pytest.warns(DocreWarning, match="P9999"):
        report.main([str(runs[0]), "--data", str(tmp_path / "other.json"), "--output", str(output)])
    (shown,) = data_of(output.read_text())["documents"]
    assert len(shown["gold"]) == len({(t.head, t.tail, t.relation) for t in document.triples})


def test_attention_is_scaled_by_row():
    import base64

    packed = np.frombuffer(base64.b64decode(_pack(np.array([[0.1, 0.2, 0], [0, 0, 0]]))), dtype=np.uint8)
    assert packed.tolist() == [128, 255, 0, 0, 0, 0]


def test_documents_cannot_break_the_page():
    evil = {"title": "</script><script>alert(1)</script><!--", "x": "{{data}} \u2028"}
    text = page("<b>", ["&"], {"<i>": (["<u>"], [("<s>", ["<q>"])])}, {}, evil)
    assert data_of(text) == evil and "alert(1)</script>" not in text
    for tag in ("<b>", "<i>", "<u>", "<s>", "<q>"):
        assert tag not in text.split("<style>")[0].split("<title>")[1] and f"<h1>{tag}" not in text


def test_bad_input(runs, tmp_path):
    for arguments, message in (
        ([str(runs[0]), str(runs[0])], "given twice"),
        ([str(runs[0]), "--documents", "0"], "--documents: expected at least 1"),
        ([str(tmp_path)], "not a checkpoint"),
    ):
        with pytest.raises(DocreError, match=message):
            report.main([*arguments, "--output", str(tmp_path / "r.html")])
    assert not (tmp_path / "r.html").exists()


# What a person would do, done in the page itself; what it finds is left in a <pre id="probe">.
DRIVER = """
<script>
const probe = {errors: window.found_errors};
const set = (id, value) => { const e = element(id); e.value = value; e.dispatchEvent(new Event("change")); };
const list = () => [...element("triples").querySelectorAll("button")].map((row) => row.triple);
probe.all = list().length;
probe.kinds = [...element("kind").options].map((o) => o.value);
probe.of = {};
for (const kind of probe.kinds) {
  set("kind", kind);
  probe.of[kind] = list().map((t) => t.kinds.includes(kind) || !kind);
}
set("kind", "");
set("run", "1"); probe.second = list().length; set("run", "0");
const relation = list()[0].relation;
set("relation", String(relation)); probe.relation = [relation, list().map((t) => t.relation)]; set("relation", "");
set("document", "2"); probe.document = list().map((t) => t.document); probe.title = element("title").textContent;
set("document", "");
element("triples").querySelectorAll("button")[1].click();
const t = list()[1];
probe.picked = [t.document, t.pair, t.relation, element("head").value, element("tail").value];
probe.selected = element("triples").querySelectorAll('[aria-selected="true"]').length;
probe.highlighted = ["head", "tail"].map((role) => document.querySelectorAll("#text .entity." + role).length);
const shaded = () => [...document.querySelectorAll("#text .word")].filter((w) => w.style.backgroundColor).length;
probe.shaded = shaded();
element("attend").click(); probe.unshaded = shaded(); element("attend").click();
probe.margins = [...document.querySelectorAll("#margins tr")].map((row) => row.cells[0].textContent);
document.querySelector("#text .entity:not(.head):not(.tail)").click();
probe.clicked = element("pair").textContent;
probe.wide = document.documentElement.scrollWidth <= window.innerWidth;
const made = document.createElement("pre"); made.id = "probe"; made.textContent = JSON.stringify(probe);
document.body.append(made);
</script>
"""
CATCH = """<script>
window.found_errors = [];
window.addEventListener("error", (e) => window.found_errors.push(String(e.message)));
for (const kind of ["error", "warn"]) console[kind] = (...text) => window.found_errors.push(text.join(" "));
</script>"""


@needs_chromium
def test_viewer_in_chromium(written, tmp_path):
    text = written.read_text()
    driven = tmp_path / "driven.html"
    driven.write_text(text.replace("<head>", "<head>" + CATCH, 1).replace("</body>", DRIVER + "</body>", 1))
    probe = probed(driven.as_uri(), tmp_path / "c")
    assert probe["errors"] == []
    data = data_of(text)
    triples = [
        (d, p, e)
        for d, doc in enumerate(data["documents"])
        for p, entries in enumerate(doc["runs"][0]["pairs"])
        for e in entries
        if e[2] or e[3]
    ]
    expected = {"TP": 0, "FP": 0, "FP@NA": 0, "FN": 0, "FN_NA": 0, "FN_Rel": 0}
    for d, p, (_, _, predicted, gold) in triples:
        entries = data["documents"][d]["runs"][0]["pairs"][p]
        if predicted and gold:
            expected["TP"] += 1
        elif predicted:
            expected["FP"] += 1
            expected["FP@NA"] += not any(e[3] for e in entries)
        else:
            expected["FN"] += 1
            expected["FN_Rel" if any(e[2] for e in entries) else "FN_NA"] += 1
    assert probe["all"] == min(400, len(triples))
    for kind, count in expected.items():
        assert len(probe["of"][kind]) == count and all(probe["of"][kind])
    assert any("against atl" in kind for kind in probe["kinds"]) and probe["second"] != 0
    relation, found = probe["relation"]
    assert found and set(found) == {relation}
    assert set(probe["document"]) == {2} and probe["title"] == data["documents"][2]["title"]
    d, p, relation, head, tail = probe["picked"]
    assert [int(head), int(tail)] == data["documents"][d]["pairs"][p] and probe["selected"] == 1
    assert min(probe["highlighted"]) >= 1 and probe["shaded"] > 0 and probe["unshaded"] == 0
    assert any(data["relations"][relation][1] in text and "▸" in text for text in probe["margins"])
    assert "→" in probe["clicked"] and probe["wide"]


# The report on a telephone: in a frame, as a window of Chromium is no narrower than 500 pixels.
PHONE = """<!doctype html><iframe src="{address}" style="width: 390px; height: 844px; border: 0"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const root = frame.contentDocument.documentElement;
  // a <select> shows the beginning of a long option; some versions of Chromium count the rest as scrolled out of sight
  const cut = [...root.querySelectorAll("h1, h3, p, button, figcaption, select")].filter((e) =>
    e.offsetParent && ((e.tagName !== "SELECT" && e.scrollWidth > e.clientWidth + 1)
      || e.getBoundingClientRect().right > 390));
  const made = document.createElement("pre"); made.id = "probe";
  made.textContent = JSON.stringify({{inner: frame.contentWindow.innerWidth, width: root.scrollWidth,
    cut: cut.map((e) => e.outerHTML), tables: root.querySelectorAll(".scroll table").length}});
  document.body.append(made);
}};
</script>"""


@needs_chromium
def test_a_telephone_does_not_scroll_sideways(named, tmp_path):
    outer = tmp_path / "phone.html"
    outer.write_text(PHONE.format(address=named.as_uri()))
    probe = probed(outer.as_uri(), tmp_path / "c")
    assert probe == {"inner": 390, "width": 390, "cut": [], "tables": 4}
