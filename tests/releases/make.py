"""`python -m tests.releases.make 1.2.3`: the data folder of a small drawn shop, as today's code
leaves it, in a file.

Each release adds its own before it is made. Later ones leave it as it is: what a version wrote, the
next ones open.
"""

import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.version import VERSION
from tests.support.audit.shop import Shop
from tests.support.book.book import shot
from tests.support.releases import ENDING, FOLDER


def furnish(shop: Shop) -> None:
    """Do some of all: enrol three, see one of them and two strangers, name, seal, erase, and close
    the audit."""
    shop.enrol(1, "anna")
    shop.enrol(2, "ben")
    shop.services.enrolment.update.change_face(shop.tenant, "anna", FaceChanges(name="Anna Lee"))
    shop.see(shot(0, 1), shot(40, 1, 3), shot(24 * 60, 1), shot(25 * 60, 4))
    shop.put(shot(49 * 60, 3))  # its event is not told yet
    shop.services.webhooks.hooks.add("shop", "https://hooks.example.com/in")
    shop.services.statistics.sealing.seal_tenant(shop.tenant)
    shop.enrol(7, "carl")
    shop.services.deletion.delete_faces(shop.tenant, ["carl"], erase=True)
    assert shop.services.index.build("shop")
    shop.closed()


def write(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        shop = Shop(Path(scratch) / "data")
        with closing(shop):
            furnish(shop)
        with tarfile.open(file, "w:xz") as tar:
            tar.add(shop.folder, ".", filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    made = FOLDER / f"{(sys.argv[1:] or [VERSION])[0]}{ENDING}"
    write(made)
    print(f"{made}: {made.stat().st_size:,} bytes")
