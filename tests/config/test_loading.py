"""Configs: strict keys, `extends`, overrides, and all YAML files in configs/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.config.entities import EntityConfig
from docre.config.loading import (
    describe_keys,
    load_config,
    merge,
    parse_overrides,
    parse_yaml,
    read_saved_config,
    read_yaml,
    to_yaml,
    validate_as,
)
from docre.config.schema import Config
from docre.data.readers import READERS
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses import LOSSES
from docre.models import MODELS
from tests.conftest import ROOT

SHIPPED = sorted(p for p in (ROOT / "configs").glob("*.yaml") if not p.name.startswith("entities_"))
OF_ENTITIES = sorted((ROOT / "configs").glob("entities_*.yaml"))


@pytest.mark.parametrize("path", OF_ENTITIES, ids=lambda path: path.stem)
def test_shipped_configs_of_entity_models(path):
    config = validate_as(EntityConfig, read_yaml(path), str(path))
    assert config.data.reader in READERS and config.output == f"runs/{path.stem}"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_name_things_that_exist(path, tmp_path):
    config = load_config(path)
    counted = LOSSES[config.loss.name].from_training_data(LabelStatistics(1000, tuple(range(1, 97))))
    LOSSES.check(config.loss.name, counted | config.loss.parameters, skip=1)
    MODELS.check(config.model.name, config.model.parameters, skip=2)
    assert config.data.reader in READERS
    assert config.output == f"runs/{path.stem}"
    (tmp_path / "again.yaml").write_text(to_yaml(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_published_settings():
    """The hyperparameters published for ATLOP (Zhou et al. 2021) and ATGL."""
    atlop = load_config(ROOT / "configs/redocred_bert_atl.yaml")
    assert (atlop.encoder.name, atlop.encoder.averaged_layers, atlop.loss.name) == ("bert-base-cased", 1, "atl")
    assert (atlop.training.batch_size, atlop.training.encoder_lr, atlop.training.head_lr) == (4, 5e-5, 1e-4)
    assert (atlop.training.adam_epsilon, atlop.training.warmup, atlop.training.clip) == (1e-6, 0.06, 1.0)
    assert (atlop.training.epochs, atlop.seed, atlop.data.max_tokens, atlop.evaluation.top_k) == (30, 66, 1024, 4)
    assert atlop.model.parameters == {"head_size": 768, "block_size": 64}
    atgl = load_config(ROOT / "configs/redocred_bert_atgl.yaml")
    assert (atgl.encoder.name, atgl.encoder.averaged_layers) == ("bert-base-uncased", 3)
    assert (atgl.training.encoder_lr, atgl.training.epochs, atgl.loss.parameters) == (4e-5, 20, {"alpha": 16.5})
    roberta = load_config(ROOT / "configs/redocred_roberta_atgl.yaml")
    assert (roberta.encoder.name, roberta.training.encoder_lr) == ("roberta-large", 2e-5)


def test_overrides_change_keys_of_any_depth():
    config = load_config(ROOT / "configs/quickstart.yaml", ["loss.alpha=7", "training.encoder_lr=1e-3", "seed=1"])
    assert (config.loss.parameters["alpha"], config.training.encoder_lr, config.seed) == (7, 1e-3, 1)


def test_another_loss_takes_the_old_ones_parameters_away():
    config = load_config(ROOT / "configs/quickstart.yaml", ["loss.name=atl"])
    assert config.loss.parameters == {}


def test_an_empty_section_takes_the_old_keys_away():
    config = load_config(ROOT / "configs/redocred_bert_docunet.yaml", ["model.name=atlop", "training.group_lr={}"])
    assert config.training.group_lr == {} and config.training.encoder_lr == 3e-5


@pytest.mark.parametrize("output", ["1e-4", "5E+3", "010", "null", "1:30", "a b"])
def test_a_config_is_read_as_it_was_written(output):
    config = load_config(ROOT / "configs/quickstart.yaml", [f"output='{output}'"])
    assert Config.model_validate(parse_yaml(to_yaml(config), "c.yaml")) == config and config.output == output


def test_an_override_needs_a_value():
    for read in (lambda text: load_config("quickstart", [text]), lambda text: parse_overrides([text])):
        with pytest.raises(DocreError, match=r"expected key=value \(for example loss.alpha=6\), got 'data.dev'"):
            read("data.dev")


def test_extends_goes_by_the_files_folder_and_refuses_circles(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: sub/b.yaml\nseed: 3\n")
    (tmp_path / "sub").mkdir()
    base = "output: o\nseed: 1\ndata: {train: t}\nencoder: {name: e}\nloss: {name: atgl, alpha: 2.0}\n"
    (tmp_path / "sub/b.yaml").write_text(base)
    config = load_config(tmp_path / "a.yaml")
    assert (config.seed, config.loss.parameters) == (3, {"alpha": 2.0})
    (tmp_path / "sub/b.yaml").write_text("extends: ../a.yaml\n")
    with pytest.raises(DocreError, match="extends itself"):
        load_config(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("extends: quickstart\n")
    with pytest.raises(DocreError, match=r"a\.yaml: extends: no such file: .*quickstart"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2", "given twice"),
        ("a: [1", "line 1"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: *b", "not valid YAML"),
        ("a: !!bool maybe", "not valid YAML"),
        ("a: !!int '-'", "not valid YAML"),
        ("a: !!float ''", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("seed: 0x" + 9000 * "f", "line 1: not valid YAML: a number of 9,002 characters"),
    ],
)
def test_bad_yaml(text, message):
    with pytest.raises(DocreError, match=message):
        parse_yaml(text, "f.yaml")


@pytest.mark.parametrize("text", ["1" + ":1" * 60_000, "1:" * 300 + "1.5", "1:30"])
def test_no_number_is_to_the_base_of_60(text):
    """PyYAML takes quadratic time for such an integer."""
    assert parse_yaml(f"a: {text}", "f.yaml") == {"a": text}


def test_a_saved_config_extends_nothing(tmp_path):
    config = load_config("configs/quickstart.yaml")
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert read_saved_config(tmp_path) == config
    (tmp_path / "config.yaml").write_text(to_yaml(config) + "extends: config.yaml\n")
    with pytest.raises(DocreError, match=r"config\.yaml: unknown key 'extends'"):
        read_saved_config(tmp_path)


def test_a_recipe_is_no_config(tmp_path):
    (tmp_path / "r.yaml").write_text("output: o\nstages: []")
    with pytest.raises(DocreError, match=r"r\.yaml: this is a recipe, which is run with docre recipe"):
        load_config(tmp_path / "r.yaml")


def test_every_key_is_explained():
    keys = {key: text for key, _, text in describe_keys()}
    assert all(keys.values())
    for key in ("seed", "data.train", "encoder.name", "loss.name", "training.encoder_lr", "evaluation.top_k"):
        assert key in keys


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xyz"), st.integers())))
def test_merge_with_itself_or_nothing_changes_nothing(values):
    assert merge(values, values) == values == merge(values, {}) == merge({}, values)


@given(st.text(max_size=40))
def test_any_override_is_an_error_of_one_line_or_a_value(text):
    try:
        parse_overrides([f"training.epochs={text}"])
    except DocreError as error:
        assert "\n" not in str(error)


@given(st.text(max_size=80))
def test_any_yaml_is_an_error_of_one_line_or_a_value(text):
    try:
        parse_yaml(text, "f.yaml")
    except DocreError as error:
        assert "\n" not in str(error)


def test_config_defaults_are_valid():
    values = {"output": "o", "data": {"train": "t"}, "encoder": {"name": "e"}, "loss": {"name": "atl"}}
    config = Config.model_validate(values)
    assert Config.model_validate(config.model_dump()) == config
