"""What a type checker says of clients: boto3's own stubs, if the user has them, and nothing that hurts if not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import foodco_storage

PROGRAM = """
import foodco_storage
from foodco_storage import Session

reveal_type(foodco_storage.client())
reveal_type(foodco_storage.client("s3", "eu-west-1"))
reveal_type(foodco_storage.client(service_name="s3", storage="storage.toml"))
reveal_type(foodco_storage.resource())
reveal_type(Session().client())
reveal_type(Session().resource("s3"))
reveal_type(foodco_storage.client("sqs"))
reveal_type(Session().client("sqs"))


def size(bucket: str, key: str) -> int:
    return foodco_storage.client().head_object(Bucket=bucket, Key=key)["ContentLength"]
"""


def checked(folder: Path, *stubs: str, program: str = PROGRAM) -> tuple[list[str], list[str]]:
    """The types that mypy reveals in a user's program, and its errors there; of stubs, it sees only those named."""
    # As installed: what a library's own files say is no user's concern.
    site = folder / "site-packages"
    site.mkdir()
    (site / "foodco_storage").symlink_to(Path(foodco_storage.__file__).parent)
    for package, text in STUBS.items():
        if package in stubs:
            (site / package).mkdir()
            (site / package / "py.typed").touch()
            (site / package / "__init__.pyi").write_text(text)
    (folder / "user.py").write_text(program)
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--no-site-packages",
        "--follow-imports=silent",
        "--ignore-missing-imports",
    ]
    # Of boto3 itself the user may have stubs or not; what is asked here is what comes of ours.
    result = subprocess.run(
        [*command, "--config-file=mypy.ini", "--cache-dir=cache", "user.py"],
        cwd=folder,
        env={"MYPYPATH": str(site), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert not result.stderr, result.stderr
    revealed = re.findall(r'user.py:\d+: note: Revealed type is "(.*)"', result.stdout)
    return revealed, re.findall(r"user.py:\d+: error: .*", result.stdout)


def _stubs(package: str) -> str:
    return f"""
from typing import TypedDict
class Head(TypedDict):
    ContentLength: int
class S3Client:
    def head_object(self, *, Bucket: str, Key: str) -> Head: ...
class S3ServiceResource:
    package = "{package}"
__all__ = ("S3Client", "S3ServiceResource")
"""


STUBS = {package: _stubs(package) for package in ("types_boto3_s3", "mypy_boto3_s3")}


@pytest.mark.parametrize("package", STUBS)
def test_with_either_package_of_stubs(tmp_path: Path, package: str) -> None:
    revealed, errors = checked(tmp_path, package)
    client, resource = f"{package}.S3Client", f"{package}.S3ServiceResource"
    assert revealed == [client, client, client, resource, client, resource, "Any", "Any"]
    assert errors == []


def test_with_both_packages_of_stubs(tmp_path: Path) -> None:
    revealed, errors = checked(tmp_path, *STUBS)
    assert revealed[0] == "types_boto3_s3.S3Client"
    assert errors == []


def test_without_stubs_a_strict_program_has_no_errors_but_its_own(tmp_path: Path) -> None:
    program = PROGRAM.replace(
        'foodco_storage.client().head_object(Bucket=bucket, Key=key)["ContentLength"]', "len(key)"
    )
    revealed, errors = checked(tmp_path, program=program)
    assert revealed == ["Any"] * 8
    assert errors == []


def test_the_real_stubs(tmp_path: Path) -> None:
    pytest.importorskip("types_boto3_s3")
    user = tmp_path / "user.py"
    user.write_text(
        "import foodco_storage\nreveal_type(foodco_storage.client())\nreveal_type(foodco_storage.resource())\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert re.findall(r'Revealed type is "(.*)"', result.stdout) == [
        "types_boto3_s3.client.S3Client",
        "types_boto3_s3.service_resource.S3ServiceResource",
    ], result.stdout + result.stderr
