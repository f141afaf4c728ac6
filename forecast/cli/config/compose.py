"""Configuration: a typed schema, values from YAML, and plain objects for the rooms."""

import contextlib
import copy
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.cli.config import columns, misread, safety
from forecast.cli.config.columns import parted
from forecast.cli.config.keys import CONF
from forecast.cli.config.safety import UsersFiles
from forecast.data.fetch import conceal, without_secrets
from forecast.errors import InputError, nearest
from forecast.workflows.settings import Config

_KEY = re.compile(r"\w+\.[\w.]+=")
"""What sets one value; all else chooses a group, adds or deletes, which is left to Hydra."""

UNREADABLE = (
    HydraException,
    OmegaConfBaseException,
    ValueError,  # as Hydra raises for `model=null` and a number of 5,000 digits
    OSError,  # a key that is too long for the name of a file
    RecursionError,  # a list in a list in a list …
)
"""What Hydra raises for overrides that cannot be meant."""


class _UsersConf(SearchPathPlugin):
    """Look in a user's own `conf/` before ours."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put the working folder's `conf/` first."""
        own = Path.cwd() / "conf"
        if own.is_dir() and own.resolve() != CONF.resolve():
            search_path.prepend(provider="user", path=f"{UsersFiles.scheme()}://{own}")


def homes() -> tuple[Path, Path]:
    """Return the folders in which groups have their options: ours, and the user's own."""
    return CONF, Path.cwd() / "conf"


@cache
def register() -> None:
    """Tell Hydra our schema and where to look, once a process."""
    ConfigStore.instance().store(name="schema", node=form())
    columns.install()
    plugins = Plugins.instance()
    plugins.register(_UsersConf)
    plugins.register(UsersFiles)


def form() -> DictConfig:
    """Return the schema, open for values; what comes out of `Request.settings` is frozen again."""
    schema = OmegaConf.structured(Config)
    _open(schema)
    return schema


def _open(node: DictConfig) -> None:
    """Let YAML fill a schema of frozen dataclasses."""
    OmegaConf.set_readonly(node, None)
    for key in node:
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _open(node[key])


@dataclass(frozen=True)
class Request:
    """A composed configuration in the forms that commands need.

    Attributes:
        composed: Hydra's form.
        overrides: What it was composed from.
        began: Seconds since 1970 when it was composed, the first thing that a command does.
    """

    composed: DictConfig
    overrides: tuple[str, ...]
    began: float = field(default_factory=time.time, repr=False)
    _bases: dict[tuple[str, ...], "Request"] = field(default_factory=dict, repr=False)

    @cached_property
    def settings(self) -> Config:
        """Return frozen dataclasses of plain values; Hydra ends here."""
        try:
            found = OmegaConf.to_object(self.composed)
        except OmegaConfBaseException as error:
            with opened():
                raise misread.sentence(error, self.overrides) from error
        if not isinstance(found, Config):
            raise InputError("config must have the schema's form: keep `- schema` in its defaults")
        return found

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Return dotted key to value, as on the command line.

        A value that names an environment variable stays unresolved, so no secret is tracked.
        """
        raw = OmegaConf.to_container(self.composed, resolve=False)
        found = flatten(raw, OmegaConf.to_container(self.composed, resolve=True))
        return {key: _concealed(value) for key, value in found.items()}

    @property
    def yaml(self) -> str:
        """Return the configuration as it was written: interpolations unresolved, no secrets."""
        raw = OmegaConf.to_container(self.composed, resolve=False)
        return conceal(OmegaConf.to_yaml(OmegaConf.create(_concealed(raw))))

    def but(self, overrides: list[str]) -> "Request":
        """Return the configuration with more overrides behind these.

        Hydra takes a sixth of a second to compose, so it does so once for each choice of groups;
        keys are then set on a copy, as Hydra itself sets them.
        """
        groups = tuple(
            text
            for text in overrides
            if not _KEY.match(text) and not columns.below(parted(text).key)
        )
        if groups not in self._bases:
            self._bases[groups] = compose([*self.overrides, *groups])
        config = copy.deepcopy(self._bases[groups].composed)
        keys = in_hydras_grammar([text for text in overrides if text not in groups])
        try:
            for one in OverridesParser.create().parse_overrides(keys):
                OmegaConf.update(
                    config, one.key_or_group, one.value(), force_add=one.is_force_add()
                )
            check_config(config)
        except UNREADABLE:
            return compose([*self.overrides, *overrides])  # which says what is wrong
        return Request(config, (*self.overrides, *overrides))


def compose(overrides: list[str], *, whole: bool = True) -> Request:
    """Compose the configuration of a command; the help shows one in which a key is missing too."""
    register()
    safety.check_command(overrides)
    for override in overrides:
        misread.check_option(override, homes())
    with opened():
        try:
            config = hydra_compose("config", in_hydras_grammar(overrides))
            if whole:
                check_config(config)
        except InputError:
            raise
        except UNREADABLE as error:
            raise misread.sentence(error, overrides) from error
    return Request(config, tuple(overrides))


def choices(overrides: Sequence[str]) -> dict[str, str | None]:
    """Return the option that each group has."""
    register()
    with opened():
        whole = hydra_compose(
            "config", in_hydras_grammar(list(overrides)), return_hydra_config=True
        )
        return dict(whole.hydra.runtime.choices)


TEXTS = ("run", "other", "register", "registered", "data.separator", "data.decimal", "data.time")
"""Keys whose values are text, whatever they look like: a shell takes the quotes away."""


def in_hydras_grammar(overrides: list[str]) -> list[str]:
    """Write overrides as Hydra must read them.

    Run ids stay text, since 12e4567 is not a number. Hydra would merge a mapping into the default
    one instead of replacing it: a grid becomes a list of grids, and of other mappings the default
    is taken away before. Names that mappings hold, such as columns of a user's file, are keys that
    no schema knows, and Hydra takes those only behind `++`.

    >>> in_hydras_grammar(["run=12e4", "data.valid.load=[0,9]"])
    ["run='12e4'", '++data.valid.load=[0,9]']
    >>> in_hydras_grammar(["data.separator=;"])
    ["data.separator=';'"]
    >>> in_hydras_grammar(["runs=12e4,34"])
    ["runs=['12e4','34']"]
    >>> in_hydras_grammar(["evaluation.regressors={}"])
    ['evaluation.regressors=???', '++evaluation.regressors={}']
    """
    found = []
    for text in overrides:
        sign = text[: len(text) - len(text.lstrip("+~"))]
        key, _, value = parted(text)
        key = f"{sign}{key}"
        if key in TEXTS and value and not value.startswith(("'", '"', "[", "{")):
            text = f"{key}={columns.text(value)}"
        elif key == "runs":
            ids = [part.strip(" '") for part in value.strip("[]").split(",")]
            text = f"{key}=[{','.join(repr(part) for part in ids if part)}]"
        elif key == "sweep.grid" and value.startswith("{"):
            text = f"{key}=[{value}]"
        elif _below(key, misread.MAPPINGS):
            text = f"++{text}"
            if value.startswith("{"):
                # without ++ where it can be: Hydra's sweeper keeps one override of one spelling
                found.append(f"{'' if key in misread.MAPPINGS else '++'}{key}={MISSING}")
        found.append(text)
    return found


def _below(key: str, mappings: Sequence[str]) -> bool:
    """Tell whether a key is one of some mappings, or lies in one."""
    return key in mappings or key.startswith(tuple(f"{name}." for name in mappings))


def check_config(config: DictConfig) -> None:
    """Refuse what no schema can: code in a config, a key added by `+`, a missing value."""
    raw = OmegaConf.to_container(config)
    safety.refuse(raw, "")
    _refuse_unset(raw, "")
    _refuse_unknown(raw, Config, "")
    safety.refuse(OmegaConf.to_container(config, resolve=True), "")
    for group in fields(Config):
        node = config.get(group.name)
        for key in sorted(OmegaConf.missing_keys(node)) if isinstance(node, DictConfig) else ():
            raise InputError(f"{key} must be set, got nothing: add {key}=… to the command")


def _refuse_unset(node: Any, path: str) -> None:
    """Refuse variables of the environment that are not set."""
    if isinstance(node, dict):
        for key, value in node.items():
            _refuse_unset(value, f"{path}.{key}" if path else str(key))
    elif variable := re.fullmatch(r"\$\{oc\.env:(\w+)\}", str(node)):
        if variable[1] not in os.environ:
            raise InputError(f"{path} must be set, got nothing: add {path}=… or set {variable[1]}")


def _refuse_unknown(node: Any, kind: Any, path: str) -> None:
    """Refuse keys that a group's dataclass has not, which `+key=…` may have added."""
    known = {own.name: own.type for own in fields(kind)}
    for name, value in node.items() if isinstance(node, dict) else ():
        key = f"{path}{name}"
        if name not in known:
            raise InputError(
                f"{key} must be a key of the config, got {key}={value}: "
                f"{nearest(key, [f'{path}{own}' for own in known])}"
            )
        if is_dataclass(known[name]):
            _refuse_unknown(value, known[name], f"{key}.")


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """Open Hydra on our conf/, leaving an already open one as it was."""
    if GlobalHydra.instance().is_initialized():
        GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF), job_name="forecast"):
        yield


_REFERENCE = re.compile(r"\$\{(\w[\w.]*)\}")
"""A plain reference to another key; of all else nobody can tell where its value comes from."""


def _concealed(node: Any) -> Any:
    """Return a value, and all values in it, without the secrets of addresses."""
    if isinstance(node, dict):
        return {key: _concealed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_concealed(value) for value in node]
    if not isinstance(node, str):
        return node
    return without_secrets(node) if _ADDRESS.match(node) else conceal(node)


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def flatten(raw: Any, done: Any) -> dict[str, Any]:
    """Flatten a configuration.

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
    """Return whether a node holds something other than plain values."""
    text = str(node)
    return "${" in _REFERENCE.sub("", text) or any(
        _is_open(reduce(_nested, name.split("."), root), root) for name in _REFERENCE.findall(text)
    )


def _nested(node: Any, name: str) -> Any:
    """Return the content of a node; what is not found counts as open."""
    return node.get(name, "${") if isinstance(node, dict) else "${"
