"""Some rounds of the live fuzzer; ``make fuzz`` runs it for longer."""

import time

import pytest

from tests.fuzz.live import LiveFuzz, fuzz_settings


@pytest.mark.verify
@pytest.mark.server
def test_no_record_of_any_topic_ends_a_worker_and_the_ledger_adds_up(broker, tmp_path):
    outcome = LiveFuzz(fuzz_settings(broker), tmp_path, seed=int(time.time())).run(seconds=10)
    assert outcome.verdicts["applied"]
    assert outcome.verdicts["rejected"]
    assert outcome.starts >= 2
