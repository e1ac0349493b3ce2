"""What runs the server elsewhere: the image, the compose file, the systemd unit and the configuration beside it.

No container is started here: linters read the files, and what they start is started without them.
"""

from __future__ import annotations

import configparser
import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.oracle.servers import start_kvcore

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "contrib" / "kvcore.service"
CONFIG = ROOT / "contrib" / "kvcore.conf"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="deployment files are for Linux")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KVCORE_")}
    return subprocess.run(
        command, env=kept | environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def check_config(*arguments: str | Path, **environment: str) -> str:
    """Return what ``kvcore-server ... --check-config`` says, complaints included."""
    done = run(sys.executable, "-m", "kvcore", *arguments, "--check-config", **environment)
    return done.stdout + done.stderr


def instructions(name: str) -> Iterator[str]:
    """Yield the arguments of each instruction of the Dockerfile of that name, continued lines joined."""
    for line in re.sub(r"\\\n", "", DOCKERFILE).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == name:
            yield rest.strip()


# The image


def test_hadolint_has_nothing_to_say() -> None:
    done = run(BIN / "hadolint", "--no-color", "Dockerfile")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_image_is_small_unprivileged_and_checked() -> None:
    assert all("-slim" in base for base in instructions("FROM"))
    assert len(list(instructions("FROM"))) == 2
    assert [int(user) > 0 for user in instructions("USER")] == [True]
    assert list(instructions("VOLUME")) == ["/data"] == list(instructions("WORKDIR"))[-1:]
    assert list(instructions("EXPOSE")) == ["6379"]
    assert len(re.findall(r"^HEALTHCHECK ", DOCKERFILE, re.M)) == 1


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    copied = [source for line in instructions("COPY") for source in shlex.split(line)[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if not any(fnmatch.fnmatch(source, pattern) for pattern in kept)] == []
    links = {path.name for path in (ROOT / "kvcore").iterdir() if path.is_symlink()}
    assert {"kvcore", *links} <= set(copied), "a folder of the package is not copied into the image"


def test_extras_of_the_image_exist() -> None:
    (wheels,) = re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE)
    text = (ROOT / "pyproject.toml").read_text()
    assert [extra for extra in wheels.split(",") if f"\n{extra} = [" not in text] == []


def test_the_image_starts_with_its_settings() -> None:
    environment = dict(word.split("=", 1) for line in instructions("ENV") for word in shlex.split(line))
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    assert json.loads(entry) == ["kvcore-server"]
    said = check_config(*json.loads(command), **environment)
    assert said == "Configuration is valid\n"


def test_the_health_check_tells_living_from_dead() -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.M)
    program, *arguments = json.loads(check)
    assert program == "python"
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it accepts, and never answers
        port = mute.getsockname()[1]
        assert run(sys.executable, *arguments, KVCORE_PORT=str(port)).returncode != 0
    assert run(sys.executable, *arguments, KVCORE_PORT=str(port)).returncode != 0
    server = start_kvcore("asyncio", "--requirepass", "secret")
    try:
        assert run(sys.executable, *arguments, KVCORE_PORT=str(server.port)).returncode == 0
    finally:
        server.stop()


# Compose


def test_compose_file_fits_its_schema() -> None:
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_service_starts_with_its_settings() -> None:
    (service,) = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    environment = {name: re.sub(r"\$\{.*\}", "secret", value) for name, value in service["environment"].items()}
    assert "${KVCORE_PASSWORD:?" in service["environment"]["KVCORE_REQUIREPASS"]
    assert check_config(*service["command"], **environment) == "Configuration is valid\n"
    assert service["volumes"] == ["data:/data"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


# systemd


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters="=", comment_prefixes="#", strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    copy = tmp_path / "kvcore.service"
    copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.M))
    done = run("systemd-analyze", "verify", "--man=no", copy)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "kvcore" in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_unit_starts_the_server_unprivileged(tmp_path: Path) -> None:
    service = unit()["Service"]
    program, path, *options = shlex.split(service["ExecStart"])
    assert Path(program).name == "kvcore-server"
    assert Path(path).name == CONFIG.name
    config = tmp_path / "kvcore.conf"
    config.write_text(CONFIG.read_text().replace(service["WorkingDirectory"], str(tmp_path)))
    assert check_config(config, *options) == "Configuration is valid\n"
    assert service["Type"] == "notify"
    assert options[options.index("--supervised") + 1] == "systemd"
    assert service["User"] == "kvcore"


def test_the_configuration_keeps_its_data_where_the_unit_may_write() -> None:
    service = unit()["Service"]
    assert f"\ndir {service['WorkingDirectory']}\n" in CONFIG.read_text()
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
