"""What is timed, and against what. To add a benchmark, write a function that builds a Case and list it below."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from querist.kernels.confusion import confusion_counts
from querist.kernels.gradient_embedding import factorised_kmeans_plus_plus
from querist.kernels.k_centre import k_centre_greedy
from querist.kernels.regions import region_class_counts, region_grids, region_means
from querist.kernels.uncertainty import pixel_uncertainty
from querist.tasks.segmentation.fpn import FPN
from speed_measure import Case
from speed_pairs import cmc, question, refresh
from speed_poses import gradients, millions, observation, team
from speed_ralis import episodes, features
from speed_step import step

CLASSES = 11
VOID = 11


@dataclass(frozen=True)
class Limits:
    """What a row stays within on two cores; None: nothing is promised.

    Args:
        ratio: of ours to the reference.
        seconds: of ours, per unit.
        peak_mb: what ours needs beside its input, in MiB.
    """

    ratio: float | None = None
    seconds: float | None = None
    peak_mb: float | None = None

    def told(self, row: Mapping[str, Any]) -> str:
        """In words, with those that a row exceeds; empty without limits."""
        named = (("ratio", "ratio", ""), ("seconds", "ours_s", " s"), ("peak_mb", "peak_mb", " MiB"))
        parts = []
        for name, column, unit in named:
            limit = getattr(self, name)
            if limit is not None:
                words = f"{limit:g}{unit}" if unit else f"{name} {limit:g}"
                parts.append(words + (": exceeded" if row[column] > limit else ""))
        return f" (limit {', '.join(parts)})" if parts else ""


@dataclass(frozen=True)
class Benchmark:
    """One row of the results.

    Args:
        name: of the row.
        reference: what ours is measured against, in words.
        build: takes whether to be quick; gives the size in words and the case.
        limits: what is promised, at full size.
        repeats: how often it is timed, where that takes long; None: as often as all others.
        on_request: whether it is left out unless it is named.
    """

    name: str
    reference: str
    build: Callable[[bool], tuple[str, Case]]
    limits: Limits = Limits()
    repeats: int | None = None
    on_request: bool = False


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def k_centre(quick: bool) -> tuple[str, Case]:
    n, d, picks = (100_000, 128, 10) if quick else (1_000_000, 128, 20)
    features = torch.randn(n, d, generator=_seeded())
    vector = torch.randn(d, generator=_seeded())

    def products() -> None:
        for _ in range(picks):
            features @ vector

    case = Case(
        ours=lambda: k_centre_greedy(features, picks + 1, first=0),
        overhead=lambda: k_centre_greedy(features, 1, first=0),
        reference=products,
        units=picks,
    )
    return f"{n}x{d} float32, a pick", case


def confusion(quick: bool) -> tuple[str, Case]:
    images = 10 if quick else 101
    truth = torch.randint(0, CLASSES + 1, (images, 180, 240), generator=_seeded(), dtype=torch.uint8)
    prediction = torch.randint(0, CLASSES, truth.shape, generator=_seeded(), dtype=torch.uint8)

    def class_by_class() -> Tensor:
        """(3, B, C) intersection, truth and prediction of each class and image."""
        rows = []
        seen = truth != VOID
        for c in range(CLASSES):
            actual, guessed = truth == c, (prediction == c) & seen
            rows.append(torch.stack([m.flatten(1).sum(dim=1) for m in (actual & guessed, actual, guessed)]))
        return torch.stack(rows, dim=-1)

    def agree(counts: Tensor, sums: Tensor) -> bool:
        mine = torch.stack([counts.diagonal(dim1=1, dim2=2), counts.sum(dim=2), counts.sum(dim=1)])
        return torch.equal(mine, sums)

    case = Case(lambda: confusion_counts(prediction, truth, CLASSES, VOID), class_by_class, agree=agree)
    return f"{images}x180x240, {CLASSES} classes", case


def region_entropy(quick: bool) -> tuple[str, Case]:
    images, height, width = (10 if quick else 101), 30, 40
    maps = torch.rand(images, 180, 240, generator=_seeded())

    def region_by_region() -> Tensor:
        means = [
            image[y : y + height, x : x + width].mean()
            for image in maps
            for y in range(0, 180, height)
            for x in range(0, 240, width)
        ]
        return torch.stack(means).view(images, 180 // height, 240 // width)

    case = Case(lambda: region_means(maps, height, width), region_by_region, agree=torch.allclose)
    return f"{images}x180x240, regions of {height}x{width}", case


def region_classes(quick: bool) -> tuple[str, Case]:
    images, height, width = (10 if quick else 101), 30, 40
    classes = torch.randint(0, CLASSES, (images, 180, 240), generator=_seeded(), dtype=torch.uint8)

    def region_by_region() -> Tensor:
        counts = [
            torch.bincount(image[y : y + height, x : x + width].flatten(), minlength=CLASSES)
            for image in classes
            for y in range(0, 180, height)
            for x in range(0, 240, width)
        ]
        return torch.stack(counts).view(images, 180 // height, 240 // width, CLASSES)

    case = Case(lambda: region_class_counts(classes, height, width, CLASSES), region_by_region, agree=torch.equal)
    return f"{images}x180x240, regions of {height}x{width}", case


def uncertainty(quick: bool) -> tuple[str, Case]:
    images = 2 if quick else 16
    logits = torch.randn(images, CLASSES, 180, 240, generator=_seeded())

    def one_after_another() -> tuple[Tensor, Tensor, Tensor]:
        probability = logits.softmax(dim=1)
        entropy = -(probability * logits.log_softmax(dim=1)).sum(dim=1)
        best = probability.topk(2, dim=1).values
        return probability.argmax(dim=1), entropy, best[:, 0] - best[:, 1]

    def agree(mine: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> bool:
        pairs = zip(mine, theirs, strict=True)
        return all(torch.allclose(a.float(), b.float(), atol=1e-5) for a, b in pairs)

    return f"{images}x{CLASSES}x180x240", Case(lambda: pixel_uncertainty(logits), one_after_another, agree=agree)


def dropout_passes(quick: bool) -> tuple[str, Case]:
    images, passes = (1, 5) if quick else (4, 20)
    images_in = torch.randn(images, 3, 180, 240, generator=_seeded())
    net = FPN(CLASSES, width=64, head=32).eval()
    size = images_in.shape[2:]

    @torch.inference_mode()
    def head_only() -> None:
        for _ in net.classify_dropout(net.features(images_in), size, passes):
            pass

    @torch.inference_mode()
    def whole_network() -> None:
        for _ in range(passes):
            for _ in net.classify_dropout(net.features(images_in), size, 1):
                pass

    return f"{images}x3x180x240, {passes} passes, width 64", Case(head_only, whole_network)


def badge(quick: bool) -> tuple[str, Case]:
    n, d, classes, picks = (400, 64, 5, 20) if quick else (20_000, 512, 20, 100)
    # Small whole numbers, so that both forms compute exactly and must draw the same rows.
    a = torch.randint(-2, 3, (n, classes), generator=_seeded()).float()
    h = torch.randint(0, 3, (n, d), generator=_seeded()).float()

    def multiplied_out() -> Tensor:
        gradients = (a[:, :, None] * h[:, None, :]).flatten(1)
        return factorised_kmeans_plus_plus(torch.ones(n, 1), gradients, picks, _seeded())

    case = Case(lambda: factorised_kmeans_plus_plus(a, h, picks, _seeded()), multiplied_out, agree=torch.equal)
    return f"{n}x{d}, {classes} classes, {picks} picks", case


def entropy_grids(quick: bool) -> tuple[str, Case]:
    images, height, width = (2 if quick else 20), 90, 80
    maps = torch.rand(images, 360, 480, generator=_seeded())

    def region_by_region() -> Tensor:
        grids = []
        for image in maps:
            for y, x in itertools.product(range(0, 360, height), range(0, 480, width)):
                region = image[None, y : y + height, x : x + width]
                pools = (-max_pool2d(-region, (11, 10)), avg_pool2d(region, (11, 10)), max_pool2d(region, (11, 10)))
                grids.append(torch.cat(pools))
        return torch.stack(grids).view(images, 4, 6, 3, 8, 8)

    case = Case(lambda: region_grids(maps, height, width), region_by_region, agree=torch.allclose)
    return f"{images}x360x480, regions of {height}x{width}", case


BENCHMARKS = (
    Benchmark("k-centre", "one matrix-vector product", k_centre, Limits(ratio=1.3)),
    Benchmark("confusion", "boolean masks class by class", confusion),
    Benchmark("region-entropy", "a Python loop over regions", region_entropy),
    Benchmark("region-classes", "a bincount for each region", region_classes),
    Benchmark("pixel-uncertainty", "softmax, log-softmax, topk, argmax", uncertainty),
    Benchmark("camvid-small-step", "image by image, loops over regions and classes", step),
    Benchmark("dropout-passes", "the whole network each pass", dropout_passes),
    Benchmark("badge", "the same sampler on the n x (C d) gradients", badge, Limits(seconds=1, peak_mb=200)),
    Benchmark(
        "ralis-features",
        "its histograms in a loop over regions: direct sums, histc",
        features,
        Limits(ratio=1 / 20, seconds=8, peak_mb=1024),
        repeats=3,
    ),
    Benchmark(
        "ralis-episodes",
        "the model itself in place of its stand-in",
        episodes,
        Limits(seconds=3600),
        repeats=1,
    ),
    Benchmark("entropy-grids", "three poolings for each region", entropy_grids),
    Benchmark("pair-question", "only ranking all crops beside its anchor", question, Limits(seconds=0.002)),
    Benchmark("pair-refresh", "all distances at once, then topk", refresh, Limits(seconds=3)),
    Benchmark("cmc-map", "a loop over queries", cmc, Limits(seconds=10)),
    Benchmark("pose-observation", "its matrix products alone", observation, Limits(seconds=45), repeats=2),
    Benchmark(
        "pose-millions",
        "only reading the files",
        millions,
        Limits(seconds=900, peak_mb=4096),
        repeats=1,
        on_request=True,
    ),
    Benchmark("pose-team", "the context beside every image", team, Limits(seconds=1)),
    Benchmark("egl-head", "a backward pass for each pair", gradients),
)
