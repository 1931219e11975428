"""Asynchronous tests here run once per adapter and event loop, like those of `tests/conformance`."""

from support.grounds import env, net, pytest_pyfunc_call

__all__ = ["env", "net", "pytest_pyfunc_call"]
