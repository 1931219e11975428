"""How long the first time takes, in one new process: imports, validators, first calls; prints JSON.

`python -m benchmarks.cold`: milliseconds of processor time.  Byte code is there already, as after an installation.
"""

import sys
from time import process_time

LIBRARIES = {"ocpp_rpc_trio": ("trio",), "ocpp_rpc_anyio": ("asyncio", "anyio", "anyio._backends._asyncio")}
"""What an application that uses an adapter has imported anyway."""


def first(name: str, figures: dict[str, float], work: str) -> None:
    """Do it, and note how long it took."""
    start = process_time()
    exec(work, {})  # noqa: S102 - our own text
    figures[name] = round((process_time() - start) * 1e3, 3)


def imports() -> dict[str, float]:
    """The core, the adapters, and the validators of each version; in this order."""
    figures: dict[str, float] = {}
    first("import ocpp_rpc_core", figures, "import ocpp_rpc_core")
    for package, libraries in LIBRARIES.items():
        first(
            f"import {libraries[0] if len(libraries) == 1 else libraries[1]}", figures, f"import {','.join(libraries)}"
        )
        first(f"import {package} after it", figures, f"import {package}")
    for protocol in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"):
        work = f"from ocpp_rpc_core.validation import standard_validator as v; v({protocol!r})"
        first(f"validators of {protocol}", figures, work)
    return figures


def first_calls() -> dict[str, float]:
    """The first strict call of a method through both sides, and the slowest first verdict of all methods."""
    from ocpp_rpc_core import RPCError  # noqa: PLC0415 - after `imports`
    from ocpp_rpc_core.validation import standard_validator  # noqa: PLC0415

    from .joined import Joined  # noqa: PLC0415
    from .payloads import MESSAGES  # noqa: PLC0415

    figures = {}
    for message in MESSAGES.values():
        pair = Joined(message.protocol)
        start = process_time()
        pair.call(message.method, message.params)
        figures[f"first call of {message.method}"] = round((process_time() - start) * 1e3, 3)
    for protocol in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"):
        judge = standard_validator(protocol)
        assert judge is not None
        slowest = 0.0
        for method in sorted(judge.methods):
            start = process_time()
            try:
                judge.validate_request(method, {"unknown": 1})
            except RPCError:
                slowest = max(slowest, process_time() - start)
        figures[f"slowest first refusal in {protocol}"] = round(slowest * 1e3, 3)
    return figures


def main() -> None:
    """All figures."""
    found = imports()
    found.update(first_calls())
    import json  # noqa: PLC0415 - not to be there before

    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
