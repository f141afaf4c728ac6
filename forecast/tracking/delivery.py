"""Records become requests to MLflow; what is sent twice is there once."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from forecast.tracking.run import Record

METRICS, TEXTS = 900, 100
"""Numbers, and parameters or tags, of one request; a server takes 1,000 things and 100 of these."""

MARK = 500
"""Characters of a data set's tag; a server refuses a run with more."""

Batch = tuple[list[list[Any]], dict[str, str], dict[str, str]]
"""Points with their time, parameters and tags of one request."""


def deliver(
    client: Any,
    run_id: str,
    records: Sequence[Record],
    done: Callable[[int], object] | None = None,
) -> None:
    """Send records: numbers and texts together in few requests, then the rest one by one.

    MLflow keeps one of two equal points, a parameter or tag once for each key, a file once for each
    path and a data set once for each digest, so a request whose answer was lost may be repeated.

    Args:
        client: Of MLflow.
        run_id: Whose records they are.
        records: In the order of writing.
        done: Told how many of them have arrived for good, each time that there are more.
    """
    from mlflow.entities import Metric, Param, RunTag

    for points, params, tags in _batches(records):
        client.log_batch(
            run_id,
            [Metric(key, value, time, step) for key, step, value, time in points],
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )
    for count, record in enumerate(records, start=1):
        if record["do"] not in ("metrics", "params", "tags"):
            _send(client, run_id, record)
            if done:
                done(count)
    if done:
        done(len(records))


def _batches(records: Sequence[Record]) -> Iterator[Batch]:
    """Gather what fits into one request; of two tags of one key the later stays."""
    points: list[list[Any]] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for record in records:
        if record["do"] == "metrics":
            points += [[*point, record["time"]] for point in record["points"]]
        elif record["do"] == "params":
            params |= record["values"]
        elif record["do"] == "tags":
            tags |= record["values"]
    names, marks = list(params.items()), list(tags.items())
    while points or names or marks:
        yield points[:METRICS], dict(names[:TEXTS]), dict(marks[:TEXTS])
        points, names, marks = points[METRICS:], names[TEXTS:], marks[TEXTS:]


def _send(client: Any, run_id: str, record: Record) -> None:
    """Send a record that is a request of its own."""
    if record["do"] == "files":
        client.log_artifacts(run_id, record["from"], record["to"] or None)
    elif record["do"] == "data":
        client.log_inputs(run_id, [_data_set(record)])
    elif record["do"] == "begin":
        client.update_run(run_id, status="RUNNING")
    elif record["do"] == "end":
        client.set_terminated(run_id, record["status"], end_time=record["time"])


def _data_set(record: Record) -> Any:
    """Return which data a run saw as MLflow's entity."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    facts = record["facts"]
    dataset = Dataset(
        record["name"], record["digest"], "local", record["source"], profile=json.dumps(facts)
    )
    marks = [InputTag(f"forecast.{key}", value[:MARK]) for key, value in facts.items()]
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training"), *marks])
