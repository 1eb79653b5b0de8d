"""Configs that come with docre are found by name, from any folder."""

import pytest

from docre.config.entities import EntityConfig
from docre.config.loading import load_config, read_yaml, validate_as
from docre.config.shipped import find_config, names
from docre.errors import DocreError
from docre.training.recipe import read_recipe
from tests.conftest import ROOT


def test_every_shipped_config_is_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in ROOT.glob("configs/**/*.yaml")}
    assert set(names()) == files
    for name in files:
        for spelled in (name, f"{name}.yaml", f"configs/{name}.yaml"):
            assert find_config(spelled).read_bytes() == (ROOT / "configs" / f"{name}.yaml").read_bytes()
        if name.startswith("recipes/"):
            assert read_recipe(name).stages
        elif name.startswith("entities_"):
            assert validate_as(EntityConfig, read_yaml(find_config(name)), name)
        else:
            assert load_config(name) == load_config(ROOT / "configs" / f"{name}.yaml")


def test_a_file_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.yaml").write_text(f"extends: {ROOT}/configs/quickstart.yaml\nseed: 1\n")
    (tmp_path / "quickstart").mkdir()
    assert load_config("quickstart.yaml").seed == 1 and load_config("quickstart").seed == 66


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quikstart", "quikstart: there is no such config (did you mean quickstart"),
        ("mien.yaml", "mien.yaml: there is no such config (did you mean mine.yaml?)"),
        ("redocred_atgl.yaml", "did you mean redocred_bert_atgl"),
        ("---", "those that come with docre are cdr_bert_atgl, "),
    ],
)
def test_the_error_for_an_unknown_name_suggests_others(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(DocreError) as error:
        load_config(name)
    assert message in str(error.value)
