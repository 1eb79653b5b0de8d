"""docre import-checkpoint --weights FILE --config FILE --output DIR: turn published weights into a checkpoint."""

import argparse
from pathlib import Path

from docre.config.loading import load_config
from docre.core.manifests import check_output_folder
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Turn the weights of published code into a checkpoint of docre, which predicts the same."""
    parser = argparse.ArgumentParser(
        prog="docre import-checkpoint",
        description="Turn the state dict that the published code of ATLOP, ATGL, DocuNet, KD-DocRE, DREEAM or TTM-RE "
        "saved into a checkpoint of docre. No code in the file is run.",
    )
    parser.add_argument("--weights", required=True, metavar="FILE", help="the file of weights (torch or safetensors)")
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="a config with the encoder, the model and the loss that they belong to, and in data.relations the "
        "published rel2id.json, which has the order of the relations",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="the checkpoint to write")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a key of the config")
    options = parser.parse_args(arguments)
    config = load_config(options.config, options.overrides)
    if config.data.relations is None:
        raise DocreError(f"{options.config}: data.relations is needed: the order of the outputs is not in the weights")
    check_output_folder(Path(options.output))

    from docre.data.schema import load_schema
    from docre.inference import checkpoint
    from docre.inference.predictor import Predictor
    from docre.inference.published import load_published, read_state_dict
    from docre.models import load_pretrained, load_tokenizer

    tensors = read_state_dict(options.weights)
    name = config.encoder.name
    predictor = Predictor(config, load_schema(config.data.relations), load_tokenizer(name), load_pretrained(name))
    unused = load_published(predictor, tensors, options.weights)
    checkpoint.save(predictor, options.output)
    numbers = sum(tensor.numel() for tensor in tensors.values()) / 1e6
    print(f"{options.output}: {config.model.name} with {numbers:.1f}M numbers from {options.weights}")
    if unused:
        print(f"left out, without effect on the logits: {', '.join(unused)}")
