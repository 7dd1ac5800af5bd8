"""bench.new_faces in short: several functions make new faces of one tenant at once, with the times
of calls on AWS."""

from pathlib import Path

from regulars_lab.bench.new_faces import new_faces, resolved_twice


def test_ten_functions_make_twenty_new_faces_a_second_and_store_a_portrait_once(
    tmp_path: Path,
) -> None:
    found = new_faces(tmp_path / "data", workers=10, captures=300)
    assert found["a_second"] >= 20
    assert found["s3 put"] <= 2.1  # the portrait and its thumbnail
    # 1.5 by `bench.new_faces`; it varies with the turns of threads
    assert found["transaction"] <= 2


def test_of_people_who_come_twice_at_once_each_becomes_one_stranger(tmp_path: Path) -> None:
    """Each is on two pictures, which two functions get one after the other."""
    found = resolved_twice(tmp_path / "data", workers=10, people=30)
    assert found == {"faces": 30, "pictures": 60}
