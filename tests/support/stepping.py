"""Coroutines that a test steps by hand, without an event loop."""


class Bell:
    """Rings; whoever waits for it is stepped by hand."""

    rung = False

    def set(self):
        self.rung = True

    async def wait(self):
        while not self.rung:
            await Turn()


class Turn:
    """What is awaited lets the test go on."""

    def __await__(self):
        yield


class Task:
    """A coroutine that the test steps."""

    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.step()

    def step(self):
        """Whether it has ended; `result` is then what it returned."""
        try:
            self.coroutine.send(None)
        except StopIteration as end:
            self.result = end.value
            return True
        return False


class Driver:
    """Remembers what it is told, and answers every question with 42."""

    def __init__(self):
        self.closed = Bell()
        self.told = []

    def feed(self, event):
        self.told.append(event)

    async def ask(self, question):
        self.told.append(question)
        return 42
