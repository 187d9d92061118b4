"""JSON Schema as far as the API's description uses it: whoever writes another keyword there has to teach it here."""

import re
from typing import Any

Json = Any
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_BOUNDS: dict[str, Any] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
    "minItems": lambda value, bound: len(value) >= bound,
    "maxItems": lambda value, bound: len(value) <= bound,
    "minProperties": lambda value, bound: len(value) >= bound,
    "maxProperties": lambda value, bound: len(value) <= bound,
}
_KNOWN = {"$ref", "anyOf", "type", "enum", "const", "pattern", "properties", "required", "additionalProperties"}
_KNOWN |= {"items", "prefixItems", "propertyNames", *_BOUNDS, "title", "description", "contentEncoding", "format"}


def problem_of(value: Json, schema: Json, components: Json, at: str = "") -> str:
    """Where and how a value does not satisfy a schema; empty if it does."""
    if unknown := schema.keys() - _KNOWN:
        return f"{at}: the keyword {min(unknown)} is not known to the test"
    if "$ref" in schema:
        return problem_of(value, components[schema["$ref"].rpartition("/")[2]], components, at)
    if "anyOf" in schema:
        found = [problem_of(value, part, components, at) for part in schema["anyOf"]]
        return "" if "" in found else " / ".join(found)
    type_ = schema.get("type")
    is_one = type_ is None or (isinstance(value, _TYPES[type_]) and (type_ == "boolean" or not isinstance(value, bool)))
    if not is_one or ("enum" in schema and value not in schema["enum"]) or value != schema.get("const", value):
        return f"{at}: {value!r:.200} is not {type_} {schema.get('enum', '')}"
    for name in _BOUNDS.keys() & schema.keys():
        # A length that is said of base64 is that of the bytes.
        if schema.get("contentEncoding") != "base64" and not _BOUNDS[name](value, schema[name]):
            return f"{at}: {value!r:.200} breaks {name} {schema[name]}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{at}: {value!r:.200} does not match {schema['pattern']}"
    if isinstance(value, dict):
        return _problem_in_object(value, schema, components, at)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        kinds = [*first, *[schema.get("items") or {}] * (len(value) - len(first))]
        parts = zip(value, kinds, strict=True)
        return next(filter(None, (problem_of(v, s, components, f"{at}/{i}") for i, (v, s) in enumerate(parts))), "")
    return ""


def _problem_in_object(value: Json, schema: Json, components: Json, at: str) -> str:
    if missing := set(schema.get("required", ())) - value.keys():
        return f"{at}: {min(missing)} is missing"
    members, other = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, item in value.items():
        if found := problem_of(name, schema.get("propertyNames", {}), components, f"{at}/{name}"):
            return found
        if name not in members and other is False:
            return f"{at}: {name} is not in the schema"
        if found := problem_of(item, members.get(name, other), components, f"{at}/{name}"):
            return found
    return ""
