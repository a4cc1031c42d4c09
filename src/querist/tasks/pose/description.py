"""What a pose model says about images: the fields that strategies ask for, from one forward pass."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.observation import Field
from querist.errors import QueristError
from querist.kernels.peaks import multi_peak_entropy
from querist.tasks.pose.heatmaps import Reading, read_places
from querist.tasks.pose.network import PoseNetwork, Seen, last_stage

POSE, APPEARANCE, EMBEDDING = "pose", "appearance", "embedding"
MEAN, SPREAD = "pose_mean", "pose_spread"
PEAKS, LEVELS = "multi_peak_entropy", "levels"

_PEAKS, _APART, _USUAL = 5, 5, 64
"""Peaks of a map that count, and how far apart on one of 64 cells (Liu and Ferrari 2017)."""


class Shapes(NamedTuple):
    """Of poses: J joints and D coordinates."""

    joints: int
    coordinates: int


class PoseDescriber:
    """Knows the fields that a model can fill.

    Args:
        model: any module; one dry run tells what it gives.
        image: (1, channels, S, S) for the dry run.
        shapes: what it should give.
        reading: how places are read off heat maps.
        passes: Monte-Carlo passes behind ``pose_mean`` and ``pose_spread``.

    Raises:
        QueristError: the model cannot take such images, or its output is of another shape or kind.
    """

    def __init__(self, model: nn.Module, image: Tensor, shapes: Shapes, reading: Reading, passes: int) -> None:
        self._shapes, self._passes = shapes, passes
        self._reading: Reading = reading
        output, seen = _tried(model, image)
        self.gives_maps = _gives_maps(output, shapes)
        self.level_widths = () if seen is None else (*(int(t.shape[1]) for t in (*seen.levels, seen.appearance)),)
        """Channels of the maps behind the field ``levels``, and the length of the appearance, which stands last."""

    def fields(self, model: nn.Module) -> dict[str, Field]:
        """The fields of a model."""
        flat = (self._shapes.joints * self._shapes.coordinates,)
        found = [Field(POSE, flat)]
        if isinstance(model, PoseNetwork):
            found += [Field(APPEARANCE, (model.appearance_width,)), Field(LEVELS, (sum(self.level_widths),))]
            if model.dropout > 0:
                found += [Field(MEAN, flat), Field(SPREAD, flat, 0.0)]
        if self.gives_maps:
            found.append(Field(PEAKS, (), 0.0, self._shapes.joints * float(np.log(_PEAKS))))
        return {f.name: f for f in found}

    def places(self, output: Tensor) -> Tensor:
        """An output as (B, J, D) places on -1..1."""
        final = last_stage(output).float()
        return read_places(final, self._reading) if self.gives_maps else final

    def describe(
        self,
        fields: Sequence[str],
        model: nn.Module,
        images: Tensor,
        generator: torch.Generator,
    ) -> dict[str, np.ndarray]:
        """Name -> (B, ...) float32 of some images; poses on -1..1. To be called in inference mode."""
        seen = model.look(images) if isinstance(model, PoseNetwork) else None
        output = model(images) if seen is None or not isinstance(model, PoseNetwork) else model.head(seen.last)
        tables: dict[str, Tensor] = {}
        if POSE in fields:
            tables[POSE] = self.places(output).flatten(1)
        if PEAKS in fields:
            maps = last_stage(output).float().cpu()
            apart = max(1, round(_APART * maps.shape[-1] / _USUAL))
            tables[PEAKS] = multi_peak_entropy(maps, _PEAKS, apart)
        if seen is not None and isinstance(model, PoseNetwork):
            tables |= {name: seen.appearance for name in (APPEARANCE, EMBEDDING) if name in fields}
            if LEVELS in fields:
                means = [level.float().mean(dim=(2, 3)) for level in seen.levels]
                tables[LEVELS] = torch.cat([*means, seen.appearance.float()], dim=1)
            if MEAN in fields or SPREAD in fields:
                outputs = model.sample(seen, self._passes, generator)
                tables |= _moments(self.places(one).flatten(1) for one in outputs)
        return {name: tables[name].float().cpu().numpy() for name in fields}


def _tried(model: nn.Module, image: Tensor) -> tuple[Tensor, Seen | None]:
    """What a model gives for an image, and what it sees in it, if it shows that."""
    name = type(model).__name__
    try:
        with torch.no_grad():  # not inference mode: what a model makes here and keeps shall be good for training too
            output = model.eval()(image)
            seen = model.look(image) if isinstance(model, PoseNetwork) else None
    except Exception as error:
        words = str(error).splitlines() or [type(error).__name__]
        raise QueristError(
            f"the model {name} cannot take images {tuple(image.shape)}: {words[0]}",
            "bring images to the size that it is made for (problem.size), and give it their number of channels; a "
            "PoseNetwork needs look() and head",
        ) from error
    check_tensor(name, output)
    if seen is not None and isinstance(model, PoseNetwork):
        _check_seen(name, seen, getattr(model, "appearance_width", None))
    return output, seen


def check_tensor(model: str, output: object) -> None:
    """Raise if a model gives something else than a tensor."""
    if not isinstance(output, Tensor):
        raise QueristError(
            f"the model {model} gives a {type(output).__name__}",
            "let forward return one tensor, of coordinates or heat maps; wrap a model that returns more",
        )


def _check_seen(model: str, seen: object, width: int | None) -> None:
    fix = "return Seen(last, levels, appearance) of querist.tasks.pose.network from look(), and set appearance_width"
    if not isinstance(seen, Seen) or not all(isinstance(t, Tensor) for t in (seen.last, *seen.levels, seen.appearance)):
        raise QueristError(f"{model}.look() gives no Seen of tensors", fix)
    if width is None or tuple(seen.appearance.shape) != (1, width):
        raise QueristError(
            f"{model}.look() gives {tuple(seen.appearance.shape)} as the appearance of one image, and appearance_width "
            f"is {width}",
            fix,
        )
    for level in seen.levels:
        if level.ndim != 4:
            raise QueristError(f"{model}.look() gives a level {tuple(level.shape)}", "levels are maps (B, c, h, w)")


def _moments(passes: Iterator[Tensor]) -> dict[str, Tensor]:
    """Mean and standard deviation over passes, in one sweep (Welford; ALGORITHMS 7, T10)."""
    mean = next(passes).double()
    squares = torch.zeros_like(mean)
    count = 1
    for count, places in enumerate(passes, start=2):
        step = places.double() - mean
        mean = mean + step / count
        squares = squares + step * (places.double() - mean)
    return {MEAN: mean, SPREAD: (squares / count).sqrt()}


def _gives_maps(output: Tensor, shapes: Shapes) -> bool:
    shape = tuple(output.shape)
    if output.ndim in (4, 5) and shape[-3] == shapes.joints and shapes.coordinates == 2:
        return True
    if shape[1:] == tuple(shapes):
        return False
    places = f"coordinates (B, {shapes.joints}, {shapes.coordinates})"
    raise QueristError(
        f"the model gives {shape} for one image",
        f"give {places}" + (f" or heat maps (B, {shapes.joints}, h, w)" if shapes.coordinates == 2 else ""),
    )
