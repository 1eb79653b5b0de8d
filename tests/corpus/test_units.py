"""Units: all records of all files, in order, the same ones however often the files are cut."""

import json
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docre.core.listing import expand
from docre.corpus import units as module
from docre.corpus.units import Unit, grouped, units
from docre.data.readers import READERS
from docre.data.readers.records import MAX_RECORD, lines
from docre.errors import DocreError


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(st.text("ab ", max_size=5), max_size=9), min_size=1, max_size=4),
    documents=st.integers(1, 5),
    limit=st.integers(1, 60),
    group_limit=st.integers(1, 200),
)
def test_nothing_is_lost_and_nothing_twice(files, documents, limit, group_limit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    for i, texts in enumerate(files):
        (folder / f"{i}.jsonl").write_text("".join(json.dumps({"title": text}) + "\n" for text in texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "UNIT_BYTES", limit)
        patch.setattr(module, "GROUP_BYTES", group_limit)
        groups = grouped(expand(str(folder), (".jsonl",)))
        made = [unit for i, group in enumerate(groups) for unit in units(i, group, READERS["docred"], documents)]
        again = [unit for i, group in enumerate(groups) for unit in units(i, group, READERS["docred"], documents)]
    assert made == again == [Unit.from_bytes(unit.to_bytes()) for unit in made]
    found = [json.loads(record.text)["title"] for unit in made for record in unit.records]
    assert found == [text for texts in files for text in texts]
    assert [unit.name for unit in made] == sorted({unit.name for unit in made})
    assert all(0 < len(unit.records) <= documents for unit in made)
    assert sum(unit.size for unit in made) <= sum(path.stat().st_size for path in folder.iterdir())


def test_columns_of_bytes_are_text(tmp_path):
    """As Spark, Hive and Impala write strings."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = pyarrow.array(["Zoë met Bob.".encode(), b"\xff", b"c"], pyarrow.binary())
    table = pyarrow.table({"text": texts, "day": pyarrow.array([date(2026, 1, 2)] * 3)})
    parquet.write_table(table, tmp_path / "t.parquet")
    first, second, third = module.rows(expand(str(tmp_path / "t.parquet"), (".parquet",))[0])
    assert (
        json.loads(first.text) == {"text": "Zoë met Bob.", "day": "2026-01-02"}
        and json.loads(third.text)["text"] == "c"
    )
    with pytest.raises(DocreError, match=r"t\.parquet: row 1: 'utf-8' codec can't decode"):
        _ = second.text


def test_a_line_that_never_ends(tmp_path):
    """It costs no more memory than the longest document that is allowed."""
    import gzip

    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb", compresslevel=9) as file:
        for _ in range(5 * MAX_RECORD // (1 << 20) // 4):
            file.write(b" " * (1 << 20) + b"x" * (1 << 18))
    assert (tmp_path / "bomb.jsonl.gz").stat().st_size < 2_000_000
    (record,) = lines(tmp_path / "bomb.jsonl.gz")
    assert record.content == ""
    with pytest.raises(DocreError, match="line 1: more than 64 MiB"):
        record.parse_json()
