"""Tokens, names and telemetry in the settings: what is refused, and that no pasted secret is repeated."""

import pytest

from tests.conf.deployment import PAPER, changed, complaints, read

PASTED = "sk-a-real-token-pasted-by-mistake"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"supervisor.token={PASTED}", "supervisor.token = <hidden>: a secret is given as a reference"),
        (f"supervisor.tokens.anna={PASTED}", "supervisor.tokens.anna = <hidden>: a secret is given as a reference"),
        (f"telemetry.token={PASTED}", "telemetry.token = <hidden>: a secret is given as a reference"),
        (f"telemetry.ingest_token={PASTED}", "telemetry.ingest_token = <hidden>: a secret is given as a reference"),
        ("telemetry.base_url=ftp://x", 'must be "own", "" or a URL'),
        ("telemetry.bot={grup}", "only {group} and {role} may stand in braces"),
        ("telemetry.bot={group} {role}", "which is no bot's name"),
        ("telemetry.bot={group}", "would both be called g"),
        ("telemetry.roles.lighter1=backpack", "would both be called g.backpack"),
        ("telemetry.roles.lighter1=group", "would both be called g.group"),
        ("telemetry.intervall_s=5", "did you mean interval_s?"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_pasted_is_repeated(tmp_path, override, said):
    """A token in the file would be in every backup of it, and in the answer on the screen."""
    found = complaints(tmp_path, PAPER, overrides=[override])
    assert any(said in line for line in found), found
    assert PASTED not in "".join(found)


def test_without_heartbeats_names_do_not_matter(tmp_path):
    """Nobody is told them."""
    assert complaints(tmp_path, PAPER, overrides=["telemetry.bot=one", "telemetry.base_url="]) == []


def test_token_files_are_found_from_anywhere(tmp_path):
    """Relative paths become absolute, as for the accounts' keys."""
    text = changed(
        ("[simulator]", '[supervisor]\ntoken = "file:keys/token"\n[telemetry]\ningest_token = "file:b"\n[simulator]')
    )
    settings = read(tmp_path, text)
    assert settings.supervisor.token == f"file:{tmp_path}/keys/token"
    assert settings.telemetry.ingest_token == f"file:{tmp_path}/b"
