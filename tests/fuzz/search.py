"""Lets atheris search one target for inputs that break a promise; needs `atheris`, see the session `fuzz`.

    PYTHONPATH=tests python tests/fuzz/search.py TARGET SECONDS FOLDER

Begins with the corpus in the tree; what it learns stays in `FOLDER`, and so does an input that breaks something.
"""

import json
import random
import sys
from copy import deepcopy
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ocpp_rpc_core", "wsproto", "h11"]):
    from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
ODD = (
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    "",
    "1",
    "\ud800",
    "é⚡",
    "x" * 40,
    "x" * 300,
    [],
    {},
    [[]],
    "2026-01-02T03:04:05Z",
)


def mutate_text(data, max_size, seed):
    """A message stays JSON every other time: something in it is replaced, left out, doubled, moved or wrapped."""
    chance = random.Random(seed)
    lines = data[1:].split(b"\n")
    at = chance.randrange(len(lines))
    try:
        message = json.loads(lines[at])
    except (ValueError, RecursionError):
        return atheris.Mutate(data, max_size)
    if chance.random() < 0.5 or not isinstance(message, list):
        return atheris.Mutate(data, max_size)
    for _ in range(chance.randint(1, 3)):
        message = changed(message, chance)
    lines[at] = json.dumps(message, ensure_ascii=chance.random() < 0.9).encode(errors="replace")
    return (data[:1] + b"\n".join(lines))[:max_size]


def changed(message, chance):
    """The same JSON with one place changed."""
    places = [([message], 0), *walk(message)]
    container, key = chance.choice(places)
    match chance.randrange(6):
        case 0 | 1:
            container[key] = deepcopy(chance.choice(ODD))
        case 2:
            other, where = chance.choice(places)
            container[key] = deepcopy(other[where])
        case 3 if container[key] is not message:
            del container[key]
        case 4 if isinstance(container, dict):
            container[chance.choice(["", "constructor", "customData", "id", key + "x"])] = container[key]
        case _:
            container[key] = {"a": container[key]} if chance.random() < 0.5 else [container[key]]
    return message if container is not places[0][0] else container[0]


def walk(value):
    """Every place in some JSON: what holds it, and under which key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from walk(value[key])


def main(target, seconds, folder):
    """Search until the time is over, or something breaks."""
    learnt = Path(folder) / target
    learnt.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=9000",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={folder}/{target}-",
        "-print_final_stats=1",
    ]
    mutator = {"custom_mutator": mutate_text} if target == "text" else {}
    arguments = [sys.argv[0], *options, str(learnt), str(CORPUS / target)]
    atheris.Setup(arguments, TARGETS[target], **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
