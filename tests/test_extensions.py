"""Mistakes in losses, models, terms, readers, taggers and exporters of one's own: one line that says whose and what."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
import torch
from pydantic import Field

from docre.config.loading import import_plugins
from docre.config.schema import WeightedTerm
from docre.core.registry import Registry
from docre.data.readers import READERS, iterate, read
from docre.data.readers.base import RecordReader
from docre.data.readers.records import lines
from docre.data.stored import StoredDocuments
from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError
from docre.graph.base import EXPORTERS, writes
from docre.inference.extract import tagged
from docre.losses import LOSSES, ThresholdClassLoss, ZeroThresholdLoss
from docre.models import MODELS, Encoder
from docre.models.atlop import ATLOP
from docre.tensors import ModelOutput
from docre.terms import TERMS
from docre.terms.base import Term
from docre.text import TAGGERS
from docre.text.base import Tagger
from docre.training.objective import Objective
from tests.conftest import ROOT
from tests.models.test_fast_equals_reference import BATCHES, RELATIONS, batch_of
from tests.tiny import tiny_bert


def test_a_plugin_is_found_in_the_current_folder(tmp_path):
    """By the command as it is installed, whose own folder is another."""
    (tmp_path / "my_losses.py").write_text(
        "from docre.losses import LOSSES\nfrom docre.losses.atl import ATL\n\n\n"
        '@LOSSES.register("mine")\nclass Mine(ATL):\n    """Mine."""\n'
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from docre.__main__ import main; main(sys.argv[1:])"
    done = subprocess.run(
        [
            sys.executable,
            "-P" if sys.version_info >= (3, 11) else "-s",
            "-c",
            program,
            "losses",
            "--plugins",
            "my_losses",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "mine: Mine." in done.stdout, done.stderr


def test_a_plugin_with_a_syntax_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("broken_plugin.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(DocreError, match=r"c\.yaml: plugins: .*broken_plugin\.py, line 2: invalid syntax"):
        import_plugins(["broken_plugin"], "c.yaml: plugins")


class Own(ThresholdClassLoss):
    returns: ClassVar = None

    def pair_losses(self, scores, threshold, labels):
        return type(self).returns(scores)


class OwnWithoutThreshold(ZeroThresholdLoss):
    returns: ClassVar = None

    def pair_losses(self, logits, labels):
        return type(self).returns(logits)


@pytest.mark.parametrize("kind", [Own, OwnWithoutThreshold])
@pytest.mark.parametrize(
    ("returns", "got"),
    [
        (lambda s: s, r"\[4, \d\]"),
        (lambda s: s.sum(), r"\[\]"),
        (lambda s: s.sum(1)[:2], r"\[2\]"),
        (lambda s: None, "None"),
        (lambda s: 0.5, "0.5"),
    ],
)
def test_pair_losses_of_other_shapes(kind, returns, got):
    kind.returns = staticmethod(returns)
    loss = kind(3)
    output = ModelOutput(torch.randn(4, loss.num_outputs, requires_grad=True))
    with pytest.raises(
        DocreError, match=rf"{kind.__name__}\.pair_losses returned {got}, expected \[4\]: one loss for each"
    ):
        loss(output, torch.zeros(4, 3))


@pytest.mark.parametrize("returned", [torch.ones(4), 1.0, None, torch.tensor(3)])
def test_losses_that_are_no_scalar(returned):
    class Odd(Own):
        def compute(self, output, labels):
            return returned

    with pytest.raises(DocreError, match=r"Odd\.compute returned .*, expected a scalar tensor"):
        Odd(3)(ModelOutput(torch.randn(4, 4)), torch.zeros(4, 3))


def objective(model_class=ATLOP, terms=()) -> Objective:
    loss = LOSSES.build("atl", {}, RELATIONS)
    model = model_class(Encoder(tiny_bert(), 1), loss.num_outputs, head_size=16, block_size=8)
    return Objective(model, loss, terms)


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (lambda output: output.logits, "Odd.forward returned Tensor, expected a docre.tensors.ModelOutput"),
        (lambda output: ModelOutput(output.logits[1:]), r"Odd.forward: logits have shape \[\d+, \d+\], expected"),
        (lambda output: ModelOutput(output.logits[:, 1:]), r"Odd.forward: logits have shape \[\d+, \d+\], expected"),
    ],
)
def test_outputs_of_models(returns, message):
    class Odd(ATLOP):
        def forward(self, *arguments):
            return returns(super().forward(*arguments))

    with pytest.raises(DocreError, match=message):
        objective(Odd)(batch_of(*BATCHES["one document"]))


@pytest.mark.parametrize("returned", [torch.ones(3), torch.ones(1), 0.5, None])
def test_terms_that_are_no_scalar(returned):
    class Odd(Term):
        """Odd."""

        def forward(self, output, batch):
            return returned

    TERMS.register("odd")(Odd)
    try:
        made = objective(terms=[WeightedTerm(name="odd", weight=1.0)])
        with pytest.raises(DocreError, match=r"term 'odd': .*Odd\.forward returned .*, expected a scalar tensor"):
            made(batch_of(*BATCHES["one document"]))
    finally:
        TERMS.unregister("odd")


@pytest.mark.parametrize(
    ("registry", "kind"), [(LOSSES, "loss"), (MODELS, "model"), (TERMS, "term"), (TAGGERS, "tagger")]
)
def test_what_is_not_of_the_base_is_not_registered(registry, kind):
    class Plain(torch.nn.Module):
        pass

    for entry in (Plain, lambda: None):
        with pytest.raises(DocreError, match=rf"{kind} 'plain': .* is no docre\.\w+"):
            registry.register("plain")(entry)
    assert "plain" not in registry


def test_exporters():
    with pytest.raises(DocreError, match=r"exporter 'plain': .*<lambda> is no docre\.graph\.base\.Exporter"):
        EXPORTERS.register("plain")(lambda extractions, path: None)
    with pytest.raises(DocreError, match=r"expected suffixes such as '\.ttl', in lower case, got '\.FOO'"):
        writes(".FOO")(lambda extractions, path: None)


def test_parameters_as_python_writes_them():
    """Without annotations, with a tuple, with annotations as text, and of a type that no config has."""
    registry: Registry = Registry("thing", "docre.losses")
    registry._loaded = True

    @registry.register("plain")
    def plain(weight=1.0):
        return weight

    @registry.register("tuple")
    def with_tuple(rates: tuple[float, ...] | None = None):
        return rates

    @registry.register("text")
    def as_text(weight: "Annotated[float, Field(gt=0)]" = 1.0):
        return weight

    @registry.register("tensor")
    def with_tensor(weights: torch.Tensor):
        return weights

    assert registry.build("plain", {"weight": 2}) == 2
    assert registry.build("tuple", {"rates": [0.5, 1.0]}) == (0.5, 1.0) and registry.build("tuple", {}) is None
    with pytest.raises(DocreError, match=r"thing 'text', parameter 'weight': Input should be greater than 0"):
        registry.build("text", {"weight": -1.0})
    with pytest.raises(DocreError, match=r"thing 'tensor': its parameters have types that a config cannot give"):
        registry.build("tensor", {"weights": 1})


def test_a_registry_whose_import_failed_tries_again(monkeypatch):
    registry: Registry = Registry("thing", "no.such.package")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            "x" in registry  # noqa: B015


GOOD = Document("t", [["a", "b"]], [])


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (None, "reader 'odd' returned NoneType, expected a list of documents"),
        ([{"title": "t"}], "reader 'odd' made dict, expected a docre.Document"),
        ([GOOD, Document(3, [["a"]], [])], "reader 'odd': the title 3 is no text"),
        ([Document("t", ["a b"], [])], "reader 'odd': document 't': a sentence is a text, expected a list of words"),
    ],
)
def test_what_readers_return(returns, message, tmp_path):
    READERS.register("odd")(lambda path: returns)
    (tmp_path / "f").write_text("")
    try:
        for use in (read, lambda *arguments: list(iterate(*arguments))):
            with pytest.raises(DocreError, match=message):
                use(tmp_path / "f", "odd")
    finally:
        READERS.unregister("odd")


def test_what_readers_of_records_return(tmp_path):
    READERS.register("odd")(RecordReader(lines, lambda record: {"title": "t"}))
    (tmp_path / "f").write_text("x\n")
    try:
        with pytest.raises(DocreError, match="reader 'odd' made dict, expected a"):
            StoredDocuments(tmp_path / "f", "odd")
    finally:
        READERS.unregister("odd")


def test_a_reader_may_be_a_generator(tmp_path):
    READERS.register("odd")(lambda path: iter([GOOD]))
    try:
        assert read(tmp_path, "odd") == [GOOD]
    finally:
        READERS.unregister("odd")


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (lambda text, title: None, "it returned no docre.Document with a source"),
        (lambda text, title: GOOD, "it returned no docre.Document with a source"),
        (lambda text, title: mark(title, text.lower(), []), "the document that it returned has another text"),
        (
            lambda text, title: mark(title, text, [MarkedEntity("X", [(0.0, 3.0)])]),
            "expected whole numbers of characters",
        ),
        (lambda text, title: mark(title, text, [MarkedEntity("X", [(0, 99)])]), "not inside the text"),
        (lambda text, title: mark(title, text, [MarkedEntity("X", [(0, 3)], 1.7)]), "expected a score from 0 to 1"),
        (lambda text, title: mark(title, text, [MarkedEntity("X", [(0, 3)], float("nan"))]), "expected a score"),
        (lambda text, title: mark(title, text, [MarkedEntity("X", [(0, 3)], None, [])]), "0 scores for 1 mentions"),
    ],
)
def test_what_taggers_return(returns, message):
    class Odd(Tagger):
        def __call__(self, text, title):
            return returns(text, title)

    with pytest.raises(DocreError, match=f"^tagger Odd: the title: .*{message}"):
        tagged("Ada Lovelace", "the title", Odd())


def test_the_title_of_a_text_stays():
    class Odd(Tagger):
        def __call__(self, text, title):
            return mark("another", text, [])

    assert tagged("Ada Lovelace", "the title", Odd()).title == "the title"
