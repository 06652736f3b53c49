"""Imports without collections: the collector is back afterwards, whatever happened, and stays off where it was off."""

import gc

import pytest

from textlstm.garbage import uncollected


def test_the_collector_is_off_inside_and_on_again_after_an_error():
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()  # the inner block leaves the outer one's
        raise KeyError
    assert gc.isenabled()


def test_what_is_there_at_the_end_is_left_out_of_later_collections():
    before = gc.get_freeze_count()
    with uncollected():
        kept = [[number] for number in range(1000)]
    assert gc.get_freeze_count() >= before + len(kept)


def test_who_has_turned_the_collector_off_keeps_it_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
