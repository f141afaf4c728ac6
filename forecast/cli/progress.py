"""What moves while a command works: bars over epochs, folds and trials, stages with their time."""

import math
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from forecast.cli import level
from forecast.cli.console import INDENT, busy, console, live, say
from forecast.metrics.headline import HEADLINES
from forecast.search.race import Budget

WIDE = 72
"""Terminal width from which on a bar fits beside the text."""

STARTS = "about 20 s"
"""How long workers take to import TensorFlow."""


class FoldProgress(keras.callbacks.Callback):
    """One bar over the epochs of all folds; nothing where there is no terminal."""

    def __init__(self, fits: int, epochs: int):
        super().__init__()
        self.fits = fits
        self.epochs = epochs
        self._fit = 0
        self._bar = _bar("backtest")
        self._task = self._bar.add_task("compiling", total=fits * epochs)

    def __enter__(self) -> "FoldProgress":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Show the loss."""
        loss = (logs or {}).get("loss", float("nan"))
        text = f"fit {self._fit + 1}/{self.fits}  epoch {epoch + 1}/{self.epochs}  loss {loss:.4f}"
        done = self._fit * self.epochs + epoch + 1
        self._bar.update(self._task, description=text, completed=done)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Go to the next fit, whatever epochs this one has left."""
        del logs
        self._fit += 1
        self._bar.update(self._task, completed=self._fit * self.epochs)


class EpochProgress(keras.callbacks.Callback):
    """A bar over the epochs with losses; one line an epoch where there is no terminal."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs
        self._steps = 1
        self._bar: Progress | None = None
        self._task: Any = None
        self._epoch = 0
        self._begun = False

    def __enter__(self) -> "EpochProgress":
        """Wait for the training."""
        return self

    def __exit__(self, *exception: Any) -> None:
        """Take the bar away, also after Ctrl-C."""
        self._stop()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show the bar."""
        del logs
        self._steps = max(1, (self.params or {}).get("steps", 1))
        self.epochs = (self.params or {}).get("epochs", self.epochs)
        if live():
            self._bar = _bar("train")
            self._bar.start()
            self._task = self._bar.add_task("compiling", total=self.epochs * self._steps)
            self._begun = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move on within the epoch."""
        del logs
        if self._bar:
            done = self._epoch * self._steps + batch + 1
            if not self._begun:  # compiled, and no epoch has ended that has losses
                self._begun = True
                first = f"epoch {self._epoch + 1}/{self.epochs}"
                self._bar.update(self._task, description=first)
            self._bar.update(self._task, completed=done)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        del logs
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Show the losses."""
        logs = logs or {}
        parts = [f"epoch {epoch + 1}/{self.epochs}", f"loss {logs.get('loss', float('nan')):.4f}"]
        for headline in HEADLINES.values():
            if (key := f"val_{headline.key}") in logs:
                parts.append(f"validation {headline.name} {logs[key]:.3f}")
                break
        if self._bar:
            shown = "  ".join(parts if console.width >= WIDE else [parts[0], parts[-1]])
            self._bar.update(self._task, description=shown, completed=(epoch + 1) * self._steps)
        else:
            say("train", "  ".join([*parts, f"{logs.get('epoch_seconds', 0):.1f} s"]))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away."""
        del logs
        self._stop()

    def _stop(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None


class Terminal:
    """Progress of a workflow on the terminal."""

    say = staticmethod(say)
    busy = staticmethod(busy)
    epochs = staticmethod(EpochProgress)


TERMINAL = Terminal()


class TrialProgress:
    """A bar over the trials of a sweep; a line a trial where there is no terminal."""

    def __init__(self, total: int):
        self.total = total
        self._printed = 0
        self._starting = ""
        self._bar = _bar("sweep")
        self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> "TrialProgress":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    def start(self, workers: int | None) -> None:
        """Say that workers are started, which shows nothing else until the first has trained."""
        if workers is None:
            self._starting = "connecting to the cluster"
        else:
            self._starting = f"starting {workers} worker{'s' * (workers > 1)} ({STARTS})"
        self._bar.update(self._task, description=self._starting)
        if not live() and not level.quiet():
            say("sweep", self._starting)

    def update(self, *, done: int, running: int, failed: int, best: float, leader: str) -> None:
        """Show how far the sweep is, and who leads."""
        text = f"{done + failed}/{self.total} trials, {running} running"
        if self._starting and not done + failed:
            text = self._starting
        if failed:
            text += f", {failed} failed"
        if math.isfinite(best):
            text += f", best {best:.4g}"
            if not live() or console.width >= WIDE + len(leader):
                text += f" ({leader})"
        self._bar.update(self._task, completed=done + failed, description=text)
        if not live() and not level.quiet() and done + failed > self._printed:
            self._printed = done + failed
            say("sweep", text)


class RaceProgress:
    """A bar over the seconds of a budget, beside what was tried and what is best so far."""

    def __init__(self, budget: Budget):
        self._budget, self._printed = budget, 0
        self._bar = _bar("race")
        self._task = self._bar.add_task("starting", total=budget.seconds)

    def __enter__(self) -> "RaceProgress":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Say what begins, and when."""
        say("race", f"{self._budget.spent:.0f} s: {text}")

    def update(self, *, done: int, running: int, best: float, leader: str) -> None:
        """Show how far the race is, and who leads."""
        text = f"{done} tried, {running} running"
        if math.isfinite(best):
            text += f", best {best:.4f}"
            if not live() or console.width >= WIDE + len(leader):
                text += f" ({leader})"
        self._bar.update(self._task, completed=self._budget.spent, description=text)
        if not live() and not level.quiet() and done > self._printed:
            self._printed = done
            say("race", f"{self._budget.spent:.0f} s: {text}")


def _bar(stage: str) -> Progress:
    """Return a bar behind a stage's name, gone when it ends; none where there is no terminal."""
    return Progress(
        TextColumn(f"[bold]{stage:<{len(INDENT) - 1}}[/bold]"),
        TextColumn("{task.description}"),
        *([BarColumn(bar_width=20)] if console.width >= WIDE else []),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not live(),
    )
