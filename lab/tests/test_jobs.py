"""bench.jobs in short: a day of 5,000 captures, each second of which stands for twenty."""

from pathlib import Path

from regulars_lab.bench import jobs


def test_each_job_ends_in_time_and_hundreds_of_shops_are_done_in_theirs(tmp_path: Path) -> None:
    took = jobs.simulate_days(tmp_path, captures=250, cameras=5, days=8, parts=20)
    assert max(one.seconds for one in took) < jobs.LIMIT_S
    # what does not grow with the captures counts twenty times, too
    assert min(jobs.most(took).values()) > 40
    assert {one.when for one in took} == {*jobs.KINDS}
    assert "TOO LONG" not in jobs.table(took)
