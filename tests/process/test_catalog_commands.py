"""The command line as a person uses it: load a folder, put, patch, search, look at shards, delete."""

from pathlib import Path

import pytest

from tests.process.conftest import RunningSystem
from tests.process.pictures import encoded, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop #1 50%")
    for kind in ("hat", "mug"):
        (root / kind).mkdir()
        for number in range(5):
            image = picture(f"{kind}-{number}", (120, 90))
            (root / kind / f"{kind} {number}.jpg").write_bytes(encoded(image, "JPEG", quality=90))
    return root


def test_a_folder_is_loaded_and_found(system: RunningSystem, folder: Path) -> None:
    summary = system.lookalive("catalog", "load", str(folder), "--wait")
    assert (summary["sent"], summary["bad_rows"], summary["settled"]) == (10, 0, True)
    assert summary["delays"]["found"] == 10
    answer = system.lookalive("search", str(folder / "mug" / "mug 3.jpg"), "-k", "1")
    best = answer["items"][0]
    assert best["score"] > 0.999
    assert best["attributes"]["category"] == "mug"
    hats = system.lookalive("search", str(folder / "mug" / "mug 3.jpg"), "--filter", '{"category": "hat"}')
    assert {hit["attributes"]["category"] for hit in hats["items"]} == {"hat"}


def test_dry_run_sends_nothing(system: RunningSystem, folder: Path) -> None:
    summary = system.lookalive("catalog", "load", str(folder), "--dry-run")
    assert (summary["sent"], summary["dry_run"]) == (10, True)
    system.lookalive("catalog", "put", "never", str(folder / "hat" / "hat 1.jpg"), "--dry-run")
    assert system.item("never") is None


def test_put_patch_delete(system: RunningSystem, folder: Path) -> None:
    picture_path = str(folder / "hat" / "hat 1.jpg")
    system.lookalive(
        "catalog", "put", "by hand", picture_path, "--attr", "price=9.5", "--attr", "note=5 left", "--wait"
    )
    item = system.item("by hand")
    assert item is not None
    assert item["attributes"] == {"price": 9.5, "note": "5 left"}
    system.lookalive("catalog", "patch", "by hand", "--attr", "price=7", "--wait")
    item = system.item("by hand")
    assert item is not None
    assert item["attributes"] == {"price": 7, "note": "5 left"}
    alike = system.lookalive("search", "--item", "by hand", "-k", "1")
    assert alike["items"][0]["item_id"] != "by hand"
    system.lookalive("catalog", "delete", "by hand", "--wait")
    assert system.item("by hand") is None


def test_shards_status(system: RunningSystem) -> None:
    rows = system.lookalive("shards", "status")
    assert [(row["shard"], row["state"]) for row in rows] == [(0, "serving"), (1, "serving"), (2, "serving")]
    assert {row["node"] for row in rows} == {"n1", "n2"}
