"""The encoders of the golden `parameters_at_published_size`."""

from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

ENCODERS = {
    "bert-base-cased": (BertModel, BertConfig(vocab_size=28996)),
    "roberta-large": (
        RobertaModel,
        RobertaConfig(
            vocab_size=50265,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            max_position_embeddings=514,
            type_vocab_size=1,
        ),
    ),
}
