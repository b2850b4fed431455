"""Annotation files become labels of every class in its place, by header and by the tracklet's name."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.attributes import AttributeSchema, load_schema
from par_model.errors import ManifestError
from par_model.manifest.importers.formats.annotations import parse_annotations

MARS = load_schema("mars")
DUKE = load_schema("duke")
PUBLISHED = (
    "person-id,camera,tracklet,Tops.c,Bottoms.c,Age,Tops.l,Bottoms.l,shoulder bag,backpack,hat,handbag,hair,gender"
)
PUBLISHED += ",Bottoms.t\n"


def by_field(schema: AttributeSchema, labels: tuple[int, ...]) -> dict[str, int]:
    """The annotated classes of one tracklet."""
    fields = dict(zip(schema.score_fields, labels, strict=True))
    return {name: value for name, value in fields.items() if value != -1}


def one_hot(schema: AttributeSchema, group: str, value: str) -> dict[str, int]:
    fields = next(g for g in schema.groups if g.name == group).score_fields
    return {name: int(name == f"{group}_{value}") for name in fields}


def test_the_published_mars_columns_find_their_classes() -> None:
    found = parse_annotations(PUBLISHED + "1,2,58,8,0,1,1,0,0,1,0,1,1,1,0\n", MARS, "mars.csv")
    assert list(found.labels) == ["0001C2T0058"]
    assert by_field(MARS, found.labels["0001C2T0058"]) == {
        **{"short_sleeves": 1, "short_bottoms": 0, "shoulder_bag": 0, "backpack": 1, "hat": 0},
        **{"hand_bag": 1, "long_hair": 1, "female": 1, "trousers": 0},
        **one_hot(MARS, "top_color", "complex"),
        **one_hot(MARS, "bottom_color", "white"),
        **one_hot(MARS, "age", "teenager"),
    }
    assert (found.num_people, found.unused, found.by_position) == (1, [], False)


def test_the_later_publications_headers_are_known_and_others_are_not_used() -> None:
    text = "person_id,camera_id,tracklets_id,action,angle,occlusion,upcolor,downcolor,age,up,down,bag,btype\n"
    found = parse_annotations(text + "66,3,7,1,4,0,1,9,3,0,1,1,1\n", MARS, "mars.csv")
    assert by_field(MARS, found.labels["0066C3T0007"]) == {
        **{"short_sleeves": 0, "short_bottoms": 1, "shoulder_bag": 1, "trousers": 1},
        **one_hot(MARS, "motion", "running"),
        **one_hot(MARS, "pose", "back"),
        **one_hot(MARS, "top_color", "purple"),
        **one_hot(MARS, "bottom_color", "complex"),
        **one_hot(MARS, "age", "old"),
    }
    assert found.unused == ["occlusion"]
    text = (
        "person_id,camera_id,tracklets_id,backpack,shoulder bag,handbag,boots,gender,hat,shoes,top,downcolor,topcolor\n"
    )
    found = parse_annotations(text + "640,1,1000,1,0,0,1,0,0,1,0,7,2\n", DUKE, "duke.csv")
    assert by_field(DUKE, found.labels["0640C1T1000"]) == {
        **{"backpack": 1, "shoulder_bag": 0, "hand_bag": 0, "boots": 1, "female": 0, "hat": 0},
        **{"light_shoes": 1, "long_sleeves": 0},
        **one_hot(DUKE, "bottom_color", "complex"),
        **one_hot(DUKE, "top_color", "red"),
    }


def encoded(schema: AttributeSchema, headers: list[str], rows: dict[str, list[int]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["track", *headers])
    writer.writerows([name, *values] for name, values in rows.items())
    return text.getvalue()


@settings(max_examples=20)
@given(
    st.sampled_from([MARS, DUKE]),
    st.sampled_from(["fields", "released", "numbers"]),
    st.dictionaries(st.integers(1, 9999), st.integers(0, 2**43 - 1), min_size=1, max_size=3),
    st.randoms(),
)
def test_encoded_columns_are_read_in_any_order_where_their_headers_name_classes(
    schema: AttributeSchema, headers: str, bits: dict[int, int], order: random.Random
) -> None:
    count = schema.num_classes
    labels = {f"{person:04d}C2T0030": [value >> i & 1 for i in range(count)] for person, value in bits.items()}
    names = {
        "fields": list(schema.score_fields),
        "released": [c.released or "" for c in schema.classes],
        "numbers": [str(i) for i in range(count)],
    }[headers]
    places = list(range(count))
    if headers != "numbers":
        order.shuffle(places)
    text = encoded(schema, [names[i] for i in places], {k: [v[i] for i in places] for k, v in labels.items()})
    found = parse_annotations(text, schema, "encoded.csv")
    assert {name: list(values) for name, values in found.labels.items()} == labels
    assert found.by_position == (headers == "numbers")


@pytest.mark.parametrize("name", ["0012C3T0045", "0012_C3_T0045", "mars/0012C3T0045/", "12c3t45"])
def test_names_are_matched_however_they_are_written(name: str) -> None:
    found = parse_annotations(encoded(DUKE, list(DUKE.score_fields), {name: [0] * 36}), DUKE, "e.csv")
    assert list(found.labels) == ["0012C3T0045"]


def test_nothing_and_minus_one_are_not_annotated() -> None:
    text = "person,camera,tracklet,hat,backpack,Tops.c,age\n5,1,2,,-1,NaN, 2\n-1,1,3,1,0,0,-1\n"
    found = parse_annotations(text, MARS, "m.csv")
    assert by_field(MARS, found.labels["0005C1T0002"]) == one_hot(MARS, "age", "adult")
    assert by_field(MARS, found.labels["00-1C1T0003"]) == {
        "hat": 1,
        "backpack": 0,
        **one_hot(MARS, "top_color", "black"),
    }


KEYS = "person,camera,tracklet,"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no column is one of schema mars"),
        (KEYS + "height\n1,1,1,1\n", "no column is one of schema mars; its headers are 'person, camera"),
        ("name,hat,height\n0001C1T0001,1,1\n", "column 'height' is no class of schema mars"),
        (KEYS + "hat,Hat\n1,1,1,1,1\n", "columns 'hat' and 'Hat' are the same attribute"),
        (KEYS + "Tops.c,top black\n1,1,1,1,1\n", "columns 'Tops.c' and 'top black' are the same attribute"),
        (KEYS + "hat\n1,1,1,2\n", "line 2, column 'hat': 2 is not in 0 to 1"),
        (KEYS + "Tops.c\n\n1,1,1,9\n", "line 3, column 'Tops.c': 9 is not in 0 to 8"),
        (KEYS + "hat\n1,1,1,yes\n", "line 2, column 'hat': 'yes' is not 0 to 1"),
        (KEYS + "hat\n1,1,one,1\n", "line 2: 'one' is not a number"),
        (KEYS + "hat\n1,1,1\n", "line 2: 3 columns, but the header has 4"),
        (KEYS + "hat\n1,1,1,1\n1,1,1,1\n1,1,1,0\n", "lines 2 and 4: 0001C1T0001 has different labels"),
        ("name,hat\nsomebody,1\n", "line 2: 'somebody' is not a tracklet's name"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_annotations(text, MARS, "m.csv")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("m.csv")
