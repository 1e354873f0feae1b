"""What an account actor is told when it starts. References to secrets only; plain values that may cross processes."""

from typing import Any

from pydantic import Field

from actors.account.protection import Protection
from strategies.domain.ids import AccountId, InstrumentId
from strategies.domain.model import Value


class AccountTuning(Value):
    """Waits and bounds of an account actor."""

    entry_deadline_s: float = Field(
        default=5.0, gt=0, description="an ENTRY order that waited longer is denied: its price is from another market"
    )
    hedge_deadline_s: float = Field(
        default=10.0, gt=0, description="the same for HEDGE orders: longer, because being naked costs more than a price"
    )
    exit_deadline_s: float = Field(
        default=30.0, gt=0, description="the same for EXIT orders: the group decides anew with a fresh price"
    )
    answer_look_after_s: float = Field(
        default=1.5, gt=0, description="silence about a sent order after which the venue is asked: a stream may be lost"
    )
    resolve_every_s: float = Field(
        default=0.1, gt=0, description="how often silent and doubtful orders, and missing fills, are looked after"
    )
    look_backoff_s: float = Field(default=1.0, gt=0, description="first wait between two such questions; doubles")
    look_backoff_max_s: float = Field(default=15.0, gt=0, description="longest wait between two such questions")
    resting_look_s: float = Field(default=60.0, gt=0, description="how often a resting order without news is looked up")
    reconnect_first_s: float = Field(default=0.5, gt=0, description="first wait after a venue could not be reached")
    reconnect_max_s: float = Field(default=15.0, gt=0, description="longest wait between two attempts")
    too_old_margin_s: float = Field(
        default=120.0,
        gt=0,
        description="s beyond the life of any write after which an order that the venue does not show is called too "
        "old: entries stop and a person is called",
    )
    too_old_look_s: float = Field(default=60.0, gt=0, description="how often such an order is still asked about")
    conclude_after_s: float = Field(
        default=30.0,
        gt=0,
        description="s that an executed order must be seen not to rest before its fills are taken for complete: longer "
        "than histories trail",
    )
    fills_overlap_s: float = Field(
        default=60.0,
        ge=0,
        description="how far before the last known fill history is read again: venues' clocks differ",
    )
    adjust_confirm_s: float = Field(
        default=3.0, gt=0, description="time between the two statements that must agree before belief follows the venue"
    )
    adjust_resting_s: float = Field(
        default=30.0,
        gt=0,
        description="the same while orders rest at the venue, any of which may just have filled: longer than histories "
        "trail",
    )
    differs_grace_s: float = Field(
        default=10.0,
        gt=0,
        description="s that belief and the venue's statement may differ before nothing that opens risk is sent",
    )
    contradiction_s: float = Field(
        default=60.0,
        gt=0,
        description="s that a venue's answer and its stream may contradict each other about a position before the "
        "account is frozen and a person is called",
    )
    reconcile_every_s: float = Field(
        default=30.0, gt=0, description="how often position and fills are compared with the venue without being asked"
    )
    observe_timeout_s: float = Field(default=4.0, gt=0, description="a look that takes longer counts as no answer")
    observe_balance_s: float = Field(
        default=0.5,
        gt=0,
        description="the same for the balance while the budget for reads is spent: who gets out must not wait for it",
    )
    stale_nonce_retries: int = Field(
        default=5, ge=0, description="how often one order may be signed again because only its nonce was refused"
    )
    guard_every_s: float = Field(
        default=1.0, gt=0, description="how often it is looked whether what is left at the venue still fits"
    )
    guard_settle_s: float = Field(
        default=2.0,
        gt=0,
        description="s without an order under way before a stop is set: a position that moves has none",
    )
    guard_retry_s: float = Field(
        default=15.0, gt=0, description="s between two attempts at a stop, or at the dead-man switch, that did not hold"
    )
    guard_farewell_s: float = Field(
        default=5.0, gt=0, description="longest time that a clean end waits for what it takes back at the venue"
    )
    feed_in_memory: int = Field(default=2_000, gt=0, description="facts kept at hand; older ones come from the journal")
    snapshot_every: int = Field(default=2_000, gt=0, description="journal records between two snapshots")


class AccountSpec(Value):
    """Everything an account actor needs to live."""

    account: AccountId
    venue: str
    venue_config: dict[str, Any]
    account_config: dict[str, Any] = Field(description="the venue's own account model; secrets as references")
    instruments: tuple[InstrumentId, ...] = Field(
        min_length=1, max_length=1, description="what it trades: one, because one group owns the account"
    )
    journal: str = Field(description="journal URL")
    lock_dir: str = Field(description="folder for the lock that the account's process holds for life")
    tuning: AccountTuning = AccountTuning()
    protection: Protection = Field(default=Protection(), description="what is left at the venue; by default nothing")
    debug: bool = False
