"""Settings: environment twins, flags over environment, and no unknown name passes silently."""

import re
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings, describe_settings, environment_of, load_settings

SETTINGS_PAGE = Path(__file__).parents[2] / "ops" / "docs" / "settings.md"


def test_environment_then_flags() -> None:
    environ = {"LOOKALIVE_ROUTER__PORT": "9000", "LOOKALIVE_INDEX__SHARDS": "5", "HOME": "/root"}
    settings = load_settings(environ, {"router.port": 0, "model.name": None})
    assert (settings.router.port, settings.index.shards, settings.model.name) == (0, 5, "histogram")


@pytest.mark.parametrize("name", ["LOOKALIVE_ROUTER_PORT", "LOOKALIVE_X", "LOOKALIVE_ROUTER__PROT"])
def test_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: "1"})


@pytest.mark.parametrize("value", ["", "x", "-1", "70000", "1.5"])
def test_wrong_value_is_an_error(value: str) -> None:
    with pytest.raises(SettingsError, match=r"router\.port"):
        load_settings({"LOOKALIVE_ROUTER__PORT": value})


def test_children_load_what_the_parent_has() -> None:
    settings = load_settings(
        {"LOOKALIVE_IMAGES__ROOTS": "/a b,/c", "LOOKALIVE_KAFKA__EMBEDDED": "true", "LOOKALIVE_LOG__JSON": "1"}
    )
    assert settings.images.roots == ("/a b", "/c")
    assert load_settings(environment_of(settings)) == settings


def test_every_setting_has_a_documented_line() -> None:
    page = SETTINGS_PAGE.read_text()
    rows = dict(re.findall(r"^\| `(LOOKALIVE_\w+)` \| .* \| (.+) \|$", page, re.MULTILINE))
    assert rows == {doc.env: doc.text for doc in describe_settings()}, "run `lookalive settings --markdown`"


def test_defaults_need_no_environment() -> None:
    assert load_settings({}) == Settings()
