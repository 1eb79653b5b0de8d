"""The page of `docre serve` in headless Chromium: a text is typed, sent, and shown with what was found in it."""

import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")
import uvicorn
from fastapi.responses import HTMLResponse

from docre.errors import DocreError
from docre.serve.app import Limits, make_app
from docre.serve.server import bind
from tests.chromium import needs_chromium, probed
from tests.test_extraction import GOOD

# added to the page that is served: type a text, press Extract, and tell what the page shows then
SCRIPT = """<script>
const input = document.getElementById("input"), errors = [];
window.onerror = (message) => errors.push(message);
input.value = %s;
document.querySelector("#ask button[type=submit]").click();
const waiting = setInterval(() => {
  const progress = document.getElementById("progress");
  if (progress.textContent === "…") return;
  clearInterval(waiting);
  const texts = (selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent);
  const made = document.createElement("pre"); made.id = "probe";
  made.textContent = JSON.stringify({ errors, progress: progress.textContent,
    shown: !document.querySelector("main").hidden,
    text: document.getElementById("text").textContent, triples: texts("#triples button"), nodes: texts(".node").length,
    saving: !document.getElementById("saving").hidden, formats: texts("#format option"),
    disabled: document.querySelector("#ask button").disabled });
  document.body.append(made);
}, 20);
</script></body>"""


def answer(texts):
    if texts[0][1] != GOOD.text:
        raise DocreError("only one text is known")
    return [GOOD]


@contextmanager
def served(script: str):
    """The address of the page, with a script at its end."""
    app = make_app(answer, Limits())
    page = next(route.endpoint for route in app.routes if route.path == "/")

    @app.get("/probe")
    def probe() -> HTMLResponse:
        return HTMLResponse(page().body.decode().replace("</body>", script))

    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/probe"
    finally:
        server.should_exit = True
        thread.join(60)
        bound.close()


@needs_chromium
def test_a_text_is_shown_with_its_triples(tmp_path):
    with served(SCRIPT % f'"{GOOD.text}"') as url:
        found = probed(url, tmp_path)
    assert found["errors"] == [] and found["progress"] == "" and not found["disabled"]
    assert found["shown"] and found["saving"] and found["text"] == GOOD.text
    (triple,) = found["triples"]
    assert "Ada" in triple and "place of birth" in triple and "London" in triple
    assert found["nodes"] == 2 and {"ttl", "jsonl", "graphml"} <= set(found["formats"])


# added to the page: extract one text, type another one, press Save, and tell what was asked for then
SAVE = """<script>
const input = document.getElementById("input"), asked = [], send = window.fetch;
HTMLAnchorElement.prototype.click = () => {}; // for a download Chromium would wait
window.fetch = (where, request) => { asked.push(JSON.parse(request.body)); return send(where, request); };
input.value = "Ada was born in London.";
document.querySelector("#ask button[type=submit]").click();
const waiting = setInterval(() => {
  if (document.getElementById("progress").textContent === "…") return;
  if (asked.length === 1) {
    input.value = "another text";
    document.getElementById("save").click();
    return;
  }
  clearInterval(waiting);
  const made = document.createElement("pre"); made.id = "probe";
  made.textContent = JSON.stringify({ asked, progress: document.getElementById("progress").textContent });
  document.body.append(made);
}, 20);
</script></body>"""


@needs_chromium
def test_what_is_shown_is_saved_whatever_was_typed_since(tmp_path):
    with served(SAVE) as url:
        found = probed(url, tmp_path)
    assert [each["text"] for each in found["asked"]] == [GOOD.text, GOOD.text] and found["progress"] == ""


@needs_chromium
def test_an_error_is_shown_in_place(tmp_path):
    with served(SCRIPT % '"another text"') as url:
        found = probed(url, tmp_path)
    assert found["progress"] == "text: only one text is known"
    assert found["errors"] == [] and not found["shown"] and not found["saving"] and not found["disabled"]
