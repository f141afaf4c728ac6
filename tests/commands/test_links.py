"""Addresses are printed where they can be found out soon."""

import pytest

from forecast.cli import links
from forecast.workflows.settings import TrackingConfig

from ..servers import between


def test_a_server_out_of_order_is_not_asked_for_minutes(capsys: pytest.CaptureFixture[str]):
    """MLflow itself asks eight times, and waits twice as long before each."""
    with between("", 0.0, 500) as (address, asked):
        links.show(TrackingConfig(uri=address), "0123")
    assert len(asked) == 1 and "runs/get" in asked[0]
    assert capsys.readouterr().out == ""
