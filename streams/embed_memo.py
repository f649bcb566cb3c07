"""What this worker has embedded already: a local note that saves work and is never needed to be right."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from rocksdict import Options, Rdict, WriteBatch

from schemas.disk import cannot_write, disk_reason
from schemas.item_state import Stamp
from schemas.unstalled import unstalled

log = structlog.get_logger()


class _Note(NamedTuple):
    """A stamp, and whether its pictures are to be tried again; a note without the latter is of what is done."""

    version: int
    time_us: int
    offset: int
    rank: int
    waits: bool = False


_decoder = msgspec.msgpack.Decoder(_Note)


class EmbedMemo:
    """Item id -> the stamp of what was last written for it and acknowledged, be it into `catalog.retries`.

    A note that is missing means the item is embedded again, which changes nothing for whoever reads the vectors. So a
    damaged folder is thrown away.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder.

        Raises:
            DiskFailed: the disk is full or read-only.
        """
        self.folder = folder
        self._writes = unstalled()
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._notes = Rdict(str(folder), options=_options())
        except Exception as error:
            if "lock" in str(error).lower():
                raise
            if (reason := disk_reason(error)) is not None:
                raise cannot_write("notes of what is embedded", folder, reason) from error
            log.warning("embed_memo_thrown_away", folder=str(folder), error=str(error))
            shutil.rmtree(folder, ignore_errors=True)
            self._notes = Rdict(str(folder), options=_options())

    def get(self, item_id: str) -> Stamp | None:
        """The stamp of what was last written for this item, or waits; None when unknown."""
        note = self._note(item_id)
        return None if note is None else Stamp(*note[:4])

    def waits(self, item_id: str) -> bool:
        """Whether what was last noted for this item is to be tried again."""
        note = self._note(item_id)
        return note is not None and note.waits

    def put(self, stamps: Mapping[str, Stamp], *, waits: bool = False) -> None:
        """Note what was written and acknowledged; never an older stamp over a newer one, nor waiting over done."""
        batch = WriteBatch(raw_mode=True)
        for item_id, stamp in stamps.items():
            held = self._note(item_id)
            note = _Note(*stamp, waits)
            if held is None or stamp > held[:4] or (stamp == held[:4] and held.waits):
                batch.put(item_id.encode(), msgspec.msgpack.encode(note))
        self._notes.write(batch, self._writes)

    def forget(self, item_id: str, as_of: Stamp) -> bool:
        """Drop the note of an item that is forgotten as of this stamp; False, and nothing dropped, for a newer note."""
        held = self._note(item_id)
        if held is not None and held[:4] > as_of:
            return False
        if held is not None:
            self._notes.delete(item_id.encode())
        return True

    def _note(self, item_id: str) -> _Note | None:
        value = self._notes.get(item_id.encode())
        try:
            return None if value is None else _decoder.decode(value)
        except msgspec.DecodeError:
            return None

    def close(self) -> None:
        """Give the folder back."""
        self._notes.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(8 * 1024 * 1024)
    options.set_keep_log_file_num(2)
    return options
