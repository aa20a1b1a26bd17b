"""How the board starts, or says why not; the files of its page."""

import gzip
import socket
import subprocess
import sys

import pytest

from metrics.values.errors import RoistreamError, SettingError
from streams.board.server import BoardServer
from tests.support.board_serving import Clock, run, serving


@pytest.mark.parametrize(
    ("missing", "named"), [("board_token", "ROISTREAM_BOARD_TOKEN"), ("redis_url", "ROISTREAM_REDIS_URL")]
)
def test_without_a_token_or_a_redis_it_does_not_start_and_says_what_to_set(settings, missing, named):
    without = settings.model_copy(update={missing: None})
    with pytest.raises(SettingError, match=f"^{named}: "):
        BoardServer(without, Clock())


def test_a_taken_port_is_one_sentence_that_names_the_setting(settings):
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            board = BoardServer(settings.model_copy(update={"board_port": port}), Clock())
            with pytest.raises(RoistreamError, match=rf"^Port {port} .* ROISTREAM_BOARD_PORT"):
                await board.start()

    run(test)


@pytest.mark.server
def test_the_command_says_in_one_line_what_is_missing():
    done = subprocess.run(
        [sys.executable, "-m", "streams", "board"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("roistream: ROISTREAM_REDIS_URL: ")
    assert done.stderr.count("\n") == 1


def test_the_files_of_the_page_are_of_one_version_and_packed(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            headers = {"Accept-Encoding": "gzip"}
            async with session.get("/static/js/main.js", headers=headers, auto_decompress=False) as answer:
                tag, body = answer.headers["ETag"], gzip.decompress(await answer.read())
                assert answer.content_type == "text/javascript"
                assert b"EventSource" not in body
            async with session.get("/static/js/main.js", headers={"If-None-Match": tag}) as answer:
                assert answer.status == 304
            for path in ("/static/../server.py", "/static/js/../../access.py", "/static/", "/static/js"):
                async with session.get(path) as answer:
                    assert answer.status == 404, path

    run(test)
