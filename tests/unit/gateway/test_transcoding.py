"""Whatever a proto annotates is served, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, field_mask_pb2
from google.protobuf.descriptor import ServiceDescriptor

from synapse_gateway.adapters.mesh import SERVICES
from synapse_gateway.problems import Problem
from synapse_gateway.transcoding import RestMap

FIELD = descriptor_pb2.FieldDescriptorProto


def rule(body: str = "", *more: http_pb2.HttpRule, **pattern: Any) -> http_pb2.HttpRule:
    return http_pb2.HttpRule(body=body, additional_bindings=more, **pattern)


def service(**rules: http_pb2.HttpRule) -> ServiceDescriptor:
    """A service that did not exist when the gateway was written."""
    file = descriptor_pb2.FileDescriptorProto(name="later.proto", package="later", syntax="proto3")
    file.dependency.extend(["google/api/annotations.proto", "google/protobuf/field_mask.proto"])
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="deep_flag", number=1, type=FIELD.TYPE_BOOL, label=FIELD.LABEL_OPTIONAL)
    thing = file.message_type.add(name="Thing")
    for number, (name, kind, label) in enumerate(
        [
            ("name", FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL),
            ("count", FIELD.TYPE_INT64, FIELD.LABEL_OPTIONAL),
            ("tags", FIELD.TYPE_STRING, FIELD.LABEL_REPEATED),
            ("inner", FIELD.TYPE_MESSAGE, FIELD.LABEL_OPTIONAL),
            ("update_mask", FIELD.TYPE_MESSAGE, FIELD.LABEL_OPTIONAL),
        ],
        1,
    ):
        field = thing.field.add(name=name, number=number, type=kind, label=label)
        if kind == FIELD.TYPE_MESSAGE:
            field.type_name = ".later.Inner" if name == "inner" else ".google.protobuf.FieldMask"
    made = file.service.add(name="LaterService")
    for name, annotation in rules.items():
        method = made.method.add(name=name, input_type=".later.Thing", output_type=".later.Thing")
        extensions: Any = method.options.Extensions
        extensions[annotations_pb2.http].CopyFrom(annotation)
    pool = descriptor_pool.DescriptorPool()
    for known in (
        descriptor_pb2.DESCRIPTOR,
        field_mask_pb2.DESCRIPTOR,
        http_pb2.DESCRIPTOR,
        annotations_pb2.DESCRIPTOR,
    ):
        pool.AddSerializedFile(known.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("later.LaterService")


def ask(annotation: http_pb2.HttpRule, verb: str, path: str, query: str = "", body: Any = None) -> Any:
    binding, match = RestMap([service(Call=annotation)]).find(verb, path)
    return binding.request(match, query, body)


def test_the_annotated_paths_of_the_cache_are_served() -> None:
    found = {(binding.verb, binding.template) for binding in RestMap(SERVICES).bindings}
    assert {
        ("GET", "/api/v1/stats"),
        ("POST", "/api/v1/cache"),
        ("GET", "/api/v1/cache/{id}"),
        ("DELETE", "/api/v1/cache/{id}"),
        ("POST", "/api/v1/cache:invalidate"),
        ("POST", "/api/v1/cache:lookup"),
    } <= found


def test_the_roots_cover_every_path() -> None:
    assert RestMap([service(A=rule(get="/admin/config"), B=rule(get="/api/v1/x"))]).roots == ["/admin", "/api"]


def test_variables_come_from_the_path_decoded() -> None:
    assert ask(rule(get="/api/v1/things/{name}"), "GET", "/api/v1/things/a%2Fb%20c").name == "a/b c"


def test_variables_may_span_segments() -> None:
    assert ask(rule(get="/api/v1/{name=things/**}"), "GET", "/api/v1/things/a/b").name == "things/a/b"


def test_query_parameters_fill_fields() -> None:
    asked = ask(rule(get="/api/v1/x"), "GET", "/api/v1/x", "count=5&tags=a&tags=b&inner.deepFlag=true")
    assert (asked.count, list(asked.tags), asked.inner.deep_flag) == (5, ["a", "b"], True)


def test_both_spellings_are_accepted_in_a_body() -> None:
    for name in ("deep_flag", "deepFlag"):
        assert ask(rule("*", post="/api/v1/x"), "POST", "/api/v1/x", "", {"inner": {name: True}}).inner.deep_flag


def test_a_body_may_be_one_field() -> None:
    asked = ask(rule("inner", put="/api/v1/{name}"), "PUT", "/api/v1/n", "count=2", {"deep_flag": True})
    assert (asked.name, asked.count, asked.inner.deep_flag) == ("n", 2, True)


@pytest.mark.parametrize("value", [True, None])
def test_a_patch_names_what_its_body_changes(value: object) -> None:
    asked = ask(rule("inner", patch="/api/v1/x"), "PATCH", "/api/v1/x", "", {"deepFlag": value})
    assert list(asked.update_mask.paths) == ["deep_flag"]
    assert asked.inner.deep_flag is bool(value)


def test_a_patch_of_nothing_is_no_replacement() -> None:
    asked = ask(rule("inner", patch="/api/v1/x"), "PATCH", "/api/v1/x", "", {})
    assert asked.HasField("update_mask")


def test_a_put_replaces_the_whole() -> None:
    asked = ask(rule("inner", put="/api/v1/x"), "PUT", "/api/v1/x", "", {"deep_flag": True})
    assert not asked.HasField("update_mask")


def test_additional_bindings_are_served() -> None:
    annotation = rule("", rule("*", post="/api/v1/y"), get="/api/v1/x")
    assert ask(annotation, "POST", "/api/v1/y", "", {"name": "n"}).name == "n"


def test_a_verb_wins_over_a_variable() -> None:
    rest = RestMap([service(Get=rule(get="/api/v1/x/{name}"), Peek=rule(get="/api/v1/x/{name}:peek"))])
    assert rest.find("GET", "/api/v1/x/n:peek")[0].rpc.name == "Peek"
    assert rest.find("GET", "/api/v1/x/n")[0].rpc.name == "Get"


def test_gets_and_asking_verbs_only_read() -> None:
    def reads(annotation: http_pb2.HttpRule) -> bool:
        return RestMap([service(Call=annotation)]).bindings[0].reads_only

    assert reads(rule(get="/api/v1/x"))
    assert reads(rule("*", post="/api/v1/x:lookup"))
    assert reads(rule("*", post="/api/v1/x/preview"))
    assert not reads(rule("*", post="/api/v1/x:invalidate"))
    assert not reads(rule("*", post="/api/v1/lookup/flush"))
    assert not reads(rule("*", post="/api/v1/x/{preview}"))
    assert not reads(rule("*", put="/api/v1/x/preview"))
    assert not reads(rule(delete="/api/v1/x"))


@pytest.mark.parametrize(
    ("annotation", "verb", "path", "query", "body", "param"),
    [
        (rule("*", post="/api/v1/x"), "POST", "/api/v1/x", "", {"nam": 1}, "nam"),
        (rule("*", post="/api/v1/x"), "POST", "/api/v1/x", "", {"inner": {"flag": True}}, "inner.flag"),
        (rule("*", post="/api/v1/x"), "POST", "/api/v1/x", "count=1", {}, "count"),
        (rule("*", post="/api/v1/x"), "POST", "/api/v1/x", "", [], "body"),
        (rule("inner", put="/api/v1/x"), "PUT", "/api/v1/x", "", [], "body"),
        (rule(get="/api/v1/x"), "GET", "/api/v1/x", "nam=1", None, "nam"),
        (rule(get="/api/v1/x"), "GET", "/api/v1/x", "inner.deep_flag=maybe", None, "inner.deep_flag"),
        (rule(get="/api/v1/x"), "GET", "/api/v1/x", "count=many", None, None),
        (rule(get="/api/v1/x"), "GET", "/api/v1/x", "", {"name": "n"}, None),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    annotation: http_pb2.HttpRule, verb: str, path: str, query: str, body: Any, param: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        ask(annotation, verb, path, query, body)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_an_unknown_path_is_404_and_a_wrong_method_405() -> None:
    with pytest.raises(Problem) as caught:
        ask(rule(get="/api/v1/x"), "GET", "/api/v1/x/y")
    assert caught.value.status == 404
    with pytest.raises(Problem) as caught:
        ask(rule(get="/api/v1/x"), "POST", "/api/v1/x")
    assert (caught.value.status, caught.value.headers) == (405, [(b"allow", b"GET")])
