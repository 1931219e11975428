"""Runs each asynchronous test here once per adapter and event loop, on a virtual clock or with real sockets."""

from support.grounds import env, net, pytest_pyfunc_call, socket_path

__all__ = ["env", "net", "pytest_pyfunc_call", "socket_path"]
