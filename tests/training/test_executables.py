"""Programs that are no longer kept leave the memory, and freeing them changes no bit."""

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.python.util import tf_stack

from forecast.training import owned
from forecast.training.predict import Compiled

from .problems import LSTM, bits, forecaster, linear, table

DATA = table(rows=40)

MANY = """
import numpy as np
import psutil
from forecast import Forecaster, Model, Training, Window

rows = np.random.default_rng(0).normal(size=(400, 3))
for count in range(1, 41):
    model = Model("mlp", hidden=[3 + count])
    Forecaster(model, Window(12, 4), Training(epochs=1, batch_size=64)).fit(rows, rows[:, :1])
    if count in (16, 40):
        print(psutil.Process().memory_info().rss)
"""


def test_a_type_is_hashed_as_tensorflow_hashes_it():
    """A handle names the C++ type of what it points to beside its hash."""
    handle = tf.io.serialize_tensor(tf.Variable(1.0).handle).numpy()
    content = tensor_pb2.TensorProto.FromString(handle).tensor_content
    assert b"N10tensorflow3VarE" in content
    number, written = owned._hash(b"N10tensorflow3VarE"), bytearray()
    while number:  # a varint
        number, part = number >> 7, number & 127
        written.append(part | (128 if number else 0))
    assert bytes(written) in content


@pytest.mark.parametrize("model", [linear, LSTM], ids=["linear", "lstm"])
def test_fits_and_forecasts_are_the_same_after_the_store_was_dropped(model):
    one = forecaster(model, tail=10).fit(DATA)
    ahead, weights = one.predict(DATA).tobytes(), bits(one)
    owned._drop()
    assert one.predict(DATA).tobytes() == ahead
    assert bits(forecaster(model, tail=10).fit(DATA)) == weights


def test_the_store_that_is_dropped_is_the_one_that_tensorflow_fills():
    """A handle of another type or name points to nothing, and nothing would be freed."""
    forecaster(linear, epochs=1).fit(DATA)
    owned._drop(missing=False)
    with pytest.raises(tf.errors.NotFoundError):
        owned._drop(missing=False)  # it is gone


def test_a_store_is_dropped_between_calls_and_never_under_one(monkeypatch):
    order = []
    monkeypatch.setattr(owned, "_drop", lambda: order.append("dropped"))
    monkeypatch.setattr(owned, "_gone", 0)
    owned.gone(owned.GONE - 1)
    assert order == []
    with owned.running():
        waiting = threading.Thread(target=owned.gone, args=[1])
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


def test_operations_that_one_line_makes_share_a_stack(monkeypatch):
    """TensorFlow never forgets a stack, and most of a graph's memory was stacks."""
    taken, lines, take = [], [], tf_stack._tf_stack.extract_stack

    def counted(*arguments):
        taken.append(arguments)
        return take(*arguments)

    def function(x):
        for _ in range(30):
            x = tf.sin(x) + 1
        y = tf.cos(x)
        lines.extend([x.op.traceback, y.op.traceback])
        return y

    monkeypatch.setattr(tf_stack._tf_stack, "extract_stack", counted)
    Compiled(function, "sines")(tf.ones(3))
    # the argument and the result, the loop's line and the one below
    assert len(taken) <= 6
    first = function.__code__.co_firstlineno
    for stack, line in zip(lines, (first + 2, first + 3), strict=True):
        assert (__file__, line) in [(frame.filename, frame.lineno) for frame in stack]
    taken.clear()
    tf.function(function)(tf.ones(3))
    assert len(taken) > 60  # other functions have stacks of their own


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_40_networks_take_hardly_more_memory_than_16():
    """One after another in one process, as in a notebook; each network has a shape of its own."""
    here = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", MANY], cwd=here, capture_output=True, text=True, check=True
    )
    few, many = map(int, found.stdout.split())
    # measured +5 %, and +17 % where every operation had a stack of its own
    assert many < 1.08 * few
