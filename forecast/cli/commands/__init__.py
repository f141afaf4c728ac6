"""One file per command."""

COMMANDS = {
    "train": "train one model, score it beside baselines, track the run",
    "backtest": "walk through the test span with a new model every fold",
    "sweep": "try a grid over time-ordered folds, resumable, with a leaderboard",
    "predict": "the next horizon from a run: run=ID, models:/NAME@ALIAS or a folder",
    "runs": "the runs of this machine: running, finished, killed, not yet sent",
    "ui": "MLflow's pages of the runs, with the addresses of all views",
    "sync": "send what a run could not, while its server was away",
    "inspect": "gate report of a run, or of two: run=ID [other=ID], file=model.keras",
    "compare": "which run is best, and how surely; what differs: [runs=[A,B,…]]",
    "reproduce": "train a run again, and compare all that it holds to the bit: run=ID",
    "promote": "make the challenger champion if it is better: registered=NAME",
    "explain": "shapes, parameters and receptive field of a configured model",
    "check": "data-quality report of a data set",
}
"""Command to what it does."""
