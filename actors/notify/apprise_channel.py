"""Every other channel, through Apprise: mail, Slack, Discord, ntfy, webhooks and about a hundred more."""

import logging
from collections.abc import Sequence

import apprise

from actors.notify.channel import DeliveryError
from actors.notify.message import Message
from venues.secrets import Secret

_TITLE = "Hedgevisor"


class AppriseUrlError(Exception):
    """The reference does not lead to an address that Apprise knows. Never names the address."""


class AppriseChannel:
    """One Apprise address; see `Channel`."""

    limit = 4000
    """Most services take about as much; Apprise cuts for the others."""

    def __init__(self, name: str, secret: Secret) -> None:
        """Read the address; nothing is connected.

        Raises:
            AppriseUrlError: it is none.
        """
        # Its log lines hold whole addresses, and an address holds its password.
        logging.getLogger("apprise").disabled = True
        self.name = name
        self._service = apprise.Apprise()
        if not self._service.add(secret.reveal()):
            raise AppriseUrlError(f"{secret!r} is not an address that Apprise knows: see its list of services")

    async def deliver(self, text: str, messages: Sequence[Message]) -> None:  # noqa: ARG002 - the buttons stay behind
        """See `Channel.deliver`. Runs on a thread of the loop's pool."""
        sent = await self._service.async_notify(body=text, title=_TITLE, body_format=apprise.NotifyFormat.TEXT)
        if not sent:
            raise DeliveryError("the service did not take it")

    async def close(self) -> None:
        """See `Channel.close`: nothing stays open between two deliveries."""
