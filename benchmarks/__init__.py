"""How fast the library is, beside others in the same run: `nox -s bench`, or `python -m benchmarks --help`."""
