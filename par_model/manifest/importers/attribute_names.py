"""Under which names other people's files know the groups and classes of a schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from par_model.attributes import AttributeSchema
from par_model.attributes.attribute_schema import AttributeGroup, field_name
from par_model.errors import ManifestError


@dataclass(frozen=True)
class Target:
    """What a name means: the classes start to stop of a schema. whole_group: all the classes of an exclusive group."""

    start: int
    stop: int
    whole_group: bool


def known_names(schema: AttributeSchema) -> dict[str, Target]:
    """Every name that the schema knows, as a field name."""
    known: dict[str, Target] = {}
    for group, span in schema.spans():
        names = (group.name, *group.aliases)
        for name in names:
            known.setdefault(field_name(name), Target(span.start, span.stop, group.kind == "exclusive"))
        for position, of_class in zip(range(span.start, span.stop), group.classes, strict=True):
            one = Target(position, position + 1, False)
            own = [*of_class.aliases, *([of_class.released] if of_class.released else [])]
            if group.kind == "exclusive":
                own += [f"{name} {of_class.value}" for name in names]
            for name in own:
                known.setdefault(field_name(name), one)
    return known


def known_values(group: AttributeGroup) -> dict[str, int]:
    """Every name of an exclusive group's classes, as a field name -> the class's position in the group."""
    known: dict[str, int] = {}
    for position, of_class in enumerate(group.classes):
        for name in (of_class.value, *of_class.aliases, *([of_class.released] if of_class.released else [])):
            known.setdefault(field_name(name), position)
    return known


def match_names(names: Iterable[str], schema: AttributeSchema, origin: str) -> dict[str, Target]:
    """What each of a file's names means; those that mean nothing are not there.

    Raises ManifestError where two names mean the same attribute.
    """
    known = known_names(schema)
    targets = {name: known[field] for name in names if (field := field_name(name.strip())) in known}
    taken: dict[int, str] = {}
    for name, target in targets.items():
        for position in range(target.start, target.stop):
            other = taken.setdefault(position, name)
            if other != name:
                raise ManifestError(
                    f"{origin}: {other!r} and {name!r} are the same attribute of schema {schema.name}; remove one"
                )
    return targets
