"""Feature maps of four strides from any torchvision classification network."""

import contextlib
import difflib
import io

import torch
import torchvision
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from querist.errors import QueristError
from querist.nn.weights import load_backbone_weights

STRIDES = (4, 8, 16, 32)
_PROBE = (64, 96)
"""Height and width of the dry run: a multiple of every stride, and not square so that sizes cannot be mistaken."""

_OTHER = "choose a network with maps of strides 4, 8, 16 and 32, such as resnet50 or shufflenet_v2_x0_5"

_PREFERRED = {
    # Without conv5: 1024 channels that only the classifier needs.
    "shufflenet_v2": ("maxpool", "stage2", "stage3", "stage4"),
}


class Backbone(nn.Module):
    """A torchvision classification network cut into maps of stride 4, 8, 16 and 32.

    Layers behind the last map are left out. Without ``layers``, a dry run finds the last place of each stride
    through which the whole computation passes: the output of a stage in residual networks, never one of two
    parallel branches; the widened first step of the next stage in those built of inverted residuals.

    Args:
        name: a torchvision model, such as ``resnet50`` or ``shufflenet_v2_x0_5``.
        weights: see :func:`querist.nn.weights.load_backbone_weights`; None starts from random weights.
        layers: four node names of ``torchvision.models.feature_extraction``, from fine to coarse.

    Attributes:
        channels: channels of the four maps, from fine to coarse.
        layers: the node names used.

    Raises:
        QueristError: an unknown name, no maps of these strides, or weights that do not fit.
    """

    def __init__(self, name: str, weights: str | None = None, layers: tuple[str, ...] | None = None) -> None:
        super().__init__()
        whole = _build(name).eval()
        preferred = next((nodes for family, nodes in _PREFERRED.items() if name.startswith(family)), None)
        self.layers = layers or preferred or _last_of_each_stride(whole, name)
        self.body = _extract(whole, self.layers, name)
        self.channels = _check_strides(self.body, self.layers, name)
        used = self.body.state_dict()
        load_backbone_weights(whole, weights, optional=[key for key in whole.state_dict() if key not in used])
        self.body.train()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Computes the maps.

        Args:
            x: (B, 3, H, W) floating point, normalised as the weights expect.

        Returns:
            Four maps (B, channels[i], H / s, W / s) for s = 4, 8, 16, 32; the network rounds sizes up or down.
        """
        maps = self.body(x)
        return tuple(maps[layer] for layer in self.layers)


def _build(name: str) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        raise QueristError(
            f"torchvision has no classification model {name!r}",
            f"did you mean {', '.join(near)}?" if near else f"choose one of {', '.join(known)}",
        )
    # These two warn unless told how to start; truncated normals would take a minute.
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **extra)


def _extract(whole: nn.Module, nodes: tuple[str, ...], name: str) -> fx.GraphModule:
    try:
        return create_feature_extractor(whole, list(nodes), suppress_diff_warning=True)
    except ValueError as error:
        raise QueristError(
            f"{name} has no layers {nodes}: {error}",
            "name nodes that torchvision.models.feature_extraction.get_graph_node_names lists",
        ) from error


def _probe(body: nn.Module) -> dict[str, Tensor]:
    # A traced module that fails prints its own traceback before it raises.
    with torch.no_grad(), contextlib.redirect_stderr(io.StringIO()):
        return body.eval()(torch.zeros(1, 3, *_PROBE))


def _stride(value: object) -> int | None:
    """The stride of a (1, C, h, w) map of the dry run, None for anything else."""
    if isinstance(value, Tensor) and value.ndim == 4:
        for stride in STRIDES:
            if tuple(value.shape[2:]) == (_PROBE[0] // stride, _PROBE[1] // stride):
                return stride
    return None


def _check_strides(body: nn.Module, nodes: tuple[str, ...], name: str) -> tuple[int, ...]:
    maps = [_probe(body)[node] for node in nodes]
    strides = tuple(_stride(value) for value in maps)
    if strides != STRIDES:
        raise QueristError(
            f"layers {nodes} of {name} have strides {strides}, not {STRIDES}",
            "name four layers of these strides, from fine to coarse",
        )
    return tuple(value.shape[1] for value in maps)


def _last_of_each_stride(whole: nn.Module, name: str) -> tuple[str, ...]:
    try:
        names = get_graph_node_names(whole, suppress_diff_warning=True)[1]
        everything = _extract(whole, tuple(names), name)
        maps = _probe(everything)
    except (RuntimeError, ValueError, TypeError, AssertionError, TraceError) as error:
        raise QueristError(f"{name} cannot serve as a backbone: {error}", _OTHER) from error
    found: dict[int, str] = {}
    for node in _bottlenecks(everything.graph):
        stride = _stride(maps.get(node))
        if stride is not None:
            found[stride] = node
    if set(found) != set(STRIDES):
        raise QueristError(f"{name} has maps of strides {sorted(found)}, not {list(STRIDES)}", _OTHER)
    return tuple(found[stride] for stride in STRIDES)


def _bottlenecks(graph: fx.Graph) -> list[str]:
    """Names of the nodes that hold, when computed, everything that later nodes need, in order."""
    nodes = list(graph.nodes)
    output = nodes[-1]
    name_of = {node: name for name, node in output.args[0].items()}
    place = {node: i for i, node in enumerate(nodes)}
    last_use = {n: max((place[user] for user in n.users if user is not output), default=-1) for n in nodes}
    found = []
    pending = -1  # the last place that needs a node before the current one
    for node in nodes[:-1]:
        if pending <= place[node] and node in name_of:
            found.append(name_of[node])
        pending = max(pending, last_use[node])
    return found
