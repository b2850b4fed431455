"""Weights for another schema: what stays of those for the old one, and what is new."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from par_model.attributes import AttributeSchema, load_schema
from par_model.errors import WeightsError
from par_model.model.extend import Extended, extend_weights
from par_model.model.initialise import initialise_weights
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import load_weights
from tests.small_clip import small_clip, write_small_clip
from tests.tiny import write_tiny_weights

STREET = load_schema("street")
OF_A_CLASS = ("heads.weight", "heads.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def schema(*groups: str) -> AttributeSchema:
    """Street's groups of these names, in this order, and with ``name!`` a new binary one."""
    known = {group.name: group for group in STREET.groups}
    new = "[[groups]]\nname = '{0}'\nkind = 'binary'\ntext = 'a person with a {0}'\nnegative_text = 'without {0}'\n"
    texts = "".join(new.format(name[:-1]) for name in groups if name.endswith("!"))
    made = {f"{g.name}!": g for g in AttributeSchema.parse(f"name = 'n'\n{texts}", "test").groups} if texts else {}
    return AttributeSchema("own", tuple((known | made)[name] for name in groups))


def extended(folder: Path, source: str, wanted: AttributeSchema, **options: object) -> tuple[str, Extended]:
    output = str(folder / "own.safetensors")
    return output, extend_weights(output, source=source, schema=wanted, **options)  # type: ignore[arg-type]


def test_the_same_classes_in_another_order_give_the_same_scores_in_that_order(tmp_path: Path) -> None:
    source = write_tiny_weights(tmp_path / "w", thresholds=[i / 100 for i in range(STREET.num_classes)])
    wanted = schema(*reversed([group.name for group in STREET.groups]))
    output, found = extended(tmp_path, source, wanted)
    (old, before), (new, after) = load_weights(source), load_weights(output)
    order = [STREET.score_fields.index(name) for name in wanted.score_fields]
    frames = torch.randn(2, 3, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(new(frames), old(frames)[:, order], rtol=1e-5, atol=1e-5)
    assert after.thresholds == tuple(before.thresholds[i] for i in order)
    assert (found.new, found.dropped, found.orthogonal) == ((), (), False)


def test_classes_that_both_have_stay_and_new_ones_are_untrained(tmp_path: Path) -> None:
    known = [name != "hat" for name in STREET.score_fields]
    source = write_tiny_weights(tmp_path / "w", trained=known, thresholds=[0.3] * STREET.num_classes)
    output, found = extended(tmp_path, source, schema("umbrella!", "gait", "hat"))
    gait = tuple(f"gait_{value}" for value in ("walking", "running", "standing"))
    assert (found.kept, found.new) == ((*gait, "hat"), ("umbrella",))
    assert set(found.dropped) == set(STREET.score_fields) - {*gait, "hat"}
    (old, _), (new, after) = load_weights(source), load_weights(output)
    places = [STREET.score_fields.index(name) for name in (*gait, "hat")]
    there, made = old.state_dict(), new.state_dict()
    for name in there.keys() - {*OF_A_CLASS, "text_features"}:
        assert torch.equal(made[name], there[name]), name
    for name in (*OF_A_CLASS, "text_features"):
        assert torch.equal(made[name][1:], there[name][places]), name
    assert after.trained == (False, True, True, True, False)
    assert after.thresholds == pytest.approx((0.5, 0.3, 0.3, 0.3, 0.3))
    assert after.training["from"] == load_weights(source)[1].model_id


def test_a_group_of_another_kind_is_another_class(tmp_path: Path) -> None:
    text = """
    name = "own"
    [[groups]]
    name = "hat"
    kind = "exclusive"
    classes = [{ value = "cap", text = "c" }, { value = "brim", text = "b" }]
    [[groups]]
    name = "red"
    kind = "binary"
    text = "red"
    """
    _, found = extended(tmp_path, write_tiny_weights(tmp_path / "w"), AttributeSchema.parse(text, "test"))
    assert (found.kept, found.new) == ((), ("hat_cap", "hat_brim", "red"))


def test_made_up_texts_are_orthogonal_as_long_as_there_are_dimensions(tmp_path: Path) -> None:
    source = write_tiny_weights(tmp_path / "w")  # text features of 16 dimensions
    new = [f"n{i}!" for i in range(20)]
    output, found = extended(tmp_path, source, schema("hat", "gait", *new))
    assert found.orthogonal
    features = load_weights(output)[0].text_features
    cosines = F.cosine_similarity(features[:, None], features[None], dim=-1)
    made = cosines[4:16, :16] - torch.eye(16)[4:16]
    assert made.abs().max() < 1e-5
    assert cosines[16:, :].sub(torch.eye(24)[16:]).abs().max() < 0.95
    assert features[4:].norm(dim=-1) == pytest.approx(float(features[:4].norm(dim=-1).mean()))


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    source = write_tiny_weights(tmp_path / "w")
    made = []
    for seed in (1, 1, 2):
        output, _ = extended(tmp_path, source, schema("hat", "umbrella!"), seed=seed)
        made.append(Path(output).read_bytes())
    assert made[0] == made[1] != made[2]


@pytest.fixture
def of_clip(tmp_path: Path) -> tuple[str, str, str]:
    """Weights made from a small CLIP, its configuration and its file."""
    config, clip = write_small_clip(tmp_path)
    initialise_weights(str(tmp_path / "w"), backbone=config, pretrained=clip, schema=STREET)
    return str(tmp_path / "w"), config, clip


def test_a_backbone_encodes_the_texts_of_new_classes(of_clip: tuple[str, str, str], tmp_path: Path) -> None:
    source, config, clip = of_clip
    output, found = extended(tmp_path, source, schema("umbrella!", "hat"), backbone=config, pretrained=clip)
    assert (found.orthogonal, found.zero_shot_lost) == (False, False)
    recogniser, header = load_weights(output)
    fresh = str(tmp_path / "fresh")
    initialise_weights(fresh, backbone=config, pretrained=clip, schema=schema("umbrella!", "hat"))
    expected = load_weights(fresh)[0]
    torch.testing.assert_close(recogniser.text_features, expected.text_features)
    torch.testing.assert_close(recogniser.negative_features, expected.negative_features)
    assert recogniser.logit_scale == expected.logit_scale
    header.check_zero_shot()


def test_without_one_there_are_no_zero_shot_answers_any_more(of_clip: tuple[str, str, str], tmp_path: Path) -> None:
    output, found = extended(tmp_path, of_clip[0], schema("umbrella!", "hat"))
    assert found.zero_shot_lost
    assert not load_weights(output)[1].config.zero_shot
    output, found = extended(tmp_path, of_clip[0], schema("backpack", "hat"))
    assert not found.zero_shot_lost
    load_weights(output)[1].check_zero_shot()


def test_another_clip_is_refused(of_clip: tuple[str, str, str], tmp_path: Path) -> None:
    source, config, _ = of_clip
    torch.save(small_clip(seed=1).state_dict(), tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"encodes the texts that .* knows otherwise"):
        extended(tmp_path, source, schema("umbrella!", "hat"), backbone=config, pretrained=str(tmp_path / "other.pt"))
    assert not (tmp_path / "own.safetensors").exists()


def test_the_shipped_weights_keep_their_answers(tmp_path: Path) -> None:
    """With one group more and one less, over random pictures: scores of the others move by some hundredths at most."""
    shared = [group.name for group in STREET.groups if group.name != "hand_bag"]
    wanted = schema(*shared, "umbrella!")
    output, found = extended(tmp_path, DEMO, wanted)
    (old, header), (new, after) = load_weights(weights_uri(DEMO)), load_weights(output)
    height, width = header.preprocess.height, header.preprocess.width
    frames = torch.randn(16, header.config.frames, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before_BC, now_BC = torch.sigmoid(old(frames)), torch.sigmoid(new(frames))
    before_BC = before_BC[:, [STREET.score_fields.index(name) for name in found.kept]]
    moved_BC = (before_BC - now_BC[:, :-1]).abs()
    assert before_BC.std(dim=0).mean() > moved_BC.mean() * 4  # or a constant would pass
    assert moved_BC.mean() < 0.005
    assert moved_BC.max() < 0.05
    assert (after.untrained, found.dropped) == (("umbrella",), ("hand_bag",))
