import io
import json
import tarfile
from pathlib import Path

from infra.releases.images import NEWEST_DEBIAN_URL, add_docker_manifest, make_sources_list


def test_an_archive_says_for_docker_which_of_its_files_are_the_image(tmp_path: Path) -> None:
    """`docker load` of 20.10 found nothing in one with OCI's index alone, and loads this by its
    name."""
    image = {
        "config": {"digest": "sha256:c"},
        "layers": [{"digest": "sha256:1"}, {"digest": "sha256:2"}],
    }
    files = {"index.json": {"manifests": [{"digest": "sha256:m"}]}, "blobs/sha256/m": image}
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data := json.dumps(content).encode())
            tar.addfile(member, io.BytesIO(data))
    add_docker_manifest(tmp_path / "image.tar", "localhost/regulars:latest")
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert tar.getnames() == [*files, "manifest.json"]
        assert json.load(tar.extractfile("manifest.json") or io.BytesIO()) == [
            {
                "Config": "blobs/sha256/c",
                "RepoTags": ["localhost/regulars:latest"],
                "Layers": ["blobs/sha256/1", "blobs/sha256/2"],
            }
        ]


def test_only_the_lists_of_another_day_may_have_run_out() -> None:
    assert make_sources_list(NEWEST_DEBIAN_URL).splitlines() == [
        "deb http://deb.debian.org/debian trixie main",
        "deb http://deb.debian.org/debian trixie-updates main",
        "deb http://deb.debian.org/debian-security trixie-security main",
    ]
    for line in make_sources_list(
        "http://snapshot.debian.org/archive/{}/20261126T000000Z"
    ).splitlines():
        assert line.startswith(
            "deb [check-valid-until=no] http://snapshot.debian.org/archive/debian"
        )
        assert "/20261126T000000Z trixie" in line
