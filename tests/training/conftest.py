"""A small labelled archive, decoded once for all tests of training, and small weights for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.training.archive import Archive, make_archive


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, most of all where other processes run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("labelled"))
