from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from foodco_storage.demo.scenario import DemoFailed, Scenario
from foodco_storage.demo.stage import BUCKET, SOURCE_BUCKET, documents, load, stage
from foodco_storage.testing import port_answers


def demo(*arguments: str) -> Any:
    command = [sys.executable, "-m", "foodco_storage", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "160"})


def test_the_demo_of_a_few_files() -> None:
    result = demo("--limit", "60")
    assert result.returncode == 0, result.stderr
    assert "all equal" in result.stdout
    # 60 reads were served by "S3", what was written (20 + 20 + 20) by the primary.
    rows = {tuple(cell.strip() for cell in line.split("│")[1:4]) for line in result.stdout.splitlines() if "│" in line}
    assert ("read", "s3", "60") in rows
    assert ("read back", "ceph", "60") in rows
    assert ("publish", "ceph", "20") in rows


def test_files_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir" / "é & co.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "empty").write_bytes(b"")
    result = demo("--from", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "all equal" in result.stdout


@pytest.mark.slow
def test_the_demo_on_a_real_ceph(ceph: Any) -> None:
    result = demo("--ceph", "--limit", "60")
    assert result.returncode == 0, result.stderr
    assert "the primary is Ceph" in result.stdout


def test_what_it_checks() -> None:
    """Each check fails when what it guards is broken."""
    files = documents(None, 5)
    with stage(ceph=False) as both:
        load(both.s3, files, lambda size: None)
        scenario = Scenario(both, files)
        scenario.check_the_stores(lambda count: None)

        both.s3.put_object(Bucket=SOURCE_BUCKET, Key=files[0].key, Body=b"other bytes")
        with pytest.raises(DemoFailed, match="not those of the file"):
            scenario.read_everything(lambda size: None)
        with pytest.raises(DemoFailed, match="never written"):
            scenario.check_the_stores(lambda count: None)

        scenario = Scenario(both, files)
        both.primary.put_object(Bucket=BUCKET, Key="stray", Body=b"")
        with pytest.raises(DemoFailed, match="exactly what the service wrote"):
            scenario.check_the_stores(lambda count: None)
        with pytest.raises(DemoFailed, match="the listing has 6 names"):
            scenario.list_everything(lambda count: None)


def test_settings_of_the_user_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://s3.invalid",
        "HTTP_PROXY": "http://proxy.invalid:3128",
        "FOODCO_STORAGE__DEFAULT__BACKEND": "nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    result = demo("--limit", "3")
    assert result.returncode == 0, result.stderr


def test_an_interrupt_ends_the_stores() -> None:
    command = [sys.executable, "-u", "-m", "foodco_storage", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        urls: list[str] = []
        while len(urls) < 2:
            line = next(lines)
            if line.startswith("endpoint_url"):
                urls.append(line.split('"')[1])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode not in {0, None}
    assert "Traceback" not in errors
    assert not any(port_answers(int(url.rpartition(":")[2])) for url in urls)
