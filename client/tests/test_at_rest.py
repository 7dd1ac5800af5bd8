"""What a thief of the box reads, by what the kernel says of the disk below."""

import os
from pathlib import Path

import pytest
from regulars_client.at_rest import describe_at_rest, is_encrypted


def disk(devices: Path, of: Path, uuid: str | None, *below: Path) -> Path:
    """Say of the disk on which a file lies what the kernel would."""
    number = of.stat().st_dev
    device = devices / f"{os.major(number)}:{os.minor(number)}"
    return made(device, uuid, *below)


def made(device: Path, uuid: str | None, *below: Path) -> Path:
    (device / "slaves").mkdir(parents=True)
    if uuid is not None:
        (device / "dm").mkdir()
        (device / "dm" / "uuid").write_text(f"{uuid}\n")
    for each in below:
        (device / "slaves" / each.name).symlink_to(each)
    return device


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    return tmp_path / "devices"


def test_a_partition_is_read_by_a_thief_and_luks_is_not(tmp_path: Path, devices: Path) -> None:
    assert is_encrypted(tmp_path, devices) is None, "no disk is there that this can see"
    disk(devices, tmp_path, None)
    assert is_encrypted(tmp_path / "not" / "there yet", devices) is False
    said = describe_at_rest([tmp_path / "spool", tmp_path / "key"], devices)
    assert said.startswith(f"a thief reads {tmp_path / 'spool'}, {tmp_path / 'key'}: no encrypted")


def test_a_volume_group_on_luks_is_encrypted_and_one_on_a_bare_disk_is_not(
    tmp_path: Path, devices: Path
) -> None:
    luks = made(tmp_path / "dm-0", "CRYPT-LUKS2-5c1f-root")
    bare = made(tmp_path / "sda2", None)
    disk(devices, tmp_path, "LVM-abcd", luks)
    assert is_encrypted(tmp_path, devices) is True
    assert "a thief reads nothing while the box is off" in describe_at_rest([tmp_path], devices)
    disk(devices / "other", tmp_path, "LVM-abcd", bare)
    assert is_encrypted(tmp_path, devices / "other") is False


@pytest.mark.parametrize("kind", ["VERITY", "INTEGRITY", "SUBDEV"])
def test_what_only_checks_a_disk_does_not_encrypt_it(
    tmp_path: Path, devices: Path, kind: str
) -> None:
    bare = made(tmp_path / "sda2", None)
    disk(devices, tmp_path, f"CRYPT-{kind}-0f1e-root", bare)
    assert is_encrypted(tmp_path, devices) is False


@pytest.mark.parametrize("kind", ["LUKS1", "LUKS2", "PLAIN", "TCRYPT", "BITLK"])
def test_a_volume_is_encrypted_if_all_disks_below_it_are(
    tmp_path: Path, devices: Path, kind: str
) -> None:
    partition = made(tmp_path / "sda2", None)
    luks = made(tmp_path / "dm-0", f"CRYPT-{kind}-5c1f-root", partition)
    bare = made(tmp_path / "sdb1", None)
    disk(devices, tmp_path, "LVM-abcd", luks)
    assert is_encrypted(tmp_path, devices) is True
    disk(devices / "other", tmp_path, "LVM-abcd", luks, bare)
    assert is_encrypted(tmp_path, devices / "other") is False


def test_what_lies_on_no_disk_is_said_as_not_known(tmp_path: Path, devices: Path) -> None:
    assert "cannot be told here" in describe_at_rest([tmp_path], devices)
