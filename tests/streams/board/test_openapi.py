"""The OpenAPI document is true: a client that is made of it alone, with values of its schemas and with others, is answered as it says."""

import json
from typing import Any

import hypothesis
import jsonschema
import msgspec
from aiohttp import ClientSession
from hypothesis import strategies as st

from streams.board import openapi
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, TOKEN, alert, decision, run, serving, webhook
from tests.support.examples import examples

DOCUMENT = openapi.document()
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema of the document."""
    if "$ref" in schema:
        return values(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(each) for each in schema["anyOf"]])
    kinds = schema.get("type", "any")
    return st.one_of([_of_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of_kind(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    plain = {
        "array": lambda: st.lists(values(schema["items"]), max_size=3),
        "string": lambda: _texts(schema),
        "integer": lambda: st.integers(schema.get("minimum"), schema.get("maximum")),
        "number": lambda: st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans,
        "null": st.none,
        "object": lambda: _objects(schema),
        "any": lambda: ANYTHING,
    }
    return plain[kind]()


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.datetimes().map(lambda at: f"{at.isoformat()}Z")
    most = min(schema.get("maxLength", 40), 40)
    texts = st.text(st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=most)
    return st.sampled_from(["c-1", "c-2"]) | texts


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        return st.dictionaries(TEXT, values(schema.get("additionalProperties") or {}), max_size=3)
    required = set(schema.get("required", ()))
    known = {name: values(each) for name, each in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: each for name, each in known.items() if name in required},
        optional={name: each for name, each in known.items() if name not in required},
    )


def requests(path: str, method: str, operation: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Path, method, query and body of a request that the document allows, or nearly so."""
    query = {
        each["name"]: values(each["schema"]).map(str)
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    }
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    bodies = st.none() if body is None else values(body) | ANYTHING
    campaigns = st.sampled_from(["c-1", "c-2", "none such"])
    queries = st.fixed_dictionaries({}, optional=query)
    return st.tuples(
        campaigns.map(lambda each: path.replace("{campaign_id}", each)), st.just(method), queries, bodies
    )


RIGHT: dict[str, Any] = {
    "/api/session": {"token": TOKEN, "name": "Ana"},
    "/api/decisions": decision(campaign_id="c-3"),
    "/api/simulate": {},
    "/alerts": webhook(alert("c-3")),
}
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


async def judge(session: ClientSession, asked: tuple[Any, ...], operation: dict[str, Any]) -> str | None:
    """What of an answer the document does not say; None where it says all."""
    path, method, query, body = asked
    data = None if body is None else json.dumps(body).encode()
    async with session.request(method, path, params=query, data=data) as answer:
        told = operation["responses"].get(str(answer.status))
        if told is None:
            return f"{method} {path} {query} {data!r}: {answer.status} is not in the document: {await answer.text()}"
        schema = told["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
        try:
            jsonschema.Draft202012Validator(schema).validate(await answer.json())
        except jsonschema.ValidationError as error:
            return f"{method} {path}: {answer.status}: {error.message} at {error.json_path}"
    return None


def test_a_client_made_of_the_document_is_answered_as_it_says(settings, store):
    async def test() -> None:
        seeding.fill(
            store,
            [*seeding.board(4), seeding.card("c-1", proposal=seeding.proposal("c-1")), seeding.card("c-3")],
        )
        reading = msgspec.json.encode(seeding.hour("c-3", 0, leads=3))
        store.hset(store.names.readings("declared", "24h"), "c-3", reading)
        async with serving(settings) as (session, _):
            session.headers.update(BEARER)
            async with session.get("/api/campaigns") as answer:
                assert [each["campaign_id"] for each in (await answer.json())["campaigns"]] == ["c-3"]
            async with session.get(openapi.PATH) as answer:
                assert await answer.json() == json.loads(json.dumps(DOCUMENT))
            for path, method, operation in OPERATIONS:
                wrong = [
                    found async for found in _told(session, requests(path, method, operation), operation)
                ]
                assert wrong == []
            # What chance does not make: an answer that is no refusal, of each operation that needs no past.
            for path, body in RIGHT.items():
                responses = DOCUMENT["paths"][path]["post"]["responses"]
                good = {
                    "responses": {code: each for code, each in responses.items() if code in {"200", "202"}}
                }
                found = await judge(session, (path, "post", {}, body), good)
                for _ in range(20):  # a broker whose topics are new does not confirm at once
                    if "503 is not" in str(found):
                        found = await judge(session, (path, "post", {}, body), good)
                assert found is None
            for path in (
                "/api/board",
                "/api/session",
                "/api/trail",
                "/api/campaigns",
                "/api/campaigns/c-3",
                "/api/archive",
            ):
                responses = DOCUMENT["paths"][path.replace("c-3", "{campaign_id}")]["get"]["responses"]
                good = {"responses": {"200": responses["200"]}}
                assert await judge(session, (path, "get", {}, None), good) is None
            silent = {"responses": {}}
            found = await judge(session, ("/api/board", "get", {}, None), silent)
            assert "200 is not in the document" in str(found)

    run(test)


async def _told(session: ClientSession, strategy: st.SearchStrategy[Any], operation: dict[str, Any]) -> Any:
    asked: list[Any] = []

    @hypothesis.seed(1)
    @examples(0.3)
    @hypothesis.given(strategy)
    def ask(request: Any) -> None:
        asked.append(request)

    ask()
    for each in asked:
        found = await judge(session, each, operation)
        if found is not None:
            yield found


def test_every_path_of_the_api_is_in_the_document(settings, store):
    async def test() -> None:
        async with serving(settings) as (_, board):
            served = (*board.board_routes.routes(), *board.archive_routes.routes())
            routes = {(each.method.lower(), each.path) for each in served}
        known = {(method, path) for path, method, _ in OPERATIONS}
        assert routes - known == {
            ("get", "/healthz"), ("get", "/readyz"), ("get", "/api/events"), ("get", openapi.PATH),
        }  # fmt: skip
        assert known <= routes

    run(test)
