"""The public API: embeds a query, asks every shard, merges what they found."""
