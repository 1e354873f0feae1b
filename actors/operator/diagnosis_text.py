"""A diagnostic's report for people: a table of steps, and every order's story."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from actors.operator.diagnosis_report import OrderStory, Report
from strategies.domain.ids import Timestamp

_MS = 1000
_WIRE_SHOWN = 300
"""Characters of a raw line in the text; the JSON has all of it."""


def tables(report: Report) -> Iterator[Table]:
    """Yield a table of steps with times and verdicts for each leg; a report without steps has none."""
    for leg, results in report.steps.items():
        table = Table("step", "verdict", "s", "what was seen", title=Text(f"{report.group}, {leg}"))
        for result in results:
            seconds = (result.ended_at - result.began_at) / _MS
            table.add_row(Text(result.step), "ok" if result.ok else "FAILED", f"{seconds:.2f}", Text(result.detail))
        yield table


def stories(report: Report, *, wire: bool) -> Iterator[str]:
    """Yield every order's story, line by line; `wire`: with the raw lines about it."""
    for story in report.orders:
        yield from _story(story, wire=wire)


def _story(story: OrderStory, *, wire: bool) -> Iterator[str]:
    leg, slot = story.order_id.split(":")[2:4]
    reduce = " reduce-only" if story.reduce_only else ""
    yield f"{leg} ({story.account}) {slot}: {story.side} {story.quantity} at {story.price}{reduce}: {story.verdict}"
    identity = [f"client id {story.client_order_id}"] if story.client_order_id is not None else ["never signed"]
    if story.nonce is not None:
        later = "" if story.next_nonce is None else f", then {story.next_nonce}"
        identity.append(f"key {story.api_key_index}, nonce {story.nonce}{later}")
    if story.durable_at is not None:
        identity.append(f"on the disk at {_clock(story.durable_at)}")
    yield f"    {'; '.join(identity)}"
    for happening in story.happenings:
        yield f"    +{happening.after_ms} ms  {happening.text}"
    if story.average_price is not None:
        yield f"    {story.filled} at {story.average_price:.4f} on average, fees {story.fees:.6f} USD"
    if story.remark:
        yield f"    {story.remark}"
    if wire:
        for line in story.wire:
            yield f"    wire: {line[:_WIRE_SHOWN]}"


def last_words(report: Report) -> str:
    """Say in one sentence what it has come to."""
    held = ", ".join(f"{leg} {quantity.normalize():f}" for leg, quantity in report.positions.items())
    verdict = "PASSED" if report.passed else "FAILED"
    return f"{verdict}: {report.reason}. Position at the end: {held}. Cost {report.cost_usd:.6f} USD."


def _clock(moment: Timestamp) -> str:
    return datetime.fromtimestamp(moment / _MS, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"
