"""Which node holds which shard, and how that is changed while it serves: pure functions, and what carries them out."""
