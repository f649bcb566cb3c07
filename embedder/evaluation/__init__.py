"""Judging embeddings: measures of rankings, who is held out, what is relevant, and how sure a figure is."""
