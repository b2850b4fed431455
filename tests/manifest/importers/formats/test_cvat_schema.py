"""A schema from what CVAT lets annotators say."""

from __future__ import annotations

from collections import Counter

import pytest

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import count_votes
from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification
from par_model.manifest.importers.formats.cvat_schema import merged, schema_of


def test_checkboxes_are_binary_lists_are_exclusive_and_the_rest_is_said() -> None:
    specified = [
        AttributeSpecification("hat", "checkbox", ("false",)),
        AttributeSpecification("top color", "select", ("__undefined__", "red", "light blue")),
        AttributeSpecification("gait", "radio", ("walking", "running")),
        AttributeSpecification("bag", "select", ("__undefined__", "true", "false")),
        AttributeSpecification("age", "number", ("0", "100", "1")),
        AttributeSpecification("note", "text", ()),
        AttributeSpecification("tracklet_id", "text", ()),
        AttributeSpecification("place", "select", ("__undefined__", "here")),
    ]
    found = schema_of(specified, {}, "gate", "a.xml")
    assert found.passed_over == ["age (number input)", "note (text input)", "place (fewer than two values)"]
    assert found.schema.name == "gate"
    assert {group.name: (group.kind, [c.value for c in group.classes]) for group in found.schema.groups} == {
        "hat": ("binary", ["hat"]),
        "top color": ("exclusive", ["red", "light blue"]),
        "gait": ("exclusive", ["walking", "running"]),
        "bag": ("binary", ["bag"]),
    }
    hat, top = found.schema.groups[:2]
    assert (hat.classes[0].text, hat.classes[0].negative_text) == ("a pedestrian: hat", "a pedestrian: no hat")
    assert top.classes[1].text == "a pedestrian: top color light blue"
    assert AttributeSchema.parse(found.schema.to_toml(), "again") == found.schema


def test_what_is_true_or_false_counts_though_it_is_not_specified() -> None:
    votes = {
        "1": {"hat": Counter({"True": 1, "maybe": 1}), "bag": Counter({"True": 2}), "mood": Counter(glad=1)},
        "2": {"bag": Counter({"False": 1})},
    }
    found = schema_of([AttributeSpecification("top", "", ("blue", "red"))], votes, "s", "a.xml")
    assert [(group.name, group.kind) for group in found.schema.groups] == [("top", "exclusive"), ("bag", "binary")]
    assert found.passed_over == ["hat (not specified)", "mood (not specified)"]


def test_names_of_the_tables_columns_give_way_and_are_still_found() -> None:
    found = schema_of([AttributeSpecification("Status", "checkbox", ())], {}, "s", "a.xml").schema
    assert found.groups[0].name == "attribute_Status"
    assert count_votes({"1": {"Status": Counter(true=1)}}, found, "a.xml").labels == {"1": (1,)}


@pytest.mark.parametrize("specified", [[], [AttributeSpecification("age", "number", ())]])
def test_without_anything_to_choose_from_there_is_no_schema(specified: list[AttributeSpecification]) -> None:
    with pytest.raises(ManifestError, match=r"a\.xml: specifies no checkbox and no list of values"):
        schema_of(specified, {}, "s", "a.xml")


def test_what_several_files_specify_is_one_list_if_all_mean_the_same_kind() -> None:
    """Radio buttons are a list too, and FiftyOne does not say what its lists look like."""
    files = [
        [AttributeSpecification("gait", kind, values), AttributeSpecification("hat", "checkbox", ("false",))]
        for kind, values in (("select", ("walking", "running")), ("radio", ("running", "standing")), ("", ("sitting",)))
    ]
    gait = AttributeSpecification("gait", "select", ("walking", "running", "standing", "sitting"))
    assert merged(files, "exports") == [gait, AttributeSpecification("hat", "checkbox", ("false",))]
    for kind in ("select", "text"):
        files[2][1] = AttributeSpecification("hat", kind, ("cap",))
        with pytest.raises(ManifestError, match=f"hat is of the kind 'checkbox' in one file and '{kind}' in another"):
            merged(files, "exports")
