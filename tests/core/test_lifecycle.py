"""The tables of a connection's life agree with each other."""

from typing import get_args

import pytest

from ocpp_rpc_core import events as e
from ocpp_rpc_core._lifecycle import (
    HEARD,
    MISTAKES,
    MOVES,
    STATES,
    TAKES_CALLS,
    TALKING,
    Phase,
    State,
    Trigger,
)

EVENTS = set(get_args(e.Event))
STREAMING = {phase for phase in Phase if e.TransportClosed in HEARD[phase]}


@pytest.mark.parametrize("table", [HEARD, MISTAKES, STATES])
def test_every_phase_has_its_row(table):
    """No phase is missing from a table, and none is unknown."""
    assert set(table) == set(Phase)


@pytest.mark.parametrize("table", [MOVES, HEARD, MISTAKES, STATES])
def test_read_only(table):
    """Nobody changes a table."""
    with pytest.raises(TypeError):
        table[next(iter(table))] = None


def test_every_phase_is_reachable():
    """From the beginning, moves lead to every phase."""
    reached = {Phase.IDLE}
    while more := {target for (phase, _), target in MOVES.items() if phase in reached} - reached:
        reached |= more
    assert reached == set(Phase)


def test_every_phase_can_end():
    """Every connection can be closed for good at any time, and then nothing moves it any more."""
    for phase in set(Phase) - {Phase.CLOSED}:
        assert MOVES[phase, Trigger.END] is Phase.CLOSED
    assert not any(phase is Phase.CLOSED for phase, _ in MOVES)


def test_every_trigger_moves_something():
    """No trigger is left that leads nowhere, and none but `END` leads to the end."""
    assert {trigger for _, trigger in MOVES} == set(Trigger)
    assert {trigger for (_, trigger), phase in MOVES.items() if phase is Phase.CLOSED} == {Trigger.END}


def test_every_move_goes_somewhere_else():
    """A move that stays where it is would be none."""
    assert all(phase is not target for (phase, _), target in MOVES.items())


def test_a_trigger_has_one_meaning():
    """From wherever it is taken, a trigger leads to the same phase."""
    targets: dict[Trigger, set[Phase]] = {}
    for (_, trigger), target in MOVES.items():
        targets.setdefault(trigger, set()).add(target)
    assert all(len(phases) == 1 for phases in targets.values())


def test_heard_or_mistaken():
    """What a phase hears cannot be the adapter's mistake, and both are events that a connection knows."""
    for phase in Phase:
        assert not HEARD[phase] & MISTAKES[phase]
        assert HEARD[phase] | MISTAKES[phase] <= EVENTS


def test_every_event_is_heard_somewhere():
    """There is no event that no phase acts on."""
    assert set().union(*HEARD.values()) == EVENTS


def test_the_application_and_the_clock_are_always_heard():
    """What an application may do or ask at any time is heard in every phase, closed included."""
    always = set.intersection(*(set(HEARD[phase]) for phase in Phase))
    assert always == {
        *(e.Tick, e.Reconfigured, e.ConnectRequested, e.ConnectCancelled, e.CloseRequested),
        *(e.AbortRequested, e.CallRequested, e.CallCancelled, e.SendRequested, e.RawSendRequested),
    }
    assert not any(always & MISTAKES[phase] for phase in Phase)


def test_a_byte_stream_begins_and_ends():
    """Bytes are heard until nothing is left to say, the end of the stream whenever there is one."""
    assert {phase for phase in Phase if e.BytesReceived in HEARD[phase]} == STREAMING - {Phase.PARTING}
    assert set(Phase) - STREAMING == {Phase.IDLE, Phase.DIALLING, Phase.WAITING, Phase.CLOSED}
    assert {phase for phase in Phase if e.TransportOpened in HEARD[phase]} == {Phase.IDLE, Phase.DIALLING}
    assert {phase for phase in Phase if e.TransportFailed in HEARD[phase]} == {Phase.DIALLING}


def test_a_second_byte_stream_is_a_mistake():
    """While there is one, or none was asked for, no honest adapter brings another."""
    for phase in STREAMING | {Phase.WAITING}:
        assert {e.TransportOpened, e.TransportFailed} <= MISTAKES[phase]


def test_nothing_is_a_mistake_after_the_end():
    """What comes when all is over comes too late, that is all: an adapter may be slow."""
    assert MISTAKES[Phase.CLOSED] == frozenset()


def test_handlers_answer_while_we_talk():
    """Handlers run, and are heard, exactly while messages of the peer are."""
    answers = {*get_args(e.HandlerAnswer), e.HandlerReplied, e.HandlersReady}
    for phase in Phase:
        assert HEARD[phase] & answers == (answers if phase in TALKING else set())


def test_verdicts_are_heard_while_one_is_awaited():
    """Only a connection that has asked hears the application's verdict on a client."""
    verdicts = {e.UpgradeAccepted, e.UpgradeRejected, e.UpgradeCrashed}
    for phase in Phase:
        assert HEARD[phase] & verdicts == (verdicts if phase is Phase.DECIDING else set())


@pytest.mark.feature("C24")
def test_states():
    """The application sees all four states; open is one phase only, and both ends are closed."""
    assert set(STATES.values()) == set(State)
    assert [state.name for state in State] == ["CONNECTING", "OPEN", "CLOSING", "CLOSED"]
    assert {phase for phase in Phase if STATES[phase] is State.OPEN} == {Phase.OPEN}
    assert {phase for phase in Phase if STATES[phase] is State.CLOSED} == {Phase.IDLE, Phase.CLOSED}


@pytest.mark.feature("C15")
@pytest.mark.feature("C30")
def test_when_calls_are_taken():
    """Calls are taken while connecting and open, and refused while closing and closed."""
    assert {State.CONNECTING, State.OPEN} == TAKES_CALLS


@pytest.mark.feature("C7")
def test_states_go_forward():
    """A connection leaves `CLOSING` only for the end, or to connect again after a loss."""
    for (phase, trigger), target in MOVES.items():
        if STATES[phase] is State.CLOSING and STATES[target] is not State.CLOSING:
            assert target is Phase.CLOSED or (trigger, target) == (Trigger.LOST, Phase.WAITING)
