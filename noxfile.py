"""How the project checks itself: each session is one check, in an environment of its own."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.3.2"
nox.options.sessions = ["tests", "lint", "types"]
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
CORE = ROOT / "ocpp_rpc_core"
PACKAGES = ("ocpp_rpc_core", "ocpp_rpc_anyio", "ocpp_rpc_trio")
GENERATED = tuple(f"ocpp_rpc_core/_schemas/{name}.py" for name in ("ocpp16", "ocpp201", "ocpp21"))

CORE_COVERAGE = 100
"""Per cent of the core's lines and branches that the tests reach."""

CORE_TEST_TOOLS = ("pytest>=8.3", "hypothesis>=6.100")
TEST_TOOLS = (*CORE_TEST_TOOLS, "pytest-cov>=6", "pytest-xdist>=3.6", "trustme>=1.2")
RUFF = "ruff~=0.17.6"
TYPE_CHECKERS = ("mypy~=2.4", "pyright==1.1.414")

# The peers of the interoperability tests, and where the schemas come from.
NPM_PEERS = ("ocpp-rpc@2", "ws@8")
PYPI_PEERS = ("ocpp>=2.1,<3", "websockets>=15")
PLOTTER = "matplotlib>=3.9"
NPM_SCHEMAS = "ocpp-rpc@2.2.1"
PYPI_SCHEMAS = "ocpp==2.1.0"

# The Autobahn suite runs on CPython 2.7 only, for which later versions of virtualenv make no environment.
AUTOBAHN = "autobahntestsuite==25.10.1"
VIRTUALENV = "virtualenv<20.22"

ATHERIS = "atheris>=3,<4"
FUZZ_TARGETS = ("request", "response", "server_frames", "client_frames", "text", "connection")
"""Functions of tests/fuzz/targets.py."""


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but those with real peers; the core is covered whole."""
    session.install("-e", ".[all]", *TEST_TOOLS)
    pytest = ["pytest", "--ignore=tests/interop", "--ignore=tests/docs"]
    if session.posargs:
        session.run(*pytest, *session.posargs)
    else:
        covered = ["--cov", "--cov-branch", f"--cov-fail-under={CORE_COVERAGE}"]
        session.run(*pytest, "-n", "auto", *covered, "tests")


@nox.session
def coverage_by_module(session: nox.Session) -> None:
    """Each module of the core is covered whole by its own test file alone."""
    session.install("-e", ".[speed]", *CORE_TEST_TOOLS, "pytest-cov>=6")
    wanted = set(session.posargs)
    rows = []
    for module in core_modules():
        test = test_file_of(module)
        if wanted and test.stem.removeprefix("test_") not in wanted:
            continue
        rows.append((module, test, module_coverage(session, module, test)))
    print(f"\n{'module':<45} {'test file':<45} coverage")
    for module, test, verdict in rows:
        print(f"{module:<45} {test.relative_to(ROOT)!s:<45} {verdict}")
    short = [module for module, _, verdict in rows if verdict != "100%"]
    if short:
        session.error(f"not covered by their own tests: {', '.join(short)}")
    if not rows:
        session.error("no module to check")


def core_modules() -> list[str]:
    """The dotted names of the core's modules that hold code of their own, and are not generated."""
    found = []
    for path in sorted(CORE.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if path.name != "__init__.py" and name not in GENERATED:
            found.append(name.removesuffix(".py").replace("/", "."))
    return found


def test_file_of(module: str) -> Path:
    """`_codec` is tested by test_codec.py, `testing._link` by test_testing_link.py."""
    parts = [part.strip("_") for part in module.split(".")[1:]]
    return ROOT / "tests" / "core" / f"test_{'_'.join(parts)}.py"


def module_coverage(session: nox.Session, module: str, test: Path) -> str:
    """`100%`, or what is wrong with the coverage of `module` by `test`."""
    if not test.exists():
        return "no test file"
    env = {"COVERAGE_FILE": str(Path(session.create_tmp()).resolve() / f"{module}.coverage")}
    options = ["-q", "--no-header", f"--cov={module}", "--cov-branch", "--cov-report="]
    session.run("pytest", *options, str(test), env=env, silent=True)
    total = session.run("coverage", "report", "--format=total", env=env, silent=True)
    return f"{str(total).strip()}%"


@nox.session
def lint(session: nox.Session) -> None:
    """Style: every rule of ruff that pyproject.toml does not except, and its format."""
    session.install(RUFF)
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers, strictly."""
    session.install("-e", ".[all]", "pytest>=8.3", *TYPE_CHECKERS)
    session.run("mypy", "--strict")
    session.run("pyright", "--warnings")


@nox.session
def core_alone(session: nox.Session) -> None:
    """The core works where no event loop is installed."""
    session.install(".", *CORE_TEST_TOOLS)
    absent = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ('anyio', 'trio', 'orjson'))))"
    session.run("python", "-I", "-c", absent)
    # `pytest`, not `python -m pytest`: the latter would test the checkout and not what was installed.
    session.run("pytest", "tests/core", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel, built from the sdist and installed far from the checkout, is complete and works."""
    session.install("build")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session.run("python", "-m", "build", "--outdir", name, str(ROOT))
        (sdist,) = folder.glob("*.tar.gz")
        (built,) = folder.glob("*.whl")
        check_contents(session, sdist, built)
        session.run("python", "-m", "venv", str(folder / "venv"))
        bin_ = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        session.run(str(bin_ / "pip"), "install", "-q", f"{built}[all]", external=True)
        with session.chdir(folder):
            for adapter in ("anyio", "trio"):
                session.run(str(bin_ / "ocpp-rpc"), "demo", "--adapter", adapter, external=True)


def check_contents(session: nox.Session, sdist: Path, built: Path) -> None:
    """What the archives must hold: in the wheel the packages whole, in the sdist also what made them."""
    with zipfile.ZipFile(built) as archive:
        shipped = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        sources = {member.partition("/")[2] for member in archive.getnames()}
    modules = {name for name in project_files(*PACKAGES) if name.endswith((".py", "/py.typed"))}
    copies = {f"ocpp_rpc_core/_schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    missing = (modules | set(GENERATED) | copies) - shipped
    missing |= {path for path in project_files("schemas", "tests", "docs", "benchmarks") if path not in sources}
    if missing:
        session.error(f"missing from the archives: {', '.join(sorted(missing))}")
    strays = sorted({name.partition("/")[0] for name in shipped if ".dist-info/" not in name} - set(PACKAGES))
    if strays:
        session.error(f"the wheel would install {', '.join(strays)}")


def project_files(*folders: str) -> set[str]:
    """The files of `folders`, without what Python and its tools leave there, relative to the root."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT).as_posix() for path in found}
    return {name for name in names if "/." not in name and "__pycache__" not in name}


@nox.session
def interop(session: nox.Session) -> None:
    """Real peers of other authors over loopback."""
    session.install("-e", ".[all]", *TEST_TOOLS, *PYPI_PEERS)
    modules = npm_install(session, *NPM_PEERS)
    session.run("pytest", "tests/interop", *session.posargs, env={"NODE_PATH": str(modules)})


@nox.session
def autobahn(session: nox.Session) -> None:
    """The Autobahn suite: our server and client speak WebSocket to the letter; skipped without a CPython 2.7."""
    python2 = find_python2()
    if python2 is None:
        session.skip("the Autobahn suite needs a CPython 2.7: on PATH, in pyenv, or named by PY27")
    session.install("-e", ".[all]")
    folder = session.cache_dir.resolve() / "autobahn"
    wstest = folder / "env" / "bin" / "wstest"
    if not wstest.exists():
        session.install(VIRTUALENV)
        session.run("virtualenv", "-q", "-p", python2, str(folder / "env"))
        session.run(str(folder / "env" / "bin" / "pip"), "install", "-q", AUTOBAHN, external=True)
    script = str(ROOT / "tests" / "autobahn" / "suite.py")
    session.run("python", script, str(wstest), str(folder / "reports"), *session.posargs)


def find_python2() -> str | None:
    """A CPython 2.7 that starts: the one that PY27 names, one of pyenv's, or the one on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [os.environ.get("PY27"), *map(str, pyenv.glob("versions/2.7.*/bin/python")), shutil.which("python2.7")]
    ask = "import platform; print(platform.python_implementation() + platform.python_version())"
    for path in filter(None, found):
        try:
            answer = subprocess.run([path, "-c", ask], capture_output=True, check=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError):  # pyenv's shims are there even if their Python is not
            continue
        if answer.startswith("CPython2.7."):
            return path
    return None


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search with atheris, for 60 seconds in all or as many as given, for bytes that break a promise of the core."""
    numbers = [word for word in session.posargs if word.isdecimal()]
    targets = [word for word in session.posargs if word not in numbers] or FUZZ_TARGETS
    seconds = int(numbers[0]) if numbers else 60
    session.install("-e", ".[all]", ATHERIS)
    folder = session.cache_dir.resolve() / "fuzz"
    script = str(ROOT / "tests" / "fuzz" / "search.py")
    for target in targets:
        share = str(max(1, seconds // len(targets)))
        session.run("python", script, target, share, str(folder), env={"PYTHONPATH": str(ROOT / "tests")})


@nox.session
def chaos(session: nox.Session) -> None:
    """Faults on real sockets: bad lines, killed and stopped processes, a reconnect storm, a soak of some seconds."""
    soak = [word for word in session.posargs if word.isdecimal()] or ["5"]
    rest = [word for word in session.posargs if not word.isdecimal()]
    session.install("-e", ".[all]", *CORE_TEST_TOOLS)
    files = sorted(str(path) for path in (ROOT / "tests" / "chaos").glob("*_*.py"))
    quiet = ["-q", "-s", "-p", "no:logging"]  # pytest would keep all that is logged
    session.run("pytest", *quiet, "--soak", soak[0], *rest, *files)


@nox.session
def deep(session: nox.Session) -> None:
    """The state machine over two connections, 50,000 times, with its statistics; `-- planted` plants bugs instead."""
    session.install("-e", ".", *CORE_TEST_TOOLS)
    session.run("python", str(ROOT / "tests" / "support" / "deep.py"), *session.posargs)


@nox.session
def features(session: nox.Session) -> None:
    """A table of all features: the tests that prove each, and the back-ends these passed on; what works has some."""
    prove(session, "feature")


@nox.session
def rules(session: nox.Session) -> None:
    """A table of all rules of OCPP-J: the tests of each, and their result."""
    prove(session, "rule")


@nox.session
def threats(session: nox.Session) -> None:
    """A table of all threats: the tests that prove what comes of each, and their result."""
    prove(session, "threat")


def prove(session: nox.Session, kind: str) -> None:
    """Run the tests with this marker, and judge each row of the page; a failed test fails its row."""
    session.install("-e", ".[all]", *TEST_TOOLS)
    record = str(Path(session.create_tmp()).resolve() / "proof.json")
    levels = [f"tests/{level}" for level in ("core", "rules", "conformance", "threats")]
    session.run("pytest", "-q", "-n", "auto", "-m", kind, f"--proof={record}", *levels, success_codes=[0, 1])
    session.run("python", str(ROOT / "tests" / "support" / "proof.py"), kind, record)


@nox.session
def bench(session: nox.Session) -> None:
    """How fast we are, beside others in the same run; `-- quick` for a look, `-- --help` for the rest."""
    session.install("-e", ".[all]", *PYPI_PEERS, PLOTTER)
    modules = npm_install(session, *NPM_PEERS)
    session.run("python", "-m", "benchmarks", *session.posargs, env={"NODE_PATH": str(modules)})


@nox.session
def docs(session: nox.Session) -> None:
    """Every example of the documentation runs."""
    session.install("-e", ".[all]", *TEST_TOOLS)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def schemas(session: nox.Session) -> None:
    """Make schemas/ anew from the packages that publish the official ones; `-- --check` only compares."""
    session.install(PYPI_SCHEMAS)
    npm = npm_install(session, NPM_SCHEMAS) / "ocpp-rpc"
    pypi = session.run("python", "-c", "import ocpp, pathlib; print(pathlib.Path(ocpp.__file__).parent)", silent=True)
    script = str(ROOT / "schemas" / "import_schemas.py")
    session.run("python", script, "--npm", str(npm), "--pypi", str(pypi).strip(), *session.posargs)


def npm_install(session: nox.Session, *packages: str) -> Path:
    """Install npm packages in the session's temporary folder, and return their `node_modules`."""
    if shutil.which("npm") is None:
        session.error("this session needs Node 20 and npm")
    folder = Path(session.create_tmp()).resolve()
    options = ["--prefix", str(folder), "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    session.run("npm", "install", *options, *packages, external=True)
    return folder / "node_modules"
