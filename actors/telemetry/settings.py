"""What telemetry can be told."""

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from strategies.domain.ids import LegName
from strategies.domain.model import Value
from venues.secrets import SecretRef

OWN = "own"
"""Written as `base_url`: this supervisor's own telemetry API."""
_PLACES = re.compile(r"\{(?:group|role)\}")


class TelemetryConfig(Value):
    """Section `[telemetry]`."""

    base_url: str = Field(
        default=OWN,
        description='where our groups send their heartbeats: "own" = this supervisor, a URL, or "" = nowhere',
    )
    token: SecretRef | None = Field(default=None, description="sent as x-auth-token to a base_url that is a URL")
    interval_s: float = Field(default=10.0, ge=1, le=3600, description="time between two heartbeats of a bot, seconds")
    group: str = Field(
        default="{group}", max_length=100, description="what a group is called there; {group} is our name of it"
    )
    bot: str = Field(
        default="{group}.{role}",
        max_length=100,
        description="what a leg is called there, of {group} and {role}; the group as a whole has the role `group`",
    )
    roles: dict[LegName, str] = Field(default={}, description="other names of legs there: leg = role")
    ingest_token: SecretRef | None = Field(
        default=None,
        description="what bots that report here must send as x-auth-token; absent = bots of this machine need none, "
        "and others may not report",
    )
    max_bots: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="bots that are remembered; one more takes the place of whoever has been offline longest",
    )

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url in {OWN, ""}:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError('must be "own", "" or a URL like https://host/path, without a password in it')
        return url.rstrip("/")

    @field_validator("group", "bot")
    @classmethod
    def _known_places(cls, pattern: str) -> str:
        if set(_PLACES.sub("", pattern)) & set("{}"):
            raise ValueError("only {group} and {role} may stand in braces")
        return pattern

    def group_name(self, group: str) -> str:
        """Return what a group is called there."""
        return self.group.replace("{group}", group).replace("{role}", "")

    def bot_name(self, group: str, role: str) -> str:
        """Return what a leg of a group is called there."""
        return self.bot.replace("{group}", group).replace("{role}", role)

    def role_of(self, leg: LegName) -> str:
        """Return what a leg's role is called there."""
        return self.roles.get(leg, leg)
