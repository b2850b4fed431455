"""Attribute schemas: what is recognised, in which order, under which names."""

from par_model.attributes.attribute_schema import (
    AttributeClass,
    AttributeGroup,
    AttributeSchema,
    load_schema,
    shipped_schemas,
)

__all__ = ["AttributeClass", "AttributeGroup", "AttributeSchema", "load_schema", "shipped_schemas"]
