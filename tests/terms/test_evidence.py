"""What the term `evidence` is a mean over."""

from types import SimpleNamespace

import pytest
import torch

from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.terms import TERMS
from docre.training.objective import Objective
from tests.models.test_fast_equals_reference import RELATIONS, random_features
from tests.terms import slow
from tests.terms.cases import collate
from tests.tiny import tiny_bert


def objective_over(over: str | None) -> Objective:
    torch.manual_seed(0)
    model = MODELS.build("dreeam", {}, Encoder(tiny_bert()), RELATIONS + 1).eval()
    term = SimpleNamespace(name="evidence", weight=0.5, from_epoch=1, parameters={} if over is None else {"over": over})
    return Objective(model, build("atl", RELATIONS), [term])


def documents(seed: int):
    """Four documents, where every other pair with a relation has two sentences of evidence, and the last has none."""
    made = []
    for d in random_features([20, 44, 30, 25], [4, 6, 3, 5], seed=seed):
        sentence = torch.arange(len(d.input_ids)).numpy() // 6
        pairs = sorted(set(d.labels[:, 0].tolist()))[::2] if len(made) < 3 else []
        evidence = torch.tensor([(p, s) for p in pairs for s in (0, 2)]).reshape(-1, 2).numpy()
        fields = {"token_sentence": sentence, "num_sentences": int(sentence[-1]) + 1, "evidence": evidence}
        made.append(type(d)(**vars(d) | fields))
    return made


@pytest.mark.parametrize("over", [None, "labeled", "with_evidence"])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_mean_of_the_slow_version(over, seed):
    """The slow sum, divided by the pairs with a relation, or by those of them that have evidence."""
    objective, batch = objective_over(over), collate(documents(seed))
    output = objective.model(batch, frozenset({"attention"}))
    labeled = {int(p) for p in batch.labels.any(1).nonzero()}
    counted = {p for p, _ in batch.evidence.tolist()} if over == "with_evidence" else labeled
    assert counted <= labeled and (counted == labeled) == (over != "with_evidence")
    expected = slow.TERMS["evidence"](output, batch) / len(counted)
    total, (loss, value) = objective(batch)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert total.item() == pytest.approx(loss.item() + 0.5 * expected.item(), rel=1e-5)


def test_a_step_is_one_mean_however_it_is_split():
    """The trainer's counts, of documents, are those of their batch; the shares of documents add up to the whole."""
    objective, whole = objective_over("with_evidence"), documents(0)
    predictor = SimpleNamespace(model=objective.model)
    totals = Predictor.counts(predictor, whole)
    assert totals == objective.counts(collate(whole)) and 0 < totals["with_evidence"] < totals["labeled"]
    _, at_once = objective(collate(whole))
    shares = [torch.stack(objective(collate([d]), totals)[1]) for d in whole]
    torch.testing.assert_close(sum(shares), torch.stack(at_once), rtol=1e-4, atol=1e-6)


def test_no_evidence_is_zero():
    total, (loss, value) = objective_over("with_evidence")(collate(documents(0)[3:]))
    assert value.item() == pytest.approx(0, abs=1e-20) and total.item() == pytest.approx(loss.item())


def test_a_mistake_is_named():
    with pytest.raises(DocreError, match="term 'evidence', parameter 'over'"):
        TERMS.build("evidence", {"over": "pairs"})
