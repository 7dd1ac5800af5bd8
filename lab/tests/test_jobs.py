"""bench.chores in short: a day of 5,000 captures, each second of which stands for twenty."""

from pathlib import Path

from regulars_lab.bench import chores


def test_each_chore_ends_in_time_and_hundreds_of_shops_are_done_in_theirs(tmp_path: Path) -> None:
    took = chores.simulate_days(tmp_path, captures=250, cameras=5, days=8, parts=20)
    assert max(one.seconds for one in took) < chores.LIMIT_S
    assert min(chores.most(took).values()) > 40  # what does not grow with the captures counts twenty times, too
    assert {one.when for one in took} == {*chores.KINDS}
    assert "TOO LONG" not in chores.table(took)
