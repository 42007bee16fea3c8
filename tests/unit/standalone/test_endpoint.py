"""What the ready screen and endpoint.json say."""

from __future__ import annotations

import json
import shlex

from synapse_standalone.endpoint import FIRST_QUESTION, Endpoint, ready_text

ENDPOINT = Endpoint.at("127.0.0.1", 8080, key="sk-1", model="org/it's a model", grpc="127.0.0.1:1", pid=7)


def test_the_curl_is_a_command_that_a_shell_understands() -> None:
    words = shlex.split(ENDPOINT.curl("What's new?"))
    assert words[:3] == ["curl", "-i", "http://127.0.0.1:8080/v1/chat/completions"]
    assert "Authorization: Bearer sk-1" in words
    body = json.loads(words[words.index("-d") + 1])
    assert (body["model"], body["messages"][0]["content"]) == ("org/it's a model", "What's new?")


def test_scripts_find_everything_that_they_need() -> None:
    assert ENDPOINT.as_dict() == {
        "url": "http://127.0.0.1:8080",
        "base_url": "http://127.0.0.1:8080/v1",
        "key": "sk-1",
        "model": "org/it's a model",
        "grpc": "127.0.0.1:1",
        "pid": 7,
    }


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert Endpoint.at("::1", 1, key="", model="", grpc="", pid=1).url == "http://[::1]:1"


def test_the_ready_screen_shows_both_questions_and_where_things_are() -> None:
    text = ready_text(ENDPOINT, seconds=2.5, state="the-folder")
    assert text.count("curl -i ") == 2
    assert FIRST_QUESTION in text
    assert "the-folder" in text
