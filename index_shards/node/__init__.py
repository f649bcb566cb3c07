"""The node process: follows the topics into shards and serves them over HTTP."""
