"""The one base of every value in the vocabulary: frozen, strict about names, compared by content."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value; an unknown field is an error, because a typo must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
