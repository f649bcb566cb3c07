"""The losses against naive references, number by number, and by what must hold of each."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from embedder.evaluation.relevance import NOTHING
from embedder.training.losses import (
    info_nce,
    proxy_softmax,
    supervised_contrastive,
    triplet_hard,
    triplet_semi_hard,
)

Loss = Callable[[Any, Any, float], Any]
LOSSES: list[Loss] = [supervised_contrastive, info_nce, triplet_hard, triplet_semi_hard]


def batch(seed: int, labels: list[int], dimension: int = 8) -> tuple[Any, Any]:
    raw = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(labels), dimension)))
    return torch.nn.functional.normalize(raw, dim=1).requires_grad_(), torch.tensor(labels)


def value(loss: Loss, vectors: Any, labels: Any, number: float) -> float:
    return float(loss(vectors, labels, number).detach())


def similarities(vectors: Any) -> list[list[float]]:
    return [[sum(a * b for a, b in zip(x, y, strict=True)) for y in vectors.tolist()] for x in vectors.tolist()]


def naive_supervised_contrastive(vectors: Any, labels: list[int], temperature: float) -> float:
    close, n = similarities(vectors), range(len(labels))
    per_anchor = []
    for i in n:
        positives = [p for p in n if p != i and labels[p] == labels[i]]
        total = sum(math.exp(close[i][a] / temperature) for a in n if a != i)
        terms = [-math.log(math.exp(close[i][p] / temperature) / total) for p in positives]
        if terms:
            per_anchor.append(sum(terms) / len(terms))
    return sum(per_anchor) / len(per_anchor)


def naive_info_nce(vectors: Any, labels: list[int], temperature: float) -> float:
    close, n = similarities(vectors), range(len(labels))
    terms = []
    for i in n:
        others = sum(math.exp(close[i][a] / temperature) for a in n if labels[a] != labels[i])
        for p in n:
            if p != i and labels[p] == labels[i]:
                own = math.exp(close[i][p] / temperature)
                terms.append(-math.log(own / (own + others)))
    return sum(terms) / len(terms)


def naive_triplet_hard(vectors: Any, labels: list[int], margin: float) -> float:
    far = [[math.sqrt(max(2 - 2 * s, 0.0)) for s in row] for row in similarities(vectors)]
    n, terms = range(len(labels)), []
    for a in n:
        positives = [far[a][p] for p in n if p != a and labels[p] == labels[a]]
        negatives = [far[a][m] for m in n if labels[m] != labels[a]]
        if positives and negatives:
            terms.append(max(0.0, max(positives) - min(negatives) + margin))
    return sum(terms) / len(terms)


def naive_triplet_semi_hard(vectors: Any, labels: list[int], margin: float) -> float:
    far = [[2 - 2 * s for s in row] for row in similarities(vectors)]
    n, terms = range(len(labels)), []
    for a in n:
        for p in n:
            if p == a or labels[p] != labels[a]:
                continue
            negatives = [far[a][m] for m in n if labels[m] != labels[a]]
            beyond = [distance for distance in negatives if distance > far[a][p]]
            if negatives:
                terms.append(max(0.0, far[a][p] - (min(beyond) if beyond else max(negatives)) + margin))
    return sum(terms) / len(terms)


NAIVE = [naive_supervised_contrastive, naive_info_nce, naive_triplet_hard, naive_triplet_semi_hard]
PAIRS = list(zip(LOSSES, NAIVE, strict=True))


@pytest.mark.parametrize(("loss", "naive"), PAIRS, ids=lambda f: getattr(f, "__name__", ""))
@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 1, 2, 0, 1, 2, 2, 2], [5, 5, 5, 3, 9, 3, 7]])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_the_naive_sum(loss: Loss, naive: Any, labels: list[int], seed: int) -> None:
    vectors, given = batch(seed, labels)
    assert value(loss, vectors, given, 0.3) == pytest.approx(naive(vectors, labels, 0.3), rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_the_order_and_the_names_of_labels_do_not_matter(loss: Loss) -> None:
    vectors, labels = batch(4, [0, 0, 1, 1, 2, 2, 2])
    order = torch.tensor([6, 2, 0, 5, 3, 1, 4])
    wanted = value(loss, vectors, labels, 0.2)
    assert value(loss, vectors[order], labels[order] * 10 + 3, 0.2) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_what_has_no_label_takes_no_part(loss: Loss) -> None:
    vectors, labels = batch(5, [0, 0, 1, 1, NOTHING, NOTHING])
    assert value(loss, vectors, labels, 0.2) == pytest.approx(value(loss, vectors[:4], labels[:4], 0.2), rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("labels", [[0, 1, 2], [NOTHING, NOTHING], []], ids=["no pairs", "no labels", "nothing"])
def test_without_pairs_it_is_nothing_and_has_a_gradient(loss: Loss, labels: list[int]) -> None:
    vectors, given = batch(6, labels)
    nothing = loss(vectors, given.long(), 0.2)
    nothing.backward()
    assert float(nothing.detach()) == 0.0
    assert torch.equal(vectors.grad, torch.zeros_like(vectors))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_going_down_its_gradient_brings_positives_together(loss: Loss) -> None:
    raw = torch.from_numpy(np.random.default_rng(7).normal(size=(12, 6))).requires_grad_()
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])

    def gap() -> float:
        vectors = torch.nn.functional.normalize(raw.detach(), dim=1)
        close, same = vectors @ vectors.T, labels[:, None] == labels[None, :]
        others = ~torch.eye(12, dtype=torch.bool)
        return float(close[same & others].mean() - close[~same].mean())

    before = gap()
    for _ in range(60):
        raw.grad = None
        loss(torch.nn.functional.normalize(raw, dim=1), labels, 0.3).backward()
        with torch.no_grad():
            raw -= 0.3 * raw.grad
    assert gap() > before + 0.3


def test_two_views_of_each_make_info_nce_and_supervised_contrastive_one() -> None:
    vectors, labels = batch(8, [0, 1, 2, 3, 0, 1, 2, 3])
    first, second = info_nce(vectors, labels, 0.1), supervised_contrastive(vectors, labels, 0.1)
    assert float(first.detach()) == pytest.approx(float(second.detach()), rel=1e-9)


def test_small_temperatures_stay_finite() -> None:
    vectors, labels = batch(9, [0, 0, 1, 1])
    for loss in (info_nce, supervised_contrastive):
        assert math.isfinite(value(loss, vectors.float(), labels, 0.01))


def naive_proxy_softmax(vectors: Any, proxies: Any, labels: list[int], temperature: float, smoothing: float) -> float:
    lengths = [math.sqrt(sum(x * x for x in proxy)) for proxy in proxies.tolist()]
    terms = []
    for vector, label in zip(vectors.tolist(), labels, strict=True):
        if label == NOTHING:
            continue
        close = [
            sum(a * b for a, b in zip(vector, proxy, strict=True)) / length / temperature
            for proxy, length in zip(proxies.tolist(), lengths, strict=True)
        ]
        shares = [value - math.log(sum(map(math.exp, close))) for value in close]
        wanted = [smoothing / len(shares) + (1 - smoothing) * (n == label) for n in range(len(shares))]
        terms.append(-sum(w * share for w, share in zip(wanted, shares, strict=True)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_proxies_as_a_naive_reference_has_it(smoothing: float) -> None:
    labels = [0, 2, 1, NOTHING, 2]
    vectors, numbers = batch(3, labels)
    proxies = torch.from_numpy(np.random.default_rng(4).normal(size=(3, 8)))
    found = float(proxy_softmax(vectors, proxies, numbers, 0.2, smoothing).detach())
    assert found == pytest.approx(naive_proxy_softmax(vectors.detach(), proxies, labels, 0.2, smoothing))
    assert found == pytest.approx(float(proxy_softmax(vectors, 7.0 * proxies, numbers, 0.2, smoothing).detach()))


def test_proxies_of_nothing_are_no_loss_and_have_a_gradient() -> None:
    vectors, numbers = batch(3, [NOTHING, NOTHING])
    loss = proxy_softmax(vectors, torch.ones(2, 8, dtype=torch.float64), numbers, 0.2, 0.1)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert vectors.grad is not None
