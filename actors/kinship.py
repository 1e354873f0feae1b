"""Do two journals belong together? A group and an account each remember how far they have come with the other. Pure.

A file that was lost begins anew, and one put back from an earlier day knows less: then numbers of messages and facts no
longer mean what the other side means by them, and a command would be swallowed or a fact dropped. So each side knows
the other journal by its identity, and how far it had come; whatever does not fit is said, with the file it is about.
"""

from pydantic import Field

from actors.actor import FactBatch, NumberedFact, Receipt
from strategies.domain.events import AccountEvent
from strategies.domain.ids import AccountId
from strategies.domain.model import Value

REMEDY = (
    "Put the right file back. If it is lost, look at the venues first; then give the group another name, and remove the"
    " file of an account only when it is the wrong one"
)
"""What to do about journals that do not belong together."""


class Tie(Value):
    """What a group's journal knows of its tie to one account."""

    account: AccountId
    group_file: str = Field(description="where the group's journal lies, in words")
    account_file: str = Field(description="where the account's journal lies, in words")
    identity: str = Field(description="of the group's own journal")
    peer: str = Field(description="identity of the account's journal; empty = never met, or met before there was one")
    sent: int = Field(ge=0, description="number of the last message, before this life sent any")
    acknowledged: int = Field(ge=0, description="number of the last message that the account has said it has")
    cursor: int = Field(ge=0, description="number of the last fact decided upon")
    last_fact: AccountEvent | None = Field(description="that fact; None = not known any more")


def stranger_by_receipt(tie: Tie, receipt: Receipt) -> str:
    """Say why an account's receipt cannot be of the account that this group knows; empty = it fits."""
    if tie.peer and receipt.journal != tie.peer:
        return (
            f"the journal of account {tie.account} ({tie.account_file}) is another one than this group knows"
            f" ({receipt.journal}, not {tie.peer}): it was lost and begun anew"
        )
    if receipt.knows and receipt.knows != tie.identity:
        return (
            f"account {tie.account} has taken {receipt.taken} messages from another journal of this group"
            f" ({receipt.knows}; {tie.group_file} is {tie.identity}): the group's was lost and begun anew"
        )
    if receipt.taken > tie.sent:
        return (
            f"account {tie.account} has taken {receipt.taken} messages from this group, whose journal"
            f" ({tie.group_file}) knows of {tie.sent}: it was put back from an earlier day"
        )
    if receipt.taken < tie.acknowledged:
        return (
            f"account {tie.account} has taken {receipt.taken} messages, and had said {tie.acknowledged}: its journal"
            f" ({tie.account_file}) was put back from an earlier day"
        )
    return ""


def stranger_by_facts(tie: Tie, batch: FactBatch) -> str:
    """Say why facts from `tie.cursor` on cannot be of the account that this group has heard so far; empty = they fit.

    `batch` begins with the fact at the cursor itself: the one that this group has decided upon last.
    """
    if tie.peer and batch.journal != tie.peer:
        return (
            f"the journal of account {tie.account} ({tie.account_file}) is another one than this group knows"
            f" ({batch.journal}, not {tie.peer}): it was lost and begun anew"
        )
    if batch.published < tie.cursor:
        return (
            f"account {tie.account} has {batch.published} facts, this group has read {tie.cursor}: the account's"
            f" journal ({tie.account_file}) was put back from an earlier day, or begun anew"
        )
    if tie.last_fact is None or batch.facts[:1] == (NumberedFact(seq=tie.cursor, event=tie.last_fact),):
        return ""
    return (
        f"fact {tie.cursor} of account {tie.account} is not the one that this group has read: the account's journal"
        f" ({tie.account_file}) was put back from an earlier day and has gone on from there"
    )
