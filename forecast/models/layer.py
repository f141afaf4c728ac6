"""What our Keras layers share."""

import inspect
from typing import Any

import keras


class Layer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor as an attribute of the same name.

    So Keras can save and load it safely: no Lambda, no pickled code.
    """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        taken = inspect.signature(type(self)).parameters
        own = {name: getattr(self, name) for name in taken if name != "kwargs"}
        return super().get_config() | own
