#!/usr/bin/env bash
# pytest-xdist 3.8.0 beside pytest 9.2.0: tests of one group run in several processes, and nothing says so.
#
# Guess: with `--dist loadgroup` all tests that carry one `xdist_group` run in one process, as the manual says.
# Seen: with pytest 9.1.1 they do; with 9.2.0, which pytest-xdist 3.8.0 allows, they are dealt out one by one, without a warning.
# Why it matters: what a group shares (a broker, a port, a folder) is made in each process, or two processes use one. Tests pass
#   and take longer, or fail now and then. Pin pytest below 9.2 until a release of pytest-xdist says otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tests"
cat >"$folder/tests/test_group.py" <<'PY'
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(12))
def test_of_one_group(number):
    time.sleep(0.05)
PY
for version in 9.1.1 9.2.0; do
  "${PYTHON:-python3}" -m venv "$folder/$version" || exit 2
  "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check pytest==$version pytest-xdist==3.8.0 || exit 2
  (cd "$folder/tests" && "$folder/$version/bin/python" -m pytest -v -p no:cacheprovider --numprocesses 2 --dist loadgroup) >"$folder/log"
  processes=$(grep PASSED "$folder/log" | cut -d ']' -f 1 | sort -u | wc -l)
  echo "pytest $version: $(grep -c PASSED "$folder/log") tests of one group in $processes process(es)"
done >"$folder/seen"
cat >"$folder/expected" <<'TXT'
pytest 9.1.1: 12 tests of one group in 1 process(es)
pytest 9.2.0: 12 tests of one group in 2 process(es)
TXT
diff -u "$folder/expected" "$folder/seen" || { echo "This has changed." >&2; exit 1; }
echo "Still as described."
