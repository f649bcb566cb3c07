"""Apache Kafka's jars: named by a pinned pom, fetched by Maven from where this machine's Maven settings say, kept.

python -m ops.kafka_jars     write ops/deploy/kafka/jars.sha256 anew, after a change of the pom
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from schemas.errors import SettingsError

POM = Path(__file__).parent / "deploy" / "kafka" / "pom.xml"
SUMS = POM.with_name("jars.sha256")
JAVA_AT_LEAST = 17
FETCH_S = 600.0
PACKAGES = "`apt-get install openjdk-17-jre-headless maven` (Debian) brings both"


def kafka_jars() -> Path:
    """The folder of all jars of the pinned Kafka, fetched the first time.

    Raises:
        SettingsError: Maven is missing, could not fetch them, or brought other bytes than were pinned.
    """
    folder = jars_folder()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
            fetched = Path(aside) / "jars"
            _fetch(fetched)
            _check(fetched)
            try:
                fetched.rename(folder)
            except OSError:
                # Another process was faster, with the same bytes.
                if not folder.is_dir():
                    raise
    return folder


def jars_folder() -> Path:
    """Where they are kept: in the user's cache folder, under a name that follows from what is pinned."""
    pinned = hashlib.sha256(POM.read_bytes() + SUMS.read_bytes()).hexdigest()[:16]
    return Path.home() / ".cache" / "lookalive" / f"kafka-{pinned}"


def java_command() -> str:
    """The path of a Java that can run Kafka.

    Raises:
        SettingsError: there is none, or it is too old.
    """
    java = shutil.which("java")
    if java is None:
        raise SettingsError(f"Apache Kafka needs Java {JAVA_AT_LEAST} or newer, and there is no `java`: {PACKAGES}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        first = said.strip().splitlines()[:1] or ["nothing"]
        raise SettingsError(
            f"Apache Kafka needs Java {JAVA_AT_LEAST} or newer; `java -version` says {first[0]!r}: {PACKAGES}"
        )
    return java


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise SettingsError(f"Maven fetches Apache Kafka's jars the first time, and there is no `mvn`: {PACKAGES}")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(
            [*command, "-DincludeScope=runtime"], capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"Maven did not fetch Apache Kafka's jars within {FETCH_S:.0f} s; try again") from error
    if done.returncode != 0:
        words = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        raise SettingsError(
            f"Maven could not fetch Apache Kafka's jars: {words[0][8:] if words else done.stderr[-500:]}; it needs "
            "Maven Central, or a mirror of it in ~/.m2/settings.xml"
        )


def _sums(folder: Path) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def _check(folder: Path) -> None:
    pinned = {name: digest for digest, name in (line.split() for line in SUMS.read_text().splitlines())}
    have = _sums(folder)
    wrong = sorted(name for name in pinned.keys() | have.keys() if pinned.get(name) != have.get(name))
    if wrong:
        raise SettingsError(f"Maven brought other jars than were pinned in {SUMS.name}: {', '.join(wrong)}")


def main() -> None:
    """Pin what Maven brings now."""
    with tempfile.TemporaryDirectory() as aside:
        _fetch(Path(aside))
        SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in _sums(Path(aside)).items()))


if __name__ == "__main__":
    main()
