"""Steps: each document is used at most once per epoch, and the order depends on the seed, not on the processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.sampling import StepSampler
from docre.errors import DocreError

sizes = st.integers(1, 5)


@given(st.integers(1, 200), sizes, sizes, sizes, st.integers(0, 9), st.integers(0, 3))
def test_processes_share_the_documents_of_a_step(documents, batch, accumulation, processes, seed, epoch):
    if documents < batch * accumulation * processes:
        with pytest.raises(DocreError, match="too few"):
            StepSampler(documents, batch, accumulation, processes, seed)
        return
    sampler = StepSampler(documents, batch, accumulation, processes, seed)
    shares = [sampler.epoch(epoch, process) for process in range(processes)]
    seen = []
    for steps in zip(*shares, strict=True):
        taken = [i for step in steps for b in step.batches for i in b]
        assert sorted(taken) == sorted(steps[0].documents)
        assert all(step.documents == steps[0].documents for step in steps)
        assert all(len(step.batches) == accumulation and all(len(b) == batch for b in step.batches) for step in steps)
        seen += taken
    assert len(seen) == len(set(seen)) == documents // sampler.documents_per_step * sampler.documents_per_step
    alone = StepSampler(documents, batch * accumulation * processes, 1, 1, seed).epoch(epoch)
    assert [sorted(step.documents) for step in alone] == [sorted(step.documents) for step in shares[0]]


def test_epochs_and_seeds_differ_and_repeat():
    sampler = StepSampler(50, 4, seed=1)
    assert sampler.epoch(0) == sampler.epoch(0)
    assert sampler.epoch(0) != sampler.epoch(1)
    assert sampler.epoch(0) != StepSampler(50, 4, seed=2).epoch(0)
