"""What training makes small: losses over a batch of unit vectors and labels, pure and without state.

Everywhere `vectors` (n, dimension) float32 are unit vectors with gradients, and `labels` (n,) int64 say which of them
are positives of each other: those of equal labels. A vector whose label is NOTHING takes no part. Each loss is a mean,
a scalar that has a gradient even where the batch has no pair of positives; it is 0 then.
"""

from typing import Any

from embedder.evaluation.relevance import NOTHING

Tensor = Any
"""A torch.Tensor."""


def supervised_contrastive(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """The loss of Khosla et al., "Supervised contrastive learning" (2020), equation 2 (L_out).

    Each vector is drawn towards all its positives at once: the mean of their log shares among all others, positives
    and negatives alike, is made large.
    """
    vectors, labels = _taking_part(vectors, labels)
    similar, positive, others = _pairs(vectors, labels, temperature)
    log_share = similar - similar.masked_fill(~others, -_INFINITE).logsumexp(dim=1, keepdim=True)
    count = positive.sum(dim=1)
    per_anchor = -(log_share * positive).sum(dim=1) / count.clamp(min=1)
    return _mean(per_anchor, count > 0, vectors)


def info_nce(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """InfoNCE of van den Oord et al., "Representation learning with contrastive predictive coding" (2018), equation 4,
    with the batch as negatives (NT-Xent in Chen et al., "A simple framework for contrastive learning", 2020).

    Each pair of positives is told from the negatives of its first vector; further positives of that vector are no
    negatives of the pair. With two vectors per label this is NT-Xent to the letter.
    """
    vectors, labels = _taking_part(vectors, labels)
    similar, positive, others = _pairs(vectors, labels, temperature)
    negatives = similar.masked_fill(~(others & ~positive), -_INFINITE).logsumexp(dim=1, keepdim=True)
    per_pair = similar.logaddexp(negatives) - similar
    return _mean(per_pair, positive, vectors)


def proxy_softmax(vectors: Tensor, proxies: Tensor, labels: Tensor, temperature: float, smoothing: float) -> Tensor:
    """Each vector is told from all labels by a learnt vector of each, its proxy: the normalised softmax of Zhai and Wu,
    "Classification is a strong baseline for deep metric learning" (2019), with the label smoothing of Szegedy et al.,
    "Rethinking the Inception architecture for computer vision" (2016).

    `proxies` (labels, dimension) may have any length; a label is the number of its row.
    """
    from torch.nn.functional import cross_entropy, normalize

    vectors, labels = _taking_part(vectors, labels)
    if not len(labels):
        return vectors.sum() * 0.0
    scores = vectors @ normalize(proxies, dim=1).T / temperature
    return cross_entropy(scores, labels, label_smoothing=smoothing)


def triplet_hard(vectors: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Batch-hard triplets of Hermans et al., "In defense of the triplet loss for person re-identification" (2017).

    Each vector with its farthest positive and its nearest negative. Distances are Euclidean and not squared, as there:
    squared ones hardly push near vectors apart, and the hardest triplets then draw all vectors to one point.
    """
    vectors, labels = _taking_part(vectors, labels)
    far, positive, negative = _distances(vectors, labels)
    far = far.clamp(min=_NEAREST).sqrt()
    farthest = far.masked_fill(~positive, -_INFINITE).amax(dim=1) if len(far) else far.sum(dim=1)
    nearest = far.masked_fill(~negative, _INFINITE).amin(dim=1) if len(far) else far.sum(dim=1)
    there = positive.any(dim=1) & negative.any(dim=1)
    return _mean((farthest - nearest + margin).clamp(min=0), there, vectors)


def triplet_semi_hard(vectors: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Semi-hard triplets of Schroff et al., "FaceNet: a unified embedding for face recognition and clustering" (2015).

    Each pair of positives with the nearest negative that is farther than the positive; where none is farther, with the
    farthest negative, so that such a pair counts too and no collapse is asked for. Distances are squared.
    """
    vectors, labels = _taking_part(vectors, labels)
    far, positive, negative = _distances(vectors, labels)
    if not len(far):
        return vectors.sum() * 0.0
    beyond = negative[:, None, :] & (far[:, None, :] > far[:, :, None])
    nearest_beyond = far[:, None, :].masked_fill(~beyond, _INFINITE).amin(dim=2)
    farthest = far.masked_fill(~negative, -_INFINITE).amax(dim=1, keepdim=True).expand_as(far)
    chosen = nearest_beyond.where(beyond.any(dim=2), farthest)
    there = positive & negative.any(dim=1, keepdim=True)
    return _mean((far - chosen + margin).clamp(min=0), there, vectors)


_NEAREST = 1e-6
"""The least squared distance that is told from 0: nearer, the square root is too steep."""

_INFINITE = 1e9
"""Large enough to be left out of every sum, small enough to stay a number times 0."""


def _taking_part(vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    there = labels != NOTHING
    return vectors[there], labels[there]


def _pairs(vectors: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Similarities over the temperature, which pairs are positives, and which are of two different vectors; (n, n)."""
    similar = vectors @ vectors.T / temperature
    others = ~labels.new_ones(len(labels)).diag().bool()
    return similar, (labels[:, None] == labels[None, :]) & others, others


def _distances(vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distances of unit vectors, which pairs are positives, and which are negatives; (n, n)."""
    similar, positive, others = _pairs(vectors, labels, 1.0)
    return 2.0 - 2.0 * similar, positive, others & ~positive


def _mean(values: Tensor, there: Tensor, vectors: Tensor) -> Tensor:
    """The mean of what is there, or 0 with a gradient of 0."""
    return values[there].mean() if there.any() else vectors.sum() * 0.0
