"""Who does the work of a command that falls into parts: this process, or workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from forecast.errors import InputError
from forecast.parallel.pool import HERE, Pool
from forecast.workflows.settings import Config


def check(settings: Config) -> None:
    """Refuse an address that is none, and a number of workers that is none."""
    if settings.scheduler is not None and "://" not in settings.scheduler:
        raise InputError(
            "scheduler must be the address of a running Dask scheduler, got "
            f"{settings.scheduler!r}: write one such as tcp://127.0.0.1:8786, or leave it out"
        )
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
