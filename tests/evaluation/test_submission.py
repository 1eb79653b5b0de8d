"""Submission files: round trips, equal bytes, and a clear error of one line for anything malformed."""

import gzip
import json
import os
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docre.documents import Prediction
from docre.errors import DocreError
from docre.evaluation import read_submission, submission, write_submission

PREDICTIONS = [
    Prediction('Žofín "quoted"\n', 0, 12, "P17", score=3.5, margin=1.0, evidence=(0, 2)),
    Prediction("B", 3, 1, "P131"),
]
ENTRY = {"title": "B", "h_idx": 3, "t_idx": 1, "r": "P131"}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(2**63), 2**64 - 1)
predictions = st.lists(
    st.builds(
        Prediction,
        title=texts,
        head=integers,
        tail=integers,
        relation=texts,
        evidence=st.lists(integers).map(tuple),
    ),
    max_size=5,
)
fuzz = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def bare(prediction):
    return Prediction(
        prediction.title, prediction.head, prediction.tail, prediction.relation, 0, 0, prediction.evidence
    )


@pytest.mark.parametrize("name", ["result.json", "result.zip", "RESULT.ZIP"])
def test_round_trip(tmp_path, name):
    write_submission(tmp_path / name, PREDICTIONS)
    assert read_submission(tmp_path / name) == [bare(p) for p in PREDICTIONS]
    assert zipfile.is_zipfile(tmp_path / name) == name.lower().endswith(".zip")


@fuzz
@given(predictions=predictions, name=st.sampled_from(["a.json", "a.zip"]))
def test_any_round_trip(tmp_path, predictions, name):
    write_submission(tmp_path / name, predictions)
    assert read_submission(tmp_path / name) == predictions


def test_what_the_leaderboard_takes(tmp_path):
    write_submission(tmp_path / "result.json", PREDICTIONS)
    assert json.loads((tmp_path / "result.json").read_text(encoding="ascii")) == [
        {"title": 'Žofín "quoted"\n', "h_idx": 0, "t_idx": 12, "r": "P17", "evidence": [0, 2]},
        {"title": "B", "h_idx": 3, "t_idx": 1, "r": "P131"},
    ]
    write_submission(tmp_path / "result.zip", PREDICTIONS)
    with zipfile.ZipFile(tmp_path / "result.zip") as archive:
        assert archive.namelist() == ["result.json"]
        assert archive.read("result.json") == (tmp_path / "result.json").read_bytes()


def test_equal_bytes_whenever_written(tmp_path, monkeypatch):
    write_submission(tmp_path / "a.zip", PREDICTIONS)
    monkeypatch.setattr("time.localtime", lambda *args: (2001, 1, 1, 1, 1, 1, 0, 1, 0))
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_submission(tmp_path / "b.zip", iter(PREDICTIONS))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "result.zip"
    write_submission(path, PREDICTIONS)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DocreError, match="No space left"):
        write_submission(path, PREDICTIONS[:1])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.zip"]


def test_golden_submission(shared, tmp_path):
    path = shared / "golden/submission.json"
    read = read_submission(path)
    assert len(read) == 15848
    write_submission(tmp_path / "result.zip", read)
    assert read_submission(tmp_path / "result.zip") == read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "expected a JSON list"),
        ([ENTRY, 3], "entry 1: expected an object {title, h_idx, t_idx, r}, got 3"),
        ([ENTRY | {"title": None}], "entry 0: expected a string in 'title', got None"),
        ([ENTRY, {"title": "a", "h_idx": 1, "r": "x"}], "entry 1: expected an integer in 't_idx', got nothing"),
        ([ENTRY | {"h_idx": "3"}], "entry 0: expected an integer in 'h_idx', got '3'"),
        ([ENTRY | {"h_idx": 1.0}], "entry 0: expected an integer in 'h_idx', got 1.0"),
        ([ENTRY | {"t_idx": 2**64}], "entry 0: expected an integer in 't_idx', got 1.8446744073709552e+19"),
        ([ENTRY | {"t_idx": True}], "entry 0: expected an integer in 't_idx', got True"),
        ([ENTRY | {"r": 17}], "entry 0: expected a string in 'r', got 17"),
        ([ENTRY | {"r": "\ud800"}], "line 1: not valid JSON: no low surrogate in string"),
        ([ENTRY | {"evidence": 1}], "entry 0: expected a list of integers in 'evidence', got 1"),
        ([ENTRY | {"evidence": ["1"]}], "entry 0: expected a list of integers in 'evidence', got ['1']"),
    ],
)
@pytest.mark.parametrize("name", ["result.json", "result.zip"])
def test_malformed(tmp_path, name, content, message):
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("result.json", json.dumps(content))
    else:
        path.write_text(json.dumps(content))
    with pytest.raises(DocreError) as error:
        read_submission(path)
    where = f"{path}: result.json: " if name.endswith(".zip") else f"{path}: "
    assert str(error.value).startswith(where + message)


def test_a_compressed_file_is_named_as_such(tmp_path):
    path = tmp_path / "result.json.gz"
    path.write_bytes(gzip.compress(b"[]"))
    with pytest.raises(DocreError, match=r"result\.json\.gz: compressed: expected a \.json file, or a \.zip file"):
        read_submission(path)


def test_other_keys_and_null_evidence_are_fine(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps([ENTRY | {"evidence": None, "score": 1.5}]))
    assert read_submission(path) == [Prediction("B", 3, 1, "P131")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "title": texts | json_values,
        "h_idx": st.integers() | json_values,
        "t_idx": st.integers() | json_values,
        "r": texts | json_values,
        "evidence": st.lists(integers) | json_values,
    },
)


@fuzz
@given(content=st.lists(entries | st.just(ENTRY), max_size=4) | json_values)
def test_any_json_is_read_or_refused(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    try:
        result = read_submission(path)
    except DocreError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert [(p.title, p.head, p.tail, p.relation) for p in result] == [
            (entry["title"], entry["h_idx"], entry["t_idx"], entry["r"]) for entry in content
        ]


@fuzz
@given(data=st.data(), name=st.sampled_from(["result.json", "result.zip"]))
def test_broken_bytes_are_read_or_refused(tmp_path, data, name):
    path = tmp_path / name
    write_submission(path, PREDICTIONS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        result = read_submission(path)
    except DocreError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert all(isinstance(prediction, Prediction) for prediction in result)


@fuzz
@given(content=st.binary(max_size=40), name=st.sampled_from(["result.json", "result.zip"]))
def test_any_bytes_are_refused(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(b"PK" + content)
    with pytest.raises(DocreError):
        read_submission(path)


@pytest.mark.parametrize("change", [0x01, 0x08, 0x80, 0xFF])
def test_every_single_broken_byte_of_a_zip(tmp_path, change):
    """Broken data, checksums, flags (encryption) and offsets make zipfile and zlib fail in many ways."""
    path = tmp_path / "result.zip"
    write_submission(path, PREDICTIONS)
    content = path.read_bytes()
    refused = 0
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ change]) + content[i + 1 :])
        try:
            read_submission(path)
        except DocreError as error:
            refused += 1
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
    assert refused > len(content) / 2


def test_missing_file_and_missing_member(tmp_path):
    with pytest.raises(DocreError, match="No such file"):
        read_submission(tmp_path / "result.zip")
    with zipfile.ZipFile(tmp_path / "result.zip", "w") as archive:
        archive.writestr("folder/result.json", "[]")
    with pytest.raises(DocreError, match=r"expected result.json in the zip, found 'folder/result.json'"):
        read_submission(tmp_path / "result.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_two_results(tmp_path):
    with zipfile.ZipFile(tmp_path / "result.zip", "w") as archive:
        archive.writestr("result.json", "[]")
        archive.writestr("result.json", "[]")
    with pytest.raises(DocreError, match=r"result\.zip: has two files called result\.json"):
        read_submission(tmp_path / "result.zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "result.zip", "w", compression) as archive:
        archive.writestr("result.json", "[]")
    with pytest.raises(DocreError, match="deflate"):
        read_submission(tmp_path / "result.zip")


def test_zip_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "LARGEST_MEMBER", 2**20)
    path = tmp_path / "result.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.json", " " * 2**20 + "[]")
    assert path.stat().st_size < 5000
    with pytest.raises(DocreError, match="larger than 1 MiB unpacked"):
        read_submission(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.json", " " * (2**20 - 2) + "[]")
    assert read_submission(path) == []
