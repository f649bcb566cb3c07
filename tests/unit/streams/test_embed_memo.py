"""What a worker noted of its embedding outlives it, never goes back, and is thrown away where it is damaged."""

from pathlib import Path

from schemas.item_state import Stamp
from streams.embed_memo import EmbedMemo


def test_the_memo_outlives_a_restart_and_never_goes_back(tmp_path: Path) -> None:
    memo = EmbedMemo(tmp_path / "log" / "g1")
    memo.put({"a": Stamp(2, 0, 0, 1), "b": Stamp(1, 5, 6, 2)})
    memo.put({"a": Stamp(1, 9, 9, 2)})
    memo.close()
    again = EmbedMemo(tmp_path / "log" / "g1")
    assert (again.get("a"), again.get("b"), again.get("c")) == (Stamp(2, 0, 0, 1), Stamp(1, 5, 6, 2), None)
    again.close()


def test_the_memo_knows_what_waits_until_it_is_done(tmp_path: Path) -> None:
    memo = EmbedMemo(tmp_path / "g1")
    first, second = Stamp(1, 0, 0, 1), Stamp(2, 0, 0, 1)
    memo.put({"a": first})
    memo.put({"a": first}, waits=True)
    assert not memo.waits("a"), "what is done waits no more"
    memo.put({"a": second}, waits=True)
    assert (memo.get("a"), memo.waits("a"), memo.waits("b")) == (second, True, False)
    memo.put({"a": second})
    assert (memo.get("a"), memo.waits("a")) == (second, False)
    memo.close()


def test_a_damaged_memo_is_thrown_away(tmp_path: Path) -> None:
    folder = tmp_path / "g1"
    memo = EmbedMemo(folder)
    memo.put({"a": Stamp(2, 0, 0, 1)})
    memo.close()
    for file in folder.glob("MANIFEST-*"):
        file.write_bytes(b"rubbish")
    again = EmbedMemo(folder)
    assert again.get("a") is None
    again.put({"a": Stamp(3, 0, 0, 1)})
    assert again.get("a") == Stamp(3, 0, 0, 1)
    again.close()
