"""What `forecast COMMAND --help` prints: the keys of the command, an example, its exit statuses."""

import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from forecast.cli.commands import COMMANDS
from forecast.cli.config import compose, errors, keys
from forecast.cli.config.keys import Key
from forecast.data.fetch import conceal
from forecast.errors import InputError, nearest, plain

WIDTH = 80
COLUMN = 30
"""Where meanings begin."""

VALUE = 34
"""Characters of a default that are shown."""

NARROW = 22
"""Where it begins what a group holds."""


class About(NamedTuple):
    """What the help of a command says beyond its keys.

    Attributes:
        more: Sentences that follow its line in `forecast --help`.
        example: What may be typed behind `forecast`.
        first: Keys of shared groups that matter most to it.
        pages: Pages of docs/ with the rest.
        statuses: What a status means here, where it is not what it means elsewhere.
    """

    more: str
    example: str
    first: Sequence[str] = ()
    pages: Sequence[str] = ()
    statuses: Mapping[str, str] = {}


STATUSES = {
    "0": "done",
    "1": "an error in forecast itself",
    "2": "an argument, a file or a setting must be corrected; the message says how",
    "130": "stopped by Ctrl-C",
    "141": "whoever read the output has closed it",
}
"""Exit status to what it means."""

_TRAINED = {"1": "the model is kept and a later step failed; or an error in forecast itself"}
_STORE = ("tracking.uri", "tracking.folder")
_QUESTION = (
    "data.path",
    "data.time",
    "data.targets",
    "window.timesteps",
    "window.horizon",
    "training.epochs",
    "split.test",
)

ABOUT = {
    "train": About(
        "The test span is opened once, after training. The run keeps model, scores, forecasts, "
        "gates and a report.",
        "train model=gru window.timesteps=96 training.epochs=5",
        (*_QUESTION, "training.quantiles", "training.seed", "tracking.run_name"),
        ("tutorial", "models", "evaluation", "runs"),
        _TRAINED,
    ),
    "backtest": About(
        "Every window of the test span is scored once, by a model of rows before its fold. No "
        "model is kept.",
        "backtest model=linear backtest.folds=3 backtest.scheme=rolling",
        _QUESTION,
        ("folds", "evaluation"),
    ),
    "sweep": About(
        "The folds lie before the test span; the best candidate is trained once more and scored "
        "on that. If it is stopped, the same command resumes it.",
        "sweep 'sweep.grid={model:[gru,mlp]}' sweep.folds=2",
        _QUESTION,
        ("folds", "cluster"),
        _TRAINED,
    ),
    "best": About(
        "Tries architectures, look-backs and transforms, and averages what forecasts the "
        "validation span best; the test span is opened once, at the end. If it is stopped, the "
        "same command resumes it.",
        "best budget=300 window.horizon=12",
        [name for name in _QUESTION if name != "training.epochs"],
        ("best",),
    ),
    "predict": About(
        "Writes a table and a picture beside it. Columns, window and model are those of the "
        "training, and so is the file unless another is given.",
        "predict run=a94c3b49ea694ea8a2cf4382bf308ff4 history=true",
        pages=("serving",),
    ),
    "runs": About(
        "Reads only the folder of runs and needs no server.",
        "runs tracking.folder=runs",
        _STORE[1:],
        ("runs",),
    ),
    "ui": About(
        "Serves them to this machine until Ctrl-C, and opens a browser; run=ID opens the report of "
        "a run. If the store is a server, only its address is printed.",
        "ui tracking.port=5001",
        ("tracking.uri", "tracking.port", "tracking.open", "run"),
        ("runs", "tracking_server"),
        {"0": "done; once pages are served, the status is that of MLflow's server"},
    ),
    "sync": About(
        "Closes the runs whose process is gone.",
        "sync tracking.uri=http://127.0.0.1:5000",
        _STORE,
        ("runs", "tracking_server"),
    ),
    "inspect": About(
        "Prints the numbers and writes one page with all pictures.",
        "inspect run=a94c3b49ea694ea8a2cf4382bf308ff4 output=gates.html",
        _STORE,
        ("gates",),
    ),
    "compare": About(
        "Without runs= it compares all of an experiment. Writes one page; if output= names a "
        "picture, that shows the ranks over series, and the page is written next to it.",
        "compare runs=[20261123-060539-fbcf37,20261123-071210-0a41c2]",
        ("tracking.experiment", *_STORE),
        ("evaluation", "runs"),
    ),
    "reproduce": About(
        "Refuses other data and other versions; the training gets a run of its own.",
        "reproduce run=a94c3b49ea694ea8a2cf4382bf308ff4",
        _STORE,
        ("registry",),
        {**_TRAINED, "0": "everything is equal", "3": "done, and something is not equal"},
    ),
    "promote": About(
        "Both are compared on the test windows that they share; the difference must be "
        "significant.",
        "promote registered=nyc_temp",
        _STORE,
        ("registry",),
        {
            "0": "the challenger is the champion now, or was already",
            "3": "done, and the champion stays",
        },
    ),
    "explain": About(
        "Trains nothing.",
        "explain model=causal_cnn window.timesteps=96",
        ("window.timesteps", "window.horizon", "data.features", "training.quantiles"),
        ("models", "lstm", "convolution"),
    ),
    "check": About(
        "Refuses what a training would refuse. Trains only with leak=true.",
        "check data=file data.path=load.csv data.time=ts data.targets=[load]",
        ("data.path", "data.time", "data.targets", "data.missing", "window.timesteps"),
        ("own_data", "leak_proof"),
    ),
}

_ENVIRONMENT = re.compile(r'\$\{oc\.env:(\w+)(?:,"?(.*?)"?)?\}')
"""A variable of the environment, and what counts where it is not set."""

_LISTED = re.compile(r"\w+(:| [|(])")
"""How a meaning begins that begins with a value."""


def answer(command: str, given: Sequence[str]) -> str:
    """Return the help that a line asks for: of a command, or behind it of one of its groups."""
    words = [word for word in given if not word.startswith("-")]
    groups = [word for word in words if "=" not in word]
    overrides = [word for word in words if "=" in word]
    if {"-m", "--multirun"} & {*given}:
        overrides = []  # which hold several values for a key
    if not groups:
        return text(command, overrides)
    return of_group(command, groups[0], overrides)


def text(command: str, overrides: Sequence[str] = ()) -> str:
    """Return the help of a command.

    Args:
        command: Its name.
        overrides: Behind which the defaults are those that are composed.
    """
    about, composed = ABOUT[command], _Composed(command, overrides)
    own, first, groups = _parts(command)
    parts = [
        f"usage: forecast {command} [key=value …]",
        textwrap.fill(f"{_begun(COMMANDS[command])}. {about.more}", WIDTH),
    ]
    if own:
        parts.append(_block("Keys of its own:", map(composed.line, own)))
    if first:
        parts.append(_block("Shared keys that matter first:", map(composed.line, first)))
    if groups:
        head = f"Groups of keys (forecast {command} --help GROUP lists one):"
        parts.append(_block(head, map(composed.group, groups)))
    parts.append(_block("Example:", [f"  forecast {about.example}"]))
    statuses = dict(sorted({**STATUSES, **about.statuses}.items(), key=lambda one: int(one[0])))
    parts.append(_block("Exit status:", (_filled(f"  {s}", t, 7) for s, t in statuses.items())))
    more = {
        f"forecast {command} --cfg job": "the configuration as it would run",
        f"forecast {command} --hydra-help": "Hydra's own flags",
        "forecast --help": "all commands, and -q, -v and -m",
    }
    lines = [f"  {left:<34}{right}" for left, right in more.items()]
    pages = ", ".join(f"docs/{page}.md" for page in about.pages)
    parts.append(_block("More:", [*lines, f"  {pages}"]))
    return "\n\n".join(parts)


def of_group(command: str, group: str, overrides: Sequence[str] = ()) -> str:
    """Return the help of a group of keys that a command reads."""
    known = [entry.removesuffix(".*") for entry in errors.READ[command] if _is_group(entry)]
    if group not in known:
        raise InputError(
            f"--help must be followed by a group that forecast {command} reads, got "
            f"{plain(group)!r}: {nearest(group, known)}"
        )
    composed = _Composed(command, overrides)
    parts = [_block(f"{group}: {keys.GROUPS[group]}", map(composed.written, composed.keys(group)))]
    names = sorted(keys.options(group))
    if len(names) > 1:
        parts.append(textwrap.fill(f"{group}=OPTION takes all at once: {', '.join(names)}", WIDTH))
    return "\n\n".join(parts)


def _parts(command: str) -> tuple[list[str], list[str], list[str]]:
    """Part what a command reads: keys of its own, shared keys to begin with, and groups."""
    own, first, groups = list[str](), list(ABOUT[command].first), list[str]()
    for entry in errors.READ[command]:
        group = entry.removesuffix(".*")
        if group == command and entry.endswith(".*"):
            own += [one.name for one in keys.of_group(group)]
        elif _is_group(entry):
            groups.append(group)
        elif "." in entry:
            first.append(entry)
        else:
            own.append(entry)
    return own, first, groups


def _is_group(entry: str) -> bool:
    """Tell whether an entry of `READ` is a group of keys, or one of options."""
    return entry.removesuffix(".*") in keys.GROUPS


class _Composed:
    """The keys of a configuration, with the defaults that it has."""

    def __init__(self, command: str, overrides: Sequence[str]):
        errors.refuse(command, overrides)
        request = compose.compose(list(overrides), whole=False)
        self.command = command
        self.config = request.composed
        self.choices = compose.choices(request.overrides)
        self.values: Any = OmegaConf.to_container(self.config, resolve=False)

    def keys(self, group: str) -> list[Key]:
        """Return the keys of a group that the command reads."""
        if group == "experiment":
            return []
        if group == "model":
            found = keys.of_model(self.values[group])
        else:
            found = keys.of_group(group, self.values[group])
        return [one for one in found if errors.among(one.name, errors.READ[self.command])]

    def line(self, name: str) -> str:
        """Write a key, its default and its meaning."""
        every = self.keys(name.split(".")[0]) if "." in name else keys.single()
        return self.written(next(one for one in every if one.name == name))

    def written(self, key: Key) -> str:
        """Write a key, its default and its meaning."""
        default = self._default(key)
        must = " It must be set." if default == "…" and key.default == "???" else ""
        meaning = key.meaning.rstrip(".").replace("None", "null")
        meaning = meaning if _LISTED.match(meaning) else _begun(meaning)
        return _filled(f"  {key.name}={default}", f"{meaning}.{must}", COLUMN)

    def group(self, group: str) -> str:
        """Write what a group holds, and which option of it is chosen."""
        chosen = "…" if self._of_run(group) else self.choices.get(group) or "null"
        option = f"={chosen}" if keys.options(group) else ""
        return _filled(f"  {group}{option}", keys.GROUPS[group], NARROW)

    def _of_run(self, group: str) -> bool:
        """Tell whether a group that is not given is that of the run."""
        return group == "data" and self.command in ("predict", "reproduce")

    def _default(self, key: Key) -> str:
        """Write a default as on the command line; an ellipsis is what only the user can say."""
        value, name = key.default, key.name
        if self._of_run(name.split(".")[0]):
            return "…"
        if value == "???" or (value is None and "." not in name):
            return "…"
        if isinstance(value, str) and "${" in value:
            if variable := _ENVIRONMENT.fullmatch(value):
                unset = variable[1] not in os.environ and variable[2] is not None
                value = variable[2] if unset else f"${variable[1]}"  # which may hold a secret
            else:
                value = OmegaConf.select(self.config, name, throw_on_resolution_failure=False)
        shown = "[…]" if name == "runs" else conceal(errors.written(value))
        return shown if len(shown) <= VALUE else f"{shown[: VALUE - 1]}…"


def _block(head: str, lines: Iterable[str]) -> str:
    return "\n".join([head, *lines])


def _begun(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]


def _filled(left: str, right: str, column: int) -> str:
    """Write two columns, the right one below itself, and below the left where that is too wide."""
    begin = f"{left}  ".ljust(column)
    head = ""
    if len(begin) > column:
        head, begin = f"{left}\n", " " * column
    return head + textwrap.fill(
        right,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * column,
        break_on_hyphens=False,
    )
