"""What a reader may rely on in every file of the repository."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.ground.tree import PAGES, ROOT, texts, tracked

# Put together from parts, so that this file does not hold what it looks for.
REGISTRIES = ["py" + "pi.org", "python" + "hosted", "npm" + "js.org", "proxy.go" + "lang.org"]
MACHINE_PATHS = ["/wo" + "rk/", "/op" + "t/", "/ro" + "ot/", "/ho" + "me/"]
INDEX_OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")

TOP_LEVEL = {
    "gateway", "drivers", "config", "systemd", "tests", "simulators", "bench", "requirements",
    "pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md",
}  # fmt: skip

ALLOWED_LICENCES = {
    "Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0",
    "Python-2.0", "MPL-2.0", "EPL-2.0", "Unlicense",
}  # fmt: skip
LICENCE_BY_CLASSIFIER = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
}
GUIDES = {"README.md", "ARCHITECTURE.md", "FORMAT.md"}
A_FEW_FILES = 7

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def found(needles: list[str]) -> list[str]:
    return [f"{path}: {needle}" for path, text in texts() for needle in needles if needle in text]


def test_no_registry_and_no_machine_is_named_anywhere() -> None:
    assert found(REGISTRIES + MACHINE_PATHS + INDEX_OPTIONS) == []


def test_nothing_is_left_to_be_done_later() -> None:
    marks = [f"{path}: {hit[0]}" for path, text in texts() for hit in UNFINISHED.finditer(text)]
    assert marks == []


def test_the_top_level_is_what_was_agreed() -> None:
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} - TOP_LEVEL == set()


def test_a_folder_with_more_than_a_few_files_says_what_it_is_for() -> None:
    code = [path for path in tracked() if path.parts[0] in {"gateway", "drivers", "simulators"}]
    missing = []
    for folder in {path.parent for path in code} - {Path()}:
        if PAGES in folder.parents:
            continue  # the pages' own README says what each of their folders is for
        names = {path.name for path in code if path.parent == folder}
        assets = {"templates", "static", "schema", "decisions"} & set(folder.parts)
        if len(names) > A_FEW_FILES and not assets and not names & GUIDES:
            missing.append(f"{folder}: {len(names)} files and none of {sorted(GUIDES)}")
    assert missing == []


def test_every_link_between_our_documents_leads_somewhere() -> None:
    dead = [
        f"{path}: {target}"
        for path, text in texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (ROOT / path.parent / target).exists()
    ]
    assert dead == []


def test_decisions_have_numbers_of_their_own() -> None:
    pages = [path.name for path in tracked() if path.parent == Path("gateway/decisions")]
    numbers = [name[:4] for name in pages]
    assert [name for name in pages if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert len(numbers) == len(set(numbers))


# ---- what is installed ----------------------------------------------------------------------


def pins(name: str) -> dict[str, tuple[Version, str, int]]:
    """Return package → (version, marker, number of hashes) of a requirement file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        pinned = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)(?: ; ([^\\\n]+?))? ?\\?\n", entry + "\n")
        assert pinned, f"not a pin: {entry[:80]}"
        hashes = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry))
        package = canonicalize_name(pinned[1])
        entries[package] = (Version(pinned[2]), (pinned[3] or "").strip(), hashes)
    return entries


def wanted(*lists: list[str]) -> list[Requirement]:
    return [Requirement(text) for items in lists for text in items]


RUN = wanted(
    PROJECT["project"]["dependencies"], PROJECT["project"]["optional-dependencies"]["broker"]
)
DEV = wanted(PROJECT["dependency-groups"]["dev"])
BUILD = wanted(PROJECT["build-system"]["requires"])


@pytest.mark.parametrize(
    ("file", "requirements"), [("run", RUN), ("build", BUILD), ("dev", RUN + DEV + BUILD)]
)
def test_every_dependency_is_pinned_to_a_version_that_fits(
    file: str, requirements: list[Requirement]
) -> None:
    pinned = pins(file)
    stale = []
    for requirement in requirements:
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin[0], prereleases=True):
            stale.append(f"{requirement}: {pin[0] if pin else 'not there'}; run `make lock`")
    assert stale == []


@pytest.mark.parametrize("file", ["run", "build", "dev"])
def test_every_pin_has_hashes(file: str) -> None:
    assert [name for name, pin in pins(file).items() if pin[2] == 0] == []


def test_the_three_files_agree() -> None:
    everything = pins("dev")
    differences = [
        (file, name)
        for file in ("run", "build")
        for name, pin in pins(file).items()
        if name in everything and everything[name][0] != pin[0]
    ]
    assert differences == []
    assert set(pins("run")) <= set(everything) | {"colorama"}


def imported(folders: set[str]) -> set[str]:
    """Return the top-level modules of others that the Python files of these folders import."""
    modules = set()
    for path, text in texts():
        if path.suffix != ".py" or path.parts[0] not in folders or PAGES in path.parents:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    return modules - set(sys.stdlib_module_names) - TOP_LEVEL


@pytest.mark.parametrize(
    ("file", "folders"),
    [("run", {"gateway", "drivers", "simulators"}), ("dev", {"tests", "bench"})],
)
def test_whatever_is_imported_is_pinned(file: str, folders: set[str]) -> None:
    providers = metadata.packages_distributions()
    pinned = set(pins(file))
    loose = {
        module
        for module in imported(folders)
        if not {canonicalize_name(name) for name in providers.get(module, ())} & pinned
    }
    assert loose == set(), "declare it in pyproject.toml and run `make lock`"


READ_BY_A_PERSON = {
    # A list in words; its licence files were read: these two for its own code, permissive ones for
    # PDFium and what that is built from.
    "pypdfium2": {"BSD-3-Clause", "Apache-2.0"},
}


def licence_of(package: str) -> set[str]:
    """Return the SPDX names a package gives for itself."""
    about = metadata.metadata(package)
    expression = about.get("License-Expression")
    if expression:
        return set(
            re.split(
                r"\s+(?:AND|OR|WITH)\s+", expression.strip("()").replace("(", "").replace(")", "")
            )
        )
    by_classifier = {
        LICENCE_BY_CLASSIFIER.get(text, text)
        for text in about.get_all("Classifier") or ()
        if text.startswith("License :: OSI Approved ::")
    }
    return by_classifier or READ_BY_A_PERSON.get(package, {about.get("License") or "says nothing"})


def test_what_runs_has_a_licence_a_school_can_live_with() -> None:
    foreign = {}
    for package, (_, marker, _) in pins("run").items():
        if marker and not Marker(marker).evaluate():
            continue
        try:
            names = licence_of(package)
        except metadata.PackageNotFoundError:
            continue  # the extra is not installed here; where it is, it is looked at
        if not names & ALLOWED_LICENCES:
            foreign[package] = names
    assert foreign == {}
