"""From a catalogue to what a trainer takes: pictures in three parts, decoded, labelled and known by a digest."""

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from embedder.evaluation.relevance import numbered
from embedder.evaluation.variants import VARIANTS
from embedder.preprocess import Preprocessing
from embedder.training.pixel_store import PixelStore
from embedder.training.trainer import TrainingSet
from embedder.training.validation import ValidationSet
from ops.evaluation.pictures import Catalogue, Picture
from ops.evaluation.progress import Stage
from ops.training.decoding import Decoded, Wanted, decode_all
from ops.training.parts import Parts
from ops.training.plan import TrainingPlan
from schemas.errors import InputError
from schemas.settings import Settings

IntArray = npt.NDArray[np.int64]
VARIED = 60
"""Pictures whose variants epochs are judged by, at most."""

LEAST_VALIDATION = 2


class Gathered(NamedTuple):
    """`digest` knows pictures and labels again; `twins` counts pictures left out as they are pixel by pixel one that
    judges; `left_out` says why others were."""

    training: TrainingSet
    validation: ValidationSet | None
    digest: str
    twins: int
    left_out: list[str]


def gather(
    settings: Settings,
    plan: TrainingPlan,
    catalogue: Catalogue,
    parts: Parts,
    spec: Preprocessing,
    store: PixelStore,
    stage: Stage,
) -> Gathered:
    """Decode what is needed. A picture that is also held out under another name is not trained on.

    Raises:
        InputError: no picture is left to train on.
        OSError: the disk is full.
    """
    pictures = catalogue.pictures
    wanted = [Wanted(picture) for picture in pictures]
    for row in parts.training.tolist():
        wanted[row] = Wanted(pictures[row], keep=True)
    for number, row in enumerate(parts.validation.tolist()):
        wanted[row] = Wanted(pictures[row], prepare=True, vary=number < VARIED)
    with stage("decoding", len(wanted)) as done:
        decoded = decode_all(settings, wanted, spec, store, plan.seed, lambda: done(1))
    store.freeze()
    judging = _fingerprints(decoded, parts.held_out) | _fingerprints(decoded, parts.validation)
    there = [row for row in parts.training.tolist() if row in decoded.seen]
    kept = [row for row in there if decoded.seen[row].fingerprint not in judging]
    if not kept:
        first = next(iter(decoded.refused.values()), "all are held out under another name too")
        raise InputError(f"no picture of {plan.source} is left to train on; the first: {first}")
    return Gathered(
        training=_training(pictures, kept, store),
        validation=_validation(pictures, parts, decoded),
        digest=_digest(pictures, decoded, kept, parts),
        twins=len(there) - len(kept),
        left_out=catalogue.bad_rows + [decoded.refused[row] for row in sorted(decoded.refused)],
    )


def _training(pictures: list[Picture], kept: list[int], store: PixelStore) -> TrainingSet:
    categories, groups = _labels([pictures[row] for row in kept])
    return TrainingSet(store, np.array(kept, dtype=np.int64), categories, groups)


def _validation(pictures: list[Picture], parts: Parts, decoded: Decoded) -> ValidationSet | None:
    """None where too few are left to rank each other."""
    held = set(_fingerprints(decoded, parts.held_out))
    rows = [row for row in parts.validation.tolist() if row in decoded.seen]
    rows = [row for row in rows if decoded.seen[row].fingerprint not in held]
    prepared = [seen.prepared for seen in (decoded.seen[row] for row in rows) if seen.prepared is not None]
    if len(rows) < LEAST_VALIDATION:
        return None
    categories, groups = _labels([pictures[row] for row in rows])
    varied = [(number, one) for number, row in enumerate(rows) for one in decoded.seen[row].variants]
    whole = np.stack(prepared)
    return ValidationSet(
        pictures=whole,
        same=numbered([decoded.seen[row].fingerprint for row in rows]),
        categories=categories,
        groups=groups,
        changed=np.stack([one for _, one in varied]) if varied else whole[:0],
        originals=np.array([number for number, _ in varied], dtype=np.int64),
    )


def _labels(pictures: list[Picture]) -> tuple[IntArray, IntArray]:
    return numbered([one.category for one in pictures]), numbered([one.group for one in pictures])


def _fingerprints(decoded: Decoded, rows: IntArray) -> set[bytes]:
    return {decoded.seen[row].fingerprint for row in rows.tolist() if row in decoded.seen}


def _digest(pictures: list[Picture], decoded: Decoded, kept: list[int], parts: Parts) -> str:
    """Over names, labels and pixels of what is trained on and of what judges the epochs."""
    digest = hashlib.blake2b(digest_size=16, person=b"training set")
    for rows in (kept, [row for row in parts.validation.tolist() if row in decoded.seen]):
        for row in rows:
            one = pictures[row]
            digest.update(repr((one.name, one.category, one.group, decoded.seen[row].fingerprint)).encode())
        digest.update(b"\n" + ",".join(VARIANTS).encode())
    return digest.hexdigest()
