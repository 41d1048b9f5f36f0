# Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests that end in every way, run as the suite runs those on a GPU."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import arrays


class Place:
    def __init__(self, target):
        self.target = target


def test_a_that_passes(place):
    assert place.target == "cuda"


def test_b_that_fails(place):
    raise AssertionError("as it must")


def test_c_that_crashes(place):
    os.abort()


def test_d_that_never_ends(place):
    time.sleep(1000)


def test_e_that_has_nothing_to_do(place):
    raise arrays.Skip("nothing to do")


def test_f_that_passes(place):
    pass


print(arrays.run(sys.modules[__name__], "cuda", limit=20))
