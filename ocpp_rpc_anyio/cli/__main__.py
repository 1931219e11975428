"""Makes `python -m ocpp_rpc_anyio.cli` the same as `ocpp-rpc`."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
