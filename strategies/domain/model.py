"""The one base of every value in the vocabulary: frozen, strict about names, compared by content."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value; an unknown field is an error, because a typo must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, not validated, as pydantic does it.

        A machine makes hundreds of these in a cycle, and nothing in a frozen value needs to be copied itself: the
        general way takes three times as long.
        """
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        given = self.__pydantic_fields_set__
        copied = object.__new__(type(self))
        _set_dict(copied, {**self.__dict__, **changes})
        # Shared where it stays the same: nobody changes it in place.
        _set_given(copied, given if given.issuperset(changes) else given | changes.keys())
        _set_extra(copied, None)
        _set_private(copied, None)
        return copied


# What pydantic keeps an instance in, set past the check that keeps a frozen value from being changed.
_set_dict = vars(BaseModel)["__dict__"].__set__
_set_given = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__
