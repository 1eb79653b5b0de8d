"""Write tests/fixtures/atlop: a tiny ATLOP with random weights, and its logits as the slow reference computes them in
float64.

    python -m tests.models.make_golden

The files have the format of ../shared/golden/atlop, which was made by an implementation independent of this project.
"""

import json
import random

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from docre.data.collate import Collator, WindowPlan
from tests.conftest import ROOT
from tests.models.reference import ReferenceATLOP
from tests.models.test_golden import WAYS, document
from tests.tiny import sharpen

FOLDER = ROOT / "tests" / "fixtures" / "atlop"
SIZES = dict(vocab_size=40, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32)
SPECIAL = dict(max_position_embeddings=32, cls_token_id=1, sep_token_id=2, pad_token_id=0)
HEAD_SIZE, BLOCK_SIZE, CLASSES = 16, 4, 6
LENGTHS = {"short": [20, 11], "one_window_edge": [32, 33], "long_two_windows": [60, 15], "truncated_mentions": [24]}


def random_document(rng: random.Random, length: int, cut: bool) -> tuple[list, list, list]:
    """Token ids; the mentions of each entity as [start, end), not counting [CLS]; and all pairs. With `cut`, some
    mentions lie beyond the document's end, among them all mentions of the last entity."""
    ids = [1, *(rng.randrange(3, 40) for _ in range(length - 2)), 2]
    entities = []
    for _ in range(4):
        starts = rng.sample(range(length - 3), rng.choice([1, 2, 3]))
        entities.append([[start, start + 1] for start in sorted(starts)])
    if cut:
        entities[1].append([length + 5, length + 6])
        entities[3] = [[length + 1, length + 2]]
    return ids, entities, [[h, t] for h in range(4) for t in range(4) if h != t]


def main() -> None:
    rng = random.Random(0)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    config = BertConfig(**SIZES, **SPECIAL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    backbone = sharpen(BertModel(config, add_pooling_layer=False))
    backbone.set_attn_implementation("eager")
    reference = ReferenceATLOP(backbone, CLASSES, HEAD_SIZE, BLOCK_SIZE).eval()
    weights = {name: value.float().contiguous() for name, value in reference.state_dict().items()}
    reference.load_state_dict(weights)  # so that the weights are exact in float32
    batches = {}
    for name, lengths in LENGTHS.items():
        parts = [random_document(rng, length, name == "truncated_mentions") for length in lengths]
        batch = Collator(WindowPlan(32, (1,), (2,)), CLASSES - 1)([document(*part) for part in parts])
        expected = {}
        for way, layers in WAYS.items():
            reference.averaged_layers = layers
            with torch.no_grad():
                logits = reference(batch)
            expected[way] = {"logits": [[round(x, 7) for x in row] for row in logits.tolist()]}
        keys = ("input_ids", "entity_pos", "pairs")
        batches[name] = {key: list(column) for key, column in zip(keys, zip(*parts, strict=True), strict=True)}
        batches[name]["expected"] = expected
    FOLDER.mkdir(exist_ok=True)
    save_file({name.replace("backbone.", "model.", 1): x for name, x in weights.items()}, FOLDER / "atlop.safetensors")
    values = {"bert_config": SIZES | SPECIAL, "emb_size": HEAD_SIZE, "block_size": BLOCK_SIZE, "num_classes": CLASSES}
    (FOLDER / "atlop.json").write_text(json.dumps(values | {"batches": batches}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
