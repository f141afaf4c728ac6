"""Estimators between processes: a Keras model travels as bytes and is made again on first use."""

import importlib
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from forecast.errors import InputError, cause
from forecast.training import runtime

if TYPE_CHECKING:
    import keras

OURS = ("keras", "forecast")
"""Packages whose layers Keras finds by itself."""

_UNPACKING = threading.Lock()


@dataclass(frozen=True)
class Packed:
    """A model as bytes.

    Attributes:
        archive: What Keras saves.
        layers: Keras's name, module and name in it of each class of layers that is neither Keras's
            nor ours. As names and not as classes: a worker that could not import one would die
            while it unpickles its task, and its pool would wait for ever.
        modules: Where other parts were defined; importing them registers them with Keras.
        threads: Of one operation, where this is the first use of TensorFlow.
    """

    archive: bytes
    layers: tuple[tuple[str, str, str], ...]
    modules: tuple[str, ...]
    threads: int

    @classmethod
    def of(cls, model: "keras.Model", threads: int) -> "Packed":
        """Pack a model."""
        import keras

        kinds = {type(layer) for layer in model._flatten_layers()}
        layers = [
            (keras.saving.get_registered_name(kind), kind.__module__, kind.__qualname__)
            for kind in kinds
            if kind.__module__.split(".")[0] not in OURS
        ]
        with TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            archive = file.read_bytes()
        modules = sorted(set(_modules(json.loads(model.to_json()))))
        return cls(archive, tuple(sorted(layers)), tuple(modules), threads)

    def model(self) -> "keras.Model":
        """Make the model."""
        runtime.start(self.threads)
        import keras

        from forecast import models

        models.register_layers()
        found = {name: _found(module, path) for name, module, path in self.layers}
        for module in self.modules:
            _found(module, "")
        known = {name: kind for name, kind in found.items() if isinstance(kind, type)}
        try:
            with TemporaryDirectory() as folder, keras.saving.custom_object_scope(known):
                file = Path(folder) / "model.keras"
                file.write_bytes(self.archive)
                return keras.saving.load_model(file, compile=False, safe_mode=True)
        except (TypeError, ValueError) as error:
            lost = re.search(r"Could not locate \w+ '([^']+)'", str(error))
            raise InputError(
                "model must be made of layers and functions that a process which unpickles the "
                f"forecaster can import, got {lost[1] if lost else cause(error)}: define each at "
                "the top of a module, not inside a function, and decorate it with "
                "keras.saving.register_keras_serializable()"
            ) from error


class Portable:
    """An estimator whose `model_` survives pickling; it is made again when it is first used."""

    _model: Any

    @property
    def model_(self) -> "keras.Model":
        """Return the trained Keras model, on standardised values."""
        found = vars(self).get("_model")
        if found is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'model_'")
        if isinstance(found, Packed):
            with _UNPACKING:
                if isinstance(self._model, Packed):
                    self._model = self._model.model()
            return self._model
        return found

    @model_.setter
    def model_(self, model: "keras.Model") -> None:
        self._model = model

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the model as bytes."""
        state: Any = super().__getstate__()
        state = dict(state)
        found = state.get("_model")
        if found is not None and not isinstance(found, Packed):
            state["_model"] = Packed.of(found, state.get("threads_", 1))
        return state


def _found(module: str, path: str) -> Any:
    """Look a name up in a module, importing it if need be; None if absent."""
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
    except ImportError:  # what it defines may be registered all the same
        return None
    for part in path.split(".") if path else ():
        found = getattr(found, part, None)
    return found


def _modules(node: Any) -> Iterator[str]:
    """Yield the modules named in a model's config, but for those of Keras."""
    if isinstance(node, Mapping):
        name = node.get("module")
        if isinstance(name, str) and name.split(".")[0] not in (*OURS, "builtins"):
            yield name
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _modules(part)
