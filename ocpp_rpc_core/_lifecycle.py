"""The life of a connection, as tables: its phases, what moves it on, and which event is heard when."""

from enum import Enum, auto
from types import MappingProxyType
from typing import get_args

from . import events as e


class State(Enum):
    """What the application sees of a connection (features C24)."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Phase(Enum):
    """Where a connection is in its life."""

    IDLE = auto()
    """Nothing has happened yet."""
    DIALLING = auto()
    """A byte stream has been asked for."""
    UPGRADING = auto()
    """HTTP, until the 101."""
    DECIDING = auto()
    """The application is making up its mind about a client."""
    OPEN = auto()
    """Calls flow."""
    DRAINING = auto()
    """Finishing what is in flight, then closing."""
    CLOSING = auto()
    """We said goodbye; waiting for the peer's."""
    PARTING = auto()
    """Everything is said; waiting for the byte stream to end."""
    WAITING = auto()
    """The connection was lost; it will be dialled again."""
    CLOSED = auto()
    """For good."""


class Trigger(Enum):
    """What moves a connection from one phase to the next."""

    DIAL = auto()
    CONNECTED = auto()
    ASKED = auto()
    DECIDED = auto()
    UPGRADED = auto()
    DRAIN = auto()
    CLOSE = auto()
    PART = auto()
    LOST = auto()
    END = auto()


class Alarm(Enum):
    """What a connection waits for, apart from pongs, answers, and a peer that keeps pace."""

    HANDSHAKE = auto()
    """The opening handshake, dialling included, takes too long."""
    CLOSE = auto()
    """The peer does not say goodbye, or does not read the last bytes."""
    RETRY = auto()
    """It is time to dial again."""


MOVES: MappingProxyType[tuple[Phase, Trigger], Phase] = MappingProxyType(
    {
        (Phase.IDLE, Trigger.DIAL): Phase.DIALLING,
        (Phase.IDLE, Trigger.CONNECTED): Phase.UPGRADING,
        (Phase.DIALLING, Trigger.CONNECTED): Phase.UPGRADING,
        (Phase.DIALLING, Trigger.LOST): Phase.WAITING,
        (Phase.UPGRADING, Trigger.ASKED): Phase.DECIDING,
        (Phase.UPGRADING, Trigger.UPGRADED): Phase.OPEN,
        (Phase.UPGRADING, Trigger.PART): Phase.PARTING,
        (Phase.UPGRADING, Trigger.LOST): Phase.WAITING,
        (Phase.DECIDING, Trigger.DECIDED): Phase.UPGRADING,
        (Phase.DECIDING, Trigger.PART): Phase.PARTING,
        (Phase.OPEN, Trigger.DRAIN): Phase.DRAINING,
        (Phase.OPEN, Trigger.CLOSE): Phase.CLOSING,
        (Phase.OPEN, Trigger.PART): Phase.PARTING,
        (Phase.OPEN, Trigger.LOST): Phase.WAITING,
        (Phase.DRAINING, Trigger.CLOSE): Phase.CLOSING,
        (Phase.DRAINING, Trigger.PART): Phase.PARTING,
        (Phase.CLOSING, Trigger.PART): Phase.PARTING,
        (Phase.PARTING, Trigger.LOST): Phase.WAITING,
        (Phase.WAITING, Trigger.DIAL): Phase.DIALLING,
        **{(phase, Trigger.END): Phase.CLOSED for phase in Phase if phase is not Phase.CLOSED},
    }
)
"""The transition table; `docs/reference/lifecycle.md` is generated from it."""

STATES: MappingProxyType[Phase, State] = MappingProxyType(
    {
        Phase.IDLE: State.CLOSED,
        Phase.DIALLING: State.CONNECTING,
        Phase.UPGRADING: State.CONNECTING,
        Phase.DECIDING: State.CONNECTING,
        Phase.OPEN: State.OPEN,
        Phase.DRAINING: State.CLOSING,
        Phase.CLOSING: State.CLOSING,
        Phase.PARTING: State.CLOSING,
        Phase.WAITING: State.CONNECTING,
        Phase.CLOSED: State.CLOSED,
    }
)

TAKES_CALLS: frozenset[State] = frozenset({State.CONNECTING, State.OPEN})
"""When a call is sent or queued; otherwise it is refused (features C30)."""
TALKING = (Phase.OPEN, Phase.DRAINING)  # no set: an Enum is hashed in Python
"""When messages of the peer are heard."""

_ALWAYS: frozenset[type] = frozenset(
    {
        e.Tick,
        e.Reconfigured,
        e.ConnectRequested,
        e.ConnectCancelled,
        e.CloseRequested,
        e.AbortRequested,
        e.CallRequested,
        e.CallCancelled,
        e.SendRequested,
        e.RawSendRequested,
    }
)
_STREAM: frozenset[type] = frozenset({e.BytesReceived, e.BytesUnwritten, e.TransportClosed})
_ANSWERS: frozenset[type] = frozenset(get_args(e.HandlerAnswer)) | {e.HandlerReplied, e.HandlersReady}
_VERDICTS: frozenset[type] = frozenset({e.UpgradeAccepted, e.UpgradeRejected, e.UpgradeCrashed})

HEARD: MappingProxyType[Phase, frozenset[type]] = MappingProxyType(
    {
        Phase.IDLE: _ALWAYS | {e.TransportOpened},
        Phase.DIALLING: _ALWAYS | {e.TransportOpened, e.TransportFailed},
        Phase.UPGRADING: _ALWAYS | _STREAM,
        Phase.DECIDING: _ALWAYS | _STREAM | _VERDICTS,
        Phase.OPEN: _ALWAYS | _STREAM | _ANSWERS,
        Phase.DRAINING: _ALWAYS | _STREAM | _ANSWERS,
        Phase.CLOSING: _ALWAYS | _STREAM,
        Phase.PARTING: _ALWAYS | {e.TransportClosed},
        Phase.WAITING: _ALWAYS,
        Phase.CLOSED: _ALWAYS,
    }
)
"""The events each phase acts on."""

_ANOTHER_STREAM: frozenset[type] = frozenset({e.TransportOpened, e.TransportFailed})
MISTAKES: MappingProxyType[Phase, frozenset[type]] = MappingProxyType(
    {
        Phase.IDLE: _STREAM | _ANSWERS | _VERDICTS | {e.TransportFailed},
        Phase.DIALLING: frozenset(),
        Phase.UPGRADING: _ANOTHER_STREAM,
        Phase.DECIDING: _ANOTHER_STREAM,
        Phase.OPEN: _ANOTHER_STREAM,
        Phase.DRAINING: _ANOTHER_STREAM,
        Phase.CLOSING: _ANOTHER_STREAM,
        Phase.PARTING: _ANOTHER_STREAM,
        Phase.WAITING: _ANOTHER_STREAM,
        Phase.CLOSED: frozenset(),
    }
)
"""What no honest adapter can say in a phase.  Whatever else is not heard comes too late, and is ignored."""
