"""CPU limits and counters read from and written to control group files."""

import math
from pathlib import Path

import pytest

from harness.backends import cgroup
from harness.backends.cgroup import CpuGroup, Mount
from harness.errors import BenchError

HYBRID = """\
30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 none rw
31 25 0:27 / /sys/fs/cgroup/cpu rw,nosuid - cgroup none rw,cpu
32 25 0:28 / /sys/fs/cgroup/cpuacct rw,nosuid - cgroup none rw,cpuacct
33 25 0:29 / /sys/fs/cgroup/memory rw,nosuid - cgroup none rw,memory
"""
TOGETHER = "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
UNIFIED = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def version_1(folder: Path, **files: str) -> CpuGroup:
    return CpuGroup(1, *[written(folder, files)] * 3)


def version_2(folder: Path, **files: str) -> CpuGroup:
    return CpuGroup(2, *[written(folder, files)] * 3)


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_version_1_controllers_are_found_by_name():
    mounts = cgroup.parse_mounts(HYBRID)
    assert mounts["cpu"] == Mount("/", Path("/sys/fs/cgroup/cpu"))


def test_controllers_mounted_together_share_a_place():
    mounts = cgroup.parse_mounts(TOGETHER)
    assert mounts["cpu"] == mounts["cpuacct"]


def test_a_hybrid_system_is_version_1_because_the_cpu_controller_is_there():
    memberships = cgroup.parse_memberships("4:memory:/m/a\n2:cpuacct:/a\n1:cpu:/docker/abc\n0::/ignored\n")
    group = cgroup.group_of(cgroup.parse_mounts(HYBRID), memberships)
    assert group == CpuGroup(
        1,
        Path("/sys/fs/cgroup/cpu/docker/abc"),
        Path("/sys/fs/cgroup/cpuacct/a"),
        Path("/sys/fs/cgroup/memory/m/a"),
    )


def test_a_unified_system_is_version_2():
    group = cgroup.group_of(
        cgroup.parse_mounts(UNIFIED), cgroup.parse_memberships("0::/system.slice/docker-abc.scope\n")
    )
    assert group is not None
    assert (group.version, group.cpu) == (2, Path("/sys/fs/cgroup/system.slice/docker-abc.scope"))


def test_a_group_outside_of_our_namespace_is_not_visible():
    assert cgroup.group_of(cgroup.parse_mounts(UNIFIED), cgroup.parse_memberships("0::/../docker-abc.scope\n")) is None


def test_a_mount_that_shows_a_part_of_the_hierarchy_hides_the_rest():
    assert cgroup.directory(Mount("/docker/abc", Path("/c")), "/docker/other") is None


def test_a_mount_that_shows_a_part_of_the_hierarchy_shows_what_is_below():
    assert cgroup.directory(Mount("/docker/abc", Path("/c")), "/docker/abc/x") == Path("/c/x")


def test_without_control_groups_there_is_no_group():
    assert cgroup.group_of({}, {}) is None


def test_quota_is_cores_times_period():
    assert cgroup.quota_us(0.25, 0.010) == (2500, 10000)


def test_no_limit_is_minus_one():
    assert cgroup.quota_us(math.inf, 0.020) == (-1, 20000)


def test_the_kernels_smallest_quota_gives_a_tenth_of_a_core_in_10_ms():
    assert cgroup.min_cores(0.010) == pytest.approx(0.1)


@pytest.mark.parametrize(("text", "cores"), [("2500 10000", 0.25), ("max 100000", math.inf), ("-1\n10000\n", math.inf)])
def test_a_limit_is_read_as_cores(text, cores):
    assert cgroup.parse_limit(text) == cores


def test_version_1_limits_are_written_and_read_back(tmp_path):
    group = version_1(tmp_path, cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    cgroup.write_cores(group, 1.3)
    assert cgroup.read_cores(group) == pytest.approx(1.3)


def test_version_1_takes_our_period(tmp_path):
    group = version_1(tmp_path, cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    cgroup.write_cores(group, 1.0, period_s=0.010)
    assert (tmp_path / "cpu.cfs_period_us").read_text() == "10000"


def test_version_2_limits_are_written_and_read_back(tmp_path):
    group = version_2(tmp_path)
    cgroup.write_cores(group, 0.5)
    assert cgroup.read_cores(group) == pytest.approx(0.5)


def test_version_2_writes_max_for_no_limit(tmp_path):
    cgroup.write_cores(version_2(tmp_path), math.inf, period_s=0.010)
    assert (tmp_path / "cpu.max").read_text() == "max 10000"


def test_version_1_counters_are_nanoseconds(tmp_path):
    group = version_1(
        tmp_path,
        cpu__stat="nr_periods 10\nnr_throttled 4\nthrottled_time 1500000000\n",
        cpuacct__usage="2500000000\n",
        memory__usage_in_bytes="1000\n",
        memory__stat="total_inactive_file 300\n",
    )
    assert cgroup.read_counters(group) == cgroup.Counters(2.5, 1.5, 700)


def test_version_2_counters_are_microseconds(tmp_path):
    group = version_2(
        tmp_path,
        cpu__stat="usage_usec 2500000\nnr_periods 1\nthrottled_usec 1500000\n",
        memory__current="1000\n",
        memory__stat="inactive_file 300\n",
    )
    assert cgroup.read_counters(group) == cgroup.Counters(2.5, 1.5, 700)


def test_memory_that_is_not_accounted_reads_as_zero(tmp_path):
    group = version_2(tmp_path, cpu__stat="usage_usec 1\n")
    assert cgroup.read_counters(group).memory_bytes == 0


def test_a_limit_that_cannot_be_read_names_the_file(tmp_path):
    with pytest.raises(BenchError, match=r"cpu\.max: cannot be read"):
        cgroup.read_cores(version_2(tmp_path))


def test_a_limit_that_is_refused_names_file_and_value(tmp_path):
    with pytest.raises(BenchError, match=r"cpu\.max: '10000 10000' was refused"):
        cgroup.write_cores(version_2(tmp_path / "gone"), 1.0, period_s=0.010)


def test_making_a_version_2_group_hands_the_cpu_controller_down(tmp_path):
    for level in (tmp_path, tmp_path / "sponge-bench"):
        level.mkdir(exist_ok=True)
        (level / "cgroup.subtree_control").write_text("")
    path = tmp_path / "sponge-bench" / "run"
    cgroup.make_group(CpuGroup(2, path, path, path))
    assert (tmp_path / "sponge-bench" / "cgroup.subtree_control").read_text() == "+cpu"


def test_removing_a_group_removes_what_is_below(tmp_path):
    path = tmp_path / "run"
    (path / "replica-0").mkdir(parents=True)
    assert cgroup.remove_group(CpuGroup(2, path, path, path))
    assert not path.exists()


def test_a_group_in_use_is_reported_as_not_removed(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "busy").write_text("")  # stands for a process: the directory cannot go
    assert not cgroup.remove_group(CpuGroup(2, path, path, path))


def test_a_group_that_does_not_exist_counts_as_removed(tmp_path):
    path = tmp_path / "never"
    assert cgroup.remove_group(CpuGroup(1, path, path, None))


def test_our_groups_lie_under_both_controllers_of_version_1():
    root = cgroup.root_in(cgroup.parse_mounts(HYBRID))
    assert root is not None
    assert [str(path) for path in cgroup.directories(root)] == [
        "/sys/fs/cgroup/cpu/sponge-bench",
        "/sys/fs/cgroup/cpuacct/sponge-bench",
    ]


def test_a_group_of_two_controllers_in_one_place_is_one_directory():
    root = cgroup.root_in(cgroup.parse_mounts(TOGETHER))
    assert root is not None
    assert len(cgroup.directories(root)) == 1
