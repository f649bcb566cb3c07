"""What a shard knows of each item, on disk: RocksDB with one record per item, and the offsets applied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rocksdict import Checkpoint, Options, Rdict, WriteOptions

from schemas.item_state import Stamp

Offsets = dict[str, dict[int, int]]
_ITEM, _OFFSETS_KEY = b"i", b"m:offsets"


class ItemRecord(msgspec.Struct, frozen=True, array_like=True):
    """One item: its state as JSON (None: not seen yet), and its pictures as of `image_at`.

    `ordinals` are the item's pictures in both tiers, `fingerprints` what each shows. `image_at` stays when the pictures
    go, so that an older vector record is known as one. Times are microseconds since the epoch.
    """

    state: bytes | None = None
    image_at: Stamp | None = None
    ordinals: tuple[int, ...] = ()
    fingerprints: tuple[bytes, ...] = ()
    event_us: int = 0
    searchable_us: int = 0


EMPTY_RECORD = ItemRecord()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ItemRecord)
_offsets_decoder = msgspec.msgpack.Decoder(Offsets)


class ItemStore:
    """The records in a RocksDB folder of its own.

    It is a working copy, thrown away and made from a snapshot at every start; so it writes no log of its own.
    """

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_max_open_files(64)
        options.set_keep_log_file_num(1)
        self._db = Rdict(str(folder), options)
        writes = WriteOptions()
        writes.disable_wal = True
        self._db.set_write_options(writes)

    def get(self, item_id: str) -> ItemRecord:
        """The item's record; the empty one for an item never seen."""
        value = self._db.get(_ITEM + item_id.encode())
        return EMPTY_RECORD if value is None else _decoder.decode(value)

    def put(self, item_id: str, record: ItemRecord) -> None:
        """Keep the item's record; the empty one is forgotten."""
        key = _ITEM + item_id.encode()
        if record == EMPTY_RECORD:
            self._db.delete(key)
        else:
            self._db[key] = _encoder.encode(record)

    def records(self) -> Iterator[tuple[str, ItemRecord]]:
        """Every item's record, in the order of their ids' bytes."""
        for key, value in self._db.items(from_key=_ITEM):
            if not key.startswith(_ITEM):
                return
            yield key[len(_ITEM) :].decode(), _decoder.decode(value)

    def offsets(self) -> Offsets:
        """The offsets kept by the last `checkpoint`: the next to be applied, per topic and partition."""
        value = self._db.get(_OFFSETS_KEY)
        return {} if value is None else _offsets_decoder.decode(value)

    def checkpoint(self, folder: Path, offsets: Offsets) -> None:
        """A copy of everything as of now in a new folder, sharing no file with the working copy.

        RocksDB's own checkpoint shares files by hard links; they are copied here, so that damage to one snapshot's
        file is not damage to every snapshot's.
        """
        self._db[_OFFSETS_KEY] = _encoder.encode(offsets)
        self._db.flush(True)
        linked = folder.with_name(folder.name + ".linked")
        Checkpoint(self._db).create_checkpoint(str(linked))
        shutil.copytree(linked, folder)
        shutil.rmtree(linked)

    def close(self) -> None:
        """Give the folder back."""
        self._db.close()
