"""Configurations that cannot be meant: each is refused before anything is written."""

import re

import pytest

from .door import SMALL
from .files import hours

GOOD = hours(240)

# A command, its overrides behind those of door.SMALL, and a regular expression of what is told:
# from its first word, or, where it begins with the key of the first override, from "must" on.
CASES = [
    # groups, keys and Hydra's grammar
    ("train", "model=lstn", r"must be one of its options, got 'lstn': did you mean \"lstm\""),
    ("train", "model=null", r"must be one of its options, got 'null': known"),
    ("train", "experiment=3", r"must be one of .*, got '3': known"),
    ("train", "mdoel=mlp", r"must be a key .*, got mdoel=mlp: did you mean \"model\""),
    ("train", "training.epoch=5", r"must be .*got .*=5: did you mean \"tr.*s\""),
    ("train", "model.unitz=[1]", r"must be a key .*: did you mean \"model\.units\""),
    ("train", "+data.foo=1", r"must be a key .*, got data\.foo=1: did you"),
    ("train", "++foo=1", r"must be a key of the config, got foo=1: known"),
    ("train", "+gates.alerts.foo=1", r"must be a key .*: did you"),
    ("train", "+model.foo=1", r"must be a setting of mlp, got foo=1: known"),
    ("train", "+model._target_=os.system", r"must not be in a config, got 'os"),
    ("train", "lstm", r"overrides must be key=value, got 'lstm': see"),
    ("train", "--epochs", "3", r"overrides must be key=value, got '--epochs': see"),
    ("train", "data.path=a (1).csv", r"must have a value .*read, got 'a \(1\)\.csv': put"),
    ("train", "training.epochs=❤", r"must have a value .*: put .* in quotes"),
    ("train", "data.name=${no}", r"must fit its type, got '\$\{no\}' \(.*\): name a key"),
    ("train", "data.path=${oc.env:NO_SUCH}", r"must be set, got nothing: .* set NO_SUCH"),
    ("train", f"training.epochs={'9' * 5000}", r"config must compose, got .*4300 digits.*: see"),
    ("train", f"{'x' * 3000}=1", r"x+… must be a key of the config"),
    ("train", "--cfg", "jog", r"must be followed by one of job, .*got 'jog': write"),
    ("train", "--cfg", "job", "foo=1", r"foo must be a key of the config"),
    ("trian", r"command must be one of the known ones, got 'trian': did you"),
    # types
    ("train", "training.epochs=many", r"must fit its type, got 'many' .*: write a whole"),
    ("train", "window.horizon=1.5", r"must fit its type, got '1\.5' .*: write a whole"),
    ("train", "window.horizon=null", r"must fit its type, got 'null' .*: write a value"),
    ("train", "data.targets=load", r"must fit its type, got 'load' .*: write a list"),
    ("train", "data.units=[a]", r"must fit its type, got '\[a\]' .*: write pairs"),
    ("train", "data.valid.temp=3", r"must fit its type, got '3' .*: write a list"),
    ("train", "training.stateful=maybe", r"must fit its type, got 'maybe' .*: write true"),
    ("train", "training.epochs=1,2", r"must fit its type, got '1,2' .*: .* -m"),
    # numbers out of range
    ("train", "window.timesteps=0", r"must be a whole number of 1 or more, got 0: try"),
    ("train", "window.timesteps=1000000000000", r"must be .* up to 1,000,000, got 1000000000000:"),
    ("train", "window.lead=-1", r"must be a whole number of 0 or more, got -1: try"),
    ("train", "training.epochs=0", r"must be a whole number from 1 .*, got 0: try"),
    ("train", "training.batch_size=1000000000", r"must be .* to 65,536, got 1000000000: try"),
    ("train", "training.seed=4294967296", r"must be .* to 4,294,967,295, got 4294967296: try"),
    ("train", "training.learning_rate=nan", r"must be a number above 0, got nan: try"),
    ("train", "training.decay=-1", r"must be a number above 0 and at most 1, got -1\.0:"),
    ("train", "training.clipnorm=0", r"must be a number above 0, got 0\.0: try"),
    ("train", "training.weight_decay=5e3", r"must be .* at most 1 of .*, got 5000\.0: try"),
    ("train", "training.step_weights=inverse", r"must be inverse_sqrt, .*, got 'inverse': did"),
    ("explain", "training.step_weights=[1,0]", r"must be .* numbers above 0, got \[1, 0\]: try"),
    ("train", "training.step_weights=[1,2]", r"must hold a weight for each of .*, got 2: write"),
    ("train", "training.patience=0", r"must be a whole number from 1 .*, got 0: try"),
    ("train", "model.dropout=1.5", r"must be a share from 0 to below 1, got 1\.5: try"),
    ("train", "model.hidden=[0]", r"must be a list of whole .*, got \[0\]: try"),
    (
        "explain",
        "model.hidden=[1000000000,1000000000]",
        r"model mlp must fit into memory, got .*: take fewer",
    ),
    ("train", "evaluation.interval=1", r"must be a share .*, got 1\.0: try"),
    ("train", "evaluation.season=0", r"must be .* below the 240 rows .*, got 0: try"),
    ("train", "evaluation.season=999", r"must be .* below the 240 rows .*, got 999: try"),
    ("train", "gates.memory=-1", r"must be a whole number of 0 or more, got -1: try"),
    ("train", "gates.alerts.dead=nan", r"must be a number of 0 or more, got nan: see"),
    ("train", "tracking.snapshots=0", r"must be a whole number of 1 .*, got 0: try"),
    ("train", "data.hold=-1", r"must be from 0 to 1,000,000 rows, got -1: write"),
    # names that nothing has
    ("train", "model.name=null", r"model must be an architecture, got None: known"),
    ("train", "model.activation=rulu", r"model mlp must have settings that fit, .*function.*: see"),
    ("train", "training.optimizer=Adan", r"must be a name of keras\.opt.*, got 'Adan': did you"),
    ("train", "training.loss=foo", r"must be a name of keras\.losses, got 'foo': known"),
    ("train", "training.loss=CTC", r"must compare forecasts .*, got CTC \(.*\): take another"),
    ("train", "training.metrics=[foo]", r"must be a name of keras\.metrics, got 'foo': known"),
    ("train", "training.metrics=[MeanIoU]", r"must be names .* without settings, got 'MeanIoU'"),
    ("train", "training.schedule=foo", r"must be one of CosineDecay, .*, got 'foo': known: C"),
    ("train", "training.scaling=foo", r"must be one of series, global, got 'foo': known: g"),
    ("train", "training.stateful=true", r"must be false .*, got true for mlp: take"),
    ("train", "training.quantiles=[0.5,0.1]", r"must be rising .*, got \[0\.5, 0\.1\]: try"),
    ("train", "evaluation.baselines=[foo]", r"must name baselines, got 'foo': known"),
    (
        "train",
        "+evaluation.regressors.Ridg={}",
        r"evaluation\.regressors must name .*, got 'Ridg': did you mean",
    ),
    (
        "train",
        "evaluation.regressors.ridge.alpha=-1",
        r"evaluation\.regressors\.ridge must be able .*, got .*-1.*: fix",
    ),
    ("train", "+evaluation.regressors.GammaRegressor={}", r"must be able to learn .*: fix"),
    ("train", "evaluation.calibration=foo", r"must be one of .*, got 'foo': known"),
    (
        "train",
        "data.format=xlsx",
        r"must be one of csv, parquet, feather, jsonl, got 'xlsx': known: c",
    ),
    ("train", "data.missing=foo", r"must be one of .*, got 'foo': known: d"),
    ("train", "data.frequency=hourly", r"must be a pandas alias, got 'hourly': try"),
    # windows, spans and dates that contradict the data or each other
    (
        "train",
        "window.horizon=500",
        r"window\.timesteps=8 and window\.horizon=500 must leave .*got windows: .*: take",
    ),
    ("train", "split.test=2.5", r"must leave rows .*, got 2\.5 of 240 .*: give"),
    ("train", "split.test=null", r"must leave rows .*, got None of 240 .*: give"),
    ("train", "split.test=2024-13-45", r"must be a readable date, got '2024-13-45': write"),
    ("train", "split.validation=0.99", r"must leave .*, got 0\.99 of .*: give"),
    ("train", "split.validation=2030-01-01", r"must leave .*, got '2030-01-01' of .*: give"),
    (
        "train",
        "data.since=yesterday",
        r"data\.since and data\.until must be readable .*, got 'yesterday'",
    ),
    (
        "train",
        "data.since=2024-01-09",
        "data.until=2024-01-02",
        r"data\.since=2024-01-09 and data\.until=2024-01-02 must leave .*: choose",
    ),
    ("train", "data.valid.temp=[5,1]", r"must be \[low, high\].*, got \[5, 1\]: try"),
    ("train", "data.valid.temp=[a,b]", r"must be \[low, high\].*, got \['a', 'b'\]: try"),
    ("train", "data.circular.temp=abc", r"must be a period above 0, got 'abc': try"),
    ("train", "data.targets=[]", r"must name at least one column, got none: set"),
    (
        "train",
        "data.time=load",
        r"data\.time, .* must name different columns, got 'load' twice: name",
    ),
    ("train", "data.calendar=[hour,hour]", r"must name different columns, got 'hour' twice: name"),
    ("train", "data.events.load=nan", r"must be a number .*, got nan: try"),
    ("train", "data.classes.load=[50,40]", r"must be two or more .*, got \[50, 40\]: try"),
    ("train", "data.known_future=[load]", r"must not hold a target, got 'load'.*: take"),
    # other commands
    ("backtest", "backtest.folds=0", r"must be a whole number of 1 .*, got 0: try"),
    ("backtest", "backtest.scheme=foo", r"must be one of .*, got 'foo': known"),
    ("backtest", "training.optimizer=Adan", r"must be a name .*, got 'Adan': did"),
    ("sweep", "sweep.grid=3", r"must hold keys with lists of values, got 3: try"),
    (
        "sweep",
        "sweep.grid={model.hidden:3}",
        r"sweep\.grid\.model\.hidden must be a list of values .*, got 3: write",
    ),
    (
        "sweep",
        "sweep.grid={training.optimizer:[foo]}",
        r"sweep\.grid point training\.optimizer=foo: training\.optimizer must",
    ),
    ("sweep", "sweep.strategy=foo", r"must be one of .*, got 'foo': known"),
    ("sweep", "sweep.folds=1", r"must be a whole number of 2 .*, got 1: try"),
    ("sweep", "sweep.seed=-1", r"must be .* to 4,294,967,295, got -1: try"),
    (
        "check",
        "window.timesteps=1000000000000",
        r"must be .* up to 1,000,000, got 1000000000000: try",
    ),
    ("check", "data.circular.temp=abc", r"must be a period above 0, got 'abc': try"),
    ("predict", r"run must be the id of a trained run, got nothing: write run=last"),
    ("inspect", r"run or file must say what to inspect, got run=None .*: give"),
    ("compare", "runs=[a]", r"must name 2 or more runs, got 1: give"),
]


@pytest.mark.parametrize(("command", "overrides", "told"), [(c, o, t) for c, *o, t in CASES])
def test_a_configuration_that_cannot_be_meant_is_refused(command, overrides, told, door):
    door.put("a.csv", GOOD)
    key = overrides[0].lstrip("+").partition("=")[0] if overrides else ""
    door.refuse(
        f"{re.escape(key)} {told}" if told.startswith("must ") else told,
        command,
        *(() if command in ("predict", "inspect", "compare") else SMALL),
        *overrides,
    )
