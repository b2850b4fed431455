"""Ways to sample have one list of names, which help reads without NumPy."""

from __future__ import annotations

import subprocess
import sys

from par_model.policies import POLICIES
from par_model.sampling import Sampling


def test_each_policy_samples() -> None:
    assert POLICIES == ("uniform", "first", "random", "all", "cheap")
    for policy in POLICIES:
        if policy != "cheap":  # which asks the video: tests/test_sampling_cheap.py
            assert len(Sampling(policy, 3).positions(9, "t")) == (9 if policy == "all" else 3)


def test_names_are_at_hand_without_numpy() -> None:
    code = "import sys, par_model.policies; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
