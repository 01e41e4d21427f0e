"""The embedded Valkey: one owner per folder, and what was acknowledged is still there after."""

import os
import signal
import time

import pytest

from guardproxy import app
from guardproxy.core.errors import SettingsError
from guardproxy.store import embedded


async def test_what_was_written_survives_a_kill_and_the_left_over_is_shut_down(tmp_path):
    first = embedded.start(tmp_path, time.sleep)
    connection = app.connect(first.url)
    await connection.do("SET", "kept", "yes")
    await connection.close()
    first.lock.close()  # as when guardproxy was killed: the lock is gone, its Valkey is not
    second = embedded.start(tmp_path, time.sleep)
    connection = app.connect(second.url)
    try:
        assert first.process.wait(10) == 0
        assert await connection.do("GET", "kept") == "yes"
        os.kill(second.process.pid, signal.SIGKILL)
        second.process.wait(10)
    finally:
        await connection.close()
        second.stop()
    third = embedded.start(tmp_path, time.sleep)
    connection = app.connect(third.url)
    try:
        assert await connection.do("GET", "kept") == "yes"
    finally:
        await connection.close()
        third.stop()


def test_a_folder_has_one_owner_and_a_second_hears_what_to_do(tmp_path):
    assert embedded.running(tmp_path) is None
    first = embedded.start(tmp_path, time.sleep)
    try:
        assert embedded.running(tmp_path) == first.url
        with pytest.raises(SettingsError, match="GUARDPROXY_DATA_DIR"):
            embedded.start(tmp_path, time.sleep)
    finally:
        first.stop()
    assert embedded.running(tmp_path) is None
