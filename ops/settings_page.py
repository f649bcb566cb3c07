"""The documentation page of all settings, made from the settings themselves."""

from collections.abc import Iterable

from schemas.settings import SettingDoc

HEAD = """# Settings

Made by `lookalive settings --markdown`; a test holds it to the code. Every setting is an environment variable; the
commands' flags (`lookalive up --help`) go before it. An unknown `LOOKALIVE_` name is an error.

| setting | default | what it does |
|---|---|---|
"""


def settings_page(docs: Iterable[SettingDoc]) -> str:
    """The page as Markdown."""
    return HEAD + "".join(f"| `{d.env}` | {f'`{d.default}`' if d.default else ''} | {d.text} |\n" for d in docs)
