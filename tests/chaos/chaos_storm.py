"""A thousand stations connect at the same moment, lose their server at the same moment, and want it back."""

import pytest
from chaos.processes import process, server

STATIONS = 1000
PING = 15.0
"""Seconds between pings."""
FIRST, BACK = 60, 45
"""Seconds that all may take to connect, and to be back."""


@pytest.mark.parametrize(
    ("management", "fleet"), [("trio", "anyio-asyncio"), ("anyio-asyncio", "trio")], ids=lambda name: name
)
def test_all_are_back(management, fleet):
    """Every station is let in at its first attempt; the server is killed and another started in its place: every
    station is back and served.  None is lost, and none refused, though a quarter of them may stand at the door."""
    with (
        server(management, ping=PING) as first,
        process("stations", fleet, first.facts["port"], PING, STATIONS) as stations,
    ):
        took = stations.until(lambda facts: facts.get("calls", 0) >= STATIONS, FIRST)
        assert (stations.facts["open"], stations.facts["lost"], first.facts["refused"]) == (STATIONS, 0, 0)
        first.kill()
        stations.until(lambda facts: facts["open"] == 0, 10)
        with server(management, first.facts["port"], ping=PING) as second:
            back = stations.until(lambda facts: facts["open"] == STATIONS, BACK)
            served = back + stations.until(lambda facts: facts["calls"] + facts["lost"] >= 2 * STATIONS, 10)
            facts = stations.facts
            assert (facts["open"], facts["closed"], second.facts["refused"]) == (STATIONS, 0, 0)
    print(
        f"\n{STATIONS} stations on {fleet}, server on {management}: connected and served once in {took:.1f} s; "
        f"all open {back:.1f} s after the restart, all served {served:.1f} s after it"
    )
