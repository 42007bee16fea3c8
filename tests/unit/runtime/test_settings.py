"""One file, laid over by the environment; whatever is wrong is named."""

from __future__ import annotations

import json
import os

import pytest
from pydantic import Field, SecretStr

from synapse_runtime.settings import Config, MeshSettings, Section, SettingsError, load, require_loopback_or_secret


class Inner(Section):
    depth: int = 1


class CacheSection(Section):
    redis_url: SecretStr = SecretStr("")
    ttl_seconds: float = Field(default=1.0, gt=0)
    name: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = False
    inner: Inner = Inner()


@pytest.fixture
def file(tmp_path):
    """Writes the configuration file; returns the environment that names it."""

    def write(content):
        path = tmp_path / "config.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return {"SYNAPSE_CONFIG_PATH": str(path)}

    return write


def cache(environ):
    return load(environ).section("cache", CacheSection)


def test_without_file_and_environment_the_defaults_hold():
    assert cache({}) == CacheSection()


def test_the_file_sets_and_the_environment_lays_over(file):
    environ = file({"cache": {"ttl_seconds": 5, "name": "file", "inner": {"depth": 2}}})
    found = cache(environ | {"SYNAPSE_CACHE__NAME": "env"})
    assert (found.ttl_seconds, found.name, found.inner.depth) == (5, "env", 2)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("2.5", "ttl_seconds", 2.5),
        ("true", "enabled", True),
        ('["a", "b"]', "tags", ("a", "b")),
        ("12", "name", "12"),
        ("1e5", "name", "1e5"),
        ("a b=c,d", "name", "a b=c,d"),
        ('{"depth": 9}', "inner", Inner(depth=9)),
    ],
)
def test_a_variable_is_read_as_what_the_setting_is(text, field, value):
    assert getattr(cache({f"SYNAPSE_CACHE__{field.upper()}": text}), field) == value


def test_deeper_levels_are_reached_by_further_underscores():
    assert cache({"SYNAPSE_CACHE__INNER__DEPTH": "7"}).inner.depth == 7


@pytest.mark.parametrize("alias", ["SYNAPSE_LOG", "RUST_LOG"])
def test_conventional_names_work(alias):
    config = load({alias: "warn", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://o", "REDIS_URL": "redis://r"})
    assert config.sections["telemetry"] == {"log_filter": "warn", "otlp_endpoint": "http://o"}
    assert config.sections["cache"] == {"redis_url": "redis://r"}


def test_our_own_name_wins_over_the_conventional_one():
    assert load({"SYNAPSE_LOG": "warn", "RUST_LOG": "error"}).sections["telemetry"]["log_filter"] == "warn"
    environ = {"REDIS_URL": "redis://a", "SYNAPSE_CACHE__REDIS_URL": "redis://b"}
    assert cache(environ).redis_url.get_secret_value() == "redis://b"


def test_variables_that_kubernetes_sets_are_no_settings():
    assert load({"SYNAPSE_GATEWAY_SERVICE_HOST": "10.0.0.1", "SYNAPSE_GATEWAY_PORT_8080_TCP": "tcp://x"}).sections == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "JSON object"),
        ('{"cache": 1}', "JSON object"),
        ('{"cash": {}}', "unknown section 'cash'"),
        ('{"cache": {"ttl": 1}}', "cache.ttl"),
        ('{"cache": {"ttl_seconds": -1}}', "cache.ttl_seconds"),
        ('{"cache": {"inner": {"depth": "x"}}}', "cache.inner.depth"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(file, content, told):
    environ = file(content)
    with pytest.raises(SettingsError) as raised:
        cache(environ)
    assert told in str(raised.value)
    assert environ["SYNAPSE_CONFIG_PATH"] in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"SYNAPSE_CASH__TTL": "1"}, "SYNAPSE_CASH__TTL"),
        ({"SYNAPSE_CACHE__TTL": "1"}, "cache.ttl"),
        ({"SYNAPSE_CACHE__NAME": "x", "SYNAPSE_CACHE__NAME__DEEP": "1"}, "SYNAPSE_CACHE__NAME__DEEP"),
        ({"SYNAPSE_CONFIG_PATH": "/no/such/file.json"}, "/no/such/file.json"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(environ, told):
    with pytest.raises(SettingsError) as raised:
        cache(environ)
    assert told in str(raised.value)


def test_every_wrong_setting_is_named_at_once():
    with pytest.raises(SettingsError) as raised:
        cache({"SYNAPSE_CACHE__A": "1", "SYNAPSE_CACHE__TTL_SECONDS": "no"})
    assert all(name in str(raised.value) for name in ("cache.a", "cache.ttl_seconds"))


def test_a_secret_is_never_shown():
    with pytest.raises(SettingsError) as raised:
        load({"SYNAPSE_MESH__SECRET": '["s3cret"]'}).section("mesh", MeshSettings)
    mesh = Config({"mesh": {"secret": "s3cret"}}, origin="test").section("mesh", MeshSettings)
    assert "s3cret" not in f"{raised.value} {mesh!r} {mesh}"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"])
def test_loopback_needs_no_secret(address):
    require_loopback_or_secret(address, MeshSettings())


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", ":1"])
def test_nothing_listens_beyond_loopback_without_a_secret(address):
    with pytest.raises(SettingsError, match="secret"):
        require_loopback_or_secret(address, MeshSettings())
    require_loopback_or_secret(address, MeshSettings(secret=SecretStr("x")))


def test_later_files_lie_over_earlier_ones(tmp_path):
    (tmp_path / "a.json").write_text('{"cache": {"name": "a", "ttl_seconds": 5}}')
    (tmp_path / "b.json").write_text('{"cache": {"name": "b"}}')
    found = cache({"SYNAPSE_CONFIG_PATH": f"{tmp_path / 'a.json'}{os.pathsep}{tmp_path / 'b.json'}"})
    assert (found.name, found.ttl_seconds) == ("b", 5)


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read .*gone\.json"):
        load({"SYNAPSE_CONFIG_PATH": str(tmp_path / "gone.json")})


def test_the_environment_reaches_an_element_of_a_list_by_its_name(file):
    environ = file({"router": {"backends": [{"name": "my-own.one"}, {"name": "other"}]}})
    config = load(environ | {"SYNAPSE_ROUTER__BACKENDS__MY_OWN_ONE__API_KEY": "sk-1"})
    assert config.sections["router"]["backends"] == [{"name": "my-own.one", "api_key": "sk-1"}, {"name": "other"}]


def test_an_element_that_is_not_there_is_an_error(file):
    environ = file({"router": {"backends": [{"name": "other"}]}})
    with pytest.raises(SettingsError, match="backends: there is no 'mine'"):
        load(environ | {"SYNAPSE_ROUTER__BACKENDS__MINE__API_KEY": "sk-1"})


def test_a_reload_reads_the_file_again_and_keeps_the_environment(file):
    environ = file({"cache": {"name": "old", "ttl_seconds": 5}})
    config = load(environ | {"SYNAPSE_CACHE__TTL_SECONDS": "7"})
    file({"cache": {"name": "new", "ttl_seconds": 6}})
    found = config.reload().section("cache", CacheSection)
    assert (found.name, found.ttl_seconds) == ("new", 7)
    assert config.section("cache", CacheSection).name == "old"


def test_settings_that_were_made_by_hand_reload_to_themselves():
    config = Config({"cache": {"name": "a"}}, origin="test")
    assert config.reload() is config
