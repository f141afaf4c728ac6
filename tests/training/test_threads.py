"""Fits and predictions in threads give the bits that they give one after the other (design §6)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import keras
import numpy as np
import pytest
from keras import layers as kl
from sklearn.model_selection import GridSearchCV

from forecast.data.schema import Schema
from forecast.data.split import Folds
from forecast.serving import bundle
from forecast.training import owned, predict
from forecast.training.fit import build_network, sizes
from forecast.training.parameters import Model

from .problems import WINDOW, bits, forecaster, linear, table

DATA, OTHER = table(rows=40), table(rows=40, seed=9)
KINDS = {
    "linear": {"model": Model("linear")},
    "lstm": {"model": Model("lstm", units=[4], dropout=0.0, recurrent_dropout=0.0)},
    "dropout": {"model": Model("lstm", units=[4])},
    "stateful": {
        "model": Model("lstm", units=[4], dropout=0.0, recurrent_dropout=0.0),
        "stateful": True,
    },
    "own": {"model": linear},
}


def at_once(tasks, threads=4):
    """Results of tasks in threads, all of which begin together."""
    gate = threading.Barrier(threads)
    with ThreadPoolExecutor(threads, initializer=gate.wait) as pool:
        return list(pool.map(lambda task: task(), tasks))


def fit(kind, seed):
    return bits(forecaster(**KINDS[kind], seed=seed, epochs=3, tail=10).fit(DATA))


def different(tasks, serial):
    """How many results of tasks in threads are not the serial ones."""
    return sum(found != alone for found, alone in zip(at_once(tasks), serial, strict=True))


def test_a_fit_and_a_prediction_of_one_shape_never_have_one_model():
    """The window in which another thread loaded its weights, held open."""
    model = build_network(linear, sizes(DATA, WINDOW))
    own = predict.take(model, "prediction")
    seen = []
    waiting = threading.Thread(target=lambda: seen.append(predict.take(model, "prediction")))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive() and not seen  # a prediction waits for a prediction
    own.owner.give_back()
    waiting.join(10)
    assert seen == [own] and own.owner.use == "prediction"
    own.owner.give_back()
    trained = predict.take(model, "fit")
    assert trained is own  # what is free is used again
    beside = predict.take(model, "prediction")
    assert beside is not trained  # and a fit, which takes long, is not waited for
    trained.owner.give_back()
    beside.owner.give_back()


def test_a_waiting_fit_comes_before_later_predictions():
    model = build_network(linear, sizes(DATA, WINDOW))
    own = predict.take(model, "prediction")
    order = []

    def use(kind):
        taken = predict.take(model, kind)
        order.append((kind, taken is own))
        taken.owner.give_back()

    threads = [threading.Thread(target=use, args=[kind]) for kind in ("fit", "prediction")]
    for thread in threads:
        thread.start()
        thread.join(0.3)
    own.owner.give_back()
    for thread in threads:
        thread.join(10)
    assert order[0] == ("fit", True) and len(order) == 2


def test_what_somebody_uses_is_never_dropped():
    kept = owned.OrderedDict()

    class Thing:
        def __init__(self):
            self.owner = owned.Owner()

    busy = [owned.take(kept, f"busy {n}", "fit", Thing) for n in range(owned.KEEP + 3)]
    idle = owned.take(kept, "idle", "prediction", Thing)
    idle.owner.give_back()
    for thing in busy[:-1]:
        assert thing in kept.values()
        thing.owner.give_back()
    last = owned.take(kept, "last", "fit", Thing)
    assert len(kept) == owned.KEEP and last in kept.values() and busy[-1] in kept.values()


def test_a_refused_program_gives_its_predictor_back():
    """A network that cannot be trained statefully is refused after its model was taken."""
    for _ in range(3):
        with pytest.raises(ValueError, match="stateful"):
            forecaster(linear, stateful=True).fit(DATA)
    assert all(one.owner.use is None for one in predict._predictors.values())


@pytest.mark.slow
def test_fits_of_one_shape_in_threads():
    serial = [fit("own", seed) for seed in range(8)]
    tasks = [lambda seed=seed: fit("own", seed) for seed in range(8)]
    assert different(tasks, serial) == 0


@pytest.mark.slow
def test_many_fits_and_predictions_of_all_kinds_in_four_threads(pytestconfig):
    """Two hundred fits and ten times as many predictions, or what `--seeds` leaves of them."""
    fitted = [forecaster(**kind, epochs=1, seed=5).fit(OTHER) for kind in KINDS.values()]
    ahead = [one.predict(DATA).tobytes() for one in fitted]
    expected = {(kind, seed): fit(kind, seed) for kind in KINDS for seed in range(2)}
    wanted, tasks = [], []
    for number in range(20 * pytestconfig.getoption("--seeds")):
        kind, seed = list(KINDS)[number % 5], number % 2
        wanted.append(expected[kind, seed])
        tasks.append(lambda kind=kind, seed=seed: fit(kind, seed))
        for n in range(10):
            one = fitted[n % 5]
            wanted.append(ahead[n % 5])
            tasks.append(lambda one=one: one.predict(DATA).tobytes())
    assert different(tasks, wanted) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "lstm"])
def test_a_fit_beside_a_service(tmp_path, kind, pytestconfig):
    """Two threads answer requests from a bundle and one predicts while forty models are trained."""
    trained = 4 * pytestconfig.getoption("--seeds")
    model = KINDS[kind]["model"]
    served = forecaster(model, epochs=1, seed=3).fit(OTHER)
    schema = Schema(time="time", targets=("x0",), series=("series",), features=("x0", "x1"))
    bundle.save(tmp_path, served, schema, {})
    frame = rows(OTHER)
    answer = bundle.load(tmp_path).predict(frame).forecast.to_numpy().tobytes()
    expected, alone = served.predict(DATA).tobytes(), fit(kind, 0)
    done, wrong, count = threading.Event(), [], []

    def serve(ask, right):
        while not done.is_set():
            found = ask()
            count.append(1)
            if found != right:
                wrong.append(1)

    loaded = bundle.load(tmp_path)
    asks = [(lambda: loaded.predict(frame).forecast.to_numpy().tobytes(), answer)] * 2
    asks.append((lambda: served.predict(DATA).tobytes(), expected))
    threads = [threading.Thread(target=serve, args=pair) for pair in asks]
    for thread in threads:
        thread.start()
    try:
        fits = sum(fit(kind, 0) != alone for _ in range(trained))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert (fits, len(wrong)) == (0, 0) and len(count) > trained


def rows(data):
    """A table as raw rows."""
    import pandas as pd

    columns = dict(zip(data.features, data.inputs.T, strict=True))
    return pd.DataFrame({"series": np.array(data.names)[data.series], "time": data.time, **columns})


@pytest.mark.slow
def test_a_grid_in_threads_scores_as_one_after_the_other():
    grid = {"model__units": [[3], [4]], "training__learning_rate": [1e-2, 1e-3, 1e-4]}
    data = table(rows=80).frames()
    scores = []
    for jobs in (1, 4):
        search = GridSearchCV(
            forecaster(Model("lstm", dropout=0.0), epochs=2, tail=8),
            grid,
            cv=Folds(2, test_size=12),
            n_jobs=jobs,
            error_score="raise",
        )
        with joblib.parallel_config(backend="threading"):
            search.fit(*data)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)


def test_a_model_function_may_fit_another_model():
    """It runs while the seeds are drawn, which only one thread at a time does."""

    def pretrained(asked):
        other = forecaster(linear, epochs=1).fit(OTHER)
        made = linear(asked)
        made.set_weights(other.model_.get_weights())
        return made

    one, other = at_once([lambda: bits(forecaster(pretrained, epochs=1).fit(DATA))] * 2, 2)
    assert one == other


def test_initial_weights_do_not_depend_on_other_threads():
    """Keras's layers draw their seeds from one generator of the process."""

    def deep(asked):
        window = keras.Input((asked.timesteps, asked.features))
        x = kl.Flatten()(window)
        for _ in range(6):
            x = kl.Dense(5)(x)
        return keras.Model(window, kl.Reshape((asked.horizon, 1))(kl.Dense(asked.horizon)(x)))

    tasks = [
        lambda seed=seed: bits(forecaster(deep, epochs=1, seed=seed).fit(DATA))
        for seed in (0, 1, 0, 1)
    ]
    serial = [task() for task in tasks]
    assert at_once(tasks) == serial and serial[0] != serial[1]
