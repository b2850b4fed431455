"""The head of CVAT's XML: its tasks, the picture, and what annotators could say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification, CvatMeta, is_number

META = CvatMeta(
    ElementTree.fromstring(
        """<meta><task><id>7</id><name>gate</name><labels>
        <label><name>person</name><attributes>
          <attribute><name> hat </name><input_type>checkbox</input_type><values>false</values></attribute>
          <attribute><name>color</name><input_type>select</input_type><values>red\n green \n\nblue</values></attribute>
          <attribute><name>color</name><input_type>text</input_type></attribute>
          <attribute><name></name></attribute>
        </attributes></label>
        <label><name>car</name><attributes><attribute><name>make</name></attribute></attributes></label>
        </labels><original_size><width>1920</width><height>1080</height></original_size></task>
        <job><id>x</id></job></meta>"""
    )
)


def test_what_is_specified_for_a_label_each_name_once() -> None:
    assert META.attributes({"person"}) == [
        AttributeSpecification("hat", "checkbox", ("false",)),
        AttributeSpecification("color", "select", ("red", "green", "blue")),
    ]
    assert META.attributes({"car"}) == [AttributeSpecification("make", "", ())]
    assert META.attributes(()) == []


def test_tasks_and_the_size_of_their_picture() -> None:
    assert META.task_names() == {7: "gate"}
    assert (META.size(None), META.size(7), META.size(8)) == ((1920, 1080), (1920, 1080), None)
    assert (CvatMeta().size(None), CvatMeta().task_names()) == (None, {})


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("0", True), (" 12 ", True), ("9" * 18, True), ("9" * 19, False), ("-1", False), ("1.0", False), (None, False)],
)
def test_a_whole_number_of_a_size_that_ids_have(text: str | None, is_one: bool) -> None:
    assert is_number(text) is is_one
