"""Who does the work of a command that falls into parts: this process, or workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from forecast.errors import InputError
from forecast.parallel.pool import HERE, Pool
from forecast.workflows.settings import Config


def check(settings: Config) -> None:
    """Refuse a number of workers that is none."""
    if settings.workers is not None and settings.workers < 1:
        raise InputError(
            f"workers must be a whole number of 1 or more, got {settings.workers}: leave it out, "
            "or write workers=2"
        )


@contextmanager
def pool(settings: Config) -> Iterator[Pool]:
    """Have this process do the work, or the workers of a cluster, or several started here."""
    check(settings)
    if settings.scheduler is None and settings.workers in (None, 1):
        yield HERE
        return
    from forecast.parallel import cluster

    with cluster.connected(settings.scheduler, settings.workers) as client:
        yield cluster.Cluster(client, settings.training.threads)
