"""Few tasks for many jobs: none waits for another, and nothing that one sets reaches the next."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest
from hypothesis import given, strategies as st
from support.stepping import Bell, Task, Turn

from ocpp_rpc_core._crew import SPARE, Apart, Crew

COLOUR = ContextVar("colour", default="none")


class Company:
    """Runs the tasks that a crew hires, and notes which task began and ended which job, and when."""

    def __init__(self):
        self.crew = Crew(self.hire, Bell)
        self.tasks = []
        self.began = []
        self.ended = []
        self.hired = 0

    def hire(self):
        self.hired += 1
        self.tasks.append(None)  # starts at the next turn

    def add(self, name, turns):
        self.crew.add(self.job(name, turns))

    async def job(self, name, turns):
        self.began.append(name)
        for _ in range(turns):
            await Turn()
        self.ended.append(name)

    def turn(self):
        """Every task goes on until it waits."""
        for place, task in enumerate(self.tasks[:]):
            if task is None:
                self.tasks[place] = Task(self.crew.work())
            elif not hasattr(task, "result"):
                task.step()

    @property
    def alive(self):
        return sum(task is None or not hasattr(task, "result") for task in self.tasks)


def test_one_task_does_what_does_not_wait():
    """Jobs one after another need one task, and one that has come for the rest."""
    company = Company()
    for name in "abc":
        company.add(name, 0)
    assert company.hired == 1
    company.turn()
    assert company.ended == ["a", "b", "c"]
    company.turn()
    company.add("d", 0)
    company.turn()
    company.turn()
    assert company.ended == ["a", "b", "c", "d"]
    assert company.hired == 2


def test_no_job_waits_for_another():
    """While one waits for something, the next ones begin."""
    company = Company()
    for name in "abc":
        company.add(name, 9)
    for _ in range(4):
        company.turn()
    assert (company.began, company.ended) == (["a", "b", "c"], [])


def test_few_are_kept():
    """Who has nothing to do leaves, but for a few."""
    company = Company()
    for number in range(3 * SPARE):
        company.add(number, 3 * SPARE)
    for _ in range(9 * SPARE):
        company.turn()
    assert sorted(company.ended) == [*range(3 * SPARE)]
    assert company.alive == SPARE


class Gone(BaseException):
    """What a cancelled task gets."""


@pytest.mark.parametrize("called", [False, True])
def test_who_is_cancelled_does_not_come(called):
    """A task that is cancelled while it rests, and be it called already, leaves the job to another."""
    company = Company()
    company.add("a", 0)
    company.turn()
    (task,) = company.tasks
    if called:
        company.add("b", 0)
    with pytest.raises(Gone):
        task.coroutine.throw(Gone())
    task.result = None
    if not called:
        company.add("b", 0)
    company.turn()
    company.turn()
    assert company.ended == ["a", "b"]


def test_who_is_cancelled_when_there_is_nothing_left():
    """Somebody else did the job: nobody need come."""
    company = Company()
    company.add("a", 0)
    company.turn()
    company.add("b", 0)
    resting, company.tasks = company.tasks, []
    company.crew._jobs.pop().close()
    with pytest.raises(Gone):
        resting[0].coroutine.throw(Gone())
    assert company.hired == 1


@given(st.lists(st.one_of(st.integers(0, 3), st.just("turn")), max_size=40))
def test_in_whatever_order_jobs_come(steps):
    """Each begins soon, in its order, and ends; few tasks remain."""
    company = Company()
    names = 0
    for step in steps:
        if step == "turn":
            company.turn()
        else:
            company.add(names, step)
            names += 1
    for _ in range(names + 1):
        company.turn()
    assert company.began == [*range(names)]
    for _ in range(8):
        company.turn()
    assert sorted(company.ended) == [*range(names)]
    assert company.alive <= SPARE


async def painter(colour):
    """Sets a colour, waits, and says which one it finds."""
    COLOUR.set(colour)
    await asyncio.sleep(0)
    return COLOUR.get()


class TestApart:
    """Awaiting in a context of its own."""

    def test_what_is_set_there_stays_there(self):
        """It is seen over all steps, and by nobody else."""

        async def main():
            COLOUR.set("white")
            seen = await Apart(painter("red"), copy_context())
            return seen, COLOUR.get()

        assert asyncio.run(main()) == ("red", "white")

    def test_values_and_errors_pass(self):
        """What is sent to it, thrown into it and raised by it goes through."""

        class Asks:
            def __await__(self):
                got = []
                try:
                    got.append((yield "first"))
                    got.append((yield "second"))
                except KeyError as error:
                    got.append(error.args)
                    got.append((yield "third"))
                if got[-1] == "raise":
                    raise LookupError("as told")
                return got

        for last, end in (("done", [1, ("x",), "done"]), ("raise", None)):
            steps = Apart(Asks(), copy_context()).__await__()
            assert (steps.send(None), steps.send(1), steps.throw(KeyError("x"))) == ("first", "second", "third")
            with pytest.raises(StopIteration if end else LookupError) as caught:
                steps.send(last)
            if end:
                assert caught.value.value == end

    def test_it_can_be_closed(self):
        """As any coroutine that is not awaited to its end."""
        closed = []

        async def wait():
            try:
                await Turn()
            finally:
                closed.append(COLOUR.get())

        COLOUR.set("here")
        context = copy_context()
        context.run(COLOUR.set, "there")
        steps = Apart(wait(), context).__await__()
        next(steps)
        steps.close()
        assert closed == ["there"]
