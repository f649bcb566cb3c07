"""Judging a model by a catalogue: what `lookalive evaluate` does."""
