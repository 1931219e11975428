"""Connections without a network, under a virtual clock.

* `Pair` joins a client and a server `Connection` by a link that delays, splits, loses, gets stuck and breaks.
* `FakeCSMS` and `FakeStation` play one end for whatever you test: they speak bytes, and answer by a table.
* `Script` tells one `Connection` or `Session` a dialogue and holds it to every action.
* `Recorder` writes down the messages of a connection, and `replay` holds a `Session` to them.

All are deterministic: the same test always takes the same course.  `ocpp_rpc_anyio.testing` and
`ocpp_rpc_trio.testing` put clients and servers of the adapters on the other end of a fake.
"""

from ._end import PENDING, End
from ._fakes import FakeCSMS, FakeStation
from ._line import Line
from ._link import Conditions
from ._pair import Pair
from ._replay import Record, Recorder, replay
from ._script import Script
from ._world import counting_entropy

__all__ = [
    "PENDING",
    "Conditions",
    "End",
    "FakeCSMS",
    "FakeStation",
    "Line",
    "Pair",
    "Record",
    "Recorder",
    "Script",
    "counting_entropy",
    "replay",
]
