"""Bugs to plant into the core, one at a time, and how long the state machine takes to find each."""

import time
from collections import OrderedDict
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ocpp_rpc_core import _dialling, _inbound, _lifecycle, _makeup, _outbound, connection

from .life import STEPS, Life

Outbound, Inbound = _outbound.Outbound, _inbound.Inbound


class _Stack(OrderedDict):
    def popitem(self, last=True):
        return super().popitem(last=True)


def last_in_first_out(init):
    """The queue gives the youngest call first."""

    def broken(self, context):
        init(self, context)
        self._queue = _Stack()

    return broken


def slot_leaked(lost):
    """A call that was in flight when the connection was lost keeps its place in the window."""

    def broken(self, reason, *, final, out):
        flying = dict(self._pending)
        lost(self, reason, final=final, out=out)
        self._pending.update(flying)

    return broken


def wrong_call(settle):
    """An answer settles the call made last, whichever it answers."""

    def broken(self, message_id):
        return settle(self, next(reversed(self._pending)) if message_id in self._pending else message_id)

    return broken


def handler_kept(lost):
    """Handlers go on when the connection is lost."""

    def broken(self, out):
        running = dict(self._running)
        lost(self, [])
        self._running.update(running)

    return broken


def cancelling_frees(cancel):
    """To cancel a call in flight makes room for the next."""

    def broken(self, token):
        cancel(self, token)
        if token in self._ids:
            self._settle(self._ids[token])

    return broken


def ids_kept(settle):
    """The table of tokens forgets nothing."""

    def broken(self, message_id):
        flight = settle(self, message_id)
        if flight is not None:
            self._ids[flight.call.token] = message_id
        return flight

    return broken


def answered_twice(answer):
    """A handler that has answered may answer again."""

    def broken(self, event, out):
        self._replied.clear()
        answer(self, event, out)
        self._replied.clear()

    return broken


def no_end(set_alarm):
    """Nobody watches whether the peer says goodbye."""

    def broken(self, alarm, delay, now):
        if alarm is not _lifecycle.Alarm.CLOSE:
            set_alarm(self, alarm, delay, now)

    return broken


def polling(deadline):
    """The deadline is a guess, and something happens before it."""
    return property(lambda self: None if (at := deadline.fget(self)) is None else at + 0.5)


def impatient(next_delay):
    """The next attempt comes a little early."""

    def broken(self):
        return None if (delay := next_delay(self)) is None else delay * 0.9

    return broken


BUGS = {
    "last in, first out": (Outbound, "__init__", last_in_first_out, "I3"),
    "slot leaked on disconnect": (Outbound, "lost", slot_leaked, "I"),
    "answer settles the wrong call": (Outbound, "_settle", wrong_call, "I2"),
    "handler kept after disconnect": (Inbound, "lost", handler_kept, "I"),
    "cancelling frees the slot": (Outbound, "cancel", cancelling_frees, "I11"),
    "tokens are never forgotten": (Outbound, "_settle", ids_kept, "I8"),
    "a second answer is sent": (Inbound, "answer", answered_twice, "I7"),
    "no limit on the goodbye": (_makeup.Makeup, "_set", no_end, "I9"),
    "the deadline is late": (connection.Connection, "deadline", polling, "I"),
    "attempts come early": (_dialling.Dialling, "next_delay", impatient, "I15"),
}
"""Name -> where it is, what breaks it, and what the invariant that finds it is called."""


@contextmanager
def planted(name):
    """The core with this bug."""
    owner, attribute, breaks, _ = BUGS[name]
    with patch.object(owner, attribute, breaks(owner.__dict__[attribute])):
        yield


def find(name, examples=500, **options):
    """Plant a bug and run the state machine: the failure (None if there is none), examples, steps and seconds."""
    Life.ran.clear()
    start, failure = time.perf_counter(), None
    chosen = settings(
        STEPS,
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
        print_blob=False,
        **options,
    )
    with planted(name):
        try:
            run_state_machine_as_test(Life, settings=chosen)
        except Exception as error:  # noqa: BLE001 - a broken core may raise anything
            failure = error
    return failure, Life.ran["begin"], Life.ran.total() - Life.ran["begin"], time.perf_counter() - start
