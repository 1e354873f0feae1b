"""From a file to settings, or to everything that is wrong with it. Nothing is started, no secret is read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from conf import sources
from conf.assemble import Assembly
from conf.checks import check
from conf.finding import Finding, SettingsError, dotted
from conf.schema import Settings, secret_references
from venues.secrets import SecretMissingError, resolve


def load(
    file: Path,
    *,
    environment: Mapping[str, str],
    overrides: Iterable[str] = (),
    directory: Path | None = None,
) -> Settings:
    """Read settings: the file, over it `HEDGEVISOR__…` and `XTB_DEBUG` of the environment, over that the overrides.

    Args:
        file: TOML, UTF-8.
        environment: usually `os.environ`.
        overrides: `KEY=VALUE` each, KEY dotted as in TOML, VALUE a TOML value or plain text.
        directory: what relative paths count from; None = the working directory.

    Raises:
        SettingsError: with every mistake, in the order of the file's sections.
    """
    written = sources.read(file, environment, overrides)
    if written.findings:
        # What follows from a file that could not be read would only hide why.
        raise SettingsError(written.findings)
    assembly = Assembly(written, Path.cwd() if directory is None else directory)
    check(assembly)
    if assembly.findings:
        raise SettingsError(assembly.findings)
    return assembly.settings


def missing_secrets(settings: Settings) -> list[Finding]:
    """Look whether every reference leads to a secret, and throw the values away at once.

    Simulated accounts have keys only once the simulator has started: ask then.
    """
    findings = []
    for name, account in settings.accounts.items():
        for path, reference in secret_references(account.config):
            try:
                resolve(reference)
            except SecretMissingError as error:
                key = dotted(("accounts", name, *path))
                findings.append(
                    Finding(settings.source, key, f'"{reference}"', str(error), "set the variable, or create the file")
                )
    return findings


def needs_live_flag(settings: Settings) -> bool:
    """Say whether orders would cost money, so that `--live` must be given when starting."""
    return any(venue.is_real for venue in settings.venues.values())
