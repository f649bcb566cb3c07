"""Pixels to vectors: fetch, decode, check, preprocess, model, batching."""
