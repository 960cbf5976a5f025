"""Types of JSON objects whose keys are known at run time alone: features of a signature, classes of an output."""

from collections.abc import Mapping
from typing import Any

import msgspec


def build_struct(name: str, types: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """A struct of these keys and no others, whose attributes are `f0`, `f1`, … in their order.

    Returns:
        The type, or None where a key holds what msgspec escapes (quotes, backslashes, control characters) and refuses.
    """
    fields = [(f"f{index}", kind) for index, kind in enumerate(types.values())]
    keys = {f"f{index}": key for index, key in enumerate(types)}
    try:
        return msgspec.defstruct(name, fields, rename=keys, forbid_unknown_fields=True, gc=False)
    except ValueError:
        return None
