"""Settings that a strategy's name changes, such as ``limit=10000`` in ``core_set/global+limit=10000``."""

from typing import Any

import yaml

from querist.errors import QueristError


def changes(name: str, text: str) -> dict[str, Any]:
    """``team=top,gamma=0.9`` as settings.

    Args:
        name: the whole name, for words; ``text`` what follows its ``+``.

    Raises:
        QueristError: it does not have this form, or changes a setting twice.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not key.isidentifier() or not equals or not value or key in found:
            raise QueristError(
                f"{name!r}: {part!r} changes no setting",
                "write key=value, as in matal/sound+team=top or core_set/global+limit=10000",
            )
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise QueristError(
                f"{name!r}: {value!r} is no value", "write a number, a word, true, false or null"
            ) from error
    return found
