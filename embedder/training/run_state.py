"""The state of a training run after an epoch, from which a killed run goes on."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from embedder.training.curves import EpochReport
from schemas.errors import InputError

VERSION = 1


class RunState(NamedTuple):
    """`tensors` are state dictionaries by what they are of; `curves` has a report per finished epoch."""

    curves: list[EpochReport]
    tensors: dict[str, Any]


def write_state(path: Path, key: str, state: RunState) -> None:
    """Write aside, then rename: a kill leaves the state before or this one. Raises OSError where that fails."""
    import torch

    aside = path.with_name(f"{path.name}.part")
    content = {"version": VERSION, "key": key, "curves": msgspec.json.encode(state.curves).decode()}
    try:
        torch.save(content | {"tensors": state.tensors}, aside)
        aside.replace(path)
    except RuntimeError as error:  # torch's word for a file that cannot be written
        raise OSError(f"{aside} cannot be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def read_state(path: Path, key: str) -> RunState | None:
    """The state of a run with the same key (recipe and pictures), None where there is no file.

    Raises:
        InputError: the file is of another run, or none of ours.
    """
    import torch

    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        known = content["version"], content["key"]
    except Exception as error:
        raise InputError(f"{path} is no state of a training run ({error}); --restart begins anew") from error
    if known != (VERSION, key):
        raise InputError(
            f"{path} is of a run with another recipe or other pictures; give the same flags to go on with it, or "
            "--restart to begin anew"
        )
    curves = msgspec.json.decode(content["curves"], type=list[EpochReport])
    return RunState(curves, content["tensors"])
