"""REST out of the protos: the `google.api.http` annotations read from the descriptors, and JSON for their messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from synapse_gateway.problems import Problem, invalid, wrong_type

_TEMPLATE = re.compile(r"\{(?P<name>[^}=]+)(?:=(?P<pattern>[^}]+))?\}|\*\*|\*|[^{*]+")
_VERB = re.compile(r":([A-Za-z]+)$")
_UNKNOWN = re.compile(r'has no field named "(?P<name>[^"]*)" at "[^".]*\.?(?P<place>[^"]*)"')
_READING = re.compile(r"[:/](?:lookup|explain|preview|variations|simulate|search)$")
_WILDCARDS = {"*": "[^/]+", "**": ".+"}
_TRUTH = {"true": True, "false": False}
_MASK = "update_mask"


@dataclass(frozen=True)
class Binding:
    """One HTTP form of one RPC.

    `template` is as annotated; `variables` are the field paths of its pattern's groups; `body` is the field that the
    HTTP body fills, "*" for all, empty for none; `response_body` the field that is the reply, empty for all.
    """

    verb: str
    template: str
    rpc: MethodDescriptor
    body: str
    response_body: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]

    @property
    def reads_only(self) -> bool:
        """Whether it changes nothing: a GET, or a path that ends in a word that only asks, such as `:lookup`."""
        return self.verb == "GET" or (self.verb == "POST" and _READING.search(self.template) is not None)

    def request(self, match: re.Match[str], query: str, body: Any) -> Message:
        """The RPC's request; `body` is the parsed JSON body. Raises Problem 400 naming what is wrong."""
        content = self._content(query, body)
        for field, value in zip(self.variables, match.groups(), strict=True):
            _lay(content, field, unquote(value))
        message = self._parsed(content)
        if self.verb == "PATCH" and isinstance(body, dict):
            self._name_changes(message, body)
        return message

    def parameters(self, query: str) -> Message:
        """A request of the query parameters alone; raises Problem 400 naming what is wrong."""
        content: dict[str, Any] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            _lay_parameter(content, self.rpc.input_type, name, value)
        return self._parsed(content)

    def element(self, body: Any) -> Message:
        """A request of one of many bodies alone; raises Problem 400 naming what is wrong."""
        return self._parsed(body if self.body == "*" else {self.body: body})

    def reply(self, message: Message, *, terse: bool = False) -> Any:
        """The RPC's reply as JSON: proto field names; fields without presence are always there, unless `terse`."""
        content = json_format.MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=not terse
        )
        return content.get(self.response_body) if self.response_body else content

    def _parsed(self, content: dict[str, Any]) -> Message:
        message = GetMessageClass(self.rpc.input_type)()
        try:
            json_format.ParseDict(content, message)
        except json_format.ParseError as error:
            raise _parse_problem(str(error)) from error
        return message

    def _content(self, query: str, body: Any) -> dict[str, Any]:
        parameters = parse_qsl(query, keep_blank_values=True)
        if self.body == "*":
            if parameters:
                raise invalid(f"Unknown query parameter '{parameters[0][0]}'.", parameters[0][0], "unknown_parameter")
            if not isinstance(body, dict):
                raise wrong_type("body", "an object", body)
            return dict(body)
        content: dict[str, Any] = {}
        for name, value in parameters:
            _lay_parameter(content, self.rpc.input_type, name, value)
        if self.body:
            kind = self.rpc.input_type.fields_by_name[self.body].message_type
            if kind is not None and not isinstance(body, dict | None):  # [] would pass for an object without members
                raise wrong_type("body", "an object", body)
            content[self.body] = body
        elif body:
            raise invalid(f"{self.verb} {self.template} takes no body.", code="unexpected_body")
        return content

    def _name_changes(self, message: Any, body: dict[str, Any]) -> None:
        """Name the members of a PATCH's body, nulls included, in the request's `update_mask`."""
        fields = self.rpc.input_type.fields_by_name
        kind = fields[self.body].message_type if self.body in fields else None
        if kind is not None and _MASK in fields and not message.HasField(_MASK):
            known = {**kind.fields_by_name, **kind.fields_by_camelcase_name}
            message.update_mask.SetInParent()
            message.update_mask.paths.extend(dict.fromkeys(known[member].name for member in body))


class RestMap:
    """Every annotated RPC of some services, found by method and path."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        found = [binding for service in services for binding in _bindings(service)]
        self.bindings = sorted(found, key=_specificity, reverse=True)

    @property
    def roots(self) -> list[str]:
        """The first segments of all paths, such as "/api"."""
        return sorted({"/" + binding.template.split("/")[1] for binding in self.bindings})

    def find(self, verb: str, path: str) -> tuple[Binding, re.Match[str]]:
        """The binding of a request, `path` still percent-encoded; raises Problem 404 or 405."""
        others: set[str] = set()
        for binding in self.bindings:
            match = binding.pattern.fullmatch(path)
            if match is not None and binding.verb == verb:
                return binding, match
            if match is not None:
                others.add(binding.verb)
        if others:
            raise method_not_allowed(verb, path, sorted(others))
        raise no_such_path(path)


def no_such_path(path: str) -> Problem:
    """404."""
    return Problem(404, f"There is no '{path}' here.", code="unknown_url", fault="caller_not_found")


def method_not_allowed(verb: str, path: str, allowed: Sequence[str]) -> Problem:
    """405, with the methods that are allowed."""
    allow = [(b"allow", ", ".join(allowed).encode())] if allowed else []
    message = f"{verb} is not allowed on '{path}'."
    return Problem(405, message, code="method_not_allowed", headers=allow, fault="caller_invalid")


def _bindings(service: ServiceDescriptor) -> Iterator[Binding]:
    for rpc in service.methods:
        options: Any = rpc.GetOptions()
        if not options.HasExtension(annotations_pb2.http):
            continue
        rule: http_pb2.HttpRule = options.Extensions[annotations_pb2.http]
        for one in (rule, *rule.additional_bindings):
            yield _binding(rpc, one)


def _binding(rpc: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        verb, template = rule.custom.kind, rule.custom.path
    else:
        verb, template = kind.upper(), getattr(rule, kind)
    pattern, variables = _compiled(template)
    return Binding(verb, template, rpc, rule.body, rule.response_body, re.compile(pattern), tuple(variables))


def _compiled(template: str) -> tuple[str, list[str]]:
    pattern, variables = "", []
    for token in _TEMPLATE.finditer(template):
        if name := token["name"]:
            variables.append(name)
            inner = "".join(_plain(part[0]) for part in _TEMPLATE.finditer(token["pattern"] or "*"))
            pattern += f"({inner})"
        else:
            pattern += _plain(token[0])
    return pattern, variables


def _plain(token: str) -> str:
    return _WILDCARDS.get(token) or re.escape(token)


def _specificity(binding: Binding) -> tuple[bool, int, int]:
    literal = _TEMPLATE.sub(lambda token: "" if token["name"] or token[0] in _WILDCARDS else token[0], binding.template)
    return (_VERB.search(binding.template) is not None, len(literal), -len(binding.variables))


def _lay(content: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        content = content.setdefault(name, {})
        if not isinstance(content, dict):
            raise wrong_type(path, "an object", content)
    content[last] = value


def _lay_parameter(content: dict[str, Any], kind: Descriptor, path: str, text: str) -> None:
    """Lay a query parameter into `content`, as JSON of its field's type; dots lead into messages."""
    names = path.split(".")
    field: FieldDescriptor | None = None
    for name in names:
        field = kind.fields_by_name.get(name) or kind.fields_by_camelcase_name.get(name)
        if field is None:
            raise invalid(f"Unknown query parameter '{path}'.", path, "unknown_parameter")
        kind = field.message_type or kind
    value: Any = text
    if field is not None and field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in _TRUTH:
            raise invalid(f"Query parameter '{path}' must be 'true' or 'false'.", path, "invalid_type")
        value = _TRUTH[text]
    place = content
    for name in names[:-1]:
        place = place.setdefault(name, {})
    if field is not None and field.is_repeated:
        place.setdefault(names[-1], []).append(value)
    else:
        place[names[-1]] = value


def _parse_problem(message: str) -> Problem:
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        path = ".".join(filter(None, (unknown["place"], unknown["name"])))
        return invalid(f"Unknown member '{path}'.", path, "unknown_parameter")
    return invalid(message.partition("\n")[0].rstrip("."), code="invalid_value")
