"""How hard a query is, told by what a first walk met: the local intrinsic dimension around it.

Where many vectors are hardly farther than the nearest ones, a walk of the usual width misses some of these. That is so
far from everything, and in the middle of what was a dense neighbourhood until it was deleted: there a graph that was
built anew without the dead has no dead to count any more.
"""

import math

from index_shards.candidates import Float32Array

# It is told from so many times as many of the nearest as are wanted.
SPREAD = 4
# Beyond this dimension a walk is done again with so many candidates per dimension and usual candidate. On 200,000
# vectors of the benchmarks' mixture 98 % of the queries amid deleted neighbourhoods lie beyond it, 1 % of the others.
HARD_DIMENSION = 100.0
WIDER_PER_DIMENSION, WIDER_AT_MOST = 1 / 40, 4.0


def local_dimension(scores: Float32Array, depth: int) -> float:
    """The expansion dimension from scores (cosines) of shape (n,), best first, between `depth` and `SPREAD` times that.

    It is log(m / depth) / log(d_m / d_depth) for ranks m and euclidean distances d: by how much the radius must grow
    for so many more neighbours (D. Karger, M. Ruhl, "Finding nearest neighbors in growth-restricted metrics", STOC
    2002; as the two-radius estimate of local intrinsic dimensionality, L. Amsaleg et al., KDD 2015). 0 where it cannot
    be told.
    """
    rank = min(SPREAD * depth, len(scores))
    if rank <= depth:
        return 0.0
    near, far = 1.0 - float(scores[depth - 1]), 1.0 - float(scores[rank - 1])
    if near <= 0.0 or far <= near:
        return 0.0
    # Of unit vectors the squared distance is 2 (1 - cosine): half the logarithm of its ratio is that of the distances'.
    return 2.0 * math.log(rank / depth) / math.log(far / near)


def widened(ef: int, dimension: float) -> int:
    """How many candidates a walk needs where the local dimension is this, of `ef` elsewhere."""
    if dimension <= HARD_DIMENSION:
        return ef
    return math.ceil(ef * min(WIDER_AT_MOST, WIDER_PER_DIMENSION * dimension))
