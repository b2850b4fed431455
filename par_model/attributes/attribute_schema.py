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
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any, Literal

import tomli_w

from par_model import storage
from par_model.documents import STRICT, DocumentError, read_document
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
    def values(self) -> tuple[str, ...]:
        """The value of each class."""
        return tuple(c.value for c in self.classes)

    @property
    def answers(self) -> tuple[str, ...]:
        """What a person reads: no and yes, or the values."""
        return ("no", "yes") if self.kind == "binary" else self.values

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
        try:
            found = read_document(_Document, document)
        except DocumentError as error:
            raise SchemaError(f"attribute schema {origin}: {error}") from error
        return cls(name=found.name, groups=tuple(group.made() for group in found.groups), origin=origin)


@dataclass(frozen=True)
class _DocumentClass:
    """A class as TOML has it."""

    __pydantic_config__ = STRICT
    value: str
    text: str
    released: str | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _refuse_blank(value=self.value, text=self.text, released=self.released)


@dataclass(frozen=True)
class _DocumentGroup:
    """A group as TOML has it. Raises ValueError where it has keys of the other kind."""

    __pydantic_config__ = STRICT
    name: str
    kind: Kind
    text: str | None = None
    negative_text: str | None = None
    released: str | None = None
    aliases: tuple[str, ...] = ()
    classes: tuple[_DocumentClass, ...] | None = None

    def __post_init__(self) -> None:
        _refuse_blank(name=self.name, text=self.text, negative_text=self.negative_text, released=self.released)
        if self.kind == "binary" and self.classes is not None:
            raise ValueError("is binary: give it a text, not classes")
        if self.kind == "binary" and self.text is None:
            raise ValueError("is binary: give it a text")
        if self.kind == "exclusive" and (self.text, self.negative_text, self.released) != (None, None, None):
            raise ValueError("is exclusive: its texts belong to its classes")
        if self.kind == "exclusive" and self.classes is None:
            raise ValueError("is exclusive: give it a list of classes")

    def made(self) -> AttributeGroup:
        if self.text is not None:
            classes: tuple[AttributeClass, ...] = (
                AttributeClass(self.name, self.text, self.negative_text, self.released),
            )
        else:
            classes = tuple(
                AttributeClass(c.value, c.text, released=c.released, aliases=c.aliases) for c in self.classes or ()
            )
        return AttributeGroup(self.name, self.kind, classes, self.aliases)


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = STRICT
    name: str
    groups: tuple[_DocumentGroup, ...]

    def __post_init__(self) -> None:
        _refuse_blank(name=self.name)


def _refuse_blank(**texts: str | None) -> None:
    for name, text in texts.items():
        if text is not None and not text.strip():
            raise ValueError(f"{name} must be a text that is not empty")


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


def _repeated(names: Any) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
