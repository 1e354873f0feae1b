"""The JSON Schema of a settings file, composed from the models that live beside their users."""

from typing import Any

from pydantic import BaseModel

from conf.assemble import PLAIN_SECTIONS, section_model
from conf.schema import GroupSettings, venue_models
from strategies.registry import STRATEGIES
from venues.registry import VENUES

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"


def settings_schema() -> dict[str, Any]:
    """Return the schema; every description in it is the remedy that an error message would name."""
    composed = _Composed()
    properties: dict[str, Any] = {
        "live": {
            "type": "boolean",
            "default": False,
            "description": "real venues may be named; trading also needs --live when starting",
        }
    }
    for name in PLAIN_SECTIONS:
        properties[name] = composed.add(section_model(name))
    properties["venues"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "the venues, by name",
        "properties": {venue: composed.add(venue_models(venue)[0]) for venue in VENUES},
    }
    properties["accounts"] = _named("the accounts, by name", {"oneOf": [composed.account(venue) for venue in VENUES]})
    groups = [composed.group(name) for name in STRATEGIES]
    properties["groups"] = _named("the hedge groups, by name", {"oneOf": groups})
    return {
        "$schema": _DRAFT,
        "title": "Hedgevisor settings",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": composed.definitions,
    }


class _Composed:
    """Many models' schemas with one table of definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def add(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return a model's schema; what it refers to goes into the table."""
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        for name, definition in schema.pop("$defs", {}).items():
            self.definitions[name] = _as_written(definition)
        written: dict[str, Any] = _as_written(schema)
        return written

    def account(self, venue: str) -> dict[str, Any]:
        """Return the schema of an account at one venue: the venue's own model, and the venue's name."""
        schema = self.add(venue_models(venue)[1])
        schema["properties"] = {"venue": {"const": venue, "description": "which venue"}} | schema["properties"]
        schema["required"] = ["venue", *schema.get("required", [])]
        return schema

    def group(self, strategy: str) -> dict[str, Any]:
        """Return the schema of a group of one strategy: the common part, its legs and its parameters."""
        chosen = STRATEGIES[strategy]
        schema = self.add(GroupSettings)
        account = {"type": "string", "description": "name of the account that plays it"}
        legs: dict[str, Any] = {"type": "object", "additionalProperties": account}
        if chosen.optional_legs is not None:
            names = (*chosen.required_legs, *chosen.optional_legs)
            legs = {
                "type": "object",
                "additionalProperties": False,
                "properties": dict.fromkeys(names, account),
                "required": list(chosen.required_legs),
            }
        schema["properties"] |= {
            "strategy": {"const": strategy, "description": "name of the strategy"},
            "legs": legs,
            "params": self.add(chosen.params_model),
        }
        schema["required"] = ["strategy", "instrument", "legs"]
        if schema["properties"]["params"].get("required"):
            schema["required"].append("params")
        schema["title"] = f"group of {strategy}"
        return schema


def _named(description: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": item,
    }


def _as_written(schema: Any) -> Any:
    """Return a schema as TOML is written: a number is a number, never a text, and nothing is null."""
    if isinstance(schema, list):
        return [_as_written(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf")
    if isinstance(options, list):
        kept = [each for each in options if each.get("type") != "null"]
        if any(each.get("type") == "number" for each in kept):
            kept = [each for each in kept if each.get("type") != "string"]
        rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
        merged = rest | kept[0] if len(kept) == 1 else rest | {"anyOf": kept}
        return {key: _as_written(value) for key, value in merged.items()}
    return {key: _as_written(value) for key, value in schema.items()}
