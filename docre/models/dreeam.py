"""DREEAM: ATLOP whose context attention is supervised by evidence sentences (Ma et al. 2023)."""

from docre.models.atlop import ATLOP
from docre.models.base import MODELS


@MODELS.register("dreeam")
class DREEAM(ATLOP):
    """ATLOP, with the context weights divided by their sum + 1e-30 instead of 1e-5: no new parameters.

        c = (sum_l a_l H_l) / (sum_l a_l + 1e-30)

    What is new is in training: the term `evidence` draws the context attention to the gold evidence sentences, the term
    `attention` to that of a teacher. The published results average the last three layers (`encoder.averaged_layers: 3`)
    and predict as evidence the sentences with more than 0.2 of the attention (`evaluation.evidence_threshold: 0.2`).

    Parameters: head_size, the size of z (published: 768); block_size, numbers in a group (published: 64).
    Reference: Ma et al. 2023, "DREEAM: Guiding Attention with Evidence for Improving Document-Level Relation
    Extraction" (EACL), section 3.
    """

    reference = "Ma et al. 2023 (EACL), DREEAM"
    epsilon = 1e-30
