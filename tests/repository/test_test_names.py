"""Tests are found by the same names in each process of a run."""

import os

import pytest


# Names that were made of these bytes would differ between processes, and such a run would end before its first test.
@pytest.mark.parametrize("content", [os.urandom(16)])
def test_bytes_give_a_test_the_name_of_their_argument(request, content):
    assert request.node.name.endswith("[content]")


@pytest.mark.parametrize("text", ["a" * 81])
def test_long_texts_give_a_test_the_name_of_their_argument(request, text):
    assert request.node.name.endswith("[text]")
