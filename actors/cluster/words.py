"""What Ray says, in few words."""

import re

_WORDS = 300
"""Characters of Ray's explanation of a death that are kept; the rest is advice for Ray's own users."""
_EXIT = re.compile(r"(?P<how>Worker exit type: .*?)(?: Some common causes|$)")


def first_words(error: BaseException) -> str:
    """Return the beginning of an explanation, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _WORDS else text[:_WORDS] + " …"


def cause_of_death(error: BaseException) -> str:
    """Return the part of Ray's explanation that says how the process ended; all of it when there is no such part."""
    text = " ".join(str(error).split())
    found = _EXIT.search(text)
    return f"its process ended, {found['how']}" if found is not None else first_words(error)
