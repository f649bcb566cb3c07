"""FAISS as it is: its stubs know neither the HNSW classes nor the array forms of its selectors."""

from typing import Any

import faiss as typed_faiss

faiss: Any = typed_faiss
