"""Targets on disk: what is written is read, whatever the shards; what does not fit is refused."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.core.manifests import check_folder
from docre.data import targets
from docre.data.features import Featurizer
from docre.data.schema import LabelSchema
from docre.data.targets import TargetedFeatures, TargetStore, TargetWriter
from docre.errors import DocreError
from docre.models import load_tokenizer
from tests.conftest import ROOT
from tests.tiny import RELATIONS, random_documents

ORIGIN = {"checkpoint": "c" * 64, "data": "d" * 64, "max_tokens": 1024, "targets": ["attention", "logits"]}


def arrays(seed: int, pairs: int = 3, contexts: int = 2, tokens: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    attention = rng.random((contexts, tokens)).astype(np.float16)
    return {"logits": rng.normal(size=(pairs, 4)).astype(np.float32), "attention": attention}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        np.array_equal(a[name], b[name]) and a[name].dtype == b[name].dtype and a[name].shape == b[name].shape
        for name in a
    )


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(targets, "SHARD_BYTES", 200)


@given(sizes=st.lists(st.integers(0, 4), max_size=12), group=st.integers(1, 4), killed=st.integers(0, 12))
def test_what_is_written_is_read(tmp_path_factory, sizes, group, killed):
    """In any groups, with a writer that disappears after some of them and another that goes on."""
    folder = tmp_path_factory.mktemp("targets")
    documents = [(f"doc {i} é\n", arrays(i, pairs, pairs // 2, i)) for i, pairs in enumerate(sizes)]

    def write(writer: TargetWriter, stop: int) -> None:
        assert writer.done % group == 0 or writer.done == len(documents)
        for start in range(writer.done, min(stop, len(documents)), group):
            writer.write(documents[start : start + group])

    write(TargetWriter(folder, ORIGIN), killed)
    writer = TargetWriter(folder, ORIGIN)
    write(writer, len(documents))
    with pytest.raises(DocreError, match="not complete"):
        TargetStore(folder)
    writer.finish()
    check_folder(folder)
    store = pickle.loads(pickle.dumps(TargetStore(folder)))
    for title, expected in documents:
        assert same(store.read(title, ["logits", "attention"]), expected)
    assert store.origin == ORIGIN


def test_the_shards_are_the_same_whoever_wrote_them(tmp_path):
    documents = [(f"doc {i}", arrays(i)) for i in range(20)]
    whole = TargetWriter(tmp_path / "whole", ORIGIN)
    for document in documents:
        whole.write([document])
    whole.finish()
    for number in (0, 7, 8, 15):  # each writer stops without finishing
        writer = TargetWriter(tmp_path / "parts", ORIGIN)
        for document in documents[writer.done : number]:
            writer.write([document])
    complete = len(list((tmp_path / "parts").glob("shard-*.json")))
    (tmp_path / "parts" / f"shard-{complete:05}.safetensors").write_bytes(b"torn")  # its titles were not yet written
    writer = TargetWriter(tmp_path / "parts", ORIGIN)
    for document in documents[writer.done :]:
        writer.write([document])
    writer.finish()
    assert check_folder(tmp_path / "parts") == check_folder(tmp_path / "whole")
    assert len(list((tmp_path / "whole").glob("*.safetensors"))) > 3


def test_threads_share_a_store(tmp_path):
    documents = [(f"doc {i}", arrays(i)) for i in range(30)]
    writer = TargetWriter(tmp_path / "t", ORIGIN)
    writer.write(documents)
    writer.finish()
    store = TargetStore(tmp_path / "t")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda document: store.read(document[0], ["logits"]), documents * 5)
        for got, (_, expected) in zip(found, documents * 5, strict=True):
            assert same(got, {"logits": expected["logits"]})


def test_a_title_is_written_once(tmp_path):
    writer = TargetWriter(tmp_path / "t", ORIGIN)
    writer.write([("a", arrays(0))])
    with pytest.raises(DocreError, match=rf"^{tmp_path / 't'}: two documents have the title 'a'"):
        writer.write([("b", arrays(1)), ("a", arrays(2))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": "e" * 64}, "checkpoint was cccccccccccccccc, now it is eeeeeeeeeeeeeeee"),
        ({"max_tokens": 512}, "max_tokens was 1024, now it is 512"),
        ({"targets": ["logits"]}, "targets was .*, now it is"),
    ],
)
def test_other_targets_are_not_overwritten(tmp_path, change, message):
    TargetWriter(tmp_path / "t", ORIGIN).write([("a", arrays(0, pairs=99))])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DocreError, match=rf"^{tmp_path / 't'} holds other targets: {message}"):
        TargetWriter(tmp_path / "t", ORIGIN | change)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(DocreError, match="expected a new folder, an empty one, or one that holds targets"):
        TargetWriter(tmp_path, ORIGIN)
    (tmp_path / "mine.txt").rename(tmp_path / "file")
    with pytest.raises(DocreError, match="cannot write"):
        TargetWriter(tmp_path / "file", ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture(scope="module")
def features(tiny_encoder):
    return Featurizer(load_tokenizer(str(tiny_encoder)), LabelSchema(RELATIONS))(random_documents(3))


def fitting(document) -> dict[str, np.ndarray]:
    return arrays(1, len(document.pairs), len(document.contexts), len(document.input_ids))


def store_of(folder, documents) -> TargetStore:
    writer = TargetWriter(folder, ORIGIN)
    writer.write(documents)
    writer.finish()
    return TargetStore(folder)


def test_features_with_their_targets(tmp_path, features):
    store = store_of(tmp_path / "t", [(f.title, fitting(f)) for f in features])
    store.check(["logits"], {"data": "d" * 64, "max_tokens": 1024})
    for found, f in zip(TargetedFeatures(features, store, ["attention", "logits"]), features, strict=True):
        assert same(found.targets, fitting(f)) and found.title == f.title
    assert list(TargetedFeatures(features, store, ["logits"])[0].targets) == ["logits"]


def test_targets_that_do_not_fit(tmp_path, features):
    first, second, third = (fitting(f) for f in features)
    documents = [
        (features[0].title, first | {"logits": first["logits"][1:]}),
        (features[1].title, second | {"attention": second["attention"][:-1]}),
        (features[2].title, third | {"attention": third["attention"][:, 1:]}),
    ]
    store = store_of(tmp_path / "t", documents)
    for f, name, message in (
        (features[0], "logits", "logits has 19 rows, but the document has 20 pairs"),
        (features[1], "attention", "attention has 9 rows, but the document has 10 contexts"),
        (features[2], "attention", f"attention has {len(features[2].input_ids) - 1} columns, but the document has"),
    ):
        with pytest.raises(DocreError, match=rf"^{tmp_path / 't'}: document '{f.title}': {message}"):
            store.attach(f, [name])
    with pytest.raises(DocreError, match=rf"^{tmp_path / 't'}: no targets for document 'x'"):
        store.read("x", ["logits"])
    with pytest.raises(DocreError, match=r"shard-00000.safetensors: document 'doc 0': cannot be read: .*other"):
        store.read("doc 0", ["other"])
    with pytest.raises(DocreError, match=r"has no 'other', but attention, logits"):
        store.check(["other"], {})
    with pytest.raises(DocreError, match=r"does not fit this run: data was dddddddddddddddd, now it is x"):
        store.check(["logits"], {"data": "x"})


@pytest.mark.parametrize(
    ("name", "content"), [("targets.json", "[]"), ("shard-00000.json", '{"titles": [1]}'), ("shard-00000.json", "[]")]
)
def test_damaged_folders(tmp_path, features, name, content):
    store_of(tmp_path / "t", [(f.title, fitting(f)) for f in features])
    (tmp_path / "t" / name).write_text(content)
    with pytest.raises(DocreError, match=rf"^{tmp_path / 't' / name}: torn or changed"):
        TargetStore(tmp_path / "t")


def test_a_torn_shard(tmp_path, features):
    store = store_of(tmp_path / "t", [(f.title, fitting(f)) for f in features])
    path = tmp_path / "t" / "shard-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DocreError, match=r"shard-00000.safetensors: torn or changed: \d+ bytes"):
        store.read("doc 0", ["logits"])
    assert json.loads((tmp_path / "t" / "manifest.json").read_text()).keys() > {"targets.json", path.name}
    with pytest.raises(DocreError, match="no targets in it"):
        TargetStore(tmp_path)


def test_a_changed_shard(tmp_path, features):
    """One bit of one number, which no reader of the format can notice."""
    path = tmp_path / "t" / "shard-00000.safetensors"
    store = store_of(tmp_path / "t", [(f.title, fitting(f)) for f in features])
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x80
    path.write_bytes(content)
    with pytest.raises(DocreError, match=r"shard-00000\.safetensors: changed: its SHA-256"):
        store.read(features[0].title, ["logits"])


PEAK = """
import sys
import numpy as np
from docre.data import targets
targets.SHARD_BYTES = 1 << 22
writer = targets.TargetWriter(sys.argv[1], {"targets": ["logits"]})
for i in range(int(sys.argv[2])):
    writer.write([(str(i), {"logits": np.full((256, 1024), i, dtype=np.float32)})])
writer.finish()
store = targets.TargetStore(sys.argv[1])
for i in range(writer.done):
    assert store.read(str(i), ["logits"])["logits"][0, 0] == i
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_does_not_depend_on_the_number_of_documents(tmp_path):
    """Written and read: 12 MB of targets in shards of 4 MB, and 200 MB."""
    peaks = []
    for count in (12, 200):
        command = [sys.executable, "-c", PEAK, str(tmp_path / str(count)), str(count)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0]
