"""The schemas that a connector's own package ships: loaded from the registry into a folder of its own, and never run.

Singer taps and Airbyte sources in Python keep a JSON schema a stream in a folder ``schemas``; low-code sources of Airbyte
keep them in ``manifest.yaml``.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_MANIFEST = "manifest.yaml"


def downloaded(package: str, folder: Path) -> Path:
    """The archive of a package as ``name==version``: the wheel, else the source."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--ignore-requires-python", "--dest", str(folder)]
    wheel = subprocess.run(
        [*command, "--only-binary", ":all:", package], check=False, capture_output=True, text=True
    )
    if wheel.returncode:
        subprocess.run([*command, "--no-binary", ":all:", package], check=True)
    (path,) = [path for path in folder.iterdir() if path.suffix in {".whl", ".gz", ".zip"}]
    return path


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".gz":
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def schemas_in(path: Path) -> dict[str, dict[str, set[str]]]:
    """Types of every column by stream; of objects in a row by dotted names."""
    files = {
        name: content
        for name, content in _members(path)
        if name.endswith(f"/{_MANIFEST}") or ("/schemas/" in name and name.endswith(".json"))
    }
    found: dict[str, Any] = {}
    for name, content in files.items():
        if name.endswith(_MANIFEST):
            found |= _inline(yaml.safe_load(content))
    for name, content in files.items():
        if name.endswith(".json"):
            found.setdefault(Path(name).stem, json.loads(content))
    return {stream: dict(_columns(schema)) for stream, schema in found.items()}


def _inline(manifest: dict[str, Any]) -> dict[str, Any]:
    """Schemas of a manifest by the streams that have them."""
    found: dict[str, Any] = {}
    for part in _objects(manifest):
        if "schema_loader" not in part and "$ref" not in part:
            continue
        stream = _resolved(manifest, part)
        name = stream.get("name") or _resolved(manifest, stream.get("$parameters")).get("name")
        loaders = stream.get("schema_loader")
        for loader in loaders if isinstance(loaders, list) else [loaders]:
            schema = _resolved(manifest, _resolved(manifest, loader).get("schema"))
            if isinstance(name, str) and "properties" in schema:
                found.setdefault(name, schema)
    return found


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _objects(part)


def _resolved(manifest: dict[str, Any], part: Any) -> dict[str, Any]:
    """An object with what it refers to, one level deep; of anything else nothing."""
    if not isinstance(part, dict):
        return {}
    if not isinstance(reference := part.get("$ref"), str):
        return part
    found: Any = manifest
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    own = {name: value for name, value in part.items() if name != "$ref"}
    return _resolved(manifest, found) | own


def _columns(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, set[str]]]:
    for name, part in schema.get("properties", {}).items():
        if not isinstance(part, dict):
            continue
        types: set[str] = set()
        for choice in [part, *part.get("anyOf", []), *part.get("oneOf", [])]:
            said = choice.get("type", [])
            types |= {said} if isinstance(said, str) else set(said)
            types |= {choice["format"]} if "format" in choice else set()
            yield from _columns(choice, f"{before}{name}.")
        yield before + name, types - {"null"}


def schemas_of(package: str) -> dict[str, dict[str, set[str]]]:
    """As ``schemas_in``, of a package as ``name==version``."""
    with tempfile.TemporaryDirectory() as folder:
        return schemas_in(downloaded(package, Path(folder)))
