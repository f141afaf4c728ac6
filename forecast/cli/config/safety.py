"""Reject config keys that make Hydra import or call code, such as `_target_`."""

from collections.abc import Iterable, Iterator
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from yaml import YAMLError

from forecast.errors import InputError

CODE = frozenset(("_target_", "_partial_", "_args_", "_recursive_", "_convert_", "_call_"))
"""Keys by which Hydra calls what a config names, and those beside it."""

OF_FILES = ("help", "run", "sweep")
"""Groups of `hydra` that a user's file may set: texts, and where Hydra writes."""

OF_COMMANDS = (*OF_FILES, "job", "launcher", "mode", "output_subdir", "sweeper", "verbose")
"""Those that a command may set; logging, callbacks and search path import whatever they name."""


class UsersFiles(FileConfigSource):
    """Files of a user's own `conf/`, which may come with data from anywhere."""

    @staticmethod
    def scheme() -> str:
        """Return what Hydra knows such files by."""
        return "conf"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file that names no code."""
        name = f"conf/{config_path.removesuffix('.yaml')}.yaml"
        try:
            found = super().load_config(config_path)
        except YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{name} must be plain YAML, got {reason}: write it again") from error
        content = OmegaConf.to_container(found.config)
        parts = config_path.split("/")
        if parts[0] == "hydra" or ".." in parts or _leads_to_hydra(str(found.header["package"])):
            raise _of_hydra(name, config_path)
        if isinstance(content, dict):
            refuse(content, name)
            for group in _groups(content.get("hydra")):
                if group not in OF_FILES:
                    raise _of_hydra(name, f"hydra.{group}")
            for entry in _texts(content.get("defaults")):
                if _leads_to_hydra(entry.partition("@")[2]):
                    raise _of_hydra(name, entry)
        return found


def refuse(node: Any, path: str) -> None:
    """Refuse keys that name code, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            here = f"{path}.{key}" if path else str(key)
            if str(key) in CODE:
                raise InputError(
                    f"{here} must not be in a config, got {value!r}: models, losses and optimisers "
                    "are chosen by name"
                )
            refuse(value, here)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            refuse(value, f"{path}[{number}]")


def check_command(overrides: Iterable[str]) -> None:
    """Refuse overrides by which Hydra would run code before anything of ours is asked."""
    for text in overrides:
        key, given, _ = text.lstrip("+~").partition("=")
        if not given:
            continue
        group, _, rest = key.replace("/", ".").partition(".")
        bare = group == "hydra" and "/" not in key and rest.partition(".")[0] not in OF_COMMANDS
        for_hydra = group == "hydra" and any(word in text for word in CODE)
        if bare or for_hydra or _leads_to_hydra(key.partition("@")[2]):
            raise InputError(
                f"overrides must leave Hydra's own machinery alone, got {text!r}: of hydra set "
                f"{', '.join(OF_COMMANDS)} alone, without _target_"
            )


def _leads_to_hydra(package: str) -> bool:
    """Tell whether a package is one of Hydra's, or hides what it is."""
    return "hydra" in package.split(".") or ":hydra" in package or "$" in package


def _groups(node: Any) -> Iterator[str]:
    """Yield the keys of a dict; one that hides what it holds has none that may be set."""
    if isinstance(node, dict):
        yield from map(str, node)
    elif node is not None:
        yield str(node)


def _texts(node: Any) -> Iterator[str]:
    """Yield every key and value below a node as text."""
    if isinstance(node, dict):
        yield from map(str, node)
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _texts(value)
    else:
        yield str(node)


def _of_hydra(file: str, what: str) -> InputError:
    return InputError(
        f"{file} must leave Hydra's own machinery alone, got {what}: a file of conf/ may set "
        f"{', '.join(f'hydra.{group}' for group in OF_FILES)} and nothing else of it"
    )
