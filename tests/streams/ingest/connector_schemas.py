"""The schemas that a connector's own package ships: loaded from the registry into a folder of its own, and not installed.

Singer taps and Airbyte sources in Python keep a JSON schema a stream in a folder ``schemas``; low-code sources of Airbyte
keep them in ``manifest.yaml``. Connectors of systems whose customers have fields of their own ask the system for its fields and
make the schema of their types: of those the functions that do so are run alone, on the types that the system documents for
the fields that mappings read (``platform_types.json``).
"""

import ast
import copy
import dataclasses
import enum
import json
import subprocess
import sys
import tarfile
import tempfile
import typing
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

_MANIFEST = "manifest.yaml"
_TYPES = json.loads(Path(__file__).with_name("platform_types.json").read_text(encoding="utf-8"))
Fields = dict[str, str]


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
    """As ``schemas_in``, of a package as ``name==version``; with the streams that its own functions describe."""
    with tempfile.TemporaryDirectory() as folder:
        path = downloaded(package, Path(folder))
        found = schemas_in(path)
        if (name := package.partition("==")[0]) in _DESCRIBED:
            system, describe = _DESCRIBED[name]
            for stream, fields in _TYPES[system].items():
                found.setdefault(stream, {}).update(describe(path, fields))
        return found


def _code(path: Path, module: str, *names: str) -> dict[str, Any]:
    """Functions, classes and constants of a package's module, without anything else of it."""
    (source,) = [content for name, content in _members(path) if name.endswith(f"/{module}") or name == module]
    wanted = [
        node
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names)
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names)
    ]
    for node in wanted:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
    said = ("Any", "Dict", "Iterable", "List", "Mapping", "MutableMapping", "Optional", "Union")
    space: dict[str, Any] = {name: getattr(typing, name) for name in said}
    space |= {"Enum": enum.Enum, "dataclasses": dataclasses, "copy": copy, "Decimal": Decimal}
    exec(compile(ast.Module(wanted, []), module, "exec"), space)  # noqa: S102 - the pinned package's own rule of types
    missing = set(names) - space.keys()
    if missing:
        raise LookupError(f"{module} of {path.name} has no {', '.join(sorted(missing))}")
    return space


def _typed(schemas: dict[str, Any]) -> dict[str, set[str]]:
    return dict(_columns({"properties": schemas}))


def _tap_hubspot(path: Path, fields: Fields) -> dict[str, set[str]]:
    code = _code(
        path, "tap_hubspot/__init__.py", "get_field_type_schema", "get_field_schema", "parse_custom_schema"
    )
    # Objects with a value and its history, but for contacts, which are of a later version of the API.
    entity = "contacts" if "createdate" in fields else "deals"
    given = [{"name": name, "type": kind} for name, kind in fields.items()]
    made = code["parse_custom_schema"](entity, given)
    return _typed({f"property_{name}": schema for name, schema in made.items()})


def _airbyte_hubspot(path: Path, fields: Fields) -> dict[str, set[str]]:
    (manifest,) = [yaml.safe_load(content) for name, content in _members(path) if name.endswith(_MANIFEST)]
    loader = manifest["definitions"]["base_dynamic_schema_loader"]
    mapped = {
        part["current_type"]: part["target_type"]
        for part in loader["schema_type_identifier"]["types_mapping"]
    }
    # Names of Airbyte's types and what they are in JSON, as its low-code framework has them.
    known = {"timestamp_with_timezone": "date-time", "date": "date"}
    found = {name: mapped.get(kind, kind) for name, kind in fields.items()}
    return {f"properties_{name}": {known.get(kind, kind)} for name, kind in found.items()}


def _tap_salesforce(path: Path, fields: Fields) -> dict[str, set[str]]:
    sets = ("STRING_TYPES", "NUMBER_TYPES", "DATE_TYPES", "BINARY_TYPES", "LOOSE_TYPES")
    code = _code(path, "tap_salesforce/salesforce/__init__.py", *sets, "field_to_property_schema")
    describe = code["field_to_property_schema"]
    return _typed({name: describe({"name": name, "type": kind}, {})[0] for name, kind in fields.items()})


def _airbyte_salesforce(path: Path, fields: Fields) -> dict[str, set[str]]:
    sets = ("STRING_TYPES", "NUMBER_TYPES", "DATE_TYPES", "LOOSE_TYPES")
    code = _code(path, "source_salesforce/api.py", *sets, "field_to_property_schema")
    describe = code["field_to_property_schema"]
    return _typed({name: describe({"name": name, "type": kind}) for name, kind in fields.items()})


#: Types of the Web API ($metadata) of the types that columns have; a lookup is an id under another name.
_ODATA = {
    "Uniqueidentifier": "Edm.Guid",
    "Lookup": "Edm.Guid",
    "DateTime": "Edm.DateTimeOffset",
    "DateOnly": "Edm.Date",
}
_ODATA |= {"State": "Edm.Int32", "Money": "Edm.Decimal"}


def _column_of(name: str, kind: str) -> str:
    return f"_{name}_value" if kind == "Lookup" else name


def _tap_dynamics(path: Path, fields: Fields) -> dict[str, set[str]]:
    sets = ("STRING_TYPES", "INTEGER_TYPES", "NUMBER_TYPES", "DATE_TYPES", "BOOL_TYPES", "COMPLEX_TYPES")
    code = _code(path, "tap_dynamics/streams.py", *sets, "build_schema")
    given = {_column_of(name, kind): {"type": _ODATA[kind]} for name, kind in fields.items()}
    return dict(_columns(code["build_schema"](given)))


def _airbyte_dataverse(path: Path, fields: Fields) -> dict[str, set[str]]:
    names = ("AirbyteType", "DataverseType", "convert_dataverse_type")
    describe = _code(path, "source_microsoft_dataverse/dataverse.py", *names)["convert_dataverse_type"]
    return _typed(
        {
            _column_of(name, kind): describe("DateTime", kind) if kind == "DateOnly" else describe(kind)
            for name, kind in fields.items()
        }
    )


def _airbyte_zoho(path: Path, fields: Fields) -> dict[str, set[str]]:
    names = (
        "ZohoBaseType",
        "ZohoJsonType",
        "ZohoDataType",
        "FromDictMixin",
        "ZohoPickListItem",
        "AutoNumberDict",
    )
    code = _code(path, "source_zoho_crm/types.py", *names, "FieldType", "FieldMeta")
    made = {}
    for name, kind in fields.items():
        json_type, data_type = kind.split("/")
        made[name] = code["FieldMeta"](json_type, 120, name, data_type, 2, False, name, None).schema
    return _typed(made)


class _NoMetadata:
    """Singer's metadata, which says what is selected and nothing of types."""

    @staticmethod
    def write(found: Any, *_: Any) -> Any:
        return found


def _tap_marketo(path: Path, fields: Fields) -> dict[str, set[str]]:
    code = _code(path, "tap_marketo/discover.py", "STRING_TYPES", "get_schema_for_type")
    code["metadata"] = _NoMetadata
    describe = code["get_schema_for_type"]
    return _typed({name: describe(kind, ("properties", name), {})[0] for name, kind in fields.items()})


#: By package the system whose types it describes, and its rule of types.
_DESCRIBED: dict[str, tuple[str, Callable[[Path, Fields], dict[str, set[str]]]]] = {
    "tap-hubspot": ("hubspot", _tap_hubspot),
    "airbyte-source-hubspot": ("hubspot", _airbyte_hubspot),
    "tap-salesforce": ("salesforce", _tap_salesforce),
    "airbyte-source-salesforce": ("salesforce", _airbyte_salesforce),
    "tap-ms-dynamics": ("dynamics", _tap_dynamics),
    "airbyte-source-microsoft-dataverse": ("dynamics", _airbyte_dataverse),
    "airbyte-source-zoho-crm": ("zoho", _airbyte_zoho),
    "tap-marketo": ("marketo", _tap_marketo),
}
