"""Training: from pictures with labels to a checkpoint of a model."""
