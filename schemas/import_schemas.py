"""Makes the schema files of this folder from two published packages, after checking one against the other."""

import argparse
import sys
from pathlib import Path

from _crosscheck import Correction, CrossCheck, Decision, Disagreement
from _decisions import CORRECTIONS, DECISIONS
from _facts import Unusable
from _render import differences_text, document, json_text
from _sources import SUBPROTOCOLS, read_npm, read_pypi

HERE = Path(__file__).parent


def build(
    npm: Path,
    pypi: Path,
    decisions: tuple[Decision, ...] = DECISIONS,
    corrections: tuple[Correction, ...] = CORRECTIONS,
) -> dict[str, str]:
    """Return the text of each file by name, made from the two package folders.

    Raises `Disagreement` for a difference without a decision or a table entry without a difference,
    `Unusable` for a schema that cannot be represented.
    """
    first, second = read_npm(npm), read_pypi(pypi)
    check = CrossCheck(decisions, corrections)
    files: dict[str, str] = {}
    for subprotocol in SUBPROTOCOLS:
        messages = check.merge(subprotocol, first.versions[subprotocol], second.versions[subprotocol])
        files[f"{subprotocol}.json"] = json_text(document(subprotocol, messages)) + "\n"
    check.finish()
    files["DIFFERENCES.md"] = differences_text((first.name, second.name), decisions, corrections)
    return files


def main(arguments: list[str] | None = None, target: Path = HERE) -> int:
    """Write the files into `target`, or with `--check` only compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--npm", type=Path, required=True, help="folder of the unpacked npm package ocpp-rpc")
    parser.add_argument("--pypi", type=Path, required=True, help="folder of the installed PyPI package ocpp")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    options = parser.parse_args(arguments)
    try:
        files = build(options.npm, options.pypi)
    except (Disagreement, Unusable) as error:
        print(error, file=sys.stderr)
        return 1
    changed = [name for name, text in files.items() if _read(target / name) != text.encode()]
    for name in changed:
        print(f"{'would change' if options.check else 'written'}: {name}")
        if not options.check:
            (target / name).write_bytes(files[name].encode())
    return 1 if options.check and changed else 0


def _read(file: Path) -> bytes | None:
    """Return the content of a file, None if there is none."""
    return file.read_bytes() if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
