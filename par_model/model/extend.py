"""Weights for another attribute schema, made from weights that were trained for their own.

Image tower, side networks and fusion stay. So does what belongs to a class alone, its text features, its head and its
normalisation, where both schemas have the class: the same column of the attribute table, and the same value. A new
class starts untrained. All texts attend to each other in the fusion, so that the scores of the classes that stay move a
little with classes that come or go, until training has seen them together.

Dimension letters: C classes, E the width of text features.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from par_model.attributes import AttributeClass, AttributeSchema
from par_model.attributes.attribute_schema import field_name
from par_model.errors import WeightsError
from par_model.model.backbone import Clip, load_clip, load_openai_clip
from par_model.model.recogniser import Recogniser
from par_model.model.shipped import weights_uri
from par_model.model.weights import WeightsHeader, load_weights, save_weights

_OF_A_CLASS = ("heads.", "bn.", "text_features", "negative_features")
_SAME = 0.999  # cosine above which two features are those of one text: half precision costs less than 0.001 of it


@dataclass(frozen=True)
class Extended:
    """What became of the classes, by score field.

    kept: as trained. reworded: kept, though the schema gives them another text than they were trained with. new:
    untrained so far. dropped: of the old schema alone.
    orthogonal: whether the new classes' text features had to be made up. zero_shot_lost: whether CLIP's own answers,
    which the old weights had, went with that.
    """

    kept: tuple[str, ...]
    reworded: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    orthogonal: bool
    zero_shot_lost: bool


def extend_weights(
    output: str,
    *,
    source: str,
    schema: AttributeSchema,
    backbone: str | None = None,
    pretrained: str | None = None,
    checkpoint_key: str | None = None,
    seed: int = 0,
) -> Extended:
    """Write the weights ``source`` for ``schema``. The same arguments give the same bytes.

    backbone: the CLIP whose text tower encodes the new classes, and which has to be the one that the old texts are of:
    as in ``load_clip`` with ``pretrained``, or a CLIP file as in ``load_openai_clip``. Without it, text features are
    made that are orthogonal to all others, as far as there are dimensions.
    Raises WeightsError where the weights cannot be read, or are of another CLIP, UsageError, StorageError.
    """
    recogniser, header = load_weights(weights_uri(source))
    old, wanted = _identities(header.schema), _identities(schema)
    at_of = {identity: i for i, identity in enumerate(old)}
    from_C = [at_of.get(identity) for identity in wanted]
    new = [i for i, at in enumerate(from_C) if at is None]
    generator = torch.Generator().manual_seed(seed)

    clip = None if backbone is None else _clip(backbone, pretrained, checkpoint_key, recogniser, header)
    zero_shot = recogniser.config.zero_shot and (clip is not None or not new)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Recogniser(replace(recogniser.config, num_classes=schema.num_classes, zero_shot=zero_shot))
    _copy(recogniser, made, from_C)
    if new:
        features_CE = (
            _orthogonal(_known(made.text_features, from_C), len(new), generator)
            if clip is None
            else clip.encode_texts([schema.classes[i].text for i in new])
        )
        made.text_features[new] = features_CE
    if clip is not None and zero_shot:
        opposed = {i: schema.classes[i].negative_text for i in new}
        texts = {i: text for i, text in opposed.items() if text is not None}
        if texts:
            made.negative_features[list(texts)] = clip.encode_texts(list(texts.values()))
    save_weights(
        output,
        made.eval(),
        schema=schema,
        preprocess=header.preprocess,
        thresholds=[0.5 if at is None else header.thresholds[at] for at in from_C],
        trained=[at is not None and header.trained[at] for at in from_C],
        training={"state": "extended", "from": header.model_id, "backbone": backbone, "seed": seed},
    )
    return _summary(header.schema, schema, from_C, orthogonal=clip is None and bool(new), lost=header.config.zero_shot)


def _identities(schema: AttributeSchema) -> list[tuple[str, str, str]]:
    """Of each class what makes it the same in two schemas: its group's kind and column, and its value as a field."""
    return [
        (g.kind, g.column, "" if g.kind == "binary" else field_name(c.value)) for g in schema.groups for c in g.classes
    ]


def _copy(source: Recogniser, made: Recogniser, from_C: Sequence[int | None]) -> None:
    """All that both have: whole tensors, and of those with a row for each class the rows of the classes that stay."""
    kept = [i for i, at in enumerate(from_C) if at is not None]
    olds = [at for at in from_C if at is not None]
    there, state = source.state_dict(), made.state_dict()
    for name, tensor in state.items():
        if name.startswith(_OF_A_CLASS) and tensor.ndim:
            tensor[kept] = there[name][olds]
        else:
            tensor.copy_(there[name])


def _known(features_CE: Tensor, from_C: Sequence[int | None]) -> Tensor:
    return features_CE[[i for i, at in enumerate(from_C) if at is not None]]


def _orthogonal(known_CE: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Features [count, E] of the known ones' mean length, orthogonal to these and to each other while E allows it;
    those beyond it are random."""
    width = known_CE.shape[1]
    length = float(known_CE.norm(dim=-1).mean()) if len(known_CE) else width**0.5
    random_CE = torch.randn(count, width, generator=generator)
    rank = int(torch.linalg.matrix_rank(known_CE)) if len(known_CE) else 0
    free = min(count, width - rank)
    if free:
        basis_EC = torch.linalg.svd(known_CE, full_matrices=True).Vh[:rank].T if rank else random_CE.new_zeros(width, 0)
        apart_CE = random_CE[:free] - random_CE[:free] @ basis_EC @ basis_EC.T
        random_CE[:free] = torch.linalg.qr(apart_CE.T).Q.T
    return length * F.normalize(random_CE, dim=-1)


def _clip(
    backbone: str, pretrained: str | None, checkpoint_key: str | None, recogniser: Recogniser, header: WeightsHeader
) -> Clip:
    """Raises WeightsError unless the weights' own texts are this CLIP's."""
    if pretrained is None and not backbone.endswith(".json") and ("://" in backbone or os.path.exists(backbone)):
        clip = load_openai_clip(backbone, checkpoint_key)
    else:
        clip = load_clip(backbone, pretrained, checkpoint_key=checkpoint_key)
    width = recogniser.config.backbone.embed_dim
    if clip.config.embed_dim != width:
        raise WeightsError(
            f"--backbone {backbone}: its text features are {clip.config.embed_dim} wide, but those of {header.uri} "
            f"{width}: name the CLIP that these weights were made from"
        )
    found = max(_likeness(clip, recogniser.text_features, texts) for texts in _phrases(header.schema.classes))
    if found < _SAME:
        raise WeightsError(
            f"--backbone {backbone}: encodes the texts that {header.uri} knows otherwise (middle cosine {found:.3f}): "
            "name the CLIP that these weights were made from, with its --pretrained, or leave out --backbone"
        )
    return clip


def _phrases(classes: Sequence[AttributeClass]) -> list[list[str]]:
    """What the text features may be of: texts, or in an imported checkpoint the phrases of its training."""
    return [[c.text for c in classes], [c.released or c.text for c in classes]]


def _likeness(clip: Clip, features_CE: Tensor, texts: Sequence[str]) -> float:
    """The middle one of the cosines, so that a text that was reworded since does not matter."""
    return float(F.cosine_similarity(clip.encode_texts(texts), features_CE.float(), dim=-1).median())


def _summary(
    old: AttributeSchema, wanted: AttributeSchema, from_C: Sequence[int | None], *, orthogonal: bool, lost: bool
) -> Extended:
    fields = list(zip(wanted.score_fields, wanted.classes, from_C, strict=True))
    stayed = {at for at in from_C if at is not None}
    return Extended(
        kept=tuple(name for name, _, at in fields if at is not None),
        reworded=tuple(name for name, c, at in fields if at is not None and old.classes[at].text != c.text),
        new=tuple(name for name, _, at in fields if at is None),
        dropped=tuple(name for i, name in enumerate(old.score_fields) if i not in stayed),
        orthogonal=orthogonal,
        zero_shot_lost=lost and orthogonal,
    )
