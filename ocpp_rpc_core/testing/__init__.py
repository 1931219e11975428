"""Connections without a network: two of them joined in memory under a virtual clock, or one with a script.

* `Pair` joins a client and a server `Connection` by a link that delays, splits, loses, gets stuck and breaks.
* `Script` tells one `Connection` or `Session` a dialogue and holds it to every action.

Both are deterministic: the same test always takes the same course.
"""

from ._end import PENDING, End
from ._link import Conditions
from ._pair import Pair, counting_entropy
from ._script import Script

__all__ = ["PENDING", "Conditions", "End", "Pair", "Script", "counting_entropy"]
