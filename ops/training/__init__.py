"""Training a model on a catalogue: what `lookalive train` does."""
