"""Every setting, its default and its environment twin. Read once, in main, and passed down.

A setting of section `kafka` named `partitions` is `LOOKALIVE_KAFKA__PARTITIONS`; `LOOKALIVE_DATA_DIR` has no section.
An unknown `LOOKALIVE_` name is an error, so that a misspelt one is not silently ignored.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from schemas.cluster import STORAGE_TEXT, Storage
from schemas.drift_settings import DriftSettings
from schemas.errors import SettingsError
from schemas.kafka_settings import KafkaSettings as KafkaSettings  # noqa: PLC0414  everyone asks here
from schemas.retry_settings import RetrySettings

PREFIX = "LOOKALIVE_"
MIB = 1024 * 1024
_LISTS = {
    ("images", "roots"),
    ("router", "hosts"),
    ("debezium", "images"),
    ("debezium", "attributes"),
    ("images", "allow_hosts"),
    ("images", "allow_networks"),
    ("images", "buckets"),
    ("stream", "agents"),
}


def _doc(text: str) -> Meta:
    return Meta(description=text)


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[
        str, _doc("fake, histogram, lookalive-small, timm:<name>, or checkpoint: what the file says it is")
    ] = "histogram"
    checkpoint: Annotated[str, _doc("a .safetensors file of weights for a timm model; empty: the hub's")] = ""
    device: Annotated[str, _doc("auto, cpu or cuda")] = "auto"
    batch_size: Annotated[int, _doc("pictures embedded at once at most"), Meta(ge=1, le=4096)] = 64
    batch_wait_ms: Annotated[float, _doc("how long a batch waits for more pictures"), Meta(ge=0)] = 5.0
    decode_threads: Annotated[int, _doc("threads that decode pictures; 0: one per core"), Meta(ge=0)] = 0
    queue_size: Annotated[
        int, _doc("pictures waiting to be embedded at most; more is 429 or back-pressure"), Meta(ge=1)
    ] = 512


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True):
    roots: Annotated[tuple[str, ...], _doc("folders that file: references may point into, comma-separated")] = ()
    any_file: Annotated[bool, _doc("file: references may point anywhere (set by `up` on loopback)")] = False
    store: Annotated[str, _doc("folder that keeps uploaded and data: pictures; empty: <data_dir>/images")] = ""
    max_bytes: Annotated[int, _doc("bytes of an encoded picture at most"), Meta(ge=1)] = 32 * MIB
    max_pixels: Annotated[int, _doc("width x height of a picture at most"), Meta(ge=1)] = 64_000_000
    min_side: Annotated[int, _doc("pixels of a picture's shorter side at least"), Meta(ge=1)] = 8
    allow_hosts: Annotated[
        tuple[str, ...],
        _doc("hosts that http: pictures may come from though they are not public, on any port, comma-separated"),
    ] = ()
    allow_networks: Annotated[
        tuple[str, ...],
        _doc("networks (10.1.0.0/16) that http: pictures may come from though not public, comma-separated"),
    ] = ()
    buckets: Annotated[
        tuple[str, ...], _doc("s3: and gs: buckets that may be read, as s3://name; empty: all the credentials can")
    ] = ()
    fetches: Annotated[int, _doc("pictures fetched over the network at the same time"), Meta(ge=1)] = 32
    fetches_per_host: Annotated[int, _doc("of these from one host or bucket"), Meta(ge=1)] = 8
    fetch_timeout_s: Annotated[
        float, _doc("seconds for one attempt to fetch a picture, look-up to last byte"), Meta(gt=0)
    ] = 10.0
    fetch_attempts: Annotated[int, _doc("attempts to fetch a picture while that may help"), Meta(ge=1)] = 3
    cache_mib: Annotated[int, _doc("MiB of vectors kept of pictures seen, per stream worker; 0: none"), Meta(ge=0)] = (
        512
    )


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True):
    shards: Annotated[int, _doc("shards of a new generation"), Meta(ge=1)] = 3
    replicas: Annotated[int, _doc("nodes that hold each shard of a new generation"), Meta(ge=1)] = 1
    m: Annotated[int, _doc("links per vertex of the HNSW graph; small storage: 14 at most"), Meta(ge=4, le=128)] = 32
    ef_construction: Annotated[int, _doc("candidates while inserting"), Meta(ge=8)] = 100
    ef_search: Annotated[int, _doc("candidates while searching"), Meta(ge=8)] = 128
    storage: Annotated[Storage, _doc(STORAGE_TEXT)] = "fp16"
    buffer_drain: Annotated[
        int, _doc("vectors in the fresh buffer above which it drains into the graph"), Meta(ge=1)
    ] = 256
    buffer_capacity: Annotated[
        int, _doc("vectors in the fresh buffer at most; full means back-pressure"), Meta(ge=8)
    ] = 5000
    buffer_idle_s: Annotated[
        float, _doc("seconds without changes after which the rest of the fresh buffer drains too"), Meta(ge=0)
    ] = 5.0
    compaction_dead_share: Annotated[
        float, _doc("share of a graph that is deleted above which it is rebuilt without"), Meta(gt=0, le=1)
    ] = 0.2
    compaction_cpu_share: Annotated[
        float, _doc("share of one core that rebuilding a graph may take while it is searched"), Meta(gt=0, le=1)
    ] = 0.5
    recall_sample_share: Annotated[
        float,
        _doc("share of the live queries that are answered again exactly, for the recall metric"),
        Meta(ge=0, le=1),
    ] = 0.01
    snapshot_every_s: Annotated[float, _doc("seconds between snapshots of a shard that changed"), Meta(gt=0)] = 60.0
    snapshot_every_mib: Annotated[
        float,
        _doc("MiB of one partition's log after which a shard takes a snapshot (embedded broker)"),
        Meta(gt=0),
    ] = 0.75
    delete_retention_s: Annotated[
        float,
        _doc("seconds that a deleted item is remembered as deleted, then forgotten; an older snapshot is not used"),
        Meta(gt=0),
    ] = 14 * 86_400.0
    snapshots_kept: Annotated[int, _doc("snapshots kept of each shard"), Meta(ge=1)] = 2


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, _doc("the node's name in placements")] = "n1"
    host: Annotated[str, _doc("address the node listens on")] = "127.0.0.1"
    port: Annotated[int, _doc("port the node listens on; 0: any free one"), Meta(ge=0, le=65535)] = 0
    count: Annotated[int, _doc("nodes that `up` starts"), Meta(ge=1)] = 1
    search_threads: Annotated[int, _doc("searches at the same time; 0: one per core"), Meta(ge=0)] = 0
    search_queue: Annotated[int, _doc("searches waiting at most; more is 429"), Meta(ge=1)] = 256


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, _doc("address the router listens on")] = "127.0.0.1"
    port: Annotated[int, _doc("port the router listens on; 0: any free one"), Meta(ge=0, le=65535)] = 8080
    timeout_ms: Annotated[int, _doc("a query's deadline unless it brings its own"), Meta(ge=1)] = 1000
    max_timeout_ms: Annotated[int, _doc("the longest deadline a query may bring"), Meta(ge=1)] = 30_000
    max_queries: Annotated[int, _doc("queries at the same time at most; more is 429"), Meta(ge=1)] = 256
    hosts: Annotated[
        tuple[str, ...], _doc("names, besides loopback ones, that requests may be addressed to, comma-separated")
    ] = ()
    write_queue: Annotated[int, _doc("changes not yet taken by Kafka at most; more is 429"), Meta(ge=1)] = 1000
    max_waits: Annotated[int, _doc("changes waited for until searchable at most; more is 429"), Meta(ge=1)] = 1000
    thumbnail_mib: Annotated[float, _doc("MiB of thumbnails kept in memory at most"), Meta(ge=0)] = 64.0
    max_listeners: Annotated[int, _doc("listeners of the live feed at most; more is 429"), Meta(ge=0)] = 64


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    id: Annotated[str, _doc("the worker's name; its table lies under <data_dir>/stream/<id>")] = "1"
    agents: Annotated[
        tuple[str, ...], _doc("what the worker runs, comma-separated: merge, embed, drift; each may scale by itself")
    ] = ("merge", "embed", "drift")
    batch_size: Annotated[int, _doc("item states taken at once by the embed agent"), Meta(ge=1)] = 64
    batch_wait_ms: Annotated[float, _doc("how long the embed agent waits for a batch to fill"), Meta(ge=0)] = 20.0
    window: Annotated[int, _doc("item states taken and not yet acknowledged by the embed agent"), Meta(ge=1)] = 4096
    stall_s: Annotated[
        float,
        _doc("seconds without any progress, though there are changes to read, after which a worker ends"),
        Meta(gt=0),
    ] = 120.0
    metrics_port: Annotated[
        int, _doc("port of the worker's /metrics and /readyz; 0: any free one"), Meta(ge=0, le=65535)
    ] = 0


class DebeziumSettings(msgspec.Struct, frozen=True, kw_only=True):
    item_id: Annotated[str, _doc("column that holds the item's id; empty: Debezium's events are refused")] = ""
    images: Annotated[
        tuple[str, ...], _doc("columns that hold pictures: a URL, or a list of them (also as JSON), comma-separated")
    ] = ()
    image_base: Annotated[str, _doc("what comes before pictures that are no URLs, as in https://cdn.shop/")] = ""
    attributes: Annotated[
        tuple[str, ...], _doc("columns that become attributes, or column:attribute, comma-separated; *: all others")
    ] = ("*",)
    version: Annotated[
        str, _doc("column, or field such as source.lsn, that holds a change's version; empty: the later record wins")
    ] = ""
    event_time: Annotated[
        str, _doc("column, or field such as source.ts_ms, that holds its time (needs a version); empty: the record's")
    ] = ""
    deleted: Annotated[str, _doc("column that takes the item out when it is set (soft deletes)")] = ""


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    level: Annotated[Literal["debug", "info", "warning", "error"], _doc("debug, info, warning or error")] = "info"
    json: Annotated[bool, _doc("log lines as JSON instead of text")] = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of a process."""

    data_dir: Annotated[str, _doc("folder for everything this machine keeps")] = ".lookalive"
    kafka: KafkaSettings = KafkaSettings()
    model: ModelSettings = ModelSettings()
    images: ImageSettings = ImageSettings()
    index: IndexSettings = IndexSettings()
    node: NodeSettings = NodeSettings()
    router: RouterSettings = RouterSettings()
    stream: StreamSettings = StreamSettings()
    retries: RetrySettings = RetrySettings()
    drift: DriftSettings = DriftSettings()
    debezium: DebeziumSettings = DebeziumSettings()
    log: LogSettings = LogSettings()

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).absolute()

    @property
    def image_store_path(self) -> Path:
        return Path(self.images.store).absolute() if self.images.store else self.data_path / "images"


class SettingDoc(msgspec.Struct, frozen=True):
    """One documented setting: its environment name, default and sentence."""

    env: str
    default: str
    text: str


def load_settings(environ: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings from the environment, then from flags (`{"router.port": 0}`); None leaves a setting alone.

    Raises:
        SettingsError: an unknown `LOOKALIVE_` name, or a value of the wrong kind.
    """
    known = {doc.env for doc in describe_settings()}
    tree: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise SettingsError(f"unknown setting {name}{_nearest(name, known)}", name=name)
        _put(tree, name.removeprefix(PREFIX).lower().split("__"), text)
    for path, value in (overrides or {}).items():
        if value is not None:
            _put(tree, path.split("."), value)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong_value(tree, str(error)) from error


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment that makes a child process load these very settings."""
    result: dict[str, str] = {}
    for path, _, value in _leaves(Settings, settings):
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        result[_env_name(path)] = text.lower() if isinstance(value, bool) else text
    return result


def describe_settings() -> list[SettingDoc]:
    """Every setting in the order of the sections, for the documentation and `lookalive settings`."""
    return [
        SettingDoc(_env_name(path), ",".join(value) if isinstance(value, tuple) else str(value), text)
        for path, text, value in _leaves(Settings, Settings())
    ]


def _wrong_value(tree: dict[str, Any], said: str) -> SettingsError:
    """The error that names the environment variable, what it holds and what it is for."""
    expected, _, where = said.partition(" - at `$.")
    path = where.rstrip("`").split("[")[0].split(".")
    name, value = _env_name(path), tree
    for part in path:
        value = value.get(part, "nothing") if isinstance(value, dict) else value
    text = next((doc.text for doc in describe_settings() if doc.env == name), "")
    wanted = expected.partition(", got")[0]
    return SettingsError(f"{name} ({'.'.join(path)}): {wanted}, got {value!r:.80}; it is: {text}", name=name)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return (f"; did you mean {near[0]}?" if near else ";") + " `lookalive settings` lists them all"


def _env_name(path: list[str]) -> str:
    return PREFIX + "__".join(path).upper()


def _leaves(kind: type, value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], str, Any]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner, here = getattr(value, name), (*path, name)
        if isinstance(inner, msgspec.Struct):
            yield from _leaves(type(inner), inner, here)
        elif get_origin(hint) is Annotated:
            text = next(m.description for m in get_args(hint)[1:] if isinstance(m, Meta) and m.description)
            yield list(here), text, inner


def _put(tree: dict[str, Any], path: list[str], value: object) -> None:
    *sections, name = path
    for section in sections:
        tree = tree.setdefault(section, {})
    if (*sections, name) in _LISTS and isinstance(value, str):
        value = [part for part in value.split(",") if part]
    tree[name] = value
