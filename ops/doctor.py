"""`lookalive doctor`: looks at everything that has to be right, and says what to do where it is not."""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from ops.checks.finding import Finding, ok, problem
from ops.console import out, print_json
from schemas.errors import LookaliveError, SettingsError
from schemas.settings import PREFIX, Settings, load_settings

_MARKS = {"ok": "[green]ok[/green]     ", "warning": "[yellow]warning[/yellow]", "problem": "[red]problem[/red]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False,
) -> None:
    """Check this machine, Kafka and the running system; exit status 1 when there is a problem."""
    findings = []
    for finding in examine(os.environ):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print_json(findings)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding, as it is found. Wrong settings are one; the rest is looked at without them."""
    settings, found = check_settings(environ)
    yield found
    from ops.checks.kafka import check_kafka
    from ops.checks.machine import check_machine
    from ops.checks.running import check_running
    from ops.endpoints import kafka_of, read_endpoints

    yield from check_machine(settings)
    endpoints = read_endpoints(settings.data_path)
    yield from check_running(settings, endpoints)
    if endpoints is None and not settings.kafka.is_named:
        yield ok("kafka", "none is set: `lookalive up` and `demo` bring one, in memory")
        return
    try:
        yield from check_kafka(settings, kafka_of(settings))
    except LookaliveError as error:
        yield problem("kafka", error.message, "start it, or mend LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS")


def check_settings(environ: Mapping[str, str]) -> tuple[Settings, Finding]:
    """The settings, or those without the wrong ones, and what is wrong with them."""
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    wrong: list[str] = []
    while True:
        try:
            settings = load_settings(ours)
            break
        except SettingsError as error:
            wrong.append(error.message)
            name = error.details.get("name")
            if name not in ours:
                return Settings(), problem("settings", "; ".join(wrong), "`lookalive settings` lists them all")
            del ours[name]
    if wrong:
        advice = "unset or mend them; what follows was looked at without them"
        return settings, problem("settings", "; ".join(wrong), advice)
    names = ", ".join(sorted(ours)) or "none"
    return settings, ok("settings", f"{len(ours)} set by the environment: {names}")


def _show(finding: Finding) -> None:
    out.print(f"{_MARKS[finding.level]} ", end="")
    out.print(f"{finding.check}: {finding.found}", markup=False, highlight=False, soft_wrap=True)
    if finding.advice:
        out.print(f"        -> {finding.advice}", markup=False, highlight=False, soft_wrap=True)
