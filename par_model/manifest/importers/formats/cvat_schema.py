"""An attribute schema from what CVAT's own specification lets annotators say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from par_model import storage
from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.attributes.attribute_schema import MANIFEST_COLUMNS, RESULT_COLUMNS, field_name
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import Votes
from par_model.manifest.importers.formats.cvat import ID_ATTRIBUTE
from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification

_LISTS = ("select", "radio", "")  # FiftyOne says no kind of its lists of values
_UNDEFINED = "__undefined__"
_YES_OR_NO = ({"true", "false"}, {"yes", "no"}, {"0", "1"})


@dataclass(frozen=True)
class SpecifiedSchema:
    """schema: a group for each checkbox and each list of values. passed_over: attributes that are neither, and why."""

    schema: AttributeSchema
    passed_over: Sequence[str]


def schema_of(attributes: Sequence[AttributeSpecification], votes: Votes, name: str, origin: str) -> SpecifiedSchema:
    """A schema called ``name``, of what ``read_cvat`` found specified.

    votes: what the tracks say. An attribute that is said to be true or false counts as specified, since FiftyOne writes
    such ones and does not specify them. The schema's texts are names and values behind "a pedestrian:", a stand-in for
    sentences that CLIP understands. A name that is one of the table's columns gets ``attribute_`` before it and stays
    as an alias.

    Raises ManifestError where there is nothing to make groups of, SchemaError where names collide.
    """
    groups: list[AttributeGroup] = []
    passed_over: list[str] = []
    for attribute in [*attributes, *_unspecified(attributes, votes)]:
        if attribute.name == ID_ATTRIBUTE:
            continue
        values = [value for value in dict.fromkeys(attribute.values) if value != _UNDEFINED]
        if attribute.kind == "checkbox" or {value.lower() for value in values} in _YES_OR_NO:
            groups.append(_binary(attribute.name))
        elif attribute.kind in _LISTS and len(values) > 1:
            groups.append(_exclusive(attribute.name, values))
        elif attribute.kind in _LISTS and values:
            passed_over.append(f"{attribute.name} (fewer than two values)")
        else:
            passed_over.append(f"{attribute.name} ({f'{attribute.kind} input' if attribute.kind else 'not specified'})")
    if not groups:
        why = f": {', '.join(passed_over)}" if passed_over else ""
        raise ManifestError(
            f"{origin}: specifies no checkbox and no list of values that a schema could be made of{why}; "
            "write a schema and give it with --schema"
        )
    return SpecifiedSchema(AttributeSchema(name=name, groups=tuple(groups), origin=origin), passed_over)


def merged(files: Sequence[Sequence[AttributeSpecification]], origin: str) -> list[AttributeSpecification]:
    """What several files specify, each name once, with the values of all. Raises ManifestError where two say different
    kinds; lists are of one kind, whatever they look like to annotators."""
    found: dict[str, AttributeSpecification] = {}
    for attribute in (attribute for of_file in files for attribute in of_file):
        before = found.setdefault(attribute.name, attribute)
        if before.kind != attribute.kind and not {before.kind, attribute.kind} <= set(_LISTS):
            raise ManifestError(
                f"{origin}: attribute {attribute.name} is of the kind {before.kind!r} in one file and "
                f"{attribute.kind!r} in another: write a schema and give it with --schema"
            )
        values = tuple(dict.fromkeys((*before.values, *attribute.values)))
        found[attribute.name] = replace(before, values=values)
    return list(found.values())


def _unspecified(attributes: Sequence[AttributeSpecification], votes: Votes) -> list[AttributeSpecification]:
    """What tracks say without a specification; their values count only if they are true and false."""
    known = {attribute.name for attribute in attributes}
    values: dict[str, set[str]] = {}
    for of_track in votes.values():
        for name, said in of_track.items():
            if name not in known:
                values.setdefault(name, set()).update(value.strip().lower() for value in said)
    boolean = {name for name, said in values.items() if said <= {"true", "false"}}
    return [AttributeSpecification(name, "checkbox" if name in boolean else "", ()) for name in values]


def _binary(attribute: str) -> AttributeGroup:
    name, aliases = _group_name(attribute)
    words = _words(attribute)
    only = AttributeClass(name, text=f"a pedestrian: {words}", negative_text=f"a pedestrian: no {words}")
    return AttributeGroup(name, "binary", (only,), aliases)


def _exclusive(attribute: str, values: Sequence[str]) -> AttributeGroup:
    name, aliases = _group_name(attribute)
    words = _words(attribute)
    classes = tuple(AttributeClass(value, text=f"a pedestrian: {words} {_words(value)}") for value in values)
    return AttributeGroup(name, "exclusive", classes, aliases)


def _group_name(attribute: str) -> tuple[str, tuple[str, ...]]:
    if field_name(attribute) in (*RESULT_COLUMNS, *MANIFEST_COLUMNS):
        return f"attribute_{attribute}", (attribute,)
    return attribute, ()


def _words(name: str) -> str:
    return name.replace("_", " ").strip()


def write_beside(schema: AttributeSchema, manifest_uri: str) -> str:
    """Write a schema as ``<manifest>.schema.toml`` and return that place.

    Raises ManifestError where another one is there, in which somebody may have written better texts.
    """
    uri = f"{manifest_uri.removesuffix('.parquet')}.schema.toml"
    text = schema.to_toml().encode()
    if storage.exists(uri):
        if storage.read_bytes(uri) == text:
            return uri
        raise ManifestError(
            f"{uri}: is there already and differs: take it with --schema {uri}, or remove it so that it is made anew"
        )
    storage.write_bytes(uri, text)
    return uri
