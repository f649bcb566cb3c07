#!/bin/sh
# What the tests on Apache Kafka need and pip does not bring: Java 17 and Maven of Debian, and Kafka's jars by Maven.
# Whatever cannot be had is said; tests/broker/conftest.py says why its tests are skipped then. Usage: tests/broker/setup.sh PYTHON
set -u
python=$1
if [ -n "${LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS:-}" ]; then
  echo "kafka: some tests use $LOOKALIVE_KAFKA__BOOTSTRAP_SERVERS"
fi
if ! command -v java >/dev/null 2>&1 || ! command -v mvn >/dev/null 2>&1; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  log=$(mktemp)
  echo "kafka: installing Debian's openjdk-17-jre-headless and maven"
  { $as_root apt-get -qq update && $as_root apt-get -qq install -y --no-install-recommends openjdk-17-jre-headless maven; } \
    >"$log" 2>&1 || echo "kafka: \`apt-get install openjdk-17-jre-headless maven\` did not work here: see $log"
fi
# A machine that cannot have it is no failure of the build.
"$python" -c 'from ops.kafka_jars import java_command, kafka_jars; print(f"kafka: {kafka_jars()}, {java_command()}")' 2>&1 |
  sed -n '$p'
