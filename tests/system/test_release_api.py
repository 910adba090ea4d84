"""The release half of /api/v1 over the wire: every answer is held to docs/openapi.yaml."""

import json
import re
import threading
from pathlib import Path

import pytest
import yaml

from support import oci

DESCRIPTION = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text())
SHOP = """\
app: shop
components:
  web: {repository: shop/web}
environments:
  - name: staging
    targets: [{name: web-1, component: web}]
  - name: production
    window: 2
    targets: [{name: web-1, component: web}]
"""
PRODUCTION = "/api/v1/apps/shop/environments/production"
STAGING = "/api/v1/apps/shop/environments/staging"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
         "null": type(None)}


def resolve(node):
    while "$ref" in node:
        found = DESCRIPTION
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def conforms(value, schema, where):
    """The part of JSON Schema that the description uses; keys that it does not name are refused."""
    schema = resolve(schema)
    if "oneOf" in schema:
        schema = next(resolve(one) for one in schema["oneOf"]
                      if (resolve(one)["type"] == "null") == (value is None)
                      and set(resolve(one).get("required", [])) <= set(value or []))
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = tuple(TYPES[name] for name in types)
    assert isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds), \
        f"{where}: {value!r} is not {types}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, list):
        for i, item in enumerate(value):
            conforms(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict) and "properties" in schema:
        for key in schema.get("required", []):
            assert key in value, f"{where}: no {key}"
        for key, item in value.items():
            assert key in schema["properties"], f"{where}.{key}: not described"
            conforms(item, schema["properties"][key], f"{where}.{key}")


def operation(method, path):
    for template, operations in DESCRIPTION["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in operations:
            return operations[method.lower()]
    raise AssertionError(f"{method} {path} is not described")


class Api:
    """Sends, and holds every answer to the description."""

    def __init__(self, server):
        self.server = server

    def __call__(self, method, path, body=None, headers=None, status=None):
        got, head, data = self.server.request(method, path, body, headers or {})
        answer = json.loads(data)
        kind = "application/problem+json" if got >= 400 else "application/json"
        assert {key.lower(): value for key, value in head.items()}["content-type"] == kind
        responses = operation(method, path.partition("?")[0])["responses"]
        response = resolve(responses.get(str(got), responses["default"]))
        assert str(got) in responses or got >= 400, f"{method} {path}: {got} is not described"
        conforms(answer, response["content"][kind]["schema"], f"{method} {path}")
        if status is not None:
            assert got == status, answer
        return answer

    def refused(self, method, path, body=None, code=None, headers=None):
        problem = self(method, path, body, headers)
        error = problem["error"]
        assert error["code"] == problem["code"] == code, error
        assert (problem["detail"], problem["type"]) == (error["message"], f"urn:repoint:error:{code}")
        return error

    def report(self, environment, n, revision, state, **more):
        return self("POST", f"/api/v1/apps/shop/environments/{environment}/targets/web-1/reports",
                    {"id": f"host-1:{n}", "agent": "host-1", "driver": "dir", "revision": revision,
                     "state": state, "message": state, "at": "2026-11-24T14:05:09.123Z", **more},
                    status=200)


@pytest.fixture
def api(server):
    api = Api(server)
    api("POST", "/api/v1/apply?file=repoint.yaml", SHOP.encode(), status=200)
    return api


def release(api, version, commit=None):
    image = oci.make_image([{"version": version}])
    oci.push(api.server, "shop/web", version, image)
    return api("POST", "/api/v1/apps/shop/releases",
               {"version": version, "components": {"web": version},
                "source": {"commit": commit or f"c0ffee-{version}", "build": "7"}}, status=201)


def deploy(api, version, environment="production", n=[0]):
    base = f"/api/v1/apps/shop/environments/{environment}"
    revision = api("POST", f"{base}/revisions", {"kind": "deploy", "release": version}, status=201)
    n[0] += 1
    api.report(environment, n[0], revision["number"], "confirmed")
    return revision


def test_errors_are_problem_documents_and_say_what_is_next(api):
    """Also where no handler was asked: of a path that is none, and of a method that is not possible."""
    for method, path, status, code, says in (
            ("GET", "/api/v1/apps/none", 404, "not-found", "list of this API"),
            ("GET", "/api/v1/nothing", 404, "not-found", "list of this API"),
            ("PATCH", "/api/v1/apps", 405, "unsupported", "header Allow"),
            ("POST", f"{PRODUCTION}/plan", 400, "invalid", "docs/openapi.yaml")):
        got, head, data = api.server.request(method, path, b"{}", {})
        problem = json.loads(data)
        assert got == problem["status"] == status and problem["code"] == code, problem
        assert {key.lower(): value for key, value in head.items()}["content-type"] == "application/problem+json"
        assert says in problem["next"] and problem["title"][0].isupper()
        conforms(problem, {"$ref": "#/components/schemas/Error"}, path)
    status, head, data = api.server.request("GET", "/v2/shop/web/manifests/none", None, {})
    assert status == 404 and "errors" in json.loads(data), "registry clients get what their specification says"


def test_policies(api):
    path = "/api/v1/repositories/policies"
    api("PUT", f"{path}/shop%2F*", {"tag_mutability": "MUTABLE_WITH_EXCLUSION", "exclusions": ["v*"]}, status=200)
    assert len(api("GET", path, status=200)["policies"]) == 1
    for repository in "shop/web", "other":
        assert api("GET", f"{path}?repository={repository}", status=200)["repository"] == repository
    api.refused("PUT", f"{path}/shop%2F*", {"sparse": "maybe"}, code="invalid")
    api.refused("GET", f"{path}?repository=NO", code="name-invalid")
    api.refused("DELETE", f"{path}/none", code="not-found")


def test_the_running_server_has_the_described_routes(server):
    """A method that no route has is refused with those there are (test_openapi compares the table itself)."""
    for template, operations in DESCRIPTION["paths"].items():
        path = re.sub(r"{\w+}", "1", template)
        status, headers, _ = server.request("PATCH", path, b"", {})
        assert status == 405, f"{template} is described, but the server does not have it"
        allowed = {key.lower(): value for key, value in headers.items()}["allow"]
        methods = {method.strip().lower() for method in allowed.split(",")} - {"head", "options"}
        assert methods == set(operations) - {"parameters"}, template


def test_all_references_of_the_description_resolve():
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                resolve({"$ref": node["$ref"]})
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)
    walk(DESCRIPTION)


def test_from_declaration_to_undo(api):
    again = api("POST", "/api/v1/apply", SHOP.encode(), status=200)
    assert again["changes"] == []
    assert [app["name"] for app in api("GET", "/api/v1/apps", status=200)["apps"]] == ["shop"]
    for version in ("1.0", "1.1", "1.2"):
        release(api, version)
        deploy(api, version)
    plan = api("POST", f"{PRODUCTION}/plan", {"kind": "rollback"}, status=200)
    assert plan["release"]["version"] == "1.1" and not plan["blocked"]
    unknown = {item["subject"] for item in plan["items"] if item["state"] == "not-restored"}
    assert {"config", "schema", "secrets"} <= unknown, "a plan says what it does not restore"
    ready = api("GET", f"{PRODUCTION}/ready?verify=hash", status=200)
    assert ready["ready"] and [r["undo_target"] for r in ready["revisions"]] == [False, True, False]
    undone = api("POST", f"{PRODUCTION}/revisions",
                 {"kind": "rollback", "expected_revision": 3, "cause": "it burns"},
                 {"X-Repoint-Actor": "ann@ops"}, status=201)
    assert (undone["restores"], undone["actor"], undone["cause"]) == (2, "ann@ops", "it burns")
    history = api("GET", f"{PRODUCTION}/revisions", status=200)["revisions"]
    assert [r["number"] for r in history] == [4, 3, 2, 1]
    assert [r["good"] for r in history] == [False, False, True, True]
    assert api("GET", f"{PRODUCTION}/revisions/3", status=200)["rolled_back_by"] == 4
    assert api("GET", f"{PRODUCTION}/revisions?limit=1&before=3")["revisions"][0]["number"] == 2
    app = api("GET", "/api/v1/apps/shop", status=200)
    assert app["environments"][1]["last_good"]["number"] == 1
    assert api("POST", "/api/v1/ledger/verify", {}, status=200)["ok"]
    api("POST", "/api/v1/ledger/rebuild", status=200)
    assert api("GET", f"{PRODUCTION}/revisions")["revisions"][1:] == history[1:]


def test_promote(api):
    release(api, "1.0")
    api.refused("POST", f"{PRODUCTION}/revisions", {"kind": "promote"}, code="blocked")
    deploy(api, "1.0", "staging")
    promoted = api("POST", f"{PRODUCTION}/revisions", {"kind": "promote"}, status=201)
    assert promoted["release"]["version"] == "1.0" and promoted["cause"].startswith("promote 1.0")


def pointer(api, headers=None):
    status, head, data = api.server.request("GET", f"{PRODUCTION}/pointer", None, headers or {})
    return status, {key.lower(): value for key, value in head.items()}.get("etag"), data


def test_R22_a_move_rests_on_the_etag_of_the_pointer(api):
    for version in ("1.0", "1.1", "1.2"):
        release(api, version)
    move = {"kind": "deploy", "release": "1.0"}
    assert api("GET", f"{PRODUCTION}/pointer", status=200)["revision"] is None
    _, nothing, _ = pointer(api)
    assert nothing == '"0"'
    api("POST", f"{PRODUCTION}/revisions", move, {"If-Match": nothing}, status=201)
    status, one, data = pointer(api)
    assert (status, one, json.loads(data)["release"]["version"]) == (200, '"1"', "1.0")
    assert pointer(api, {"If-None-Match": one}) == (304, one, b"")
    api.report("production", "etag-1", 1, "confirmed")
    assert pointer(api)[1] == one, "what targets report moves no pointer"

    api("POST", f"{PRODUCTION}/revisions", {**move, "release": "1.1"}, {"If-Match": one}, status=201)
    assert pointer(api, {"If-None-Match": one})[:2] == (200, '"2"')
    late = api("POST", f"{PRODUCTION}/revisions", {**move, "release": "1.2"}, {"If-Match": one}, status=412)
    assert late["code"] == "stale" and late["error"]["detail"]["current"]["number"] == 2
    assert pointer(api)[1] == '"2"', "whoever was late changed nothing"
    api.refused("POST", f"{PRODUCTION}/revisions", {**move, "release": "1.2", "expected_revision": 1}, code="moved")


@pytest.mark.parametrize("tag", ["*", "2", 'W/"2"', '"2", "3"', '"-1"', '""', '"'])
def test_if_match_is_one_etag_of_a_pointer(api, tag):
    release(api, "1.0")
    said = api.refused("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": "1.0"}, "invalid", {"If-Match": tag})
    assert "If-Match" in said["message"]


def test_if_match_and_the_body_must_not_disagree(api):
    release(api, "1.0")
    api.refused("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": "1.0", "expected_revision": 1}, "invalid",
                {"If-Match": '"0"'})


def test_refusals_say_more(api):
    for version in ("1.0", "1.1"):
        release(api, version, commit=f"abcd-{version}")
        deploy(api, version)
    move = f"{PRODUCTION}/revisions"
    moved = api.refused("POST", move, {"kind": "deploy", "release": "1.0", "expected_revision": 1},
                        code="moved")
    assert moved["detail"]["current"]["number"] == 2
    for method, path, body in (("GET", "/api/v1/apps/shop/releases/abcd", None),
                               ("POST", move, {"kind": "deploy", "release": "abcd"})):
        ambiguous = api.refused(method, path, body, code="ambiguous")
        assert {r["version"] for r in ambiguous["detail"]["candidates"]} == {"1.0", "1.1"}
    for method, path, body, code in (
            ("GET", "/api/v1/apps/shoo", None, "not-found"),
            ("GET", f"{PRODUCTION}/revisions/9", None, "not-found"),
            ("GET", f"{PRODUCTION}/revisions/x", None, "invalid"),
            ("GET", f"{PRODUCTION}/revisions?limit=0", None, "invalid"),
            ("GET", f"{PRODUCTION}/ready?verify=maybe", None, "invalid"),
            ("GET", "/api/v1/trace/sha256:0000000000", None, "not-found"),
            ("POST", move, {"kind": "auto-rollback"}, "invalid"),
            ("POST", move, {"kind": "deploy"}, "invalid"),
            ("POST", move, {"kind": "deploy", "release": 7}, "invalid"),
            ("POST", move, b'{"kind": ', "invalid"),
            ("POST", "/api/v1/apply?file=x.yaml", b"app: [", "invalid"),
            ("POST", "/api/v1/apps/shop/releases", {"components": {}}, "invalid"),
            ("POST", "/api/v1/ledger/verify", {"seq": 1}, "invalid")):
        api.refused(method, path, body, code=code)


def test_a_repeated_key_has_one_effect(api):
    release(api, "1.0")
    key = {"Idempotency-Key": "deploy-1"}
    body = {"kind": "deploy", "release": "1.0"}
    first = api("POST", f"{PRODUCTION}/revisions", body, key, status=201)
    again = api("POST", f"{PRODUCTION}/revisions", body, key, status=200)
    assert first["number"] == again["number"] == 1
    api.refused("POST", f"{PRODUCTION}/revisions", {"kind": "deploy", "release": "#1"}, "conflict",
                key)
    api("POST", f"{STAGING}/revisions", body, key, status=201)  # another environment, another request
    api.refused("POST", f"{PRODUCTION}/revisions", body, "invalid", {"Idempotency-Key": "x" * 129})


def test_R02_a_commit_has_one_release(api):
    first = release(api, "1.0", commit="abc")
    same = api("POST", "/api/v1/apps/shop/releases",
               {"version": "9.9", "components": {"web": "1.0"}, "source": {"commit": "abc"}}, status=200)
    assert same == first
    oci.push(api.server, "shop/web", "rebuilt", oci.make_image([{"version": "rebuilt"}]))
    error = api.refused("POST", "/api/v1/apps/shop/releases",
                        {"components": {"web": "rebuilt"}, "source": {"commit": "abc"}}, "conflict")
    assert "built once" in error["message"]
    found = api("GET", "/api/v1/apps/shop/releases?commit=abc", status=200)["releases"]
    assert found == [first]


def test_status_wakes_when_something_happens(api):
    release(api, "1.0")
    seq = api("GET", f"{PRODUCTION}/status", status=200)["seq"]
    answers = []
    poll = threading.Thread(target=lambda: answers.append(
        api("GET", f"{PRODUCTION}/status?after={seq}&wait_ms=20000", status=200)))
    poll.start()
    api("POST", f"{STAGING}/revisions", {"kind": "deploy", "release": "1.0"}, status=201)
    deploy(api, "1.0")
    poll.join(30)
    assert answers[0]["current"]["number"] == 1 and answers[0]["seq"] > seq
    status = api("GET", f"{PRODUCTION}/status", status=200)
    assert status["converged"] and status["targets"][0]["state"] == "confirmed"
    assert status["targets"][0]["seen_at"]


def test_pointer_and_undone_on_the_host(api):
    pointer = f"{PRODUCTION}/targets/web-1/pointer?agent=host-1&driver=dir"
    assert api("GET", pointer, status=200)["revision"] is None
    for version in ("1.0", "1.1", "1.2", "1.3"):
        release(api, version)
        deploy(api, version)
    got = api("GET", pointer, status=200)
    assert [entry["revision"] for entry in got["window"]] == [4, 3, 2]
    target = got["window"][1]
    taken = api.report("production", "undo", 4, "undone", observed_digest=target["digest"],
                       local=[entry["digest"] for entry in got["window"]],
                       undo={"to_digest": target["digest"], "to_revision": 3, "from_revision": 4,
                             "cause": "no server", "actor": "ann@host-1"})
    assert taken["pointer_revision"] == 5
    revision = api("GET", f"{PRODUCTION}/revisions/5", status=200)
    assert (revision["kind"], revision["restores"], revision["actor"]) == ("rollback", 3, "ann@host-1")
    after = api("GET", f"{pointer}&after={got['seq']}&wait_ms=10000", status=200)
    assert after["revision"]["number"] == 5
    trace = api("GET", f"/api/v1/trace/{target['digest'][:30]}", status=200)
    assert [r["version"] for r in trace["releases"]] == ["1.2"] and trace["targets"]
    assert [r["number"] for r in trace["revisions"]] == [5, 3]


def test_version_and_events(api):
    version = api("GET", "/api/v1/version", status=200)
    assert version["ledger"]["seq"] >= 1
    events = api("GET", "/api/v1/ledger?kind=app.&limit=5", status=200)["events"]
    assert [event["kind"] for event in events] == ["app.applied"]
    head = version["ledger"]
    assert api("POST", "/api/v1/ledger/verify", head, status=200)["head"] == head
