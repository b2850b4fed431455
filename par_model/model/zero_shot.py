"""Answers without training, as in "Learning transferable visual models from natural language supervision" (CLIP, arXiv
2103.00020): a tracklet's embedding is compared with the texts of the schema.

Dimension letters: B tracklets, C classes, D the embedding's width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.model.recogniser import Recogniser


class ZeroShot:
    """Embeddings [B, D] of length 1 to scores [B, C].

    A logit is CLIP's scale times the cosine of embedding and text. A binary class's score is the softmax over its text
    and its negative text, that of an exclusive group's class the softmax over the group. No text tower is needed: the
    weights hold the texts' features. Raises AttributeError where they do not; ``WeightsHeader.check_zero_shot`` asks.
    """

    def __init__(self, recogniser: Recogniser, schema: AttributeSchema) -> None:
        self._schema = schema
        self._text_CD = F.normalize(recogniser.text_features.float(), dim=-1)
        self._negative_CD = F.normalize(recogniser.negative_features.float(), dim=-1)
        self._scale = recogniser.logit_scale.float().exp()

    def __call__(self, embedding_BD: Tensor) -> Tensor:
        logits_BC = self._scale * embedding_BD @ self._text_CD.T
        opposed_BC = self._scale * embedding_BD @ self._negative_CD.T
        scores_BC = torch.sigmoid(logits_BC - opposed_BC)  # the softmax over two
        for group, span in self._schema.spans():
            if group.kind == "exclusive":
                scores_BC[:, span] = torch.softmax(logits_BC[:, span], dim=-1)
        return scores_BC
