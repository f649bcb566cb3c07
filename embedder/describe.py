"""`python -m embedder.describe`: load the configured model and say what names its embedding space, as JSON."""

import os
import sys

import msgspec

from embedder.models.registry import load_encoder
from schemas.errors import LookaliveError
from schemas.settings import load_settings


def main() -> int:
    """Print {"name", "fingerprint", "dimension"}, or the reason on standard error with status 1."""
    try:
        encoder = load_encoder(load_settings(os.environ).model)
    except LookaliveError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    said = {"name": encoder.name, "fingerprint": encoder.fingerprint, "dimension": encoder.dimension}
    sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
