"""Attribute schemas: the shipped ones to the letter, and what makes one of your own wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema, load_schema, shipped_schemas
from par_model.attributes.attribute_schema import field_name
from par_model.errors import SchemaError

POSE = ["frontal", "lateral_frontal", "lateral", "lateral_back", "back", "varies"]
MOTION = ["walking", "running", "riding", "staying", "varies"]

MARS = {
    "short_sleeves": None,
    "short_bottoms": None,
    "shoulder_bag": None,
    "backpack": None,
    "hat": None,
    "hand_bag": None,
    "long_hair": None,
    "female": None,
    "trousers": None,
    "pose": POSE,
    "motion": MOTION,
    "top_color": ["black", "purple", "green", "blue", "gray", "white", "yellow", "red", "complex"],
    "bottom_color": ["white", "purple", "black", "green", "gray", "pink", "yellow", "blue", "brown", "complex"],
    "age": ["young", "teenager", "adult", "old"],
}
DUKE = {
    "backpack": None,
    "shoulder_bag": None,
    "hand_bag": None,
    "boots": None,
    "female": None,
    "hat": None,
    "light_shoes": None,
    "long_sleeves": None,
    "pose": POSE,
    "motion": MOTION,
    "top_color": ["black", "white", "red", "purple", "gray", "blue", "green", "brown", "complex"],
    "bottom_color": ["black", "white", "red", "gray", "blue", "green", "brown", "complex"],
}

STREET = {
    "top_color": ["black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple"],
    "bottom_color": ["black", "white", "gray", "red", "green", "blue", "brown"],
    "short_sleeves": None,
    "short_bottoms": None,
    "long_hair": None,
    "hat": None,
    "backpack": None,
    "shoulder_bag": None,
    "hand_bag": None,
    "direction": ["left", "right", "toward", "away"],
    "gait": ["walking", "running", "standing"],
}
# Those of mars and duke are the columns of the released code.
SHIPPED: dict[str, tuple[dict[str, list[str] | None], int]] = {
    "mars": (MARS, 43),
    "duke": (DUKE, 36),
    "street": (STREET, 30),
}


@pytest.mark.parametrize("name", shipped_schemas())
def test_shipped_schemas_to_the_letter(name: str) -> None:
    groups, num_classes = SHIPPED[name]
    schema = load_schema(name)
    assert {g.name: [c.value for c in g.classes] if g.kind == "exclusive" else None for g in schema.groups} == groups
    assert [g.name for g in schema.groups] == list(groups)
    assert schema.num_classes == num_classes
    assert schema.score_fields == tuple(
        field for g, values in groups.items() for field in ([g] if values is None else [f"{g}_{v}" for v in values])
    )


def test_the_groups_of_mars_end_where_the_papers_protocol_says() -> None:
    stops = [span.stop for _, span in load_schema("mars").spans()]
    assert stops == [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 20, 29, 39, 43]


@pytest.mark.parametrize("name", ["mars", "duke"])
def test_every_class_of_a_released_checkpoint_has_the_phrase_of_its_training(name: str) -> None:
    phrases = [c.released for c in load_schema(name).classes]
    assert all(phrases)
    assert len(set(phrases)) == len(phrases)


def test_the_imported_phrases_are_the_training_scripts() -> None:
    phrases = [c.released for c in load_schema("mars").classes]
    assert (phrases[0], phrases[1], phrases[8]) == ("top short", "bottom skirt", "bottom short")


def test_binary_groups_say_what_their_absence_looks_like() -> None:
    for name in shipped_schemas():
        for group in load_schema(name).groups:
            assert (group.classes[0].negative_text is not None) == (group.kind == "binary")


TEXTS = st.text(min_size=1, max_size=12).filter(lambda s: bool(s.strip()))


@st.composite
def schemas(draw: st.DrawFn) -> AttributeSchema:
    """Schemas of any texts, whose names do not collide once they are field names."""
    groups = []
    for name in draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)):
        aliases = tuple(draw(st.lists(TEXTS, max_size=2)))
        optional = st.none() | TEXTS
        if draw(st.booleans()):
            only = AttributeClass(name, draw(TEXTS), draw(optional), draw(optional))
            groups.append(AttributeGroup(name, "binary", (only,), aliases))
            continue
        values = draw(st.lists(TEXTS, min_size=2, max_size=3, unique=True))
        classes = tuple(AttributeClass(v, draw(TEXTS), released=draw(optional)) for v in values)
        groups.append(AttributeGroup(name, "exclusive", classes, aliases))
    try:
        return AttributeSchema(draw(TEXTS), tuple(groups))
    except SchemaError:  # the names collide
        reject()


@given(schemas())
def test_toml_text_gives_the_same_schema_back(schema: AttributeSchema) -> None:
    assert AttributeSchema.parse(schema.to_toml(), "round trip") == schema


@given(schemas())
def test_spans_cover_every_class_once_and_in_order(schema: AttributeSchema) -> None:
    covered = [c for group, span in schema.spans() for c in schema.classes[span]]
    assert covered == list(schema.classes)
    assert len(set(schema.score_fields)) == schema.num_classes
    assert len(set(schema.columns)) == 2 * len(schema.groups)


@given(TEXTS)
def test_field_names_have_letters_digits_and_underscores_only(text: str) -> None:
    name = field_name("top", text)
    assert name.startswith("top_")
    assert all(ch.isalnum() or ch == "_" for ch in name)


def binary(name: str) -> str:
    return f'[[groups]]\nname = "{name}"\nkind = "binary"\ntext = "{name}"\n'


def exclusive(name: str, *values: str) -> str:
    rows = ", ".join(f'{{ value = "{v}", text = "{v}" }}' for v in values)
    return f'[[groups]]\nname = "{name}"\nkind = "exclusive"\nclasses = [{rows}]\n'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "mine.toml: lacks key 'groups'"),
        ("groups = 3", "groups must be a list, got 3"),
        ("groups = []", "no groups"),
        (binary("hat") + binary("hat"), "group 'hat' is there twice"),
        (exclusive("top", "red", "red"), "group 'top' has class 'red' twice"),
        (exclusive("top", "red"), "exclusive group 'top' needs at least two classes"),
        (exclusive("top", "dark red", "dark-red"), "two classes become the same field 'top_dark_red'"),
        (exclusive("top", "red", "blue") + binary("top_red"), "two classes become the same field 'top_red'"),
        (binary("hat") + binary("hat_score"), "two groups become the same table column 'hat_score'"),
        (binary("hat") + 'colour = "red"', "groups[0] 'hat' has unknown key 'colour'"),
        (
            '[[groups]]\nname = "hat"\nkind = "ternary"\n',
            "groups[0] 'hat', kind must be 'binary' or 'exclusive', got 'ternary'",
        ),
        ('[[groups]]\nname = "hat"\nkind = "binary"\n', "groups[0] 'hat' is binary: give it a text"),
        ('[[groups]]\nkind = "binary"\ntext = "x"\n', "groups[0] lacks key 'name'"),
        (binary("hat") + 'negative_text = " "', "groups[0] 'hat' negative_text must be a text that is not empty"),
        (binary("hat") + "text_weight = 2026-11-28", "groups[0] 'hat' has unknown key 'text_weight'"),
        (binary("hat") + "released = 2026-11-28", "groups[0] 'hat', released must be a text, got"),
        (
            binary("hat") + 'classes = [{ value = "a", text = "b" }]',
            "groups[0] 'hat' is binary: give it a text, not classes",
        ),
        (exclusive("top", "red", "blue") + 'text = "top"', "is exclusive: its texts belong to its classes"),
        (
            '[[groups]]\nname = "top"\nkind = "exclusive"\nclasses = [{ value = "red", text = 3 }]',
            "groups[0] 'top', classes[0] 'red', text must be a text, got 3",
        ),
        ("groups = 7 7", "not valid TOML"),
    ],
)
def test_a_wrong_schema_is_refused_with_its_fault(body: str, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        AttributeSchema.parse(f'name = "mine"\n{body}', "mine.toml")
    assert problem in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_schema_is_found_by_path_and_a_wrong_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n' + binary("hat"), encoding="utf-8")
    assert load_schema(str(path)).score_fields == ("hat",)
    with pytest.raises(SchemaError, match=r"no such file, and not a shipped one \(duke, mars, street\)"):
        load_schema("marz")


@pytest.mark.parametrize("name", ["status", "Scores", "model id", "tracklet_id", "camera_id", "embedding"])
def test_a_group_may_not_be_called_like_a_column_that_every_table_has(name: str) -> None:
    text = f'name = "mine"\n[[groups]]\nname = "{name}"\nkind = "binary"\ntext = "x"\n'
    with pytest.raises(SchemaError, match="rename the group"):
        AttributeSchema.parse(text, "mine.toml")
