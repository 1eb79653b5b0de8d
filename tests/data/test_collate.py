"""Windows cover documents as published, and the index tensors of a batch point at the right tokens and entities."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.data.collate import Collator, Window, WindowPlan
from docre.data.features import Featurizer
from docre.data.schema import LabelSchema
from docre.models import load_tokenizer
from tests.tiny import RELATIONS, random_documents

PLAN = WindowPlan(512, (101,), (102,))


def test_published_windows():
    assert PLAN.windows(512) == [Window(0, 512, 0)]
    assert PLAN.windows(513) == [Window(0, 511, 0), Window(2, 511, 1)]
    assert PLAN.windows(1024) == [Window(0, 511, 0), Window(513, 511, 1)]
    assert len(PLAN.windows(1025)) == 3


@given(st.integers(2, 5000), st.integers(8, 600), st.integers(1, 2))
@settings(max_examples=300, deadline=None)
def test_windows_fit_and_cover(length, limit, ends):
    windows = WindowPlan(limit, (101,), (102,) * ends).windows(length)
    covered = set()
    for i, window in enumerate(windows):
        closing = ends if i < len(windows) - 1 else 0
        assert window.skip + window.length + closing <= limit
        assert window.start >= 0 and window.start + window.length <= length
        covered.update(range(window.start, window.start + window.length))
    missing = set(range(length)) - covered
    if len(windows) == 2:  # published: the last one to three tokens of 2 * limit fall between the two windows
        assert len(missing) <= 1 + ends
    else:
        assert not missing
    assert windows[0].start == 0 and windows[-1].start + windows[-1].length == length


def test_batch_points_at_markers(tiny_encoder):
    tokenizer = load_tokenizer(str(tiny_encoder))
    documents = random_documents(4, seed=3, entities=6, sentences=12)
    features = Featurizer(tokenizer, LabelSchema(RELATIONS))(documents)
    plan = WindowPlan(48, (tokenizer.cls_token_id,), (tokenizer.sep_token_id,))
    batch = Collator(plan, len(RELATIONS))(features)
    marker = tokenizer.convert_tokens_to_ids("*")
    assert max(batch.window_lengths) <= 48 and len(batch.window_lengths) > len(features)
    assert (batch.input_ids[batch.row_token] == marker).all()
    whole = torch.cat([torch.from_numpy(f.input_ids) for f in features])
    assert (whole[batch.mention_token] == marker).all()
    assert (whole[batch.merge_target] == batch.input_ids[batch.merge_source]).all()
    assert batch.labels.sum() == sum(len(f.labels) for f in features)
    first, second = batch.context_first[batch.pair_context], batch.context_second[batch.pair_context]
    assert (torch.minimum(batch.pair_head, batch.pair_tail) == first).all()
    assert (torch.maximum(batch.pair_head, batch.pair_tail) == second).all()
    assert sum(batch.row_counts) == len(batch.row_token)
