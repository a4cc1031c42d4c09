"""How far a label would move a pose network, if it were like what is known of labelled neighbours (ALGORITHMS 2.6).

EGL++ (Shukla et al. 2022): the expected squared length of the loss's gradient. The loss is the squared error of heat
maps or of coordinates; of heat maps that are learned as distributions over places it is the cross-entropy, also where
training compares their mean place (``soft_argmax``). Of all of these the derivative by what the network gives is the
plain difference from the target, times a constant, so that one forward pass of an image serves all its neighbours.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from querist.core.capabilities import Scope
from querist.errors import QueristError
from querist.kernels.gradient_norms import outer_gradient_norms, unfolded
from querist.tasks.pose.heatmaps import spatial_softmax
from querist.tasks.pose.network import PoseNetwork
from querist.tasks.pose.objectives import Objective, counting, true_maps

Batches = Callable[[np.ndarray], Iterator[tuple[np.ndarray, Tensor]]]
"""Sources (n,) -> batches of them and their images (b, channels, S, S), ready for the network."""


class Targets(NamedTuple):
    """What the labels of m images would be.

    Args:
        values: (m, ...) heat maps or distributions, perhaps of several stages, or coordinates; float32.
        counts: (m, J) bool, which joints teach something.
    """

    values: Tensor
    counts: Tensor


class ExpectedGradients:
    """Gradient lengths of one network as it stands. It is put into eval mode and otherwise left alone.

    Args:
        network: the model; ``objective`` and ``sigma`` how it is trained.
        batches: gives its images.
    """

    def __init__(self, network: PoseNetwork, objective: Objective, sigma: float, batches: Batches) -> None:
        self._network, self._sigma, self._batches = network.eval(), sigma, batches
        self._objective: Objective = objective

    def predicted(self, sources: np.ndarray) -> Targets:
        """What the network itself says of some images; memory for all of them."""
        with torch.no_grad():
            found = [self._compared(self._network(images)).float().cpu() for _, images in self._batches(sources)]
        values = torch.cat(found)
        return Targets(values, torch.ones(len(values), values.shape[self._joints(values)], dtype=torch.bool))

    def true(self, places: Tensor, source: int) -> Targets:
        """What labellers said: places (m, J, D) on -1..1, NaN where unknown; any ``source`` tells the maps' size."""
        with torch.no_grad():
            _, image = next(self._batches(np.array([source])))
            output = self._network(image)
        known = places.nan_to_num(0.0)
        if output.ndim == 3:
            return Targets(known, counting(places, self._objective))
        counts = counting(places, "cross_entropy")  # beyond the edge there is no distribution over places
        maps = true_maps(known, (int(output.shape[-2]), int(output.shape[-1])), self._objective, self._sigma)
        return Targets(maps if output.ndim == 4 else maps[:, None].expand(-1, output.shape[1], -1, -1, -1), counts)

    def expected(
        self, sources: np.ndarray, targets: Targets, nearest: Tensor, weights: Tensor, scope: Scope
    ) -> np.ndarray:
        """``Σ_k weights[i, k] |∇ loss(network(x_i), targets[nearest[i, k]])|²``.

        Args:
            sources: (n,).
            targets: of m labelled images.
            nearest: (n, k) int64, rows of ``targets``; ``weights`` (n, k).
            scope: see :class:`~querist.core.capabilities.ExpectsGradients`.

        Returns:
            (n,) float32.

        Raises:
            QueristError: ``head``, and the network's head has parameters outside of linear layers and convolutions.
        """
        found = np.zeros(len(sources), dtype=np.float32)
        lengths = self._of_head if scope == "head" else self._of_all
        done = 0
        for batch, images in self._batches(sources):
            rows = slice(done, done + len(batch))
            each = lengths(images, targets, nearest[rows])
            found[rows] = (each.double() * weights[rows].double()).sum(dim=1).numpy()
            done += len(batch)
        return found

    def _of_head(self, images: Tensor, targets: Targets, nearest: Tensor) -> Tensor:
        """(b, k) by the parameters of the head, from the factors of its layers' gradients."""
        with torch.no_grad():
            last = self._network.look(images).last
        with torch.enable_grad(), _Recorder(self._network.head) as recorder:
            output = self._network.head(last.detach().requires_grad_())
        values = self._compared(output.detach())
        each = [recorder.lengths(output, self._slope(values, targets, rows)) for rows in nearest.T]
        return torch.stack(each, dim=1).cpu()

    def _of_all(self, images: Tensor, targets: Targets, nearest: Tensor) -> Tensor:
        """(b, k) by all parameters: a backward pass for each image and neighbour."""
        parameters = [p for p in self._network.parameters() if p.requires_grad]
        found = torch.zeros(nearest.shape)
        for i, rows in enumerate(nearest):
            with torch.enable_grad():
                output = self._network(images[i : i + 1])
            values = self._compared(output.detach())
            for k, row in enumerate(rows):
                slope = self._slope(values, targets, row[None])
                slopes = torch.autograd.grad(output, parameters, slope, retain_graph=True, allow_unused=True)
                found[i, k] = sum(s.square().sum() for s in slopes if s is not None)
        return found

    def _compared(self, output: Tensor) -> Tensor:
        """What the loss compares with a target."""
        learns_chances = self._objective in ("cross_entropy", "soft_argmax")
        return spatial_softmax(output) if learns_chances else output

    def _slope(self, values: Tensor, targets: Targets, rows: Tensor) -> Tensor:
        """The loss's derivative by the output, of the shape of ``values`` (b, ...), for a target (b,) of each."""
        wanted, counts = targets.values[rows].to(values), targets.counts[rows].to(values.device)
        joints = self._joints(values)
        shape = [len(counts), *(int(size) if dim == joints else 1 for dim, size in enumerate(values.shape[1:], 1))]
        share = (counts / counts.sum(dim=1, keepdim=True).clamp_min(1)).to(values)
        if self._objective not in ("cross_entropy", "soft_argmax"):
            share = share * (2 / values.shape[joints + 1 :].numel())
        return (values - wanted).mul_(share.view(shape))

    @staticmethod
    def _joints(values: Tensor) -> int:
        return 2 if values.ndim == 5 else 1


class _Recorder:
    """Remembers what goes in and out of the layers of a module, while it is entered.

    Args:
        module: all its parameters must belong to linear layers and ungrouped convolutions.

    Raises:
        QueristError: they do not.
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers = [layer for layer in module.modules() if _is_linear(layer)]
        covered = {id(p) for layer in self._layers for p in layer.parameters(recurse=False)}
        others = [name for name, p in module.named_parameters() if id(p) not in covered]
        if others:
            raise QueristError(
                f"the head's parameter {others[0]!r} belongs to no linear layer and no ungrouped convolution, whose "
                "gradients are outer products",
                "choose the scope 'all'",
            )
        self._calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def __enter__(self) -> "_Recorder":
        self._hooks = [layer.register_forward_hook(self._note) for layer in self._layers]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _note(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        self._calls.append((layer, inputs[0].detach(), output))
        return output.clone()  # what follows may change it in place

    def lengths(self, output: Tensor, slope: Tensor) -> Tensor:
        """(b,) squared lengths of the gradient of ``(output * slope).sum()`` by the layers' parameters."""
        outs = [out for _, _, out in self._calls]
        slopes = torch.autograd.grad(output, outs, slope, retain_graph=True, allow_unused=True)
        found = torch.zeros(len(output), device=output.device)
        for layer in self._layers:
            calls = [(a, δ) for (of, a, _), δ in zip(self._calls, slopes, strict=True) if of is layer and δ is not None]
            if calls:  # a layer that is used twice has one gradient: the sum over both
                inputs = torch.cat([_places(layer, a) for a, _ in calls], dim=2)
                slopes_in = torch.cat([_outputs(layer, δ) for _, δ in calls], dim=2)
                found += outer_gradient_norms(inputs, slopes_in, layer.bias is not None)
        return found


def _is_linear(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and layer.groups == 1 and not isinstance(layer.padding, str)
    )


def _places(layer: nn.Module, inputs: Tensor) -> Tensor:
    """(b, c, s) what a layer sees at each place."""
    if isinstance(layer, nn.Conv2d):
        padding = layer.padding
        assert not isinstance(padding, str), "_is_linear has refused it"
        return unfolded(inputs, layer.kernel_size, layer.stride, padding, layer.dilation)
    return inputs.flatten(1, -2).mT if inputs.ndim > 2 else inputs[:, :, None]


def _outputs(layer: nn.Module, slopes: Tensor) -> Tensor:
    """(b, o, s)."""
    if isinstance(layer, nn.Conv2d):
        return slopes.flatten(2)
    return slopes.flatten(1, -2).mT if slopes.ndim > 2 else slopes[:, :, None]
