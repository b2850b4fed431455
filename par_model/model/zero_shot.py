"""Answers without training, as in "Learning transferable visual models from natural language supervision" (CLIP, arXiv
2103.00020): a tracklet's embedding is compared with the texts of the schema.

Dimension letters: B tracklets, A classes, E the embedding's width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from par_model.attributes import AttributeSchema
from par_model.model.recogniser import Recogniser


class ZeroShot:
    """Embeddings [B, E] of length 1 to scores [B, A].

    A logit is CLIP's scale times the cosine of embedding and text. A binary class's score is the softmax over its text
    and its negative text, that of an exclusive group's class the softmax over the group. No text tower is needed: the
    weights hold the texts' features. Raises AttributeError where they do not; ``WeightsHeader.check_zero_shot`` asks.
    """

    def __init__(self, recogniser: Recogniser, schema: AttributeSchema) -> None:
        self._schema = schema
        self._text_AE = F.normalize(recogniser.text_features.float(), dim=-1)
        self._negative_AE = F.normalize(recogniser.negative_features.float(), dim=-1)
        self._scale = recogniser.logit_scale.float().exp()

    def __call__(self, embedding_BE: Tensor) -> Tensor:
        logits_BA = self._scale * embedding_BE @ self._text_AE.T
        opposed_BA = self._scale * embedding_BE @ self._negative_AE.T
        scores_BA = torch.sigmoid(logits_BA - opposed_BA)  # the softmax over two
        for group, span in self._schema.spans():
            if group.kind == "exclusive":
                scores_BA[:, span] = torch.softmax(logits_BA[:, span], dim=-1)
        return scores_BA
