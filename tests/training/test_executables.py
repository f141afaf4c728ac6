"""Programs that are no longer kept leave the memory, and freeing them changes no bit."""

import gc
import threading

import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from forecast.training import executables

from .problems import LSTM, bits, forecaster, linear, table

DATA = table(rows=40)


def test_a_type_is_hashed_as_tensorflow_hashes_it():
    """A handle names the C++ type of what it points to beside its hash."""
    handle = tf.io.serialize_tensor(tf.Variable(1.0).handle).numpy()
    content = tensor_pb2.TensorProto.FromString(handle).tensor_content
    assert b"N10tensorflow3VarE" in content
    number, written = executables._hash(b"N10tensorflow3VarE"), bytearray()
    while number:  # a varint
        number, part = number >> 7, number & 127
        written.append(part | (128 if number else 0))
    assert bytes(written) in content


@pytest.mark.parametrize("model", [linear, LSTM], ids=["linear", "lstm"])
def test_fits_and_forecasts_are_the_same_after_the_store_was_dropped(model):
    one = forecaster(model, tail=10).fit(DATA)
    ahead, weights = one.predict(DATA).tobytes(), bits(one)
    executables._drop()
    assert one.predict(DATA).tobytes() == ahead
    assert bits(forecaster(model, tail=10).fit(DATA)) == weights


def test_the_store_that_is_dropped_is_the_one_that_tensorflow_fills():
    """A handle of another type or name points to nothing, and nothing would be freed."""
    forecaster(linear, epochs=1).fit(DATA)
    executables._drop(missing=False)
    with pytest.raises(tf.errors.NotFoundError):
        executables._drop(missing=False)  # it is gone


def test_a_store_is_dropped_between_calls_and_never_under_one(monkeypatch):
    order = []
    monkeypatch.setattr(executables, "_drop", lambda: order.append("dropped"))
    monkeypatch.setattr(executables, "_gone", 0)
    executables.gone(executables.GONE - 1)
    assert order == []
    with executables.running():
        waiting = threading.Thread(target=executables.gone, args=[1])
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive() and order == []
        order.append("called")
    waiting.join(10)
    assert order == ["called", "dropped"]


def test_a_graph_goes_with_its_program():
    """TensorFlow's registry of gradients held the graphs of all optimisers."""
    from tensorflow.python.framework.func_graph import FuncGraph

    from forecast.training import compiled, predict

    def graphs():
        gc.collect()
        return sum(isinstance(one, FuncGraph) for one in gc.get_objects())

    kept = dict(compiled._programs), dict(predict._predictors)
    before = graphs()
    compiled._programs.clear()
    predict._predictors.clear()
    forecaster(linear, epochs=1).fit(DATA)
    compiled._programs.clear()
    predict._predictors.clear()
    assert graphs() <= before
    compiled._programs.update(kept[0])
    predict._predictors.update(kept[1])
