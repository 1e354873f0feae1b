"""What can go wrong at a venue, named by what the caller may do about it.

Every error pickles with its attributes, because it may cross a process.
"""


class VenueError(Exception):
    """Something went wrong at a venue."""


class Rejected(VenueError):  # noqa: N818 - the field's word, and what happened
    """The venue refused, positively: this request did nothing and never will. Safe to decide anew.

    `stale_nonce` says that only our nonce was wrong: the same request may go again under a fresh one.
    """

    def __init__(self, code: str, detail: str, *, stale_nonce: bool = False) -> None:
        """Keep the venue's code and words."""
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.stale_nonce = stale_nonce

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword argument."""
        return (_rebuild_rejected, (self.code, self.detail, self.stale_nonce))

    def __str__(self) -> str:
        """Return code and detail on one line."""
        return f"{self.code}: {self.detail}"


class OutcomeUnknown(VenueError):  # noqa: N818 - a value, not a failure
    """A write may or may not have happened: time-out, reset, 5xx, unreadable answer. Only proof ends this."""


class RateLimited(VenueError):  # noqa: N818 - the field's word
    """Refused for coming too often, before doing anything. Wait `retry_after_s`, then decide anew."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        """Keep how long to wait, in seconds."""
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class Unreachable(VenueError):  # noqa: N818 - the field's word
    """Nothing reached the venue, or a read got no answer. A read may be repeated; a write did not happen."""


class Malformed(VenueError):  # noqa: N818 - the field's word
    """A read was answered with something we do not understand. Not zero, not empty: no answer."""


READ_ERRORS = (Unreachable, Malformed, RateLimited, Rejected)
"""All that a read may raise; each means: no answer, ask again later."""


def _rebuild_rejected(code: str, detail: str, stale_nonce: bool) -> Rejected:  # noqa: FBT001 - pickle calls by position
    return Rejected(code, detail, stale_nonce=stale_nonce)
