"""What this worker has embedded already: a local note that saves work and is never needed to be right."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog
from rocksdict import Options, Rdict, WriteBatch

from schemas.item_state import Stamp

log = structlog.get_logger()
_decoder = msgspec.msgpack.Decoder(Stamp)


class EmbedMemo:
    """Item id -> the stamp of what was last written for it and acknowledged.

    A note that is missing means the item is embedded again, which changes nothing for whoever reads the vectors. So a
    damaged folder is thrown away.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._notes = Rdict(str(folder), options=_options())
        except Exception as error:
            if "lock" in str(error).lower():
                raise
            log.warning("embed_memo_thrown_away", folder=str(folder), error=str(error))
            shutil.rmtree(folder, ignore_errors=True)
            self._notes = Rdict(str(folder), options=_options())

    def get(self, item_id: str) -> Stamp | None:
        """The stamp of what was last written for this item; None when unknown."""
        value = self._notes.get(item_id.encode())
        try:
            return None if value is None else _decoder.decode(value)
        except msgspec.DecodeError:
            return None

    def put(self, stamps: Mapping[str, Stamp]) -> None:
        """Note what was written and acknowledged; an older stamp never replaces a newer one."""
        batch = WriteBatch(raw_mode=True)
        for item_id, stamp in stamps.items():
            held = self.get(item_id)
            if held is None or stamp > held:
                batch.put(item_id.encode(), msgspec.msgpack.encode(stamp))
        self._notes.write(batch)

    def close(self) -> None:
        """Give the folder back."""
        self._notes.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(8 * 1024 * 1024)
    options.set_keep_log_file_num(2)
    return options
