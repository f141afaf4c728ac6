"""One file per command."""

COMMANDS = {
    "train": "train one model, score it beside baselines, track the run",
    "backtest": "retrain before each fold of the test span, and score every window",
    "sweep": "try a grid over time-ordered folds, resumable, with a leaderboard",
    "best": "the best forecast in budget=600 seconds: an ensemble, served as one model",
    "predict": "forecast the next horizon: run=ID, models:/NAME@ALIAS or a folder",
    "runs": "the runs of this machine: running, finished, killed, not yet sent",
    "ui": "start the MLflow UI of the runs and open it",
    "sync": "upload what could not be sent while the server was down",
    "inspect": "gates of one run or several: run=ID, runs=[A,B,…], file=model.keras",
    "compare": "compare runs, and test which is best: runs=[A,B,…], or all of them",
    "reproduce": "retrain a run and check that everything matches bit for bit: run=ID",
    "promote": "make the challenger champion if it is better: registered=NAME",
    "explain": "shapes, parameters and receptive field of a configured model",
    "check": "report on the quality of a data set; trains nothing",
}
"""Command to what it does."""
