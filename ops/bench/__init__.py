"""Benchmarks: every figure beside a raw baseline that was measured in the same run."""
