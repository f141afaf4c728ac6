"""A nested configuration as dotted keys, values of the environment left as they are written."""

import re
from functools import reduce
from typing import Any

_REFERENCE = re.compile(r"\$\{(\w[\w.]*)\}")
"""A plain reference to another key; of all else nobody can tell where its value comes from."""


def flatten(raw: Any, done: Any) -> dict[str, Any]:
    """Flatten a configuration.

    Args:
        raw: As it is written.
        done: With everything resolved.

    Returns:
        Dotted key to value; one that an environment variable may stand behind, straight or by way
        of other keys, is as it is written.

    >>> flatten({"a": {"b": "${c}", "d": "${e}"}, "c": 1, "e": "${oc.env:KEY}"},
    ...         {"a": {"b": 1, "d": "secret"}, "c": 1, "e": "secret"})
    {'a.b': 1, 'a.d': '${e}', 'c': 1, 'e': '${oc.env:KEY}'}
    """
    found: dict[str, Any] = {}

    def walk(raw_node: Any, node: Any, key: str) -> None:
        if isinstance(node, dict) and isinstance(raw_node, dict) and node:
            for name in node:
                walk(raw_node[name], node[name], f"{key}.{name}" if key else str(name))
        elif key:
            found[key] = raw_node if _is_open(raw_node, raw) else node

    walk(raw, done, "")
    return found


def _is_open(node: Any, root: Any) -> bool:
    """Tell whether something other than plain values stands behind a node."""
    text = str(node)
    return "${" in _REFERENCE.sub("", text) or any(
        _is_open(reduce(_below, name.split("."), root), root) for name in _REFERENCE.findall(text)
    )


def _below(node: Any, name: str) -> Any:
    """Return what stands below a node; what is not found counts as open."""
    return node.get(name, "${") if isinstance(node, dict) else "${"
