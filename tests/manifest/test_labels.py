"""Labels class by class, in the order of the schema that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.errors import ManifestError, SchemaError
from par_model.manifest.labels import Labels, read_labels
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import on_video, write

HAT = AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),))
COLOR = AttributeGroup("color", "exclusive", tuple(AttributeClass(v, v) for v in ("red", "green")))
SCHEMA, TURNED = AttributeSchema("small", (HAT, COLOR)), AttributeSchema("turned", (COLOR, HAT))
WITH_PEOPLE = COLUMNS.append(pa.field("person_id", pa.int64()))


def labels(tmp_path: Path, values: Sequence[Any], schema: AttributeSchema = SCHEMA) -> Labels:
    rows = [on_video(f"t{i}", labels=value, person_id=i // 2) for i, value in enumerate(values)]
    return read_labels(Manifest.open(write(tmp_path / "m.parquet", rows, WITH_PEOPLE)), schema, labelled_by=SCHEMA)


def test_rows_without_labels_and_nulls_are_not_annotated_and_classes_come_as_asked(tmp_path: Path) -> None:
    found = labels(tmp_path, [[1, 0, 1], None, [None, -1, -1], [0, 1, None]], TURNED)
    assert found.values.tolist() == [[0, 1, 1], [-1, -1, -1], [-1, -1, -1], [1, -1, 0]]
    assert found.values.dtype == np.int8
    assert found.annotated.tolist() == [True, False, False, True]
    assert (found.ids, found.people) == (["t0", "t1", "t2", "t3"], ["0", "0", "1", "1"])
    some = found.where(found.annotated)
    assert (len(some), some.rows.tolist(), some.ids) == (2, [0, 3], ["t0", "t3"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1, 0, 1], [1, 0]], "'t1', has 2 labels, the schema 3 classes: one label a class, in the schema's order"),
        ([[1, 0, 3]], "'t0', has the label 3: labels are 1, 0, or -1 for not annotated"),
    ],
)
def test_what_is_no_label_is_named_with_its_row(values: Sequence[Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        labels(tmp_path, values)
    assert str(caught.value).endswith(said)


def test_a_schema_has_to_be_known_and_to_have_the_same_classes(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.parquet", [on_video("t", labels=[1, 0, 1])]))
    with pytest.raises(ManifestError, match="does not say which schema its labels follow: give it with --schema"):
        read_labels(manifest, SCHEMA)
    other = AttributeSchema("other", (HAT,))
    with pytest.raises(SchemaError, match=r"follow schema 'other', not 'small': only small has .*_green$"):
        read_labels(manifest, SCHEMA, labelled_by=other)
