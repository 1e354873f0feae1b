"""Does what was written have the shape of a model?

Says what pydantic would let pass or say less clearly: a key that does not exist, a text or a truth value where a
number is due, a number that is none.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from conf.finding import Path


@dataclass(frozen=True, slots=True)
class Misfit:
    """One value that does not have the shape of its place."""

    path: Path
    problem: str
    remedy: str
    known: bool = True
    """Whether the key itself exists."""


_BOOL, _WHOLE, _NUMBER, _TEXT = "true or false", "a whole number", "a number", "a text in quotes"


def misfits(model: type[BaseModel], raw: Mapping[str, Any], path: Path = ()) -> Iterator[Misfit]:
    """Yield every misfit in a table that is to become `model`."""
    for key, value in raw.items():
        field = model.model_fields.get(key)
        if field is None:
            yield unknown_key((*path, key), model.model_fields)
        else:
            yield from _value_misfits(field.annotation, value, (*path, key))


def unknown_key(path: Path, known: Mapping[str, Any]) -> Misfit:
    """Return the misfit of a key that does not exist, with the one that was probably meant."""
    near = get_close_matches(str(path[-1]), list(known), n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
    return Misfit(path, "unknown key", remedy, known=False)


def field_description(model: type[BaseModel], loc: Path) -> str:
    """Return the description of the field that `loc` leads to; empty when there is none."""
    annotation: Any = model
    description = ""
    for part in loc:
        nested = _model_of(annotation)
        if isinstance(part, str) and nested is not None and part in nested.model_fields:
            field = nested.model_fields[part]
            annotation, description = field.annotation, field.description or description
        else:
            annotation = _element_of(annotation)
    return description


def _value_misfits(annotation: Any, value: Any, path: Path) -> Iterator[Misfit]:
    nested, element, kinds = _model_of(annotation), _element_of(annotation), _kinds(annotation)
    if isinstance(value, dict) and nested is not None:
        yield from misfits(nested, value, path)
    elif isinstance(value, dict | list) and element is not None:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _value_misfits(element, each, (*path, key))
    elif kinds:
        problem = _scalar_problem(kinds, value)
        if problem:
            yield Misfit(path, *problem)


def _scalar_problem(kinds: frozenset[str], value: Any) -> tuple[str, str] | None:
    """Return problem and remedy of one value where one of `kinds` is due; None = pydantic may judge it."""
    due = " or ".join(sorted(kinds))
    written = ""
    match value:
        case bool():
            written = "" if _BOOL in kinds else "a truth value"
        case str():
            written = "" if _TEXT in kinds else "a text"
        case Decimal():
            if not value.is_finite():
                return "not a finite number", f"write {due}"
            written = "" if _NUMBER in kinds else "a fraction"
        case int():
            written = "" if kinds & {_NUMBER, _WHOLE} else "a number"
        case dict():
            written = "a table"
        case list():
            written = "a list"
        case _:
            written = "a date or time"  # all that TOML has besides
    return (f"{written} where {due} is due", f"write {due}") if written else None


def _kinds(annotation: Any) -> frozenset[str]:
    """Return what may be written where `annotation` is due; empty = this module does not know."""
    found: set[str] = set()
    for option in _options(annotation):
        if get_origin(option) is Literal:
            found |= {_TEXT for choice in get_args(option) if isinstance(choice, str)}
        elif isinstance(option, type):
            if issubclass(option, bool):
                found.add(_BOOL)
            elif issubclass(option, str | Enum | PurePath):
                found.add(_TEXT)
            elif issubclass(option, int):
                found.add(_WHOLE)
            elif issubclass(option, float | Decimal):
                found.add(_NUMBER)
    return frozenset(found)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _element_of(annotation: Any) -> Any:
    """Return the type of what a list or table holds; None when neither is due."""
    for option in _options(annotation):
        arguments = get_args(option)
        if get_origin(option) is dict or get_origin(option) is Mapping:
            return arguments[1]
        if get_origin(option) in {list, tuple} and arguments:
            return arguments[0]
    return None


def _options(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation allows, without Annotated, NewType and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _options(get_args(annotation)[0])
    elif origin is Union or origin is types.UnionType:
        for option in get_args(annotation):
            yield from _options(option)
    elif hasattr(annotation, "__supertype__"):
        yield from _options(annotation.__supertype__)
    elif annotation is not type(None):
        yield annotation
