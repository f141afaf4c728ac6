"""A fitted forecaster travels between processes and forecasts the same bits there."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from joblib import Parallel, delayed
from keras import layers as kl
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from forecast.errors import InputError
from forecast.training import packed
from forecast.training.parameters import Model

from .problems import LSTM, bits, forecaster, table

DATA = table(rows=40)
DEFAULT = Model("linear")  # normalises with layers of ours
LOAD = """
import pickle, sys
fitted, data = pickle.load(open(sys.argv[1], "rb"))
for one in fitted:
    sys.stdout.buffer.write(one.predict(data).tobytes())
"""


class Doubled(kl.Layer):
    """A user's own layer, which Keras does not know."""

    def call(self, x):
        return 2 * x


def own(sizes):
    """A network with the user's layer."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(sizes.horizon * sizes.targets)(kl.Flatten()(Doubled()(window)))
    return keras.Model(window, kl.Reshape((sizes.horizon, sizes.targets))(x))


def hidden(sizes):
    """The same, defined where nobody can import it."""

    class Inside(Doubled):
        pass

    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(sizes.horizon * sizes.targets)(kl.Flatten()(Inside()(window)))
    return keras.Model(window, kl.Reshape((sizes.horizon, sizes.targets))(x))


def test_pickling_and_copying_keep_every_bit_and_what_was_fitted():
    fitted = forecaster(DEFAULT, tail=10).fit(DATA)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert other.history_ == fitted.history_ and other.best_epoch_ == fitted.best_epoch_
        again = pickle.loads(pickle.dumps(other))  # before its model was looked at
        for one in (other, again):
            np.testing.assert_array_equal(one.predict(DATA), fitted.predict(DATA))
            assert bits(one) == bits(fitted) and one.model_ is one.model_
            assert one.model_ is not fitted.model_


def test_an_unfitted_one_has_no_model_before_or_after():
    made = forecaster(DEFAULT)
    for one in (made, pickle.loads(pickle.dumps(made)), clone(forecaster().fit(DATA))):
        assert not hasattr(one, "model_")
        with pytest.raises(NotFittedError):
            check_is_fitted(one)
        with pytest.raises(NotFittedError):
            one.predict(DATA)


def test_unpickling_builds_no_model(monkeypatch):
    """So a worker never dies while it reads its task, whatever the model is made of."""
    written = pickle.dumps(forecaster(hidden, epochs=1).fit(DATA))
    monkeypatch.setattr(packed.Packed, "model", lambda _: pytest.fail("built"))
    assert pickle.loads(written).best_epoch_ == 1


def test_a_layer_of_ones_own_is_found_where_it_can_be_imported():
    fitted = forecaster(own, epochs=1).fit(DATA)
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.predict(DATA), fitted.predict(DATA))


def test_a_layer_that_nobody_can_import_is_one_sentence():
    other = pickle.loads(pickle.dumps(forecaster(hidden, epochs=1).fit(DATA)))
    with pytest.raises(
        InputError, match="model must be made of layers and functions .* got Inside: define"
    ):
        other.predict(DATA)


@pytest.mark.processes
def test_a_fresh_process_reads_them(tmp_path):
    fitted = [forecaster(model, epochs=1).fit(DATA) for model in (DEFAULT, LSTM, own)]
    (tmp_path / "f.pickle").write_bytes(pickle.dumps((fitted, DATA)))
    found = subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "f.pickle"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    assert found.stdout == b"".join(one.predict(DATA).tobytes() for one in fitted)


@pytest.mark.processes
def test_a_spawned_pool_answers_and_does_not_hang():
    fitted = forecaster(DEFAULT, epochs=1).fit(DATA)
    lost = forecaster(hidden, epochs=1).fit(DATA)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        [found] = pool.map_async(fitted.predict, [DATA]).get(timeout=300)
        np.testing.assert_array_equal(found, fitted.predict(DATA))
        lost.model = None  # a function inside a function cannot be pickled
        with pytest.raises(InputError, match="Inside"):
            pool.map_async(lost.predict, [DATA]).get(timeout=300)


@pytest.mark.processes
def test_joblib_workers_fit_and_send_back():
    alone = [forecaster(own, seed=seed).fit(DATA) for seed in (0, 1)]
    sent = Parallel(n_jobs=2)(delayed(forecaster(own, seed=seed).fit)(DATA) for seed in (0, 1))
    for one, other in zip(alone, sent, strict=True):
        assert bits(one) == bits(other)
        np.testing.assert_array_equal(one.predict(DATA), other.predict(DATA))
