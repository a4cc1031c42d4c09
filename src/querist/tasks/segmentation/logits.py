"""What a segmentation model gives, looked at before anything is made of it: a user's may give something else."""

from torch import Tensor, nn

from querist.errors import QueristError


def logits_of(model: nn.Module, images: Tensor, classes: int) -> Tensor:
    """A model's logits (B, C, H, W) of images (B, 3, H, W).

    Raises:
        QueristError: it gives something else; see :func:`check_logits`.
    """
    return check_logits(model, model(images), images, classes)


def check_logits(model: nn.Module, found: object, images: Tensor, classes: int) -> Tensor:
    """The logits that a model gave for images.

    Args:
        model: for words; ``found`` what it gave.
        images: (B, 3, H, W).
        classes: C.

    Raises:
        QueristError: not a tensor (B, C, H, W) of floats; says what it is, and how to wrap the model.
    """
    expected = (len(images), classes, *images.shape[2:])
    what = f"{type(model).__name__} gives"
    asked = f"a segmentation model gives logits {expected}: images, classes, height, width"
    if not isinstance(found, Tensor):
        inside = f"; its ['{next(iter(found))}'] may be what is meant" if isinstance(found, dict) and found else ""
        raise QueristError(f"{what} a {type(found).__name__} and no tensor", f"{asked}{inside}")
    if tuple(found.shape) != expected or not found.is_floating_point():
        fix = asked
        if found.ndim == 4 and found.shape[1] == classes:
            fix += "; enlarge the map, such as by torch.nn.functional.interpolate"
        elif found.ndim == 4:
            fix += "; the classes are those of the data"
        raise QueristError(f"{what} {found.dtype} {tuple(found.shape)}", fix)
    return found


def check_finite(model: nn.Module, logits: Tensor) -> Tensor:
    """The logits, if they are numbers.

    Raises:
        QueristError: some are not.
    """
    if not bool(logits.isfinite().all()):
        raise QueristError(
            f"{type(model).__name__} gives logits that are not finite", "use weights from before its loss diverged"
        )
    return logits
