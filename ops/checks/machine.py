"""The machine: Python, packages, processor, GPU, memory, disk, pictures and the model."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from ops.checks.finding import Finding, ok, problem, warning
from ops.installation import describe_encoder
from schemas.errors import LookaliveError
from schemas.settings import Settings

OLDEST_PYTHON = (3, 11)
GIB = 1024**3
LITTLE_DISK_BYTES, TOO_LITTLE_DISK_BYTES, LITTLE_MEMORY_BYTES = 5 * GIB, GIB // 4, 2 * GIB
GPU_ANSWER_S = 10.0


def check_machine(settings: Settings) -> Iterator[Finding]:
    """Everything that needs no other process; the model is loaded last, as it takes longest."""
    yield check_python(sys.version_info[:3])
    yield check_packages(metadata.requires("lookalive") or [])
    yield check_processor(_read("/proc/cpuinfo"), len(os.sched_getaffinity(0)))
    yield check_gpu(settings.model.device)
    yield check_memory(_read("/proc/meminfo"))
    yield check_folder("data folder", settings.data_path)
    yield check_folder("image store", settings.image_store_path)
    yield from check_roots(settings)
    yield from check_hosts(settings.images.allow_hosts)
    yield check_model(settings)


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether Python is new enough."""
    said = ".".join(str(part) for part in version)
    if version[:2] < OLDEST_PYTHON:
        return problem("python", said, "use Python 3.11 or newer: make setup PYTHON=/path/to/python3.11")
    return ok("python", said)


def check_packages(requirements: Iterable[str]) -> Finding:
    """Whether what this lookalive was made for is installed, in the versions it asks for."""
    wrong, count = [], 0
    for requirement in (Requirement(text) for text in requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    faiss = [name for name in ("faiss-cpu", "faiss-gpu") if _installed(name)]
    if len(faiss) != 1:
        wrong.append("faiss-cpu and faiss-gpu are both installed" if faiss else "faiss-cpu is missing")
    if wrong:
        return problem("packages", "; ".join(wrong), "run `make setup`, which installs the locked versions")
    return ok("packages", f"{count} as asked for, {faiss[0]} {metadata.version(faiss[0])}")


def check_processor(cpuinfo: str, cores: int) -> Finding:
    """Whether the vector instructions that FAISS is fast with are there."""
    flags = {flag for line in cpuinfo.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()}
    found = [name for name in ("avx2", "avx512f", "asimd", "sve") if name in flags]
    said = f"{cores} cores, {', '.join(found) or 'no vector instructions known'}"
    if not found:
        return warning("processor", said, "searches are several times slower without AVX2: choose another machine")
    return ok("processor", said)


def check_gpu(device: str) -> Finding:
    """Whether a GPU answers, where the settings want one."""
    found = _gpus()
    if found:
        return ok("gpu", ", ".join(found))
    if device == "cuda":
        return problem("gpu", "none answers nvidia-smi", "set LOOKALIVE_MODEL__DEVICE=auto, or mend the driver")
    return ok("gpu", "none; models run on the processor")


def check_memory(meminfo: str) -> Finding:
    """Whether memory is left for a shard and a model."""
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    available = int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    said = f"{available / GIB:.1f} GiB available"
    if available < LITTLE_MEMORY_BYTES:
        return warning("memory", said, "small models and some 100,000 items fit; stop other programs for more")
    return ok("memory", said)


def check_folder(name: str, folder: Path) -> Finding:
    """Whether a folder can be written and has room; it is not made, its nearest parent is asked."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    advice = f"choose another with LOOKALIVE_{'DATA_DIR' if name == 'data folder' else 'IMAGES__STORE'}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        return problem(name, f"{folder} cannot be written: {error.strerror}", f"mend its permissions, or {advice}")
    said = f"{folder}, {free / GIB:.1f} GiB free"
    if free < TOO_LITTLE_DISK_BYTES:
        return problem(name, said, f"make room, or {advice}")
    if free < LITTLE_DISK_BYTES:
        return warning(name, said, f"snapshots of large catalogues need more: make room, or {advice}")
    return ok(name, said)


def check_roots(settings: Settings) -> Iterator[Finding]:
    """Whether the folders that `file:` references may point into are there."""
    for root in settings.images.roots:
        path = Path(root)
        if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
            yield problem("image root", f"{root} is no folder that can be read", "mend LOOKALIVE_IMAGES__ROOTS")
        else:
            yield ok("image root", root)


def check_hosts(hosts: Iterable[str]) -> Iterator[Finding]:
    """Whether the image hosts that are named have addresses."""
    for host in hosts:
        try:
            addresses = {str(found[4][0]) for found in socket.getaddrinfo(host.partition(":")[0], None)}
        except OSError as error:
            yield warning("image host", f"{host}: {error.strerror}", "mend LOOKALIVE_IMAGES__ALLOW_HOSTS, or the DNS")
        else:
            yield ok("image host", f"{host}: {', '.join(sorted(addresses))}")


def check_model(settings: Settings) -> Finding:
    """Whether the model loads, in a process of its own."""
    try:
        encoder = describe_encoder(settings)
    except (LookaliveError, subprocess.TimeoutExpired) as error:
        advice = "mend LOOKALIVE_MODEL__NAME and LOOKALIVE_MODEL__CHECKPOINT; `histogram` needs no weights"
        return problem("model", str(error), advice)
    return ok("model", f"{encoder.name}, {encoder.dimension} numbers per picture, fingerprint {encoder.fingerprint}")


def _gpus() -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        done = subprocess.run([command, "-L"], capture_output=True, timeout=GPU_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    return [line.partition(" (UUID")[0] for line in lines if line.startswith("GPU")]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
