"""One shard of an index that is changed while it is searched, and the node process that serves shards."""
