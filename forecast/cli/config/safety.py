"""Reject config keys that make Hydra import or call code, such as `_target_`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, ListConfig, OmegaConf
from yaml import YAMLError

from forecast.cli.config import columns
from forecast.cli.config.keys import CONF
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

    def is_config(self, config_path: str) -> bool:
        """Tell whether there is such a file; a `config.yaml` of another program is none."""
        path = Path(self.path, f"{config_path.removesuffix('.yaml')}.yaml")
        return super().is_config(config_path) and (path.name != "config.yaml" or is_ours(path))

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a file that names no code."""
        name = f"conf/{config_path.removesuffix('.yaml')}.yaml"
        own = (CONF / name.removeprefix("conf/")).is_file()
        (HIDING if own else []).append(name)
        path = Path(self.path, name.removeprefix("conf/"))
        try:
            found = super().load_config(config_path)
            texts = yaml.BaseLoader(path.read_text("utf-8")).get_single_data()
        except YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{name} must be plain YAML, got {reason}: write it again") from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} must be text in UTF-8, got byte {error.object[error.start]:#x} in line "
                f"{error.object[: error.start].count(bytes([10])) + 1}: save it as UTF-8"
            ) from error
        _keep_names(found.config, texts, config_path)
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


def is_ours(path: Path) -> bool:
    """Tell whether a `config.yaml` is one of forecast, whose defaults name our schema."""
    content = path.read_bytes()
    try:
        defaults = yaml.safe_load(content)["defaults"]
        return "schema" in defaults
    except (YAMLError, ValueError, TypeError, KeyError, RecursionError):
        return re.search(rb"(?m)^\s*-\s*schema\s*$", content) is not None


def _keep_names(found: Any, texts: Any, config_path: str) -> None:
    """Let columns have the names that are written, which YAML may take for numbers.

    Args:
        found: What the file holds, changed in place.
        texts: The same with every value as it is written.
        config_path: Says whether the file is one of `conf/data/`.
    """
    if not config_path.startswith("data/") or (isinstance(texts, dict) and "data" in texts):
        found, texts = (
            one.get("data") if isinstance(one, (dict, DictConfig)) else None
            for one in (found, texts)
        )
    for key in (*columns.LISTS, *columns.BY_COLUMN):
        name = key.removeprefix("data.")
        if not isinstance(found, DictConfig) or not isinstance(texts, dict) or name not in texts:
            continue
        value, written = found._get_node(name), texts[name]
        if isinstance(value, ListConfig) and isinstance(written, list):
            found[name] = [str(text) for text in written]
        elif isinstance(value, DictConfig) and isinstance(written, dict):
            plain = OmegaConf.to_container(value)
            if isinstance(plain, dict) and len(plain) == len(written):
                found[name] = dict(zip(written, plain.values(), strict=True))


def blamed(error: InputError, typed: Sequence[str]) -> InputError:
    """Name the file of the working folder's `conf/` that hides one of ours, where it is at fault.

    Args:
        error: Whose sentence begins with a key, or with the file.
        typed: Keys of the command, for whose values no file is to be blamed.
    """
    text = str(error)
    group = re.split(r"\W", text)[0]
    if text.partition(" ")[0] in typed:
        return error
    name = next(
        (name for name in HIDING if text.startswith(name) or name.startswith(f"conf/{group}/")),
        None,
    )
    return (
        error
        if name is None
        else InputError(
            f"{text}; {name} of this folder hides forecast's own: rename it, or go to another "
            "folder"
        )
    )


HIDING: list[str] = []
"""Files of a user's `conf/` that were read in place of ours since it was cleared."""


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
