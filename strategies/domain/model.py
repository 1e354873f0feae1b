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
        object.__setattr__(copied, "__dict__", {**self.__dict__, **changes})
        # Shared where it stays the same: nobody changes it in place.
        object.__setattr__(
            copied, "__pydantic_fields_set__", given if given.issuperset(changes) else given | changes.keys()
        )
        object.__setattr__(copied, "__pydantic_extra__", None)
        object.__setattr__(copied, "__pydantic_private__", None)
        return copied
