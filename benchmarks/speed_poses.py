"""Poses: one full observation of MATAL, what its team chooses, and EGL++'s gradients.

The large observation is timed on request only: python benchmarks/speed.py --only pose-millions
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from querist.agents.matal import config
from querist.agents.matal.network import TeamQ
from querist.agents.matal.team import choose
from querist.kernels.cosines import cosine_histograms, landmark_error, largest_cosines, quantile_edges
from querist.kernels.kinematic_chain import chain_features, space_columns
from querist.kernels.mmd import discrepancy, median_bandwidth
from querist.kernels.random_features import (
    characteristic_discrepancy,
    characteristic_sums,
    discrepancy_error,
    gaussian_frequencies,
)
from querist.nn.runtime import seeded
from querist.tasks.pose.expected_gradients import ExpectedGradients
from querist.tasks.pose.heat_map_network import HeatMapNetwork
from querist.tasks.pose.skeletons import HAND21
from speed_measure import Case

LABELLED, LANDMARKS, FREQUENCIES, BINS, LOOKS = 5_000, 2_048, 1_024, 10, 128
SAMPLE, ROWS = 2_000, 50_000
COLUMNS = space_columns(len(HAND21.bone_array), HAND21.part_bones)


class Seen(NamedTuple):
    """An observation: 8 discrepancies, (n, 7) novelties and (n, 7, bins) histograms."""

    gaps: Tensor
    novelty: Tensor
    density: Tensor


class Scene:
    """Hands of two kinds: what is labelled differs a little from what is not.

    Args:
        labelled: how many are.
        landmarks: unlabelled ones against which the histograms are taken.
        frequencies: of the random features.
    """

    def __init__(self, labelled: int = LABELLED, landmarks: int = LANDMARKS, frequencies: int = FREQUENCIES) -> None:
        self.labelled = _hands(labelled, 1, 0.3)
        self.landmarks = _hands(landmarks, 2, 0.0)[1]
        self.edges = quantile_edges(self.landmarks[:500], COLUMNS, BINS)
        known = self.labelled[1][:500]
        self.bandwidths = [median_bandwidth(self.labelled[0][:500])]
        self.bandwidths += [median_bandwidth(known[:, where]) for where in COLUMNS]
        widths = [LOOKS, *(c.stop - c.start for c in COLUMNS)]
        self.frequencies = [
            gaussian_frequencies(width, frequencies, σ2, np.random.default_rng(place))
            for place, (width, σ2) in enumerate(zip(widths, self.bandwidths, strict=True))
        ]
        self.known_sums = self.sums(*self.labelled)

    def sums(self, looks: Tensor, topology: Tensor) -> Tensor:
        """(8, 2, frequencies): what a discrepancy needs of a set; those of two sets add up."""
        first = characteristic_sums(looks, [slice(None)], self.frequencies[:1])
        return torch.cat([first, characteristic_sums(topology, COLUMNS, self.frequencies[1:])])

    def observe(self, blocks: Iterator[tuple[Tensor, Tensor]]) -> Seen:
        """Everything about unlabelled hands that come in blocks of (appearance, topology)."""
        sums, n = torch.zeros_like(self.known_sums), 0
        novelty, density = [], []
        for looks, topology in blocks:
            sums += self.sums(looks, topology)
            n += len(looks)
            novelty.append(largest_cosines(topology, self.labelled[1], COLUMNS))
            density.append(cosine_histograms(topology, self.landmarks, COLUMNS, self.edges))
        gaps = characteristic_discrepancy(self.known_sums, len(self.labelled[0]), sums, n)
        return Seen(gaps, torch.cat(novelty), torch.cat(density))

    def tell_errors(self, looks: Tensor, topology: Tensor) -> None:
        """Prints approximate beside exact values on a subsample of both sides."""
        some = [(a[:SAMPLE], b[:SAMPLE]) for a, b in ((looks, topology), self.labelled)]
        near = [self.sums(*side) for side in some]
        about = characteristic_discrepancy(near[1], len(some[1][0]), near[0], len(some[0][0])).tolist()
        pairs = [(some[1][0], some[0][0]), *((some[1][1][:, where], some[0][1][:, where]) for where in COLUMNS)]
        exact = [discrepancy(known, other, σ2) for (known, other), σ2 in zip(pairs, self.bandwidths, strict=True)]
        rows = some[0][1]
        counted = [cosine_histograms(rows, set_, COLUMNS, self.edges) for set_ in (self.landmarks, topology[:20_000])]
        off = (counted[0] - counted[1]).cumsum(dim=2).abs().amax(dim=2)
        print(f"  on {len(rows)} x {len(some[1][0])} hands, approximate (exact):", file=sys.stderr)
        words = ", ".join(f"{a:.4f} ({b:.4f})" for a, b in zip(about, exact, strict=True))
        bound = discrepancy_error(self.frequencies[0].shape[1])
        print(f"  discrepancies {words}; bound {bound:.3f}", file=sys.stderr)
        bound = landmark_error(len(self.landmarks))
        within = float((off <= bound).float().mean())
        print(
            f"  shares of cosines against {len(topology[:20_000])} hands: off by {float(off.median()):.4f} in the "
            f"median, {float(off.max()):.4f} at most; {within:.1%} within {bound:.3f}, the bound of 95 %",
            file=sys.stderr,
        )


def _hands(count: int, seed: int, shift: float) -> tuple[Tensor, Tensor]:
    """(n, 128) appearances and (n, 275) topologies of hands that bend in ten ways."""
    ways = np.random.default_rng(99)
    mean, bend = ways.normal(size=63), ways.normal(size=(10, 63))
    looks = ways.normal(size=(10, LOOKS))
    drawn = np.random.default_rng(seed)
    bent = drawn.normal(shift, 1, (count, 10))
    joints = mean + 0.4 * bent @ bend + 0.05 * drawn.normal(size=(count, 63))
    pose = torch.from_numpy(joints.reshape(count, 21, 3).astype(np.float32))
    appearance = torch.from_numpy((np.maximum(bent @ looks, 0) + 0.1 * drawn.random((count, LOOKS))).astype(np.float32))
    return appearance, chain_features(pose, torch.from_numpy(HAND21.bone_array), HAND21.part_bones)


def observation(quick: bool) -> tuple[str, Case]:
    """8 discrepancies, 7 novelties and 7 histograms of hands in memory."""
    n = 4_000 if quick else 100_000
    scene = Scene(500, 500, 256) if quick else Scene()
    hands = _hands(n, 3, 0.0)
    scene.tell_errors(*hands)

    case = Case(lambda: scene.observe(iter([hands])), lambda: _products(scene, *hands))
    return f"{n}x275, {len(scene.labelled[0])} labelled", case


def _products(scene: Scene, looks: Tensor, topology: Tensor) -> None:
    """What of it is plain matrix products, block by block: no cosine, sine, maximum or histogram."""
    for some, rows in zip(looks.split(512), topology.split(512), strict=True):
        some @ scene.frequencies[0]
        for where, ω in zip(COLUMNS, scene.frequencies[1:], strict=True):
            for others in (ω, scene.labelled[1][:, where].T, scene.landmarks[:, where].T):
                rows[:, where] @ others


def millions(quick: bool) -> tuple[str, Case]:
    """As :func:`observation`, of more hands than one wants in memory; the reference is one reading of the file."""
    n = 20_000 if quick else 2_200_000
    scene, kept = Scene(), tempfile.TemporaryDirectory()  # 3.5 GB, gone when nobody holds it any more
    folder = Path(kept.name)
    files = {"looks": LOOKS, "topology": COLUMNS[-1].stop}
    for name, width in files.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (n, width)).flush()
    for start in range(0, n, ROWS):
        made = _hands(min(ROWS, n - start), 1_000 + start, 0.0)
        for name, table in zip(files, made, strict=True):
            np.load(folder / f"{name}.npy", mmap_mode="r+")[start : start + len(table)] = table
    scene.tell_errors(*next(_blocks(folder, min(n, ROWS))))

    def ours() -> Seen:
        return scene.observe(_blocks(Path(kept.name), n))

    def read() -> float:
        return sum(float(a.sum() + b.sum()) for a, b in _blocks(Path(kept.name), n))

    return f"{n}x275, {LABELLED} labelled, memory map", Case(ours, read)


def _blocks(folder: Path, n: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Maps the files anew for each block: pages that were read long ago do not count as this process's memory."""
    for start in range(0, n, ROWS):
        tables = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("looks", "topology")]
        looks, topology = (torch.from_numpy(table[start : start + ROWS].copy()) for table in tables)
        yield looks, topology


def team(quick: bool) -> tuple[str, Case]:
    """40 agents take one image each of 10,000, with 9 numbers about the state and 205 about an image."""
    agents, images, states, width = (5, 500, 9, 205) if quick else (40, 10_000, 9, 205)
    generator = torch.Generator().manual_seed(0)
    rows, state = torch.randn(images, width, generator=generator), torch.randn(states, generator=generator)
    settings = config.settings("sound")
    with seeded(0):
        net = TeamQ(agents, states, width, settings.first_width, settings.second_width)
    net.set_standardiser(torch.randn(100, states, generator=generator), rows)

    @torch.no_grad()
    def with_the_context_beside_every_image() -> list[int]:
        seen, actions = net.state_standardiser(state), net.candidate_standardiser(rows)
        taken: list[int] = []
        for m in range(agents):
            context = actions[taken].mean(dim=0) if taken else torch.zeros(width)
            both = torch.cat([actions, context.expand(images, -1)], dim=1)
            mixed = torch.relu(both @ torch.cat([net.mix_candidate[m], net.mix_context[m]], 1).T + net.mix_bias[m])
            joint = torch.cat([mixed, actions, seen.expand(images, -1)], dim=1)
            first = torch.cat([net.first_mixed[m], net.first_candidate[m], net.first_state[m]], dim=1)
            hidden = torch.relu(joint @ first.T + net.first_bias[m])
            hidden = torch.relu(hidden @ net.second[m].T + net.second_bias[m])
            values = (hidden @ net.last[m].T + net.last_bias[m])[:, 0]
            values[taken] = -torch.inf
            taken.append(int(values.argmax()))
        return taken

    def ours() -> list[int]:
        return choose(net, settings, state.numpy(), rows.numpy(), agents).places.tolist()

    case = Case(ours, with_the_context_beside_every_image, agree=lambda a, b: a == b)
    return f"{agents} of {images} images, {width} numbers", case


def gradients(quick: bool) -> tuple[str, Case]:
    """The head's squared gradients of 96 x 96 images for 30 neighbours each, as EGL++ wants them."""
    images, neighbours, known = (2, 5, 8) if quick else (32, 30, 64)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(known, 3, 96, 96, generator=generator)
    with seeded(0):
        net = HeatMapNetwork(14).eval()
    nearest = torch.randint(0, known, (images, neighbours), generator=generator)
    weights = torch.rand(images, neighbours, generator=generator)

    def batches(sources: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        yield sources, pictures[torch.from_numpy(sources)]

    lengths = ExpectedGradients(net, "cross_entropy", 1.0, batches)
    targets, sources = lengths.predicted(np.arange(known)), np.arange(images)

    def pass_by_pass() -> np.ndarray:
        """A backward pass through the head for each pair."""
        found = np.zeros(images, dtype=np.float32)
        with torch.no_grad():
            lasts = net.look(pictures[:images]).last
        for i, last in enumerate(lasts):
            scores = net.head(last[None]).flatten(2).log_softmax(dim=2)
            for row, weight in zip(nearest[i], weights[i], strict=True):
                loss = -(targets.values[row].flatten(1) * scores).sum() / len(targets.values[row])
                slopes = torch.autograd.grad(loss, list(net.head.parameters()), retain_graph=True)
                found[i] += float(weight) * sum(float(slope.square().sum()) for slope in slopes)
        return found

    def ours() -> np.ndarray:
        return lengths.expected(sources, targets, nearest, weights, "head")

    case = Case(ours, pass_by_pass, units=images, agree=lambda a, b: np.allclose(a, b, rtol=1e-3))
    return f"96x96, 14 joints, {neighbours} neighbours, an image", case
