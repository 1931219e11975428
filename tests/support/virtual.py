"""An asyncio loop whose clock jumps to the next timer when nothing can run; not for real sockets."""

import asyncio
import selectors


class _Selector(selectors.SelectSelector):
    loop: "VirtualLoop"

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits, and no timer is set")
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`anyio.run(..., backend_options={"loop_factory": VirtualLoop})`."""

    def __init__(self):
        self.now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        """Seconds; it costs nothing to wait for them."""
        return self.now
