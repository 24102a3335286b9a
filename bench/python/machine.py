"""What machine this is, which commit, where the data lies, and how a file leaves the page cache."""
import os
import platform
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def describe(isa=""):
    """The machine in words; `isa`: what both sides are held to, if not to all that the processor has."""
    cpu = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            cpu = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in cpu_flags()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    held = f", held to {isa}" if isa else ""
    return f"{cpu}, {os.cpu_count()} cores ({' '.join(flags)}), {memory:.0f} GiB{held}"


def cpu_flags():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].split() for line in file if line.startswith("flags"))
    except (OSError, StopIteration):
        return []


def commit():
    """As git has it; "unknown" without git or outside a checkout."""
    run = lambda *command: subprocess.run(["git", "-C", ROOT, *command], capture_output=True, text=True).stdout.strip()
    try:
        return (run("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if run("status", "--porcelain") else "")
    except OSError:
        return "unknown"


def default_data():
    """TOFU beside the checkout, else the demo's bundled records."""
    tofu = os.path.join(ROOT, "..", "shared", "data", "tofu", "full.jsonl")
    if os.path.exists(tofu):
        return os.path.normpath(tofu)
    return os.path.join(ROOT, "src/main/resources/dev/lethe/demo/people.jsonl")


def drop_from_cache(paths):
    """Only what is on the disk leaves the cache, so each file is synced first."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
