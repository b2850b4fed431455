"""The attribute schema: an ordered list of groups, each binary (one class) or exclusive (several classes), as TOML.

    name = "uniforms"

    [[groups]]
    name = "helmet"
    kind = "binary"
    text = "a pedestrian wearing a helmet"
    negative_text = "a pedestrian without a helmet"

    [[groups]]
    name = "vest_color"
    kind = "exclusive"
    classes = [
        { value = "yellow", text = "a pedestrian in a yellow vest" },
        { value = "orange", text = "a pedestrian in an orange vest" },
    ]

Optional: ``released`` (a class: the phrase that the released checkpoints were trained with) and ``aliases`` (a group
or a class: column headers under which annotation files know it).
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any, Literal

import tomli_w

from par_model import storage
from par_model.errors import SchemaError

Kind = Literal["binary", "exclusive"]

# Columns of manifests and of the attribute table, which no group may therefore be called.
RESULT_COLUMNS = (
    "status", "error", "message", "scores", "sampled_frames", "num_frames", "model_id", "run_id", "embedding",
)  # fmt: skip
MANIFEST_COLUMNS = (
    "tracklet_id", "video_uri", "image_uris", "frame_indices", "boxes", "camera_id", "start_time", "split", "labels",
    "video_stream",
)  # fmt: skip

_GROUP_KEYS = {"name", "kind", "text", "negative_text", "released", "aliases", "classes"}
_CLASS_KEYS = {"value", "text", "released", "aliases"}


def field_name(*parts: str) -> str:
    """A column or field name: lower case, ``_`` for everything but letters and digits, parts joined by ``_``."""
    return "_".join("".join(ch if ch.isalnum() else "_" for ch in part.lower()) for part in parts)


@dataclass(frozen=True)
class AttributeClass:
    """One class. ``value`` is what the table says, ``text`` what CLIP reads."""

    value: str
    text: str
    negative_text: str | None = None
    released: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttributeGroup:
    """A binary group has one class, whose value is the group's name; an exclusive one has at least two."""

    name: str
    kind: Kind
    classes: tuple[AttributeClass, ...]
    aliases: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The group's column in the attribute table; its score's is this with ``_score``."""
        return field_name(self.name)

    @property
    def score_fields(self) -> tuple[str, ...]:
        """Field of each class in the table's ``scores`` struct."""
        if self.kind == "binary":
            return (self.column,)
        return tuple(field_name(self.name, c.value) for c in self.classes)


@dataclass(frozen=True)
class AttributeSchema:
    """Groups in order. Raises SchemaError when names are missing, repeated, or collide once they are field names."""

    name: str
    groups: tuple[AttributeGroup, ...]
    origin: str = field(default="schema", compare=False)

    def __post_init__(self) -> None:
        def fail(problem: str) -> SchemaError:
            return SchemaError(f"attribute schema {self.origin}: {problem}")

        if not self.groups:
            raise fail("no groups: add at least one [[groups]] table")
        for group in self.groups:
            if not group.name.strip():
                raise fail("a group has an empty name")
            if group.kind == "binary" and len(group.classes) != 1:
                raise fail(f"binary group {group.name!r} must have exactly one class, got {len(group.classes)}")
            if group.kind == "exclusive" and len(group.classes) < 2:
                raise fail(f"exclusive group {group.name!r} needs at least two classes, got {len(group.classes)}")
            for c in group.classes:
                if not c.value.strip() or not c.text.strip():
                    raise fail(f"group {group.name!r} has a class with an empty value or text")
            twice = _repeated(c.value for c in group.classes)
            if twice:
                raise fail(f"group {group.name!r} has class {twice!r} twice")
        twice = _repeated(group.name for group in self.groups)
        if twice:
            raise fail(f"group {twice!r} is there twice")
        twice = _repeated(self.score_fields)
        if twice:
            raise fail(f"two classes become the same field {twice!r} of the table's scores: rename one")
        taken = next((name for name in self.columns if name in (*RESULT_COLUMNS, *MANIFEST_COLUMNS)), None)
        if taken:
            raise fail(f"a group becomes the column {taken!r}, which every table has already: rename the group")
        twice = _repeated(self.columns)
        if twice:
            raise fail(f"two groups become the same table column {twice!r}: rename one")

    @cached_property
    def classes(self) -> tuple[AttributeClass, ...]:
        """All classes in order; C of them."""
        return tuple(c for group in self.groups for c in group.classes)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @cached_property
    def score_fields(self) -> tuple[str, ...]:
        """The C field names of the table's ``scores`` struct, in order."""
        return tuple(name for group in self.groups for name in group.score_fields)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The table's columns for all groups, in order: each group and its score."""
        return tuple(name for group in self.groups for name in (group.column, f"{group.column}_score"))

    def spans(self) -> Iterator[tuple[AttributeGroup, slice]]:
        """Each group with the slice of its classes among the C."""
        start = 0
        for group in self.groups:
            stop = start + len(group.classes)
            yield group, slice(start, stop)
            start = stop

    def to_toml(self) -> str:
        """TOML text that ``parse`` reads back to an equal schema."""
        groups = []
        for group in self.groups:
            table: dict[str, Any] = {"name": group.name, "kind": group.kind}
            if group.kind == "binary":
                only = group.classes[0]
                table["text"] = only.text
                table |= _present(negative_text=only.negative_text, released=only.released)
                table |= _present(aliases=list(group.aliases))
            else:
                table |= _present(aliases=list(group.aliases))
                table["classes"] = [
                    {"value": c.value, "text": c.text} | _present(released=c.released, aliases=list(c.aliases))
                    for c in group.classes
                ]
            groups.append(table)
        return tomli_w.dumps({"name": self.name, "groups": groups})

    @classmethod
    def parse(cls, text: str, origin: str) -> AttributeSchema:
        """A schema from TOML text. ``origin`` names it in errors. Raises SchemaError."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SchemaError(f"attribute schema {origin}: not valid TOML: {error}") from error
        _reject_unknown(document, {"name", "groups"}, origin, "the top level")
        name = _text(document, "name", origin, "the top level")
        tables = document.get("groups")
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            raise SchemaError(f"attribute schema {origin}: 'groups' must be a list of [[groups]] tables")
        return cls(name=name, groups=tuple(_parse_group(t, origin) for t in tables), origin=origin)


def shipped_schemas() -> tuple[str, ...]:
    """Names of the schemas that come with the package."""
    folder = resources.files(__package__)
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_schema(name_or_uri: str) -> AttributeSchema:
    """A shipped schema by name, or a user's by path or URI. Raises SchemaError."""
    if name_or_uri in shipped_schemas():
        text = resources.files(__package__).joinpath(f"{name_or_uri}.toml").read_text(encoding="utf-8")
        return AttributeSchema.parse(text, name_or_uri)
    try:
        text = storage.read_bytes(name_or_uri).decode("utf-8")
    except storage.PlaceError as error:
        if error.reason is storage.Reason.NOT_FOUND:
            shipped = ", ".join(shipped_schemas())
            raise SchemaError(
                f"attribute schema {name_or_uri}: no such file, and not a shipped one ({shipped})"
            ) from error
        raise SchemaError(f"attribute schema: {error}") from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"attribute schema {name_or_uri}: is not UTF-8 text: {error}") from error
    return AttributeSchema.parse(text, name_or_uri)


def _parse_group(table: Mapping[str, Any], origin: str) -> AttributeGroup:
    name = _text(table, "name", origin, "a group")
    where = f"group {name!r}"
    _reject_unknown(table, _GROUP_KEYS, origin, where)
    kind = table.get("kind")
    if kind == "binary":
        if "classes" in table:
            raise SchemaError(f"attribute schema {origin}: {where} is binary: give it a text, not classes")
        only = AttributeClass(
            value=name,
            text=_text(table, "text", origin, where),
            negative_text=_optional_text(table, "negative_text", origin, where),
            released=_optional_text(table, "released", origin, where),
        )
        return AttributeGroup(name=name, kind="binary", classes=(only,), aliases=_aliases(table, origin, where))
    if kind == "exclusive":
        if table.keys() & {"text", "negative_text", "released"}:
            raise SchemaError(f"attribute schema {origin}: {where} is exclusive: its texts belong to its classes")
        rows = table.get("classes")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SchemaError(f"attribute schema {origin}: {where} needs a list of classes")
        return AttributeGroup(
            name=name,
            kind="exclusive",
            classes=tuple(_parse_class(row, origin, where) for row in rows),
            aliases=_aliases(table, origin, where),
        )
    raise SchemaError(f"attribute schema {origin}: {where}: kind is {kind!r}, expected 'binary' or 'exclusive'")


def _parse_class(row: Mapping[str, Any], origin: str, where: str) -> AttributeClass:
    value = _text(row, "value", origin, f"a class of {where}")
    inside = f"class {value!r} of {where}"
    _reject_unknown(row, _CLASS_KEYS, origin, inside)
    return AttributeClass(
        value=value,
        text=_text(row, "text", origin, inside),
        released=_optional_text(row, "released", origin, inside),
        aliases=_aliases(row, origin, inside),
    )


def _text(table: Mapping[str, Any], key: str, origin: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SchemaError(f"attribute schema {origin}: {where} needs {key!r}, a text that is not empty")
    return value


def _optional_text(table: Mapping[str, Any], key: str, origin: str, where: str) -> str | None:
    return _text(table, key, origin, where) if key in table else None


def _aliases(table: Mapping[str, Any], origin: str, where: str) -> tuple[str, ...]:
    value = table.get("aliases", [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise SchemaError(f"attribute schema {origin}: {where}: aliases must be a list of texts")
    return tuple(value)


def _reject_unknown(table: Mapping[str, Any], known: set[str], origin: str, where: str) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise SchemaError(
            f"attribute schema {origin}: {where} has unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )


def _repeated(names: Any) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
